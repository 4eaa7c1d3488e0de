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
FAST = ("contract", "nsz")


def _evaluate_kernel(lanes: int) -> Kernel:
    @kernel(
        "uint32[::1], float64[::1], float64[:, ::1], float64[:, :, ::1], float64[:, ::1], "
        "float64[::1], float64[:, :, ::1], float64[:, :, ::1], uint32[:, ::1], int64[:, ::1]",
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
        parameters = coefficients.shape[1]
        for b in range(lanes):
            status[block, b] = -1
        for e in range(edges):
            for b in range(lanes):
                w[e, b] = base[e]
            for j in range(parameters):
                c = coefficients[e, j]
                if c != 0.0:
                    for b in range(lanes):
                        w[e, b] += c * theta[block, j, b]
        for r in range(n):
            begin, end = lower_starts[r], lower_starts[r + 1]
            first, last = upper_starts[r], upper_starts[r + 1]
            for s in range(begin, end):
                where[lower[s]] = s
                for b in range(lanes):
                    f[s, b] = 0.0
            for s in range(first, last):
                where[upper[s]] = lowers + s
                for b in range(lanes):
                    f[lowers + s, b] = 0.0
            out, d = leaving + r, diagonal + r
            for b in range(lanes):
                f[out, b] = killing[block, b] * killed[r]
            for e in range(edge_begin[r], edge_end[r]):
                t = out
                if column[e] < block_end[r]:
                    t = np.int64(where[column[e]])
                for b in range(lanes):
                    f[t, b] += w[e, b]
            for s in range(begin, end):
                v = np.int64(lower[s])
                for b in range(lanes):
                    f[s, b] /= f[diagonal + v, b]
                for q in range(upper_starts[v], upper_starts[v + 1]):
                    if upper[q] != r:
                        t = np.int64(where[upper[q]])
                        for b in range(lanes):
                            f[t, b] += f[s, b] * f[lowers + q, b]
                for b in range(lanes):
                    f[out, b] += f[s, b] * f[leaving + v, b]
            for b in range(lanes):
                f[d, b] = f[out, b]
            for q in range(first, last):
                for b in range(lanes):
                    f[d, b] += f[lowers + q, b]
            if r < eliminated:
                for b in range(lanes):
                    if not (f[d, b] > 0.0 and f[d, b] < np.inf) and status[block, b] < 0:
                        status[block, b] = r

    return eliminate


def _solve_kernel(lanes: int) -> Kernel:
    @kernel(
        "uint32[::1], float64[:, :, ::1], float64[:, :, ::1], float64[:, :, ::1], int64",
        fastmath=FAST,
        name=f"solve_{lanes}",
    )
    def solve(  # noqa: ANN202, C901, PLR0913, PLR0912
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
                    for e in range(edge_begin[r], edge_end[r]):
                        c = np.int64(column[e])
                        if c >= end and c < n:
                            for b in range(lanes):
                                x[r, b] += w[e, b] * x[c, b]
                    for s in range(lower_starts[r], lower_starts[r + 1]):
                        c = np.int64(lower[s])
                        for b in range(lanes):
                            x[r, b] += f[s, b] * x[c, b]
                for r in range(end - 1, begin - 1, -1):
                    for s in range(upper_starts[r], upper_starts[r + 1]):
                        c = np.int64(upper[s])
                        for b in range(lanes):
                            x[r, b] += f[lowers + s, b] * x[c, b]
                    for b in range(lanes):
                        x[r, b] /= f[diagonal + r, b]
                end = begin
        else:
            begin = np.int64(0)
            while begin < n:
                end = np.int64(block_end[begin])
                for r in range(begin, end):
                    for b in range(lanes):
                        x[r, b] /= f[diagonal + r, b]
                    for s in range(upper_starts[r], upper_starts[r + 1]):
                        c = np.int64(upper[s])
                        for b in range(lanes):
                            x[c, b] += x[r, b] * f[lowers + s, b]
                for r in range(end - 1, begin - 1, -1):
                    for s in range(lower_starts[r], lower_starts[r + 1]):
                        c = np.int64(lower[s])
                        for b in range(lanes):
                            x[c, b] += x[r, b] * f[s, b]
                for r in range(begin, end):
                    for e in range(edge_begin[r], edge_end[r]):
                        c = np.int64(column[e])
                        if c >= end and c < n:
                            for b in range(lanes):
                                x[c, b] += x[r, b] * w[e, b]
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
        theta: by parameter vector and parameter.
        killing: by parameter vector, how fast the chain ends besides; times `killed` of each row.
        killed: by row.
    """

    def __init__(
        self,
        program: Program,
        base: Values,
        coefficients: Values,
        theta: Values,
        killing: Values | None = None,
        killed: Values | None = None,
    ) -> None:
        self.program, self.count = program, len(theta)
        self.lanes = 1 if self.count == 1 else LANES
        blocks, rows, lanes = -(-self.count // self.lanes), program.rows, self.lanes
        self.blocks = blocks
        if killing is None:
            killing = np.zeros(self.count)
        if killed is None:
            killed = np.zeros(rows) if not killing.any() else np.ones(rows)
        self.weights = np.empty((blocks, program.edges, lanes))
        self.values = np.empty((blocks, program.slots, lanes))
        self._rows = np.empty((blocks, lanes), np.int64)
        evaluate, self._solve = _KERNELS[lanes]
        evaluate(
            program.array, base, coefficients, self.side_by_side(theta),
            np.ascontiguousarray(self.side_by_side(killing[:, None])[:, 0]), killed,
            self.weights, self.values, np.empty((blocks, rows), np.uint32), self._rows,
            count=blocks,
        )  # fmt: skip

    @property
    def stuck(self) -> tuple[int, int] | None:
        """Which parameter vector leaves no way out of which row; None where all is well."""
        rows = self._rows.reshape(-1)[: self.count]
        if self.lanes == 1:
            return None if rows[0] < 0 else (0, int(rows[0]))
        bad = np.flatnonzero(rows >= 0)
        return (int(bad[0]), int(rows[bad[0]])) if bad.size else None

    def side_by_side(self, values: Values) -> Values:
        """Values by parameter vector and something, as blocks of that by lane."""
        if self.lanes == 1:
            return np.ascontiguousarray(values, float).reshape(1, -1, 1)
        padded = np.empty((self.blocks * self.lanes, values.shape[1]))
        padded[: self.count] = values
        padded[self.count :] = values[-1]  # no row of it is looked at
        shaped = padded.reshape(self.blocks, self.lanes, -1)
        return np.ascontiguousarray(shaped.transpose(0, 2, 1))

    def one_by_one(self, blocks: Values) -> Values:
        """The reverse: by parameter vector and something."""
        if self.lanes == 1:
            return blocks.reshape(1, -1)
        return blocks.transpose(0, 2, 1).reshape(-1, blocks.shape[1])[: self.count]

    def solve(self, right: Values, *, transposed: bool = False) -> Values:
        """The solution of M x = b, or of x M = b, by block, row and lane; `right` is overwritten."""
        direction = TRANSPOSED if transposed else FORWARD
        self._solve(
            self.program.array, self.weights, self.values, right, direction, count=self.blocks
        )
        return right

    def same(self, values: Values) -> Values:
        """One value for each row, the same for all parameter vectors; by block, row and lane."""
        whole = np.empty((self.blocks, self.program.rows, self.lanes))
        whole[:] = values[None, :, None]
        return whole
