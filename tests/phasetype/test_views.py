"""Looking at a graph: matrices, vertices by state, components, places of states."""

import networkx as nx
import numpy as np
import pytest

from emberkeep.errors import InvalidGraph
from emberkeep.phasetype import Graph, StateIndexer, models

MATRIX = np.array([[-3.0, 1.0, 0.5], [0.25, -2.0, 1.5], [2.0, 0.125, -4.0]])


def test_matrices_are_what_a_graph_was_made_of(cyclic):
    found = cyclic.as_matrices()
    assert found.matrix == pytest.approx(MATRIX, rel=1e-15)
    assert found.alpha.tolist() == [0.5, 0.3, 0.1]
    assert found.exits == pytest.approx(-MATRIX.sum(axis=1), rel=1e-15)
    assert found.vertices.tolist() == [0, 1, 2]


def test_matrices_and_back():
    graph = models.kingman(5)
    for theta in ([0.5], [2.0]):
        m = graph.as_matrices(theta)
        again = Graph.from_matrix(m.matrix, m.alpha, m.states, exits=m.exits)
        assert again.expectation() == pytest.approx(graph.expectation(theta), rel=1e-14)
        assert m.states[0] == (5, 0, 0, 0, 0)


def test_matrices_in_steps_and_sparse():
    matrix = np.array([[0.5, 0.25, 0.0], [0.125, 0.25, 0.5], [0.0, 0.5, 0.0]])
    graph = Graph.from_matrix(matrix, [0.5, 0.25, 0.125], discrete=True)
    assert graph.as_matrices().matrix == pytest.approx(matrix, rel=1e-15)
    pytest.importorskip("scipy")
    assert graph.as_matrices(sparse=True).matrix.toarray() == pytest.approx(matrix, rel=1e-15)
    large = models.rabbits(150).as_matrices([1.0, 1.0, 1.0], sparse=True)
    assert large.matrix.sum(axis=1) == pytest.approx(-large.exits, abs=1e-9)
    with pytest.raises(InvalidGraph, match="sparse=True"):
        models.rabbits(150).as_matrices([1.0, 1.0, 1.0])


def test_vertices_by_state():
    graph = models.kingman(4)
    vertex = graph.find_vertex((0, 2, 0, 0))
    assert vertex.state == (0, 2, 0, 0)
    assert graph.vertex(vertex.number) == vertex
    assert graph.find_vertex([0, 2, 0, 0]) == vertex
    found = graph.find_vertices(lambda state: sum(state) == 2)
    assert sorted(graph.states.label(v) for v in found) == [(0, 2, 0, 0), (1, 0, 1, 0)]
    assert graph.find_vertices(lambda _: False).tolist() == []
    with pytest.raises(InvalidGraph, match=r"no vertex of state \(9, 0, 0, 0\)"):
        graph.find_vertex((9, 0, 0, 0))
    for other in ((0, 2), "ab", 4):
        with pytest.raises(InvalidGraph, match="no vertex of state"):
            graph.find_vertex(other)


def test_vertices_by_word_number_or_nothing(cyclic):
    builder = Graph.builder()
    a = builder.add_vertex("abc", 1.0)
    b = builder.add_vertex("a")
    builder.add_edge(a, b, 1.0)
    graph = builder.build()
    assert graph.find_vertex("a").number == 1
    assert graph.find_vertex("abc").number == 0
    for missing in ("ab", "abcd", ""):
        with pytest.raises(InvalidGraph, match="no vertex"):
            graph.find_vertex(missing)
    assert models.lineages(4).find_vertex(3).state == 3
    assert cyclic.find_vertex(2).number == 2  # without states, by number
    builder = Graph.builder()
    twice = [builder.add_vertex(1, 0.5) for _ in range(2)]
    for vertex in twice:
        builder.add_edge(vertex, 2 - 0 * builder.add_vertex(0), 1.0) if vertex else None
    builder.add_edge(0, 2, 1.0)
    with pytest.raises(InvalidGraph, match="several vertices"):
        builder.build().find_vertex(1)


def test_components_are_those_of_networkx():
    random = np.random.default_rng(3)
    matrix = (random.random((12, 12)) < 0.12) * 1.0
    np.fill_diagonal(matrix, 0)
    exits = np.ones(12)
    graph = Graph.from_matrix(
        matrix - np.diag(matrix.sum(axis=1) + exits), np.full(12, 1 / 12), exits=exits
    )
    parts = graph.components
    expected = nx.strongly_connected_components(graph.to_networkx())
    assert {frozenset(p.tolist()) for p in parts.vertices} == {frozenset(p) for p in expected}
    assert all(parts.number[v] == n for n, p in enumerate(parts.vertices) for v in p)
    assert all(first < second for first, second in parts.edges)
    condensed = nx.condensation(graph.to_networkx())
    assert len(parts.edges) == condensed.number_of_edges()
    assert len(parts) == condensed.number_of_nodes()
    assert "Components" in repr(parts)
    assert graph.components is parts


def test_places_of_properties():
    indexer = StateIndexer({"descendants": range(1, 5), "deme": 2})
    assert len(indexer) == 8
    for place in range(8):
        assert indexer.index(indexer.properties(place)) == place
    assert indexer.properties(3) == {"descendants": 2, "deme": 1}
    assert indexer.matching({"deme": 1}).tolist() == [1, 3, 5, 7]
    assert indexer.matching({}).tolist() == list(range(8))
    state = indexer.state([({"descendants": 1, "deme": 0}, 3), ({"descendants": 1, "deme": 1}, 1)])
    assert state == (3, 1, 0, 0, 0, 0, 0, 0)
    rows = np.array([state, (0, 1, 0, 2, 0, 0, 1, 0)])
    assert indexer.totals(rows, "descendants").tolist() == [[4, 0, 0, 0], [1, 2, 0, 1]]
    assert indexer.totals(rows, "deme").tolist() == [[3, 1], [1, 3]]
    assert repr(indexer) == "<StateIndexer: 8 places, descendants 1..4, deme 0..1>"


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda i: StateIndexer({}), "no properties"),
        (lambda i: StateIndexer({"a": range(0, 4, 2)}), "without gaps"),
        (lambda i: StateIndexer({"a": 0}), "without gaps"),
        (lambda i: i.index({"deme": 1}), "have no value"),
        (lambda i: i.matching({"deme": 2}), "expected one of"),
        (lambda i: i.matching({"colour": 2}), "no property 'colour'"),
        (lambda i: i.properties(8), "no place 8"),
        (lambda i: i.totals([[1, 2]], "deme"), "rows of 8 numbers"),
    ],
)
def test_impossible_properties_are_refused(ask, message):
    with pytest.raises(InvalidGraph, match=message):
        ask(StateIndexer({"descendants": range(1, 5), "deme": 2}))
