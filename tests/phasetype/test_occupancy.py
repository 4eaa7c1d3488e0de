"""Where a chain has been until some time, and whether it ever comes somewhere."""

import mpmath
import numpy as np
import pytest

from emberkeep.errors import InvalidGraph
from emberkeep.phasetype import Graph, models


def transitions(graph, theta=None):
    """The whole generator; in discrete time, all probabilities."""
    fixed = graph if theta is None else graph.instantiate(theta)
    matrix = np.zeros((len(graph), len(graph)))
    for vertex in fixed:
        for target, weight, _ in vertex.edges:
            matrix[vertex.number, target] += weight
    return matrix + np.diag(float(graph.is_discrete) - matrix.sum(axis=1))


@pytest.fixture
def forked():
    """Two ends, a loop, a defect; theta[0] leads to one of the ends."""
    builder = Graph.builder(theta_length=1)
    a, b, c = (builder.add_vertex(s, p) for s, p in (("a", 0.5), ("b", 0.2), ("c", 0.2)))
    left, right = builder.add_vertex("left"), builder.add_vertex("right")
    builder.add_edge(a, b, 1.0)
    builder.add_edge(b, a, 0.5)
    builder.add_edge(b, c, 2.0)
    builder.add_edge(a, left, 0.0, [0.25])
    builder.add_edge(c, left, 0.5)
    builder.add_edge(c, right, 3.0)
    return builder.build()


def integrated(graph, time):
    """∫ P(t) dt by mpmath's exponential of a matrix twice as large."""
    n = len(graph)
    with mpmath.workdps(40):
        block = mpmath.matrix(2 * n, 2 * n)
        rates = transitions(graph)
        for i in range(n):
            off = [mpmath.mpf(rates[i, j]) if i != j else mpmath.mpf(0) for j in range(n)]
            for j in range(n):
                block[i, j] = off[j]
            block[i, i] = -sum(off)
            block[i, n + i] = 1
        whole = mpmath.expm(block * mpmath.mpf(time))
        begin = mpmath.matrix([graph.initial.tolist()])
        return [float((begin * whole[:n, n:])[j]) for j in range(n)]


@pytest.mark.parametrize("time", [0.0, 1e-6, 0.3, 2.0, 50.0])
def test_occupancies_are_integrals(cyclic, time):
    found = cyclic.occupancies(time)
    expected = np.array(integrated(cyclic, time))
    inner = np.setdiff1d(np.arange(len(cyclic)), cyclic.absorbing)
    assert found[inner] == pytest.approx(expected[inner], rel=1e-11, abs=1e-12 * time)
    assert (found[cyclic.absorbing] == 0).all()


def test_occupancies_without_end_are_sojourn_times(forked):
    thetas = [[0.5], [2.0]]
    found = forked.occupancies([1.0, np.inf], thetas)
    assert found.shape == (2, 2, 5)
    assert found[:, 1] == pytest.approx(forked.sojourn_times(thetas), rel=1e-14)
    assert (found[1] == forked.occupancies([1.0, np.inf], [2.0])).all()


def test_occupancies_in_steps():
    matrix = np.array([[0.5, 0.25, 0.0], [0.125, 0.25, 0.5], [0.0, 0.5, 0.0]])
    graph = Graph.from_matrix(matrix, [0.5, 0.25, 0.125], discrete=True)
    powers = [np.linalg.matrix_power(matrix, k) for k in range(9)]
    for steps in (0, 1, 9):
        expected = graph.initial[:3] @ sum(powers[:steps], np.zeros((3, 3)))
        assert graph.occupancies(steps)[:3] == pytest.approx(expected, rel=1e-14)
    visits = graph.visits(9)
    moved = matrix - np.diag(np.diag(matrix))
    expected = graph.initial[:3] + graph.initial[:3] @ sum(powers) @ moved
    assert visits[:3] == pytest.approx(expected, rel=1e-13)
    assert visits[3] == pytest.approx(graph.cdf(9) - 0.125, rel=1e-12)


def test_occupancies_of_what_takes_too_many_steps():
    graph = Graph.from_matrix([[-1e9, 1e9 - 1.0], [1e3, -2e3]], [1.0, 0.0])
    found = graph.occupancies([0.5, 1e5])
    inverse = np.linalg.inv(-np.array([[-1e9, 1e9 - 1.0], [1e3, -2e3]]))
    assert found[1, :2] == pytest.approx(inverse[0], rel=1e-6)
    assert found[0].sum() == pytest.approx(
        graph.accumulated_rewards(0.5), rel=1e-9
    )  # time until the end, or until then


def test_visits_count_what_comes(forked):
    theta = [0.5]
    visits = forked.visits(np.inf, theta)
    sojourns = forked.sojourn_times(theta)
    rates = transitions(forked, theta)
    np.fill_diagonal(rates, 0)
    assert visits == pytest.approx(forked.initial + sojourns @ rates, rel=1e-13)
    assert visits[forked.absorbing].sum() == pytest.approx(0.9, rel=1e-13)
    states = forked.state_probabilities(1.5, theta)
    ends = forked.absorbing
    assert forked.visits(1.5, theta)[ends] == pytest.approx(states[ends], rel=1e-9)


def test_backward_probabilities(forked):
    theta = [[0.5], [4.0]]
    found = forked.hitting_probabilities([3], theta)
    for row, vector in zip(found, theta, strict=True):
        rates = transitions(forked, vector)
        expected = np.linalg.solve(-rates[:3, :3], rates[:3, 3])
        assert row[:3] == pytest.approx(expected, rel=1e-14)
        assert row[3:].tolist() == [1.0, 0.0]
    other = forked.hitting_probabilities([4], theta)
    assert found[:, :3] + other[:, :3] == pytest.approx(np.ones((2, 3)), rel=1e-14)
    assert forked.hitting_probabilities(forked.absorbing, [0.5]) == pytest.approx(np.ones(5))


def test_probabilities_of_coming_to_states_that_are_left(forked):
    rates = transitions(forked, [0.5])
    found = forked.hitting_probabilities(lambda state: state in ("c", "left"), [0.5])
    expected = np.linalg.solve(-rates[:2, :2], rates[:2, [2, 3]].sum(axis=1))
    assert found[:2] == pytest.approx(expected, rel=1e-14)
    assert found[2:].tolist() == [1.0, 1.0, 0.0]
    mask = np.array([False, True, False, False, False])
    assert forked.hitting_probabilities(mask, [0.5])[0] == pytest.approx(1 / 1.125, rel=1e-14)
    assert forked.hitting_probabilities(1, [0.5])[2] == 0.0


def test_small_probabilities_of_coming_somewhere_are_precise():
    # The gambler's ruin: from k to the top before the bottom, with odds that no difference keeps.
    up, down, top = 1e-3, 1.0, 40
    builder = Graph.builder()
    vertices = [builder.add_vertex(k, float(k == 1)) for k in range(top + 1)]
    for k in range(1, top):
        builder.add_edge(vertices[k], vertices[k + 1], up)
        builder.add_edge(vertices[k], vertices[k - 1], down)
    graph = builder.build()
    with mpmath.workdps(200):
        q = mpmath.mpf(down) / mpmath.mpf(up)
        expected = [float((q**k - 1) / (q**top - 1)) for k in range(top + 1)]
    assert graph.hitting_probabilities([top]) == pytest.approx(expected, rel=1e-13, abs=0)


def test_in_steps_it_is_the_same():
    matrix = np.array([[0.5, 0.25, 0.0], [0.125, 0.25, 0.5], [0.0, 0.5, 0.0]])
    graph = Graph.from_matrix(matrix, [0.5, 0.25, 0.125], discrete=True)
    expected = np.linalg.solve(np.eye(2) - matrix[:2, :2], matrix[:2, 2])
    assert graph.hitting_probabilities([2])[:2] == pytest.approx(expected, rel=1e-14)


def test_whether_anything_is_earned(forked):
    rewards = np.array([[0, 0], [0, 1], [2, 0], [0, 0], [0, 0]])
    found = forked.earning_probability(rewards, [0.5])
    by_vertex = [forked.hitting_probabilities([v], [0.5]) for v in (2, 1)]
    assert found == pytest.approx([forked.initial @ each for each in by_vertex], rel=1e-14)
    assert forked.earning_probability(rewards[:, 0], [[0.5], [1.0]]).shape == (2,)
    assert forked.earning_probability(np.zeros(5), [0.5]) == 0.0
    transformed = forked.reward_transform(rewards[:, 0], [0.5])
    assert 1 - transformed.defect == pytest.approx(found[0], rel=1e-13)


def test_distributions_of_what_is_earned(forked):
    rewards = np.array([1.0, 0.0, 2.0, 0.0, 0.0])
    thetas = np.array([[0.5], [3.0]])
    values, chances = np.array([0.1, 1.0, 4.0]), np.array([0.3, 0.6, 0.99])
    for theta, quantiles in zip(thetas, forked.quantile(chances, thetas, rewards=rewards)):
        other = forked.reward_transform(rewards, theta)
        assert (quantiles == other.quantile(chances)).all()
        assert other.cdf(quantiles) == pytest.approx(chances, rel=1e-12)
        assert (forked.cdf(values, theta, rewards=rewards) == other.cdf(values)).all()
        assert (forked.survival(values, theta, rewards=rewards) == other.survival(values)).all()
        assert (forked.pdf(values, theta, rewards=rewards) == other.pdf(values)).all()
    # 1.5 times the time itself.
    assert forked.quantile(0.7, [0.5], rewards=np.full(5, 1.5)) == pytest.approx(
        1.5 * forked.quantile(0.7, [0.5]), rel=1e-12
    )


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda g: g.occupancies(-1.0, [1.0]), "not be negative"),
        (lambda g: g.visits(np.nan, [1.0]), "not a number"),
        (lambda g: g.hitting_probabilities([7], [1.0]), "no vertex 7"),
        (lambda g: g.hitting_probabilities([], [1.0]), "expected their numbers|No vertex"),
        (lambda g: g.hitting_probabilities([0.5], [1.0]), "expected their numbers"),
        (lambda g: g.hitting_probabilities(lambda _: False, [1.0]), "No vertex"),
        (lambda g: g.hitting_probabilities([True, False], [1.0]), "expected their numbers"),
        (lambda g: g.quantile(0.5, [1.0], rewards=np.ones((5, 2))), "one kind"),
        (lambda g: g.quantile(0.5, [1.0], rewards=np.zeros(5)), "All rewards are zero"),
    ],
)
def test_nonsense_is_refused_by_name(forked, ask, message):
    with pytest.raises(InvalidGraph, match=message):
        ask(forked)


def test_large_graphs_too():
    graph = models.islands(12, coalescence=1.0, migration=0.5)
    found = graph.occupancies([0.5, np.inf])
    assert found[0].sum() == pytest.approx(graph.accumulated_rewards(0.5), rel=1e-10)
    assert found[1].sum() == pytest.approx(graph.expectation(), rel=1e-12)
