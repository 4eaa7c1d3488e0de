"""What the data leave open is said by the fit itself; and along it, samples are still right."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from emberkeep import InferenceWarning
from emberkeep.phasetype import Graph
from emberkeep.phasetype.inference import Gamma, LogNormal, Uniform, mcmc, svgd

OPEN = "do not determine"
RATES = {
    "sum": lambda theta: theta.sum(),
    "product": lambda theta: jnp.prod(theta),
    "first": lambda theta: theta[0],
    "nothing": lambda _: 1.0,
}
CLOSED = {
    "sum": lambda a, b: a + b,
    "product": lambda a, b: a * b,
    "first": lambda a, _: a,
    "nothing": lambda a, _: np.ones_like(a),
}


@jax.tree_util.register_pytree_node_class
class Wait:
    """An exponential waiting time, whose rate is a function of the parameters."""

    kinds, is_discrete, order, name = None, False, 0, "wait"

    def __init__(self, rate, theta_length=2):
        self.rate, self.theta_length = rate, theta_length

    def density(self, theta, times):
        rate = RATES[self.rate](theta)
        return rate * jnp.exp(-rate * times)

    likelihood = density

    def tree_flatten(self):
        return (), (self.rate, self.theta_length)

    @classmethod
    def tree_unflatten(cls, structure, _):
        return cls(*structure)


@pytest.fixture
def data():
    return np.random.default_rng(1).exponential(1 / 3, 50)


def by_quadrature(rate, data, belief):
    """Means and standard deviations of both parameters, in logarithms of them."""
    logs = np.linspace(-14, 9, 1500)
    first, second = np.exp(np.meshgrid(logs, logs, indexing="ij"))
    rates = CLOSED[rate](first, second)
    level = len(data) * np.log(rates) - rates * data.sum()
    level = level + belief.logpdf(first) + belief.logpdf(second) + np.log(first * second)
    weights = np.exp(level - level.max())
    weights /= weights.sum()
    means = np.array([(weights * each).sum() for each in (first, second)])
    spread = [
        (weights * (each - mean) ** 2).sum()
        for each, mean in zip((first, second), means, strict=True)
    ]
    return means, np.sqrt(spread)


@pytest.mark.parametrize(
    ("rate", "prior", "belief"),
    [
        ("sum", Gamma(2.0, 1.0), stats.gamma(2)),
        ("first", Gamma(2.0, 1.0), stats.gamma(2)),
        pytest.param("sum", LogNormal(1.0, 3.0), stats.lognorm(3.0), marks=pytest.mark.soak),
        pytest.param("sum", LogNormal(1.0, 1.0), stats.lognorm(1.0), marks=pytest.mark.soak),
        pytest.param("product", LogNormal(1.0, 1.0), stats.lognorm(1.0), marks=pytest.mark.soak),
        pytest.param("product", Gamma(2.0, 1.0), stats.gamma(2), marks=pytest.mark.soak),
        pytest.param("nothing", Gamma(2.0, 1.0), stats.gamma(2), marks=pytest.mark.soak),
    ],
)
def test_a_ridge_is_named_and_its_spread_is_right(data, rate, prior, belief, report):
    """It was 0.72 of it, and nobody said so."""
    with pytest.warns(InferenceWarning, match=OPEN):
        found = svgd(Wait(rate), data, prior=prior, iterations=300)
    mean, sd = by_quadrature(rate, data, belief)
    report(rate=rate, ratio=(found.std / sd).round(3).tolist())
    assert np.allclose(found.mean, mean, atol=0.12 * sd.max())
    assert np.allclose(found.std, sd, rtol=0.12)
    assert not found.diagnostics().trustworthy
    assert OPEN in found.unclear[0]
    assert found.information.shares[0] < 1e-5


def test_the_sum_of_two_rates_in_a_graph(data):
    graph = Graph.from_callback(
        lambda state: [(0, (1.0, 1.0))] if state else [], initial=[(1, 1.0)], theta_length=2
    )
    told = "how much of it is (fast and how much slow|slow and how much fast)"
    with pytest.warns(InferenceWarning, match=told):
        found = svgd(graph.model(), data, names=["fast", "slow"], iterations=100)
    assert np.allclose(np.abs(found.information.directions[0]), np.sqrt(0.5), rtol=0.01)
    assert found.diagnostics().determined < 1e-5


def test_a_parameter_that_nothing_depends_on(data):
    with pytest.warns(InferenceWarning, match=r"do not determine theta\[1\]:"):
        svgd(Wait("first"), data, iterations=50)


def test_more_than_one_direction_is_open(data):
    with pytest.warns(InferenceWarning) as told:
        found = svgd(Wait("sum", 3), data, iterations=50)
    assert len(told) == 1
    assert len(found.unclear) == 2


@pytest.mark.soak
def test_chains_say_it_too(data):
    with pytest.warns(InferenceWarning, match=OPEN):
        mcmc(Wait("sum"), data, prior=Gamma(2.0, 1.0), draws=100, warmup=100, chains=2)


def test_rates_that_can_be_exchanged_are_named(two_rates):
    random = np.random.default_rng(3)
    data = random.exponential(1 / 4, 400) + random.exponential(1 / 0.5, 400)
    with pytest.warns(InferenceWarning, match="can be exchanged"):
        found = svgd(two_rates, data, iterations=100)
    assert found.information.undetermined == ()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_data_are_no_ridge(exponential, data, count):
    """One number tells of one parameter; equal ones do, too, though all scores are zero."""
    assert svgd(exponential, data[:count], iterations=50).unclear == ()
    assert svgd(exponential, np.full(count, 0.5), iterations=50).unclear == ()


def test_beliefs_that_are_strong_are_no_ridge(exponential, data):
    assert svgd(exponential, data[:20], prior=LogNormal(20.0, 0.05), iterations=50).unclear == ()
    assert svgd(exponential, data, prior=Uniform(0.1, 0.5), iterations=50).unclear == ()


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore::emberkeep.InferenceWarning")
def test_alarms_are_rare(two_rates, report):
    """Two rates near each other: where they are equal, the curvature is zero by chance."""
    random = np.random.default_rng(4)
    alarms = 0
    for _ in range(100):
        count = int(random.integers(100, 400))
        rates = np.exp(random.uniform(-1, 1, 2))
        data = sum(random.exponential(1 / rate, count) for rate in rates)
        found = svgd(two_rates, data, iterations=50)
        alarms += bool(found.information.undetermined)
    report(alarms=alarms)
    assert alarms == 0
