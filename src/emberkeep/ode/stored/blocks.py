"""How trajectories are cut up: into parts that are computed together, and chunks of a store.

Trajectories are numbered along a grid's axes, the last one varying fastest. A block has some along
one axis with all of those behind it, so that it is both: consecutive numbers, and a box of the
grid. Lengths are powers of two, or whole axes: smaller blocks lie within larger ones, and no two
parts write to one chunk.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, final

from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator


@final
@frozen
class Blocks:
    """A grid, cut up.

    Attributes:
        shape: of the grid.
        axis: along which it is cut.
        length: of a block along it; the last one may be shorter.
    """

    shape: tuple[int, ...]
    axis: int
    length: int

    @property
    def box(self) -> tuple[int, ...]:
        """The shape of a block."""
        return (*(1 for _ in range(self.axis)), self.length, *self.shape[self.axis + 1 :])

    @property
    def behind(self) -> int:
        """How many trajectories there are for each place along the axis."""
        return math.prod(self.shape[self.axis + 1 :])

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Of each block, the first trajectory, and the first one after it."""
        along = self.shape[self.axis]
        for row in range(math.prod(self.shape[: self.axis])):
            for start in range(0, along, self.length):
                stop = min(start + self.length, along)
                yield (row * along + start) * self.behind, (row * along + stop) * self.behind

    def place(self, begin: int, end: int) -> tuple[slice, ...]:
        """Where trajectories of one block lie in the grid."""
        row, start = divmod(begin // self.behind, self.shape[self.axis])
        found = [slice(start, start + (end - begin) // self.behind)]
        for size in reversed(self.shape[: self.axis]):
            row, index = divmod(row, size)
            found.insert(0, slice(index, index + 1))
        return (*found, *(slice(0, size) for size in self.shape[self.axis + 1 :]))


def blocks(shape: tuple[int, ...], most: int) -> Blocks:
    """A grid in blocks of at most so many trajectories, and at least one."""
    axis, behind = len(shape) - 1, 1
    while axis and behind * shape[axis] <= most:
        behind *= shape[axis]
        axis -= 1
    length = max(most // behind, 1)
    whole = length >= shape[axis]
    return Blocks(shape, axis, shape[axis] if whole else 1 << (length.bit_length() - 1))
