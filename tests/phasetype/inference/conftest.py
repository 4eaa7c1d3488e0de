"""Stand-ins with closed forms, independent of the engine; and quadrature, which is the truth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emberkeep.phasetype.inference import programs

jax.config.update("jax_enable_x64", True)


@pytest.fixture(scope="module", autouse=True)
def _lasting_programs(lasting_programs):
    """Most of the time of these tests is compiling."""


@pytest.fixture(scope="session", autouse=True)
def _soon_rather_than_well():
    """Compiling may be done without much effort."""
    compiled = programs.compiled
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            programs,
            "compiled",
            lambda function, name, spec, *, quickly: compiled(function, name, spec, quickly=True),
        )
        yield


class Hypoexponential:
    """A sum of exponential waiting times whose rates, all different, are linear in theta."""

    kinds = None
    name = "hypoexponential"
    is_discrete = False

    def __init__(self, coefficients, order=0):
        self.coefficients, self.order = coefficients, order

    @property
    def theta_length(self):
        return np.shape(self.coefficients)[1]

    def density(self, theta, times):
        rates = self.coefficients @ theta
        apart = rates[None, :] - rates[:, None] + jnp.eye(len(rates))
        share = jnp.prod(jnp.where(jnp.eye(len(rates)) > 0, 1.0, rates[None, :] / apart), axis=1)
        terms = share * rates * jnp.exp(-rates * jnp.asarray(times)[..., None])
        return jnp.maximum(terms.sum(axis=-1), 0.0)

    likelihood = density

    def moments(self, theta):
        waits = 1 / (self.coefficients @ theta)
        mean, variance = waits.sum(), (waits**2).sum()
        return jnp.stack([mean, variance + mean**2])[: self.order]


class Exponential:
    """One waiting time, or by kind; theta is the rate, or the rate of each kind."""

    name = "exponential"
    is_discrete = False
    order = 0

    def __init__(self, kinds=None):
        self.kinds = kinds

    @property
    def theta_length(self):
        return self.kinds or 1

    def density(self, theta, times):
        rate = theta if self.kinds else theta[0]
        return jnp.where(rate > 0, rate, jnp.nan) * jnp.exp(-rate * times)

    likelihood = density


class Geometric:
    """Steps until an end that each step brings with probability theta."""

    kinds, name, is_discrete, order, theta_length = None, "geometric", True, 0, 1

    def density(self, theta, steps):
        inside = steps >= 1
        power = jnp.where(inside, steps, 1.0) - 1
        return jnp.where(inside, theta[0] * (1 - theta[0]) ** power, 0.0)

    likelihood = density


jax.tree_util.register_pytree_node(
    Hypoexponential,
    lambda model: ((model.coefficients,), model.order),
    lambda order, children: Hypoexponential(children[0], order),
)
jax.tree_util.register_pytree_node(
    Exponential, lambda model: ((), model.kinds), lambda kinds, _: Exponential(kinds)
)
jax.tree_util.register_pytree_node(
    Geometric, lambda model: ((), None), lambda _, children: Geometric()
)


@pytest.fixture
def exponential():
    return Exponential()


@pytest.fixture
def two_kinds():
    return Exponential(2)


@pytest.fixture
def geometric():
    return Geometric()


@pytest.fixture
def coalescent():
    """The time until five lineages have one ancestor."""
    return Hypoexponential(np.array([[10.0], [6.0], [3.0], [1.0]]), 2)


@pytest.fixture
def two_rates():
    return Hypoexponential(np.eye(2), 2)


def moments_by_quadrature(model, data, grids, log_prior):
    """Exact means and standard deviations on a grid of parameters."""
    mesh = np.stack(np.meshgrid(*grids, indexing="ij"), axis=-1)
    flat = mesh.reshape(-1, len(grids))
    evaluate = jax.jit(jax.vmap(lambda theta: jnp.log(model.density(theta, data)).sum()))
    levels = np.concatenate([np.asarray(evaluate(part)) for part in np.array_split(flat, 20)])
    levels = levels + log_prior(flat)
    levels[~np.isfinite(levels)] = -np.inf
    weights = np.exp(levels - levels.max())
    weights /= weights.sum()
    mean = weights @ flat
    return mean, np.sqrt(weights @ (flat - mean) ** 2)


@pytest.fixture
def exact():
    return moments_by_quadrature
