"""Which vertices of a graph are meant, and what they have to do with each other."""

from __future__ import annotations

import numpy as np

from emberkeep.elimination.pattern import components
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]


def read_vertices(graph: Structure, given: Any, *, any_number: bool = False) -> Values:
    """Which vertices are meant, as a mask.

    Args:
        graph: whose.
        given: numbers of vertices, one of them, a mask by vertex, or a function of the state.
        any_number: whether there may be none.

    Raises:
        InvalidGraph: there is no such vertex, or none is meant.
    """
    inside = np.zeros(len(graph), bool)
    listed: Values
    if callable(given):
        inside[:] = [bool(given(graph.states.label(vertex))) for vertex in range(len(graph))]
    else:
        listed = np.atleast_1d(np.asarray(given))
        if listed.dtype == bool and listed.shape == inside.shape:
            inside |= listed
        elif listed.ndim == 1 and np.issubdtype(listed.dtype, np.integer):
            wrong = listed[(listed < 0) | (listed >= len(graph))]
            if wrong.size:
                raise InvalidGraph(
                    f"There is no vertex {int(wrong[0])}; there are {len(graph)}, from 0"
                )
            inside[listed] = True
        else:
            raise InvalidGraph(
                f"Vertices are {given!r:.200}; expected their numbers, a mask with one entry for "
                "each vertex, or a function of the state"
            )
    if not (any_number or inside.any()):
        raise InvalidGraph("No vertex is meant; name at least one")
    return inside


@final
@frozen
class Components:
    """Strongly connected components: states that lead to each other, in the order of the chain.

    Attributes:
        number: by vertex, that of its component. Edges lead to the same one or to higher ones.
        vertices: by component, the numbers of its vertices.
        edges: pairs of components between which there is an edge.
    """

    number: Values
    vertices: tuple[Values, ...]
    edges: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        """How many there are; as many as vertices, where the graph has no circle."""
        return len(self.vertices)

    def __repr__(self) -> str:
        """How many, and how large the largest is."""
        largest = max(map(len, self.vertices))
        return f"<Components: {len(self):,} of {len(self.number):,} vertices, at most {largest:,}>"


def find_components(graph: Structure) -> Components:
    """See `Graph.components`."""
    number = components(graph.edges.starts, graph.edges.targets)
    order = np.argsort(number, kind="stable")
    cuts = np.flatnonzero(np.diff(number[order])) + 1
    sources = number[graph.edges.sources]
    targets = number[graph.edges.targets.astype(np.int64)]
    pairs = np.unique(np.stack([sources, targets], axis=1)[sources != targets], axis=0)
    edges = tuple((first, second) for first, second in pairs.tolist())
    return Components(number, tuple(np.split(order, cuts)), edges)
