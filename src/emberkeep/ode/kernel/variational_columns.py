"""The derivatives of an explicit step, name by name: what a function of arrays does.

J and F are values where they take few instructions: then a name is straight lines. Else they lie in
memory, and loops go over states.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import REAL, TIME
from emberkeep.ode.kernel.step import NEW, Combination, Slopes, Stepper, Y
from emberkeep.ode.kernel.vectors import Layout, Vector

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Mapping, Sequence

    from emberkeep.ode.kernel.code import Code, Function, LocalArray, Operand, Value, Variable
    from emberkeep.ode.kernel.equations import Equations
    from emberkeep.ode.kernel.step import Operation, Step
    from emberkeep.ode.system.reading import Read
    from emberkeep.ode.system.system import System

    Given = Mapping[str, LocalArray]
    Forcing = Callable[[int, int], Value]  # F of a name, by stage and row
    Products = Callable[[int, Vector, Vector], None]  # J S + F at a stage, from S to a vector

# Beyond the first, J and F lie in memory; beyond the second, a loop goes over names.
MOST_INSTRUCTIONS, MOST_LINES = 1500, 2500


def stages_of(operations: Sequence[Operation]) -> int:
    """How often slopes are computed."""
    return sum(isinstance(operation, Slopes) for operation in operations)


@final
class _OfStages:
    """The right-hand side S' = J S + F, at one stage after the other."""

    def __init__(self, products: Products) -> None:
        self._products, self._stage = products, 0

    def slopes(self, at: Vector, _inputs: Vector, _time: Value, result: Vector) -> None:
        """Those of the next stage."""
        self._products(self._stage, at, result)
        self._stage += 1


@final
class Columns:
    """What a step makes of the derivatives by each name.

    Args:
        code: what is written.
        system: whose.
        read: its program.
        equations: what is written of it.
        step: of the states.
        most: how many stages there are at most.
        is_large: whether loops go over states.
    """

    def __init__(
        self,
        code: Code,
        system: System,
        read: Read,
        equations: Equations,
        step: Step,
        most: int,
        *,
        is_large: bool,
    ) -> None:
        assert read.variational is not None
        self._code, self._equations, self._step, self._most = code, equations, step, most
        self._is_large = is_large
        self._own = len(system.own_states)
        self._names = len(system.states) // self._own - 1
        self._jacobian, self._forcing = read.variational.jacobian, read.variational.forcing
        self._values = [*self._jacobian.values(), *self._forcing.values()]
        used = read.program.names(self._values)
        self._has_time = "t" in used
        self._driven_by = equations.drivers_among(self._values)
        named = (*system.parameters, *system.constants)
        self._inputs = len(named)
        self._used = [place for place, name in enumerate(named) if name in used]
        size = len(read.program.needed(self._values))
        self._is_long = is_large or size * most > MOST_INSTRUCTIONS
        self._rows: list[list[tuple[int, int]]] = [[] for _ in range(self._own)]
        for place, (row, column) in enumerate(self._jacobian):
            self._rows[row].append((column, place))
        terms = sum(
            len(operation.terms)
            for operation in (*step.operations, *step.extra)
            if isinstance(operation, Combination)
        )
        lines = terms * self._own + most * len(self._values)
        self._is_looped = self._is_long or lines * self._names > MOST_LINES
        # In memory to work in: values of J and F, then F of one name, then vectors of one name.
        self._forced_at = len(self._values) * most
        self._vectors_at = self._forced_at + self._own * most
        self._evaluation: Function | None = None
        self._product: Function | None = None

    def sizes(self) -> dict[str, int]:
        """The arrays that a function is given beside the sensitivities, by name."""
        size = 0
        if self._is_looped:
            size = self._vectors_at + (self._own * (self._most + 3) if self._is_long else 0)
        sizes = {
            "states": self._own * self._most,
            "p": 0 if self._is_large else len(self._used),
            "when": self._most if self._has_time else 0,
            "u": self._most * len(self._driven_by),
            "step": 2,
            "work": size,
        }
        return {name: size for name, size in sizes.items() if size}

    def pass_on(self, arrays: Given, inputs: Vector, times: Sequence[Value]) -> None:
        """Set what does not change with states: inputs, and what there is at times of stages."""
        if "p" in arrays:
            for place, number in enumerate(self._used):
                arrays["p"].set(place, inputs.get(number))
        for stage, time in enumerate(times):
            if self._has_time:
                arrays["when"].set(stage, self._code.value(time, REAL))
            driven = self._equations.drivers.values_in_step(self._driven_by, time)
            for place, value in enumerate(driven.values()):
                arrays["u"].set(stage * len(self._driven_by) + place, value)

    def function(
        self, names: Sequence[str], operations: Sequence[Operation], kept: Sequence[str]
    ) -> Function:
        """A function that takes a step by all names.

        Args:
            names: of the arrays that it is given.
            operations: what it does.
            kept: the slopes that it leaves, as it does the ends; none where it goes there.
        """
        if self._is_long and self._evaluation is None:  # C++ knows what comes before
            self._evaluation, self._product = self._make_evaluation(names), self._make_product()
        given = {name: self._code.parameter(name, REAL) for name in names}
        return self._code.function(
            "variational_step",
            [*given.values()],
            lambda: self._write(given, operations, kept),
            by_vector=True,
        )

    def _write(self, given: Given, operations: Sequence[Operation], kept: Sequence[str]) -> None:
        stages = range(stages_of(operations))
        values: list[list[Value]] = []
        if self._is_long:
            for stage in stages:
                self._evaluate(given, stage)
        else:
            values = [self._values_at(given, stage) for stage in stages]
        if not self._is_looped:
            for number in range(self._names):
                products = self._by_values(values, self._forcing_of(values, number))
                self._take(given, operations, kept, number * self._own, products)
            return
        for stage, its_values in enumerate(values):
            for place in range(len(self._jacobian), len(its_values)):
                given["work"].set(stage * len(its_values) + place, its_values[place])
        own, forced = self._own, self._forced_at
        if self._is_long:
            products = self._in_memory(given)
        else:
            products = self._by_values(
                values, lambda stage, row: given["work"].get(forced + stage * own + row)
            )
        with self._each_name(given, len(stages)) as name:
            self._take(given, operations, kept, name * own, products)

    def _take(
        self,
        given: Given,
        operations: Sequence[Operation],
        kept: Sequence[str],
        first: Operand,
        products: Products,
    ) -> None:
        """Take the step by one name, whose derivatives begin at a place."""
        code, own, s = self._code, self._own, given["s"]
        layout = Layout(code, large=self._is_long)
        if self._is_long:
            vectors = {**self._vectors(given, operations), Y: Vector(own, array=s, offset=first)}
        else:
            vectors = {Y: Vector(own, [s.get(first + row) for row in range(own)])}
        right_hand_side, nothing = _OfStages(products), Vector(0, [])
        column = Stepper(self._step, layout, right_hand_side, own, vectors, nothing, None)
        column.take(operations, lambda _: code.value(0.0, TIME), given["step"].get(0))

        def put(array: LocalArray, begin: Operand, vector: Vector) -> None:
            layout.each(own, lambda i: array.set(begin + i, vector.get(i)))

        if kept:
            put(given["ends"], first, column[NEW])
            for place, name in enumerate(kept):
                put(given["kept"], first + place * own * self._names, column[name])
            return
        is_taken, y, new = given["step"].get(1) > 0.0, column[Y], column[NEW]
        layout.each(own, lambda i: s.set(first + i, code.where(is_taken, new.get(i), y.get(i))))

    def _vectors(self, given: Given, operations: Sequence[Operation]) -> dict[str, Vector]:
        """Those of one name, in memory; states at stages share a place."""
        targets = [each.target for each in operations if isinstance(each, Slopes | Combination)]
        names = dict.fromkeys("at" if name.startswith("at") else name for name in targets)
        first, own = self._vectors_at, self._own
        return {
            name: Vector(own, array=given["work"], offset=first + place * own)
            for place, name in enumerate(names)
        }

    @contextlib.contextmanager
    def _each_name(self, given: Given, stages: int) -> Generator[Value]:
        """A loop over names, in which F of that name is in memory; most of it is zero."""
        code, work, own, count = self._code, given["work"], self._own, len(self._values)
        if not self._forcing:
            with code.count_up("name", self._names) as name:
                yield name
            return
        entries = [
            (number, row, place)
            for place, (row, number) in enumerate(self._forcing, len(self._jacobian))
        ]
        entries.sort()
        numbers = [number for number, _, _ in entries]
        begins = code.table("forcing", [bisect_left(numbers, k) for k in range(self._names + 1)])
        rows = code.table("forced", [row for _, row, _ in entries])
        places = code.table("forced_by", [place for _, _, place in entries])
        zero = code.value(0.0, REAL)
        with code.count_up("i", own * stages) as i:
            work.set(self._forced_at + i, zero)
        with code.count_up("name", self._names) as name:
            first = begins.get(name)
            there = begins.get(name + 1) - first
            with code.count_up("entry", there) as entry:
                row, place = rows.get(first + entry), places.get(first + entry)
                for stage in range(stages):
                    work.set(row + (self._forced_at + stage * own), work.get(place + stage * count))
            yield name
            with code.count_up("entry", there) as entry:
                row = rows.get(first + entry)
                for stage in range(stages):
                    work.set(row + (self._forced_at + stage * own), zero)

    # J and F as values ----------------------------------------------------------------------------

    def _values_at(self, given: Given, stage: int) -> list[Value]:
        """Those at a stage."""
        own, count = self._own, len(self._driven_by)
        at = Vector(own, array=given["states"], offset=stage * own)
        driven = {
            name: given["u"].get(stage * count + number)
            for number, name in enumerate(self._driven_by)
        }
        time = given["when"].get(stage) if self._has_time else self._code.value(0.0, REAL)
        return self._equations.values(self._values, at, self._given_inputs(given), time, driven)

    def _given_inputs(self, given: Given) -> Vector:
        if self._is_large or not self._used:
            return Vector(self._inputs, array=given.get("p"))
        cells: list[Value | Variable | None] = [None] * self._inputs
        for place, number in enumerate(self._used):
            cells[number] = given["p"].get(place)
        return Vector(self._inputs, cells)

    def _by_values(self, values: Sequence[Sequence[Value]], forcing: Forcing) -> Products:
        def write(stage: int, at: Vector, result: Vector) -> None:
            for row, entries in enumerate(self._rows):
                total = forcing(stage, row) if self._forcing else self._code.value(0.0, REAL)
                for column, place in entries:
                    total = total + values[stage][place] * at.get(column)
                result.set(row, total)

        return write

    def _forcing_of(self, values: Sequence[Sequence[Value]], number: int) -> Forcing:
        """That of a name that is known when code is written."""
        places = {place: entry for entry, place in enumerate(self._forcing, len(self._jacobian))}
        zero = self._code.value(0.0, REAL)

        def at(stage: int, row: int) -> Value:
            entry = places.get((row, number))
            return zero if entry is None else values[stage][entry]

        return at

    # J and F in memory ----------------------------------------------------------------------------

    def _evaluate(self, given: Given, stage: int) -> None:
        """Write those at a stage."""
        assert self._evaluation is not None
        passed = [(given[name], size * stage) for name, size in self._strides(given).items()]
        self._code.invoke(self._evaluation, *passed, (given["work"], stage * len(self._values)))

    def _strides(self, names: Container[str]) -> dict[str, int]:
        """How far apart stages are in the arrays that J and F are computed from."""
        sizes = {"states": self._own, "p": 0, "when": 1, "u": len(self._driven_by)}
        return {name: size for name, size in sizes.items() if name in names}

    def _make_evaluation(self, names: Container[str]) -> Function:
        code = self._code
        parameters = {name: code.parameter(name, REAL) for name in self._strides(names)}
        entries = code.parameter("entries", REAL)

        def write() -> None:
            for place, value in enumerate(self._values_at(parameters, 0)):
                entries.set(place, value)

        listed = [*parameters.values(), entries]
        return code.function("variational_entries", listed, write, by_vector=True)

    def _in_memory(self, given: Given) -> Products:
        work = given["work"]

        def write(stage: int, at: Vector, result: Vector) -> None:
            assert self._product is not None
            assert at.array is not None
            assert result.array is not None
            self._code.invoke(
                self._product,
                (work, stage * len(self._values)),
                (work, self._forced_at + stage * self._own),
                (at.array, at.offset),
                (result.array, result.offset),
            )

        return write

    def _make_product(self) -> Function:
        code = self._code
        parameters = [code.parameter(name, REAL) for name in ("entries", "forcing", "s", "slope")]
        entries, forcing, s, slope = (Vector(0, array=array) for array in parameters)

        def write() -> None:
            values = [[entries.get(place) for place in range(len(self._jacobian))]]
            self._by_values(values, lambda _, row: forcing.get(row))(0, s, slope)

        return code.function("variational_product", parameters, write, by_vector=True)
