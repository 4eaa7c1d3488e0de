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
