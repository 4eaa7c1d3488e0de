"""Vectors of one number per state: named values where there are few, arrays where there are many.

Compilers take time by the statement: fifty states in seven stages, written out, take seconds. So
what is done for each state is written out for small systems, and is a loop for large ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import REAL, Code, LocalArray, Value, Variable

if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.ode.kernel.code import Operand


@final
class Vector:
    """One number per state, or per input.

    Args:
        size: how many.
        cells: values or variables, where they have names.
        array: where they lie, if they are many; from `offset` on.
    """

    __slots__ = ("array", "cells", "offset", "size")

    def __init__(
        self,
        size: int,
        cells: list[Value | Variable | None] | None = None,
        array: LocalArray | None = None,
        offset: int = 0,
    ) -> None:
        self.size, self.cells, self.array, self.offset = size, cells, array, offset

    def get(self, index: Operand) -> Value:
        """The number at a place."""
        if self.cells is None:
            assert self.array is not None
            return self.array.get(index + self.offset if self.offset else index)
        assert isinstance(index, int)
        cell = self.cells[index]
        assert cell is not None, "read before it is written"
        return cell.get() if isinstance(cell, Variable) else cell

    def set(self, index: Operand, value: Value) -> None:
        """Another number at a place."""
        if self.cells is None:
            assert self.array is not None
            self.array.set(index + self.offset if self.offset else index, value)
            return
        assert isinstance(index, int)
        cell = self.cells[index]
        if isinstance(cell, Variable):
            cell.set(value)
        else:
            self.cells[index] = value


@final
class Same:
    """A vector that has the same number in all places."""

    def __init__(self, value: Value) -> None:
        self._value = value

    def get(self, _index: Operand) -> Value:
        """That number."""
        return self._value


@final
class Layout:
    """Where vectors lie.

    Args:
        code: what is written.
        large: whether vectors are arrays.
    """

    def __init__(self, code: Code, *, large: bool) -> None:
        self.code, self.large = code, large

    def kept(self, name: str, size: int, kind: str = REAL) -> Vector:
        """A vector that lasts from step to step."""
        if self.large:
            return Vector(size, array=self.code.array(name, kind, size))
        return self.named(name, size, kind)

    def named(self, name: str, size: int, kind: str = REAL) -> Vector:
        """The same, with a variable for each number however many there are."""
        return Vector(size, [self.code.variable(f"{name}{i}", kind) for i in range(size)])

    def passing(self, name: str, size: int) -> Vector:
        """A vector that is computed within a step, and used in that step alone."""
        if self.large:
            return Vector(size, array=self.code.array(name, REAL, size))
        cells: list[Value | Variable | None] = [None] * size
        return Vector(size, cells)

    def each(self, size: int, do: Callable[[Operand], None]) -> None:
        """What is done for each place."""
        if not self.large:
            for index in range(size):
                do(index)
            return
        with self.code.count_up("i", size) as index:
            do(index)

    def fold(self, size: int, first: float, term: Callable[[Value, Operand], Value]) -> Value:
        """A number that is made from one place after the other."""
        if not self.large:
            total = self.code.value(first, REAL)
            for index in range(size):
                total = term(total, index)
            return total
        total_so_far = self.code.variable("total", REAL, first)
        with self.code.count_up("i", size) as index:
            total_so_far.set(term(total_so_far.get(), index))
        return total_so_far.get()
