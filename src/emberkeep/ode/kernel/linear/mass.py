"""Products of a mass matrix with vectors, as straight lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import REAL
from emberkeep.ode.kernel.equations import vector_place
from emberkeep.ode.kernel.vectors import Vector

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import Function, Value
    from emberkeep.ode.kernel.linear.matrix import Entry, Matrix
    from emberkeep.ode.kernel.vectors import Layout


@final
class MassMatrix:
    """The mass matrix that is in the matrix of implicit steps.

    Args:
        layout: where vectors lie.
        matrix: that of implicit steps.
    """

    def __init__(self, layout: Layout, matrix: Matrix) -> None:
        self._layout, self._code = layout, layout.code
        self._rows: list[list[tuple[int, Entry]]] = [[] for _ in range(matrix.size)]
        for (row, column), entry in matrix.massive():
            self._rows[row].append((column, entry))
        self._function: Function | None = None

    def write(self, vector: Vector, entries: Vector, result: Vector) -> None:
        """Write a product.

        Args:
            vector: what is multiplied.
            entries: numbers that entries of the matrix are made of.
            result: where it goes: another vector.
        """
        if not self._layout.large:
            self._write(vector, entries, result)
            return
        if self._function is None:
            self._function = self._make(vector.size, entries.size)
        self._code.invoke(self._function, *map(vector_place, (vector, entries, result)))

    def _make(self, states: int, count: int) -> Function:
        names = ("vector", "entries", "result")
        parameters = [self._code.parameter(name, REAL) for name in names]
        vector, entries, result = parameters

        def write() -> None:
            given = Vector(states, array=vector), Vector(count, array=entries)
            self._write(*given, Vector(states, array=result))

        return self._code.function("mass_product", parameters, write)

    def _write(self, vector: Vector, entries: Vector, result: Vector) -> None:
        for row, members in enumerate(self._rows):
            total: Value | None = None
            for column, entry in members:
                part = vector.get(column) * entry.mass
                if entry.factor >= 0:
                    part = part * entries.get(entry.factor)
                total = part if total is None else self._code.call("apart", total, part)
            result.set(row, self._code.value(0.0, REAL) if total is None else total)
