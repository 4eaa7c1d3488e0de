"""phasic 0.32.1 as models that JAX differentiates: by central differences, behind `pure_callback`.

`phasic_models.py CASE ...` prints one JSON line; times are seconds unless the name ends in `_ms`.
Its wheel lacks the handlers that `pmf_from_graph` needs, so it is `pmf_and_moments_from_graph`,
which its own `svgd` calls too. What is compiled is compiled before it is timed.

    gradient [N=20] [THETAS=2]      coalescent of N: the sum of log densities at 100 times
                                    linspace(0.05, 5.7), and its gradient, for some thetas by vmap
    svgd [N=5] [ITERATIONS=50]      coalescent of N, 1000 observations drawn here with theta 1, 100
                                    particles; an iteration is what more of them take longer
    islands [N=27] [THETAS=20]      expectation and its central differences, without JAX: five new
                                    thetas and expectations for each
"""

import json
import sys
import threading

import numpy as np
import phasic
from phasic_cases import STACK_BYTES, built, coalescent, islands, new_thetas, timed

PARTICLES, OBSERVATIONS = 100, 1000


def kingman(n):
    graph, _ = built(coalescent, [n] + [0] * (n - 1))
    graph.update_weights([1.0])
    return graph


def gradient(n=20, thetas=2):
    import jax
    import jax.numpy as jnp

    model = phasic.Graph.pmf_and_moments_from_graph(kingman(n))
    times = np.linspace(0.05, 5.7, 100)

    def total(theta):
        return jnp.log(model(theta, times)[0]).sum()

    both = jax.jit(jax.vmap(jax.value_and_grad(total)))
    points = np.linspace(0.8, 1.25, thetas)[:, None]
    jax.block_until_ready(both(points))
    (values, slopes), taken = timed(lambda: jax.block_until_ready(both(points)))
    return {
        "thetas": points[:, 0].tolist(),
        "seconds": taken,
        "each_s": taken / thetas,
        "values": np.asarray(values).tolist(),
        "slopes": np.asarray(slopes)[:, 0].tolist(),
    }


def svgd(n=5, iterations=50):
    graph = kingman(n)
    lineages = np.arange(2, n + 1)
    means = 2 / (lineages * (lineages - 1.0))
    data = np.random.default_rng(0).exponential(means, (OBSERVATIONS, n - 1)).sum(axis=1)

    def run(count):
        options = {"n_particles": PARTICLES, "n_iterations": count, "progress": False, "seed": 0}
        return timed(lambda: graph.svgd(data, **options))

    run(1)
    one = run(1)[1]
    found, many = run(iterations)
    return {
        "iterations": iterations,
        "one_s": one,
        "iteration_s": (many - one) / (iterations - 1),
        "mean": float(np.asarray(found.theta_mean)[0]),
        "std": float(np.asarray(found.theta_std)[0]),
        "data": data.tolist(),
    }


def islands_gradient(n=27, thetas=20):
    graph, _ = built(islands, [n, 0])
    points = np.random.default_rng(0).uniform(0.5, 2.0, (thetas, 2))
    moved = 1e-7 * np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
    every = (points[:, None] + moved).reshape(-1, 2)
    new_thetas(graph, every[:1])
    _, taken = timed(lambda: new_thetas(graph, every))
    return {"each_s": taken / thetas}


CASES = {"gradient": gradient, "svgd": svgd, "islands": islands_gradient}


def main():
    case, *rest = sys.argv[1:]
    return {"case": case, **CASES[case](*map(int, rest))}


if __name__ == "__main__":
    threading.stack_size(STACK_BYTES)
    lines = []
    runner = threading.Thread(target=lambda: lines.append(json.dumps(main())))
    runner.start()
    runner.join()
    print(*lines)
    sys.exit(0 if lines else 1)
