"""Graphs as JSON and back; and as phasic writes them."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emberkeep.errors import InvalidGraph
from emberkeep.phasetype import Graph, models


def test_all_kinds_come_back(cyclic, coalescent):
    builder = Graph.builder(theta_length=2, name="häufig")
    a, b = builder.add_vertex('"a"\n', 0.3), builder.add_vertex("∅")
    builder.add_edge(a, b, 0.1, [1 / 3, -2.5e-310])
    steps = Graph.from_matrix([[0.5]], [0.9], discrete=True)
    for graph in (cyclic, coalescent(5), builder.build(), steps, models.lineages(4)):
        text = graph.to_json()
        again = Graph.from_json(text)
        assert again == graph
        assert again.name == graph.name
        assert again.content_hash == graph.content_hash
        assert Graph.from_json(text.encode()) == graph
        assert again.to_json() == text


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 2**64 - 1), min_size=3, max_size=3))
def test_numbers_keep_all_their_digits(bits):
    rates = [abs(struct.unpack("d", struct.pack("Q", each))[0]) for each in bits]
    rates = [rate if 1e-300 < rate < 1e300 else 1.0 for rate in rates]
    graph = models.hypoexponential(rates)
    assert Graph.from_json(graph.to_json()) == graph


def changed(graph, **fields):
    """A document with other fields, and the digest that fits them."""
    from emberkeep.phasetype.serialisation import _digest

    body = {**json.loads(graph.to_json()), **fields}
    return json.dumps({**body, "digest": _digest(body)})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": "another"}, "format is 'another'"),
        ({"version": 2}, "version is 2"),
        ({"name": 3}, "'name' is 3"),
        ({"parameters": True}, "'parameters' is True"),
        ({"parameters": 1}, "expected 4 numbers"),
        ({"parameters": -3}, "'parameters' is -3"),
        ({"labels": "tuple"}, "said to be 'tuple'"),
        ({"labels": "colour"}, "said to be 'colour'"),
        ({"states": [3, 2, "one", 0]}, "States must be"),
        ({"states": [3, 2]}, "expected 2 numbers"),
        ({"initial": [1.0, 0.0, 0.0, "x"]}, "'initial' holds"),
        ({"initial": [1.0, 0.0, 0.0, -1.0]}, "between 0 and 1"),
        ({"edges": [[0, 1, 1.0], [1, 9, 1.0]]}, "no vertex 9"),
        ({"edges": [[0, 0.5, 1.0]]}, "no vertex 0.5"),
        ({"edges": [[0, 1, -1.0]]}, "negative weight"),
        ({"edges": [[0, 1]]}, "expected 3 numbers"),
        ({"edges": [5]}, "expected 3 numbers"),
        ({"edges": []}, "cannot be reached|beginning"),
        ({"edges": [[0, 1, 10**400]]}, "expected 3 numbers"),
        ({"edges": [[0, 1, None]]}, "expected 3 numbers"),
        ({"edges": [[0, 1, float("nan")]]}, "not finite"),
        ({"initial": [10**400, 0, 0, 0]}, "expected 4 numbers"),
        ({"states": [10**30, 1, 2, 3]}, "States must be"),
        ({"states": [[1], [2], [3], {}]}, "States must be"),
    ],
)
def test_documents_that_are_no_graph_are_refused(fields, message):
    graph = models.erlang(3, 1.0)
    assert json.loads(graph.to_json())["labels"] == "number"
    with pytest.raises(InvalidGraph, match=message):
        Graph.from_json(changed(graph, **fields))


def test_damage_is_noticed():
    text = models.erlang(3, 1.5).to_json()
    with pytest.raises(InvalidGraph, match="digest is not that"):
        Graph.from_json(text.replace("1.5", "2.5", 1))
    for nonsense in ("", "[]", "{", "nan", "[" * 100_000, b"\xff\xfe", 3):
        with pytest.raises(InvalidGraph, match="no graph"):
            Graph.from_json(nonsense)
    with pytest.raises(InvalidGraph, match="format is None"):
        Graph.from_json("{}")


# As phasic 0.32.1's Graph.serialize() gives it, of a coalescent of four by a callback, and of a
# graph whose edges are added by hand with weights alone: these are coefficients of one parameter.
COALESCENT = {
    "states": [[0, 0, 0, 0], [4, 0, 0, 0], [2, 1, 0, 0], [0, 2, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]],
    "vertex_indices": [0, 1, 2, 3, 4, 5], "edges": [], "constant_edges": [],
    "start_edges": [[1.0, 1.0]],
    "param_edges": [
        [1.0, 2.0, 6.0], [2.0, 3.0, 1.0], [2.0, 4.0, 2.0], [3.0, 5.0, 1.0], [4.0, 5.0, 1.0],
    ],
    "start_param_edges": [], "param_length": 1, "state_length": 4, "n_vertices": 6,
    "weight_mode": "linear", "dyn_ordering": False,
}  # fmt: skip
BY_HAND = {
    "states": [[0], [2], [1], [0]], "vertex_indices": [0, 1, 2, 3], "edges": [],
    "constant_edges": [], "start_edges": [[1.0, 0.75], [2.0, 0.25]],
    "param_edges": [[1.0, 2.0, 3.0], [1.0, 3.0, 0.5], [2.0, 3.0, 2.0]], "start_param_edges": [],
    "param_length": 1, "state_length": 1, "n_vertices": 4, "weight_mode": "linear",
    "dyn_ordering": False,
}  # fmt: skip


def test_graphs_of_phasic():
    graph = Graph.from_phasic(COALESCENT)
    assert graph.structure_hash == models.kingman(4).structure_hash
    assert graph.content_hash == models.kingman(4).content_hash
    assert graph.expectation([2.0]) == pytest.approx(0.75, rel=1e-14)  # as phasic says
    arrays = {
        name: np.array(value) if isinstance(value, list) else value
        for name, value in COALESCENT.items()
    }
    assert Graph.from_phasic(arrays) == graph
    assert Graph.from_phasic(json.dumps(COALESCENT)) == graph
    by_hand = Graph.from_phasic(BY_HAND)
    assert by_hand.expectation([1.0]) == pytest.approx(0.6607142857142856, rel=1e-14)


def test_edges_of_phasic_without_parameters():
    document = {**BY_HAND, "param_length": 0, "param_edges": [], "edges": BY_HAND["param_edges"]}
    assert Graph.from_phasic(document).expectation() == pytest.approx(0.6607142857142856)
    mixed = {**BY_HAND, "constant_edges": [[2.0, 3.0, 1.5]]}
    assert Graph.from_phasic(mixed).vertex(1).edges == ((2, 1.5, (2.0,)),)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "has no"),
        (3, "has no"),
        ("[", "no JSON"),
        ({**COALESCENT, "weight_mode": "callback"}, "mode 'callback'"),
        ({**COALESCENT, "start_param_edges": [[1.0, 1.0]]}, "parameters.started"),
        ({**COALESCENT, "states": [[0.5]]}, "whole numbers"),
        ({**COALESCENT, "param_edges": [[1.0, 2.0]]}, "rows of 3"),
        ({**COALESCENT, "start_edges": [[17.0, 1.0]]}, "no vertex 17"),
        ({**COALESCENT, "start_edges": [[1.0], [2.0, 3.0]]}, "'start_edges' is"),
        ({**COALESCENT, "param_edges": "none"}, "'param_edges' is none"),
        ({**COALESCENT, "states": [[1], [2, 3]]}, "'states' is"),
        ({**COALESCENT, "param_length": "x"}, "'param_length' is 'x'"),
        ({**COALESCENT, "n_vertices": -1}, "'n_vertices' is -1"),
    ],
)
def test_documents_that_are_not_phasics_are_refused(document, message):
    with pytest.raises(InvalidGraph, match=message):
        Graph.from_phasic(document)
