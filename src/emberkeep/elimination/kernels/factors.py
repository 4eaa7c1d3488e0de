# pyright: basic
"""Evaluating a pattern: weights, factors, solutions; for one vector, or for several side by side.

What numba compiles: types are in the signatures, memory is given, nothing is allocated.
"""

import numpy as np

from emberkeep.elimination.layout import (
    BAD_WEIGHT,
    EDGES,
    ELIMINATED,
    FORWARD,
    GOOD,
    HEADER,
    LOWER,
    ROWS,
    UPPER,
)
from emberkeep.targets.kernel import Kernel, kernel

OWN = ("emberkeep.elimination",)

FAST = ("contract", "nsz")


def sizes(pattern):
    """Rows, entries of L, entries of U."""
    return np.int64(pattern[ROWS]), np.int64(pattern[LOWER]), np.int64(pattern[UPPER])


def edges_of(pattern):
    """By row, where its component begins and ends, and its edges; where each edge leads."""
    n, at = np.int64(pattern[ROWS]), HEADER + np.int64(pattern[ROWS])
    return (
        pattern[at : at + n],
        pattern[at + n : at + 2 * n],
        pattern[at + 2 * n : at + 3 * n],
        pattern[at + 3 * n : at + 4 * n],
        pattern[at + 4 * n : at + 4 * n + np.int64(pattern[EDGES])],
    )


def triangles_of(pattern):
    """Where rows of L begin, and its columns; the same of U."""
    n, lowers, uppers = sizes(pattern)
    at = HEADER + 5 * n + np.int64(pattern[EDGES])
    then = at + n + 1 + lowers
    return (
        pattern[at : at + n + 1],
        pattern[at + n + 1 : then],
        pattern[then : then + n + 1],
        pattern[then + n + 1 : then + n + 1 + uppers],
    )


def _side_by_side(width):
    """Sums for one vector, in a register, or for several, side by side in memory."""

    def gather(x, r, values, offset, begin, end, columns, low, high):
        """Add to x[r] what the entries of a row, in columns from low to high, take from x."""
        if width == 1:
            total = x[r]
            for s in range(begin, end):
                c = np.int64(columns[s])
                if low <= c < high:
                    total += values[offset + s] * x[c]
            x[r] = total
        else:
            for s in range(begin, end):
                c = np.int64(columns[s])
                if low <= c < high:
                    for b in range(width):
                        x[r * width + b] += values[(offset + s) * width + b] * x[c * width + b]

    def scatter(x, r, values, offset, begin, end, columns, low, high):
        """Add to x, in columns from low to high, what the entries of a row give of x[r]."""
        for s in range(begin, end):
            c = np.int64(columns[s])
            if low <= c < high:
                for b in range(width):
                    x[c * width + b] += x[r * width + b] * values[(offset + s) * width + b]

    def weigh(w, begin, end, base, coefficients, theta):
        """Weights of a row's edges."""
        parameters = coefficients.shape[1]
        for e in range(begin, end):
            if width == 1:
                total = base[e]
                for j in range(parameters):
                    total += coefficients[e, j] * theta[j]
                w[e] = total
            else:
                # The first parameter along with the base: memory is what takes time here.
                c = coefficients[e, 0] if parameters > 0 else 0.0
                for b in range(width):
                    w[e * width + b] = base[e] + (c * theta[b] if parameters > 0 else 0.0)
                for j in range(1, parameters):
                    c = coefficients[e, j]
                    if c != 0.0:
                        for b in range(width):
                            w[e * width + b] += c * theta[j * width + b]

    def leave(f, w, out, begin, end):
        """All that leaves a row that is a component by itself."""
        if width == 1:
            total = f[out]
            for e in range(begin, end):
                total += w[e]
            f[out] = total
        else:
            for e in range(begin, end):
                for b in range(width):
                    f[out * width + b] += w[e * width + b]

    return gather, scatter, weigh, leave


def evaluate_kernel(width: int) -> Kernel:
    """The kernel that evaluates weights and factors."""
    _, _, weigh, leave = _side_by_side(width)

    @kernel(
        "uint32[::1], float64[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], "
        "float64[::1], float64[:, ::1], float64[:, ::1], uint32[:, ::1], int64[::1], "
        "int64[:, ::1]",
        fastmath=FAST,
        name=f"eliminate_{width}",
        own=OWN,
    )
    def eliminate(
        block,
        pattern,
        base,
        coefficients,
        theta,
        killing,
        killed,
        weights,
        factors,
        slot,
        doubtful,
        status,
    ):
        """Weights, and factors by rows. A row that cannot be left is noted in `status`."""
        n, lowers, uppers = sizes(pattern)
        eliminated = np.int64(pattern[ELIMINATED])
        _, block_end, edge_begin, edge_end, column = edges_of(pattern)
        lower_starts, lower, upper_starts, upper = triangles_of(pattern)
        diagonal, leaving = lowers + uppers, lowers + uppers + n
        where, w, f, marks = slot[block], weights[block], factors[block], status[block]
        for b in range(width):
            marks[b] = GOOD
        for r in range(n):
            begin, end = np.int64(lower_starts[r]), np.int64(lower_starts[r + 1])
            first, last = np.int64(upper_starts[r]), np.int64(upper_starts[r + 1])
            out, d = leaving + r, diagonal + r
            for b in range(width):
                f[out * width + b] = killing[block, b] * killed[r]
            e0, e1 = np.int64(edge_begin[r]), np.int64(edge_end[r])
            weigh(w, e0, e1, base, coefficients, theta[block])
            if doubtful[0] != 0:
                for e in range(e0, e1):
                    for b in range(width):
                        if not w[e * width + b] >= 0.0:
                            marks[b] = BAD_WEIGHT
            if begin == end and first == last:
                leave(f, w, out, e0, e1)
                for b in range(width):
                    f[d * width + b] = f[out * width + b]
            else:
                for s in range(begin, end):
                    where[lower[s]] = s
                    for b in range(width):
                        f[s * width + b] = 0.0
                for s in range(first, last):
                    where[upper[s]] = lowers + s
                    for b in range(width):
                        f[(lowers + s) * width + b] = 0.0
                for e in range(e0, e1):
                    t = out
                    if column[e] < block_end[r]:
                        t = np.int64(where[column[e]])
                    for b in range(width):
                        f[t * width + b] += w[e * width + b]
                for s in range(begin, end):
                    v = np.int64(lower[s])
                    for b in range(width):
                        f[s * width + b] /= f[(diagonal + v) * width + b]
                    for q in range(np.int64(upper_starts[v]), np.int64(upper_starts[v + 1])):
                        if upper[q] != r:
                            t = np.int64(where[upper[q]])
                            for b in range(width):
                                f[t * width + b] += f[s * width + b] * f[(lowers + q) * width + b]
                    for b in range(width):
                        f[out * width + b] += f[s * width + b] * f[(leaving + v) * width + b]
                for b in range(width):
                    f[d * width + b] = f[out * width + b]
                for q in range(first, last):
                    for b in range(width):
                        f[d * width + b] += f[(lowers + q) * width + b]
            if r < eliminated:
                for b in range(width):
                    size = f[d * width + b]
                    if not (size > 0.0 and size < np.inf):
                        # Finite, so that it does no harm where nothing leads here.
                        f[d * width + b] = 1.0
                        if marks[b] == GOOD:
                            marks[b] = r

    return eliminate


def solve_kernel(width: int) -> Kernel:
    """The kernel that solves with them."""
    gather, scatter, _, _ = _side_by_side(width)

    @kernel(
        "uint32[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], int64",
        fastmath=FAST,
        name=f"solve_{width}",
        own=OWN,
    )
    def solve(
        block,
        pattern,
        weights,
        factors,
        solutions,
        direction,
    ):
        """In place of right sides, solutions: of M x = b, or of x M = b."""
        n, lowers, uppers = sizes(pattern)
        block_begin, block_end, edge_begin, edge_end, column = edges_of(pattern)
        lower_starts, lower, upper_starts, upper = triangles_of(pattern)
        diagonal = lowers + uppers
        x, w, f = solutions[block], weights[block], factors[block]
        if direction == FORWARD:
            end = n
            while end > 0:
                begin = np.int64(block_begin[end - 1])
                for r in range(begin, end):
                    e0, e1 = np.int64(edge_begin[r]), np.int64(edge_end[r])
                    gather(x, r, w, 0, e0, e1, column, end, n)
                    s0, s1 = np.int64(lower_starts[r]), np.int64(lower_starts[r + 1])
                    gather(x, r, f, 0, s0, s1, lower, 0, n)
                for r in range(end - 1, begin - 1, -1):
                    s0, s1 = np.int64(upper_starts[r]), np.int64(upper_starts[r + 1])
                    gather(x, r, f, lowers, s0, s1, upper, 0, n)
                    for b in range(width):
                        x[r * width + b] /= f[(diagonal + r) * width + b]
                end = begin
        else:
            begin = np.int64(0)
            while begin < n:
                end = np.int64(block_end[begin])
                for r in range(begin, end):
                    for b in range(width):
                        x[r * width + b] /= f[(diagonal + r) * width + b]
                    s0, s1 = np.int64(upper_starts[r]), np.int64(upper_starts[r + 1])
                    scatter(x, r, f, lowers, s0, s1, upper, 0, n)
                for r in range(end - 1, begin - 1, -1):
                    s0, s1 = np.int64(lower_starts[r]), np.int64(lower_starts[r + 1])
                    scatter(x, r, f, 0, s0, s1, lower, 0, n)
                for r in range(begin, end):
                    e0, e1 = np.int64(edge_begin[r]), np.int64(edge_end[r])
                    scatter(x, r, w, 0, e0, e1, column, end, n)
                begin = end

    return solve
