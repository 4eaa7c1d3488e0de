"""In which order the unknowns of a sparse linear system are eliminated; of its pattern alone.

Rows are matched to columns first, so that each pivot is an entry that can be other than zero: its
own diagonal, wherever that is one. Then the system is taken apart into blocks that need only those
solved before (strongly connected components), and within a block the next pivot is the one that
makes the fewest products (Markowitz, Management Science 3, 1957).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    Place = tuple[int, int]


POSTPONED = 4  # times as many products, rather than a pivot that may vanish


@final
@frozen
class Block:
    """Unknowns that are solved for together.

    Attributes:
        pivots: row and column of each, in the order of elimination.
        inner: the entries of its rows and columns, also those that elimination fills in.
        outer: the entries of its rows whose columns are solved for in blocks before.
    """

    pivots: tuple[Place, ...]
    inner: frozenset[Place]
    outer: tuple[Place, ...]


def ordering(
    size: int,
    pattern: Collection[Place],
    preferred: Iterable[Collection[Place]] = (),
    stages: Sequence[int] = (),
) -> tuple[Block, ...]:
    """The blocks of a system, in the order in which they are solved.

    Args:
        size: how many unknowns.
        pattern: rows and columns of all entries that may be other than zero.
        preferred: those of them that are better pivots, the best first; each with those before it.
        stages: for each column, when it is eliminated: those of a later stage after all of those
            before; empty where the order is free.

    Raises:
        StructurallySingular: no choice of numbers in these places could be solved; names rows.
    """
    entries = set(pattern)
    candidates = [*preferred, entries]
    row_of = _matched(size, candidates)
    columns_in: dict[int, list[int]] = {row: [] for row in range(size)}
    for row, column in sorted(entries):
        columns_in[row].append(column)
    blocks: list[Block] = []
    for members in _components(size, [columns_in[row] for row in row_of]):
        inside = set(members)
        rows = {row_of[column] for column in members}
        inner = {(row, column) for row in rows for column in columns_in[row] if column in inside}
        outer = [
            (row, column)
            for row in sorted(rows)
            for column in columns_in[row]
            if column not in inside
        ]
        diagonal = [(row_of[column], column) for column in sorted(members)]
        pivots, filled = _eliminated(diagonal, inner, candidates[0], stages)
        blocks.append(Block(pivots, frozenset(filled), tuple(outer)))
    return tuple(blocks)


@final
class StructurallySingular(Exception):  # noqa: N818 - reads as what it says
    """A system that no numbers in its places can make soluble.

    Args:
        rows: that have fewer columns among them than they are many.
    """

    def __init__(self, rows: Iterable[int]) -> None:
        self.rows = tuple(rows)
        super().__init__(self.rows)  # as it is made again from a pickle

    def __str__(self) -> str:
        return f"rows {', '.join(map(str, self.rows))} cannot all be solved"


def _matched(size: int, stages: Sequence[Collection[Place]]) -> list[int]:
    """For each column, the row of its pivot: the diagonal wherever that can be."""
    row_of = [-1] * size
    for entries in stages:
        rest = set(range(size)) - {*row_of}
        for row in rest & {row for row, column in entries if row == column and row_of[row] < 0}:
            row_of[row] = row
        columns: dict[int, list[int]] = {row: [] for row in range(size)}
        for row, column in sorted(entries):
            columns[row].append(column)
        for start in sorted(set(range(size)) - {*row_of}):
            try:
                came, free = _augmenting(start, columns, row_of)
            except StructurallySingular:
                if entries is stages[-1]:
                    raise
                continue
            while free >= 0:
                row_of[free], free = came[free]
    return row_of


def _augmenting(
    start: int, columns: Mapping[int, Sequence[int]], row_of: Sequence[int]
) -> tuple[dict[int, Place], int]:
    """A way from a row without a column to a column without a row, breadth first.

    Returns:
        For each column that was met, its row on the way and that row's own column; and the end.

    Raises:
        StructurallySingular: there is none.
    """
    came: dict[int, Place] = {}
    waiting, seen = [(start, -1)], {start}
    for row, held in waiting:
        for column in columns[row]:
            if column in came:
                continue
            came[column] = (row, held)
            if row_of[column] < 0:
                return came, column
            if row_of[column] not in seen:
                seen.add(row_of[column])
                waiting.append((row_of[column], column))
    raise StructurallySingular(sorted(seen))


def _components(size: int, needs: Sequence[Sequence[int]]) -> list[list[int]]:
    """Strongly connected components, each after those that it needs (Tarjan)."""
    found: list[list[int]] = []
    reached: dict[int, int] = {}  # when, by vertex
    lowest: dict[int, int] = {}  # the earliest still open that is reached from it
    still_open: dict[int, None] = {}
    for start in range(size):
        if start in reached:
            continue
        path = [(start, iter(needs[start]))]
        reached[start] = lowest[start] = len(reached)
        still_open[start] = None
        while path:
            vertex, ahead = path[-1]
            following = next(ahead, None)
            if following is None:
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[vertex])
                if lowest[vertex] == reached[vertex]:
                    component = [vertex]
                    while (last := still_open.popitem()[0]) != vertex:
                        component.append(last)
                    found.append(component)
            elif following not in reached:
                reached[following] = lowest[following] = len(reached)
                still_open[following] = None
                path.append((following, iter(needs[following])))
            elif following in still_open:
                lowest[vertex] = min(lowest[vertex], reached[following])
    return found


def _eliminated(
    diagonal: list[Place], inner: set[Place], best: Collection[Place], stages: Sequence[int]
) -> tuple[tuple[Place, ...], set[Place]]:
    """Pivots in the order of the fewest products, and all entries there are in the end.

    Pivots that are not among the best count as several times as many, so that what others leave of
    them comes to them first: where they vanish by themselves, that need not.
    """
    columns: dict[int, set[int]] = {row: set() for row, _ in diagonal}
    rows: dict[int, set[int]] = {column: set() for _, column in diagonal}
    for row, column in inner:
        columns[row].add(column)
        rows[column].add(row)
    filled, left = set(inner), list(diagonal)
    pivots: list[Place] = []

    def cost(pivot: Place) -> tuple[int, int]:
        stage = stages[pivot[1]] if stages else 0
        products = (len(rows[pivot[1]]) - 1) * (len(columns[pivot[0]]) - 1)
        return stage, products if pivot in best else (products + 1) * POSTPONED

    while left:
        chosen = min(left, key=cost)
        left.remove(chosen)
        pivots.append(chosen)
        row, column = chosen
        others, across = rows.pop(column) - {row}, columns.pop(row) - {column}
        for each in across:
            rows[each].discard(row)
        for other in others:
            columns[other].discard(column)
            for each in across - columns[other]:
                columns[other].add(each)
                rows[each].add(other)
                filled.add((other, each))
    return tuple(pivots), filled
