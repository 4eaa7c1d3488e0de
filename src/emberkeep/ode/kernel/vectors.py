"""Vectors of one number per state: named values where there are few, arrays where there are many.

Compilers take time by the statement: fifty states in seven stages, written out, take seconds. So
what is done for each state is written out for small systems, and is a loop for large ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import REAL, Code, LocalArray, Value, Variable
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.ode.kernel.code import Operand


@final
class Vector:
    """One number per state, or per input.

    Args:
        size: how many.
        cells: values or variables of the first ones, or of all, where they have names.
        array: where the others lie; number 0 at `offset`.
    """

    __slots__ = ("array", "cells", "offset", "size")

    def __init__(
        self,
        size: int,
        cells: list[Value | Variable | None] | None = None,
        array: LocalArray | None = None,
        offset: Operand = 0,
    ) -> None:
        self.size, self.cells, self.array, self.offset = size, cells, array, offset

    def get(self, index: Operand) -> Value:
        """The number at a place."""
        if self.cells is None or not self._is_named(index):
            assert self.array is not None
            return self.array.get(self._place(index))
        assert isinstance(index, int)
        cell = self.cells[index]
        assert cell is not None, "read before it is written"
        return cell.get() if isinstance(cell, Variable) else cell

    def set(self, index: Operand, value: Value) -> None:
        """Another number at a place."""
        if self.cells is None or not self._is_named(index):
            assert self.array is not None
            self.array.set(self._place(index), value)
            return
        assert isinstance(index, int)
        cell = self.cells[index]
        if isinstance(cell, Variable):
            cell.set(value)
        else:
            self.cells[index] = value

    def _place(self, index: Operand) -> Operand:
        """Where a number is in the array."""
        if isinstance(self.offset, int) and not self.offset:
            return index
        return index + self.offset

    def _is_named(self, index: Operand) -> bool:
        """Whether a place is among the first; one that a loop goes through is not."""
        assert self.cells is not None
        return self.array is None or (isinstance(index, int) and index < len(self.cells))


@final
class Same:
    """A vector that has the same number in all places."""

    def __init__(self, value: Value) -> None:
        self._value = value

    def get(self, _index: Operand) -> Value:
        """That number."""
        return self._value


@final
@frozen
class Shares:
    """The states of each of several threads that work on a trajectory.

    Attributes:
        size: how many threads there are.
        owners: for each state, whose it is.
        stages: for each state, when it is eliminated: those of a later stage after all before.
    """

    size: int
    owners: tuple[int, ...]
    stages: tuple[int, ...]

    @property
    def in_turn(self) -> list[int]:
        """All states, thread by thread."""
        return sorted(range(len(self.owners)), key=self.owners.__getitem__)


@final
class Layout:
    """Where vectors lie.

    Args:
        code: what is written.
        large: whether vectors are arrays.
        named: how many of the first places of vectors have names of their own, where the others
            lie in arrays; by default none of a large system's, and all of a small one's.

    Attributes:
        shares: which thread of a team computes which states; None where one computes all.
    """

    def __init__(self, code: Code, *, large: bool, named: int | None = None) -> None:
        self.code, self.large = code, large
        self.named_places = 0 if large else named
        self.shares: Shares | None = None

    @property
    def has_arrays(self) -> bool:
        """Whether some places of vectors lie in arrays."""
        return self.named_places is not None

    def owner(self, state: int) -> int | None:
        """The thread that a state belongs to; None where one has all."""
        if self.shares is None or state >= len(self.shares.owners):
            return None
        return self.shares.owners[state]

    def _first(self, size: int) -> int:
        """How many of so many places have names."""
        return size if self.named_places is None else min(size, self.named_places)

    def kept(self, name: str, size: int, kind: str = REAL) -> Vector:
        """A vector that lasts from step to step."""
        first = self._first(size)
        if first == size and not self.large:
            return self.named(name, size, kind)
        cells = self.named(name, first, kind).cells if first else None
        return Vector(size, cells, self.code.array(name, kind, size - first), -first)

    def named(self, name: str, size: int, kind: str = REAL) -> Vector:
        """The same, with a variable for each number however many there are."""
        return Vector(size, [self.code.variable(f"{name}{i}", kind) for i in range(size)])

    def passing(self, name: str, size: int) -> Vector:
        """A vector that is computed within a step, and used in that step alone."""
        first = self._first(size)
        cells: list[Value | Variable | None] = [None] * first
        if first == size and not self.large:
            return Vector(size, cells)
        return Vector(size, cells or None, self.code.array(name, REAL, size - first), -first)

    def each(self, size: int, do: Callable[[Operand], None]) -> None:
        """What is done for each place."""
        first = self._first(size)
        for index in range(first):
            with self.code.work_of(self.owner(index)):
                do(index)
        if first < size:
            with self.code.count_up("i", size - first) as index:
                do(index + first if first else index)

    def fold(self, size: int, first: float, term: Callable[[Value, Operand], Value]) -> Value:
        """A number that is made from one place after the other."""
        named = self._first(size)
        total = self.code.value(first, REAL)
        for index in range(named):
            total = term(total, index)
        if named == size:
            return total
        total_so_far = self.code.variable("total", REAL, total)
        with self.code.count_up("i", size - named) as index:
            total_so_far.set(term(total_so_far.get(), index + named if named else index))
        return total_so_far.get()
