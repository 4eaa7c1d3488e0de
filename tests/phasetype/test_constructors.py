"""The ways in which graphs are made agree, and every mistake is told with the state it is in."""

import re
import time
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from emberkeep.errors import InvalidGraph
from emberkeep.phasetype import Graph, GraphBuilder

few = settings(max_examples=40, deadline=None)


def edges_of(graph):
    """Edges as people see them: by label."""
    label = graph.states.label
    return {
        (vertex.state, label(target)): (base, coefficients)
        for vertex in graph
        for target, base, coefficients in vertex.edges
    }


def by_hand(edges, initial, theta_length=0, discrete=False):
    """The same from lists: (source, target, base, coefficients), by label."""
    builder = Graph.builder(theta_length=theta_length, discrete=discrete)
    begins, numbers = dict(initial), {}
    for source, target, *_ in edges:
        for state in (source, target):
            if state not in numbers:
                numbers[state] = builder.add_vertex(state, begins.get(state, 0.0))
    for source, target, *weights in edges:
        builder.add_edge(numbers[source], numbers[target], *weights)
    return builder.build()


# Callbacks ---------------------------------------------------------------------------------------


def test_a_callback_of_weights():
    graph = Graph.from_callback(
        lambda s: {2: [(1, 3.0), (0, 0.5)], 1: [(0, 2.0)], 0: []}[s], initial=[(2, 0.75), (1, 0.25)]
    )
    assert edges_of(graph) == {(2, 1): (3.0, ()), (2, 0): (0.5, ()), (1, 0): (2.0, ())}
    assert len(graph) == 3
    assert {v.state: v.initial for v in graph} == {2: 0.75, 1: 0.25, 0: 0.0}
    assert [graph.vertex(n).state for n in graph.absorbing] == [0]
    assert graph.theta_length == 0
    assert not graph.is_discrete


def test_a_callback_of_coefficients():
    graph = Graph.from_callback(
        lambda s: [(s - 1, [1.0, float(s)])] if s else [], initial=[(2, 1.0)], theta_length=2
    )
    assert edges_of(graph) == {(2, 1): (0.0, (1.0, 2.0)), (1, 0): (0.0, (1.0, 1.0))}
    fixed = graph.instantiate([3.0, 0.5])
    assert edges_of(fixed) == {(2, 1): (4.0, ()), (1, 0): (3.5, ())}
    assert fixed.theta_length == 0


@pytest.mark.parametrize("as_", [list, tuple, np.array])
def test_a_callback_of_base_and_coefficients(as_):
    graph = Graph.from_callback(
        lambda s: [(s - 1, 0.25 * s, as_([0.0, 2.0]))] if s else [],
        initial=[(2, 1.0)],
        theta_length=2,
    )
    assert edges_of(graph) == {(2, 1): (0.5, (0.0, 2.0)), (1, 0): (0.25, (0.0, 2.0))}


def test_plain_weights_in_a_parameterised_graph_are_bases():
    graph = Graph.from_callback(
        lambda s: {2: [(1, 1.5)], 1: [(0, [2.0])], 0: []}[s], initial=[(2, 1.0)], theta_length=1
    )
    assert edges_of(graph) == {(2, 1): (1.5, (0.0,)), (1, 0): (0.0, (2.0,))}
    assert graph.expectation([4.0]) == pytest.approx(1 / 1.5 + 1 / 8)


def test_initial_may_be_a_mapping_and_name_a_state_twice():
    one = Graph.from_callback(lambda s: [(0, 1.0)] if s else [], initial={1: 0.5, 2: 0.5})
    other = Graph.from_callback(
        lambda s: [(0, 1.0)] if s else [], initial=[(1, 0.25), (2, 0.5), (1, 0.25)]
    )
    assert one.content_hash == other.content_hash


def test_a_callback_may_be_a_generator_and_is_asked_once_for_each_state():
    asked = []

    def callback(state):
        asked.append(state)
        if state:
            yield state - 1, 1.0
            yield state // 2, 2.0

    Graph.from_callback(callback, initial=[(9, 1.0)])
    assert sorted(asked) == list(range(10))


def test_discrete_graphs():
    graph = Graph.from_callback(
        lambda s: [(s - 1, 0.25)] if s else [], initial=[(2, 1.0)], discrete=True
    )
    assert graph.is_discrete
    assert graph.expectation() == pytest.approx(8)
    told = Graph.from_callback(
        lambda s: [(s - 1, 0.25), (s, 0.75)] if s else [], initial=[(2, 1.0)], discrete=True
    )
    assert told.content_hash == graph.content_hash  # staying is what is left, told or not


def test_a_graph_has_the_name_of_its_callback():
    def rabbits(state):
        return [(state - 1, 1.0)] if state else []

    assert Graph.from_callback(rabbits, initial=[(1, 1.0)]).name == "rabbits"
    assert Graph.from_callback(rabbits, initial=[(1, 1.0)], name="hares").name == "hares"


# All ways give one graph -------------------------------------------------------------------------


def walk(state):
    i, j = state
    edges = []
    if i > 0:
        edges.append(((i - 1, j), 0.5 * i, [1.0, 0.0]))
    if j > 0 and i > 0:
        edges.append(((i, j - 1), 0.0, [0.0, float(j)]))
    if i > 0 and j < 3:
        edges.append(((i, j + 1), 0.125, [0.0, 0.25]))
    return edges


def walk_frontier(states):
    i, j = states.T
    n = np.arange(len(states))
    a, b, c = i > 0, (j > 0) & (i > 0), (i > 0) & (j < 3)
    sources = np.concatenate([n[a], n[b], n[c]])
    nexts = np.concatenate([states[a] - [1, 0], states[b] - [0, 1], states[c] + [0, 1]])
    base = np.concatenate([0.5 * i[a], np.zeros(b.sum()), np.full(c.sum(), 0.125)])
    coefficients = np.zeros((len(sources), 2))
    coefficients[: a.sum(), 0] = 1.0
    coefficients[a.sum() : a.sum() + b.sum(), 1] = j[b]
    coefficients[a.sum() + b.sum() :, 1] = 0.25
    return sources, nexts, base, coefficients


def test_a_frontier_and_a_builder_give_the_graph_of_the_callback():
    initial = [((4, 0), 0.5), ((3, 1), 0.25)]
    one = Graph.from_callback(walk, initial, theta_length=2)
    other = Graph.from_frontier(walk_frontier, initial, theta_length=2)
    edges = [(v.state, one.states.label(t), b, c) for v in one for t, b, c in v.edges]
    hand = by_hand(edges[::-1], initial, theta_length=2)
    assert one.content_hash == other.content_hash == hand.content_hash
    assert one.structure_hash == other.structure_hash == hand.structure_hash
    theta = [0.7, 1.3]
    assert other.expectation(theta) == pytest.approx(one.expectation(theta), rel=1e-14)
    assert hand.pdf(1.5, theta) == pytest.approx(one.pdf(1.5, theta), rel=1e-13)


def test_a_frontier_of_weights_and_of_coefficients():
    def down(states):
        there = np.flatnonzero(states[:, 0] > 0)
        return there, states[there] - 1, states[there, 0].astype(float)

    def parameterised(states):
        sources, nexts, weights = down(states)
        return sources, nexts, np.stack([weights, 0 * weights], axis=1)

    weighted = Graph.from_frontier(down, [((5,), 1.0)])
    same = Graph.from_callback(
        lambda s: [((s[0] - 1,), float(s[0]))] if s[0] else [], [((5,), 1.0)]
    )
    assert weighted.content_hash == same.content_hash
    graph = Graph.from_frontier(parameterised, [((5,), 1.0)], theta_length=2)
    same = Graph.from_callback(
        lambda s: [((s[0] - 1,), [float(s[0]), 0.0])] if s[0] else [], [((5,), 1.0)], theta_length=2
    )
    assert graph.content_hash == same.content_hash


def test_a_large_frontier_with_numbers_far_apart():
    # More states than a first table holds; negative numbers, and such as differ in high bits only.
    def split(states):
        n = np.flatnonzero((states[:, 0] > 0) & (states[:, 0] < 4000))
        more = states[n] + [1, -(2**40)]
        return (
            np.concatenate([n, n]),
            np.concatenate([more, np.tile([-7, 0], (len(n), 1))]),
            np.ones(2 * len(n)),
        )

    graph = Graph.from_frontier(split, [((1, 0), 1.0)])
    assert len(graph) == 4001
    rows = {tuple(row) for row in graph.states.rows.tolist()}
    assert rows == {(-7, 0)} | {(k, -(2**40) * (k - 1)) for k in range(1, 4001)}


MATRIX = [[-3.0, 1.0, 0.5], [0.0, -2.0, 1.5], [2.0, 0.0, -2.0]]


@pytest.mark.parametrize(
    "kind",
    ["csr_array", "csc_array", "coo_array", "lil_array", "csr_matrix", "coo_matrix", "dok_array"],
)
def test_scipys_matrices_give_what_dense_ones_give(kind):
    dense = Graph.from_matrix(np.array(MATRIX), [0.5, 0.25, 0.25])
    sparse = Graph.from_matrix(getattr(scipy.sparse, kind)(np.array(MATRIX)), [0.5, 0.25, 0.25])
    assert dense.content_hash == sparse.content_hash
    lists = Graph.from_matrix(MATRIX, [0.5, 0.25, 0.25])
    assert lists.content_hash == dense.content_hash


def test_a_sparse_matrix_with_entries_that_are_there_twice():
    row, column = [0, 0, 0, 1], [0, 0, 1, 1]
    doubled = scipy.sparse.coo_array(([-1.0, -1.0, 1.0, -3.0], (row, column)), shape=(2, 2))
    expected = Graph.from_matrix([[-2.0, 1.0], [0.0, -3.0]], [1.0, 0.0])
    assert Graph.from_matrix(doubled, [1.0, 0.0]).content_hash == expected.content_hash


def test_a_matrix_is_the_graph_with_one_more_vertex():
    graph = Graph.from_matrix(MATRIX, [0.5, 0.25, 0.0], states=[(1, 0), (2, 0), (3, 0)])
    named = edges_of(graph)
    (end,) = [graph.vertex(n).state for n in graph.absorbing]
    assert named == {
        ((1, 0), (2, 0)): (1.0, ()),
        ((1, 0), (3, 0)): (0.5, ()),
        ((1, 0), end): (1.5, ()),
        ((2, 0), (3, 0)): (1.5, ()),
        ((2, 0), end): (0.5, ()),
        ((3, 0), (1, 0)): (2.0, ()),
    }
    assert graph.defect == pytest.approx(0.25)


def test_a_matrix_of_probabilities():
    matrix = np.array([[0.25, 0.5], [0.0, 0.5]])
    graph = Graph.from_matrix(matrix, [1.0, 0.0], discrete=True)
    means = np.linalg.solve(np.eye(2) - matrix, np.ones(2))
    assert graph.expectation() == pytest.approx(means[0], rel=1e-14)
    hand = by_hand(
        [("a", "b", 0.5), ("a", "end", 0.25), ("b", "end", 0.5)], [("a", 1.0)], discrete=True
    )
    steps = np.arange(9)
    np.testing.assert_allclose(graph.pmf(steps), hand.pmf(steps), rtol=1e-14)


@few
@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_random_matrices_and_edges_by_hand_have_one_content(n, seed):
    rng = np.random.default_rng(seed)
    # Small whole numbers of eighths, so that sums are exact.
    rates = rng.integers(0, 4, (n, n)) / 8
    rates[np.arange(n), np.arange(n)] = 0
    ending = rng.integers(1, 4, n) / 8
    alpha = rng.multinomial(8, np.ones(n) / n) / 8
    alpha[:] = 1 / n if n in (1, 2, 4) else alpha
    reached = np.linalg.matrix_power(np.eye(n) + rates, n)
    if not ((alpha @ reached) > 0).all():
        return
    graph = Graph.from_matrix(rates - np.diag(rates.sum(axis=1) + ending), alpha)
    builder = GraphBuilder()
    order = rng.permutation(n + 1)
    begins = np.append(alpha, 0.0)
    number = {int(v): builder.add_vertex(initial=begins[v]) for v in order}
    pairs = [(a, b, rates[a, b]) for a, b in np.argwhere(rates).tolist()]
    pairs += [(a, n, ending[a]) for a in range(n)]
    for at in rng.permutation(len(pairs)).tolist():
        a, b, weight = pairs[at]
        builder.add_edge(number[a], number[b], weight)
    assert builder.build().content_hash == graph.content_hash


# Parallel edges, and such as are none ------------------------------------------------------------


def test_parallel_edges_add_up():
    graph = Graph.from_callback(
        lambda s: [(0, 1.0, [1.0]), (0, 2.0, [0.5]), (0, [0.25])] if s else [],
        initial=[(1, 1.0)],
        theta_length=1,
    )
    assert edges_of(graph) == {(1, 0): (3.0, (1.75,))}
    once = Graph.from_callback(
        lambda s: [(0, 3.0, [1.75])] if s else [], initial=[(1, 1.0)], theta_length=1
    )
    assert graph.content_hash == once.content_hash


def test_parallel_edges_add_up_whatever_their_order():
    weights = [0.1, 0.2, 0.3, 1e-17, 0.7, 1e16]
    hashes = set()
    for order in ([0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [2, 0, 5, 1, 4, 3]):
        edges = [(1, 0, weights[at]) for at in order]
        hashes.add(by_hand(edges, [(1, 1.0)]).content_hash)
    assert len(hashes) == 1


def test_parallel_edges_of_parameters_that_cancel_leave_none():
    # What adds up to nothing is no edge: the same graph as without it.
    with_ = by_hand(
        [(2, 1, 1.0, [0.0]), (2, 0, 0.0, [1.0]), (2, 0, 0.0, [-1.0]), (1, 0, 1.0, [0.0])],
        [(2, 1.0)],
        theta_length=1,
    )
    without = by_hand([(2, 1, 1.0, [0.0]), (1, 0, 1.0, [0.0])], [(2, 1.0)], theta_length=1)
    assert with_.content_hash == without.content_hash
    assert with_.structure_hash == without.structure_hash


def test_edges_without_weight_and_from_a_state_to_itself_are_none():
    graph = Graph.from_callback(
        lambda s: [(s, 5.0), (s - 1, 1.0), (0, 0.0)] if s else [], initial=[(2, 1.0)]
    )
    assert edges_of(graph) == {(2, 1): (1.0, ()), (1, 0): (1.0, ())}


# States ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (1, 0),
        (-(2**62), 2**62),
        ((1, -2, 3), (0, 0, 0)),
        ((), None),
        ("rabbits", "none"),
        ("", "end"),
        ("Ωμέγα", "🐇"),
        (np.int64(3), np.int32(2)),
    ],
)
def test_states_of_all_kinds(start, end):
    if end is None:
        start, end = (7,), (8,)
    graph = Graph.from_callback(
        lambda s: [(end, 2.0)] if s == start else [], initial=[(start, 1.0)]
    )
    labels = {v.state for v in graph}
    assert labels == {start, end}
    assert graph.expectation() == 0.5


def test_states_may_be_lists_and_arrays_for_a_builder():
    builder = Graph.builder()
    one = builder.add_vertex([1, 2], initial=1.0)
    other = builder.add_vertex(np.array([0, 0]))
    assert builder.find_or_add_vertex((1, 2)) == one
    builder.add_edge(one, other, 1.0)
    assert {v.state for v in builder.build()} == {(1, 2), (0, 0)}


def test_vertices_without_states():
    builder = Graph.builder()
    first, second = builder.add_vertex(initial=1.0), builder.add_vertex()
    builder.add_edge(first, second, 4.0)
    graph = builder.build()
    assert graph.expectation() == 0.25
    assert len(graph) == 2


def test_words_that_differ_in_trailing_zeros_are_different_states():
    # A word may hold any character.
    try:
        graph = by_hand([("a", "a\0", 1.0)], [("a", 1.0)])
    except InvalidGraph:
        return  # as good
    assert len({v.state for v in graph}) == 2


def test_booleans_are_whole_numbers_or_refused_but_not_lost():
    graph = Graph.from_callback(lambda s: [(False, 1.0)] if s else [], initial=[(True, 1.0)])
    assert {v.state for v in graph} == {0, 1}


@pytest.mark.parametrize(
    ("start", "end"),
    [(1, "end"), ((1, 2), (1, 2, 3)), (1.5, 0), ((1.5,), (0.0,)), (1, (0,)), (2**70, 0), (1, None)],
)
def test_states_of_different_kinds_are_refused(start, end):
    with pytest.raises(InvalidGraph, match="States must"):
        Graph.from_callback(lambda s: [(end, 1.0)] if s == start else [], initial=[(start, 1.0)])


# Frozen ------------------------------------------------------------------------------------------


def test_a_graph_is_frozen(cyclic):
    for name in ("edges", "initial", "states", "name", "is_discrete", "new"):
        with pytest.raises(AttributeError):
            setattr(cyclic, name, None)
    with pytest.raises(AttributeError):
        cyclic.edges.base = None
    with pytest.raises(AttributeError):
        cyclic.vertex(0).initial = 1.0
    for array in (
        cyclic.edges.base,
        cyclic.edges.starts,
        cyclic.edges.targets,
        cyclic.initial,
        cyclic.states.rows,
    ):
        if array.size:
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0


def test_what_a_graph_was_made_from_may_change_afterwards():
    matrix, alpha = np.array(MATRIX), np.array([1.0, 0.0, 0.0])
    graph = Graph.from_matrix(matrix, alpha)
    before = graph.content_hash, graph.expectation()
    matrix[...] = -1.0
    alpha[...] = 0.25
    again = Graph.from_matrix(MATRIX, [1.0, 0.0, 0.0])
    assert before == (again.content_hash, again.expectation())
    assert graph.initial.tolist() == [1.0, 0.0, 0.0, 0.0]
    assert graph.pdf(0.0) == pytest.approx(1.5)


def test_what_a_frontier_is_made_from_may_change_afterwards():
    weights = np.array([2.0])

    def one(states):
        there = np.flatnonzero(states[:, 0] > 0)
        return there, states[there] - 1, weights[: len(there)]

    graph = Graph.from_frontier(one, [((1,), 1.0)])
    weights[0] = 7.0
    assert graph.expectation() == 0.5
    assert weights.flags.writeable


def test_a_builder_may_go_on_after_a_graph_was_made():
    builder = Graph.builder()
    start, end = builder.add_vertex("start", 1.0), builder.add_vertex("end")
    builder.add_edge(start, end, 1.0)
    first = builder.build()
    middle = builder.add_vertex("middle")
    builder.add_edge(start, middle, 1.0)
    builder.add_edge(middle, end, 1.0)
    assert len(first) == 2
    assert first.expectation() == 1.0
    assert builder.build().expectation() == pytest.approx(1.0)
    assert len(builder.build()) == 3


def test_a_graph_can_be_looked_at(cyclic):
    assert "continuous" in repr(cyclic)
    assert len([*cyclic]) == len(cyclic) == 4
    assert cyclic.vertex(3).is_absorbing
    assert not cyclic.vertex(0).is_absorbing
    assert cyclic.defect == pytest.approx(0.1)


# Mistakes ----------------------------------------------------------------------------------------


def refused(message, edges, initial, **options):
    with pytest.raises(InvalidGraph, match=re.escape(message)):
        by_hand(edges, initial, **options)


def test_no_absorbing_state():
    refused("No state is an end", [("a", "b", 1.0), ("b", "a", 1.0)], [("a", 1.0)])


def test_an_unreachable_state():
    refused("'c'", [("a", "b", 1.0), ("c", "b", 1.0)], [("a", 1.0)])


def test_an_unreachable_absorbing_state():
    builder = Graph.builder()
    a, b = builder.add_vertex("a", 1.0), builder.add_vertex("b")
    builder.add_vertex("lonely")
    builder.add_edge(a, b, 1.0)
    with pytest.raises(InvalidGraph, match="'lonely'"):
        builder.build()


def test_a_state_that_only_an_edge_without_weight_leads_to():
    refused("'c'", [("a", "b", 1.0), ("a", "c", 0.0), ("c", "b", 1.0)], [("a", 1.0)])


def test_a_dead_end():
    edges = [("a", "b", 1.0), ("a", "x", 1.0), ("x", "y", 1.0), ("y", "x", 1.0)]
    with pytest.raises(InvalidGraph, match="'x'|'y'"):
        by_hand(edges, [("a", 1.0)])


def test_a_dead_end_far_away():
    with pytest.raises(InvalidGraph, match=r"\(-1, 0\)|\(-2, 0\)"):
        Graph.from_callback(
            lambda s: {
                -1: [((-2, 0), 1.0)],
                -2: [((-1, 0), 1.0)],
                0: [],
                5: [((4, 0), 1.0), ((-1, 0), 0.1)],
            }.get(s[0], [((s[0] - 1, 0), 1.0)]),
            initial=[((50, 0), 1.0)],
        )


@pytest.mark.parametrize("weight", [-1.0, -1e-300])
@pytest.mark.parametrize("discrete", [False, True])
def test_a_negative_weight(weight, discrete):
    edges = [("a", "b", 0.5), ("b", "c", weight), ("b", "d", 0.5)]
    refused("'b'", edges, [("a", 1.0)], discrete=discrete)


def test_a_negative_weight_is_not_hidden_by_a_parallel_one():
    refused("'b'", [("b", "d", 2.0), ("b", "d", -1.0)], [("b", 1.0)])


@pytest.mark.parametrize("weight", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_not_finite(weight):
    refused("'b'", [("a", "b", 1.0), ("b", "c", weight)], [("a", 1.0)])
    refused(
        "'b'",
        [("a", "b", 1.0, [0.0]), ("b", "c", 1.0, [weight])],
        [("a", 1.0)],
        theta_length=1,
    )


def test_parallel_weights_that_add_up_to_infinity():
    refused("'b'", [("a", "b", 1.0), ("b", "c", 1.7e308), ("b", "c", 1.7e308)], [("a", 1.0)])


def test_probabilities_over_one():
    edges = [("a", "b", 1.0), ("b", "c", 0.75), ("b", "d", 0.5)]
    refused("'b'", edges, [("a", 1.0)], discrete=True)


def test_probabilities_of_exactly_one_in_tenths():
    graph = by_hand([("a", f"end {k}", 0.1) for k in range(10)], [("a", 1.0)], discrete=True)
    assert graph.expectation() == pytest.approx(1.0, rel=1e-15)


def test_a_probability_of_staying_that_does_not_fit():
    refused("'b'", [("a", "b", 1.0), ("b", "b", 0.3), ("b", "c", 0.5)], [("a", 1.0)], discrete=True)


@pytest.mark.parametrize("staying", [1.5, -0.5])
def test_an_impossible_probability_of_staying(staying):
    edges = [("b", "b", staying), ("b", "c", 1 - staying if staying < 0 else 0.5)]
    refused("'b'", edges, [("b", 1.0)], discrete=True)


@pytest.mark.parametrize("given_", [[], [1.0], [1.0, 2.0, 3.0]])
def test_a_wrong_number_of_coefficients(given_):
    refused("'b'", [("b", "c", 1.0, given_)], [("b", 1.0)], theta_length=2)
    with pytest.raises(InvalidGraph, match=r"\(3, 4\)"):
        Graph.from_callback(
            lambda s: [((0, 0), given_)] if sum(s) else [], [((3, 4), 1.0)], theta_length=2
        )


def test_coefficients_without_parameters():
    refused("'b'", [("b", "c", 1.0, [1.0])], [("b", 1.0)])


@pytest.mark.parametrize(
    "initial",
    [[("a", -0.5), ("b", 1.0)], [("a", np.nan)], [("a", np.inf)], [("a", 0.7), ("b", 0.7)]],
)
def test_impossible_probabilities_of_beginning(initial):
    with pytest.raises(InvalidGraph, match="beginning"):
        by_hand([("a", "b", 1.0), ("b", "c", 1.0)], initial)


def test_no_probability_of_beginning():
    with pytest.raises(InvalidGraph, match="beginning"):
        by_hand([("a", "b", 1.0)], [])
    with pytest.raises(InvalidGraph, match="initial"):
        Graph.from_callback(lambda s: [], initial=[])


@pytest.mark.parametrize("initial", [3, [3], [(1, 2, 3)], [("a", "b")], None])
def test_initial_of_another_form(initial):
    with pytest.raises(InvalidGraph, match="initial"):
        Graph.from_callback(lambda s: [(0, 1.0)] if s else [], initial=initial)


def test_a_defect_is_allowed():
    graph = by_hand([("a", "b", 2.0)], [("a", 0.25)])
    assert graph.defect == 0.75
    assert graph.expectation() == 0.125
    assert graph.cdf(0.0) == 0.75


def test_beginning_at_the_end_is_a_defect():
    graph = by_hand([("a", "b", 2.0)], [("a", 0.25), ("b", 0.5)])
    assert graph.defect == 0.75
    assert graph.expectation() == 0.125


@pytest.mark.parametrize("answer", [3, [(1,)], [(1, 1.0, [], 4)], [3], None])
def test_a_callback_that_returns_something_else(answer):
    with pytest.raises(InvalidGraph, match="'start'"):
        Graph.from_callback(lambda s: answer if s == "start" else [], initial=[("start", 1.0)])


def test_an_edge_whose_weight_is_no_number():
    with pytest.raises(InvalidGraph, match="'start'"):
        Graph.from_callback(
            lambda s: [("end", "fast")] if s == "start" else [], initial=[("start", 1.0)]
        )


def test_an_endless_state_space():
    with pytest.raises(InvalidGraph, match="most_states"):
        Graph.from_callback(lambda s: [(s + 1, 1.0)], initial=[(0, 1.0)], most_states=1000)

    def forth(states):
        return np.arange(len(states)), states + 1, np.ones(len(states))

    with pytest.raises(InvalidGraph, match="most_states"):
        Graph.from_frontier(forth, [((0,), 1.0)], most_states=1000)


def test_as_many_states_as_are_allowed():
    down = lambda s: [(s - 1, 1.0)] if s else []  # noqa: E731
    assert len(Graph.from_callback(down, [(9, 1.0)], most_states=10)) == 10
    with pytest.raises(InvalidGraph, match="most_states"):
        Graph.from_callback(down, [(10, 1.0)], most_states=10)


@pytest.mark.parametrize("vertex", [-1, 2, 100])
def test_an_edge_of_a_vertex_that_is_not_there(vertex):
    builder = Graph.builder()
    builder.add_vertex("a", 1.0)
    builder.add_vertex("b")
    with pytest.raises(InvalidGraph, match="no vertex"):
        builder.add_edge(0, vertex, 1.0)
    with pytest.raises(InvalidGraph, match="no vertex"):
        builder.add_edge(vertex, 0, 1.0)


@pytest.mark.parametrize("vertex", [-1, 2])
def test_beginning_in_a_vertex_that_is_not_there(vertex):
    builder = Graph.builder()
    builder.add_vertex("a", 1.0)
    builder.add_vertex("b")
    with pytest.raises(InvalidGraph, match="no vertex"):
        builder.add_initial(vertex, 0.5)


def test_a_builder_without_vertices():
    with pytest.raises(InvalidGraph, match="none"):
        Graph.builder().build()


@pytest.mark.parametrize(
    "answer",
    [
        lambda s: None,
        lambda s: (np.arange(len(s)), s),
        lambda s: (np.arange(len(s)), s[:, :1], np.ones(len(s))),
        lambda s: (np.arange(len(s)) + 5, s, np.ones(len(s))),
        lambda s: (np.arange(len(s)) - 1, s, np.ones(len(s))),
        lambda s: (np.arange(len(s)), s, np.ones(len(s) + 1)),
        lambda s: (np.arange(len(s)), s, np.ones(len(s)), np.ones((len(s), 3))),
        lambda s: (np.arange(len(s)) + 0.5, s, np.ones(len(s))),
        lambda s: (np.arange(len(s)), s + 0.5, np.ones(len(s))),
    ],
)
def test_a_frontier_that_returns_something_else(answer):
    with pytest.raises(InvalidGraph):
        Graph.from_frontier(answer, [((1, 1), 1.0)])


def test_mistakes_of_a_frontier_name_the_state():
    def bad(states):
        there = np.flatnonzero(states[:, 0] > 0)
        return there, states[there] - [1, 0], np.where(states[there, 0] == 3, -1.0, 1.0)

    with pytest.raises(InvalidGraph, match=r"\(3, 8\)"):
        Graph.from_frontier(bad, [((5, 8), 1.0)])


@pytest.mark.parametrize(
    ("matrix", "alpha"),
    [
        ([[-1.0, 0.5]], [1.0]),
        ([-1.0], [1.0]),
        (np.zeros((0, 0)), []),
        ([[-1.0]], [0.5, 0.5]),
        ([[np.nan]], [1.0]),
        ([[-1.0, np.inf], [0.0, -1.0]], [1.0, 0.0]),
        ([[1.0]], [1.0]),
        ([[-1.0, 2.0], [0.0, -1.0]], [1.0, 0.0]),
        ([[-1.0, -0.5], [0.5, -1.0]], [1.0, 0.0]),
        ([[-1.0, 1.0], [1.0, -1.0]], [1.0, 0.0]),
        ([[-1.0, 0.0], [0.5, -1.0]], [1.0, 0.0]),
        ([[0.0]], [1.0]),
        ([[-1.0]], [0.0]),
        ([[-1.0]], [1.5]),
        ([[-1.0]], [-0.5]),
        ([[-1.0]], [np.nan]),
    ],
)
def test_impossible_matrices(matrix, alpha):
    with pytest.raises(InvalidGraph):
        Graph.from_matrix(matrix, alpha)
    dense = np.array(matrix)
    if dense.ndim == 2:
        with pytest.raises(InvalidGraph):
            Graph.from_matrix(scipy.sparse.csr_array(dense), alpha)


@pytest.mark.parametrize("matrix", [[[0.5, 0.6], [0.0, 0.5]], [[-0.5]], [[1.0]], [[np.nan]]])
def test_impossible_matrices_of_probabilities(matrix):
    with pytest.raises(InvalidGraph):
        Graph.from_matrix(matrix, np.eye(len(matrix))[0], discrete=True)


def test_mistakes_of_a_matrix_name_the_state():
    states = ["good", "bad"]
    for matrix in (
        [[-1.0, 1.0], [0.0, 1.0]],
        [[-1.0, 1.0], [2.0, -1.0]],
        [[-1.0, 1.0], [-1.0, -1.0]],
        [[-1.0, 1.0], [np.nan, -1.0]],
    ):
        with pytest.raises(InvalidGraph, match="bad"):
            Graph.from_matrix(matrix, [1.0, 0.0], states=states)


def test_wrong_names_for_a_matrix():
    with pytest.raises(InvalidGraph, match="states"):
        Graph.from_matrix([[-1.0]], [1.0], states=["a", "b"])


def test_a_matrix_whose_word_is_empty_keeps_its_states_apart():
    graph = Graph.from_matrix([[-1.0, 1.0], [0.0, -2.0]], [1.0, 0.0], states=["", "b"])
    assert len({v.state for v in graph}) == 3
    assert graph.expectation() == 1.5


def test_a_matrix_whose_states_are_the_least_numbers():
    least = -(2**63)
    try:
        graph = Graph.from_matrix(
            [[-1.0, 1.0], [0.0, -2.0]], [1.0, 0.0], states=[least, -least - 1]
        )
    except InvalidGraph:
        return  # as good
    assert len({v.state for v in graph}) == 3


# Parameters --------------------------------------------------------------------------------------


def parameterised():
    return by_hand(
        [("a", "b", 1.0, [1.0, 0.0]), ("b", "c", 2.0, [0.0, 1.0])], [("a", 1.0)], theta_length=2
    )


CALLS = {
    "expectation": lambda g, t: g.expectation(t),
    "moments": lambda g, t: g.moments(2, t),
    "variance": lambda g, t: g.variance(t),
    "covariance": lambda g, t: g.covariance([1.0, 0.0], [0.0, 1.0], t),
    "pdf": lambda g, t: g.pdf(1.0, t),
    "cdf": lambda g, t: g.cdf(1.0, t),
    "survival": lambda g, t: g.survival(1.0, t),
    "quantile": lambda g, t: g.quantile(0.5, t),
    "laplace_transform": lambda g, t: g.laplace_transform(1.0, t),
    "state_probabilities": lambda g, t: g.state_probabilities(1.0, t),
    "accumulated_rewards": lambda g, t: g.accumulated_rewards(1.0, t),
    "joint_probabilities": lambda g, t: g.joint_probabilities(2, t),
    "sojourn_times": lambda g, t: g.sojourn_times(t),
    "waiting_times": lambda g, t: g.waiting_times(t),
    "gradient": lambda g, t: g.gradient(t),
    "sample": lambda g, t: g.sample(3, t, seed=1),
    "instantiate": lambda g, t: g.instantiate(t),
    "reward_transform": lambda g, t: g.reward_transform([1.0, 0.0], t),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("theta", [[1.0], [1.0, 2.0, 3.0], [], 1.0, [[[1.0, 2.0]]], None])
def test_theta_of_the_wrong_length(call, theta):
    with pytest.raises(InvalidGraph, match="theta|parameters"):
        CALLS[call](parameterised(), theta)


@pytest.mark.parametrize("call", CALLS)
def test_weights_that_a_theta_makes_negative(call):
    with pytest.raises(InvalidGraph, match="'b'"):
        CALLS[call](parameterised(), [1.0, -5.0])


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_theta_that_is_not_finite(call, bad):
    with pytest.raises(InvalidGraph):
        CALLS[call](parameterised(), [1.0, bad])


ALONE = ("sample", "instantiate", "reward_transform")  # these take one parameter vector


@pytest.mark.parametrize("call", ALONE)
def test_several_thetas_where_one_is_taken(call):
    with pytest.raises(InvalidGraph):
        CALLS[call](parameterised(), np.ones((3, 2)))


@pytest.mark.parametrize("call", [call for call in CALLS if call not in ALONE])
def test_one_impossible_theta_of_many(call):
    theta = np.ones((40, 2))
    theta[37, 1] = -5.0
    with pytest.raises(InvalidGraph, match="'b'"):
        CALLS[call](parameterised(), theta)


@pytest.mark.parametrize(
    "call",
    ["expectation", "moments", "variance", "covariance", "quantile", "sojourn_times"]
    + ["waiting_times", "gradient", "sample", "reward_transform"],
)
def test_a_theta_that_leaves_no_way_out(call):
    with pytest.raises(InvalidGraph, match="'a'|'b'"):
        CALLS[call](parameterised(), [1.0, -2.0])


@pytest.mark.parametrize("call", CALLS)
def test_no_parameters_and_a_theta(call):
    graph = by_hand([("a", "b", 1.0), ("b", "c", 2.0)], [("a", 1.0)])
    with pytest.raises(InvalidGraph, match="parameters"):
        CALLS[call](graph, [1.0])


def test_probabilities_that_a_theta_brings_over_one():
    graph = by_hand(
        [("a", "b", 0.0, [1.0]), ("b", "c", 0.0, [0.5]), ("b", "d", 0.0, [0.75])],
        [("a", 1.0)],
        theta_length=1,
        discrete=True,
    )
    assert graph.expectation([0.5]) == pytest.approx(1 / 0.5 + 1 / 0.625)
    for call in (graph.expectation, lambda t: graph.pmf(3, t), graph.instantiate):
        with pytest.raises(InvalidGraph, match="'b'"):
            call([0.9])


def test_a_negative_weight_that_a_theta_makes_positive_is_allowed():
    graph = by_hand([("a", "b", -1.0, [1.0])], [("a", 1.0)], theta_length=1)
    assert graph.expectation([3.0]) == 0.5
    with pytest.raises(InvalidGraph, match="'a'"):
        graph.expectation([0.5])


@pytest.mark.parametrize(
    "rewards", [[1.0, 2.0, 3.0, 4.0], [[1.0]], 5.0, [1.0, -1.0], [np.nan, 1.0]]
)
def test_impossible_rewards(rewards):
    graph = by_hand([("a", "b", 1.0), ("b", "c", 2.0)], [("a", 1.0)])
    with pytest.raises(InvalidGraph, match=r"[Rr]eward"):
        graph.expectation(rewards=rewards)


def test_rewards_name_the_state():
    graph = by_hand([("a", "b", 1.0), ("b", "c", 2.0)], [("a", 1.0)])
    with pytest.raises(InvalidGraph, match="'b'"):
        graph.variance(rewards=[1.0, -1.0])


def test_small_exits_are_kept_exactly():
    """What is left of a row is summed exactly: 1e-14 of it is a way out like any other."""
    exit_, rates = 2.0**-44, [0.7, 0.1, 0.2]
    matrix = np.zeros((4, 4))
    matrix[0, 1:] = rates
    matrix[0, 0] = -(Fraction(0.7) + Fraction(0.1) + Fraction(0.2) + Fraction(exit_))
    matrix[1:, 0], matrix[range(1, 4), range(1, 4)] = 1.0, -1.0
    graph = Graph.from_matrix(matrix, [1.0, 0, 0, 0])
    left = -sum(map(Fraction, matrix[0].tolist()))
    assert graph.vertex(0).edges[-1][1] == float(left)
    assert float(left) == pytest.approx(exit_, rel=1e-2)


def test_exits_may_be_given():
    rates = np.array([[-1.0, 1.0], [1.0, -1.0]])
    graph = Graph.from_matrix(rates, [1.0, 0.0], exits=[0.0, 1e-20])
    assert graph.expectation() == pytest.approx(2e20, rel=1e-12)
    with pytest.raises(InvalidGraph, match=r"Row 1 of the matrix leaves 0, and exits says 0\.5"):
        Graph.from_matrix(rates, [1.0, 0.0], exits=[0.0, 0.5])
    with pytest.raises(InvalidGraph, match="expected 2 numbers"):
        Graph.from_matrix(rates, [1.0, 0.0], exits=[0.5])


@pytest.mark.parametrize("discrete", [False, True])
def test_a_matrix_without_an_end_is_told_by_its_rows(discrete):
    matrix = np.array([[0.5, 0.5], [0.5, 0.5]]) if discrete else np.array([[-1.0, 1], [1, -1]])
    with pytest.raises(InvalidGraph, match=f"rows of the matrix add up to {int(discrete)}: no"):
        Graph.from_matrix(matrix, [1.0, 0.0], discrete=discrete)


def test_what_rounding_leaves_is_no_way_out():
    random = np.random.default_rng(3)
    matrix = random.random((20, 20)) * 10.0 ** random.uniform(-3, 3, (20, 1))
    np.fill_diagonal(matrix, 0)
    np.fill_diagonal(matrix, -matrix.sum(axis=1))
    matrix[7, 7] *= 2
    graph = Graph.from_matrix(matrix, np.full(20, 0.05))
    assert [v.number for v in graph if any(target == 20 for target, *_ in v.edges)] == [7]


def test_unreachable_states_are_left_out_on_request():
    matrix = np.array([[-2.0, 1.0, 0.0], [0.0, -1.0, 0.0], [1.0, 0.0, -1.0]])
    with pytest.raises(InvalidGraph, match="prune=True"):
        Graph.from_matrix(matrix, [1.0, 0, 0], states=["a", "b", "c"])
    graph = Graph.from_matrix(matrix, [1.0, 0, 0], states=["a", "b", "c"], prune=True)
    assert [vertex.state for vertex in graph][:2] == ["a", "b"]
    assert (
        graph.content_hash
        == Graph.from_matrix(matrix[:2, :2], [1.0, 0], states=["a", "b"]).content_hash
    )
    builder = Graph.builder(theta_length=1)
    for state in range(4):
        builder.add_vertex(state, float(state == 2))
    builder.add_edge(2, 0, [3.0])
    builder.add_edge(1, 3, [1.0])
    small = builder.build(prune=True)
    assert [vertex.state for vertex in small] == [0, 2]
    assert small.expectation([2.0]) == pytest.approx(1 / 6)


def test_ways_of_4000_states_without_names_are_numbered_at_once():
    """Rows without states: their order is found from the matrix, not in quadratic time."""
    count = 4000
    matrix = scipy.sparse.diags(
        [np.ones(count - 1), np.full(count, -3.0), np.full(count - 1, 1.5)], [-1, 0, 1]
    )
    begins = np.zeros(count)
    begins[17] = 1
    before = time.process_time()
    graph = Graph.from_matrix(matrix, begins)
    assert len(graph.structure_hash) == 64
    assert time.process_time() - before < 5
