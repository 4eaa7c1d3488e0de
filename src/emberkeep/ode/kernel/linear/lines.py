"""The factors of a matrix as straight lines: each number of theirs is a value of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode import status
from emberkeep.ode.kernel.code import INT, REAL
from emberkeep.ode.kernel.equations import vector_place
from emberkeep.ode.kernel.linear.matrix import CANCELLED, GROWN, LARGEST, read_trouble
from emberkeep.ode.kernel.linear.number import Number
from emberkeep.ode.kernel.vectors import Vector
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from emberkeep.ode.kernel.code import Code, Function, LocalArray, Value
    from emberkeep.ode.kernel.linear.matrix import Entry, Matrix, Shape
    from emberkeep.ode.kernel.linear.ordering import Block, Place
    from emberkeep.ode.kernel.vectors import Layout, Shares

    # A number of the factors: which, of which shape, and where in it.
    Key = tuple[str, int, int, int]
    Numbers = Callable[[Key], Number]

INVERSE, LOWER, UPPER, OUTER = "inverse", "lower", "upper", "outer"


@final
@frozen
class Judgement:
    """What is known of some pivots.

    Attributes:
        is_lost: whether one is zero, or has no right digits.
        total: of each times its inverse, which is not-a-number where one is infinite, or zero.
    """

    is_lost: Value
    total: Value

    @staticmethod
    def of(is_lost: Value, product: Value, others: Judgement | None) -> Judgement:
        """That of one more."""
        if others is None:
            return Judgement(is_lost, product)
        return Judgement(others.is_lost | is_lost, others.total + product)


@final
class Lines:
    """What factors a matrix, and solves with it.

    Args:
        code: what is written.
        matrix: which.
        shares: which thread's a state is, where several work on it.
    """

    def __init__(self, code: Code, matrix: Matrix, shares: Shares | None = None) -> None:
        self._code, self._matrix, self._shares = code, matrix, shares

    def keys(self) -> list[Key]:
        """All numbers that the factors consist of."""
        found: list[Key] = []
        for number, shape in enumerate(self._matrix.shapes):
            for row, column in sorted(shape.entries):
                kind = INVERSE if row == column else LOWER if row > column else UPPER
                found.append((kind, number, row, column))
        return [*found, *((OUTER, place, 0, 0) for place in range(len(self._matrix.between)))]

    def factored(self, entries: Vector, h: Value) -> tuple[dict[Key, Number], Value]:
        """The factors' numbers, and what is wrong with them."""
        code, back = self._code, -h
        numbers: dict[Key, Number] = {}
        judged: dict[int | None, Judgement] = {}
        for number, shape in enumerate(self._matrix.shapes):
            matrix: dict[Place, Number] = {}
            for place, entry in shape.entries.items():
                if entry.slope >= 0 or entry.mass:
                    with code.work_of(self._owner(number, place[0])):
                        matrix[place] = self._entry(entry, entries, back)
            self._eliminated(number, shape, matrix, numbers, judged)
        for place, entry in enumerate(self._matrix.between):
            numbers[OUTER, place, 0, 0] = (
                -self._entry(entry, entries, back)
                if entry.mass
                else Number(h * entries.get(entry.slope))
            )
        return numbers, self._verdict([*judged.values()])

    def _verdict(self, judged: list[Judgement]) -> Value:
        """What is wrong with the factors, or else with what they are made of."""
        code = self._code
        is_lost, total = judged[0].is_lost, judged[0].total
        for other in judged[1:]:
            is_lost, total = is_lost | other.is_lost, total + other.total
        what = code.where(is_lost, code.value(status.SINGULAR, INT), status.NO_JACOBIAN)
        is_sound = ~is_lost & total.equals(total)
        return code.told(code.where(is_sound, code.value(status.RUNNING, INT), what))

    def _entry(self, entry: Entry, entries: Vector, back: Value) -> Number:
        mass = Number.of(self._code, self._matrix.diagonal * entry.mass)
        if entry.factor >= 0:
            mass = Number(entries.get(entry.factor)) * mass
        if entry.slope < 0:
            return mass
        slope = Number(entries.get(entry.slope))
        return mass.plus_product(Number(back), slope) if entry.mass else Number(back) * slope

    def _eliminated(
        self,
        number: int,
        shape: Shape,
        matrix: dict[Place, Number],
        numbers: dict[Key, Number],
        judged: dict[int | None, Judgement],
    ) -> None:
        """Eliminate a block; pivots are judged, by whom they belong to."""
        code, left = self._code, shape.updates()
        on_the_way: dict[int, Value] = {}  # sizes of what a pivot was before it was what it is
        precision = "float32" if code.is_single else "float64"
        lost, most = CANCELLED[precision], LARGEST[precision]
        there = {
            place: matrix[place, place] for place in range(shape.size) if (place, place) in matrix
        }
        for place in range(shape.size):
            owner = self._owner(number, place)
            with code.work_of(owner):
                pivot = matrix[place, place]
                inverse = numbers[INVERSE, number, place, place] = pivot.inverse()
                is_lost = pivot.size().equals(0.0)
                if place in on_the_way:
                    bound = pivot.size() * lost
                    if place in there:
                        bound = code.call("fmuladd", there[place].size(), GROWN, bound)
                    is_lost = is_lost | (bound <= code.smaller(on_the_way[place], most))
                judged[owner] = Judgement.of(is_lost, (pivot * inverse).real, judged.get(owner))
                for column in shape.right[place]:
                    numbers[UPPER, number, place, column] = -matrix[place, column]
            for row in shape.below[place]:
                with code.work_of(self._owner(number, row)):
                    factor = numbers[LOWER, number, row, place] = -(matrix[row, place] * inverse)
                    self._update(matrix, factor, place, row, shape.right[place])
                    if row in shape.right[place]:
                        left[row] -= 1
                        if left[row]:
                            size, before = matrix[row, row].size(), on_the_way.get(row)
                            on_the_way[row] = size if before is None else before + size

    def _update(
        self,
        matrix: dict[Place, Number],
        factor: Number,
        place: int,
        row: int,
        columns: Iterable[int],
    ) -> None:
        """Add a multiple of a pivot's row to another."""
        for column in columns:
            above, before = matrix[place, column], matrix.get((row, column))
            matrix[row, column] = (
                factor * above if before is None else before.plus_product(factor, above)
            )

    def _owner(self, shape: int, place: int) -> int | None:
        """The thread that a pivot belongs to: of the first block that has its shape."""
        return self._owner_in(self._matrix.blocks[self._matrix.shape_of.index(shape)], place)

    def _owner_in(self, block: Block, place: int) -> int | None:
        return None if self._shares is None else self._shares.owners[block.pivots[place][1]]

    def solved(self, number: Numbers, right: Vector, imaginary: Vector | None) -> None:
        """Solve with factors that are there."""
        matrix, parts = self._matrix, [right, *([imaginary] if imaginary else [])]
        rest = [Number(*(part.get(row) for part in parts)) for row in range(matrix.size)]
        solution: dict[int, Number] = {}
        between = {entry: place for place, entry in enumerate(matrix.between)}
        for block, shape_number in zip(matrix.blocks, matrix.shape_of, strict=True):
            shape = matrix.shapes[shape_number]
            places = {row: place for place, (row, _) in enumerate(block.pivots)}
            for row, column in block.outer:
                outer = number((OUTER, between[matrix.outer[row, column]], 0, 0))
                with self._code.work_of(self._owner_in(block, places[row])):
                    rest[row] = rest[row].plus_product(outer, solution[column])
            part = [rest[row] for row, _ in block.pivots]
            for place in range(shape.size):
                for row in shape.below[place]:
                    factor = number((LOWER, shape_number, row, place))
                    with self._code.work_of(self._owner_in(block, row)):
                        part[row] = part[row].plus_product(factor, part[place])
            for place in reversed(range(shape.size)):
                with self._code.work_of(self._owner_in(block, place)):
                    for column in shape.right[place]:
                        factor = number((UPPER, shape_number, place, column))
                        part[place] = part[place].plus_product(factor, part[column])
                    part[place] = part[place] * number((INVERSE, shape_number, place, place))
            for (_, column), value in zip(block.pivots, part, strict=True):
                solution[column] = value
        for state, value in solution.items():
            for part, number_part in zip(parts, value.parts, strict=True):
                part.set(state, number_part)

    def solved_transposed(self, number: Numbers, right: Vector) -> None:
        """Solve the transposed system with factors that are there: the same steps, backwards."""
        matrix = self._matrix
        rest = [Number(right.get(column)) for column in range(matrix.size)]
        between = {entry: place for place, entry in enumerate(matrix.between)}
        both = zip(matrix.blocks, matrix.shape_of, strict=True)
        for block, shape_number in reversed([*both]):
            shape = matrix.shapes[shape_number]
            part = [rest[column] for _, column in block.pivots]
            for place in range(shape.size):
                part[place] = part[place] * number((INVERSE, shape_number, place, place))
                for column in shape.right[place]:
                    factor = number((UPPER, shape_number, place, column))
                    part[column] = part[column].plus_product(factor, part[place])
            for place in reversed(range(shape.size)):
                for row in shape.below[place]:
                    factor = number((LOWER, shape_number, row, place))
                    part[place] = part[place].plus_product(factor, part[row])
            solution = {row: value for (row, _), value in zip(block.pivots, part, strict=True)}
            for row, column in block.outer:
                outer = number((OUTER, between[matrix.outer[row, column]], 0, 0))
                rest[column] = rest[column].plus_product(outer, solution[row])
            for row, value in solution.items():
                right.set(row, value.real)


def keep(code: Code, found: LocalArray, kept: LocalArray, count: int, where: Value) -> None:
    """Write numbers that last from step to step, in lanes where they are others."""
    with code.count_up("i", count) as index:
        kept.set(index, code.where(where, found.get(index), kept.get(index)))


@final
class Functions:
    """The same, within functions that work on arrays: for large systems.

    Args:
        layout: where vectors lie.
        matrix: what is factored.
        lines: what functions consist of.
    """

    def __init__(self, layout: Layout, matrix: Matrix, lines: Lines) -> None:
        code = self._code = layout.code
        self._matrix, self._lines = matrix, lines
        self._places: dict[Key, tuple[int, ...]] = {}  # of a number's parts
        self._most = (2 if matrix.diagonal.imag else 1) * len(lines.keys())
        self._array = self._found = code.array("factors", REAL, self._most + 1)
        self._step = code.array("step", REAL, 1)
        self._factoring: Function | None = None
        self._solving: Function | None = None
        self._solving_transposed: Function | None = None

    def factor(self, entries: Vector, h: Value, where: Value | None = None) -> Value:
        """Factor, from what the Jacobian's entries are; what is wrong with the factors.

        In lanes where the condition does not hold, factors stay what they were.
        """
        self._step.set(0, h)
        if self._factoring is None:
            self._factoring = self._make_factoring(entries.size)
        given = (vector_place(entries), (self._step, 0), (self._found, 0))
        self._code.invoke(self._factoring, *given)
        if where is not None:
            if self._array is self._found:
                self._array = self._code.array("kept_factors", REAL, self._most)
            keep(self._code, self._found, self._array, self._most, where)
        return read_trouble(self._code, self._found.get(self._most))

    def solve(self, right: Vector, imaginary: Vector | None) -> None:
        """Solve, in place of the right-hand side."""
        parts = [right, *([imaginary] if imaginary else [])]
        if self._solving is None:
            self._solving = self._make_solving(len(parts))
        self._code.invoke(self._solving, (self._array, 0), *map(vector_place, parts))

    def solve_transposed(self, right: Vector) -> None:
        """Solve the transposed system, likewise; all is real."""
        code = self._code
        if self._solving_transposed is None:
            numbers, vector = (code.parameter(name, REAL) for name in ("numbers", "right"))
            self._solving_transposed = code.function(
                "transposed_solution",
                [numbers, vector],
                lambda: self._lines.solved_transposed(
                    lambda key: Number(*map(numbers.get, self._places[key])),
                    Vector(self._matrix.size, array=vector),
                ),
            )
        code.invoke(self._solving_transposed, (self._array, 0), vector_place(right))

    def _make_factoring(self, count: int) -> Function:
        code, places, keys = self._code, self._places, self._lines.keys()
        parameters = [code.parameter(name, REAL) for name in ("entries", "h", "result")]
        entries, h, result = parameters

        def write() -> None:
            given = Vector(count, array=entries)
            numbers, trouble = self._lines.factored(given, h.get(0))
            free = 0
            for key in keys:
                parts = numbers[key].parts
                places[key] = (*range(free, free + len(parts)),)
                for place, part in zip(places[key], parts, strict=True):
                    result.set(place, part)
                free += len(parts)
            result.set(self._most, code.value(trouble, REAL))

        return code.function("factorisation", parameters, write)

    def _make_solving(self, parts: int) -> Function:
        code = self._code
        names = ("numbers", "right", "imaginary")[: 1 + parts]
        numbers, *vectors = parameters = [code.parameter(name, REAL) for name in names]

        def write() -> None:
            right, *imaginary = (Vector(self._matrix.size, array=vector) for vector in vectors)
            self._lines.solved(
                lambda key: Number(*map(numbers.get, self._places[key])),
                right,
                imaginary[0] if imaginary else None,
            )

        return code.function("solution", parameters, write)
