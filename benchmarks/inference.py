"""SVGD on coalescents: time of an iteration, its posterior, and a second process's start.

The exact posterior is a quadrature of the closed density of the coalescent's height, without a
graph. blackjax's SVGD has our model's log density; phasic's has its own model and own data, whose
exact posterior is its reference. "Iteration" of ours is all of `fit`, the search for the mode too.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
from measuring import Row, alternately, fresh_medians, milliseconds, show
from models import against, phasic
from phasetype import limited

PARTICLES, OBSERVATIONS, ITERATIONS, FITS = 100, 1000, 500, 3
BLACKJAX_RATE, PRIOR_SD = 0.01, 3.0
STARTS = 5
START = """
import jax
jax.config.update("jax_enable_x64", True)
from emberkeep.phasetype import SVGD, models
graph = models.kingman(5)
data = graph.sample(1000, [1.0], seed=1)
SVGD(graph.model(), data, n_iterations=1).fit()
"""


def exact(n: int, data: Any) -> tuple[float, float]:
    """Posterior mean and standard deviation of theta, by quadrature over its logarithm."""
    numbers = np.arange(2, n + 1)
    rates = numbers * (numbers - 1) / 2.0
    ratios = rates / (rates - rates[:, None] + np.eye(n - 1))  # by density and factor
    np.fill_diagonal(ratios, 1.0)
    weights = ratios.prod(axis=1) * rates
    logs = np.log(2 * (1 - 1 / n) / data.mean()) + np.linspace(-0.3, 0.3, 601)
    thetas = np.exp(logs)
    likelihood = [
        np.log(theta * (weights @ np.exp(-np.outer(rates, theta * data)))).sum() for theta in thetas
    ]
    heights = np.array(likelihood) - 0.5 * (logs / PRIOR_SD) ** 2
    shares = np.exp(heights - heights.max())
    shares /= shares.sum()
    mean = float(shares @ thetas)
    return mean, float(np.sqrt(shares @ (thetas - mean) ** 2))


def blackjax_run(model: Any, data: Any) -> Callable[[], Any]:
    """Its particles' thetas after all iterations, as one program; compiled."""
    import blackjax
    import jax
    import jax.numpy as jnp
    import optax

    def log_density(point: Any, model: Any, data: Any) -> Any:
        theta = jnp.exp(point)
        prior = -0.5 * (point / PRIOR_SD) ** 2
        return jnp.log(model.density(theta, data)).sum() + prior.sum()

    optimizer = optax.adam(BLACKJAX_RATE)
    begin = 0.1 * np.random.default_rng(0).standard_normal((PARTICLES, 1))

    @jax.jit
    def run(begin: Any, model: Any, data: Any) -> Any:
        def slope(point: Any) -> Any:
            return jax.grad(log_density)(point, model, data)

        algorithm = blackjax.svgd(slope, optimizer)
        state = algorithm.init(begin, {"length_scale": 0.01})
        state = jax.lax.fori_loop(0, ITERATIONS, lambda _, state: algorithm.step(state), state)
        return jnp.exp(state.particles)

    compiled = run.lower(begin, model, data).compile()
    return lambda: np.asarray(compiled(begin, model, data))


def descending(n: int, most: float, phasic_iterations: int) -> list[Row]:
    """Iterations of the three, and how far their posteriors are from the exact ones."""
    from emberkeep.phasetype import SVGD, models
    from emberkeep.phasetype.inference import LogNormal

    graph = models.kingman(n)
    data = graph.sample(OBSERVATIONS, [1.0], seed=1)
    model, prior = graph.model(), LogNormal(1.0, PRIOR_SD)
    fitting = SVGD(model, data, n_particles=PARTICLES, n_iterations=ITERATIONS, prior=prior)
    fitting.prewarm()
    other = blackjax_run(model, data)
    found: dict[str, Any] = {}
    runs = [lambda: found.update(ours=fitting.fit()), lambda: found.update(other=other())]
    ours, blackjax_s = (taken / ITERATIONS for taken in alternately(runs, FITS))
    posterior, thetas = found["ours"], found["other"]
    theirs = phasic("svgd", n, phasic_iterations)
    phasic_s = theirs["iteration_s"]
    name = f"SVGD, coalescent of {n}, {OBSERVATIONS:,} observations, {PARTICLES} particles"
    row = against(
        f"{name}: an iteration",
        ours,
        f"{milliseconds(phasic_s)} (phasic), {milliseconds(blackjax_s)} (blackjax, our model)",
        phasic_s,
        most,
    )
    mean, std = exact(n, data)
    phasic_mean, phasic_std = exact(n, np.array(theirs["data"]))
    means = (posterior.mean[0] / mean, thetas.mean() / mean, theirs["mean"] / phasic_mean)
    deviations = (posterior.std[0] / std, thetas.std() / std, theirs["std"] / phasic_std)
    after = f"(phasic, {phasic_iterations} iterations)"
    rows = [row]
    for what, reference, ratios in (("mean", mean, means), ("sd", std, deviations)):
        own, blackjax_ratio, phasic_ratio = (float(ratio) for ratio in ratios)
        rows.append(
            Row(
                f"the same: posterior {what}, over the exact {reference:.4g}",
                f"{own:.4f}",
                f"{phasic_ratio:.3f} {after}, {blackjax_ratio:.4f} (blackjax)",
                f"{own - 1:+.2%}",
                "within 5%",
                reached=abs(own - 1) <= 0.05,
            )
        )
    return rows


def starting() -> list[Row]:
    """A second process, to its first iteration; the first fills the keep and is not counted."""
    environment = {name: os.environ[name] for name in ("EMBERKEEP_DIR", "EMBERKEEP_CONFIG_DIR")}
    ours, jax = fresh_medians(
        [(sys.executable, START), (sys.executable, "import jax")], STARTS, environment
    )
    most = 1.3 * jax + 0.5
    name = "second process to the first iteration, coalescent of 5"
    return [limited(name, ours, f"{milliseconds(jax)} (import jax)", most)]


def main() -> bool:
    """All rows."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EMBERKEEP_DIR"] = os.path.join(folder, "keep")
        os.environ["EMBERKEEP_CONFIG_DIR"] = os.path.join(folder, "config")
        os.environ["JAX_ENABLE_X64"] = "1"
        print(f"load {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
        return show([*descending(5, 0.003, 31), *descending(10, 0.010, 4), *starting()])


if __name__ == "__main__":
    sys.exit(not main())
