"""Solving with the factors of a very large matrix, by loops over tables of where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import REAL
from emberkeep.ode.kernel.linear.number import Number
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emberkeep.ode.kernel.code import Code, Table, Value, Variable
    from emberkeep.ode.kernel.linear.matrix import Entry, Matrix
    from emberkeep.ode.kernel.linear.number import Numbers
    from emberkeep.ode.kernel.linear.ordering import Place


@final
class Ranges:
    """Lists after one another, with where each begins.

    Args:
        code: what is written.
        name: of the tables.
        lists: for each list, the numbers in several tables, alike in length.
        tables: how many tables.
    """

    def __init__(
        self, code: Code, name: str, lists: Sequence[Sequence[tuple[int, ...]]], tables: int
    ) -> None:
        begins = [0]
        for each in lists:
            begins.append(begins[-1] + len(each))
        self._code, self._begins = code, code.table(f"{name}_begins", begins)
        flat = [item for each in lists for item in each]
        self._tables = [
            code.table(f"{name}_{place}", [item[place] for item in flat]) for place in range(tables)
        ]

    def of(self, number: Value) -> tuple[Value, Value]:
        """Where a list begins, and how long it is."""
        begin = self._begins.get(number)
        return begin, self._begins.get(number + 1) - begin

    def get(self, place: Value) -> list[Value]:
        """What stands at a place."""
        return [table.get(place) for table in self._tables]


@final
@frozen
class Lists:
    """What solving goes through.

    Attributes:
        blocks: where each begins among pivots.
        outer: of entries between blocks: row, place and column.
        pivots: of each its row, column, and the place of its diagonal.
        below: of factors below a pivot: place and row.
        after: of factors right of a pivot: place and column.
    """

    blocks: Table
    outer: Ranges
    pivots: list[Table]
    below: Ranges
    after: Ranges


@final
class Substitution:
    """What solves.

    Args:
        code: what is written.
        matrix: which.
        places: of factors, by the number of a shape and where in it.
        between: of entries between blocks.
    """

    def __init__(
        self,
        code: Code,
        matrix: Matrix,
        places: Mapping[tuple[int, Place], int],
        between: Mapping[Entry, int],
    ) -> None:
        self._code, self._matrix = code, matrix
        self._places, self._between = places, between
        self._lists: Lists | None = None

    def solve(self, factors: Numbers, solution: Numbers, right: Numbers) -> None:
        """Write a solution, in place of a right-hand side.

        Args:
            factors: there are.
            solution: memory to work in.
            right: the right-hand side.
        """
        code, lists = self._code, self._listed()
        blocks, pivots, below, after = lists.blocks, lists.pivots, lists.below, lists.after
        with code.count_up("block", len(self._matrix.blocks)) as block:
            begin, count = lists.outer.of(block)
            with code.count_up("entry", count) as entry:
                row, place, column = lists.outer.get(begin + entry)
                rest = right.get(row).plus_product(factors.get(place), solution.get(column))
                right.set(row, rest)
            begin, count = blocks.get(block), blocks.get(block + 1) - blocks.get(block)
            with code.count_up("pivot", count) as pivot:
                value = right.get(pivots[0].get(begin + pivot))
                first, rows = below.of(begin + pivot)
                with code.count_up("row", rows) as each:
                    place, row = below.get(first + each)
                    right.set(row, right.get(row).plus_product(factors.get(place), value))
            totals = [code.variable(f"total{kind}", REAL) for kind in right.kinds]
            with code.count_up("back", count) as back:
                pivot = begin + count - 1 - back
                row, column, diagonal = (table.get(pivot) for table in pivots)
                self._follow(totals, right.get(row))
                first, columns = after.of(pivot)
                with code.count_up("column", columns) as each:
                    place, other = after.get(first + each)
                    total = Number(*(part.get() for part in totals))
                    product = factors.get(place), solution.get(other)
                    self._follow(totals, total.plus_product(*product))
                total = Number(*(part.get() for part in totals))
                solution.set(column, total * factors.get(diagonal))
        with code.count_up("i", self._matrix.size) as index:
            right.set(index, solution.get(index))

    def solve_transposed(self, factors: Numbers, solution: Numbers, right: Numbers) -> None:
        """The same of the transposed system, by the same steps backwards; all is real."""
        code, lists = self._code, self._listed()
        rows, columns, diagonals = lists.pivots
        last = len(self._matrix.blocks) - 1
        with code.count_up("turn", last + 1) as turn:
            block = last - turn
            begin = lists.blocks.get(block)
            count = lists.blocks.get(block + 1) - begin
            with code.count_up("pivot", count) as each:
                pivot = begin + each
                column = columns.get(pivot)
                value = right.get(column) * factors.get(diagonals.get(pivot))
                right.set(column, value)
                first, wide = lists.after.of(pivot)
                with code.count_up("column", wide) as entry:
                    place, other = lists.after.get(first + entry)
                    right.set(other, right.get(other).plus_product(factors.get(place), value))
            total = code.variable("total", REAL)
            with code.count_up("back", count) as back:
                pivot = begin + count - 1 - back
                total.set(right.get(columns.get(pivot)).real)
                first, long = lists.below.of(pivot)
                with code.count_up("row", long) as entry:
                    place, row = lists.below.get(first + entry)
                    product = factors.get(place), solution.get(row)
                    total.set(Number(total.get()).plus_product(*product).real)
                solution.set(rows.get(pivot), Number(total.get()))
            first, count = lists.outer.of(block)
            with code.count_up("entry", count) as entry:
                row, place, column = lists.outer.get(first + entry)
                rest = right.get(column).plus_product(factors.get(place), solution.get(row))
                right.set(column, rest)
        with code.count_up("i", self._matrix.size) as index:
            right.set(index, solution.get(index))

    def _follow(self, variables: Sequence[Variable], number: Number) -> None:
        for variable, part in zip(variables, number.parts, strict=True):
            variable.set(part)

    def _listed(self) -> Lists:
        if self._lists is None:
            self._lists = self._make_lists()
        return self._lists

    def _make_lists(self) -> Lists:
        code, matrix = self._code, self._matrix
        begins = [0]
        outer: list[list[tuple[int, ...]]] = []
        pivots: list[tuple[int, int, int]] = []
        below: list[list[tuple[int, ...]]] = []
        after: list[list[tuple[int, ...]]] = []
        for block, number in zip(matrix.blocks, matrix.shape_of, strict=True):
            shape, places = matrix.shapes[number], self._places
            begins.append(begins[-1] + shape.size)
            outer.append(
                [
                    (row, self._between[matrix.outer[row, column]], column)
                    for row, column in block.outer
                ]
            )
            rows, columns = zip(*block.pivots, strict=True)
            for place in range(shape.size):
                pivots.append((rows[place], columns[place], places[number, (place, place)]))
                below.append(
                    [(places[number, (row, place)], rows[row]) for row in shape.below[place]]
                )
                after.append(
                    [
                        (places[number, (place, column)], columns[column])
                        for column in shape.right[place]
                    ]
                )
        return Lists(
            code.table("blocks", begins),
            Ranges(code, "outer", outer, 3),
            [
                code.table(name, [pivot[part] for pivot in pivots])
                for part, name in enumerate(("rows", "columns", "solved"))
            ],
            Ranges(code, "under", below, 2),
            Ranges(code, "after", after, 2),
        )
