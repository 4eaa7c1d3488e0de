"""Graphs that grow by edits."""

import numpy as np
import pytest

from emberkeep.errors import InvalidGraph
from emberkeep.phasetype import Graph, models


@pytest.fixture
def words():
    builder = Graph.builder(theta_length=1)
    well, ill, gone = (
        builder.add_vertex(s, p) for s, p in (("well", 1.0), ("ill", 0), ("gone", 0))
    )
    builder.add_edge(well, ill, 1.0)
    builder.add_edge(ill, well, [2.0])
    builder.add_edge(ill, gone, 0.5, [1.0])
    return builder.build()


def test_an_edge_is_added_or_takes_the_place_of_one(words):
    more = words.with_edge("well", "gone", 0.25)
    assert more.find_vertex("well").edges == ((1, 1.0, (0.0,)), (2, 0.25, (0.0,)))
    other = more.with_edge("well", "gone", 0.5, [3.0])
    assert other.find_vertex("well").edges[1] == (2, 0.5, (3.0,))
    assert other.with_edge("well", "gone", 0.0) == words
    assert len(words.edges.targets) == 3  # it is as it was


def test_a_state_that_is_new_becomes_a_vertex(words):
    grown = words.with_edge("ill", "hospital", 1.5).with_edge("hospital", "well", [1.0])
    assert [vertex.state for vertex in grown] == ["well", "ill", "gone", "hospital"]
    assert grown.find_vertex("hospital").edges == ((0, 0.0, (1.0,)),)
    builder = Graph.builder(theta_length=1)
    numbers = {s: builder.add_vertex(s, float(s == "well")) for s in (
        "well", "ill", "gone", "hospital")}  # fmt: skip
    builder.add_edge(numbers["well"], numbers["ill"], 1.0)
    builder.add_edge(numbers["ill"], numbers["well"], [2.0])
    builder.add_edge(numbers["ill"], numbers["gone"], 0.5, [1.0])
    builder.add_edge(numbers["ill"], numbers["hospital"], 1.5)
    builder.add_edge(numbers["hospital"], numbers["well"], [1.0])
    assert grown == builder.build()


def test_of_tuples_numbers_and_nothing(cyclic):
    graph = models.kingman(3)
    grown = graph.with_edge((1, 1, 0), (9, 9, 9), 1.0)
    assert grown.find_vertex((9, 9, 9)).is_absorbing
    assert models.lineages(3).with_edge(3, 17, 1.0).find_vertex(17).number == 3
    more = cyclic.with_edge(0, 4, 2.0)
    assert len(more) == 5
    assert more.vertex(4).is_absorbing
    assert cyclic.with_edge(0, 1, 5.0).vertex(0).edges[0] == (1, 5.0, ())


def test_weights_of_some_or_all(words):
    some = words.with_weights({("well", "ill"): 4.0, ("ill", "gone"): [7.0]})
    assert some.find_vertex("well").edges == ((1, 4.0, (0.0,)),)
    assert some.find_vertex("ill").edges[1] == (2, 0.0, (7.0,))
    every = words.with_weights([1.0, 2.0, 3.0])
    assert every.edges.base.tolist() == [1.0, 2.0, 3.0]
    assert not every.edges.coefficients.any()
    by_parameter = words.with_weights([[1.0], [2.0], [3.0]])
    assert by_parameter.expectation([2.0]) == pytest.approx(every.expectation([2.0]) / 2, rel=1e-14)
    assert by_parameter.structure_hash != words.structure_hash


def test_other_beginnings():
    graph = models.kingman(4, theta=1.0)
    later = graph.with_initial([((2, 1, 0, 0), 0.5), ((1, 0, 1, 0), 0.25)])
    assert later.expectation() == pytest.approx(0.5 * (1 / 3 + 1) + 0.25)
    assert later.defect == 0.25
    assert len(later) == len(graph) - 1  # nothing leads to the first any more


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda g: g.with_edge("well", 3, 1.0), "cannot be a state here"),
        (lambda g: g.with_edge("well", "gone", -1.0), "negative weight"),
        (lambda g: g.with_edge("well", "gone", "much"), "expected numbers"),
        (lambda g: g.with_edge("well", "gone", [1.0, 2.0]), "2 coefficients"),
        (lambda g: g.with_edge("lost", "gone", 1.0), "cannot be reached"),
        (lambda g: g.with_edge("gone", "well", 1.0), "never ends|No state is an end"),
        (lambda g: g.with_edge("well", "ill", 0.0), "cannot be reached|is an end"),
        (lambda g: g.with_weights([1.0]), "expected \\(3,\\)"),
        (lambda g: g.with_weights({"well": 1.0}), "pair of states"),
        (lambda g: g.with_weights({("well", "gone"): 1.0}), "no edge from state 'well'"),
        (lambda g: g.with_weights({("well", "lost"): 1.0}), "no vertex of state 'lost'"),
        (lambda g: g.with_initial([("lost", 1.0)]), "no vertex of state 'lost'"),
        (lambda g: g.with_initial([]), "initial is empty"),
    ],
)
def test_nonsense_is_refused_by_name(words, edit, message):
    with pytest.raises(InvalidGraph, match=message):
        edit(words)


def test_a_vertex_without_a_state_has_the_next_number(cyclic):
    with pytest.raises(InvalidGraph, match="the next one is 4"):
        cyclic.with_edge(0, 6, 1.0)
    assert np.isfinite(cyclic.with_edge(0, 4, 1.0).expectation())


def test_what_nothing_leads_to_may_be_left_out():
    graph = models.erlang(3, 1.0)  # 1, 2, 3, and 0 is the end
    cut = graph.with_edge(1, 0, 1.0).with_edge(1, 2, 0.0, prune=True)
    assert cut.expectation() == 1.0
    assert len(cut) == 2
