"""A row depends on its own numbers alone, whatever stands beside it: to the bit on CPUs.

GPUs add up in any order.
"""

import jax
import numpy as np
import pytest

from emberkeep.phasetype.differentiable import primitives

NEIGHBOURS = (np.nan, np.inf, -np.inf, -1.0, 0.0, 1e300, 1e-300, 1e154, 3e3, 1e-12)
ROUNDING = 0.0 if jax.default_backend() == "cpu" else 1e-12
TIMES = np.array([0.0, 1e-6, 0.05, 0.7, 3.0, 40.0])


def batch(rng, size, parameters):
    """Parameters of which some are bad, and the row that is asked for is not."""
    thetas = rng.uniform(0.2, 3.0, (size, parameters))
    bad = rng.random(thetas.shape) < 0.4
    thetas[bad] = rng.choice(NEIGHBOURS, bad.sum())
    own = int(rng.integers(size))
    thetas[own] = rng.uniform(0.2, 3.0, parameters)
    return thetas, own


def alone(function, batches, *rest):
    """Beside the others a row is what it is beside itself, and all but that by itself."""
    together = jax.jit(jax.vmap(function, (0, *[None] * len(rest))))
    for thetas, own in batches:
        found = np.asarray(together(thetas, *rest))[own]
        same = np.broadcast_to(thetas[own], thetas.shape)
        np.testing.assert_allclose(found, together(same, *rest)[own], rtol=ROUNDING, atol=0)
        assert np.isfinite(found).all()
    np.testing.assert_allclose(found, function(thetas[own], *rest), rtol=1e-13, atol=1e-300)


@pytest.fixture
def going_back(monkeypatch):
    """As for many parameters: gradients by going back, in place of walking along directions."""
    monkeypatch.setattr(primitives, "FEW", 0)
    jax.clear_caches()
    yield
    jax.clear_caches()


@pytest.fixture
def other_devices(monkeypatch):
    """What XLA runs where it has no kernels of ours."""
    monkeypatch.setattr(primitives, "is_supported", lambda: False)
    jax.clear_caches()
    yield
    jax.clear_caches()


@pytest.mark.parametrize(("size", "discrete"), [(1, False), (9, False), (40, False), (3, True)])
def test_values_of_a_row_are_its_own(dense, size, discrete):
    rng = np.random.default_rng(size)
    graph = dense.random(rng, 6, 2, discrete=discrete).graph()
    rewards = rng.integers(0, 3, len(graph)).astype(float)
    times = np.array([0.0, 1.0, 5.0, 60.0]) if discrete else TIMES
    batches = [batch(rng, size, 2) for _ in range(8)]
    if discrete:
        batches = [(thetas / 10, own) for thetas, own in batches]
    model = graph.model(moments=2)
    alone(model.density, batches, times)
    alone(model.survival, batches, times)
    alone(jax.jacrev(model.moments), batches)
    alone(graph.model(rewards=rewards).density, batches, times)


@pytest.mark.parametrize("size", [2, 40])
def test_gradients_of_a_row_are_its_own(dense, size):
    rng = np.random.default_rng(size)
    model = dense.random(rng, 6, 2).graph().model()
    batches = [batch(rng, size, 2) for _ in range(2 if size == 40 else 8)]
    alone(jax.jacrev(model.log_density), batches, TIMES[1:])


@pytest.mark.parametrize("size", [2, 40])
def test_gradients_by_going_back_are_a_row_s_own(dense, going_back, size):
    rng = np.random.default_rng(size)
    model = dense.random(rng, 6, 2).graph().model()
    batches = [batch(rng, size, 2) for _ in range(2 if size == 40 else 8)]
    alone(jax.jacrev(model.log_density), batches, TIMES[1:])


@pytest.mark.parametrize("few", [0, 2])
def test_so_it_is_on_other_devices(dense, other_devices, monkeypatch, few):
    monkeypatch.setattr(primitives, "FEW", few)
    rng = np.random.default_rng(few)
    model = dense.random(rng, 4, 2).graph().model()
    batches = [batch(rng, 3, 2) for _ in range(4)]
    alone(jax.jacrev(model.log_density), batches, np.array([0.05, 3.0]))


def test_particles_far_apart(chained):
    """A size beside which another could not be left in as many steps as are made."""
    model = chained([[1.0], [1.0]]).graph().model()
    thetas = np.array([[1.0], [1e6], [np.nan], [1e-9]])
    found = jax.vmap(model.density, (0, None))(thetas, np.array([1.0, 2.0]))
    assert found[0] == pytest.approx([np.exp(-1), 2 * np.exp(-2)], rel=1e-14)
    np.testing.assert_array_equal(found[1], 0.0)
    assert np.isnan(found[2]).all()
    assert found[3] == pytest.approx([1e-18, 2e-18], rel=1e-8)
