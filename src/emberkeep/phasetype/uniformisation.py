"""Uniformisation: a chain in continuous time as one in steps, at the times of a Poisson process.

With a rate λ that no state is left faster than, the chain is one in discrete time with the
probabilities P = I + S/λ, and what is observed at time t is what is observed after N steps, N
Poisson with mean λt. All terms are positive. What is left out is bounded: the Poisson weights that
are not summed are less than 1e-19 together, and an observation is at most its largest value. The
weights come from a recurrence outward from the largest of them, which needs no exponential.
"""

from __future__ import annotations

import math
from _thread import allocate_lock as Lock  # noqa: N812 - without the import of `threading`

import numpy as np

from emberkeep.phasetype.kernels.accuracy import GONE, TAIL, steps_for
from emberkeep.phasetype.kernels.propagation import mix, propagate, walk
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]

CHUNK = 256  # steps between looks at whether anything is left
FAINT = 1e-300  # a weight below does not count, however small is what it may bring


def poisson_weights(mean: float, tail: float = TAIL) -> tuple[int, Values]:
    """The first number, and the probabilities from there on, of all that count.

    Args:
        mean: of the Poisson number.
        tail: what is left out has a probability below e to minus this. With `FAINTEST` small
            probabilities of states are as precise as large ones.
    """
    mode = math.floor(mean)
    high = steps_for(mean, tail)
    low = max(0, mode - (high - mode))
    up = np.cumprod(mean / np.arange(mode + 1, high + 1)) if high > mode else np.empty(0)
    down = np.cumprod(np.arange(mode, low, -1) / mean) if mode > low else np.empty(0)
    up, down = up[up > FAINT], down[down > FAINT]
    weights = np.concatenate([down[::-1], [1.0], up])
    return mode - len(down), weights / weights.sum()


@final
class Series:
    """Observations of a chain after each step; as many steps as were asked for so far.

    Args:
        graph: the chain.
        weights: of edges, by parameter vector and edge, in the graph's own order.
        watched: what is observed: by parameter vector, kind and vertex. The probability that the
            chain has not ended is always observed.
    """

    def __init__(self, graph: Structure, weights: Values, watched: Values) -> None:
        edges = graph.edges
        leaving = np.flatnonzero(np.diff(edges.starts) > 0)
        number = np.full(len(graph), -1, np.int64)
        number[leaving] = np.arange(len(leaving))
        sources, targets = number[edges.sources], number[edges.targets]
        inner = np.flatnonzero(targets >= 0)
        order = inner[np.argsort(targets[inner], kind="stable")]
        self.vertices = leaving
        self.starts = np.zeros(len(leaving) + 1, np.uint32)
        self.starts[1:] = np.cumsum(np.bincount(targets[inner], minlength=len(leaving)))
        self.sources = sources[order].astype(np.uint32)
        out = np.stack([np.bincount(sources, row, len(leaving)) for row in weights])
        self.is_discrete = graph.is_discrete
        # In discrete time a step is a step.
        highest = out.max(axis=1, initial=0.0)
        stands = graph.is_discrete | (highest == 0)  # for now: in another epoch it may go on
        self.rates = np.where(stands, 1.0, highest)
        scale = self.rates[:, None]
        self.probabilities = np.ascontiguousarray(weights[:, order] / scale)
        self.staying = np.maximum(1 - out / scale, 0.0)
        self.initial = graph.initial[leaving]
        self.watched = watched
        self._watched = np.ascontiguousarray(watched[:, :, leaving])
        self._vectors = np.zeros((len(weights), 2, len(leaving)))
        self._vectors[:, 0] = self.initial
        self._found = np.empty((len(weights), 0, watched.shape[1] + 1))
        self._taken, self._over = 0, 0
        self._lock = Lock()  # a graph's last series is for all threads

    @property
    def kinds(self) -> int:
        """How many kinds of observation there are, besides that the chain has not ended."""
        return self._watched.shape[1]

    def observations(self, steps: int) -> Values:
        """By parameter vector, step and kind; shorter where everything has ended before.

        What was found is never written again, so it may be read while others go on.
        """
        with self._lock:
            while self._taken < steps and not self._over:
                end = min(steps, max(self._taken + CHUNK, self._taken + self._taken // 4))
                self._room(end)
                walk(
                    self.starts, self.sources, self.probabilities, self.staying, self._vectors,
                    self._watched, self._found, self._taken, end, count=len(self.rates),
                )  # fmt: skip
                self._look(self._taken, end)
                self._taken = end
            return self._found[:, : min(steps, self._over or self._taken)]

    def _look(self, begin: int, end: int) -> None:
        """Whether all has ended, at steps that do not depend on who asked for how many."""
        marks = np.arange(begin - begin % CHUNK + CHUNK, end + 1, CHUNK)
        gone = (self._found[:, marks - 1, -1] < GONE).all(axis=0)
        if gone.any():
            self._over = int(marks[gone.argmax()])

    def _room(self, steps: int) -> None:
        if steps > self._found.shape[1]:
            larger = np.empty((len(self.rates), max(steps, 2 * self._taken), self.kinds + 1))
            larger[:, : self._taken] = self._found[:, : self._taken]
            self._found = larger

    def at(self, times: Values, kind: int, *, summed: bool = False) -> Values:
        """By parameter vector and time: an observation, or its integral up to then."""
        means = self.rates[:, None] * times[None, :]
        known = self.observations(steps_for(float(means.max(initial=0.0)), TAIL))[:, :, kind]
        beyond = np.zeros(len(known))
        if summed:
            sums = np.cumsum(known, axis=1) / self.rates[:, None]
            known = np.concatenate([np.zeros((len(known), 1)), sums], axis=1)
            beyond = known[:, -1].copy()
        known = np.ascontiguousarray(known)
        which = np.repeat(np.arange(len(known)), len(times))
        mixed = np.empty(len(which))
        largest = known.max(axis=1, initial=0.0)
        mix(means.reshape(-1), which, known, largest, beyond, mixed, count=len(which))
        return mixed.reshape(len(known), len(times))

    def states(self, times: Values, vector: int) -> Values:
        """By time and vertex that can be left: the probability of being there."""
        windows = [poisson_weights(float(self.rates[vector] * time)) for time in times]
        return self._propagate(windows, vector)

    def states_after(self, steps: Values, vector: int) -> Values:
        """By number of steps and vertex that can be left: the probability of being there."""
        return self._propagate([(int(step), np.ones(1)) for step in steps], vector)

    def occupancies(self, times: Values, vector: int) -> Values:
        """By time and vertex that can be left: the time that was spent there until then.

        In discrete time, how many steps begin there.
        """
        found = np.empty((len(times), len(self.initial)))
        for row, time in enumerate(times.tolist()):  # each by itself: its weights are long
            weights = np.ones(int(time)) if self.is_discrete else self._remaining(time, vector)
            found[row] = self._propagate([(0, weights)], vector)
        return found

    def _remaining(self, time: float, vector: int) -> Values:
        """By step: the mean time between it and the next that lies before a time."""
        rate = float(self.rates[vector])
        low, weights = poisson_weights(rate * time)
        more = np.cumsum(weights[::-1])[::-1][1:]  # that more steps than so many are made
        return np.concatenate([np.ones(low), more]) / rate

    def _propagate(self, windows: list[tuple[int, Values]], vector: int) -> Values:
        first = np.array([low for low, _ in windows], np.int64)
        sizes = np.array([len(weights) for _, weights in windows], np.int64)
        vectors = np.zeros((2, len(self.initial)))
        vectors[0] = self.initial
        found = np.zeros((len(windows), len(self.initial)))
        propagate(
            self.starts, self.sources, self.probabilities[vector], self.staying[vector], vectors,
            int((first + sizes).max(initial=0)), first, first + sizes,
            np.concatenate([weights for _, weights in windows] or [np.empty(0)]),
            np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64), found, count=1,
        )  # fmt: skip
        return found
