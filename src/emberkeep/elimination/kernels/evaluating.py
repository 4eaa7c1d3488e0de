# pyright: basic
"""Evaluating a program: weights, factors, solutions; for one lane, or for several side by side.

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

OWN = ("elimination",)

FAST = ("contract", "nsz")


def sizes(program):
    """Rows, entries of L, entries of U."""
    return np.int64(program[ROWS]), np.int64(program[LOWER]), np.int64(program[UPPER])


def edges_of(program):
    """By row, where its component begins and ends, and its edges; where each edge leads."""
    n, at = np.int64(program[ROWS]), HEADER + np.int64(program[ROWS])
    return (
        program[at : at + n],
        program[at + n : at + 2 * n],
        program[at + 2 * n : at + 3 * n],
        program[at + 3 * n : at + 4 * n],
        program[at + 4 * n : at + 4 * n + np.int64(program[EDGES])],
    )


def patterns_of(program):
    """Where rows of L begin, and its columns; the same of U."""
    n, lowers, uppers = sizes(program)
    at = HEADER + 5 * n + np.int64(program[EDGES])
    then = at + n + 1 + lowers
    return (
        program[at : at + n + 1],
        program[at + n + 1 : then],
        program[then : then + n + 1],
        program[then + n + 1 : then + n + 1 + uppers],
    )


def _over_lanes(lanes):
    """Sums over lanes. One alone is summed in a register; several lie side by side in memory."""

    def gather(x, r, values, offset, begin, end, columns, low, high):
        """Add to x[r] what the entries of a row, in columns from low to high, take from x."""
        if lanes == 1:
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
                    for b in range(lanes):
                        x[r * lanes + b] += values[(offset + s) * lanes + b] * x[c * lanes + b]

    def scatter(x, r, values, offset, begin, end, columns, low, high):
        """Add to x, in columns from low to high, what the entries of a row give of x[r]."""
        for s in range(begin, end):
            c = np.int64(columns[s])
            if low <= c < high:
                for b in range(lanes):
                    x[c * lanes + b] += x[r * lanes + b] * values[(offset + s) * lanes + b]

    def weigh(w, begin, end, base, coefficients, theta):
        """Weights of a row's edges."""
        parameters = coefficients.shape[1]
        for e in range(begin, end):
            if lanes == 1:
                total = base[e]
                for j in range(parameters):
                    total += coefficients[e, j] * theta[j]
                w[e] = total
            else:
                # The first parameter along with the base: memory is what takes time here.
                c = coefficients[e, 0] if parameters > 0 else 0.0
                for b in range(lanes):
                    w[e * lanes + b] = base[e] + (c * theta[b] if parameters > 0 else 0.0)
                for j in range(1, parameters):
                    c = coefficients[e, j]
                    if c != 0.0:
                        for b in range(lanes):
                            w[e * lanes + b] += c * theta[j * lanes + b]

    def leave(f, w, out, begin, end):
        """All that leaves a row that is a component by itself."""
        if lanes == 1:
            total = f[out]
            for e in range(begin, end):
                total += w[e]
            f[out] = total
        else:
            for e in range(begin, end):
                for b in range(lanes):
                    f[out * lanes + b] += w[e * lanes + b]

    return gather, scatter, weigh, leave


def evaluate_kernel(lanes: int) -> Kernel:
    """The kernel that evaluates weights and factors."""
    _, _, weigh, leave = _over_lanes(lanes)

    @kernel(
        "uint32[::1], float64[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], "
        "float64[::1], float64[:, ::1], float64[:, ::1], uint32[:, ::1], int64[::1], "
        "int64[:, ::1]",
        fastmath=FAST,
        name=f"eliminate_{lanes}",
        own=OWN,
    )
    def eliminate(
        block,
        program,
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
        n, lowers, uppers = sizes(program)
        eliminated = np.int64(program[ELIMINATED])
        _, block_end, edge_begin, edge_end, column = edges_of(program)
        lower_starts, lower, upper_starts, upper = patterns_of(program)
        diagonal, leaving = lowers + uppers, lowers + uppers + n
        where, w, f, marks = slot[block], weights[block], factors[block], status[block]
        for b in range(lanes):
            marks[b] = GOOD
        for r in range(n):
            begin, end = np.int64(lower_starts[r]), np.int64(lower_starts[r + 1])
            first, last = np.int64(upper_starts[r]), np.int64(upper_starts[r + 1])
            out, d = leaving + r, diagonal + r
            for b in range(lanes):
                f[out * lanes + b] = killing[block, b] * killed[r]
            e0, e1 = np.int64(edge_begin[r]), np.int64(edge_end[r])
            weigh(w, e0, e1, base, coefficients, theta[block])
            if doubtful[0] != 0:
                for e in range(e0, e1):
                    for b in range(lanes):
                        if not w[e * lanes + b] >= 0.0:
                            marks[b] = BAD_WEIGHT
            if begin == end and first == last:
                leave(f, w, out, e0, e1)
                for b in range(lanes):
                    f[d * lanes + b] = f[out * lanes + b]
            else:
                for s in range(begin, end):
                    where[lower[s]] = s
                    for b in range(lanes):
                        f[s * lanes + b] = 0.0
                for s in range(first, last):
                    where[upper[s]] = lowers + s
                    for b in range(lanes):
                        f[(lowers + s) * lanes + b] = 0.0
                for e in range(e0, e1):
                    t = out
                    if column[e] < block_end[r]:
                        t = np.int64(where[column[e]])
                    for b in range(lanes):
                        f[t * lanes + b] += w[e * lanes + b]
                for s in range(begin, end):
                    v = np.int64(lower[s])
                    for b in range(lanes):
                        f[s * lanes + b] /= f[(diagonal + v) * lanes + b]
                    for q in range(np.int64(upper_starts[v]), np.int64(upper_starts[v + 1])):
                        if upper[q] != r:
                            t = np.int64(where[upper[q]])
                            for b in range(lanes):
                                f[t * lanes + b] += f[s * lanes + b] * f[(lowers + q) * lanes + b]
                    for b in range(lanes):
                        f[out * lanes + b] += f[s * lanes + b] * f[(leaving + v) * lanes + b]
                for b in range(lanes):
                    f[d * lanes + b] = f[out * lanes + b]
                for q in range(first, last):
                    for b in range(lanes):
                        f[d * lanes + b] += f[(lowers + q) * lanes + b]
            if r < eliminated:
                for b in range(lanes):
                    size = f[d * lanes + b]
                    if not (size > 0.0 and size < np.inf):
                        # Finite, so that it does no harm where nothing leads here.
                        f[d * lanes + b] = 1.0
                        if marks[b] == GOOD:
                            marks[b] = r

    return eliminate


def solve_kernel(lanes: int) -> Kernel:
    """The kernel that solves with them."""
    gather, scatter, _, _ = _over_lanes(lanes)

    @kernel(
        "uint32[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], int64",
        fastmath=FAST,
        name=f"solve_{lanes}",
        own=OWN,
    )
    def solve(
        block,
        program,
        weights,
        factors,
        solutions,
        direction,
    ):
        """In place of right sides, solutions: of M x = b, or of x M = b."""
        n, lowers, uppers = sizes(program)
        block_begin, block_end, edge_begin, edge_end, column = edges_of(program)
        lower_starts, lower, upper_starts, upper = patterns_of(program)
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
                    for b in range(lanes):
                        x[r * lanes + b] /= f[(diagonal + r) * lanes + b]
                end = begin
        else:
            begin = np.int64(0)
            while begin < n:
                end = np.int64(block_end[begin])
                for r in range(begin, end):
                    for b in range(lanes):
                        x[r * lanes + b] /= f[(diagonal + r) * lanes + b]
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
