"""Hashes: the same for every numbering, different for every difference."""

import itertools
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from emberkeep.phasetype import Graph

few = settings(max_examples=30, deadline=None)


def make(edges, initial, states=None, order=None, shuffle=None, discrete=False, parameters=0):
    """A graph from {(source, target): (base, coefficients)}, in any numbering and order.

    Args:
        edges: by pairs of vertices; a number is a base without coefficients.
        initial: by vertex.
        states: by vertex, or None.
        order: in which vertices are added.
        shuffle: in which edges are added.
        discrete, parameters: of the graph.
    """
    count = 1 + max(map(max, edges))
    builder = Graph.builder(theta_length=parameters, discrete=discrete)
    number = {
        v: builder.add_vertex(None if states is None else states[v], initial.get(v, 0.0))
        for v in (range(count) if order is None else order)
    }
    pairs = sorted(edges)
    for at in range(len(pairs)) if shuffle is None else shuffle:
        a, b = pairs[at]
        weight, coefficients = (
            edges[a, b] if isinstance(edges[a, b], tuple) else (edges[a, b], [0.0] * parameters)
        )
        builder.add_edge(number[a], number[b], weight, coefficients)
    return builder.build()


def hashes(graph):
    return graph.structure_hash, graph.content_hash


def renumbered(rng, edges, initial, states=None, **options):
    """The same graph, with vertices and edges in another order."""
    count = 1 + max(map(max, edges))
    order, shuffle = rng.permutation(count).tolist(), rng.permutation(len(edges)).tolist()
    return make(edges, initial, states, order, shuffle, **options)


def same_for_all(edges, initial, states=None, times=6, seed=0, **options):
    """The one pair of hashes that all numberings have."""
    rng = np.random.default_rng(seed)
    expected = hashes(make(edges, initial, states, **options))
    for _ in range(times):
        assert hashes(renumbered(rng, edges, initial, states, **options)) == expected
    return expected


@st.composite
def graphs(draw, most=8):
    """Few kinds of weights and labels, so that much is alike; what `make` takes."""
    count = draw(st.integers(2, most))
    parameters = draw(st.integers(0, 2))
    coefficient = st.sampled_from([0.0, 0.0, 1.0, 0.5])
    weight = st.tuples(
        st.sampled_from([1.0, 2.0, 0.25]),
        st.lists(coefficient, min_size=parameters, max_size=parameters),
    )
    edges = {}
    for v in range(1, count):
        edges[v, draw(st.integers(0, v - 1))] = draw(weight)
    more = st.tuples(st.integers(1, count - 1), st.integers(0, count - 1))
    for a, b in draw(st.lists(more, max_size=2 * count)):
        if a != b:
            edges[a, b] = draw(weight)
    begins = draw(st.lists(st.sampled_from([1, 1, 2]), min_size=count, max_size=count))
    initial = {v: begins[v] / 32 for v in range(1, count)}
    kind = draw(st.sampled_from(["none", "few", "all", "words", "tuples"]))
    states = {
        "none": None,
        "few": [draw(st.integers(0, 1)) for _ in range(count)],
        "all": draw(st.permutations(range(count))),
        "words": [draw(st.sampled_from(["a", "b", "ab"])) for _ in range(count)],
        "tuples": [(draw(st.integers(0, 1)), draw(st.integers(-1, 1))) for _ in range(count)],
    }[kind]
    return edges, initial, states, parameters


# Any numbering -----------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(graphs(), st.integers(0, 2**32 - 1))
def test_any_numbering_has_the_same_hashes(given_, seed):
    edges, initial, states, parameters = given_
    same_for_all(edges, initial, states, 3, seed, parameters=parameters)


@few
@given(graphs(), st.integers(0, 2**32 - 1))
def test_any_numbering_has_the_same_trace_value_and_density(given_, seed):
    edges, initial, states, parameters = given_
    one = make(edges, initial, states, parameters=parameters)
    rng = np.random.default_rng(seed)
    other = renumbered(rng, edges, initial, states, parameters=parameters)
    theta = [0.75, 1.5][:parameters] or None
    np.testing.assert_array_equal(one.record().pattern.array, other.record().pattern.array)
    assert one.record().key == other.record().key
    assert other.expectation(theta) == pytest.approx(one.expectation(theta), rel=1e-14)
    assert other.variance(theta) == pytest.approx(one.variance(theta), rel=1e-12)
    times = [0.0, 0.3, 1.0, 4.0]
    np.testing.assert_allclose(other.pdf(times, theta), one.pdf(times, theta), rtol=1e-12)


def ring(n, weight=1.0, back=None):
    """A directed ring, or one both ways, each vertex of which leads to the end; the end is 0."""
    edges = {}
    for k in range(n):
        edges[1 + k, 1 + (k + 1) % n] = weight
        if back is not None:
            edges[1 + (k + 1) % n, 1 + k] = back
        edges[1 + k, 0] = 1.0
    return edges, {1 + k: 1 / n for k in range(n)}


def copies(edges, initial, times):
    """Disjoint ones of which one is begun at random, with one end in common."""
    count = max(map(max, edges))
    place = lambda v, k: 0 if v == 0 else v + k * count  # noqa: E731
    return (
        {(place(a, k), place(b, k)): w for k in range(times) for (a, b), w in edges.items()},
        {place(v, k): p / times for k in range(times) for v, p in initial.items()},
    )


def parallel(n):
    """Twins: n states with the same neighbours."""
    return {(1 + k, 0): 1.0 for k in range(n)}, {1 + k: 0.5 / n for k in range(n)}


def torus(n):
    number = lambda i, j: 1 + (i % n) * n + j % n  # noqa: E731
    edges = {}
    for i in range(n):
        for j in range(n):
            for di, dj in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                edges[number(i, j), number(i + di, j + dj)] = 1.0
            edges[number(i, j), 0] = 1.0
    return edges, dict.fromkeys(range(1, n * n + 1), 1 / n**2)


def binary_tree(depth):
    edges = {(v, v // 2): 1.0 for v in range(2, 2**depth)}
    edges[1, 0] = 1.0
    leaves = range(2 ** (depth - 1), 2**depth)
    return edges, {v: 1 / len(leaves) for v in leaves}


def grid_of_twins(n):
    """Layers of two, both of which lead to both of the next."""
    edges = {}
    for layer in range(n):
        for a in (1, 2):
            for b in (1, 2):
                edges[2 * layer + a, 2 * layer + 2 + b] = 1.0
    edges |= {(2 * n + 1, 0): 1.0, (2 * n + 2, 0): 1.0}
    return edges, {1: 0.5, 2: 0.5}


SYMMETRIC = {
    "ring of 3": ring(3),
    "ring of 12": ring(12),
    "ring of 40": ring(40),
    "ring of 9 both ways": ring(9, 1.0, 1.0),
    "ring of 9 one way faster": ring(9, 1.0, 2.0),
    "4 rings of 5": copies(*ring(5), 4),
    "40 twins": parallel(40),
    "8 equal branches": copies({(2, 1): 1.0, (1, 0): 2.0}, {2: 1.0}, 8),
    "torus of 4": torus(4),
    "torus of 5 and 5": torus(5),
    "tree of depth 5": binary_tree(5),
    "layers of twins": grid_of_twins(12),
    "6 pairs of cycles": copies({(1, 2): 1.0, (2, 1): 1.0, (2, 0): 1.0}, {1: 1.0}, 6),
}


@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric_graphs_have_the_same_hashes_in_any_numbering(name):
    edges, initial = SYMMETRIC[name]
    same_for_all(edges, initial)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric_graphs_where_one_weight_differs(name):
    # Only one class of vertices is there for the structure, and several for the content.
    edges, initial = SYMMETRIC[name]
    rng = np.random.default_rng(1)
    vertex = max(a for a, b in edges if b == 0)
    other = {**edges, (vertex, 0): 1.75}
    structure, content = same_for_all(edges, initial)
    another_structure, another_content = same_for_all(other, initial)
    assert structure == another_structure
    assert content != another_content
    # Which of the equals it is does not matter.
    first = hashes(renumbered(rng, other, initial))
    assert first == (another_structure, another_content)


MANY = {
    "30 equal branches of 2": copies({(2, 1): 1.0, (1, 0): 2.0}, {2: 1.0}, 30),
    "8 rings of 3": copies(*ring(3), 8),
}


@pytest.mark.parametrize("name", MANY)
def test_many_equal_parts_have_the_same_hashes_in_any_numbering(name):
    same_for_all(*MANY[name], times=1)


def test_weights_at_different_distances_on_a_ring_are_different():
    edges, initial = ring(8)
    found = set()
    for apart in (1, 2, 3, 4):
        changed = {**edges, (1, 0): 2.0, (1 + apart, 0): 2.0}
        found.add(same_for_all(changed, initial, times=3))
    assert len({structure for structure, _ in found}) == 1
    assert len({content for _, content in found}) == 4
    mirrored = {**edges, (1, 0): 2.0, (1 + 6, 0): 2.0}
    assert same_for_all(mirrored, initial, times=3) in found  # as 2 apart, seen from the other


@few
@given(st.integers(3, 7), st.integers(0, 2**32 - 1))
def test_rings_with_any_weights(n, seed):
    rng = np.random.default_rng(seed)
    edges, initial = ring(n, 1.0, 1.0)
    edges = {pair: float(rng.integers(1, 3)) for pair in edges}
    turned = lambda v: 0 if v == 0 else 1 + v % n  # noqa: E731
    other = {(turned(a), turned(b)): w for (a, b), w in edges.items()}
    assert hashes(make(edges, initial)) == hashes(make(other, initial))
    assert hashes(make(edges, initial)) == hashes(renumbered(rng, edges, initial))


# Any difference ----------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(graphs(), st.data())
def test_one_other_weight_is_another_content_but_no_other_structure(given_, data):
    edges, initial, states, parameters = given_
    structure, content = hashes(make(edges, initial, states, parameters=parameters))
    pair = data.draw(st.sampled_from(sorted(edges)))
    weight, coefficients = edges[pair]
    changed = {**edges, pair: (np.nextafter(weight, 9.0), coefficients)}
    found = hashes(make(changed, initial, states, parameters=parameters))
    assert found[0] == structure
    assert found[1] != content


@few
@given(graphs(), st.data())
def test_other_coefficients(given_, data):
    edges, initial, states, parameters = given_
    assume(parameters)
    structure, content = hashes(make(edges, initial, states, parameters=parameters))
    pair = data.draw(st.sampled_from(sorted(edges)))
    which = data.draw(st.integers(0, parameters - 1))
    weight, coefficients = edges[pair]
    others = [*coefficients]
    others[which] += 0.125
    found = hashes(make({**edges, pair: (weight, others)}, initial, states, parameters=parameters))
    assert found[1] != content
    assert (found[0] == structure) == (coefficients[which] != 0)


@few
@given(graphs(), st.data())
def test_one_edge_more_is_another_structure(given_, data):
    edges, initial, states, parameters = given_
    count = 1 + max(map(max, edges))
    missing = [
        (a, b) for a in range(1, count) for b in range(count) if a != b and (a, b) not in edges
    ]
    assume(missing)
    pair = data.draw(st.sampled_from(missing))
    before = hashes(make(edges, initial, states, parameters=parameters))
    more = {**edges, pair: (1.0, [0.0] * parameters)}
    found = hashes(make(more, initial, states, parameters=parameters))
    assert found[0] != before[0]
    assert found[1] != before[1]


@few
@given(graphs(), st.data())
def test_one_other_state_is_another_structure(given_, data):
    edges, initial, states, parameters = given_
    assume(states is not None)
    which = data.draw(st.integers(0, len(states) - 1))
    others = [*states]
    others[which] = {int: 77, str: "zz", tuple: (7, 7)}[type(states[0])]
    before = hashes(make(edges, initial, states, parameters=parameters))
    found = hashes(make(edges, initial, others, parameters=parameters))
    assert found[0] != before[0]
    assert found[1] != before[1]


@few
@given(graphs(), st.data())
def test_another_probability_of_beginning_is_another_content(given_, data):
    edges, initial, states, parameters = given_
    which = data.draw(st.sampled_from(sorted(initial)))
    before = hashes(make(edges, initial, states, parameters=parameters))
    other = {**initial, which: np.nextafter(initial[which], 1.0)}
    found = hashes(make(edges, other, states, parameters=parameters))
    assert found[0] == before[0]
    assert found[1] != before[1]


def test_where_it_begins():
    edges = {(2, 1): 1.0, (1, 0): 1.0}
    found = [hashes(make(edges, {2: 1.0})), hashes(make(edges, {2: 0.5, 1: 0.5}))]
    found.append(hashes(make(edges, {2: 0.5})))
    assert len({content for _, content in found}) == 3


def test_discrete_and_continuous_differ():
    edges = {(2, 1): 0.5, (1, 0): 0.5}
    one, other = make(edges, {2: 1.0}), make(edges, {2: 1.0}, discrete=True)
    assert one.structure_hash != other.structure_hash
    assert one.content_hash != other.content_hash


def test_which_parameter_is_used():
    found = [
        hashes(make({(1, 0): (0.0, c)}, {1: 1.0}, parameters=2))
        for c in ([1.0, 0.0], [0.0, 1.0], [1.0, 1.0])
    ]
    found.append(hashes(make({(1, 0): (1.0, [1.0, 0.0])}, {1: 1.0}, parameters=2)))
    found.append(hashes(make({(1, 0): (1.0, [0.0, 0.0])}, {1: 1.0}, parameters=2)))
    found.append(hashes(make({(1, 0): (1.0, [0.0])}, {1: 1.0}, parameters=1)))
    found.append(hashes(make({(1, 0): 1.0}, {1: 1.0})))
    assert len({structure for structure, _ in found}) == len(found)
    assert len({content for _, content in found}) == len(found)


def test_kinds_of_states_differ():
    edges, initial = {(1, 0): 1.0}, {1: 1.0}
    kinds = [None, [0, 1], [(0,), (1,)], [(0, 0), (0, 1)], ["\2", "\1"], ["0", "1"], [48, 49]]
    found = [hashes(make(edges, initial, states)) for states in kinds]
    assert len({structure for structure, _ in found}) == len(kinds)


def test_states_that_fall_together_when_written_side_by_side():
    edges, initial = {(1, 0): 1.0}, {1: 1.0}
    found = [
        make(edges, initial, states).structure_hash
        for states in (["a", "bc"], ["ab", "c"], ["abc", ""], [(1, 23), (4, 5)], [(12, 3), (4, 5)])
    ]
    assert len(set(found)) == 5


def test_exchanged_states_are_another_structure():
    edges, initial = {(2, 1): 1.0, (1, 0): 1.0}, {2: 1.0}
    assert hashes(make(edges, initial, [0, 1, 2])) != hashes(make(edges, initial, [0, 2, 1]))
    assert hashes(make(edges, initial, [0, 1, 1])) != hashes(make(edges, initial, [1, 1, 0]))


def test_the_name_is_not_in_the_hashes():
    one = Graph.from_matrix([[-1.0]], [1.0], name="one")
    other = Graph.from_matrix([[-1.0]], [1.0], name="other")
    assert hashes(one) == hashes(other)


def test_minus_zero_is_zero():
    one = make({(1, 0): (1.0, [0.0])}, {1: 1.0}, parameters=1)
    other = make({(1, 0): (1.0, [-0.0])}, {1: 1.0}, parameters=1)
    assert hashes(one) == hashes(other)
    one = make({(1, 0): 1.0}, {1: 0.5, 0: 0.0})
    assert hashes(one) == hashes(make({(1, 0): 1.0}, {1: 0.5, 0: -0.0}))


def test_directions_of_edges_count():
    edges, initial = ring(5, 1.0)
    turned = {(b, a) if b else (a, b): w for (a, b), w in edges.items()}
    assert hashes(make(edges, initial)) == hashes(make(turned, initial))  # isomorphic
    # One chord makes its direction visible.
    one = {**edges, (1, 3): 1.0}
    other = {**edges, (3, 1): 1.0}
    assert hashes(make(one, initial)) != hashes(make(other, initial))


# What refinement of colours cannot tell apart ----------------------------------------------------


def chain_of(undirected):
    """Both ways along each edge; from each vertex to the end, begun anywhere."""
    pairs = [(a + 1, b + 1) for a, b in undirected]
    count = 1 + max(max(pair) for pair in undirected)
    edges = {pair: 1.0 for a, b in pairs for pair in ((a, b), (b, a))}
    edges |= {(v, 0): 1.0 for v in range(1, count + 1)}
    return edges, dict.fromkeys(range(1, count + 1), 1 / count)


def started(undirected):
    """The same, begun in one more vertex that leads everywhere."""
    edges, initial = chain_of(undirected)
    start = 1 + max(map(max, edges))
    return {**edges, **{(start, v): 1.0 for v in initial}}, {start: 1.0}


def cycle(n, first=0):
    return [(first + k, first + (k + 1) % n) for k in range(n)]


def rook():
    cells = [(i, j) for i in range(4) for j in range(4)]
    return [
        (a, b)
        for a in range(16)
        for b in range(a)
        if cells[a][0] == cells[b][0] or cells[a][1] == cells[b][1]
    ]


def shrikhande():
    steps = {(0, 1), (0, 3), (1, 0), (3, 0), (1, 1), (3, 3)}
    cells = [(i, j) for i in range(4) for j in range(4)]
    return [
        (a, b)
        for a in range(16)
        for b in range(a)
        if ((cells[a][0] - cells[b][0]) % 4, (cells[a][1] - cells[b][1]) % 4) in steps
    ]


def cfi(twisted):
    """Cai, Fürer and Immerman's graph of the complete graph of 4 vertices."""
    names, edges = {}, []
    number = lambda name: names.setdefault(name, len(names))  # noqa: E731
    base = [(a, b) for a in range(4) for b in range(a)]
    for v in range(4):
        mine = [e for e in base if v in e]
        for subset in range(8):
            if subset.bit_count() % 2:
                continue
            for k, e in enumerate(mine):
                edges.append((number(("in", v, subset)), number(("out", v, e, subset >> k & 1))))
    for e in base:
        for bit in (0, 1):
            other = bit ^ (twisted and e == base[0])
            edges.append((number(("out", e[0], e, bit)), number(("out", e[1], e, other))))
    return edges


def petersen(twist=2, n=5):
    outer = cycle(n)
    inner = [(n + k, n + (k + twist) % n) for k in range(n)]
    return outer + [(k, n + k) for k in range(n)] + inner


PAIRS = {
    "two triangles, hexagon": (cycle(3) + cycle(3, 3), cycle(6)),
    "two squares, octagon": (cycle(4) + cycle(4, 4), cycle(8)),
    "3 + 5, 4 + 4": (cycle(3) + cycle(5, 3), cycle(4) + cycle(4, 4)),
    "prism, complete bipartite of 3 and 3": (
        petersen(1, 3),
        [(a, 3 + b) for a in range(3) for b in range(3)],
    ),
    "Petersen, prism of 5": (petersen(), petersen(1)),
    "generalised Petersen of 7": (petersen(2, 7), petersen(1, 7)),
    "rook, Shrikhande": (rook(), shrikhande()),
    "Cai, Fürer and Immerman": (cfi(twisted=False), cfi(twisted=True)),
}


def degrees(undirected):
    return sorted(np.bincount(np.array(undirected).ravel()).tolist())


@pytest.mark.parametrize("form", [chain_of, started])
@pytest.mark.parametrize("name", PAIRS)
def test_classic_pairs_are_told_apart(name, form):
    one, other = PAIRS[name]
    assert degrees(one) == degrees(other)
    first = same_for_all(*form(one), times=4)
    second = same_for_all(*form(other), times=4)
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_isomorphic_ones_among_classic_graphs():
    # 1 and 5 steps on 7 are the same as 2, times 3: generalised Petersen graphs (7, 2) and (7, 3).
    one, other = chain_of(petersen(2, 7)), chain_of(petersen(3, 7))
    assert hashes(make(*one)) == hashes(make(*other))
    # Twisting two edges is no twist.
    edges = cfi(twisted=False)
    rng = np.random.default_rng(0)
    expected = same_for_all(*chain_of(edges), times=2)
    shuffled = rng.permutation(1 + max(map(max, edges))).tolist()
    moved = [(shuffled[a], shuffled[b]) for a, b in edges]
    assert hashes(make(*chain_of(moved))) == expected


def test_all_small_regular_graphs_are_told_apart():
    # All six cubic graphs of 8 vertices (connected or not), by closed walks and cycles of 3 and 4.
    rng = np.random.default_rng(5)
    found = {}
    two_complete = np.array([(a, b) for v in (0, 4) for a in range(v, v + 4) for b in range(v, a)])
    for tried in range(400):
        points = rng.permutation(24) // 3 if tried else two_complete
        pairs = {tuple(sorted(pair)) for pair in points.reshape(-1, 2).tolist()}
        if len(pairs) < 12 or any(a == b for a, b in pairs):
            continue
        matrix = np.zeros((8, 8))
        for a, b in pairs:
            matrix[a, b] = matrix[b, a] = 1
        invariant = np.round(np.poly(matrix), 4).tolist()
        key = make(*chain_of(sorted(pairs))).structure_hash
        found.setdefault(key, invariant)
        assert found[key] == invariant
    assert len(found) == 6


def test_random_regular_graphs_in_any_numbering():
    rng = np.random.default_rng(7)
    for _ in range(4):
        while True:
            points = rng.permutation(60) // 3
            pairs = {tuple(sorted(pair)) for pair in points.reshape(-1, 2).tolist()}
            if len(pairs) == 30 and all(a != b for a, b in pairs):
                break
        same_for_all(*chain_of(sorted(pairs)), times=2)


# Other processes ---------------------------------------------------------------------------------

PROGRAM = """
import json
from emberkeep.phasetype import Graph
found = []
unique = Graph.from_callback(
    lambda s: [(t, 1.0) for t in {s - 1, s // 2}] if s else [], initial=[(20, 1.0)])
words = Graph.from_callback(
    lambda s: [(w, 1.0) for w in {s[:-1], s[1:]}] if s else [], initial=[("abab", 1.0)])
builder = Graph.builder(theta_length=1)
ends = [builder.add_vertex() for _ in range(2)]
ring = [builder.add_vertex(initial=0.125) for _ in range(6)]
for k in range(6):
    builder.add_edge(ring[k], ring[(k + 1) % 6], [1.0])
    builder.add_edge(ring[k], ends[k % 2], 0.5)
for graph in (unique, words, builder.build()):
    found += [graph.structure_hash, graph.content_hash]
print(json.dumps(found))
"""


def test_other_processes_have_the_same_hashes():
    found = []
    for seed in ("0", "1", "12345"):
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(ran.stdout))
    assert found[0] == found[1] == found[2]
    assert all(len(digest) == 64 and int(digest, 16) >= 0 for digest in found[0])
    assert len(set(found[0])) == len(found[0])
    assert os.environ.get("PYTHONHASHSEED") != "12345"


# Sums and large labels ---------------------------------------------------------------------------


def in_order(order, weights, labels=None):
    """States that end at once; probabilities of beginning add up to more than one by rounding."""
    builder = Graph.builder()
    for vertex in order:
        builder.add_vertex(None if labels is None else labels[vertex], weights[vertex])
    end = builder.add_vertex(None if labels is None else 0)
    for place, vertex in enumerate(order):
        builder.add_edge(place, end, 1.0 + vertex % 3)
    return builder.build()


@pytest.mark.parametrize("labels", [None, range(1, 1000)])
def test_sums_do_not_depend_on_the_order(labels):
    random = np.random.default_rng(8)
    for _ in range(20):
        weights = random.random(30)
        weights /= weights.sum() * (1 - 1e-12)
        orders = [random.permutation(30) for _ in range(6)]
        graphs = [in_order(order, weights, labels) for order in orders]
        assert len({graph.content_hash for graph in graphs}) == 1
        assert len({graph.defect for graph in graphs}) == 1


def test_probabilities_of_one_state_are_added_up_in_any_order():
    parts = [0.1, 0.2, 0.3, 0.15, 1e-17, 0.05]
    hashes = set()
    for order in itertools.permutations(range(6)):
        pairs = [((1,), parts[number]) for number in order]
        graph = Graph.from_callback(lambda s: [((0,), 1.0)] if s[0] else [], initial=pairs)
        hashes.add(graph.content_hash)
    assert len(hashes) == 1


def test_rows_are_added_up_in_any_order():
    random = np.random.default_rng(9)
    rates = random.random((12, 12)) * 10.0 ** random.uniform(-8, 8, (12, 12))
    np.fill_diagonal(rates, 0)
    np.fill_diagonal(rates, -rates.sum(axis=1) * (1 + 1e-9))
    known = Graph.from_matrix(rates, np.full(12, 1 / 12), states=range(12)).content_hash
    for _ in range(20):
        order = random.permutation(12)
        permuted = Graph.from_matrix(
            rates[np.ix_(order, order)], np.full(12, 1 / 12), states=order.tolist()
        )
        assert permuted.content_hash == known


def test_labels_beyond_floats_are_told_apart():
    """2^53 and 2^53 + 1 are the same float, and two vertices may have one label."""
    big = 2**53
    hashes = set()
    for order in itertools.permutations([big, big + 1, big + 2, big + 1]):
        builder = Graph.builder()
        for label in order:
            builder.add_vertex(label, 0.25)
        end = builder.add_vertex(0)
        for vertex in range(4):
            builder.add_edge(vertex, end, 1.0)
        hashes.add(builder.build().content_hash)
    assert len(hashes) == 1


def test_many_disjoint_symmetric_parts():
    """Twenty Petersen graphs: each by itself has 120 symmetries, together 120^20 20!."""

    def build(order, odd):
        builder = Graph.builder()
        for _ in range(201):
            builder.add_vertex()
        for vertex in range(200):
            builder.add_initial(int(order[vertex]), 1 / 200)
            builder.add_edge(int(order[vertex]), int(order[200]), 1.0)
        for part in range(20):
            skip = 1 if part == odd else 2
            pairs = [(i, (i + 1) % 5) for i in range(5)]
            pairs += [(5 + i, 5 + (i + skip) % 5) for i in range(5)]
            pairs += [(i, 5 + i) for i in range(5)]
            for one, other in pairs:
                one, other = int(order[10 * part + one]), int(order[10 * part + other])
                builder.add_edge(one, other, 1.0)
                builder.add_edge(other, one, 1.0)
        return builder.build()

    random = np.random.default_rng(2)
    before = time.process_time()
    graphs = [build(random.permutation(201), None) for _ in range(2)]
    others = [build(random.permutation(201), odd) for odd in (3, 11)]
    assert len({(graph.structure_hash, graph.content_hash) for graph in graphs}) == 1
    assert len({(graph.structure_hash, graph.content_hash) for graph in others}) == 1
    assert graphs[0].structure_hash != others[0].structure_hash
    assert time.process_time() - before < 20


def test_all_vertices_alike_and_next_to_each_other():
    """A full matrix: any two states can be swapped."""
    rates = np.ones((60, 60)) - 61 * np.eye(60)
    graph = Graph.from_matrix(rates, np.full(60, 1 / 60))
    rates[3, 4] = rates[4, 3] = 2.0
    rates[3, 3] = rates[4, 4] = -61.0
    other = Graph.from_matrix(rates, np.full(60, 1 / 60))
    again = Graph.from_matrix(rates[::-1, ::-1], np.full(60, 1 / 60))
    assert other.content_hash == again.content_hash != graph.content_hash
    assert other.structure_hash == graph.structure_hash


def test_an_edge_of_the_first_kind_is_an_edge():
    """From 0 to 1 and 5, and from 1 on to the end: 1 and 5 are not alike."""

    def build(order):
        builder = Graph.builder()
        for vertex in order:
            builder.add_vertex(None, 0.5 * (vertex in (0, 3)))
        place = np.argsort(order)
        for source, target in [(0, 1), (0, 5), (1, 2), (2, 3), (3, 4)]:
            builder.add_edge(int(place[source]), int(place[target]), 1.0)
        return builder.build()

    random = np.random.default_rng(0)
    graphs = [build(random.permutation(6)) for _ in range(20)]
    assert len({(graph.structure_hash, graph.content_hash) for graph in graphs}) == 1
