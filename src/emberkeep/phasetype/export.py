"""Graphs for people and for other libraries."""

from __future__ import annotations

from emberkeep.phasetype.errors import InvalidGraph

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

MOST_DRAWN = 200  # vertices; nobody can read more
SECONDS = 10.0  # that a drawing may take


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
        label = _text(vertex.state) + (f"\n{vertex.initial:.4g}" if vertex.initial else "")
        shape = " shape=doublecircle" if vertex.is_absorbing else ""
        bold = " style=bold" if vertex.initial else ""
        lines.append(f"  {vertex.number} [label={_quoted(label)}{shape}{bold}];")
    for vertex in graph:
        for target, base, coefficients in vertex.edges:
            label = _quoted(_weight(base, coefficients))
            lines.append(f"  {vertex.number} -> {target} [label={label}];")
    return "\n".join([*lines, "}\n"])


def as_svg(graph: Structure) -> str | None:
    """A drawing, where Graphviz is installed and the graph is small; else None."""
    import shutil
    import subprocess

    program = shutil.which("dot")
    if program is None or len(graph) > MOST_DRAWN:
        return None
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
        return None  # the notebook shows the text instead
    return drawn.stdout


def _weight(base: float, coefficients: tuple[float, ...]) -> str:
    terms = [f"{base:.4g}"] if base or not any(coefficients) else []
    for index, coefficient in enumerate(coefficients):
        if coefficient:
            terms.append(f"{'' if coefficient == 1 else f'{coefficient:.4g}·'}θ{index}")
    return " + ".join(terms)


def _text(state: object) -> str:
    return ", ".join(map(str, state)) if isinstance(state, tuple) else str(state)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _quoted(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{quoted}"'
