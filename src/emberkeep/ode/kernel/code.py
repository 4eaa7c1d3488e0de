"""What a kernel does for one trajectory, as data: values, variables, loops and calls.

It is written once, by calling methods of `Code` and by arithmetic on `Value`, and printed twice: on
a GPU a trajectory is a thread; on a CPU several go side by side as the lanes of vectors. So a value
is either *uniform*, the same in all lanes, or has one number for each of them.

Lanes go through all code together. What only some of them are to do is either computed for all and
chosen by `where`, or, where it is rare, done in `for_each`: lane by lane, as plain scalar code.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

REAL, TIME, SINGLE, INT, BOOL = "real", "time", "single", "int", "bool"
BYTE = "byte"  # of arguments alone: an integer elsewhere
FLOATING = (REAL, TIME, SINGLE)
# Kinds in the order in which one is converted to the other where they meet.
_RANKS = {BOOL: 0, INT: 1, SINGLE: 2, REAL: 3, TIME: 4}

Number = int | float | bool


@final
class Value:
    """A number that code has computed; it never changes.

    Args:
        code: where it was computed.
        kind: of number.
        uniform: whether it is the same in all lanes.
        literal: the number itself, where it is known.
    """

    __slots__ = ("code", "kind", "literal", "name", "number", "uniform")

    def __init__(
        self, code: Code, kind: str, *, uniform: bool, literal: Number | None = None
    ) -> None:
        self.code, self.kind, self.uniform, self.literal = code, kind, uniform, literal
        self.number = code.count()
        self.name = ""

    def __add__(self, other: Operand) -> Value:
        return self.code.arithmetic("+", self, other)

    def __radd__(self, other: Operand) -> Value:
        return self.code.arithmetic("+", other, self)

    def __sub__(self, other: Operand) -> Value:
        return self.code.arithmetic("-", self, other)

    def __rsub__(self, other: Operand) -> Value:
        return self.code.arithmetic("-", other, self)

    def __mul__(self, other: Operand) -> Value:
        return self.code.arithmetic("*", self, other)

    def __rmul__(self, other: Operand) -> Value:
        return self.code.arithmetic("*", other, self)

    def __truediv__(self, other: Operand) -> Value:
        return self.code.arithmetic("/", self, other)

    def __rtruediv__(self, other: Operand) -> Value:
        return self.code.arithmetic("/", other, self)

    def __neg__(self) -> Value:
        return self.code.negative(self)

    def __lt__(self, other: Operand) -> Value:
        return self.code.comparison("<", self, other)

    def __le__(self, other: Operand) -> Value:
        return self.code.comparison("<=", self, other)

    def __gt__(self, other: Operand) -> Value:
        return self.code.comparison(">", self, other)

    def __ge__(self, other: Operand) -> Value:
        return self.code.comparison(">=", self, other)

    def equals(self, other: Operand) -> Value:
        """Whether two numbers are equal; not-a-number equals nothing."""
        return self.code.comparison("==", self, other)

    def differs(self, other: Operand) -> Value:
        """Whether two numbers differ; not-a-number differs from all."""
        return self.code.comparison("!=", self, other)

    def __and__(self, other: Value) -> Value:
        return self.code.logic("and", self, other)

    def __or__(self, other: Value) -> Value:
        return self.code.logic("or", self, other)

    def __invert__(self) -> Value:
        return self.code.inverse(self)

    def __bool__(self) -> bool:
        raise TypeError("A value of a kernel is known only when it runs; choose by where()")


Operand = Value | Number


@final
class Variable:
    """A number that changes; zero before it is set."""

    __slots__ = ("code", "kind", "name", "number", "uniform")

    def __init__(self, code: Code, kind: str, name: str, *, uniform: bool) -> None:
        self.code, self.kind, self.name, self.uniform = code, kind, name, uniform
        self.number = code.count()

    def get(self) -> Value:
        """The number that it has here."""
        assert self.number not in self.code.gone, f"{self.name} is an aside's own"
        return self.code.record("get", self.kind, (self,), uniform=self.uniform, name=self.name)

    def set(self, value: Operand) -> None:
        """Another number from here on."""
        assert self.number not in self.code.gone, f"{self.name} is an aside's own"
        self.code.assign(self, value)


@final
class LocalArray:
    """Numbers of one trajectory in its own memory, for code that goes through them in loops.

    Those that are rarely used stay there, and leave the registers of a GPU to others.
    """

    __slots__ = ("code", "is_rare", "kind", "name", "number", "size")

    def __init__(self, code: Code, kind: str, name: str, size: int, *, is_rare: bool) -> None:
        self.code, self.kind, self.name, self.size = code, kind, name, size
        self.is_rare = is_rare
        self.number = code.count()

    def get(self, index: Operand) -> Value:
        """The number at a place; the place is the same in all lanes."""
        place = self.code.value(index, INT)
        assert place.uniform
        return self.code.record("read", self.kind, (self, place), uniform=False)

    def set(self, index: Operand, value: Operand) -> None:
        """Another number at a place."""
        place = self.code.value(index, INT)
        assert place.uniform
        self.code.add("write", self, place, self.code.value(value, self.kind))


@final
class Table:
    """Whole numbers that are known when code is written."""

    __slots__ = ("code", "name", "number", "numbers")

    def __init__(self, code: Code, name: str, numbers: Sequence[int]) -> None:
        self.code, self.name, self.numbers = code, name, tuple(numbers)
        self.number = code.count()

    def get(self, index: Operand) -> Value:
        """The number at a place, which is the same in all lanes."""
        place = self.code.value(index, INT)
        assert place.uniform
        return self.code.record("listed", INT, (self, place), uniform=True)


@final
class Argument:
    """Something that a kernel is passed: a number, or an array of numbers that all lanes share."""

    __slots__ = ("code", "is_array", "kind", "name", "number")

    def __init__(self, code: Code, name: str, kind: str, *, is_array: bool) -> None:
        self.code, self.name, self.kind, self.is_array = code, name, kind, is_array
        self.number = code.count()

    def get(self, index: Operand | None = None) -> Value:
        """The number, or that at a place of the array; in lanes, the place is the same in all."""
        places = () if index is None else (self.code.value(index, INT),)
        assert self.is_array == bool(places)
        uniform = not self.code.in_lane or all(place.uniform for place in places)
        assert uniform or self.code.in_lane, "gathered from vectors: do it lane by lane"
        kind = {BYTE: INT}.get(self.kind, self.kind)
        return self.code.record("load", kind, (self, *places), uniform=uniform)

    def gather(self, index: Value) -> Value:
        """The numbers at places of the array, of each lane at its own; none outside of it."""
        if index.uniform or self.code.in_lane:
            return self.get(index)
        assert self.kind != BYTE
        return self.code.record("gather", self.kind, (self, index), uniform=False)

    def set(self, index: Operand, value: Operand) -> None:
        """Another number at a place of the array."""
        kind = {BYTE: INT}.get(self.kind, self.kind)
        self.code.add("store", self, self.code.value(index, INT), self.code.value(value, kind))


@final
class Block:
    """Instructions in their order.

    An instruction is a tuple: its operation, then what it is applied to; where it computes a value,
    or several, they come second.
    """

    __slots__ = ("at_once", "instructions")

    def __init__(self) -> None:
        self.instructions: list[tuple[Any, ...]] = []
        self.at_once = 1  # of a loop


@final
class Function:
    """What is called from several places, on arrays that it is given, with variables of its own.

    What needs many registers goes by vector: where lanes are several vectors, these take turns.
    """

    __slots__ = ("body", "by_vector", "family", "name", "parameters", "variables")

    def __init__(
        self, family: str, number: int, parameters: Sequence[LocalArray], *, by_vector: bool
    ) -> None:
        self.family, self.parameters, self.by_vector = family, tuple(parameters), by_vector
        # Without a dash: what is printed with one and a number is a variable or an array.
        self.name = f"{family}{number + 1}" if number else family
        self.variables: list[Variable] = []
        self.body = Block()


@final
class Code:
    """Code that is being written.

    Args:
        is_single: whether real numbers are of single precision.

    Attributes:
        is_shared: whether several threads work on one trajectory.
        owners: which of them is to compute a value, by its number; of others it is found later.
        arguments: what the kernel is passed, in their order.
        variables: all that change.
        gone: numbers of those that were some aside's own.
        arrays: all arrays of a trajectory's own.
        tables: of numbers that are known.
        functions: what is called from several places.
        users: functions of the user's that are called, by name: how many numbers each takes and
            gives.
        body: what is done for a share of the trajectories.
        begin: number of the first trajectory of the share.
        end: number after the last.
    """

    def __init__(self, *, is_single: bool = False) -> None:
        self.is_single = is_single
        self.is_shared = False
        self.owners: dict[int, int] = {}
        self._owner: int | None = None
        self._count = 0
        self.in_lane = False
        self._loops = 0  # around what is written, within the same lane and function
        self.arguments: list[Argument] = []
        self.variables: list[Variable] = []
        self.gone: set[int] = set()
        self.arrays: list[LocalArray] = []
        self.tables: list[Table] = []
        self.functions: list[Function] = []
        self.users: dict[str, tuple[int, int]] = {}
        self.body = self._block = Block()
        self.begin = Value(self, INT, uniform=True)
        self.end = Value(self, INT, uniform=True)
        self.begin.name, self.end.name = "begin", "end"

    def count(self) -> int:
        """The next number for what has one."""
        self._count += 1
        return self._count

    # What there is ----------------------------------------------------------------------------

    def argument(self, name: str, kind: str, *, is_array: bool = True) -> Argument:
        """One more argument of the kernel."""
        self.arguments.append(Argument(self, name, kind, is_array=is_array))
        return self.arguments[-1]

    def variable(
        self, name: str, kind: str, value: Operand | None = None, *, uniform: bool = False
    ) -> Variable:
        """One more number that changes; zero unless a value is given."""
        self.variables.append(Variable(self, kind, name, uniform=uniform))
        if value is not None:
            self.variables[-1].set(value)
        return self.variables[-1]

    def array(self, name: str, kind: str, size: int, *, is_rare: bool = False) -> LocalArray:
        """One more array of a trajectory's own."""
        self.arrays.append(LocalArray(self, kind, name, size, is_rare=is_rare))
        return self.arrays[-1]

    def table(self, name: str, numbers: Sequence[int]) -> Table:
        """One more table; its numbers have 32 bits."""
        self.tables.append(Table(self, name, numbers))
        return self.tables[-1]

    def value(self, number: Operand, kind: str) -> Value:
        """A number as a value of a kind."""
        if not isinstance(number, Value):
            return Value(self, kind, uniform=True, literal=number)
        if number.kind == kind:
            return number
        if number.literal is not None:
            return Value(self, kind, uniform=True, literal=number.literal)
        return self.record("convert", kind, (number,), uniform=number.uniform)

    # Instructions -----------------------------------------------------------------------------

    def add(self, operation: str, *operands: Any) -> None:
        """One more instruction, which computes no value."""
        self._block.instructions.append((operation, *operands))

    def record(
        self, operation: str, kind: str, operands: tuple[Any, ...], *, uniform: bool, name: str = ""
    ) -> Value:
        """One more instruction, and the value that it computes."""
        result = Value(self, kind, uniform=uniform)
        result.name = name
        if self._owner is not None:
            self.owners[result.number] = self._owner
        self._block.instructions.append((operation, result, *operands))
        return result

    def named(self, name: str, value: Value) -> Value:
        """A value with a name, for those who read what is printed."""
        if not value.name and value.literal is None:
            value.name = name
        return value

    def _alike(self, first: Operand, second: Operand) -> tuple[Value, Value]:
        kinds = [item.kind for item in (first, second) if isinstance(item, Value)]
        kind = max(kinds, key=_RANKS.__getitem__)
        return self.value(first, kind), self.value(second, kind)

    def arithmetic(self, operation: str, first: Operand, second: Operand) -> Value:
        """X + y, x - y, x * y or x / y, where nothing simpler has the same value."""
        a, b = self._alike(first, second)
        assert (a.kind, operation) != (INT, "/"), "of whole numbers: quotient()"
        if a.kind == INT and a.literal is not None and b.literal is not None:
            results = {"+": a.literal + b.literal, "-": a.literal - b.literal}
            return self.value(results.get(operation, a.literal * b.literal), INT)
        simpler = self._simpler(operation, a, b)
        if simpler is not None:
            return simpler
        return self.record(operation, a.kind, (a, b), uniform=a.uniform and b.uniform)

    def _simpler(self, operation: str, a: Value, b: Value) -> Value | None:
        if operation == "+" and a.literal == 0:
            return b
        if operation in "+-" and b.literal == 0:
            return a
        if operation == "-" and a.literal == 0 and a.kind != INT:
            return self.negative(b)
        if operation == "*" and a.literal in (1, -1):
            return b if a.literal == 1 else self.negative(b)
        if a.kind == INT and operation == "*" and 0 in (a.literal, b.literal):
            return self.value(0, INT)
        if operation in "*/" and b.literal in (1, -1):
            return a if b.literal == 1 else self.negative(a)
        return None

    def negative(self, value: Value) -> Value:
        """-x."""
        if value.literal is not None:
            return self.value(-value.literal, value.kind)
        if value.kind == INT:
            return self.arithmetic("-", 0, value)
        return self.record("-x", value.kind, (value,), uniform=value.uniform)

    def comparison(self, operation: str, first: Operand, second: Operand) -> Value:
        """X < y and so on; false where either is not-a-number, but for ``!=``."""
        a, b = self._alike(first, second)
        return self.record(operation, BOOL, (a, b), uniform=a.uniform and b.uniform)

    def logic(self, operation: str, first: Value, second: Value) -> Value:
        """``and`` and ``or`` of two conditions."""
        uniform = first.uniform and second.uniform
        return self.record(operation, BOOL, (first, second), uniform=uniform)

    def inverse(self, condition: Value) -> Value:
        """``not``."""
        return self.record("not", BOOL, (condition,), uniform=condition.uniform)

    def where(self, condition: Value, then: Operand, otherwise: Operand) -> Value:
        """One of two values, both of which are computed."""
        if isinstance(then, Value) and then is otherwise:
            return then
        if not isinstance(then, Value) and not isinstance(otherwise, Value):
            then = self.value(then, REAL)
        a, b = self._alike(then, otherwise)
        uniform = condition.uniform and a.uniform and b.uniform
        return self.record("where", a.kind, (condition, a, b), uniform=uniform)

    def smaller(self, first: Operand, second: Operand) -> Value:
        """The first where it is smaller, else the second: which not-a-number makes it."""
        a, b = self._alike(first, second)
        return self.where(a < b, a, b)

    def larger(self, first: Operand, second: Operand) -> Value:
        """The first where it is larger, else the second: which not-a-number makes it."""
        a, b = self._alike(first, second)
        return self.where(a > b, a, b)

    def call(self, function: str, *arguments: Operand) -> Value:
        """A function of mathematics."""
        kinds = [item.kind for item in arguments if isinstance(item, Value)]
        kind = max(kinds, key=_RANKS.__getitem__)
        passed = tuple(self.value(item, kind) for item in arguments)
        uniform = all(item.uniform for item in passed)
        return self.record("call", kind, (function, *passed), uniform=uniform)

    def told(self, value: Value) -> Value:
        """A value that all threads are told which work on a trajectory, where several do."""
        if not self.is_shared or value.literal is not None:
            return value
        return self.record("told", value.kind, (value,), uniform=value.uniform)

    def call_user(self, name: str, results: int, *arguments: Operand) -> tuple[Value, ...]:
        """A function of the user's, compiled by itself: it takes and gives double precision."""
        passed = tuple(self.value(item, TIME) for item in arguments)
        uniform = all(item.uniform for item in passed)
        made = tuple(Value(self, TIME, uniform=uniform) for _ in range(results))
        self.users[name] = (len(passed), results)
        self.add("user", made, name, *passed)
        return made

    def assign(self, variable: Variable, value: Operand) -> None:
        """A variable's number from here on."""
        given = self.value(value, variable.kind)
        alike = given.uniform or self.in_lane
        assert alike or not variable.uniform, f"{variable.name} is the same in all lanes"
        self.add("set", variable, given)

    def whole(self, value: Value) -> Value:
        """A number from zero to below 2³¹, rounded down to a whole one."""
        return self.record("whole", INT, (value,), uniform=value.uniform)

    def is_multiple(self, value: Value, power: int) -> Value:
        """Whether a whole number is a multiple of a power of two."""
        mask = self.value(power - 1, INT)
        rest = self.record("&", INT, (value, mask), uniform=value.uniform)
        return rest.equals(0)

    def quotient(self, first: Value, second: Value) -> Value:
        """Of two whole numbers that are not negative, rounded down; lane by lane."""
        return self.record("//", INT, (first, second), uniform=first.uniform and second.uniform)

    def remainder(self, first: Value, second: Value) -> Value:
        """What a division of two whole numbers leaves; lane by lane."""
        return self.record("%", INT, (first, second), uniform=first.uniform and second.uniform)

    def any(self, condition: Value) -> Value:
        """Whether a condition holds in some lane."""
        if condition.uniform:
            return condition
        return self.record("any", BOOL, (condition,), uniform=not self.in_lane)

    @contextlib.contextmanager
    def work_of(self, thread: int | None) -> Generator[None]:
        """What one thread computes of those that work on a trajectory; None where one does all."""
        outer, self._owner = self._owner, thread
        try:
            yield
        finally:
            self._owner = outer

    # Ways through it --------------------------------------------------------------------------

    @contextlib.contextmanager
    def _within(self, block: Block) -> Generator[None]:
        outer, self._block = self._block, block
        try:
            yield
        finally:
            self._block = outer

    @contextlib.contextmanager
    def _around(self, loops: int) -> Generator[None]:
        outer, self._loops = self._loops, loops
        try:
            yield
        finally:
            self._loops = outer

    @contextlib.contextmanager
    def when(self, condition: Value) -> Generator[None]:
        """What is done only where a condition holds; in lanes, one that all have alike."""
        assert condition.uniform or self.in_lane, "not alike in all lanes: for_each()"
        block = Block()
        with self._within(block):
            yield
        self.add("when", condition, block)

    @contextlib.contextmanager
    def loop(self) -> Generator[None]:
        """What is done again and again, until `leave`."""
        block = Block()
        with self._within(block), self._around(self._loops + 1):
            yield
        self.add("loop", block)

    def leave(self, condition: Value) -> None:
        """End the innermost loop, of either kind, where a condition holds."""
        assert condition.uniform or self.in_lane
        assert self._loops, "no loop, or one around all lanes"
        self.add("leave", condition)

    def stop(self, condition: Value) -> None:
        """End the kernel where a condition holds."""
        assert condition.uniform
        self.add("stop", condition)

    @contextlib.contextmanager
    def for_each(self, condition: Value) -> Generator[None]:
        """What is done, lane by lane, for those in which a condition holds."""
        assert not self.in_lane
        block = Block()
        self.in_lane = True
        try:
            with self._within(block), self._around(0):
                yield
        finally:
            self.in_lane = False
        self.add("for_each", condition, block)

    @contextlib.contextmanager
    def aside(self, *, is_quick: bool = False) -> Generator[None]:
        """What is rare, and keeps nothing else from being fast; in a lane.

        Variables that are made in it are its own, and are gone after it; of those that are the same
        in all lanes, it has no others.

        Args:
            is_quick: whether to make it fast, too, is worth a compiler's time.
        """
        assert self.in_lane
        block, before = Block(), len(self.variables)
        with self._within(block), self._around(0):
            yield
        own = self.variables[before:]
        self.gone.update(variable.number for variable in own)
        self.add("aside", f"aside_{self.count()}", is_quick, block, own)

    @contextlib.contextmanager
    def count_up(self, name: str, end: Operand, at_once: int = 1) -> Generator[Value]:
        """A loop over whole numbers from zero; how many is the same in all lanes.

        Args:
            name: of the number.
            end: the first that is not gone through.
            at_once: how many turns a compiler for GPUs is to write out, one after the other.
        """
        index = Value(self, INT, uniform=True)
        index.name = name
        limit = self.value(end, INT)
        assert limit.uniform
        block = Block()
        block.at_once = at_once
        with self._within(block), self._around(self._loops + 1):
            yield index
        self.add("count_up", index, limit, block)

    def function(
        self,
        name: str,
        parameters: Sequence[LocalArray],
        write: Callable[[], None],
        *,
        by_vector: bool = False,
    ) -> Function:
        """Code to be called from several places; `write` writes it.

        Args:
            name: of it, or of all that are alike.
            parameters: arrays that it is given.
            write: writes it.
            by_vector: whether each vector of lanes goes through all of it before the next one
                does. What it calls goes so, too.
        """
        number = sum(other.family == name for other in self.functions)
        made = Function(name, number, parameters, by_vector=by_vector)
        self.functions.append(made)
        outer, self.variables = self.variables, made.variables
        try:
            with self._within(made.body), self._around(0):
                write()
        finally:
            self.variables = outer
        return made

    def parameter(self, name: str, kind: str) -> LocalArray:
        """An array that a function is given."""
        return LocalArray(self, kind, name, 0, is_rare=False)

    def invoke(self, function: Function, *given: tuple[LocalArray, Operand]) -> None:
        """Call a function on arrays, each from a place in it on.

        It works for all lanes, also where one calls it: what it writes is then nobody else's.
        """
        passed = [(array, self.value(offset, INT)) for array, offset in given]
        self.add("invoke", function, passed)


def all_instructions(block: Block) -> Iterator[tuple[Any, ...]]:
    """The instructions of a block and of those within it."""
    for instruction in block.instructions:
        yield instruction
        for item in instruction:
            if isinstance(item, Block):
                yield from all_instructions(item)


def items(operands: Sequence[Any]) -> Iterator[Any]:
    """What an instruction is applied to, one by one."""
    for item in operands:
        if isinstance(item, list | tuple):
            yield from items(item)  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield item


NAN, INFINITY = math.nan, math.inf
