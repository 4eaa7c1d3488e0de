"""The derivatives of an explicit step, name by name: what a function of arrays does.

J and F are values where they take few instructions: then a name is straight lines. Else they lie in
memory, and loops go over states.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import REAL, TIME
from emberkeep.ode.kernel.step import (
    AT_END,
    FIRST,
    NEW,
    Combination,
    Slopes,
    SlopesInTime,
    Solution,
    Stepper,
    Y,
)
from emberkeep.ode.kernel.variational_solutions import Bends, Derivatives
from emberkeep.ode.kernel.vectors import Layout, Vector
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Mapping, Sequence

    from emberkeep.ode.kernel.code import (
        Code,
        Function,
        LocalArray,
        Operand,
        Table,
        Value,
        Variable,
    )
    from emberkeep.ode.kernel.equations import Equations
    from emberkeep.ode.kernel.linear.factors import Factors
    from emberkeep.ode.kernel.step import Implicit, Operation, Step
    from emberkeep.ode.system.reading import Read
    from emberkeep.ode.system.system import System

    Given = Mapping[str, LocalArray]
    Forced = Callable[[int], Value | None]  # numbers of a name alone, by place; None for zero
    Products = Callable[[int, Vector, Vector], None]  # J S + F at a stage, from S to a vector

# Beyond the first, J and F lie in memory; beyond the second, a loop goes over names.
MOST_INSTRUCTIONS, MOST_LINES = 1500, 2500


def stages_of(operations: Sequence[Operation]) -> int:
    """How often slopes are computed."""
    return sum(isinstance(operation, Slopes) for operation in operations)


def _targets(operations: Sequence[Operation]) -> list[str]:
    """The vectors that operations make; solutions take the place of others."""
    return [
        operation.target
        for operation in operations
        if isinstance(operation, Slopes | Combination | SlopesInTime)
    ]


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
@frozen
class Alone:
    """Numbers of one name alone, which are at several stages.

    Attributes:
        entries: number of the name, place, and where the value is: of the first stage.
        count: how many stages there are; places of the next are so many states on.
        stride: how far on values of the next are.
    """

    entries: Sequence[tuple[int, int, int]]
    count: int
    stride: int

    def tables(self, code: Code, names: int) -> tuple[Table, Table, Table]:
        """Where those of each name begin; places; values."""
        entries = sorted(self.entries)
        numbers = [number for number, _, _ in entries]
        return (
            code.table("alone", [bisect_left(numbers, number) for number in range(names + 1)]),
            code.table("alone_at", [at for _, at, _ in entries]),
            code.table("alone_by", [place for _, _, place in entries]),
        )


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
        self._bends: Bends | None = None
        if step.is_implicit:
            self._bends = Bends(read, equations, system.own_states)
        at_start = [] if self._bends is None else self._bends.values
        self._solutions = sum(isinstance(each, Solution) for each in step.operations)
        used = read.program.names([*self._values, *at_start])
        self._has_time = "t" in used
        self._driven_by = equations.drivers_among([*self._values, *at_start])
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
        lines = terms * self._own + most * len(self._values) + len(at_start)
        self._is_looped = self._is_long or lines * self._names > MOST_LINES
        self._alone = self._kinds_alone()
        targets = _targets((*step.operations, *step.extra))
        names = ("at" if name.startswith("at") else name for name in (FIRST, *targets, AT_END))
        self._vectors = [*dict.fromkeys(names)]
        # In memory to work in: values of J and F; what is of one name alone; its vectors.
        bent = 0 if self._bends is None else self._solutions * len(self._bends.bent)
        self._forced_at = len(self._values) * most + len(at_start) + bent
        self._vectors_at = self._forced_at + self._own * (most + self._solutions + 1)
        self._factors: Factors | None = None
        self._evaluation: Function | None = None
        self._product: Function | None = None

    def sizes(self) -> dict[str, int]:
        """The arrays that a function is given beside the sensitivities, by name."""
        size = 0
        if self._is_looped:
            size = self._vectors_at + self._own * len(self._vectors) * self._is_long
        sizes = {
            "states": self._own * self._most,
            "p": 0 if self._is_large else len(self._used),
            "when": self._most if self._has_time else 0,
            "u": self._most * len(self._driven_by),
            "step": 2,
            "work": size,
        }
        return {name: size for name, size in sizes.items() if size}

    def _kinds_alone(self) -> list[Alone]:
        """What is of one name alone: F at all stages; what it bends solutions by; in time.

        Values are those of J and F at all stages, those of `Bends`, what F bends solutions by.
        """
        own, most, size = self._own, self._most, len(self._values)
        entries = enumerate(self._forcing, len(self._jacobian))
        found = [Alone([(k, row, place) for place, (row, k) in entries], most, size)]
        if self._bends is not None:
            bends, first, place = self._bends, own * most, size * most
            bent, last = enumerate(bends.bent), place + len(bends.values)
            rows = [(k, first + row, last + i) for i, (k, row) in bent]
            found.append(Alone(rows, self._solutions, len(rows)))
            first += own * self._solutions
            place += len(bends.values) - len(bends.forcing_in_time)
            in_time = enumerate(bends.forcing_in_time)
            found.append(Alone([(k, first + row, place + i) for i, (k, row) in in_time], 1, 0))
        return [each for each in found if each.entries]

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
        self,
        names: Sequence[str],
        operations: Sequence[Operation],
        kept: Sequence[str],
        factors: Factors | None,
    ) -> Function:
        """A function that takes a step by all names.

        Args:
            names: of the arrays that it is given.
            operations: what it does.
            kept: the slopes that it leaves, as it does the ends; none where it goes there.
            factors: those of the states' step, where it has linear systems.
        """
        self._factors = factors
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
            values = [self._values_at(given, stage, self._values) for stage in stages]
        bends = self._bends
        at_start: list[Value] = []
        if bends is not None:
            at_start = self._values_at(given, 0, bends.values)
            h, solutions = given["step"].get(0), given["solutions"]
            for solution in range(self._solutions):
                u = Vector(self._own, array=solutions, offset=solution * self._own)
                at_start += bends.bent_by(at_start, u, h)

        def take(first: Operand, forced: Forced) -> None:
            products = self._in_memory(given) if self._is_long else self._by_values(values, forced)
            implicit = None if bends is None else self._derivatives(given, at_start, forced)
            self._take(given, operations, kept, first, products, implicit)

        if not self._is_looped:
            everything = self._by_place(values, at_start)
            for number in range(self._names):
                places = self._places_of(number)
                take(
                    number * self._own,
                    lambda at, places=places: everything[places[at]] if at in places else None,
                )
            return
        self._store(given["work"], values, at_start)
        there = {at for number in range(self._names) for at in self._places_of(number)}
        with self._each_name(given["work"]) as name:
            take(
                name * self._own,
                lambda at: given["work"].get(self._forced_at + at) if at in there else None,
            )

    def _places_of(self, number: int) -> dict[int, int]:
        """Where values are of what is of one name alone, by its place."""
        return {
            at + turn * self._own: place + turn * alone.stride
            for alone in self._alone
            for k, at, place in alone.entries
            if k == number
            for turn in range(alone.count)
        }

    def _store(
        self, work: LocalArray, values: Sequence[Sequence[Value]], at_start: Sequence[Value]
    ) -> None:
        """Put what names have alone where a loop finds it."""
        found = self._by_place(values, at_start)  # others are in memory already, or of no stage
        places = {place for k in range(self._names) for place in self._places_of(k).values()}
        for place in sorted(places & found.keys()):
            work.set(place, found[place])

    def _by_place(
        self, values: Sequence[Sequence[Value]], at_start: Sequence[Value]
    ) -> dict[int, Value]:
        """Values by where they are among all; of as many stages as there are."""
        found = {
            stage * len(self._values) + place: value
            for stage, its_values in enumerate(values)
            for place, value in enumerate(its_values)
        }
        return found | dict(enumerate(at_start, self._most * len(self._values)))

    def _derivatives(self, given: Given, at_start: Sequence[Value], forced: Forced) -> Derivatives:
        """The implicit operations of a name."""
        assert self._bends is not None
        assert self._factors is not None
        first = self._own * self._most
        return Derivatives(
            self._bends,
            at_start,
            lambda place: forced(first + place),
            self._factors,
            (given["factors"], given["solutions"]),
            self._own,
            self._solutions,
        )

    def _take(
        self,
        given: Given,
        operations: Sequence[Operation],
        kept: Sequence[str],
        first: Operand,
        products: Products,
        implicit: Implicit | None,
    ) -> None:
        """Take the step by one name, whose derivatives begin at a place."""
        code, own, s = self._code, self._own, given["s"]
        layout = Layout(code, large=self._is_long)
        if self._is_long:
            vectors = {**self._vectors_in(given["work"]), Y: Vector(own, array=s, offset=first)}
        else:
            vectors = {Y: Vector(own, [s.get(first + row) for row in range(own)])}
        right_hand_side, nothing = _OfStages(products), Vector(0, [])
        column = Stepper(self._step, layout, right_hand_side, own, vectors, nothing, implicit)
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

    def _vectors_in(self, work: LocalArray) -> dict[str, Vector]:
        """Those of one name, in memory; states at stages share a place."""
        first, own = self._vectors_at, self._own
        return {
            name: Vector(own, array=work, offset=first + place * own)
            for place, name in enumerate(self._vectors)
        }

    @contextlib.contextmanager
    def _each_name(self, work: LocalArray) -> Generator[Value]:
        """A loop over names, in which what is of one alone is in memory; most of it is zero."""
        code, first, zero = self._code, self._forced_at, self._code.value(0.0, REAL)
        with code.count_up("i", self._vectors_at - first) as i:
            work.set(first + i, zero)
        tables = [alone.tables(code, self._names) for alone in self._alone]

        def each(put: Callable[[Alone, Value, Value], None], name: Value) -> None:
            for alone, (begins, targets, sources) in zip(self._alone, tables, strict=True):
                begin = begins.get(name)
                with code.count_up("entry", begins.get(name + 1) - begin) as entry:
                    put(alone, targets.get(begin + entry), sources.get(begin + entry))

        def take(alone: Alone, target: Value, source: Value) -> None:
            for turn in range(alone.count):
                value = work.get(source + turn * alone.stride)
                work.set(target + (first + turn * self._own), value)

        def clear(alone: Alone, target: Value, _: Value) -> None:
            for turn in range(alone.count):
                work.set(target + (first + turn * self._own), zero)

        with code.count_up("name", self._names) as name:
            each(take, name)
            yield name
            each(clear, name)

    # J and F as values ----------------------------------------------------------------------------

    def _values_at(self, given: Given, stage: int, wanted: Sequence[int]) -> list[Value]:
        """Values of the program at a stage."""
        own, count = self._own, len(self._driven_by)
        at = Vector(own, array=given["states"], offset=stage * own)
        driven = {
            name: given["u"].get(stage * count + number)
            for number, name in enumerate(self._driven_by)
        }
        time = given["when"].get(stage) if self._has_time else self._code.value(0.0, REAL)
        return self._equations.values(wanted, at, self._given_inputs(given), time, driven)

    def _given_inputs(self, given: Given) -> Vector:
        if self._is_large or not self._used:
            return Vector(self._inputs, array=given.get("p"))
        cells: list[Value | Variable | None] = [None] * self._inputs
        for place, number in enumerate(self._used):
            cells[number] = given["p"].get(place)
        return Vector(self._inputs, cells)

    def _by_values(self, values: Sequence[Sequence[Value]], forced: Forced) -> Products:
        zero = self._code.value(0.0, REAL)

        def write(stage: int, at: Vector, result: Vector) -> None:
            for row, entries in enumerate(self._rows):
                alone = forced(stage * self._own + row)
                total = zero if alone is None else alone
                for column, place in entries:
                    total = total + values[stage][place] * at.get(column)
                result.set(row, total)

        return write

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
            for place, value in enumerate(self._values_at(parameters, 0, self._values)):
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
            there = {row for row, _ in self._forcing}
            forced = self._by_values(values, lambda row: forcing.get(row) if row in there else None)
            forced(0, s, slope)

        return code.function("variational_product", parameters, write, by_vector=True)
