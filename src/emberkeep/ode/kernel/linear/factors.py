"""The matrix of implicit steps, W = I/γ - hJ, taken apart into triangles, as straight lines.

Pivots lie where the order puts them, whatever the numbers are; so the growth of numbers is watched.
A pivot that is next to nothing beside the products it was made from, where these were far larger
than what the matrix had there, has no right digits. The step is not taken then, and tried again
with a smaller h, for which W comes near to I/γ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode import status
from emberkeep.ode.kernel.code import BOOL, INFINITY, INT, REAL
from emberkeep.ode.kernel.equations import vector_place
from emberkeep.ode.kernel.linear.ordering import ordering
from emberkeep.ode.kernel.vectors import Vector
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.ode.kernel.code import Function, Value
    from emberkeep.ode.kernel.equations import Equations
    from emberkeep.ode.kernel.linear.ordering import Block, Place
    from emberkeep.ode.kernel.vectors import Layout

    # A number of the factors: which, of which block, and where in it.
    Key = tuple[str, int, int, int]
    Numbers = Callable[[Key], Value]

# A pivot may be so many times smaller than the products that it was made from, ...
CANCELLED = {"float32": 2.0**12, "float64": 2.0**40}
# ... and these so many times larger than what was there, not both.
GROWN = 2.0**10

INVERSE, LOWER, UPPER, OUTER = "inverse", "lower", "upper", "outer"


@final
@frozen
class Entry:
    """What an entry of the matrix is made of.

    Attributes:
        slope: where it is among the numbers of the Jacobian; negative for a zero there.
        mass: what there is of 1/γ.
    """

    slope: int
    mass: float


@final
class Shape:
    """A block by the places of its pivots in their order; several may have the same.

    Args:
        block: whose.
        entry: what an entry of the matrix is made of.
    """

    def __init__(self, block: Block, entry: Callable[[Place], Entry]) -> None:
        rows = {row: place for place, (row, _) in enumerate(block.pivots)}
        columns = {column: place for place, (_, column) in enumerate(block.pivots)}
        self.size = len(block.pivots)
        self.entries = {
            (rows[row], columns[column]): entry((row, column))
            for row, column in sorted(block.inner)
        }
        self.below: list[list[int]] = [[] for _ in block.pivots]  # by column
        self.right: list[list[int]] = [[] for _ in block.pivots]  # by row
        for row, column in sorted(self.entries):
            if row > column:
                self.below[column].append(row)
            elif column > row:
                self.right[row].append(column)


@final
class Factors:
    """The factors of W for one trajectory.

    Args:
        layout: where vectors lie.
        equations: whose Jacobian it is.
        states: how many there are.
        gamma: γ.
    """

    def __init__(self, layout: Layout, equations: Equations, states: int, gamma: float) -> None:
        self._layout, self._code, self._states = layout, layout.code, states
        self._diagonal = 1.0 / gamma
        slopes = equations.jacobian()
        # Equal entries are one: blocks that are alike in all of them are factored once.
        self._values = [*dict.fromkeys(slopes.values())]
        places = {value: place for place, value in enumerate(self._values)}

        def entry(at: Place) -> Entry:
            found = slopes.get(at)
            return Entry(-1 if found is None else places[found], float(at[0] == at[1]))

        pattern = {*slopes, *((state, state) for state in range(states))}
        self._blocks = ordering(states, pattern)
        self._shapes: list[Shape] = []  # each once
        self._shape_of: list[int] = []  # by block
        known: dict[object, int] = {}
        for block in self._blocks:
            shape = Shape(block, entry)
            number = known.setdefault((*shape.entries.items(),), len(self._shapes))
            if number == len(self._shapes):
                self._shapes.append(shape)
            self._shape_of.append(number)
        self._outer = {place: entry(place).slope for block in self._blocks for place in block.outer}
        self._jacobian = equations.evaluation("jacobian", self._values)
        self._entries = layout.passing("jacobian", len(self._values))
        self._numbers: dict[Key, Value] = {}
        self._trouble: Value | None = None
        self._in_arrays = InArrays(layout, self) if layout.large else None

    @property
    def trouble(self) -> Value:
        """What is wrong with the factors; `status.RUNNING` for nothing."""
        assert self._trouble is not None, "not factored yet"
        return self._trouble

    def factor(self, at: Vector, inputs: Vector, time: Value, h: Value) -> None:
        """Write the factors at a place, for a step.

        Args:
            at: the states.
            inputs: parameters and constants.
            time: when.
            h: length of the step, negative backwards.
        """
        self._jacobian.write(at, inputs, time, self._entries)
        if self._in_arrays is not None:
            self._trouble = self._in_arrays.factor(self._entries, h)
        else:
            self._numbers, self._trouble = self.factored(self._entries, h)

    def solve(self, right: Vector) -> None:
        """Write the solution, in place of the right-hand side."""
        if self._in_arrays is not None:
            self._in_arrays.solve(right)
        else:
            self.solved(self._numbers.__getitem__, right)

    def keys(self) -> list[Key]:
        """All numbers that the factors consist of."""
        found: list[Key] = []
        for number, shape in enumerate(self._shapes):
            for row, column in sorted(shape.entries):
                kind = INVERSE if row == column else LOWER if row > column else UPPER
                found.append((kind, number, row, column))
        return [*found, *((OUTER, slope, 0, 0) for slope in {*self._outer.values()})]

    # Written here -----------------------------------------------------------------------------

    def factored(self, entries: Vector, h: Value) -> tuple[dict[Key, Value], Value]:
        """The factors' numbers, and what is wrong with them."""
        code, back = self._code, -h
        numbers: dict[Key, Value] = {}
        sound, total = code.value(True, BOOL), code.value(0.0, REAL)  # noqa: FBT003 - a literal
        for number, shape in enumerate(self._shapes):
            matrix = {
                place: self._entry(entry, entries, back)
                for place, entry in shape.entries.items()
                if entry.slope >= 0 or entry.mass
            }
            sound, total = self._eliminated(number, shape, matrix, numbers, sound, total)
        for slope in sorted({*self._outer.values()}):
            numbers[OUTER, slope, 0, 0] = h * entries.get(slope)
        is_number = total.equals(total)
        what = code.where(is_number, code.value(status.SINGULAR, INT), status.NO_JACOBIAN)
        is_sound = sound & (code.call("fabs", total) < INFINITY)
        return numbers, code.where(is_sound, code.value(status.RUNNING, INT), what)

    def _entry(self, entry: Entry, entries: Vector, back: Value) -> Value:
        code = self._code
        mass = code.value(self._diagonal * entry.mass, REAL)
        if entry.slope < 0:
            return mass
        slope = entries.get(entry.slope)
        return code.call("fmuladd", back, slope, mass) if entry.mass else back * slope

    def _eliminated(
        self,
        number: int,
        shape: Shape,
        matrix: dict[Place, Value],
        numbers: dict[Key, Value],
        sound: Value,
        total: Value,
    ) -> tuple[Value, Value]:
        """Eliminate a block; whether all pivots were sound, and the sum of their inverses."""
        code = self._code
        products: dict[int, Value] = {}  # that a pivot is made from, by their size
        lost = CANCELLED["float32" if code.is_single else "float64"]
        there = {
            place: matrix[place, place] for place in range(shape.size) if (place, place) in matrix
        }
        for place in range(shape.size):
            pivot = matrix[place, place]
            if place in products:
                bound = code.call("fabs", pivot) * lost
                if place in there:
                    bound = code.call("fmuladd", code.call("fabs", there[place]), GROWN, bound)
                sound = sound & (bound > products[place])
            inverse = numbers[INVERSE, number, place, place] = 1.0 / pivot
            total = total + inverse
            for column in shape.right[place]:
                numbers[UPPER, number, place, column] = -matrix[place, column]
            for row in shape.below[place]:
                factor = numbers[LOWER, number, row, place] = -(matrix[row, place] * inverse)
                for column in shape.right[place]:
                    above = matrix[place, column]
                    before = matrix.get((row, column))
                    matrix[row, column] = (
                        factor * above
                        if before is None
                        else code.call("fmuladd", factor, above, before)
                    )
                    if row == column:
                        size = code.call("fabs", factor) * code.call("fabs", above)
                        products[row] = size if row not in products else products[row] + size
        return sound, total

    def solved(self, number: Numbers, right: Vector) -> None:
        """Solve with factors that are there."""
        code, fused = self._code, "fmuladd"
        rest = {row: right.get(row) for row in range(self._states)}
        solution: dict[int, Value] = {}
        for block, shape_number in zip(self._blocks, self._shape_of, strict=True):
            shape = self._shapes[shape_number]
            for row, column in block.outer:
                outer = number((OUTER, self._outer[row, column], 0, 0))
                rest[row] = code.call(fused, outer, solution[column], rest[row])
            part = [rest[row] for row, _ in block.pivots]
            for place in range(shape.size):
                for row in shape.below[place]:
                    factor = number((LOWER, shape_number, row, place))
                    part[row] = code.call(fused, factor, part[place], part[row])
            for place in reversed(range(shape.size)):
                for column in shape.right[place]:
                    factor = number((UPPER, shape_number, place, column))
                    part[place] = code.call(fused, factor, part[column], part[place])
                part[place] = part[place] * number((INVERSE, shape_number, place, place))
            for (_, column), value in zip(block.pivots, part, strict=True):
                solution[column] = value
        for state, value in solution.items():
            right.set(state, value)


@final
class InArrays:
    """The factors of a large system: functions that work on arrays.

    Args:
        layout: where vectors lie.
        factors: what they write.
    """

    def __init__(self, layout: Layout, factors: Factors) -> None:
        code = self._code = layout.code
        self._factors = factors
        self._places = {key: place for place, key in enumerate(factors.keys())}
        self._array = code.array("factors", REAL, len(self._places) + 1)
        self._step = code.array("step", REAL, 1)
        self._factoring: Function | None = None
        self._solving: Function | None = None

    def factor(self, entries: Vector, h: Value) -> Value:
        """Factor, from what the Jacobian's entries are; what is wrong with the factors."""
        self._step.set(0, h)
        if self._factoring is None:
            self._factoring = self._make_factoring(entries.size)
        given = (vector_place(entries), (self._step, 0), (self._array, 0))
        self._code.invoke(self._factoring, *given)
        code, trouble = self._code, self._array.get(len(self._places))
        found = code.value(status.RUNNING, INT)
        for each in (status.SINGULAR, status.NO_JACOBIAN):
            found = code.where(trouble.equals(float(each)), each, found)
        return found

    def solve(self, right: Vector) -> None:
        """Solve, in place of the right-hand side."""
        if self._solving is None:
            self._solving = self._make_solving(right.size)
        self._code.invoke(self._solving, (self._array, 0), vector_place(right))

    def _make_factoring(self, count: int) -> Function:
        code, places = self._code, self._places
        parameters = [code.parameter(name, REAL) for name in ("entries", "h", "result")]
        entries, h, result = parameters

        def write() -> None:
            given = Vector(count, array=entries)
            numbers, trouble = self._factors.factored(given, h.get(0))
            for key, place in places.items():
                result.set(place, numbers[key])
            result.set(len(places), code.value(trouble, REAL))

        return code.function("factorisation", parameters, write)

    def _make_solving(self, states: int) -> Function:
        code = self._code
        parameters = [code.parameter(name, REAL) for name in ("numbers", "right")]
        numbers, right = parameters

        def write() -> None:
            self._factors.solved(
                lambda key: numbers.get(self._places[key]), Vector(states, array=right)
            )

        return code.function("solution", parameters, write)
