"""How many events of several kinds happen until a chain ends: by recursion, from each state on.

In continuous time events come at the rate of rewards; what is to come follows from what is to come
after one event less. In discrete time rewards are whole numbers, and what is counted is what is
earned. All terms are positive: nothing is subtracted.
"""

from __future__ import annotations

from _thread import allocate_lock as Lock  # noqa: N812 - without the import of `threading`
from abc import ABC, abstractmethod

import numpy as np

from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.linear_systems import Elimination
from emberkeep.phasetype.numeric import as_numbers
from emberkeep.phasetype.rewards import read_rewards
from emberkeep.phasetype.trace import rows_of
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable, Iterator
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]
    Counts = tuple[int, ...]
    # Of counts that are left: values by row, and the value once the chain has ended.
    Known = Callable[[Counts], tuple[Values | None, float]]

MOST_NUMBERS = 250_000_000  # that a table may hold, of eight bytes each
AT_ONCE = 2.0**900  # so fast that nothing else happens, in discrete time


def read_kinds(graph: Structure, rewards: Any, rate: Any) -> Values:
    """By vertex and kind, the rate of events; in discrete time, how many there are in a step.

    Raises:
        InvalidGraph: a rate is impossible, or in discrete time a reward is no whole number.
    """
    values = read_rewards(graph, rewards)
    rates = as_numbers("The rates", rate)
    if not (np.isfinite(rates) & (rates >= 0)).all():
        raise InvalidGraph(f"rate must be finite and not negative; it is {rate!r}")
    columns = values.reshape(len(graph), -1)
    if rates.ndim > 1 or (rates.ndim and rates.shape != (columns.shape[1],)):
        raise InvalidGraph(
            f"rate is {rate!r}; expected one number, or one for each of {columns.shape[1]} kinds"
        )
    if not graph.is_discrete:
        return columns * rates
    if (rates != 1).any():
        raise InvalidGraph(
            f"rate is {rate!r}, and this graph is discrete: there what is counted is what is "
            "earned by steps, without a rate. Leave it out"
        )
    broken = np.argwhere(columns != np.floor(columns))
    if len(broken):
        vertex, kind = broken[0].tolist()
        raise InvalidGraph(
            f"In discrete time rewards are whole numbers; that of state "
            f"{graph.states.label(vertex)!r} is {columns[vertex, kind]}"
        )
    return columns


class Recursion(ABC):
    """One step of it: values of some counts, from those of fewer.

    Attributes:
        system: linear systems of the graph.
        lock: held by who uses them, as their memory is for one thread.
    """

    system: Elimination
    lock: LockType

    @abstractmethod
    def values(self, counts: Counts, known: Known) -> Values:
        """By block, row and vector: the value of counts, from each row on."""

    def _ending(self) -> Values:
        """By block, row and vector: how fast, or with which probability, the chain ends."""
        pattern = self.system.pattern
        out = pattern.column == pattern.rows
        return self.system.sums(np.where(out[None, :, None], self.system.factors.weights, 0.0))


def recursion(graph: Structure, vectors: Values, columns: Values) -> Recursion:
    """That of a graph, for parameter vectors and what `read_kinds` gave."""
    made = InSteps if graph.is_discrete else InTime
    return made(graph, vectors, columns[rows_of(graph).vertices])


@final
class InTime(Recursion):
    """In continuous time: the chain until the next event, or its end."""

    def __init__(self, graph: Structure, vectors: Values, rates: Values) -> None:
        self.system = Elimination(graph, len(vectors), rates.sum(axis=1))
        self.system.update(vectors, np.ones(len(vectors)))
        self.lock = Lock()
        self._ends = self._ending()
        self._rates = [np.ascontiguousarray(rate)[None, :, None] for rate in rates.T]

    def values(self, counts: Counts, known: Known) -> Values:
        """By block, row and vector: the value of counts, from each row on."""
        right = self._ends * known(counts)[1]
        for kind, rate in enumerate(self._rates):
            later, _ = known((*counts[:kind], counts[kind] - 1, *counts[kind + 1 :]))
            if later is not None:
                right += rate * later
        return self.system.solve(right)


@final
class InSteps(Recursion):
    """In discrete time: one step, or from where nothing is earned, steps until something is."""

    def __init__(self, graph: Structure, vectors: Values, earned: Values) -> None:
        whole: Values = earned.astype(np.int64)
        jumps: Values
        group: Values
        jumps, group = np.unique(whole, axis=0, return_inverse=True)
        self._jumps: list[Counts] = [tuple(jump) for jump in jumps.tolist()]
        self._groups = [np.flatnonzero(group == number) for number in range(len(jumps))]
        earning: Values = (whole != 0).any(axis=1)
        self._earning, self._is_idle = np.flatnonzero(earning), not earning.all()
        # Where something is earned the value is known: the system is left there at once, with it.
        self.system = Elimination(graph, len(vectors), earning * AT_ONCE)
        self.system.update(vectors, np.ones(len(vectors)))
        self.lock = Lock()
        self._ends = self._ending()
        self._staying = np.maximum(1 - self.system.sums(self.system.factors.weights), 0.0)

    def values(self, counts: Counts, known: Known) -> Values:
        """By block, row and vector: the value of counts, from each row on."""
        found = np.zeros_like(self._ends)
        for jump, rows in zip(self._jumps, self._groups, strict=True):
            left = tuple(count - earned for count, earned in zip(counts, jump, strict=True))
            later, ended = known(left) if any(jump) else (None, known(left)[1])
            found[:, rows] = self._ends[:, rows] * ended
            if later is not None:
                found[:, rows] += self._stepped(later)[:, rows]
        if not self._is_idle:
            return found
        right = found.copy()
        right[:, self._earning] *= AT_ONCE
        solved = self.system.solve(right)
        solved[:, self._earning] = found[:, self._earning]
        return solved

    def _stepped(self, values: Values) -> Values:
        """What they are on average after one step; zero where the chain has ended."""
        system = self.system
        ended = np.zeros((system.factors.blocks, 1, system.factors.width))
        padded = np.concatenate([values, ended], axis=1)
        moved = system.sums(system.factors.weights * padded[:, system.pattern.column])
        return moved + self._staying * values


class Counted(ABC):
    """Values of counts that were asked for so far, and of all that are less."""

    def __init__(self, recursion: Recursion) -> None:
        self._recursion = recursion
        self._known: dict[Counts, Values] = {}

    @abstractmethod
    def at(self, counts: Counts) -> tuple[Values | None, float]:
        """By row; and once the chain has ended. None stands for zero everywhere."""

    def from_rows(self, counts: Counts) -> Values:
        """By block, row and vector."""
        if counts not in self._known:
            self._fill(counts)
        return self._known[counts]

    def from_start(self, counts: Counts) -> Values:
        """By parameter vector: on average over where the chain begins."""
        return self._recursion.system.begun(self.from_rows(counts))

    def _fill(self, counts: Counts) -> None:
        size = self._recursion.system.factors.weights.shape[0] * (
            self._recursion.system.pattern.rows * self._recursion.system.factors.width
        )
        cells = 1
        for count in counts:
            cells *= count + 1
        if cells * size > MOST_NUMBERS:
            raise InvalidGraph(
                f"Counts up to {counts} are {cells:,} cells, of {size:,} numbers each: more than "
                f"{MOST_NUMBERS:,}. Ask for fewer, or for marginals of fewer kinds"
            )
        with self._recursion.lock:
            for each in _up_to(counts):
                if each not in self._known:
                    self._known[each] = self._recursion.values(each, self.at)


def _up_to(counts: Counts) -> Iterator[Counts]:
    """All that are no larger, fewer before more."""
    return iter(np.ndindex(*(count + 1 for count in counts)))


@final
class Exactly(Counted):
    """Probabilities that just so many events are still to come."""

    def at(self, counts: Counts) -> tuple[Values | None, float]:
        """By row; and once the chain has ended."""
        if min(counts, default=0) < 0:
            return None, 0.0
        ended = float(not any(counts))
        return self._known.get(counts), ended


@final
class Beyond(Counted):
    """Probabilities that of some kinds more are to come than so many, and of others just so many.

    Args:
        recursion: of all those kinds.
        free: how many kinds may be exceeded; they are the first.
        others: the probabilities of the other kinds alone, or None where there are none.
        certain: by block, row and vector, one.
    """

    def __init__(
        self, recursion: Recursion, free: int, others: Counted | None, certain: Values
    ) -> None:
        super().__init__(recursion)
        self._free, self.others, self._certain = free, others, certain

    def at(self, counts: Counts) -> tuple[Values | None, float]:
        """By row; and once the chain has ended."""
        free, given = counts[: self._free], counts[self._free :]
        if min(given, default=0) < 0:
            return None, 0.0
        if min(free, default=0) >= 0:
            return self._known.get(counts), 0.0
        if self.others is None:
            return self._certain, 1.0
        return self.others.from_rows(given), float(not any(given))
