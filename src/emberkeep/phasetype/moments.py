"""Moments of what a chain gathers until it ends, by elimination; nothing is subtracted on the way.

The moments of the rest, from each state on, follow from those of lower order. Variances are sums of
squares: each step of the chain changes what is to be expected of the rest, and what it earns, and
these changes are uncorrelated. So they are right to rounding where E[Y²] - E[Y]² would cancel.
"""

from __future__ import annotations

from math import comb

import numpy as np

from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.linear_systems import Elimination, read_theta
from emberkeep.phasetype.rewards import one_kind, read_rewards
from emberkeep.phasetype.trace import rows_of
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]


@final
class Eliminated:
    """A graph's elimination for parameter vectors, for a while: ``with Eliminated(…) as system``.

    The graph remembers the last one, with its memory. Who uses it takes it away, so that two
    threads do not use it at once.
    """

    def __init__(self, graph: Structure, theta: Values) -> None:
        self._graph, self._theta = graph, theta
        self._system: Elimination | None = None

    def __enter__(self) -> Elimination:
        theta = self._theta
        system = self._graph.remembered.pop("elimination", None)
        if system is None or system.factors.count != len(theta):
            system = Elimination(self._graph, len(theta))
        if system.theta is None or not np.array_equal(system.theta, theta):
            system.update(theta.copy())
        self._system = system
        return system

    def __exit__(self, kind: object, problem: object, trace: object) -> None:
        self._graph.remembered["elimination"] = self._system


def expectation(graph: Structure, theta: Any, rewards: Any) -> Any:
    """The mean; by kind of reward where there are several, by parameter vector where there are."""
    vectors, single = read_theta(graph, theta)
    if rewards is None:
        with Eliminated(graph, vectors) as system:
            means = system.begun(system.factors.solve(1.0))
        return float(means[0]) if single else means
    values = read_rewards(graph, rewards)
    # What it earns is what it spends in each state, times its reward.
    with Eliminated(graph, vectors) as system:
        found = sojourn(system) @ values
    return _shaped(found, single=single)


def sojourn(system: Elimination) -> Values:
    """By parameter vector and vertex: the time that is spent there, on average."""
    return system.by_vertex(system.solve(system.rows(system.graph.initial), transposed=True))


def waiting(system: Elimination, values: Values) -> Values:
    """By block, row and vector: the mean of the rest, from each row on."""
    return system.solve(system.rows(values))


def moments(graph: Structure, order: int, theta: Any, rewards: Any) -> Any:
    """The raw moments E[Y], E[Y²], … up to an order."""
    require_order(order)
    vectors, single = read_theta(graph, theta)
    with Eliminated(graph, vectors) as system:
        known = powers(system, one_kind(graph, rewards), int(order))
        found = np.stack([system.begun(power) for power in known], axis=-1)
    return found[0] if single else found


def require_order(order: Any) -> None:
    """Refuse what is no order of a moment."""
    if not isinstance(order, int | np.integer) or order < 1:
        raise InvalidGraph(f"The order of a moment is a whole number, at least 1; not {order!r}")


def powers(system: Elimination, values: Values, order: int) -> list[Values]:
    """By block, row and vector, the moments of the rest, from each row on."""
    rewards = system.rows(values)
    known: list[Values] = []
    stepped: list[Values] = []  # in discrete time: the moments after one step
    for k in range(1, order + 1):
        if not system.graph.is_discrete:
            known.append(system.solve(rewards if k == 1 else k * rewards * known[-1]))
            continue
        right = rewards**k
        for j in range(1, k):
            right = right + comb(k, j) * rewards ** (k - j) * stepped[j - 1]
        known.append(system.solve(right))
        stepped.append(np.maximum(known[-1] - right, 0.0))
    return known


def variance(graph: Structure, theta: Any, rewards: Any) -> Any:
    """The variance; by kind of reward where there are several."""
    values = read_rewards(graph, rewards)
    if values.ndim == 1:
        found = _covariances(graph, theta, [values], pairs=[(0, 0)])
        return float(found[0][0]) if read_theta(graph, theta)[1] else found[0]
    kinds = range(values.shape[1])
    found = _covariances(graph, theta, list(values.T), pairs=[(kind, kind) for kind in kinds])
    return _shaped(np.stack(found, axis=-1), single=read_theta(graph, theta)[1])


def covariance(graph: Structure, theta: Any, rewards: Any, others: Any) -> Any:
    """The covariance of two rewards, or the matrix of those of several kinds."""
    single = read_theta(graph, theta)[1]
    if others is not None:
        both = [one_kind(graph, rewards), one_kind(graph, others)]
        (found,) = _covariances(graph, theta, both, pairs=[(0, 1)])
        return float(found[0]) if single else found
    values = read_rewards(graph, rewards)
    values = values[:, None] if values.ndim == 1 else values
    kinds = range(values.shape[1])
    pairs = [(one, other) for one in kinds for other in kinds if one <= other]
    matrix = np.empty((len(read_theta(graph, theta)[0]), len(kinds), len(kinds)))
    found = _covariances(graph, theta, list(values.T), pairs=pairs)
    for (one, other), value in zip(pairs, found, strict=True):
        matrix[:, one, other] = matrix[:, other, one] = value
    return matrix[0] if single else matrix


def _covariances(
    graph: Structure, theta: Any, kinds: list[Values], pairs: list[tuple[int, int]]
) -> list[Values]:
    """By parameter vector, covariances of pairs of rewards."""
    vectors, _ = read_theta(graph, theta)
    with Eliminated(graph, vectors) as system:
        means = [waiting(system, kind) for kind in kinds]
        inner = covariances_from(system, kinds, means, pairs)
        found: list[Values] = []
        for (one, other), rest in zip(pairs, inner, strict=True):
            averages = system.begun(means[one]), system.begun(means[other])
            between = _between(system, means[one], means[other], *averages)
            found.append(system.begun(rest) + between)
    return found


def covariances_from(
    system: Elimination, kinds: list[Values], means: list[Values], pairs: list[tuple[int, int]]
) -> list[Values]:
    """By pair, by block, row and vector: covariances of the rest, from each row on.

    Args:
        system: the elimination.
        kinds: rewards, by kind and vertex.
        means: of the rest, by kind; see `waiting`.
        pairs: of kinds.
    """
    graph = system.graph
    changes: list[Values] = []
    for kind, mean in zip(kinds, means, strict=True):
        change = system.changes(mean)
        if graph.is_discrete:
            change += kind[system.vertices][rows_of(graph).edge_rows][None, :, None]
        changes.append(change)
    weights = system.factors.weights
    staying = 1 - system.sums(weights) if graph.is_discrete else None
    found: list[Values] = []
    for one, other in pairs:
        noise = system.sums(weights * changes[one] * changes[other])
        if staying is not None:
            noise += staying * system.rows(kinds[one] * kinds[other])
        found.append(system.solve(noise))
    return found


def _between(
    system: Elimination, one: Values, other: Values, mean: Values, other_mean: Values
) -> Values:
    """The covariance that comes from where the chain begins."""
    first, second = system.factors.one_by_one(one), system.factors.one_by_one(other)
    weights = rows_of(system.graph).initial
    apart = (first - mean[:, None]) * (second - other_mean[:, None])
    ended = max(0.0, 1 - float(weights.sum()))
    return apart @ weights + ended * mean * other_mean


def _shaped(values: Values, *, single: bool) -> Any:
    """Without the axis of parameter vectors where there was but one; a number where all is one."""
    found = values[0] if single else values
    return float(found) if found.ndim == 0 else found


def gradient(graph: Structure, theta: Any, order: int, rewards: Any) -> tuple[Any, Any]:
    """The moment of an order, and its derivatives by parameter, exact: one solution for each order.

    Raises:
        InvalidGraph: there are no parameters.
    """
    if not graph.theta_length:
        raise InvalidGraph(f"The weights of {graph.name} depend on no parameters")
    require_order(order)
    vectors, single = read_theta(graph, theta)
    values = one_kind(graph, rewards)
    with Eliminated(graph, vectors) as system:
        known = powers(system, values, order)
        by_edge = _by_weight(system, values, known)
        value = system.begun(known[-1])
    by_vector = np.einsum("bml,mp->blp", by_edge, rows_of(graph).edges.coefficients)
    found = by_vector.reshape(-1, graph.theta_length)[: len(vectors)]
    return (float(value[0]), found[0]) if single else (value, found)


def _by_weight(system: Elimination, values: Values, known: list[Values]) -> Values:
    """Derivatives of the last moment by the weight of each edge: by block, edge and vector."""
    order, rewards = len(known), system.rows(values)
    edge_rows = rows_of(system.graph).edge_rows
    seeds = [np.zeros_like(power) for power in known]
    seeds[-1] += system.rows(system.graph.initial)
    found: Values = np.zeros_like(system.factors.weights)
    for k in range(order, 0, -1):
        flow = system.solve(seeds[k - 1], transposed=True)
        found += flow[:, edge_rows] * system.changes(known[k - 1])
        if not system.graph.is_discrete:
            if k > 1:
                seeds[k - 2] += k * rewards * flow
            continue
        for j in range(1, k):
            # One step after which the moment of order j is to come.
            share = comb(k, j) * rewards ** (k - j) * flow
            found += share[:, edge_rows] * system.changes(known[j - 1])
            seeds[j - 1] += share
            # A step does not leave with the probability of staying: T m = m - M m.
            seeds[j - 1] -= _left(system, share)
    return found


def _left(system: Elimination, share: Values) -> Values:
    """What M takes from each row, transposed: the share that leaves less the share that arrives."""
    weights = system.factors.weights
    edge_rows, columns = rows_of(system.graph).edge_rows, system.pattern.column.astype(np.int64)
    flow = share[:, edge_rows] * weights
    found, rows = share * system.sums(weights), system.pattern.rows
    for vector in range(share.shape[2]):
        for block in range(share.shape[0]):
            arriving = np.bincount(columns, flow[block, :, vector], minlength=rows + 1)
            found[block, :, vector] -= arriving[:rows]
    return found
