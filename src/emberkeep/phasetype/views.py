"""Parts of a graph as they are looked at: by a person, and by elimination."""

from __future__ import annotations

from emberkeep.light import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import numpy as np

    from emberkeep.elimination.program import Program
    from emberkeep.phasetype.assembly import Edges

    Values = np.ndarray[Any, Any]


@final
@frozen
class Vertex:
    """One vertex, to look at.

    Attributes:
        number: its place in all arrays that go by vertex.
        state: its label.
        initial: the probability of beginning here.
        edges: where one can go, with base weight and coefficients.
    """

    number: int
    state: object
    initial: float
    edges: tuple[tuple[int, float, tuple[float, ...]], ...]

    @property
    def is_absorbing(self) -> bool:
        """Whether the chain ends here."""
        return not self.edges


@final
@frozen
class Rows:
    """The vertices that can be left, in the order of elimination.

    Attributes:
        program: the elimination.
        vertices: the graph's vertex of each row.
        edges: as the program numbers them.
        edge_rows: the row that each edge begins at.
        initial: probabilities of beginning.
    """

    program: Program
    vertices: Values
    edges: Edges
    edge_rows: Values
    initial: Values
