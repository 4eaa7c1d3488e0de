"""Symbolic factorisation: an order of elimination and the factors' patterns, for any numbers.

The matrix is that of a Markov chain's outflow: M = D - W, with rates (or probabilities) W of going
from one vertex to another, and D, in each row, the sum of all that goes out, also to where the
chain ends. Components are eliminated one by one: nothing fills in between them. Within one,
M = (I - L)(D - U), with L and U nowhere negative. D is a sum of what goes out (Grassmann, Taksar
and Heyman, Operations Research 33, 1985), so that nothing is subtracted anywhere, and each entry is
right to a few units in the last place, whatever the range of rates.

It is one array, stored and loaded as it is; `layout` draws it.
"""

from __future__ import annotations

import numpy as np

from emberkeep.elimination.kernels.pattern import find_components, find_order, find_patterns
from emberkeep.elimination.layout import (
    EDGES,
    ELIMINATED,
    HEADER,
    LOWER,
    ROWS,
    UPPER,
    VERSION,
    VERTICES,
)
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]

ORDER_ROWS = 11  # of memory that finding an order takes


@final
@frozen
class SparsityPattern:
    """An order, and where the factors have entries: the array, and its parts by name; all views.

    Attributes:
        array: as it is stored.
    """

    array: Values

    @property
    def rows(self) -> int:
        """How many rows there are: vertices that can be left."""
        return int(self.array[ROWS])

    @property
    def eliminated(self) -> int:
        """How many rows are eliminated: all, unless some were to stay."""
        return int(self.array[ELIMINATED])

    @property
    def edges(self) -> int:
        """How many edges there are."""
        return int(self.array[EDGES])

    @property
    def entries(self) -> tuple[int, int]:
        """How many entries the two factors have."""
        return int(self.array[LOWER]), int(self.array[UPPER])

    @property
    def vertex(self) -> Values:
        """The vertex of each row."""
        return self._part(0, self.rows)

    @property
    def column(self) -> Values:
        """The row that each edge leads to."""
        return self._part(5 * self.rows, self.edges)

    @property
    def edge_ranges(self) -> tuple[Values, Values]:
        """The first edge of each row, and the one after its last."""
        return self._part(3 * self.rows, self.rows), self._part(4 * self.rows, self.rows)

    @property
    def lower(self) -> tuple[Values, Values]:
        """The pattern of L: where rows begin, and columns."""
        at = 5 * self.rows + self.edges
        return (
            self._part(at, self.rows + 1),
            self._part(at + self.rows + 1, self.entries[0]),
        )

    @property
    def upper(self) -> tuple[Values, Values]:
        """The pattern of U: where rows begin, and columns."""
        lower, upper = self.entries
        at = 5 * self.rows + self.edges + self.rows + 1 + lower
        return self._part(at, self.rows + 1), self._part(at + self.rows + 1, upper)

    @property
    def slots(self) -> int:
        """How many numbers the factors are: L, U, D, and what leaves each row's component."""
        return sum(self.entries) + 2 * self.rows

    def _part(self, begin: int, size: int) -> Values:
        return self.array[HEADER + begin : HEADER + begin + size]

    def fits(self, starts: Values, targets: Values) -> bool:
        """Whether it was recorded for exactly these edges."""
        if len(self.array) < HEADER or self.array[0] != VERSION:
            return False
        lower, upper = self.entries
        rows, edges = self.rows, self.edges
        if len(self.array) != HEADER + 5 * rows + edges + 2 * (rows + 1) + lower + upper:
            return False
        if self.array[VERTICES] != len(starts) - 1 or edges != len(targets):
            return False
        begin, end = self.edge_ranges
        vertex = self.vertex
        if rows and vertex.max() >= len(starts) - 1:
            return False
        if (begin != starts[vertex]).any() or (end != starts[vertex + np.uint32(1)]).any():
            return False
        # Where the chain ends there are no edges; what is a row has some.
        ends = np.diff(starts) == 0
        if rows != np.count_nonzero(~ends) or (self.column > rows).any():
            return False
        if not self._is_within():
            return False
        led = np.append(vertex, np.uint32(0))[self.column]
        inside = self.column < rows
        return bool((led == targets)[inside].all() and ends[targets[~inside]].all())

    def _is_within(self) -> bool:
        """Whether all that is looked up by its numbers is there: compiled code does not check."""
        rows, (lowers, uppers) = self.rows, self.entries
        begins, ends = self._part(rows, rows), self._part(2 * rows, rows)
        number = np.arange(rows)
        if (begins > number).any() or (ends <= number).any() or (ends > rows).any():
            return False
        lower_starts, lower = self.lower
        upper_starts, upper = self.upper
        for starts, total in ((lower_starts, lowers), (upper_starts, uppers)):
            if starts[0] != 0 or starts[-1] != total or (starts[1:] < starts[:-1]).any():
                return False
        of_lower = np.repeat(number, np.diff(lower_starts))
        of_upper = np.repeat(number, np.diff(upper_starts))
        return bool(
            (lower < of_lower).all()
            and (upper < rows).all()
            and ((upper > of_upper) | (of_upper >= self.eliminated)).all()
        )


def components(starts: Values, targets: Values) -> Values:
    """The component of each vertex; edges between components go from lower to higher numbers."""
    count = len(starts) - 1
    found = np.empty(count + 1, np.int64)
    find_components(starts, targets, found, np.empty((5, max(count, 1)), np.int64), count=1)
    return found[-1] - 1 - found[:-1]


def minimum_degree(sources: Values, targets: Values, count: int) -> Values:
    """An order of elimination in which few new edges appear; direction does not count.

    Approximate minimum degree, on a quotient graph (Amestoy, Davis and Duff, SIAM J. Matrix Anal.
    Appl. 17, 1996).
    """
    there = sources != targets
    first = np.concatenate([sources[there], targets[there]]).astype(np.int64)
    second = np.concatenate([targets[there], sources[there]]).astype(np.int64)
    pairs = np.unique(first * count + second)
    rows, neighbours = pairs // max(count, 1), pairs % max(count, 1)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=count))])
    order = np.empty(count, np.int64)
    work = np.empty((ORDER_ROWS, max(count, 1)), np.int64)
    members = np.empty(len(neighbours) + count + 1, np.int64)
    find_order(starts, np.ascontiguousarray(neighbours), order, work, members, count=1)
    return order


def analyse(starts: Values, targets: Values, keep: Values | None = None) -> SparsityPattern:
    """Find an order and the factors' patterns for a graph's edges.

    Args:
        starts: the first edge of each vertex, and the end of all.
        targets: where each edge leads. What has no edges is where the chain ends.
        keep: vertices that are not to be eliminated; their rows come last, and then hold, in U,
            what leads from each to each by way of all that was eliminated.
    """
    count = len(starts) - 1
    sources = np.repeat(np.arange(count), np.diff(starts))
    left = np.diff(starts) > 0
    stays = np.zeros(count, bool) if keep is None else keep & left
    goes = left & ~stays
    # Within components of what is eliminated; what stays is one block after all of them.
    inner = goes[sources] & goes[targets]
    number = _within(goes, sources[inner], targets[inner], count)
    joined = inner & (number[sources] == number[targets])
    rank = np.empty(count, np.int64)
    rank[minimum_degree(sources[joined], targets[joined].astype(np.int64), count)] = np.arange(
        count
    )
    vertex = np.lexsort((rank, number))
    vertex = vertex[left[vertex]]
    block = number[vertex] if keep is None else np.zeros(len(vertex), np.int64)
    return _assembled(starts, targets, vertex, block, int(np.count_nonzero(goes)))


def _within(goes: Values, sources: Values, targets: Values, count: int) -> Values:
    """The components of part of a graph; what is no part of it comes after them."""
    starts = np.zeros(count + 1, np.uint32)
    np.cumsum(np.bincount(sources, minlength=count), out=starts[1:])
    number = components(starts, np.ascontiguousarray(targets, np.uint32))
    number[~goes] = count + 1
    return number


def _assembled(
    starts: Values, targets: Values, vertex: Values, block: Values, eliminated: int
) -> SparsityPattern:
    """The array for an order of rows, whose components follow each other."""
    rows, edges, count = len(vertex), len(targets), len(starts) - 1
    row = np.full(count, rows, np.uint32)
    row[vertex] = np.arange(rows, dtype=np.uint32)
    column = row[targets]
    first = np.flatnonzero(np.r_[True, block[1:] != block[:-1]]) if rows else np.empty(0, np.int64)
    sizes = np.diff(np.append(first, rows))
    block_begin = np.repeat(first, sizes).astype(np.uint32)
    block_end = np.repeat(first + sizes, sizes).astype(np.uint32)
    edge_begin = np.ascontiguousarray(starts[vertex], np.uint32)
    edge_end = np.ascontiguousarray(starts[vertex + 1], np.uint32)
    lower_starts, upper_starts = np.zeros(rows + 1, np.uint32), np.zeros(rows + 1, np.uint32)
    lower, upper = np.empty(edges + 16, np.uint32), np.empty(edges + 16, np.uint32)
    state, work = np.zeros(1, np.int64), np.full((3, rows + 1), -1, np.int64)
    while state[0] < rows:
        find_patterns(
            rows, eliminated, block_end, edge_begin, edge_end, column,
            lower_starts, lower, upper_starts, upper, state, work, count=1,
        )  # fmt: skip
        if state[0] < rows:
            lower, upper = _larger(lower, rows), _larger(upper, rows)
    lowers, uppers = int(lower_starts[rows]), int(upper_starts[rows])
    header = np.zeros(HEADER, np.uint32)
    header[:6] = VERSION, rows, count, edges, lowers, uppers
    header[ELIMINATED] = eliminated
    parts = [
        header,
        vertex.astype(np.uint32),
        block_begin,
        block_end,
        edge_begin,
        edge_end,
        column,
        lower_starts,
        lower[:lowers],
        upper_starts,
        upper[:uppers],
    ]
    return SparsityPattern(np.concatenate(parts))


def _larger(array: Values, least: int) -> Values:
    """Twice the room, and enough for any one row."""
    grown = np.empty(2 * len(array) + least, array.dtype)
    grown[: len(array)] = array
    return grown
