"""Kinds that one chain earned: what both say must not count twice."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emberkeep import InferenceWarning
from emberkeep.phasetype import models
from emberkeep.phasetype.inference import Gamma, LogNormal, mcmc, svgd

TOLD = "multiplied as if they were independent"


@jax.tree_util.register_pytree_node_class
class Twice:
    """One waiting time, seen in two ways; theta is its rate."""

    kinds, is_discrete, order, name, theta_length = 2, False, 0, "twice", 1

    def density(self, theta, times):
        return theta[0] * jnp.exp(-theta[0] * times)

    likelihood = density

    def tree_flatten(self):
        return (), None

    @classmethod
    def tree_unflatten(cls, *_):
        return cls()


@pytest.fixture
def once():
    return np.random.default_rng(1).exponential(0.5, 400)


def test_what_is_said_twice_counts_once(once):
    data = np.stack([once, once], axis=1)
    prior = Gamma(3.0, 1.5)
    exact = np.sqrt(403) / (1.5 + once.sum())
    naive = svgd(Twice(), data, prior=prior, iterations=200, independent=True)
    assert np.allclose(naive.std, exact / np.sqrt(2), rtol=0.05)
    with pytest.warns(InferenceWarning, match=TOLD):
        found = svgd(Twice(), data, prior=prior, iterations=200)
    assert np.allclose(found.std, exact, rtol=0.1), (found.std, exact)
    assert np.allclose(found.mean, naive.mean, rtol=0.01)


def test_rows_of_one_kind_each_need_nothing(once):
    data = np.full((400, 2), np.nan)
    data[:200, 0], data[200:, 1] = once[:200], once[200:]
    found = svgd(Twice(), data, prior=Gamma(3.0, 1.5), iterations=200)
    assert np.allclose(found.std, np.sqrt(403) / (1.5 + once.sum()), rtol=0.05)


@pytest.mark.soak
def test_chains_are_corrected_too(once):
    with pytest.warns(InferenceWarning, match=TOLD):
        found = mcmc(
            Twice(), np.stack([once, once], axis=1), prior=Gamma(3.0, 1.5), draws=400, warmup=200
        )
    assert np.allclose(found.std, np.sqrt(403) / (1.5 + once.sum()), rtol=0.15)


def _covered(count, rows, *, independent):
    """Of so many data sets, how many intervals of 95% hold the rate of a coalescent of four."""
    graph = models.kingman(4)
    spectrum = graph.states.rows[:, :3].astype(float)
    model, covered = graph.model(rewards=spectrum), 0
    for seed in range(count):
        data = graph.sample(rows, [1.0], rewards=spectrum, seed=seed)
        found = svgd(
            model, data, prior=LogNormal(1.0, 3.0), iterations=100, independent=independent
        )
        low, high = found.quantile([0.025, 0.975])[0]
        covered += low <= 1 <= high
    return covered


@pytest.mark.filterwarnings("ignore::emberkeep.InferenceWarning")
def test_intervals_cover_as_often_as_they_say():
    """A sample of what follows."""
    assert _covered(8, 50, independent=False) >= 6


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore::emberkeep.InferenceWarning")
@pytest.mark.parametrize("rows", [15, 50])
def test_two_hundred_intervals_cover(report, rows):
    """Binomial: the standard deviation is 3 of 190; it was 170 to 175."""
    naive = _covered(200, rows, independent=True)
    covered = _covered(200, rows, independent=False)
    report(rows=rows, covered=covered, without_correction=naive)
    assert covered >= 182
    assert naive < covered
