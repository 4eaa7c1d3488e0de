"""Graphs for people and for other libraries."""

from __future__ import annotations

from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.states import NONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

MOST_LINES, MOST_WAYS = 40, 6  # of a table


def to_networkx(graph: Structure) -> Any:
    """See `Graph.to_networkx`."""
    try:
        import networkx as nx
    except ImportError as problem:
        raise InvalidGraph(
            "to_networkx() needs networkx, which is not installed: pip install networkx"
        ) from problem
    library: Any = nx
    made = library.DiGraph(name=graph.name, discrete=graph.is_discrete)
    for vertex in graph:
        made.add_node(
            vertex.number,
            state=vertex.state,
            initial=vertex.initial,
            absorbing=vertex.is_absorbing,
        )
    for vertex in graph:
        for target, base, coefficients in vertex.edges:
            made.add_edge(vertex.number, target, weight=base, coefficients=coefficients)
    return made


def to_graphviz(graph: Structure) -> str:
    """See `Graph.to_graphviz`."""
    lines = [f"digraph {_quoted(graph.name)} {{", "  rankdir=LR; node [shape=ellipse];"]
    for vertex in graph:
        label = state_text(vertex.state) + (f"\n{vertex.initial:.4g}" if vertex.initial else "")
        shape = " shape=doublecircle" if vertex.is_absorbing else ""
        bold = " style=bold" if vertex.initial else ""
        lines.append(f"  {vertex.number} [label={_quoted(label)}{shape}{bold}];")
    for vertex in graph:
        for target, base, coefficients in vertex.edges:
            label = _quoted(weight_text(base, coefficients))
            lines.append(f"  {vertex.number} -> {target} [label={label}];")
    return "\n".join([*lines, "}\n"])


def as_table(graph: Structure) -> str:
    """Its vertices, with where they lead, as lines of text; of many the first ones."""
    rows = [("vertex", "state", "begins", "leads to")]
    for number in range(min(len(graph), MOST_LINES)):
        vertex = graph.vertex(number)
        ways = [
            f"{target}: {weight_text(base, coefficients)}"
            for target, base, coefficients in vertex.edges[:MOST_WAYS]
        ]
        more = len(vertex.edges) - len(ways)
        ways += [f"and {more:,} more"] if more else []
        begins = f"{vertex.initial:.6g}" if vertex.initial else ""
        unnamed = graph.states.kind == NONE
        named = "" if unnamed else state_text(vertex.state)
        rows.append((str(number), named, begins, ", ".join(ways) or "(the end)"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        f"{row[0]:>{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:<{widths[2]}}  {row[3]}".rstrip()
        for row in rows
    ]
    left = len(graph) - len(rows) + 1
    return "\n".join([repr(graph), *lines, *([f"and {left:,} more"] if left else [])])


def weight_text(base: float, coefficients: tuple[float, ...]) -> str:
    """A weight, as a sum of parameters."""
    terms = [f"{base:.4g}"] if base or not any(coefficients) else []
    for index, coefficient in enumerate(coefficients):
        if coefficient:
            terms.append(f"{'' if coefficient == 1 else f'{coefficient:.4g}·'}θ{index}")
    return " + ".join(terms)


def state_text(state: object) -> str:
    """A state, without brackets."""
    return ", ".join(map(str, state)) if isinstance(state, tuple) else str(state)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _quoted(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{quoted}"'
