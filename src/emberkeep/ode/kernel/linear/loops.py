"""The factors of a very large matrix, by loops over tables of where its entries are.

Straight lines for thousands of products take a compiler seconds, and do not fit the caches for
instructions; loops take a tenth longer, or twice as long, and are compiled at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode import status
from emberkeep.ode.kernel.code import BOOL, REAL
from emberkeep.ode.kernel.equations import vector_place
from emberkeep.ode.kernel.linear.lines import keep
from emberkeep.ode.kernel.linear.matrix import CANCELLED, GROWN, read_trouble
from emberkeep.ode.kernel.linear.number import Number, Numbers
from emberkeep.ode.kernel.linear.substitution import Ranges, Substitution
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emberkeep.ode.kernel.code import Function, LocalArray, Table, Value
    from emberkeep.ode.kernel.linear.matrix import Matrix
    from emberkeep.ode.kernel.vectors import Layout, Vector


@final
@frozen
class Lists:
    """What elimination goes through, by pivot.

    Attributes:
        below: of each row below: its entry; the one that it multiplies on its own diagonal, or -1;
            the number of its own pivot; where its targets begin.
        right: entries right of a pivot.
        targets: for each row below, what its products with those are subtracted from.
    """

    below: Ranges
    right: Ranges
    targets: Table


@final
class Loops:
    """Factoring and solving, as functions that go through tables.

    Args:
        layout: where vectors lie.
        matrix: what is factored.
        entries: how many numbers the Jacobian has.
    """

    def __init__(self, layout: Layout, matrix: Matrix, entries: int) -> None:
        self._code, self._matrix, self._entries = layout.code, matrix, entries
        self._places = {
            (number, place): index
            for index, (number, place) in enumerate(
                (number, place)
                for number, shape in enumerate(matrix.shapes)
                for place in sorted(shape.entries)
            )
        }
        inner = len(self._places)
        between = enumerate(matrix.between, inner)
        self._between = {entry: place for place, entry in between}
        self._pivots = sum(shape.size for shape in matrix.shapes)
        code, count = self._code, inner + len(self._between)
        self._trouble = count
        # The real parts, then the imaginary ones.
        self._kinds = ("", "_imaginary") if matrix.diagonal.imag else ("",)
        self._factors = [code.array(f"factors{kind}", REAL, count + 1) for kind in self._kinds]
        self._found = self._factors
        self._step = code.array("step", REAL, 1)
        self._products = code.array("products", REAL, self._pivots)
        self._there = code.array("there", REAL, self._pivots)
        self._solution = [code.array(f"solution{kind}", REAL, matrix.size) for kind in self._kinds]
        self._factoring: Function | None = None
        self._solving: Function | None = None
        self._solving_transposed: Function | None = None
        self._substitution = Substitution(code, matrix, self._places, self._between)

    def factor(self, entries: Vector, h: Value, where: Value | None = None) -> Value:
        """Factor, from what the Jacobian's entries are; what is wrong with the factors.

        In lanes where the condition does not hold, factors stay what they were.
        """
        self._step.set(0, h)
        if self._factoring is None:
            names = ("entries", "h", "products", "there", *self._named("factors"))
            parameters = [self._code.parameter(name, REAL) for name in names]
            self._factoring = self._code.function(
                "factorisation", parameters, lambda: self._write_factoring(*parameters)
            )
        work = (self._step, self._products, self._there, *self._found)
        given = [vector_place(entries), *((array, 0) for array in work)]
        self._code.invoke(self._factoring, *given)
        if where is not None:
            if self._factors is self._found:
                names = self._named("kept_factors")
                self._factors = [self._code.array(name, REAL, self._trouble) for name in names]
            for found, kept in zip(self._found, self._factors, strict=True):
                keep(self._code, found, kept, self._trouble, where)
        return read_trouble(self._code, self._found[0].get(self._trouble))

    def solve(self, right: Vector, imaginary: Vector | None) -> None:
        """Solve, in place of the right-hand side."""
        width = len(self._kinds)
        if self._solving is None:
            names = [
                each for name in ("factors", "solution", "right") for each in self._named(name)
            ]
            parameters = [self._code.parameter(name, REAL) for name in names]
            numbers = [
                Numbers(*parameters[place : place + width])
                for place in range(0, len(parameters), width)
            ]
            self._solving = self._code.function(
                "solution", parameters, lambda: self._substitution.solve(*numbers)
            )
        parts = [right, *([imaginary] if imaginary else [])]
        work = (*self._factors, *self._solution)
        given = [*((array, 0) for array in work), *map(vector_place, parts)]
        self._code.invoke(self._solving, *given)

    def solve_transposed(self, right: Vector) -> None:
        """Solve the transposed system, likewise; all is real."""
        if self._solving_transposed is None:
            names = ("factors", "solution", "right")
            parameters = [self._code.parameter(name, REAL) for name in names]
            self._solving_transposed = self._code.function(
                "transposed_solution",
                parameters,
                lambda: self._substitution.solve_transposed(*map(Numbers, parameters)),
            )
        work = ((self._factors[0], 0), (self._solution[0], 0))
        self._code.invoke(self._solving_transposed, *work, vector_place(right))

    def _named(self, name: str) -> list[str]:
        return [f"{name}{kind}" for kind in self._kinds]

    # Factoring --------------------------------------------------------------------------------

    def _write_factoring(
        self,
        entries: LocalArray,
        h: LocalArray,
        products: LocalArray,
        there: LocalArray,
        *parts: LocalArray,
    ) -> None:
        code, factors = self._code, Numbers(*parts)
        self._fill(entries, factors, h.get(0))
        diagonals = code.table("diagonals", self._diagonals())
        with code.count_up("i", self._pivots) as index:
            products.set(index, 0.0)
            there.set(index, factors.get(diagonals.get(index)).size())
        sound = code.variable("sound", BOOL, code.value(True, BOOL))  # noqa: FBT003 - a literal
        total = code.variable("inverses", REAL, 0.0)
        lost = CANCELLED["float32" if code.is_single else "float64"]
        lists = self._lists()
        with code.count_up("pivot", self._pivots) as pivot:
            place = diagonals.get(pivot)
            value = factors.get(place)
            bound = value.size() * lost
            bound = code.call("fmuladd", there.get(pivot), GROWN, bound)
            sound.set(sound.get() & (bound > products.get(pivot)))
            inverse = value.inverse()
            factors.set(place, inverse)
            total.set(total.get() + (value * inverse).real)
            begin, count = lists.below.of(pivot)
            with code.count_up("row", count) as row:
                below = lists.below.get(begin + row)
                self._subtract(factors, products, inverse, below, lists, pivot)
            across, wide = lists.right.of(pivot)
            with code.count_up("column", wide) as column:
                [place] = lists.right.get(across + column)
                factors.set(place, -factors.get(place))
        is_number = total.get().equals(total.get())
        self._judge(sound.get() & is_number, entries, factors.real)

    def _subtract(
        self,
        factors: Numbers,
        products: LocalArray,
        inverse: Number,
        row: Sequence[Value],
        lists: Lists,
        pivot: Value,
    ) -> None:
        """Take a multiple of a pivot's row from one below it."""
        across, wide = lists.right.of(pivot)
        code = self._code
        place, above, its_pivot, first = row
        factor = -(factors.get(place) * inverse)
        factors.set(place, factor)
        with code.count_up("column", wide) as column:
            [source] = lists.right.get(across + column)
            target = lists.targets.get(first + column)
            factors.set(target, factors.get(target).plus_product(factor, factors.get(source)))
        with code.when(above >= 0):
            size = factor.size() * factors.get(above).size()
            products.set(its_pivot, products.get(its_pivot) + size)

    def _fill(self, entries: LocalArray, factors: Numbers, h: Value) -> None:
        """The matrix, before anything is eliminated; of what is between blocks, its negative."""
        code, back, shapes = self._code, -h, self._matrix.shapes
        with code.count_up("i", self._trouble) as index:
            factors.set(index, Number.of(code, 0.0))
        moved: list[tuple[int, int]] = []
        massive: dict[tuple[float, bool], list[tuple[int, int]]] = {}
        for index, entry in (
            *((index, shapes[shape].entries[at]) for (shape, at), index in self._places.items()),
            *((index, entry) for entry, index in self._between.items()),
        ):
            if entry.slope >= 0:
                moved.append((index, entry.slope))
            if entry.mass:
                alike = massive.setdefault((entry.mass, entry.factor >= 0), [])
                alike.append((index, entry.factor))
        targets = code.table("moved", [index for index, _ in moved])
        sources = code.table("moved_from", [slope for _, slope in moved])
        with code.count_up("i", len(moved)) as place:
            slope = Number(back * entries.get(sources.get(place)))
            factors.set(targets.get(place), slope)
        for (mass, is_scaled), places in massive.items():
            table = code.table("massive", [index for index, _ in places])
            scales = code.table("massive_by", [scale for _, scale in places]) if is_scaled else None
            with code.count_up("i", len(places)) as place:
                at = table.get(place)
                part = Number.of(code, self._matrix.diagonal * mass)
                if scales is not None:
                    part = Number(entries.get(scales.get(place))) * part
                factors.set(at, factors.get(at) + part)
        with code.count_up("i", len(self._between)) as place:
            index = place + len(self._places)
            factors.set(index, -factors.get(index))

    def _diagonals(self) -> list[int]:
        """Where the diagonal of each pivot of each shape is."""
        return [
            self._places[number, (place, place)]
            for number, shape in enumerate(self._matrix.shapes)
            for place in range(shape.size)
        ]

    def _lists(self) -> Lists:
        below: list[list[tuple[int, ...]]] = []
        right: list[list[tuple[int, ...]]] = []
        targets: list[int] = []
        first = 0
        for number, shape in enumerate(self._matrix.shapes):
            for pivot in range(shape.size):
                columns = shape.right[pivot]
                right.append([(self._places[number, (pivot, each)],) for each in columns])
                below.append([])
                for row in shape.below[pivot]:
                    above = self._places[number, (pivot, row)] if row in columns else -1
                    place = self._places[number, (row, pivot)]
                    below[-1].append((place, above, first + row, len(targets)))
                    targets += [self._places[number, (row, each)] for each in columns]
            first += shape.size
        code = self._code
        return Lists(
            Ranges(code, "below", below, 4),
            Ranges(code, "right", right, 1),
            code.table("targets", targets),
        )

    def _judge(self, is_sound: Value, entries: LocalArray, factors: LocalArray) -> None:
        """What is wrong where something is: rare, and so looked for only there."""
        code = self._code
        factors.set(self._trouble, float(status.RUNNING))
        with code.when(code.any(~is_sound)):
            total = code.variable("total", REAL, 0.0)
            with code.count_up("i", self._entries) as index:
                total.set(total.get() + entries.get(index) * 0.0)
            what = code.where(
                total.get().equals(0.0), float(status.SINGULAR), float(status.NO_JACOBIAN)
            )
            factors.set(self._trouble, code.where(is_sound, float(status.RUNNING), what))
