"""What other devices run, against gamma densities and the kernels."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from emberkeep.phasetype import Graph
from emberkeep.phasetype.differentiable import arrays, primitives


def weights_of(chain, thetas):
    found = primitives._values(chain["tape"], thetas)
    edges, rows = len(chain["sources"]), len(chain["ends"])
    leaving = found[:, edges : edges + rows]
    return found[:, :edges], leaving, found[:, edges + rows :], leaving


@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize("cyclic", [False, True])
def test_both_ways_are_the_same(dense, discrete, cyclic):
    rng = np.random.default_rng(4)
    linear = dense.random(rng, 7, 2, cyclic=cyclic, discrete=discrete)
    (chain,), thetas = linear.graph().model()._chains, rng.uniform(0.3, 1, (3, 2))
    tape = chain["tape"]
    values = primitives._values(tape, thetas)
    np.testing.assert_allclose(arrays.replay(tape, thetas), values, atol=1e-14)
    sought = rng.normal(size=values.shape)
    np.testing.assert_allclose(
        arrays.replay_reverse(tape, thetas, sought),
        primitives._values_reverse(tape, thetas, sought),
        atol=1e-12,
    )
    weights = weights_of(chain, thetas)
    times = jnp.array([[1.0, 3.0, 2.0, 1.0, 7.0, 0.0, -1.0]])
    found = arrays.observe(chain, weights, times)
    np.testing.assert_allclose(found, primitives._observations(chain, weights, times), atol=1e-13)
    sought = rng.normal(size=found.shape)
    for one, other in zip(
        arrays.observe_reverse(chain, weights, times, found, sought),
        primitives._observations_reverse(chain, weights, times, found, sought),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("time", [1e-15, 1e-12, 1e-9, 1e-3, 0.1, 10.0])
def test_a_long_way_within_a_short_time(time):
    """Weights are precise also where the mean is far below."""
    graph = Graph.from_callback(
        lambda s: [(s - 1, [1.0])] if s else [], initial=[(20, 1.0)], theta_length=1
    )
    (chain,) = graph.model()._chains
    found = arrays.observe(chain, weights_of(chain, jnp.ones((1, 1))), jnp.array([[time]]))
    known = scipy.stats.gamma(20).logpdf(time)
    assert float(jnp.log(found[0, 0])) == pytest.approx(known, abs=1e-8)


@pytest.mark.parametrize("steps", [5, 90, 150, 900])
def test_chains_that_take_long_are_noted_at_three_levels(dense, monkeypatch, steps):
    """With ten notes at each of them: fewer steps than that, more, more than their square."""
    monkeypatch.setattr(arrays, "depth_for", lambda _: 10)
    rng = np.random.default_rng(5)
    linear = dense.random(rng, 5, 1, cyclic=True, discrete=True)
    (chain,), thetas = linear.graph().model()._chains, np.array([[0.5]])
    weights = weights_of(chain, thetas)
    times = jnp.array([[float(steps), 3.0, 2000.0]])
    found = arrays.observe(chain, weights, times)
    assert np.isnan(found[0, 2])
    np.testing.assert_allclose(
        found[:, :2], primitives._observations(chain, weights, times[:, :2]), rtol=1e-10
    )
    sought = np.array([[1 / found[0, 0], 0.5, 0.0]])
    for one, other in zip(
        arrays.observe_reverse(chain, weights, times, found, sought),
        primitives._observations_reverse(chain, weights, times[:, :2], found[:, :2], sought[:, :2]),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.soak
def test_a_hundred_thousand_steps():
    """It was ten thousand, and no number beyond."""
    graph = Graph.from_callback(
        lambda s: [(s - 1, [[1.0], [1e5]][s - 1])] if s else [], initial=[(2, 1.0)], theta_length=1
    )
    (chain,) = graph.model()._chains
    weights, times = weights_of(chain, jnp.ones((1, 1))), jnp.array([[1.0]])
    found = arrays.observe(chain, weights, times)
    assert float(found[0, 0]) == pytest.approx(float(graph.pdf(1.0, [1.0])), rel=1e-9)
    sought = np.ones((1, 1))
    for one, other in zip(
        arrays.observe_reverse(chain, weights, times, found, sought),
        primitives._observations_reverse(chain, weights, times, found, sought),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-10)
