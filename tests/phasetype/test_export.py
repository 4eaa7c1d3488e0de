"""Graphs for people and other libraries."""

import shutil
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from emberkeep.phasetype import Graph, models
from emberkeep.phasetype.drawing import layered


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


def drawn(graph):
    """The drawing without Graphviz, as a tree."""
    return ET.fromstring(layered(graph))


def boxes(graph):
    """By vertex, the middle of what is drawn of it."""
    svg = "{http://www.w3.org/2000/svg}"
    found = []
    for rect in drawn(graph).iter(f"{svg}rect"):
        x, y, width, height = (float(rect.get(k)) for k in ("x", "y", "width", "height"))
        if height == 34.0:  # of an end, the outer one
            found.append((x + width / 2, y + height / 2, width))
    return np.array(found)


def test_without_graphviz_it_is_drawn_too(graph, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert graph._repr_svg_() == layered(graph)
    texts = [text.text for text in drawn(graph).iter("{http://www.w3.org/2000/svg}text")]
    assert {"ill", '"gone"', "well", "0.75", "0.25", "0.5 + θ0 + 2·θ1", "θ1", "3"} <= set(texts)


def test_drawings_go_from_left_to_right_and_nothing_lies_on_another():
    graph = models.kingman(7)
    places = boxes(graph)
    assert len(places) == len(graph)
    for vertex in graph:
        for target, _, _ in vertex.edges:
            assert places[target, 0] > places[vertex.number, 0]
    for one in range(len(graph)):
        for other in range(one):
            apart = abs(places[one] - places[other])
            assert apart[0] >= (places[one, 2] + places[other, 2]) / 2 or apart[1] >= 34.0


def test_drawings_of_circles_and_of_words_that_xml_cannot_have(cyclic):
    assert len(boxes(cyclic)) == len(cyclic)
    builder = Graph.builder()
    odd = builder.add_vertex("<&\x01>", 1.0)
    builder.add_edge(odd, builder.add_vertex("end"), 1.0)
    texts = [t.text for t in drawn(builder.build()).iter("{http://www.w3.org/2000/svg}text")]
    assert "<&\ufffd>" in texts
    assert len(boxes(models.islands(5))) == len(models.islands(5))


def test_it_prints_as_a_table(graph, cyclic):
    assert str(graph).splitlines() == [
        "<Graph graph: continuous, 3 vertices (1 absorbing), 3 edges, 2 parameters>",
        "vertex  state   begins  leads to",
        "     0  ill     0.75    1: 0.5 + θ0 + 2·θ1, 2: θ1",
        '     1  "gone"          (the end)',
        "     2  well    0.25    1: 3",
    ]
    assert "     0         0.5     1: 1, 2: 0.5, 3: 1.5" in str(cyclic)
    text = str(models.rabbits(20))
    assert text.endswith("and 191 more")
    assert len(text.splitlines()) == 43


def test_large_ones_are_not_drawn():
    assert models.rabbits(30)._repr_svg_() is None


def test_a_vertex_is_a_view(graph):
    ill, gone, _ = graph
    assert (ill.number, ill.state, ill.initial, ill.is_absorbing) == (0, "ill", 0.75, False)
    assert ill.edges == ((1, 0.5, (1.0, 2.0)), (2, 0.0, (0.0, 1.0)))
    assert gone.is_absorbing
    np.testing.assert_array_equal(graph.absorbing, [1])
    assert "3 vertices (1 absorbing), 3 edges, 2 parameters" in repr(graph)
