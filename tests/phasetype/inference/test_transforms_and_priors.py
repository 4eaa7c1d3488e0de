import math

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

from emberkeep.errors import InvalidPlan
from emberkeep.phasetype.inference import priors
from emberkeep.phasetype.inference.priors import log_prior, read_prior, supports
from emberkeep.phasetype.inference.transforms import (
    Bounded,
    Positive,
    Softplus,
    Unbounded,
    choose_transforms,
    forward,
    inverse,
    log_jacobian,
)

ALL = [Unbounded(), Positive(), Positive(-2.0), Softplus(), Softplus(3.0), Bounded(-1.0, 4.0)]


@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_slopes_are_those_of_differences(transform):
    points = np.array([-3.0, -0.4, 0.0, 0.7, 2.5])
    step = 1e-6
    differences = (transform.forward(points + step) - transform.forward(points - step)) / (2 * step)
    assert np.allclose(np.exp(transform.log_slope(points)), differences, rtol=1e-8)


@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_inverse_leads_back(transform):
    points = np.array([-20.0, -3.0, 0.0, 1.0, 20.0])
    assert np.allclose(transform.inverse(transform.forward(points)), points, atol=1e-5)


def test_a_density_stays_one_under_each_transform():
    """The integral over coordinates of density and Jacobian is the probability of the support."""
    grid = np.linspace(-60, 60, 200_001)
    for transform, law in (
        (Positive(), stats.gamma(2.5, scale=0.7)),
        (Softplus(), stats.gamma(2.5, scale=0.7)),
        (Bounded(0.0, 1.0), stats.beta(2, 3)),
    ):
        heights = law.pdf(np.asarray(transform.forward(grid))) * np.exp(transform.log_slope(grid))
        assert math.isclose(np.trapezoid(heights, grid), 1, rel_tol=1e-8)


def test_vectors_go_each_by_its_own():
    chosen = (Positive(), Bounded(0.0, 2.0), Unbounded())
    point = np.array([0.3, -0.5, 1.5])
    theta = forward(chosen, point)
    assert np.allclose(inverse(chosen, theta), point)
    jacobian = jax.jacobian(lambda x: forward(chosen, x))(point)
    assert math.isclose(log_jacobian(chosen, point), math.log(np.linalg.det(jacobian)))


@pytest.mark.parametrize(
    ("bounds", "positive", "supports", "expected"),
    [
        (None, None, [None, None], (Positive(), Positive())),
        (None, False, [None, None], (Unbounded(), Unbounded())),
        ((0, 2), None, [None, None], (Bounded(0.0, 2.0), Bounded(0.0, 2.0))),
        ([(1, None), (None, None)], None, [None, None], (Positive(1.0), Unbounded())),
        ([None, Softplus()], None, [(0.0, 1.0), None], (Bounded(0.0, 1.0), Softplus())),
        ([None, (0, math.inf)], True, [(None, None), None], (Positive(), Positive())),
        (None, None, [(None, None), (0.0, None)], (Unbounded(), Positive())),
    ],
)
def test_what_is_said_chooses_the_transform(bounds, positive, supports, expected):
    assert choose_transforms(2, bounds, supports, positive=positive) == expected


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ([(0, 1)], "bounds of 1 parameters"),
        ([(2, 1), None], "not below"),
        ([(None, 1), None], "from above alone"),
        (["positive", None], "expected a pair"),
    ],
)
def test_impossible_bounds_are_refused(bounds, message):
    with pytest.raises(InvalidPlan, match=message):
        choose_transforms(2, bounds, [None, None], positive=None)


LAWS = [
    (priors.Normal(1.0, 2.0), stats.norm(1, 2)),
    (priors.HalfNormal(2.0), stats.halfnorm(scale=2)),
    (priors.LogNormal(3.0, 0.5), stats.lognorm(0.5, scale=3)),
    (priors.Gamma(2.5, 4.0), stats.gamma(2.5, scale=0.25)),
    (priors.Exponential(3.0), stats.expon(scale=1 / 3)),
    (priors.Uniform(-1.0, 2.0), stats.uniform(-1, 3)),
    (priors.Beta(2.0, 3.0), stats.beta(2, 3)),
]


@pytest.mark.parametrize(("prior", "law"), LAWS, ids=lambda value: type(value).__name__)
def test_densities_are_those_of_scipy(prior, law):
    values = np.array([-2.5, -0.5, 0.0, 0.1, 0.5, 0.9, 1.5, 4.0])
    if isinstance(prior, (priors.LogNormal, priors.Gamma)):
        values = values[values != 0]  # a single point, where one sided limits differ
    assert np.allclose(prior.log_prob(values), law.logpdf(values), rtol=1e-12)


@pytest.mark.parametrize(("prior", "law"), LAWS, ids=lambda value: type(value).__name__)
def test_slopes_are_nowhere_not_a_number(prior, law):
    values = np.array([-2.5, -0.5, 0.0, 0.5, 1.0, 4.0])
    slopes = jax.vmap(jax.grad(lambda value: prior.log_prob(value)))(values)
    assert not np.isnan(slopes).any()


def test_another_prior_of_the_same_kind_is_the_same_program():
    program = jax.jit(lambda prior, theta: log_prior(prior, theta))
    for rate in (1.0, 2.0):
        found = program((priors.Gamma(2.0, rate), priors.Normal(rate, 1.0)), np.array([1.0, 2.0]))
        law = stats.gamma(2, scale=1 / rate).logpdf(1) + stats.norm(rate, 1).logpdf(2)
        assert math.isclose(found, law)
    assert program._cache_size() == 1


def test_one_prior_holds_for_all_and_a_function_sees_the_vector():
    theta = np.array([0.5, 2.0])
    one = read_prior(priors.Exponential(2.0), 2)
    assert math.isclose(log_prior(one, theta), stats.expon(scale=0.5).logpdf(theta).sum())
    function = read_prior(lambda values: -values[0] * values[1], 2)
    assert log_prior(function, theta) == -1


def test_numpyro_is_understood():
    theta = np.array([0.5, 2.0])
    mixed = read_prior([dist.Gamma(2.0, 3.0), dist.Normal(0.0, 1.0)], 2)
    expected = stats.gamma(2, scale=1 / 3).logpdf(0.5) + stats.norm.logpdf(2.0)
    assert math.isclose(log_prior(mixed, theta), expected)
    assert supports(mixed, 2) == [(0.0, None), (None, None)]
    assert supports(dist.Uniform(1.0, 2.0), 1) == [(1.0, 2.0)]
    joint = dist.MultivariateNormal(jnp.zeros(2), jnp.eye(2))
    assert math.isclose(
        jax.jit(log_prior)(read_prior(joint, 2), theta), stats.norm.logpdf(theta).sum()
    )


def test_wrong_priors_are_refused():
    with pytest.raises(InvalidPlan, match="priors of 1 parameters"):
        read_prior([priors.Normal()], 2)
    with pytest.raises(InvalidPlan, match="log_prob"):
        read_prior(3.0, 1)
