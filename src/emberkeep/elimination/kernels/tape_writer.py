# pyright: basic
"""Writing elimination down as single operations, for a tape.

What numba compiles: types are in the signatures, memory is given, nothing is allocated. Each
operation is a column of `written`: kind, target, first and second operand. The target, which begins
as zero, grows by the product or the quotient; it is read only after all that it is made of.
"""

import numpy as np

from emberkeep.elimination.kernels.factors import edges_of, sizes, triangles_of
from emberkeep.elimination.layout import DIVIDE, ELIMINATED, MULTIPLY, ONE
from emberkeep.targets.kernel import kernel

OWN = ("emberkeep.elimination",)


def _note(written, at, kind, target, first, second):
    """Write an operation; where the next one goes."""
    written[0, at] = kind
    written[1, at] = target
    written[2, at] = first
    written[3, at] = second
    return at + 1


@kernel(
    "uint32[::1], int64[::1], int64[::1], int64[::1], int64[:, ::1], int64[::1]",
    threads=1,
    name="tape_factors",
    own=OWN,
)
def write_factors(_, pattern, weights, slots, where, written, count):
    """The factors, as `eliminate` finds them.

    `slots` holds the first slot of: raw entries of L, entries of L, entries of U, what leaves a
    row's component, D. A row that is a component by itself has one slot for the last two.
    """
    n, _lowers, _uppers = sizes(pattern)
    eliminated = np.int64(pattern[ELIMINATED])
    _, block_end, edge_begin, edge_end, column = edges_of(pattern)
    lower_starts, lower, upper_starts, upper = triangles_of(pattern)
    raw, final, above, leaving, diagonal = slots[0], slots[1], slots[2], slots[3], slots[4]
    at = np.int64(0)
    for r in range(n):
        begin, end = np.int64(lower_starts[r]), np.int64(lower_starts[r + 1])
        first, last = np.int64(upper_starts[r]), np.int64(upper_starts[r + 1])
        alone = begin == end and first == last
        out = leaving + r
        if alone and r < eliminated:
            out = diagonal + r
        for s in range(begin, end):
            where[lower[s]] = raw + s
        for s in range(first, last):
            where[upper[s]] = above + s
        for e in range(np.int64(edge_begin[r]), np.int64(edge_end[r])):
            t = out
            if column[e] < block_end[r]:
                t = where[column[e]]
            at = _note(written, at, MULTIPLY, t, weights[e], ONE)
        for s in range(begin, end):
            v = np.int64(lower[s])
            at = _note(written, at, DIVIDE, final + s, raw + s, diagonal + v)
            for q in range(np.int64(upper_starts[v]), np.int64(upper_starts[v + 1])):
                if upper[q] != r:
                    at = _note(written, at, MULTIPLY, where[upper[q]], final + s, above + q)
            at = _note(written, at, MULTIPLY, out, final + s, leaving + v)
        if r < eliminated and not alone:
            at = _note(written, at, MULTIPLY, diagonal + r, out, ONE)
            for q in range(first, last):
                at = _note(written, at, MULTIPLY, diagonal + r, above + q, ONE)
    count[0] = at


@kernel(
    "uint32[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[:, ::1], int64[::1]",
    threads=1,
    name="tape_solution",
    own=OWN,
)
def write_solution(_, pattern, weights, factors, slots, right, written, count):
    """The solution of M x = b, as `solve` finds it.

    `slots` holds the first slot of: sums, sums with what is above, the solution. `right` has a slot
    by row, or -1 for zero.
    """
    n, _lowers, _uppers = sizes(pattern)
    block_begin, _, edge_begin, edge_end, column = edges_of(pattern)
    lower_starts, lower, upper_starts, upper = triangles_of(pattern)
    final, above, diagonal = factors[1], factors[2], factors[4]
    summed, whole, solution = slots[0], slots[1], slots[2]
    at = np.int64(0)
    end = n
    while end > 0:
        begin = np.int64(block_begin[end - 1])
        for r in range(begin, end):
            if right[r] >= 0:
                at = _note(written, at, MULTIPLY, summed + r, right[r], ONE)
            for e in range(np.int64(edge_begin[r]), np.int64(edge_end[r])):
                c = np.int64(column[e])
                if end <= c < n:
                    at = _note(written, at, MULTIPLY, summed + r, weights[e], solution + c)
            for s in range(np.int64(lower_starts[r]), np.int64(lower_starts[r + 1])):
                at = _note(written, at, MULTIPLY, summed + r, final + s, summed + lower[s])
        for r in range(end - 1, begin - 1, -1):
            first, last = np.int64(upper_starts[r]), np.int64(upper_starts[r + 1])
            t = summed + r
            if last > first:
                t = whole + r
                at = _note(written, at, MULTIPLY, t, summed + r, ONE)
                for q in range(first, last):
                    at = _note(written, at, MULTIPLY, t, above + q, solution + upper[q])
            at = _note(written, at, DIVIDE, solution + r, t, diagonal + r)
        end = begin
    count[0] = at


@kernel(
    "int64[:, ::1], int64[::1], int64[::1]",
    threads=1,
    name="tape_levels",
    own=OWN,
)
def find_levels(_, written, level_of_slot, level):
    """How many operations come before each, one after another, at least."""
    for i in range(written.shape[1]):
        t, a, b = written[1, i], written[2, i], written[3, i]
        level[i] = max(level_of_slot[a], level_of_slot[b])
        level_of_slot[t] = max(level_of_slot[t], level[i] + 1)


@kernel(
    "int64[:, ::1], int64[::1], int64[::1], int64[::1]",
    threads=1,
    name="tape_useful",
    own=OWN,
)
def find_useful(_, written, there, wanted, useful):
    """Which operations are on a way from what is there to what is wanted."""
    many = written.shape[1]
    for i in range(many):
        useful[i] = there[written[2, i]] & there[written[3, i]]
        there[written[1, i]] |= useful[i]
    for i in range(many - 1, -1, -1):
        useful[i] &= wanted[written[1, i]]
        wanted[written[2, i]] |= useful[i]
        wanted[written[3, i]] |= useful[i]
