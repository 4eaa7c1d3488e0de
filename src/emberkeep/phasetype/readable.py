"""What a graph shows of itself: as matrices, text, drawings; its parts, and its hashes."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.phase_type import PhaseType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.canonical import Canonical
    from emberkeep.phasetype.matrices import Matrices
    from emberkeep.phasetype.vertices import Components

    Values = np.ndarray[Any, Any]


class Readable(PhaseType):
    """A phase-type distribution whose graph can be looked at and written down."""

    __slots__ = ()

    def find_vertices(self, which: Any) -> Values:
        """Numbers of the vertices for whose state a function is true; or of a mask."""
        from emberkeep.phasetype.vertices import read_vertices

        return np.flatnonzero(read_vertices(self, which, any_number=True))

    @property
    def components(self) -> Components:
        """Strongly connected components, in the order in which the chain goes through them."""
        from emberkeep.phasetype.vertices import find_components

        return self.once("components", lambda: find_components(self))

    @property
    def canonical(self) -> Canonical:
        """The form that does not depend on the numbering of vertices."""
        from emberkeep.phasetype.canonical import canonical

        return canonical(self)

    @property
    def structure_hash(self) -> str:
        """Of states, edges and the parameters they use; the same for all weights and numberings."""
        from emberkeep.phasetype.canonical import structure_hash

        return structure_hash(self)

    @property
    def content_hash(self) -> str:
        """Of everything; the same for all numberings."""
        from emberkeep.phasetype.canonical import content_hash

        return content_hash(self)

    def as_matrices(self, theta: Any = None, *, sparse: bool = False) -> Matrices:
        """Its matrices, as textbooks have them: alpha, and the rates among states.

        Args:
            theta: one parameter vector.
            sparse: whether the matrix is one of SciPy's, for many states.
        """
        from emberkeep.phasetype.linear_systems import read_single
        from emberkeep.phasetype.matrices import as_matrices

        return as_matrices(self, read_single(self, theta), sparse=sparse)

    def to_networkx(self) -> Any:
        """A directed graph of networkx: vertices by number, with their state and what is known."""
        from emberkeep.phasetype.export import to_networkx

        return to_networkx(self)

    def to_graphviz(self) -> str:
        """Its text in the language of Graphviz.

        Notebooks draw small graphs, by ``dot`` where that is installed.
        """
        from emberkeep.phasetype.export import to_graphviz

        return to_graphviz(self)

    def _repr_svg_(self) -> str | None:
        from emberkeep.phasetype.drawing import as_svg

        return as_svg(self)

    def to_json(self) -> str:
        """All of it as JSON, with a version and a digest; `Graph.from_json` reads it."""
        from emberkeep.phasetype.serialisation import to_json

        return to_json(self)

    def __str__(self) -> str:
        """A table of vertices and where they lead."""
        from emberkeep.phasetype.export import as_table

        return as_table(self)
