"""Sensitivities' slopes in a kernel: S' = J S + F, beside those of the system's own states.

The system's own slopes are to have the bits that they have without sensitivities. Compilers make a
product and a sum one instruction where nothing else needs the product, so nothing of theirs may be
shared: what S' needs is computed by itself, from fenced numbers or in a function of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import REAL
from emberkeep.ode.kernel.vectors import Vector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emberkeep.ode.kernel.code import Function, LocalArray, Value
    from emberkeep.ode.kernel.equations import Equations
    from emberkeep.ode.system.reading import Read
    from emberkeep.ode.system.variational import Variational


@final
class VariationalEquations:
    """What writes the slopes of sensitivities.

    Args:
        equations: the system's.
        read: its program.
        own: how many states are the system's own.
        names: how many it is differentiated by.
        inputs: how many parameters and constants there are.
    """

    def __init__(self, equations: Equations, read: Read, own: int, names: int, inputs: int) -> None:
        assert read.variational is not None
        self._equations, self._entries = equations, read.variational
        self._own, self._names, self._inputs = own, names, inputs
        code, layout = equations.layout.code, equations.layout
        self._wanted = read.derivatives[own:]
        self._values = [*self._entries.jacobian.values(), *self._entries.forcing.values()]
        self._driven_by = equations.drivers_among(
            self._values if layout.has_arrays else self._wanted
        )
        self._function: Function | None = None
        self._copies: dict[str, LocalArray] = {}
        if layout.has_arrays:
            sizes = {"s_time": 1, "s_driven": len(self._driven_by)}
            if not layout.large:
                sizes |= {"s_states": own, "s_inputs": inputs}
            self._copies = {
                name: code.array(name, REAL, size) for name, size in sizes.items() if size
            }

    def write(
        self, at: Vector, inputs: Vector, time: Value, result: Vector, *, in_step: bool
    ) -> None:
        """The slopes at a place; see `Evaluation.write`."""
        drivers = self._equations.drivers
        values = drivers.values_in_step if in_step else drivers.values
        driven = values(self._driven_by, time)
        if self._equations.layout.has_arrays:
            self._call(at, inputs, time, driven, result)
        else:
            self._write(at, inputs, time, driven, result)

    def _write(
        self, at: Vector, inputs: Vector, time: Value, driven: Mapping[str, Value], result: Vector
    ) -> None:
        """Straight lines, from fenced numbers."""
        found = self._equations.values(
            self._wanted,
            self._fenced(at, self._own),
            self._fenced(inputs, self._inputs),
            self._fence(time),
            {name: self._fence(value) for name, value in driven.items()},
        )
        for place, value in enumerate(found, self._own):
            result.set(place, value)

    def _fence(self, value: Value) -> Value:
        code = self._equations.layout.code
        return code.call("fenced", code.value(value, REAL))

    def _fenced(self, vector: Vector, first: int) -> Vector:
        """The same numbers, of which compilers do not know it; those of S alone as they are."""
        numbers = [vector.get(place) for place in range(vector.size)]
        return Vector(vector.size, [*map(self._fence, numbers[:first]), *numbers[first:]])

    # In arrays ------------------------------------------------------------------------------------

    def _call(
        self, at: Vector, inputs: Vector, time: Value, driven: Mapping[str, Value], result: Vector
    ) -> None:
        """A function of arrays, in which a loop stands for all names."""
        code, copies = self._equations.layout.code, self._copies
        if self._function is None:
            self._function = self._make()
        copies["s_time"].set(0, time)
        for place, value in enumerate(driven.values()):
            copies["s_driven"].set(place, value)
        given: list[LocalArray] = []
        for name, vector, size in (("s_states", at, self._own), ("s_inputs", inputs, self._inputs)):
            array = copies.get(name)
            if array is None:
                assert vector.array is not None
                given.append(vector.array)
                continue
            for place in range(size):
                array.set(place, vector.get(place))
            given.append(array)
        assert at.array is not None
        assert result.array is not None
        code.invoke(
            self._function,
            *((array, 0) for array in given),
            (at.array, at.offset + self._own),
            (result.array, result.offset + self._own),
            (copies["s_time"], 0),
            *([(copies["s_driven"], 0)] if self._driven_by else []),
        )

    def _make(self) -> Function:
        code = self._equations.layout.code
        names = ["y", "p", "s", "slope", "when", *(["u"] if self._driven_by else [])]
        parameters = [code.parameter(name, REAL) for name in names]
        y, p, s, slope, when, *more = parameters

        def write() -> None:
            driven = {
                name: u.get(place) for u in more for place, name in enumerate(self._driven_by)
            }
            at, inputs = Vector(self._own, array=y), Vector(self._inputs, array=p)
            values = self._equations.values(self._values, at, inputs, when.get(0), driven)
            self._multiply(values, s, slope)

        return code.function("variational_equations", parameters, write)

    def _multiply(self, values: list[Value], s: LocalArray, slope: LocalArray) -> None:
        code, own, entries = self._equations.layout.code, self._own, self._entries
        columns: dict[int, list[tuple[int, Value]]] = {}
        for (row, column), value in zip(entries.jacobian, values, strict=False):
            columns.setdefault(row, []).append((column, value))
        with code.count_up("place", own * self._names) as place:
            slope.set(place, code.value(0.0, REAL))
        forcing = values[len(entries.jacobian) :]
        for (row, number), value in zip(entries.forcing, forcing, strict=True):
            slope.set(number * own + row, value)
        with code.count_up("name", self._names) as name:
            first = name * own
            for row, parts in columns.items():
                total = slope.get(first + row)
                for column, value in parts:
                    total = total + value * s.get(first + column)
                slope.set(first + row, total)


def variational_equations(
    equations: Equations, read: Read, own: int, states: int, inputs: int
) -> VariationalEquations | None:
    """What writes the slopes of sensitivities; None where there are none."""
    found: Variational | None = read.variational
    if found is None:
        return None
    return VariationalEquations(equations, read, own, states // own - 1, inputs)
