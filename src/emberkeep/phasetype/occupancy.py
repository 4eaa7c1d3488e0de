"""Where a chain has been until some time: how long in each state, and how often.

In continuous time, by uniformisation: after how many steps the chain is where, each counted with
the time that is spent between that step and the next before the time that is asked for.
"""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype import stiff
from emberkeep.phasetype.distribution import read_times, series, weights_of
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.kernels.accuracy import MOST_STEPS
from emberkeep.phasetype.linear_systems import read_theta
from emberkeep.phasetype.moments import Eliminated, sojourn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]


def occupancies(graph: Structure, times: Any, theta: Any) -> Any:
    """By time and vertex: the time that was spent there until then, on average."""
    vectors, single = read_theta(graph, theta)
    flat, shape = _times(graph, times)
    found = np.stack([_occupied(graph, vector, flat) for vector in vectors])
    return found[0].reshape(*shape, -1) if single else found.reshape(len(found), *shape, -1)


def _times(graph: Structure, times: Any) -> tuple[Values, tuple[int, ...]]:
    flat, shape = read_times(times, whole=graph.is_discrete)
    if (flat < 0).any():
        raise InvalidGraph(f"Times must not be negative; here is {flat[flat < 0][0]}")
    return flat, shape


def _occupied(graph: Structure, vector: Values, times: Values) -> Values:
    """By time and vertex; for ever, where time has no end."""
    found = np.zeros((len(times), len(graph)))
    known = series(graph, vector[None, :])
    endless = ~np.isfinite(times)
    late = ~endless & (known.rates.max() * times > MOST_STEPS)
    early = np.flatnonzero(~endless & ~late)
    found[np.ix_(early, known.vertices)] = known.occupancies(times[early], 0)
    if late.any():
        leaving = np.flatnonzero(np.diff(graph.edges.starts) > 0)
        watched = np.zeros((len(leaving), len(graph)))
        watched[np.arange(len(leaving)), leaving] = 1.0
        rows = np.flatnonzero(late)
        found[np.ix_(rows, leaving)] = stiff.gathered(graph, vector, watched, times[late])
    if endless.any():
        with Eliminated(graph, vector[None, :]) as system:
            found[endless] = sojourn(system)[0]
    return found


def visits(graph: Structure, times: Any, theta: Any) -> Any:
    """By time and vertex: how often it was come to until then, on average."""
    vectors, single = read_theta(graph, theta)
    flat, shape = _times(graph, times)
    sources, targets = graph.edges.sources, graph.edges.targets.astype(np.int64)
    found = np.empty((len(vectors), len(flat), len(graph)))
    for number, (vector, weights) in enumerate(
        zip(vectors, weights_of(graph, vectors), strict=True)
    ):
        spent = _occupied(graph, vector, flat)
        for row, here in enumerate(spent):
            came = np.bincount(targets, weights * here[sources], len(graph))
            found[number, row] = graph.initial + came
    return found[0].reshape(*shape, -1) if single else found.reshape(len(found), *shape, -1)
