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
    from collections.abc import Callable, Mapping, Sequence

    from emberkeep.ode.kernel.code import Function, LocalArray, Value
    from emberkeep.ode.kernel.drivers import Drivers
    from emberkeep.ode.kernel.vectors import Layout
    from emberkeep.ode.system.reading import Read
    from emberkeep.ode.system.system import System

    Written = Callable[[Sequence[int], Vector, Vector, Value, Mapping[str, Value]], list[Value]]


@final
class VariationalEquations:
    """What writes the slopes of sensitivities.

    Args:
        system: whose.
        read: its program.
        layout: where vectors lie.
        drivers: what drives it.
        written: writes values of the program, at states, inputs and a time.
    """

    def __init__(
        self, system: System, read: Read, layout: Layout, drivers: Drivers, written: Written
    ) -> None:
        assert read.variational is not None
        self._layout, self._drivers, self._written = layout, drivers, written
        self._entries = read.variational
        self._own = own = len(system.own_states)
        self._names = len(system.states) // own - 1
        self._inputs = inputs = len(system.parameters) + len(system.constants)
        self._wanted = read.derivatives[own:]
        self._values = [*self._entries.jacobian.values(), *self._entries.forcing.values()]
        used = read.program.names(self._values if layout.has_arrays else self._wanted)
        self._driven_by = [name for name in system.drivers if name in used]
        self._function: Function | None = None
        self._copies: dict[str, LocalArray] = {}
        if layout.has_arrays:
            sizes = {"s_time": 1, "s_driven": len(self._driven_by)}
            if not layout.large:
                sizes |= {"s_states": own, "s_inputs": inputs}
            self._copies = {
                name: layout.code.array(name, REAL, size) for name, size in sizes.items() if size
            }

    def write(
        self, at: Vector, inputs: Vector, time: Value, result: Vector, *, in_step: bool
    ) -> None:
        """The slopes at a place; see `Evaluation.write`."""
        values = self._drivers.values_in_step if in_step else self._drivers.values
        driven = values(self._driven_by, time)
        if self._layout.has_arrays:
            self._call(at, inputs, time, driven, result)
        else:
            self._write(at, inputs, time, driven, result)

    def _write(
        self, at: Vector, inputs: Vector, time: Value, driven: Mapping[str, Value], result: Vector
    ) -> None:
        """Straight lines, from fenced numbers."""
        found = self._written(
            self._wanted,
            self._fenced(at, self._own),
            self._fenced(inputs, self._inputs),
            self._fence(time),
            {name: self._fence(value) for name, value in driven.items()},
        )
        for place, value in enumerate(found, self._own):
            result.set(place, value)

    def _fence(self, value: Value) -> Value:
        code = self._layout.code
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
        code, copies = self._layout.code, self._copies
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
        code = self._layout.code
        names = ["y", "p", "s", "slope", "when", *(["u"] if self._driven_by else [])]
        parameters = [code.parameter(name, REAL) for name in names]
        y, p, s, slope, when, *more = parameters

        def write() -> None:
            driven = {
                name: u.get(place) for u in more for place, name in enumerate(self._driven_by)
            }
            at, inputs = Vector(self._own, array=y), Vector(self._inputs, array=p)
            values = self._written(self._values, at, inputs, when.get(0), driven)
            self._multiply(values, s, slope)

        return code.function("variational_equations", parameters, write)

    def _multiply(self, values: list[Value], s: LocalArray, slope: LocalArray) -> None:
        code, own, entries = self._layout.code, self._own, self._entries
        columns: dict[int, list[tuple[int, Value]]] = {}
        for (row, column), value in zip(entries.jacobian, values, strict=False):
            columns.setdefault(row, []).append((column, value))
        with code.count_up("name", self._names) as name:
            first = name * own
            column = [s.get(first + row) for row in range(own)]
            for row in range(own):
                total = code.value(0.0, REAL)
                for place, value in columns.get(row, ()):
                    total = total + value * column[place]
                slope.set(first + row, total)
        forcing = values[len(entries.jacobian) :]
        for (row, number), value in zip(entries.forcing, forcing, strict=True):
            place = number * own + row
            slope.set(place, slope.get(place) + value)
