"""A graph's structure: states, edges and beginnings, below all that is found out about it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import fsum

import numpy as np

from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    from emberkeep.phasetype.assembly import Edges
    from emberkeep.phasetype.states import States

    T = TypeVar("T")
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
class Definition:
    """All that a graph is given."""

    states: States
    edges: Edges
    initial: Values
    is_discrete: bool
    name: str


class Structure(ABC):
    """What all calculations know of a graph; frozen.

    Attributes:
        states: labels, as rows of numbers.
        edges: in the order of vertices.
        initial: probabilities of beginning, by vertex; what is missing to one ends at once.
        is_discrete: whether time goes in steps.
        name: what its trace is called in the keep.
        remembered: what has been found out about it; for this package alone.
    """

    __slots__ = ("edges", "initial", "is_discrete", "name", "remembered", "states")

    states: States
    edges: Edges
    initial: Values
    is_discrete: bool
    name: str
    remembered: dict[str, Any]

    def _define(self, of: Definition) -> None:
        """Take what it is made of, which cannot be written to from then on."""
        edges = of.edges
        for array in (of.states.rows, edges.starts, edges.targets, edges.base, of.initial):
            array.flags.writeable = False
        edges.coefficients.flags.writeable = False
        for name in ("states", "edges", "initial", "is_discrete", "name"):
            object.__setattr__(self, name, getattr(of, name))
        object.__setattr__(self, "remembered", {})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(
            f"A graph is frozen: {name!r} cannot change. Make a new one, or use instantiate()"
        )

    def __eq__(self, other: object) -> bool:
        """Whether all is the same in the same order; `content_hash` knows no order."""
        if not isinstance(other, Structure):
            return NotImplemented
        return self is other or self.definition() == other.definition()

    def __hash__(self) -> int:
        return hash((self.name, self.is_discrete, len(self), len(self.edges.targets)))

    def __copy__(self) -> Structure:
        return self

    def __deepcopy__(self, _: object) -> Structure:
        return self

    @abstractmethod
    def instantiate(self, theta: Any) -> Structure:
        """It with the weights that a parameter vector gives."""

    def definition(self) -> Definition:
        """All that it was given."""
        return Definition(self.states, self.edges, self.initial, self.is_discrete, self.name)

    def once(self, what: str, make: Callable[[], T]) -> T:
        """Something that is found out about it, from the second time on as it was remembered."""
        if what not in self.remembered:
            self.remembered[what] = make()
        return self.remembered[what]

    # Looking --------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """How many vertices there are, those included where the chain ends."""
        return len(self.states)

    def __iter__(self) -> Iterator[Vertex]:
        return map(self.vertex, range(len(self)))

    def __repr__(self) -> str:
        kind = "discrete" if self.is_discrete else "continuous"
        more = f", {self.theta_length} parameters" if self.theta_length else ""
        return (
            f"<Graph {self.name}: {kind}, {len(self):,} vertices ({len(self.absorbing):,} "
            f"absorbing), {len(self.edges.targets):,} edges{more}>"
        )

    def vertex(self, number: int) -> Vertex:
        """One vertex."""
        begin, end = map(int, self.edges.starts[number : number + 2])
        edges = tuple(
            (
                int(self.edges.targets[edge]),
                float(self.edges.base[edge]),
                tuple(map(float, self.edges.coefficients[edge])),
            )
            for edge in range(begin, end)
        )
        return Vertex(number, self.states.label(number), float(self.initial[number]), edges)

    def find_vertex(self, state: object) -> Vertex:
        """The vertex of a state; of the number, where vertices have no states.

        Raises:
            InvalidGraph: there is none, or there are several.
        """
        return self.vertex(self.states.find(state))

    @property
    def theta_length(self) -> int:
        """How many parameters weights depend on."""
        return self.edges.coefficients.shape[1]

    @property
    def defect(self) -> float:
        """The probability that it has ended before it begins."""
        return self.once("defect", self._find_defect)

    def _find_defect(self) -> float:
        return self.missing + fsum(self.initial[self.absorbing].tolist())

    @property
    def missing(self) -> float:
        """What probabilities of beginning lack to one; none where that may be rounding alone.

        Small probabilities would be lost in it.
        """
        begins = self.initial[self.initial > 0]
        missing = fsum([1.0, *(-begins).tolist()])
        return 0.0 if missing <= len(begins) * 2.0**-53 else missing

    @property
    def absorbing(self) -> Values:
        """Numbers of the vertices where the chain ends."""
        return np.flatnonzero(np.diff(self.edges.starts) == 0)
