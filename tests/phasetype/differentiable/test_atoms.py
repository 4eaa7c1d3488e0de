"""Nothing at all has a probability, where a chain may earn nothing or end before it begins."""

import jax
import numpy as np
import pytest

from emberkeep.phasetype import Graph


def test_rewards_that_may_not_be_earned():
    """From a state without any, one way leads to the end."""
    model = Graph.from_callback(
        lambda s: {"a": [("b", [1.0]), ("end", 1.0)], "b": [("end", 1.0)]}.get(s, []),
        initial=[("a", 1.0)],
        theta_length=1,
    ).model(rewards=lambda s: float(s == "b"))
    theta, seen = np.array([1.5]), np.array([0.0, 0.4, 0.0, 2.0])
    known = np.where(seen == 0, 0.4, 0.6 * np.exp(-seen))
    np.testing.assert_allclose(model.likelihood(theta, seen), known, rtol=1e-14)
    np.testing.assert_allclose(model.density(theta, seen), 0.6 * np.exp(-seen), rtol=1e-14)
    slopes = jax.jacrev(model.likelihood)(theta, seen)[:, 0]
    np.testing.assert_allclose(slopes, np.where(seen == 0, -1, np.exp(-seen)) / 2.5**2, rtol=1e-13)


def test_chains_that_end_before_they_begin():
    model = Graph.from_callback(
        lambda s: [("end", [1.0])] if s == "a" else [],
        initial=[("a", 0.7), ("end", 0.3)],
        theta_length=1,
    ).model()
    found = model.likelihood([2.0], np.array([0.0, 1.0]))
    assert found == pytest.approx([0.3, 1.4 * np.exp(-2.0)], rel=1e-14)


def test_where_nothing_has_no_probability_it_has_a_density():
    model = Graph.from_callback(
        lambda s: [("end", [1.0])] if s == "a" else [], initial=[("a", 1.0)], theta_length=1
    ).model()
    assert model.likelihood([2.0], 0.0) == 2.0


def test_kinds_have_their_own(dense):
    linear = dense.random(np.random.default_rng(2), 5, 1)
    graph = linear.graph()
    rewards = np.ones((len(graph), 2))
    rewards[:, 1] = np.arange(len(graph)) == 2
    model, alone = graph.model(rewards=rewards), graph.model(rewards=rewards[:, 1])
    found = model.likelihood([0.8], np.array([[1.0, 0.0], [2.0, 1.0]]))
    known = alone.likelihood([0.8], np.array([0.0, 1.0]))
    np.testing.assert_allclose(found[:, 1], known, rtol=1e-13)
