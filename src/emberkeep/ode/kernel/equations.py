"""Right-hand sides in a kernel: a system's Program, written into its code."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import REAL, Code, Value
from emberkeep.ode.kernel.drivers import rate_of
from emberkeep.ode.kernel.user_functions import symbols_of
from emberkeep.ode.kernel.variational import VariationalEquations
from emberkeep.ode.kernel.vectors import Layout, Vector
from emberkeep.ode.system.derivatives import jacobian
from emberkeep.ode.system.equations import TIME as TIME_NAME
from emberkeep.ode.system.program import External

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emberkeep.ode.kernel.code import Function, LocalArray, Operand
    from emberkeep.ode.kernel.drivers import Drivers
    from emberkeep.ode.system.program import Program
    from emberkeep.ode.system.reading import Read
    from emberkeep.ode.system.system import System

_COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})


def write_program(
    code: Code, program: Program, results: Sequence[int], names: Mapping[str, Value]
) -> list[Value]:
    """The values of a program, computed here.

    Args:
        code: what is written.
        program: what is computed.
        results: which of its values are wanted.
        names: what it calls by name.
    """
    found: dict[int, Value] = {}
    symbols = symbols_of(program)
    several: dict[int, tuple[Value, ...]] = {}  # what right-hand sides of the user's give
    for number in program.needed(results):
        operation, *rest = program.instructions[number]
        if operation == "number":
            literal = program.literal(number)
            assert literal is not None
            found[number] = code.value(literal, REAL)
            continue
        if operation == "name":
            found[number] = names[str(rest[0])]
            continue
        if operation == "item":
            base, index = rest
            assert isinstance(base, int)
            assert isinstance(index, int)
            found[number] = several[base][index]
            continue
        given = [found[operand] for operand in program.operands(number)]
        if operation in ("call", "external") and rest[0] in symbols:
            several[number] = _called(code, rest[0], symbols[rest[0]], given)
            found[number] = several[number][0]
            continue
        found[number] = _written(code, str(operation), rest, given)
    return [code.value(found[number], REAL) for number in results]


def _called(code: Code, called: object, symbol: str, given: Sequence[Value]) -> tuple[Value, ...]:
    """What a function of the user's gives, in the kernel's precision."""
    count = len(called.states) if isinstance(called, External) else 1
    made = code.call_user(symbol, count, *given)
    return tuple(code.value(value, REAL) for value in made)


def _written(code: Code, operation: str, rest: Sequence[object], given: list[Value]) -> Value:
    if operation == "call":
        if rest[0] == "nan":
            return code.value(math.nan, REAL)
        return code.call(str(rest[0]), *given)
    if operation in _COMPARISONS:
        return code.comparison(operation, *given)
    if operation in ("and", "or"):
        return code.logic(operation, *given)
    if operation == "not":
        return code.inverse(given[0])
    if operation == "choose":
        return code.where(*given)
    if operation == "-x":
        return code.negative(given[0])
    return code.arithmetic(operation, *given)


@final
class Evaluation:
    """Values of a system's program, to be written wherever they are needed.

    Of a large system it is a function, written once: compilers would take it apart each time.

    Args:
        equations: whose program.
        name: of the function.
        wanted: which values; a result has a place for each.
    """

    def __init__(self, equations: Equations, name: str, wanted: Sequence[int]) -> None:
        self._equations, self._name, self._wanted = equations, name, tuple(wanted)
        self._function: Function | None = None
        self._driven_by = equations.drivers_among(self._wanted)
        code = equations.layout.code
        self._driven: LocalArray | None = None
        if equations.layout.large and self._driven_by:
            self._driven = code.array("u", REAL, len(self._driven_by))

    def write(
        self, at: Vector, inputs: Vector, time: Value, result: Vector, *, in_step: bool = True
    ) -> None:
        """The values at a place.

        Args:
            at: the states.
            inputs: parameters and constants.
            time: when.
            result: where they go.
            in_step: whether that is within a step, which is on one side of a jump.
        """
        own = self._equations
        values = own.drivers.values_in_step if in_step else own.drivers.values
        driven = values(self._driven_by, time)
        if own.time is None:
            self._write(at, inputs, time, driven, result)
            return
        own.time.set(0, time)
        if self._function is None:
            self._function = self._make(at.size, inputs.size)
        given = [vector_place(vector) for vector in (at, inputs, result)]
        given.append((own.time, 0))
        if self._driven is not None:
            for place, value in enumerate(driven.values()):
                self._driven.set(place, value)
            given.append((self._driven, 0))
        own.layout.code.invoke(self._function, *given)

    def _make(self, states: int, inputs: int) -> Function:
        code, size = self._equations.layout.code, len(self._wanted)
        names = ("y", "p", "slope", "when", *(["u"] if self._driven_by else []))
        parameters = [code.parameter(name, REAL) for name in names]
        y, p, slope, when, *more = parameters

        def write() -> None:
            at, given = Vector(states, array=y), Vector(inputs, array=p)
            driven = {
                name: u.get(place) for u in more for place, name in enumerate(self._driven_by)
            }
            self._write(at, given, when.get(0), driven, Vector(size, array=slope))

        return code.function(self._name, parameters, write)

    def _write(
        self, at: Vector, inputs: Vector, time: Value, driven: Mapping[str, Value], result: Vector
    ) -> None:
        values = self._equations.values(self._wanted, at, inputs, time, driven)
        for index, value in enumerate(values):
            result.set(index, value)


@final
class Equations:
    """The right-hand side of a system, and what follows from it.

    Args:
        system: whose it is.
        read: its equations as a program.
        layout: where vectors lie.
        drivers: what drives it.

    Attributes:
        time: where functions of a large system find the time; None where there are none.
        program: what its values are of.
        states: names of what slopes are of.
        derivatives: the program's values that are all slopes.
        observed: likewise all observables.
    """

    def __init__(self, system: System, read: Read, layout: Layout, drivers: Drivers) -> None:
        self._system, self._read, self.layout, self.drivers = system, read, layout, drivers
        self._inputs = (*system.parameters, *system.constants)
        self._jacobian: dict[tuple[int, int], int] | None = None
        self.time = layout.code.array("time", REAL, 1) if layout.large else None
        self.program, self.states = read.program, (*system.states,)
        self.derivatives = read.derivatives
        self.observed = [read.definitions[name] for name in system.observables]
        own = len(system.own_states)
        self._slopes = Evaluation(self, "right_hand_side", read.derivatives[:own])
        self._variational = (
            None
            if system.sensitivities is None
            else VariationalEquations(system, read, layout, drivers, self.values)
        )

    def slopes(
        self, at: Vector, inputs: Vector, time: Value, result: Vector, *, in_step: bool = True
    ) -> None:
        """The derivatives of all states; see `Evaluation.write`."""
        self._slopes.write(at, inputs, time, result, in_step=in_step)
        if self._variational is not None:
            self._variational.write(at, inputs, time, result, in_step=in_step)

    def own_slopes(self, at: Vector, inputs: Vector, time: Value, result: Vector) -> None:
        """The derivatives of the system's own states alone."""
        self._slopes.write(at, inputs, time, result)

    def jacobian(self) -> dict[tuple[int, int], int]:
        """The program's values that are derivatives of slopes by states, by row and column.

        Raises:
            InvalidSystem: slopes go by way of a function that is not followed.
        """
        if self._jacobian is None:
            names = [*self._system.states]
            self._jacobian = jacobian(self._read.program, self._read.derivatives, names)
        return self._jacobian

    @property
    def has_mass(self) -> bool:
        """Whether slopes are M y', with a mass matrix, in place of y'."""
        return self._read.mass is not None

    def mass(self) -> dict[tuple[int, int], tuple[float, int | None]] | None:
        """The mass matrix: for each entry a number, and the program's value that it is of.

        None where derivatives are given.
        """
        if self._read.mass is None:
            return None
        literal = self._read.program.literal
        return {
            place: (1.0, value) if (number := literal(value)) is None else (number, None)
            for place, value in self._read.mass.items()
        }

    def constraints(self) -> dict[tuple[int, int], int]:
        """Those of `jacobian` that are in rows in which the mass matrix has nothing."""
        algebraic = {*self._read.algebraic}
        return {place: slope for place, slope in self.jacobian().items() if place[0] in algebraic}

    def pivots(self) -> tuple[frozenset[tuple[int, int]], ...]:
        """Entries of M/γ - hJ that are not small beside others, however short a step is.

        First those that do not change with states, and so do not vanish on the way.
        """
        if self._read.mass is None:
            return ()
        constraints, names = self.constraints(), self._read.program.names
        lasting = {
            place for place, slope in constraints.items() if names([slope]) <= {*self._inputs}
        }
        mass = self._read.mass.keys()
        return frozenset({*mass, *lasting}), frozenset({*mass, *constraints})

    def slopes_in_time(self) -> list[int]:
        """The program's values that are partial derivatives of slopes by time.

        What drives the system is part of them.
        """
        return self.in_time(self._read.derivatives)

    def in_time(self, wanted: Sequence[int]) -> list[int]:
        """The program's values that are partial derivatives of others by time."""
        zero = self._read.program.number(0.0)
        return self._along(wanted, dict.fromkeys(self._system.states, zero))

    def move_in_time(self) -> bool:
        """Whether slopes have derivatives by time."""
        literals = map(self._read.program.literal, self.slopes_in_time())
        return any(literal != 0 for literal in literals)

    def evaluation(self, name: str, wanted: Sequence[int]) -> Evaluation:
        """Values of the program, as something that is written where it is needed."""
        return Evaluation(self, name, wanted)

    def observables(self, at: Vector, inputs: Vector, time: Value) -> list[Value]:
        """The values of all observables."""
        wanted = self.observed
        if not wanted:
            return []
        return self.values_at(wanted, at, inputs, time)

    def values_at(
        self,
        wanted: Sequence[int],
        at: Vector,
        inputs: Vector,
        time: Value,
        slopes: Vector | None = None,
        named: Mapping[str, Value] | None = None,
    ) -> list[Value]:
        """Values of the program, with drivers as they are at a time, and slopes as they are given.

        See `rates_by_slopes`; `named` are others that the program calls by name.
        """
        given = {**self.drivers.values(self.drivers_among(wanted), time), **(named or {})}
        if slopes is not None:
            used = self._read.program.names(wanted)
            places = ((slope_of(name), i) for i, name in enumerate(self._system.states))
            given |= {name: slopes.get(i) for name, i in places if name in used}
        return self.values(wanted, at, inputs, time, given)

    def rates(
        self, at: Vector, inputs: Vector, time: Value, slopes: Vector | None = None
    ) -> list[Value]:
        """The derivatives of all observables along a trajectory.

        Args:
            at: the states.
            inputs: parameters and constants.
            time: when.
            slopes: the derivatives of the states; None for those that the equations give.

        Raises:
            InvalidSystem: one goes by way of a function that is not followed.
        """
        wanted = self.observed
        if not wanted:
            return []
        moving = dict(zip(self._system.states, self._read.derivatives, strict=True))
        if slopes is not None:
            return self.values_at(self.rates_by_slopes(wanted), at, inputs, time, slopes)
        return self.values_at(self._along(wanted, moving), at, inputs, time)

    def rates_by_slopes(self, wanted: Sequence[int]) -> list[int]:
        """The program's values that are derivatives of others by time, by way of `slope_of`.

        Raises:
            InvalidSystem: a value goes by way of a function that is not followed.
        """
        name = self._read.program.name
        return self._along(wanted, {each: name(slope_of(each)) for each in self._system.states})

    def _along(self, wanted: Sequence[int], moving: Mapping[str, int]) -> list[int]:
        """Derivatives by time where states move so: the program's values."""
        program = self._read.program
        drivers = {name: program.name(rate_of(name)) for name in self._system.drivers}
        names = [TIME_NAME, *moving, *drivers]
        slopes = jacobian(program, wanted, names)
        rates = [*moving.values(), *drivers.values()]
        found: list[int] = []
        for row in range(len(wanted)):
            rate = slopes.get((row, 0), program.number(0.0))
            for column, slope in enumerate(rates, 1):
                partial = slopes.get((row, column))
                if partial is not None:
                    rate = program.arithmetic("+", rate, program.arithmetic("*", partial, slope))
            found.append(rate)
        return found

    def drivers_among(self, wanted: Sequence[int]) -> list[str]:
        """The drivers, and rates of drivers, that values depend on, in their order."""
        used = self._read.program.names(wanted)
        both = [*self._system.drivers, *map(rate_of, self._system.drivers)]
        return [name for name in both if name in used]

    def values(
        self,
        wanted: Sequence[int],
        at: Vector,
        inputs: Vector,
        time: Value,
        driven: Mapping[str, Value],
    ) -> list[Value]:
        """Values of the program, written here."""
        program = self._read.program
        used = program.names(wanted)
        code = self.layout.code
        names = {**driven, **({"t": code.value(time, REAL)} if "t" in used else {})}
        for vector, all_names in ((at, (*self._system.states,)), (inputs, self._inputs)):
            for index, name in enumerate(all_names):
                if name in used:
                    names[name] = vector.get(index)
        return write_program(code, program, wanted, names)


def slope_of(state: str) -> str:
    """What programs call the derivative of a state that is given to them."""
    return f"slope of {state}"


def driving(system: System, read: Read, values: Sequence[int]) -> list[str]:
    """The drivers that some values depend on, in their order."""
    used = read.program.names(values)
    return [name for name in system.drivers if name in used]


def vector_place(vector: Vector) -> tuple[LocalArray, Operand]:
    """Where a vector of a large system lies: its array, and where it begins there."""
    assert vector.array is not None
    return vector.array, vector.offset
