"""The matrix of implicit steps, W = M/γ - hJ: what it is made of, and how it is taken apart.

Pivots lie where the order puts them, whatever the numbers are; so the growth of numbers is watched.
A pivot that is next to nothing beside what it was on the way, where that was far larger than what
the matrix had there, has no right digits. The step is not taken then, and tried again with a
smaller h, for which W comes near to M/γ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode import status
from emberkeep.ode.kernel.code import INT
from emberkeep.ode.kernel.linear.ordering import ordering
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from emberkeep.ode.kernel.code import Code, Value
    from emberkeep.ode.kernel.linear.ordering import Block, Place

    Mass = Mapping[Place, tuple[float, int | None]]

# A pivot may be so many times smaller than what it was on the way, ...
CANCELLED = {"float32": 2.0**12, "float64": 2.0**40}
# ... and that so many times larger than what was there, not both.
GROWN = 2.0**10
# Numbers; what is larger on the way to a pivot is no fault of the order.
LARGEST = {"float32": 2.0**127, "float64": 2.0**1023}


@final
@frozen
class Entry:
    """What an entry of the matrix is made of.

    Attributes:
        slope: where it is among the numbers of the Jacobian; negative for a zero there.
        mass: what there is of 1/γ, ...
        factor: ... times which of those numbers; negative for none of them.
    """

    slope: int
    mass: float
    factor: int = -1


@final
class Shape:
    """A block by the places of its pivots in their order; several may have the same.

    Args:
        block: whose.
        entry: what an entry of the matrix is made of.
    """

    def __init__(self, block: Block, entry: Callable[[Place], Entry]) -> None:
        rows = {row: place for place, (row, _) in enumerate(block.pivots)}
        columns = {column: place for place, (_, column) in enumerate(block.pivots)}
        self.size = len(block.pivots)
        self.entries = {
            (rows[row], columns[column]): entry((row, column))
            for row, column in sorted(block.inner)
        }
        self.below: list[list[int]] = [[] for _ in block.pivots]  # by column
        self.right: list[list[int]] = [[] for _ in block.pivots]  # by row
        for row, column in sorted(self.entries):
            if row > column:
                self.below[column].append(row)
            elif column > row:
                self.right[row].append(column)

    def updates(self) -> list[int]:
        """How many products each pivot has been reduced by when its turn comes."""
        found = [0] * self.size
        for below, right in zip(self.below, self.right, strict=True):
            for place in {*below} & {*right}:
                found[place] += 1
        return found


@final
@frozen
class Matrix:
    """The matrix, by blocks.

    Attributes:
        size: how many rows.
        diagonal: 1/γ, which may be complex.
        values: of the system's program: those that its entries are made of, each once.
        blocks: in the order in which they are solved.
        shapes: of blocks; those that are alike in all entries have one, and are factored once.
        shape_of: for each block, which it has.
        outer: the entries between blocks.
    """

    size: int
    diagonal: complex
    values: tuple[int, ...]
    blocks: tuple[Block, ...]
    shapes: tuple[Shape, ...]
    shape_of: tuple[int, ...]
    outer: Mapping[Place, Entry]

    def massive(self) -> list[tuple[Place, Entry]]:
        """The entries in which there is something of 1/γ, by row and column."""
        found = {**self.outer}
        for block, number in zip(self.blocks, self.shape_of, strict=True):
            rows, columns = zip(*block.pivots, strict=True)
            inner = self.shapes[number].entries.items()
            found |= {(rows[row], columns[column]): entry for (row, column), entry in inner}
        return [(place, found[place]) for place in sorted(found) if found[place].mass]

    @property
    def between(self) -> tuple[Entry, ...]:
        """The entries between blocks, each once."""
        order = {entry: (entry.slope, entry.mass, entry.factor) for entry in self.outer.values()}
        return tuple(sorted(order, key=order.__getitem__))

    @property
    def products(self) -> int:
        """How many products factoring takes."""
        return sum(
            len(below) * len(right)
            for shape in self.shapes
            for below, right in zip(shape.below, shape.right, strict=True)
        )


def matrix_of(
    slopes: Mapping[Place, int],
    size: int,
    gamma: complex = 1.0,
    mass: Mass | None = None,
    preferred: Sequence[Collection[Place]] = (),
    stages: Sequence[int] = (),
) -> Matrix:
    """The matrix of a Jacobian and a mass matrix.

    Args:
        slopes: the program's values that the Jacobian's entries are, but for zeros.
        size: how many rows.
        gamma: γ.
        mass: for each entry of M but zeros, a number, and the program's value that it is of; None
            where M is one.
        preferred: entries that are better pivots; see `ordering`.
        stages: for each column, when it is eliminated; likewise.

    Raises:
        StructurallySingular: whatever the numbers are, it could not be solved with.
    """
    if mass is None:
        mass = {(row, row): (1.0, None) for row in range(size)}
    factors = [value for _, value in mass.values() if value is not None]
    values = (*dict.fromkeys([*slopes.values(), *factors]),)
    places = {value: place for place, value in enumerate(values)}

    def entry(at: Place) -> Entry:
        slope, (number, factor) = slopes.get(at), mass.get(at, (0.0, None))
        found = -1 if slope is None else places[slope]
        return Entry(found, number, -1 if factor is None else places[factor])

    blocks = ordering(size, {*slopes, *mass}, preferred, stages)
    shapes: list[Shape] = []
    shape_of: list[int] = []
    known: dict[object, int] = {}
    for block in blocks:
        shape = Shape(block, entry)
        number = known.setdefault((*shape.entries.items(),), len(shapes))
        if number == len(shapes):
            shapes.append(shape)
        shape_of.append(number)
    outer = {place: entry(place) for block in blocks for place in block.outer}
    return Matrix(size, 1.0 / gamma, values, blocks, (*shapes,), (*shape_of,), outer)


def read_trouble(code: Code, kept: Value) -> Value:
    """What is wrong with factors, from the number that stands for it in memory."""
    found = code.value(status.RUNNING, INT)
    for each in (status.SINGULAR, status.NO_JACOBIAN):
        found = code.where(kept.equals(float(each)), each, found)
    return found
