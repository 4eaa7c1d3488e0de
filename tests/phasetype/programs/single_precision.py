"""Models and inference where nobody has told JAX anything: what each gives, as JSON.

Warnings are errors here: JAX's of numbers that are cut short, too.
"""

import json
import sys
import threading
import warnings

import jax
import jax.numpy as jnp
import numpy as np

from emberkeep import xla
from emberkeep.phasetype import SVGD, Graph, inference, models
from emberkeep.phasetype.differentiable import primitives
from emberkeep.phasetype.inference.stein_variational import runs

warnings.simplefilter("error")
xla.enable(min_compile_time_s=0.05)  # most of the time is compiling
TIMES = jnp.array([0.5, 1.5, 4.0])
MANY = jnp.array([[1.5], [1.0], [0.5]])


def erlang(parameters, discrete=False):
    weights = [1.0, *[0.0] * (parameters - 1)]
    return Graph.from_callback(
        lambda s: [(s - 1, weights)] if s else [],
        initial=[(3, 1.0)],
        theta_length=parameters,
        discrete=discrete,
    )


def transformed(model, theta, many):
    """All that JAX does to a function, to a log likelihood and to moments."""

    def logs(theta, times):
        return jnp.log(model.density(theta, times)).sum()

    def survivals(theta, times):
        return jnp.log(model.survival(theta, times)).sum()

    def moments(theta, _):
        return jnp.log(model.moments(theta)).sum()

    def summed(rows):
        return jax.vmap(logs, (0, None))(rows, TIMES).sum()

    def scanned(rows):
        def step(total, row):
            total = total + logs(row, TIMES)
            return total, total

        return jax.lax.scan(step, jnp.float32(0), rows)[0]

    found = {}
    for name, function in (("survivals", survivals), ("moments", moments)):
        slope = jax.grad(jax.jit(function))
        found |= {
            f"{name} grad jit": slope(theta, TIMES),
            f"{name} vmap grad jit": jax.vmap(slope, (0, None))(many, TIMES),
        }
    slope, compiled = jax.grad(logs), jax.jit(logs)
    return found | {
        "logs": logs(theta, TIMES),
        "logs jit": compiled(theta, TIMES),
        "logs grad": slope(theta, TIMES),
        "logs jit grad": jax.jit(slope)(theta, TIMES),
        "logs grad jit": jax.grad(compiled)(theta, TIMES),
        "logs vmap": jax.vmap(logs, (0, None))(many, TIMES),
        "logs vmap jit": jax.vmap(compiled, (0, None))(many, TIMES),
        "logs vmap grad": jax.vmap(slope, (0, None))(many, TIMES),
        "logs vmap grad jit": jax.vmap(jax.grad(compiled), (0, None))(many, TIMES),
        "by times": jax.grad(logs, 1)(theta, TIMES),
        "times by row": jax.vmap(logs)(many, jnp.stack([TIMES] * len(many))),
        "grad vmap": jax.grad(summed)(many),
        "grad scan": jax.grad(scanned)(many),
        "checkpoint": jax.jit(jax.grad(jax.checkpoint(logs)))(theta, TIMES),
        "jacrev": jax.jacrev(model.density)(theta, TIMES),
        "as an argument": jax.jit(lambda model, x, t: model.density(x, t))(model, theta, TIMES),
    }


def of_models():
    found = {}
    for parameters in (1, 3):  # differentiated by walking along, and back
        rest = np.linspace(0.5, 1, parameters - 1)
        theta = jnp.array([1.5, *rest])
        many = jnp.concatenate([MANY, jnp.tile(jnp.array(rest), (3, 1))], axis=1)
        for name, value in transformed(erlang(parameters).model(moments=2), theta, many).items():
            assert value.dtype == jnp.float32, (parameters, name)
            found[f"{parameters} {name}"] = np.asarray(value, float).tolist()
    return found


def of_arrays():
    """The same where there are no kernels of ours."""
    primitives.is_supported = lambda: False
    model, theta = erlang(3).model(), jnp.array([1.5, 0.5, 1.0])

    def logs(theta):
        return jnp.log(model.density(theta, TIMES)).sum()

    slope = jax.jit(jax.vmap(jax.grad(logs)))
    return {"3 logs": float(logs(theta)), "3 logs vmap grad": slope(theta[None]).tolist()}


def of_inference():
    graph = models.kingman(5)
    times = [1.3, 0.4, 2.2, 1.9, 0.8]
    # As README has it.
    posterior = SVGD(graph.model(), times).fit()
    assert posterior.samples.dtype == np.float64
    assert not jax.config.jax_enable_x64
    assert jnp.ones(1).dtype == jnp.float32
    with jax.enable_x64(True):
        known = SVGD(graph.model(), times).fit()
    np.testing.assert_array_equal(posterior.samples, known.samples)
    assert posterior.diagnostics().trustworthy
    posterior.plot_predictive()
    fitted = inference.method_of_moments(graph.model(moments=2), times)
    with jax.enable_x64(True):
        again = inference.method_of_moments(graph.model(moments=2), times)
    np.testing.assert_array_equal(fitted.theta, again.theta)
    sampled = inference.mcmc(graph.model(), times, draws=20, warmup=20, chains=2)
    assert sampled.samples.dtype == np.float64
    sampled.summary()
    return {"mean": posterior.mean.tolist(), "std": posterior.std.tolist()}


def of_callbacks():
    """What a user's functions see is the user's: of a prior, a schedule, another thread."""
    graph, times = models.kingman(3), [1.3, 0.4, 2.2]
    seen = set()

    def prior(theta):
        # Where theta were of double precision, what is carried would change its type.
        assert theta.dtype == jnp.zeros(()).dtype == "float32"
        return jax.lax.scan(lambda c, x: (c - x, x), jnp.zeros(()), theta)[0]

    def schedule(step):
        seen.add((str(jnp.ones(1).dtype), bool(jax.config.jax_enable_x64)))
        return 0.05 + 0.0 * step

    advance, others = runs.call, set()

    def looking(*arguments):
        thread = threading.Thread(target=lambda: others.add(str(jnp.arange(2.0).dtype)))
        thread.start()
        thread.join()
        return advance(*arguments)

    runs.call = looking
    options = {"n_iterations": 60, "learning_rate": schedule}
    posterior = SVGD(graph.model(), times, prior=prior, **options).fit()
    known = SVGD(graph.model(), times, prior=inference.Exponential(1.0), **options).fit()
    assert seen == {("float32", False)}, seen
    assert others == {"float32"}, others
    np.testing.assert_allclose(posterior.mean, known.mean, rtol=1e-4)
    np.testing.assert_allclose(posterior.std, known.std, rtol=1e-3)

    def broken(theta):
        raise ZeroDivisionError

    try:
        SVGD(graph.model(), times, prior=broken)
    except ZeroDivisionError:
        assert not jax.config.jax_enable_x64
    else:
        raise AssertionError
    return {}


if __name__ == "__main__":
    json.dump(globals()[f"of_{sys.argv[1]}"](), sys.stdout)
