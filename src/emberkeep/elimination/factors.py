"""Numeric factorisation: weights from parameters, factors from weights, solutions from factors.

All is for several parameter vectors at once, side by side in the last axis: one alone, or 16, which
is what vector instructions and memory like. An index is such a block, so that threads share them.
"""

from __future__ import annotations

import numpy as np

from emberkeep.elimination.kernels.factors import evaluate_kernel, solve_kernel
from emberkeep.elimination.layout import FORWARD, GOOD, TRANSPOSED
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.elimination.pattern import SparsityPattern

    Values = np.ndarray[Any, Any]

WIDTH = 16


KERNELS = {width: (evaluate_kernel(width), solve_kernel(width)) for width in (1, WIDTH)}


@final
class Factors:
    """A pattern evaluated for one parameter vector, or for several side by side.

    Args:
        pattern: what was recorded.
        base: of each edge, what its weight is where all parameters are zero.
        coefficients: by edge and parameter.
        count: how many parameter vectors.
        killed: by row: how fast the chain ends besides, times what `update` is given.

    Attributes:
        width: how many parameter vectors are side by side.
        blocks: how many times so many.
        weights: by block, edge and vector.
        values: the factors, by block, slot and vector.
    """

    def __init__(
        self,
        pattern: SparsityPattern,
        base: Values,
        coefficients: Values,
        count: int,
        killed: Values | None = None,
    ) -> None:
        self.pattern, self.count = pattern, count
        self.width = width = 1 if count == 1 else WIDTH
        self.blocks = blocks = -(-count // width)
        rows = pattern.rows
        self.weights = np.empty((blocks, pattern.edges, width))
        self.values = np.empty((blocks, pattern.slots, width))
        self._theta = np.zeros((blocks, coefficients.shape[1], width))
        self._killing = np.zeros((blocks, width))
        self._status = np.empty((blocks, width), np.int64)
        self._right = np.empty((blocks, rows, width))
        # Weights can be bad only where something that they are sums of is negative.
        self._is_positive = bool((base >= 0).all() and (coefficients >= 0).all())
        self._doubtful = np.ones(1, np.int64)
        evaluate, solve = KERNELS[width]
        # As kernels see them, vectors side by side are no axis of their own.
        flat = self.weights.reshape(blocks, -1), self.values.reshape(blocks, -1)
        killed = np.zeros(rows) if killed is None else np.ascontiguousarray(killed)
        self._evaluate = evaluate.bind(
            pattern.array, base, coefficients, self._theta.reshape(blocks, -1), self._killing,
            killed, *flat, np.empty((blocks, rows), np.uint32), self._doubtful,
            self._status, count=blocks,
        )  # fmt: skip
        right = self._right.reshape(blocks, -1)
        self._solve = tuple(
            solve.bind(pattern.array, *flat, right, direction, count=blocks)
            for direction in (FORWARD, TRANSPOSED)
        )

    def update(self, theta: Values, killing: Values | None = None) -> None:
        """Evaluate for other parameter vectors, as many as before.

        Args:
            theta: by parameter vector and parameter.
            killing: by parameter vector.
        """
        if self.width == 1:
            self._theta[0, :, 0] = theta[0]
        else:
            self._theta[...] = self.side_by_side(theta)
        self._doubtful[0] = not (self._is_positive and theta.min(initial=0.0) >= 0)
        if killing is not None:
            self._killing[...] = self.side_by_side(killing[:, None])[:, 0]
        self._evaluate()

    @property
    def problems(self) -> list[tuple[int, int]]:
        """Parameter vectors that leave no way out of a row; a row of -1 where a weight is bad."""
        if self.width == 1:
            row = int(self._status[0, 0])
            return [] if row == GOOD else [(0, row)]
        rows = self._status.reshape(-1)[: self.count]
        return [(int(vector), int(rows[vector])) for vector in np.flatnonzero(rows != GOOD)]

    def side_by_side(self, values: Values) -> Values:
        """Values by parameter vector and something, as blocks of that by vector."""
        if self.width == 1:
            return np.ascontiguousarray(values, float).reshape(1, -1, 1)
        padded = np.empty((self.blocks * self.width, values.shape[1]))
        padded[: self.count] = values
        padded[self.count :] = values[-1]  # nobody looks at those
        shaped = padded.reshape(self.blocks, self.width, -1)
        return np.ascontiguousarray(shaped.transpose(0, 2, 1))

    def one_by_one(self, blocks: Values) -> Values:
        """The reverse: by parameter vector and something."""
        if self.width == 1:
            return blocks.reshape(1, -1)
        return blocks.transpose(0, 2, 1).reshape(-1, blocks.shape[1])[: self.count]

    def solve(self, right: Any, *, transposed: bool = False) -> Values:
        """The solution of M x = b, or of x M = b, by block, row and vector.

        It is the same memory each time: copy what is needed longer.
        """
        self._right[...] = right
        self._solve[transposed]()
        return self._right
