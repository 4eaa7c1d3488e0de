"""Drawings of graphs: by Graphviz, or in layers, from where the chain begins to where it ends.

The latter in Sugiyama's way: each vertex has a layer behind those that lead to it; edges over
several layers are led through each; within a layer, vertices are where their neighbours are, on
average.
"""

from __future__ import annotations

from itertools import pairwise
from xml.sax.saxutils import escape

import numpy as np

from emberkeep.phasetype.export import state_text, to_graphviz, weight_text
from emberkeep.phasetype.vertices import find_components

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]
    Point = tuple[int, int]
    # An edge, as source, target and label; and the points that it goes through.
    Chain = tuple[tuple[int, int, str], list[Point]]

MOST_DRAWN = 200  # vertices; nobody can read more
SECONDS = 10.0  # that a drawing by Graphviz may take
LETTER, MARGIN, HEIGHT = 7.2, 16.0, 34.0  # of a letter; around a label; of a vertex
ACROSS, DOWN = 90.0, 22.0  # between layers; between vertices
SWEEPS = 6
HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
    'viewBox="0 0 {width:.0f} {height:.0f}" font-family="sans-serif" font-size="12">'
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#555"/></marker></defs>'
)


def as_svg(graph: Structure) -> str | None:
    """A drawing of a small graph, by Graphviz where it is installed."""
    import shutil
    import subprocess

    if len(graph) > MOST_DRAWN:
        return None
    program = shutil.which("dot")
    if program is None:
        return layered(graph)
    try:
        drawn = subprocess.run(  # noqa: S603 - the installed program, and text of our own
            [program, "-Tsvg"],
            input=to_graphviz(graph),
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return layered(graph)
    return drawn.stdout


def layered(graph: Structure) -> str:
    """Its drawing in layers, as the text of an SVG."""
    layer = _layers(graph)
    chains, columns = _chains(graph, layer)
    order = _ordered(chains, columns)
    texts = [_label(graph, vertex) for vertex in range(len(graph))]
    widths = np.array([LETTER * max(map(len, text)) + MARGIN for text in texts])
    x, total = _across(layer, widths)
    heights = {point: place for column in order for place, point in enumerate(column)}
    most = max(map(len, order))
    y = {
        point: (place + (most - len(order[point[0]])) / 2 + 0.5) * (HEIGHT + DOWN)
        for point, place in heights.items()
    }
    parts = [HEAD.format(width=total, height=most * (HEIGHT + DOWN) + DOWN)]
    for (source, target, text), points in chains:
        parts.append(_edge((source, target), text, points, x, y, widths))
    for vertex, text in enumerate(texts):
        at = (x[int(layer[vertex])], y[int(layer[vertex]), vertex])
        parts.append(_vertex(graph, vertex, text, at, float(widths[vertex])))
    return "".join([*parts, "</svg>"])


def _layers(graph: Structure) -> Values:
    """By vertex: behind all components that lead to its own; within one, by steps from outside."""
    parts = find_components(graph)
    sources, targets = graph.edges.sources, graph.edges.targets.astype(np.int64)
    layer = np.zeros(len(graph), np.int64)
    for members in parts.vertices:
        inside = np.isin(np.arange(len(graph)), members)
        into = inside[targets] & ~inside[sources]
        begin = int(layer[sources[into]].max(initial=-1)) + 1
        entries = np.unique(np.concatenate([targets[into], members[graph.initial[members] > 0]]))
        waiting, depth, left = set(entries.tolist()), begin, set(members.tolist())
        while waiting:
            layer[[*waiting]] = depth
            left -= waiting
            here = np.isin(sources, [*waiting]) & inside[targets]
            waiting, depth = set(targets[here].tolist()) & left, depth + 1
    return layer


def _chains(graph: Structure, layer: Values) -> tuple[list[Chain], list[list[Point]]]:
    """Edges with the points that they go through, and points by layer.

    A point is a layer and a number: of a vertex, or behind all of them.
    """
    columns: list[list[Point]] = [[] for _ in range(int(layer.max()) + 1)]
    for number, at in enumerate(map(int, layer)):
        columns[at].append((at, number))
    chains: list[Chain] = []
    more = len(graph)
    for vertex in graph:
        for target, base, coefficients in vertex.edges:
            begin, end = int(layer[vertex.number]), int(layer[target])
            points: list[Point] = [(begin, vertex.number)]
            way = 1 if end >= begin else -1
            for at in range(begin + way, end, way):
                points.append((at, more))
                columns[at].append((at, more))
                more += 1
            text = weight_text(base, coefficients)
            chains.append(((vertex.number, target, text), [*points, (end, target)]))
    return chains, columns


def _ordered(chains: list[Chain], columns: list[list[Point]]) -> list[list[Point]]:
    """Points by layer, where their neighbours are on average, by sweeps there and back."""
    neighbours: dict[Point, list[Point]] = {}
    for _, points in chains:
        for one, other in pairwise(points):
            neighbours.setdefault(one, []).append(other)
            neighbours.setdefault(other, []).append(one)
    order = [[*column] for column in columns]
    for sweep in range(SWEEPS):
        way = 1 if sweep % 2 == 0 else -1
        numbers = range(len(order)) if way == 1 else range(len(order) - 1, -1, -1)
        for number in numbers:
            if not 0 <= number - way < len(order):
                continue
            before = {point: (k + 0.5) / len(order[number - way])
                      for k, point in enumerate(order[number - way])}  # fmt: skip
            own = {point: (k + 0.5) / len(order[number]) for k, point in enumerate(order[number])}
            middle = {
                point: float(np.mean([before[n] for n in neighbours.get(point, ()) if n in before]
                                     or [own[point]]))
                for point in order[number]
            }  # fmt: skip
            order[number].sort(key=lambda point, middle=middle: middle[point])
    return order


def _across(layer: Values, widths: Values) -> tuple[list[float], float]:
    """The middle of each layer, and how wide all is."""
    found: list[float] = []
    edge = ACROSS / 2
    for number in range(int(layer.max()) + 1):
        width = float(widths[layer == number].max(initial=0.0))
        found.append(edge + width / 2)
        edge += width + ACROSS
    return found, edge - ACROSS + DOWN


def _label(graph: Structure, vertex: int) -> list[str]:
    """What is written in a vertex: its state, and the probability of beginning there."""
    printable = "".join(
        letter if letter.isprintable() else "\ufffd"
        for letter in state_text(graph.states.label(vertex))
    )
    begins = float(graph.initial[vertex])
    return [printable, f"{begins:.4g}"] if begins else [printable]


def _vertex(
    graph: Structure, vertex: int, text: list[str], at: tuple[float, float], width: float
) -> str:
    x, y = at
    ends = graph.edges.starts[vertex] == graph.edges.starts[vertex + 1]
    line = "#000" if graph.initial[vertex] else "#777"
    boxes = [
        f'<rect x="{x - width / 2 + inset:.1f}" y="{y - HEIGHT / 2 + inset:.1f}" '
        f'width="{width - 2 * inset:.1f}" height="{HEIGHT - 2 * inset:.1f}" rx="12" '
        f'fill="#fff" stroke="{line}" stroke-width="{2 if graph.initial[vertex] else 1}"/>'
        for inset in ((0.0, 3.0) if ends else (0.0,))
    ]
    lines = [
        f'<text x="{x:.1f}" y="{y + 4 + 13 * (row - (len(text) - 1) / 2):.1f}" '
        f'text-anchor="middle">{escape(line)}</text>'
        for row, line in enumerate(text)
    ]
    return "".join([*boxes, *lines])


def _edge(
    ends: tuple[int, int],
    text: str,
    points: list[tuple[int, int]],
    x: list[float],
    y: dict[tuple[int, int], float],
    widths: Values,
) -> str:
    """A line through points, with its weight beside."""
    places = [(x[layer], y[layer, number]) for layer, number in points]
    beside = points[0][0] == points[-1][0]
    # Within a layer it goes down on the right, and up on the left.
    onward = places[-1][1] > places[0][1] if beside else points[-1][0] > points[0][0]
    way = 1 if onward else -1
    first, last = (float(widths[vertex]) / 2 for vertex in ends)
    places[0] = (places[0][0] + way * first, places[0][1])
    side = way if beside else -way
    places[-1] = (places[-1][0] + side * last, places[-1][1])
    bend = ACROSS / 2
    turn = side * bend
    path = [f"M{places[0][0]:.1f},{places[0][1]:.1f}"]
    for (x0, y0), (x1, y1) in pairwise(places):
        path.append(f"C{x0 + way * bend:.1f},{y0:.1f} {x1 + turn:.1f},{y1:.1f} {x1:.1f},{y1:.1f}")
    # Nearer to where it begins: those that come back have theirs elsewhere.
    (x0, y0), (x1, y1) = places[:2]
    at_x = _on_curve(x0, x0 + way * bend, x1 + turn, x1)
    at_y = _on_curve(y0, y0, y1, y1) + (-4 if way == 1 else 12)
    return (
        f'<path d="{" ".join(path)}" fill="none" stroke="#555" marker-end="url(#tip)"/>'
        f'<text x="{at_x:.1f}" y="{at_y:.1f}" text-anchor="middle" fill="#333" '
        f'paint-order="stroke" stroke="#fff" stroke-width="3">{escape(text)}</text>'
    )


def _on_curve(a: float, b: float, c: float, d: float) -> float:
    """A point of a cubic curve, a third of the way along."""
    return (8 * a + 12 * b + 6 * c + d) / 27
