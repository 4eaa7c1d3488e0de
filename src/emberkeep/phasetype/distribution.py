"""Densities and probabilities, to rounding: by uniformisation, or step by step in discrete time.

Beyond `MOST_STEPS` of uniformisation, other ways are taken: see `stiff`.
"""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype import stiff
from emberkeep.phasetype.assembly import check_weights
from emberkeep.phasetype.errors import InvalidGraph, TooStiff
from emberkeep.phasetype.kernels.accuracy import MOST_STEPS
from emberkeep.phasetype.linear_systems import read_theta
from emberkeep.phasetype.moments import expectation
from emberkeep.phasetype.numeric import as_numbers
from emberkeep.phasetype.quantiles import quantiles, read_probabilities
from emberkeep.phasetype.rewards import read_rewards
from emberkeep.phasetype.uniformisation import Series
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]

ENDING, LEFT = 0, -1  # kinds of observation: how fast the chain ends; that it has not ended
FASTEST = 2.0**1023


def weights_of(graph: Structure, theta: Values) -> Values:
    """By parameter vector and edge, checked."""
    found = [
        check_weights(graph.states, graph.edges, vector, discrete=graph.is_discrete)
        for vector in theta
    ]
    for row in found:
        if row.max(initial=0.0) < FASTEST / max(len(row), 1):
            continue
        out = np.bincount(graph.edges.sources, row, len(graph))
        if not out.max(initial=0.0) < FASTEST:
            vertex = int(out.argmax())
            raise TooStiff(
                f"State {graph.states.label(vertex)!r} is left at {out[vertex]:.3g}: rates of "
                f"{FASTEST:.3g} and more are next to the largest number there is. Measure time in "
                "smaller units"
            )
    return np.stack(found)


def series(graph: Structure, theta: Values, watched: Values | None = None) -> Series:
    """Steps of the chain; how fast it ends is observed first, then what is asked for, by vertex."""
    key = theta.tobytes()
    last = graph.remembered.get("series")
    if watched is None and last is not None and last[0] == key:
        return last[1]
    weights = weights_of(graph, theta)
    sources = graph.edges.sources
    ends = np.zeros(len(graph), bool)
    ends[graph.absorbing] = True
    out = ends[graph.edges.targets]
    ending = np.stack([np.bincount(sources[out], row[out], len(graph)) for row in weights])
    observed = ending[:, None, :]
    if watched is not None:
        others = np.broadcast_to(watched, (len(theta), *watched.shape[-2:]))
        return Series(graph, weights, np.concatenate([observed, others], axis=1))
    made = Series(graph, weights, observed)
    graph.remembered["series"] = (key, made)
    return made


def read_times(times: Any, *, whole: bool) -> tuple[Values, tuple[int, ...]]:
    """Times as a row, and the shape that they had.

    Raises:
        InvalidGraph: one is not a number, or not whole where it must be.
    """
    values = as_numbers("The times", times)
    flat = values.reshape(-1)
    if np.isnan(flat).any():
        raise InvalidGraph("One of the times is not a number")
    if whole and (flat != np.floor(flat)).any():
        raise InvalidGraph(
            "In discrete time, times are whole numbers of steps; "
            f"{flat[flat != np.floor(flat)][0]} is none"
        )
    return flat, values.shape


def _shaped(found: Values, shape: tuple[int, ...], *, single: bool) -> Any:
    shaped = found[0].reshape(shape) if single else found.reshape(len(found), *shape)
    return float(shaped) if shaped.ndim == 0 else shaped


def density(graph: Structure, times: Any, theta: Any) -> Any:
    """The density at times; in discrete time the probability of ending with a step."""
    vectors, single = read_theta(graph, theta)
    flat, shape = read_times(times, whole=graph.is_discrete)
    known = series(graph, vectors)
    if _far_apart(known, flat):
        return np.stack([density(graph, times, vector) for vector in vectors])
    found = np.zeros((len(vectors), len(flat)))
    inside = (flat >= 1 if graph.is_discrete else flat >= 0) & np.isfinite(flat)
    if inside.any():
        # In discrete time it is in the last of so many steps that it ends.
        before = flat[inside] - 1 if graph.is_discrete else flat[inside]
        found[:, inside] = _observed(graph, vectors, known, before, ENDING)
    if graph.is_discrete:
        found[:, flat == 0] = graph.defect
    return _shaped(found, shape, single=single)


def _far_apart(known: Series, times: Values) -> bool:
    """Whether there are several parameter vectors, and some need another way than others."""
    return len(known.rates) > 1 and bool(_late(known, times).any())


def _late(known: Series, times: Values) -> Values:
    """Which times would take too many steps."""
    return (known.rates.max() * times > MOST_STEPS) & np.isfinite(times)


def _observed(graph: Structure, vectors: Values, known: Series, times: Values, kind: int) -> Values:
    """By parameter vector and time: an observation of a chain in continuous time."""
    late = _late(known, times)
    found = np.empty((len(vectors), len(times)))
    if not late.all():
        early = times[~late]
        found[:, ~late] = _after(known, early, kind) if known.is_discrete else known.at(early, kind)
    if late.any():
        states = stiff.states(graph, vectors[0], times[late])
        found[0, late] = states.sum(axis=1) if kind == LEFT else states @ known.watched[0, kind]
    return found


def _summed(graph: Structure, vectors: Values, known: Series, times: Values, kind: int) -> Values:
    """By parameter vector and time: the integral of an observation, or its sum over steps."""
    late = _late(known, times)
    found = np.empty((len(vectors), len(times)))
    if not late.all():
        early = times[~late]
        found[:, ~late] = (
            _sums_after(known, early, kind)
            if known.is_discrete
            else known.at(early, kind, summed=True)
        )
    if late.any():
        watched = known.watched[0, kind : kind + 1]
        until = np.floor(times[late]) if known.is_discrete else times[late]
        found[0, late] = stiff.gathered(graph, vectors[0], watched, until)[:, 0]
    return found


def _sums_after(known: Series, times: Values, kind: int) -> Values:
    """Sums of observations before so many steps."""
    steps = np.floor(times).astype(np.int64)
    sums = np.cumsum(known.observations(int(steps.max(initial=0)) + 1)[:, :, kind], axis=1)
    sums = np.concatenate([np.zeros((len(sums), 1)), sums], axis=1)
    return sums[:, np.minimum(steps, sums.shape[1] - 1)]


def _after(known: Series, times: Values, kind: int) -> Values:
    """Observations after numbers of steps; nothing is left where the series is over."""
    steps = np.floor(times).astype(np.int64)
    values = known.observations(int(steps.max()) + 1)[:, :, kind]
    found = np.zeros((len(values), len(steps)))
    there = steps < values.shape[1]
    found[:, there] = values[:, steps[there]]
    return found


def survival(graph: Structure, times: Any, theta: Any) -> Any:
    """The probability that it takes longer."""
    vectors, single = read_theta(graph, theta)
    flat, shape = read_times(times, whole=False)
    known = series(graph, vectors)
    if _far_apart(known, flat):
        return np.stack([survival(graph, times, vector) for vector in vectors])
    found = np.where(flat[None, :] < 0, 1.0, 0.0) * np.ones((len(vectors), 1))
    inside = (flat >= 0) & np.isfinite(flat)
    if inside.any():
        at = np.floor(flat[inside]) if graph.is_discrete else flat[inside]
        found[:, inside] = _observed(graph, vectors, known, at, LEFT)
    return _shaped(found, shape, single=single)


def cumulative(graph: Structure, times: Any, theta: Any) -> Any:
    """The probability that it takes no longer; small ones are as precise as large ones."""
    vectors, single = read_theta(graph, theta)
    flat, shape = read_times(times, whole=False)
    known = series(graph, vectors)
    if _far_apart(known, flat):
        return np.stack([cumulative(graph, times, vector) for vector in vectors])
    found = np.where(flat[None, :] < 0, 0.0, 1.0) * np.ones((len(vectors), 1))
    inside = (flat >= 0) & np.isfinite(flat)
    if inside.any():
        ended = graph.defect + _summed(graph, vectors, known, flat[inside], ENDING)
        found[:, inside] = np.minimum(ended, 1.0)
    return _shaped(found, shape, single=single)


def quantile(graph: Structure, probabilities: Any, theta: Any) -> Any:
    """The least times that are not exceeded with given probabilities.

    Raises:
        InvalidGraph: a probability is none.
    """
    vectors, single = read_theta(graph, theta)
    wanted = read_probabilities(probabilities)
    flat = wanted.reshape(-1)
    rows = [quantiles(_Tails(graph, vector), flat) for vector in vectors]
    return _shaped(np.stack(rows), wanted.shape, single=single)


@final
class _Tails:
    """A graph for one parameter vector."""

    def __init__(self, graph: Structure, vector: Values) -> None:
        self._graph, self._theta = graph, vector if vector.size else None
        self.is_discrete, self.defect = graph.is_discrete, graph.defect

    def cdf(self, times: Values) -> Values:
        return cumulative(self._graph, times, self._theta)

    def survival(self, times: Values) -> Values:
        return survival(self._graph, times, self._theta)

    def pdf(self, times: Values) -> Values:
        return density(self._graph, times, self._theta)

    def expectation(self) -> float:
        return expectation(self._graph, self._theta, None)


def state_probabilities(graph: Structure, times: Any, theta: Any) -> Any:
    """By time and vertex: the probability of being there; where the chain has ended it stays."""
    vectors, single = read_theta(graph, theta)
    flat, shape = read_times(times, whole=graph.is_discrete)
    if (flat < 0).any() or not np.isfinite(flat).all():
        raise InvalidGraph("Times must be finite and not negative")
    ends = graph.absorbing
    known = series(graph, vectors, _ways_out(graph, vectors, ends))
    if _far_apart(known, flat):
        return np.stack([state_probabilities(graph, times, vector) for vector in vectors])
    found = np.zeros((len(vectors), len(flat), len(graph)))
    late = _late(known, flat)
    for vector in range(len(vectors)):
        states = known.states_after if graph.is_discrete else known.states
        found[vector][np.ix_(np.flatnonzero(~late), known.vertices)] = states(flat[~late], vector)
    if late.any():
        found[0, late] = stiff.states(graph, vectors[0], flat[late])
    for kind, end in enumerate(ends):
        ended = _summed(graph, vectors, known, flat, kind + 1)
        found[:, :, end] = graph.initial[end] + ended
    return found[0].reshape(*shape, -1) if single else found.reshape(len(found), *shape, -1)


def _ways_out(graph: Structure, vectors: Values, ends: Values) -> Values:
    """By parameter vector, end and vertex: how fast the vertex leads there."""
    sources, targets = graph.edges.sources, graph.edges.targets
    found = np.zeros((len(vectors), len(ends), len(graph)))
    for kind, end in enumerate(ends):
        there = targets == end
        for vector, row in enumerate(weights_of(graph, vectors)):
            found[vector, kind] = np.bincount(sources[there], row[there], len(graph))
    return found


def accumulated(graph: Structure, times: Any, rewards: Any, theta: Any) -> Any:
    """By time, and by kind of reward where there are several: what was earned until then."""
    vectors, single = read_theta(graph, theta)
    values = read_rewards(graph, rewards)
    flat, shape = read_times(times, whole=graph.is_discrete)
    if (flat < 0).any():
        raise InvalidGraph("Times must not be negative")
    columns = values.reshape(len(graph), -1).T
    known = series(graph, vectors, columns)
    if _far_apart(known, flat):
        return np.stack([accumulated(graph, times, rewards, vector) for vector in vectors])
    finite = np.isfinite(flat)
    parts: list[Values] = []
    for kind in range(len(columns)):
        found = np.empty((len(vectors), len(flat)))
        if finite.any():
            found[:, finite] = _summed(graph, vectors, known, flat[finite], kind + 1)
        if not finite.all():
            found[:, ~finite] = np.atleast_1d(expectation(graph, theta, columns[kind]))[:, None]
        parts.append(found)
    if values.ndim == 1:
        return _shaped(parts[0], shape, single=single)
    stacked = np.stack(parts, axis=-1)
    whole = (*shape, len(columns))
    return stacked[0].reshape(whole) if single else stacked.reshape(len(stacked), *whole)
