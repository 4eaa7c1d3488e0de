"""Evaluating a program: weights from parameters, factors from weights, solutions from factors.

All is for several parameter vectors at once, side by side in the last axis: one alone, or 32, which
is what vector instructions and memory like. An index is such a block, so that threads share them.
"""

from __future__ import annotations

import numpy as np

from emberkeep.elimination.program import (
    EDGES,
    ELIMINATED,
    HEADER,
    LOWER,
    ROWS,
    UPPER,
    Program,
)
from emberkeep.light import final
from emberkeep.targets.kernel import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.targets.kernel import Kernel

    Values = np.ndarray[Any, Any]

LANES = 32
FORWARD, TRANSPOSED = 0, 1
GOOD, BAD_WEIGHT = -2, -1  # what is noted of a parameter vector, where it is no row
FAST = ("contract", "nsz")


def _device_functions(lanes: int) -> Any:
    """Sums over lanes. One lane alone is summed in a register; 32 lie side by side in memory."""

    def gather(x, r, values, offset, begin, end, columns, low, high):  # noqa: ANN001, ANN202, PLR0913
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

    def scatter(x, r, values, offset, begin, end, columns, low, high):  # noqa: ANN001, ANN202, PLR0913
        """Add to x, in columns from low to high, what the entries of a row give of x[r]."""
        for s in range(begin, end):
            c = np.int64(columns[s])
            if low <= c < high:
                for b in range(lanes):
                    x[c * lanes + b] += x[r * lanes + b] * values[(offset + s) * lanes + b]

    def weigh(w, begin, end, base, coefficients, theta):  # noqa: ANN001, ANN202, PLR0913
        """Weights of a row's edges."""
        parameters = coefficients.shape[1]
        for e in range(begin, end):
            if lanes == 1:
                total = base[e]
                for j in range(parameters):
                    total += coefficients[e, j] * theta[j]
                w[e] = total
            else:
                for b in range(lanes):
                    w[e * lanes + b] = base[e]
                for j in range(parameters):
                    c = coefficients[e, j]
                    if c != 0.0:
                        for b in range(lanes):
                            w[e * lanes + b] += c * theta[j * lanes + b]

    def leave(f, w, out, begin, end):  # noqa: ANN001, ANN202
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


def _evaluate_kernel(lanes: int) -> Kernel:
    _, _, weigh, leave = _device_functions(lanes)

    @kernel(
        "uint32[::1], float64[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], "
        "float64[::1], float64[:, ::1], float64[:, ::1], uint32[:, ::1], int64[:, ::1]",
        fastmath=FAST,
        name=f"eliminate_{lanes}",
    )
    def eliminate(  # noqa: ANN202, C901, PLR0913, PLR0912
        block,  # noqa: ANN001 - types are in the signature
        program,  # noqa: ANN001
        base,  # noqa: ANN001
        coefficients,  # noqa: ANN001
        theta,  # noqa: ANN001
        killing,  # noqa: ANN001
        killed,  # noqa: ANN001
        weights,  # noqa: ANN001
        factors,  # noqa: ANN001
        slot,  # noqa: ANN001
        status,  # noqa: ANN001
    ):
        """Weights, and factors by rows. A row that cannot be left is noted in `status`."""
        n, edges = np.int64(program[ROWS]), np.int64(program[EDGES])
        lowers, uppers = np.int64(program[LOWER]), np.int64(program[UPPER])
        eliminated = np.int64(program[ELIMINATED])
        block_end = program[HEADER + 2 * n : HEADER + 3 * n]
        edge_begin = program[HEADER + 3 * n : HEADER + 4 * n]
        edge_end = program[HEADER + 4 * n : HEADER + 5 * n]
        at = HEADER + 5 * n
        column = program[at : at + edges]
        at += edges
        lower_starts, lower = program[at : at + n + 1], program[at + n + 1 : at + n + 1 + lowers]
        at += n + 1 + lowers
        upper_starts, upper = program[at : at + n + 1], program[at + n + 1 : at + n + 1 + uppers]
        diagonal, leaving = lowers + uppers, lowers + uppers + n
        where, w, f = slot[block], weights[block], factors[block]
        for b in range(lanes):
            status[block, b] = GOOD
        for r in range(n):
            begin, end = np.int64(lower_starts[r]), np.int64(lower_starts[r + 1])
            first, last = np.int64(upper_starts[r]), np.int64(upper_starts[r + 1])
            out, d = leaving + r, diagonal + r
            for b in range(lanes):
                f[out * lanes + b] = killing[block, b] * killed[r]
            e0, e1 = np.int64(edge_begin[r]), np.int64(edge_end[r])
            weigh(w, e0, e1, base, coefficients, theta[block])
            for e in range(e0, e1):
                for b in range(lanes):
                    if not w[e * lanes + b] >= 0.0:
                        status[block, b] = BAD_WEIGHT
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
                                f[t * lanes + b] += (
                                    f[s * lanes + b] * f[(lowers + q) * lanes + b]
                                )
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
                    if not (size > 0.0 and size < np.inf) and status[block, b] == GOOD:
                        status[block, b] = r

    return eliminate


def _solve_kernel(lanes: int) -> Kernel:
    gather, scatter, _, _ = _device_functions(lanes)

    @kernel(
        "uint32[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], int64",
        fastmath=FAST,
        name=f"solve_{lanes}",
    )
    def solve(  # noqa: ANN202, PLR0913
        block,  # noqa: ANN001 - types are in the signature
        program,  # noqa: ANN001
        weights,  # noqa: ANN001
        factors,  # noqa: ANN001
        solutions,  # noqa: ANN001
        direction,  # noqa: ANN001
    ):
        """In place of right sides, solutions: of M x = b, or of x M = b."""
        n, edges = np.int64(program[ROWS]), np.int64(program[EDGES])
        lowers, uppers = np.int64(program[LOWER]), np.int64(program[UPPER])
        block_begin = program[HEADER + n : HEADER + 2 * n]
        block_end = program[HEADER + 2 * n : HEADER + 3 * n]
        edge_begin = program[HEADER + 3 * n : HEADER + 4 * n]
        edge_end = program[HEADER + 4 * n : HEADER + 5 * n]
        at = HEADER + 5 * n
        column = program[at : at + edges]
        at += edges
        lower_starts, lower = program[at : at + n + 1], program[at + n + 1 : at + n + 1 + lowers]
        at += n + 1 + lowers
        upper_starts, upper = program[at : at + n + 1], program[at + n + 1 : at + n + 1 + uppers]
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


_KERNELS = {lanes: (_evaluate_kernel(lanes), _solve_kernel(lanes)) for lanes in (1, LANES)}


@final
class Factors:
    """A program evaluated for one parameter vector, or for several side by side.

    Args:
        program: what was recorded.
        base: of each edge, what its weight is where all parameters are zero.
        coefficients: by edge and parameter.
        count: how many parameter vectors.
        killed: by row: how fast the chain ends besides, times what `update` is given.

    Attributes:
        lanes: how many parameter vectors are side by side.
        blocks: how many times so many.
        weights: by block, edge and lane.
        values: the factors, by block, slot and lane.
    """

    def __init__(
        self,
        program: Program,
        base: Values,
        coefficients: Values,
        count: int,
        killed: Values | None = None,
    ) -> None:
        self.program, self.count = program, count
        self.lanes = lanes = 1 if count == 1 else LANES
        self.blocks = blocks = -(-count // lanes)
        rows = program.rows
        self.weights = np.empty((blocks, program.edges, lanes))
        self.values = np.empty((blocks, program.slots, lanes))
        self._theta = np.zeros((blocks, coefficients.shape[1], lanes))
        self._killing = np.zeros((blocks, lanes))
        self._status = np.empty((blocks, lanes), np.int64)
        self._right = np.empty((blocks, rows, lanes))
        evaluate, solve = _KERNELS[lanes]
        # As kernels see them, lanes are no axis of their own.
        flat = self.weights.reshape(blocks, -1), self.values.reshape(blocks, -1)
        killed = np.zeros(rows) if killed is None else np.ascontiguousarray(killed)
        self._evaluate = evaluate.bind(
            program.array, base, coefficients, self._theta.reshape(blocks, -1), self._killing,
            killed, *flat, np.empty((blocks, rows), np.uint32), self._status, count=blocks,
        )  # fmt: skip
        right = self._right.reshape(blocks, -1)
        self._solve = tuple(
            solve.bind(program.array, *flat, right, direction, count=blocks)
            for direction in (FORWARD, TRANSPOSED)
        )

    def update(self, theta: Values, killing: Values | None = None) -> None:
        """Evaluate for other parameter vectors, as many as before.

        Args:
            theta: by parameter vector and parameter.
            killing: by parameter vector.
        """
        if self.lanes == 1:
            self._theta[0, :, 0] = theta[0]
        else:
            self._theta[...] = self.side_by_side(theta)
        if killing is not None:
            self._killing[...] = self.side_by_side(killing[:, None])[:, 0]
        self._evaluate()

    @property
    def problem(self) -> tuple[int, int] | None:
        """Which parameter vector leaves no way out of which row; a row of -1 where a weight is bad.

        None where all is well.
        """
        if self.lanes == 1:
            row = int(self._status[0, 0])
            return None if row == GOOD else (0, row)
        rows = self._status.reshape(-1)[: self.count]
        bad = np.flatnonzero(rows != GOOD)
        return (int(bad[0]), int(rows[bad[0]])) if bad.size else None

    def side_by_side(self, values: Values) -> Values:
        """Values by parameter vector and something, as blocks of that by lane."""
        if self.lanes == 1:
            return np.ascontiguousarray(values, float).reshape(1, -1, 1)
        padded = np.empty((self.blocks * self.lanes, values.shape[1]))
        padded[: self.count] = values
        padded[self.count :] = values[-1]  # nobody looks at those
        shaped = padded.reshape(self.blocks, self.lanes, -1)
        return np.ascontiguousarray(shaped.transpose(0, 2, 1))

    def one_by_one(self, blocks: Values) -> Values:
        """The reverse: by parameter vector and something."""
        if self.lanes == 1:
            return blocks.reshape(1, -1)
        return blocks.transpose(0, 2, 1).reshape(-1, blocks.shape[1])[: self.count]

    def solve(self, right: Any, *, transposed: bool = False) -> Values:
        """The solution of M x = b, or of x M = b, by block, row and lane.

        It is the same memory each time: copy what is needed longer.
        """
        self._right[...] = right
        self._solve[transposed]()
        return self._right
