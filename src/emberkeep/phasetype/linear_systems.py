"""A graph's linear systems: its elimination, evaluated for parameter vectors."""

from __future__ import annotations

import numpy as np

from emberkeep.elimination.factors import Factors
from emberkeep.elimination.layout import BAD_WEIGHT
from emberkeep.phasetype.assembly import check_weights, closure
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.numeric import as_numbers
from emberkeep.phasetype.trace import rows_of
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]


def read_theta(graph: Structure, theta: Any) -> tuple[Values, bool]:
    """Parameter vectors as rows, and whether there was but one.

    Raises:
        InvalidGraph: there are too many or too few parameters, or they are no numbers.
    """
    if theta is None:
        if graph.theta_length:
            raise InvalidGraph(
                f"The weights of {graph.name} depend on {graph.theta_length} parameters: pass "
                "theta=[…], or one row for each parameter vector"
            )
        return np.zeros((1, 0)), True
    values = as_numbers("theta", theta)
    single = values.ndim <= 1
    rows = np.atleast_2d(values) if values.ndim else values.reshape(1, 1)
    if rows.ndim != 2 or rows.shape[1] != graph.theta_length:  # noqa: PLR2004
        raise InvalidGraph(
            f"theta has the shape {values.shape}, and {graph.name} has {graph.theta_length} "
            f"parameters; expected ({graph.theta_length},), or (any, {graph.theta_length})"
        )
    if not len(rows):
        raise InvalidGraph("theta has no rows: there is no parameter vector to compute for")
    if not np.isfinite(rows).all():
        raise InvalidGraph(f"theta must be finite; it is {theta!r}")
    return rows, single


def read_single(graph: Structure, theta: Any) -> Values:
    """One parameter vector.

    Raises:
        InvalidGraph: there are several.
    """
    rows, single = read_theta(graph, theta)
    if not single:
        raise InvalidGraph(f"One parameter vector is needed here; theta has {len(rows)} rows")
    return rows[0]


@final
class Elimination:
    """Solutions for all vertices that can be left, in rows of the program.

    Args:
        graph: whose.
        count: for how many parameter vectors at once.
        killed: by row: how fast the chain ends besides, times what `update` is given.
    """

    def __init__(self, graph: Structure, count: int, killed: Values | None = None) -> None:
        self.graph = graph
        known = rows_of(graph)
        self.pattern, self.vertices, self._initial = known.pattern, known.vertices, known.initial
        edges = known.edges
        self.factors = Factors(self.pattern, edges.base, edges.coefficients, count, killed)
        self.theta: Values | None = None

    def update(self, theta: Values, killing: Values | None = None) -> None:
        """Evaluate for other parameter vectors.

        Raises:
            InvalidGraph: a weight is negative with one of them, or a state has no way out.
        """
        self.theta = None
        self.factors.update(theta, killing)
        problems = self.factors.problems
        if self.graph.is_discrete and self.graph.theta_length:
            for vector in theta:
                check_weights(self.graph.states, self.graph.edges, vector, discrete=True)
        for vector, row in problems:
            self._explain(theta[vector], row)
        self.theta = theta

    def _explain(self, theta: Values, row: int) -> None:
        """Raise, unless it is states without a way out that nothing leads to with these weights."""
        states, edges = self.graph.states, self.graph.edges
        weights = check_weights(states, edges, theta, discrete=self.graph.is_discrete)
        there = weights > 0
        sources, targets = edges.sources[there], edges.targets[there].astype(np.int64)
        reached = closure(self.graph.initial > 0, sources, targets)
        ending = closure(np.diff(edges.starts) == 0, targets, sources)
        lost = np.flatnonzero(reached & ~ending)
        if lost.size or row == BAD_WEIGHT or not np.isfinite(weights.sum()):
            vertex = int(lost[0]) if lost.size else int(self.vertices[row])
            raise InvalidGraph(
                f"With theta={theta.tolist()}, from state {states.label(vertex)!r} no absorbing "
                "state can be reached: the weights of all ways out are zero, or too large to add up"
            )

    def rows(self, by_vertex: Values) -> Values:
        """Values by vertex, as those of rows; for all blocks and lanes."""
        return by_vertex[self.vertices][None, :, None]

    def begun(self, by_row: Values) -> Values:
        """What it is on average over where the chain begins; by parameter vector."""
        if self.factors.width == 1:
            return by_row.reshape(1, -1) @ self._initial
        return (self._initial @ by_row).reshape(-1)[: self.factors.count]

    def by_vertex(self, by_row: Values) -> Values:
        """By parameter vector and vertex; zero where the chain has ended."""
        found = np.zeros((self.factors.count, len(self.graph)))
        found[:, self.vertices] = self.factors.one_by_one(by_row)
        return found

    def solve(self, right: Values, *, transposed: bool = False) -> Values:
        """The solution of M x = b, or of x M = b, by block, row and vector."""
        return self.factors.solve(right, transposed=transposed).copy()

    def changes(self, by_row: Values) -> Values:
        """By block, edge and vector: how much a value differs where the edge leads."""
        ended = np.zeros((self.factors.blocks, 1, self.factors.width))
        padded = np.concatenate([by_row, ended], axis=1)
        return padded[:, self.pattern.column] - by_row[:, rows_of(self.graph).edge_rows]

    def sums(self, by_edge: Values) -> Values:
        """By block, row and vector: sums over the edges that leave."""
        begins, _ = self.pattern.edge_ranges
        order = np.argsort(begins, kind="stable")
        found = np.empty((self.factors.blocks, self.pattern.rows, self.factors.width))
        found[:, order] = np.add.reduceat(by_edge, begins[order].astype(np.int64), axis=1)
        return found
