"""Graphs for people and other libraries."""

import shutil

import numpy as np
import pytest

from emberkeep.phasetype import Graph, models


@pytest.fixture
def graph():
    builder = Graph.builder(theta_length=2)
    ill = builder.add_vertex("ill", 0.75)
    gone = builder.add_vertex('"gone"')
    well = builder.add_vertex("well", 0.25)
    builder.add_edge(ill, gone, 0.5, [1.0, 2.0])
    builder.add_edge(ill, well, [0.0, 1.0])
    builder.add_edge(well, gone, 3.0)
    return builder.build()


def test_networkx_has_all_that_there_is(graph):
    made = graph.to_networkx()
    assert {n: d["state"] for n, d in made.nodes(data=True)} == {0: "ill", 1: '"gone"', 2: "well"}
    assert [n for n, d in made.nodes(data=True) if d["absorbing"]] == [1]
    assert made.nodes[0]["initial"] == 0.75
    assert made.edges[0, 1] == {"weight": 0.5, "coefficients": (1.0, 2.0)}
    assert made.edges[2, 1]["coefficients"] == (0.0, 0.0)
    assert made.number_of_edges() == 3


def test_its_text_names_states_weights_and_ends(graph):
    text = graph.to_graphviz()
    assert text.startswith('digraph "graph" {')
    assert '1 [label="\\"gone\\"" shape=doublecircle];' in text
    assert '0 -> 1 [label="0.5 + θ0 + 2·θ1"];' in text
    assert '2 -> 1 [label="3"];' in text


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_notebooks_draw_it(graph):
    assert "<svg" in graph._repr_svg_()


def test_large_ones_are_not_drawn():
    assert models.rabbits(30)._repr_svg_() is None


def test_a_vertex_is_a_view(graph):
    ill, gone, _ = graph
    assert (ill.number, ill.state, ill.initial, ill.is_absorbing) == (0, "ill", 0.75, False)
    assert ill.edges == ((1, 0.5, (1.0, 2.0)), (2, 0.0, (0.0, 1.0)))
    assert gone.is_absorbing
    np.testing.assert_array_equal(graph.absorbing, [1])
    assert "3 vertices (1 absorbing), 3 edges, 2 parameters" in repr(graph)
