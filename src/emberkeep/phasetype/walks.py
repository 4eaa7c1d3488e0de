"""Chains on their way, many side by side: where each is, where it can go, and where it has been."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.assembly import check_weights
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.random_numbers import Uniforms
    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]

MOST_WAYS = 100_000_000  # of vertices, times the most that lead away from one


@final
@frozen
class Ways:
    """Where one can go from each vertex, as rows of equal length.

    Attributes:
        targets: by vertex and way; the first is to stay.
        weights: by vertex and way.
        out: how fast each vertex is left.
    """

    targets: Values
    weights: Values
    out: Values


def ways_of(graph: Structure, vector: Values) -> Ways:
    """Those of a graph, for one parameter vector."""
    edges = graph.edges
    weights = check_weights(graph.states, edges, vector, discrete=graph.is_discrete)
    sources = edges.sources
    place = np.arange(len(sources)) - edges.starts[:-1].astype(np.int64)[sources] + 1
    shape = (len(graph), int(np.diff(edges.starts).max(initial=0)) + 1)
    if shape[0] * shape[1] > MOST_WAYS:
        raise InvalidGraph(
            f"From one of {shape[0]:,} states {shape[1] - 1:,} edges lead away: paths are drawn of "
            f"graphs with at most {MOST_WAYS:,} states times edges"
        )
    targets, table = np.repeat(np.arange(len(graph))[:, None], shape[1], 1), np.zeros(shape)
    targets[sources, place], table[sources, place] = edges.targets, weights
    return Ways(targets, table, np.bincount(sources, weights, len(graph)))


def chosen(weights: Values, drawn: Values) -> Values:
    """By row, a column in proportion to weights."""
    sums = np.cumsum(weights, axis=1)
    share = np.minimum(drawn * sums[:, -1], np.nextafter(sums[:, -1], 0))
    return (sums <= share[:, None]).sum(axis=1)


def placed(sums: Values, drawn: Values) -> Values:
    """Where among cumulative sums numbers between 0 and 1 fall, in proportion."""
    share: Values = np.minimum(drawn * sums[-1], np.nextafter(sums[-1], 0))
    return np.searchsorted(sums, share, side="right")


@final
class Walks:
    """Paths on their way."""

    def __init__(self, size: int) -> None:
        self.here = np.full(size, -1, np.int64)
        self.time = np.zeros(size)
        self._came: list[tuple[Values, Values, Values]] = []

    def come(self, which: Values, vertices: Values, times: Values) -> None:
        """Some come to vertices."""
        self.here[which], self.time[which] = vertices, times
        self._came.append((which, vertices, times))

    def by_chain(self) -> list[tuple[Values, Values]]:
        """Of each, the vertices that it came to, and when."""
        size = len(self.here)
        if not self._came:
            return [(np.empty(0, np.int64), np.empty(0)) for _ in range(size)]
        which, vertices, times = map(np.concatenate, zip(*self._came, strict=True))
        order = np.argsort(which, kind="stable")
        cuts = np.searchsorted(which[order], np.arange(1, size))
        parts = np.split(vertices[order], cuts), np.split(times[order], cuts)
        return [*zip(*parts, strict=True)]


def walk_on(graph: Structure, ways: Ways, likely: Values, walks: Walks, random: Uniforms) -> None:
    """From where they are until all have ended."""
    leaves = np.diff(graph.edges.starts) > 0
    while True:
        active = np.flatnonzero((walks.here >= 0) & leaves[walks.here])
        if not active.size:
            return
        here = walks.here[active]
        out, drawn = ways.out[here], random.next_of(active)
        if graph.is_discrete:
            with np.errstate(divide="ignore"):
                tries = np.ceil(np.log(drawn) / np.log1p(-np.minimum(out, 1.0)))
            stay = np.where(out >= 1, 1.0, np.maximum(tries, 1.0))
        else:
            stay = -np.log(drawn) / out
        targets = ways.targets[here]
        way = chosen(ways.weights[here] * likely[targets], random.next_of(active))
        walks.come(active, targets[np.arange(len(active)), way], walks.time[active] + stay)
