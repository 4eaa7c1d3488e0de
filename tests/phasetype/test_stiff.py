"""Rates and times too far apart for steps: rational Krylov spaces, against many digits."""

import mpmath
import numpy as np
import pytest

from emberkeep.errors import EmberkeepWarning
from emberkeep.phasetype import Graph, models

ALPHA = np.array([0.5, 0.25, 0.25])


def switching(fast):
    """Two states that change fast, and a slow way out."""
    return np.array([[-fast - 0.25, fast, 0], [2 * fast, -2 * fast - 1, 1], [0, 0.5, -1.25]])


@pytest.mark.parametrize("fast", [2.0**20, 2.0**30])
def test_fast_switching_and_a_slow_end(fast):
    """Powers of two: the rates of leaving are exact."""
    rates = switching(fast)
    times = np.array([4.0, 10.0, 50.0])
    out = mpmath.matrix((-rates.sum(axis=1)).tolist())
    with mpmath.workdps(60):
        left = [mpmath.expm(mpmath.matrix(rates.tolist()) * mpmath.mpf(t)) for t in times]
        alpha = mpmath.matrix([ALPHA.tolist()])
        density = [float((alpha * power * out)[0]) for power in left]
        alive = [float(sum(alpha * power)) for power in left]
    graph = Graph.from_matrix(rates, ALPHA)
    np.testing.assert_allclose(graph.pdf(times), density, rtol=1e-10)
    np.testing.assert_allclose(graph.survival(times), alive, rtol=1e-10)
    np.testing.assert_allclose(graph.cdf(times), 1 - np.array(alive), atol=1e-11)
    assert graph.cdf(graph.quantile([0.3, 0.9])) == pytest.approx([0.3, 0.9], abs=1e-9)


def test_rates_twelve_orders_apart():
    """Two lineages that hardly ever meet: the time is exponential."""
    graph = models.islands(2, start=(1, 1))
    times = np.array([5e11, 5e12, 1e13])
    found = graph.survival(times, [1.0, 1e-13])
    np.testing.assert_allclose(found, np.exp(-2e-13 * times), rtol=1e-9)


def test_what_cannot_be_known_is_said():
    """A long way down, of states that are left ever more slowly."""
    graph = models.lineages(4000, theta=1.0)
    with pytest.warns(EmberkeepWarning, match="of the largest only"):
        graph.pdf([1.0, 2.0])


def test_steps_that_would_not_end_are_refused_for_states():
    graph = models.erlang(2, 1.0)
    with pytest.raises(ValueError, match="steps"):
        graph.state_probabilities([1e9])
