"""Parameters and times at the edges of what is possible; each with its own small reproduction."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from emberkeep.errors import InvalidGraph
from emberkeep.phasetype import Graph
from emberkeep.phasetype.differentiable import chain_tape
from emberkeep.phasetype.kernels import layout
from emberkeep.phasetype.kernels.accuracy import TAIL, steps_for


@pytest.fixture
def exponential():
    """One state with the rate theta; with a defect of a half."""
    return Graph.from_callback(
        lambda s: [("end", [1.0])] if s == "a" else [],
        initial=[("a", 0.5), ("end", 0.5)],
        theta_length=1,
        name="exponential",
    )


def test_times_of_all_kinds(exponential):
    model = exponential.model()
    times = np.array([[1.0, -1.0, 0.0], [np.inf, np.nan, 1.0]])
    expected = np.exp(-2 * times)
    density, left = expected.copy(), expected / 2
    density[0, 1], left[0, 1] = 0.0, 1.0
    np.testing.assert_allclose(model([2.0], times), density, rtol=1e-13)
    np.testing.assert_allclose(model.survival([2.0], times), left, rtol=1e-13)
    assert model([2.0], 1.0).shape == ()
    assert model(2.0, [1]).shape == (1,)


def test_no_times(exponential):
    """All shapes of nothing."""
    model = exponential.model()
    assert model([2.0], np.empty(0)).shape == (0,)
    assert model.survival([2.0], np.empty((3, 0))).shape == (3, 0)
    assert not jax.grad(lambda x: model(x, np.empty(0)).sum())(jnp.array([2.0])).any()


@pytest.mark.parametrize("theta", [-1.0, np.nan, np.inf])
def test_impossible_parameters_give_no_number(exponential, theta):
    model, vector = exponential.model(moments=2), jnp.array([theta])
    assert np.isnan(model.density(vector, 1.0))
    assert np.isnan(model.survival(vector, 1.0))
    assert np.isnan(jax.grad(model.density)(vector, 1.0)).all()
    if theta != np.inf:
        assert np.isnan(model.moments(vector)).all()
        assert np.isnan(jax.jacrev(model.moments)(vector)).all()


def test_a_rate_of_zero(exponential):
    model, vector = exponential.model(moments=1), jnp.array([0.0])
    assert model.density(vector, 1.0) == 0
    assert model.survival(vector, 1.0) == pytest.approx(0.5, rel=1e-15)
    assert jax.grad(model.density)(vector, 1.0)[0] == pytest.approx(0.5, rel=1e-14)
    assert not np.isfinite(model.moments(vector)).any()


def test_bad_vectors_leave_their_neighbours_alone(exponential):
    model = exponential.model(moments=1)
    thetas = jnp.array([1.0, np.nan, 2.0, -1.0, 3.0, np.inf, 4.0, 5.0, 6.0])[:, None]
    good = np.isfinite(thetas[:, 0]) & (thetas[:, 0] > 0)
    density, moments = jax.vmap(model, (0, None))(thetas, 0.3)
    slopes = jax.vmap(jax.grad(model.density), (0, None))(thetas, 0.3)
    rates = thetas[good, 0]
    np.testing.assert_allclose(density[good], rates / 2 * np.exp(-0.3 * rates), rtol=1e-12)
    np.testing.assert_allclose(moments[good, 0], 0.5 / rates, rtol=1e-14)
    known = (0.5 - 0.15 * rates) * np.exp(-0.3 * rates)
    np.testing.assert_allclose(slopes[good, 0], known, rtol=1e-11, atol=1e-15)
    assert np.isnan(density[~good]).all()
    assert np.isnan(slopes[~good]).all()


@pytest.mark.parametrize("theta", [np.ones(2), np.ones((1, 1)), np.ones(0)])
def test_a_vector_of_another_length_is_refused(exponential, theta):
    with pytest.raises(InvalidGraph, match=r"expected \(1,\)"):
        exponential.model()(theta, 1.0)


def test_what_cannot_be_made(exponential):
    with pytest.raises(InvalidGraph, match="without moments"):
        exponential.model().moments([1.0])
    with pytest.raises(InvalidGraph, match="negative"):
        exponential.model(moments=-1)
    with pytest.raises(InvalidGraph, match="zero"):
        exponential.model(rewards=[0.0, 0.0])
    with pytest.raises(InvalidGraph, match="discrete=True"):
        Graph.pmf_from_graph(exponential, discrete=True)
    with pytest.raises(InvalidGraph, match="param_length=3"):
        Graph.pmf_from_graph(exponential, param_length=3)
    with pytest.raises(InvalidGraph, match="last"):
        exponential.model(rewards=np.ones((2, 2)))([1.0], 1.0)
    with pytest.raises(InvalidGraph, match="whole"):
        Graph.from_callback(
            lambda s: [(0, 0.5)] if s else [], initial=[(1, 1.0)], discrete=True
        ).model(rewards=[1.5, 1.5])


def test_no_parameters():
    """All shapes of nothing are traced, those for other devices too."""
    graph = Graph.from_callback(lambda s: [(s - 1, 1.0)] if s else [], initial=[(3, 1.0)])
    model, nothing = graph.model(moments=2), np.empty(0)
    density, moments = model(nothing, 2.0)
    assert density == pytest.approx(2 * np.exp(-2.0), rel=1e-13)
    np.testing.assert_allclose(moments, [3.0, 12.0])
    slope = jax.grad(model.density, argnums=1)(nothing, 1.0)
    assert slope == pytest.approx(np.exp(-1.0) / 2, rel=1e-12)


def test_nowhere_to_leave():
    """As Graph.moments: zeros."""
    graph = Graph.from_callback(lambda _: [], initial=[("end", 1.0)], theta_length=1)
    density, moments = graph.model(moments=2)([1.0], np.array([0.0, 1.0]))
    assert not density.any()
    assert not moments.any()


def test_survival_changes_at_zero_as_it_does_after(exponential):
    """A maximum with 0 would have half the slope there."""
    slope = jax.grad(exponential.model().survival, argnums=1)
    assert slope(jnp.array([2.0]), 1e-9) == pytest.approx(-1.0, rel=1e-6)
    assert slope(jnp.array([2.0]), 0.0) == pytest.approx(-1.0, rel=1e-12)


@pytest.mark.parametrize("first", [0.0, 1e-40, 1e-3])
def test_slopes_by_where_it_hardly_begins(first):
    """Rows that are empty from the beginning count on the way back.

    Start earns nothing, so the chain begins in a with a/(a+b), which may be 0 with a slope.
    """
    edges = {
        "start": [("a", [1.0, 0.0]), ("b", [0.0, 1.0])],
        "a": [("b", 2.0)],
        "b": [("end", 1.5)],
        "end": [],
    }
    graph = Graph.from_callback(edges.__getitem__, initial=[("start", 1.0)], theta_length=2)
    rewards = [0.0 if graph.states.label(v) == "start" else 1.0 for v in range(len(graph))]
    matrix = np.array([[-2.0, 2.0], [0.0, -1.5]])
    of_a, of_b = scipy.linalg.expm(matrix * 0.7) @ [0.0, 1.5]
    slopes = jax.grad(graph.model(rewards=rewards))(jnp.array([first, 1.0]), 0.7)
    total = first + 1.0
    known = np.array([of_a - of_b, -(of_a - of_b) * first]) / total**2
    np.testing.assert_allclose(slopes, known, rtol=1e-10, atol=1e-14)


def test_discrete_rewards_where_probabilities_end_above_one_by_rounding():
    """Staying is 1 - their sum, -2e-16, which is no negative weight."""
    edges = {
        "s": [("a", [1.0, 0.0, 0.0]), ("b", [0.0, 1.0, 0.0]), ("end", [0.0, 0.0, 1.0])],
        "a": [("s", 0.5), ("end", 0.5)],
        "b": [("end", 0.7)],
        "end": [],
    }
    graph = Graph.from_callback(
        edges.__getitem__, initial=[("s", 1.0)], theta_length=3, discrete=True
    )
    model = graph.model(rewards=np.full(len(graph), 2.0))
    thetas = np.random.default_rng(1).dirichlet(np.ones(3), 200)
    found = jax.vmap(model, (0, None))(thetas, np.array([2.0]))[:, 0]
    np.testing.assert_allclose(found, thetas[:, 2], rtol=1e-12)


@pytest.mark.parametrize("rows", [437, 512, 342, 341, 300, 100])
def test_notes_have_room_for_all_steps(rows):
    """The steps that count are some more than the mean."""
    graph = Graph.from_callback(
        lambda s: [(s - 1, 1.0)] if s else [], initial=[(rows, 1.0)], theta_length=0
    )
    counts = chain_tape.record_chain(graph, None).counts
    mean, depth = float(counts[layout.MOST]), int(counts[layout.DEPTH])
    steps = steps_for(mean, TAIL)
    assert steps <= depth**3


@pytest.mark.parametrize("vectors", [1, 9, 33])
def test_neighbours_do_not_change_small_densities(vectors):
    """A chain that has all but ended, beside one that has not, still has its density.

    Whether a state is empty is asked of each chain.
    """
    edges = {2: [(1, [1.0, 0.0])], 1: [(0, [0.0, 1.0])], 0: []}
    graph = Graph.from_callback(edges.__getitem__, initial=[(2, 1.0)], theta_length=2)
    model, (a, b), time = graph.model(), (100.0, 130.0), 0.7
    thetas = np.array([[a, b]] + [[100.0, 1.0]] * vectors)
    found = jax.vmap(model, (0, None))(thetas, time)[0]
    known = a * b / (b - a) * (np.exp(-a * time) - np.exp(-b * time))
    assert float(model(thetas[0], time)) == pytest.approx(known, rel=1e-10, abs=0)
    assert float(found) == pytest.approx(known, rel=1e-10, abs=0)


def test_second_derivatives_are_refused_rather_than_wrong(exponential):
    model = exponential.model()
    with pytest.raises((ValueError, TypeError)):
        jax.jacrev(jax.grad(model.density))(jnp.array([1.0]), 1.0)


def test_no_vectors(exponential):
    """A vmap over nothing gives nothing."""
    assert jax.vmap(exponential.model(), (0, None))(np.empty((0, 1)), 1.0).shape == (0,)
