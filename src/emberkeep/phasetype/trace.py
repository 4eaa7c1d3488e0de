"""Elimination traces: recorded once for a structure, kept, and checked before they are used."""

from __future__ import annotations

import numpy as np

from emberkeep.elimination.layout import VERSION
from emberkeep.elimination.program import Program, record
from emberkeep.light import final, frozen
from emberkeep.targets.obtaining import default_keep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from emberkeep.cache import Keep
    from emberkeep.phasetype.graph import Graph

KIND = "traces"
ROLE = "program"
# What decides about the order and the patterns: another version of it is another trace.
OWN = ("elimination",)


@final
@frozen
class Trace:
    """A graph's elimination: in which order, and what fills in; the same for all weights.

    Attributes:
        graph: what it is for.
        program: the array.
        key: under which it is kept; empty where it is not.
        hit: whether it was kept before.
        reason: where it was kept, or why it had to be recorded.
    """

    graph: Graph
    program: Program
    key: str
    hit: bool
    reason: str

    @property
    def structure_hash(self) -> str:
        """Of the graphs that it is good for."""
        return self.graph.structure_hash

    @property
    def operations(self) -> int:
        """How many multiplications and additions a solution takes, once factors are there."""
        return sum(self.program.entries) + self.program.edges + self.program.rows

    @property
    def size_bytes(self) -> int:
        """Of the array."""
        return self.program.array.nbytes

    def instantiate(self, theta: Any) -> Graph:
        """The graph with fixed weights."""
        return self.graph.instantiate(theta)

    def __repr__(self) -> str:
        """Its size, and where it comes from."""
        lower, upper = self.program.entries
        how = self.reason if self.hit else f"recorded now ({self.reason})"
        return (
            f"<Trace of {self.graph.name}: {self.program.rows:,} rows, {self.program.edges:,} "
            f"edges, {lower + upper:,} entries, {how}>"
        )


def obtain_trace(graph: Graph, keep: Keep | None = None) -> Trace:
    """The graph's trace: kept, or recorded now and kept.

    What is kept is compared with the graph, edge by edge: a hash is not relied upon.
    """
    edges = graph.canonical.edges

    def build() -> Mapping[str, object]:
        program = record(edges.starts, edges.targets)
        return {ROLE: program.array.tobytes(), "layout": {"rows": program.rows}}

    artifact = (keep or default_keep()).get_or_build(
        KIND,
        graph.name,
        {"structure": graph.structure_hash, "version": VERSION},
        build,
        toolchain=_toolchain(),
    )
    program = Program(np.frombuffer(artifact.blobs[ROLE], np.uint32))
    if not program.fits(edges.starts, edges.targets):
        program = record(edges.starts, edges.targets)
        return Trace(graph, program, "", hit=False, reason="what was kept is for another graph")
    return Trace(graph, program, artifact.key, hit=artifact.hit, reason=artifact.reason)


def _toolchain() -> Any:
    from emberkeep.keys.toolchain import toolchain

    return toolchain((), own=OWN)
