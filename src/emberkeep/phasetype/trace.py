"""Elimination traces: recorded once for a structure, kept, and checked before they are used."""

from __future__ import annotations

import numpy as np

from emberkeep.elimination.layout import VERSION
from emberkeep.elimination.pattern import SparsityPattern, analyse
from emberkeep.keep.default import default_keep
from emberkeep.phasetype.canonical import canonical, structure_hash
from emberkeep.startup_records import final, frozen
from emberkeep.store.manifest import MISREAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from emberkeep.keep.artifact import Artifact
    from emberkeep.keep.keep import Keep
    from emberkeep.phasetype.assembly import Edges
    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]

KIND = "traces"
ROLE = "program"
# What decides about the order and the patterns: another version of it is another trace.
OWN = ("emberkeep.elimination",)


@final
@frozen
class Trace:
    """A graph's elimination: in which order, and what fills in; the same for all weights.

    Attributes:
        graph: what it is for.
        pattern: the array.
        key: under which it is kept; empty where it is not.
        hit: whether it was kept before.
        reason: where it was kept, or why it had to be recorded.
    """

    graph: Structure
    pattern: SparsityPattern
    key: str
    hit: bool
    reason: str

    @property
    def structure_hash(self) -> str:
        """Of the graphs that it is good for."""
        return structure_hash(self.graph)

    @property
    def operations(self) -> int:
        """How many multiplications and additions a solution takes, once factors are there."""
        return sum(self.pattern.entries) + self.pattern.edges + self.pattern.rows

    @property
    def size_bytes(self) -> int:
        """Of the array."""
        return self.pattern.array.nbytes

    def instantiate(self, theta: Any) -> Any:
        """The graph with fixed weights."""
        return self.graph.instantiate(theta)

    def __repr__(self) -> str:
        """Its size, and where it comes from."""
        lower, upper = self.pattern.entries
        how = self.reason if self.hit else f"recorded now ({self.reason})"
        return (
            f"<Trace of {self.graph.name}: {self.pattern.rows:,} rows, {self.pattern.edges:,} "
            f"edges, {lower + upper:,} entries, {how}>"
        )


@final
@frozen
class Rows:
    """The vertices that can be left, in the order of elimination.

    Attributes:
        pattern: the elimination.
        vertices: the graph's vertex of each row.
        edges: as the pattern numbers them.
        edge_rows: the row that each edge begins at.
        initial: probabilities of beginning.
    """

    pattern: SparsityPattern
    vertices: Values
    edges: Edges
    edge_rows: Values
    initial: Values


def obtain_trace(graph: Structure, keep: Keep | None = None) -> Trace:
    """The graph's trace: kept, or recorded now and kept.

    What is kept is compared with the graph, edge by edge: a hash is not relied upon.
    """
    edges = canonical(graph).edges

    def build() -> Mapping[str, object]:
        pattern = analyse(edges.starts, edges.targets)
        return {ROLE: pattern.array.tobytes(), "layout": {"rows": pattern.rows}}

    used, refused = keep or default_keep(), None
    for _ in range(2):
        artifact = used.get_or_build(
            KIND,
            graph.name,
            {"structure": structure_hash(graph), "version": VERSION},
            build,
            toolchain=_toolchain(),
            refused=refused,
        )
        pattern = _fitting(artifact, edges)
        if pattern is not None:
            return Trace(graph, pattern, artifact.key, hit=artifact.hit, reason=artifact.reason)
        refused = artifact
    pattern = analyse(edges.starts, edges.targets)
    return Trace(graph, pattern, "", hit=False, reason="what was kept is for another graph")


def _fitting(artifact: Artifact, edges: Edges) -> SparsityPattern | None:
    """What was kept, if it is a program and one for these edges."""
    try:
        pattern = SparsityPattern(np.frombuffer(artifact.blobs[ROLE], np.uint32))
        fits = pattern.fits(edges.starts, edges.targets)
    except MISREAD:
        return None
    return pattern if fits else None


def trace_of(graph: Structure) -> Trace:
    """The graph's trace, once for each graph."""
    return graph.once("trace", lambda: obtain_trace(graph))


def rows_of(graph: Structure) -> Rows:
    """The graph as elimination sees it, once for each graph."""
    return graph.once("rows", lambda: _find_rows(graph))


def _find_rows(graph: Structure) -> Rows:
    form, pattern = canonical(graph), trace_of(graph).pattern
    vertices = form.order[pattern.vertex]
    row = np.empty(len(graph), np.int64)
    row[pattern.vertex] = np.arange(pattern.rows)
    return Rows(pattern, vertices, form.edges, row[form.edges.sources], graph.initial[vertices])


def _toolchain() -> Any:
    from emberkeep.keys.toolchain import toolchain

    return toolchain((), own=OWN)
