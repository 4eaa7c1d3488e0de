"""Joint probabilities of numbers of events, as a table that grows with what is asked of it."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.counting import Beyond, Counted, Exactly, read_kinds, recursion
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.linear_systems import read_single, read_theta
from emberkeep.phasetype.moments import covariance, expectation
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]
    Counts = tuple[int, ...]

MOST_COUNTED = 100_000  # that `within` goes up to
WHOLE: Any = (int, np.integer)


def joint_probabilities(graph: Structure, counts: Any, rewards: Any, rate: Any, theta: Any) -> Any:
    """By parameter vector, and by how many of each kind: 0, 1, …, up to `counts`."""
    vectors, single = read_theta(graph, theta)
    columns = read_kinds(graph, rewards, rate)
    limits = _read_limits(counts, columns.shape[1])
    counted = Exactly(recursion(graph, vectors, columns))
    counted.from_rows(limits)
    found = np.zeros((len(vectors), *(limit + 1 for limit in limits)))
    for index in np.ndindex(found.shape[1:]):
        found[(slice(None), *index)] = counted.from_start(index)
    found[(slice(None), *[0] * len(limits))] += graph.defect
    return found[0] if single else found


def _read_limits(counts: Any, kinds: int) -> Counts:
    """For each kind a number.

    Raises:
        InvalidGraph: one is no whole number or negative, or there are too many or too few.
    """
    given = np.asarray(counts)
    if not np.issubdtype(given.dtype, np.integer) or (given < 0).any():
        raise InvalidGraph(f"counts must be whole numbers, not negative; here is {counts!r}")
    if given.ndim > 1 or (given.ndim and given.shape != (kinds,)):
        raise InvalidGraph(
            f"counts is {counts!r}; expected one number, or one for each of {kinds} kinds"
        )
    return tuple(map(int, np.broadcast_to(given, (kinds,))))


@final
class JointTable:
    """Joint probabilities of how many events there are of each kind, for one parameter vector.

    ``table[2, 0, 1]`` is a probability. Whatever is asked for is computed then, with all that is
    needed for it, and remembered. Nothing is subtracted: small probabilities, and those of what
    lies outside of a table, are as precise as large ones.

    Args:
        graph: whose.
        rewards: what each state earns, by vertex and kind: events come at this rate; in discrete
            time, so many come with each step.
        rate: of events by reward; one, or by kind. Only in continuous time.
        theta: one parameter vector.
    """

    __slots__ = ("_beyond", "_columns", "_defect", "_exactly", "_given", "_graph", "_theta")

    def __init__(
        self, graph: Structure, *, rewards: Any = None, rate: Any = 1.0, theta: Any = None
    ) -> None:
        vector = read_single(graph, theta)
        self._define(graph, vector, read_kinds(graph, rewards, rate), ())

    def _define(self, graph: Structure, theta: Values, columns: Values, given: Counts) -> None:
        """Take columns: first kinds that are free, then those that are given."""
        self._graph, self._theta, self._columns, self._given = graph, theta, columns, given
        kinds = columns.shape[1] - len(given)
        steps = recursion(graph, theta[None, :], columns)
        self._exactly = Exactly(steps)
        self._defect = graph.defect * (not any(given))
        others: Counted | None = None
        if given:
            others = Exactly(recursion(graph, theta[None, :], columns[:, kinds:]))
            if not self._chance(others):
                raise InvalidGraph(f"What is given, {given}, has no probability")
        certain = np.ones((1, steps.system.pattern.rows, 1))
        self._beyond = Beyond(steps, kinds, others, certain)

    def __getstate__(self) -> tuple[Structure, Values, Values, Counts]:
        """What the table is of; what has been computed is computed again."""
        return self._graph, self._theta, self._columns, self._given

    def __setstate__(self, state: tuple[Structure, Values, Values, Counts]) -> None:
        self._define(*state)

    def _chance(self, others: Counted) -> float:
        return float(others.from_start(self._given)[0]) + self._defect

    @property
    def kinds(self) -> int:
        """How many kinds of events there are, those left out that are given."""
        return self._columns.shape[1] - len(self._given)

    @property
    def given_probability(self) -> float:
        """The probability of what is given; 1 where nothing is."""
        others = self._beyond.others
        return 1.0 if others is None else self._chance(others)

    def __repr__(self) -> str:
        given = f", given {self._given}" if self._given else ""
        return f"<JointTable of {self._graph.name}: {self.kinds} kinds{given}>"

    def __getitem__(self, counts: Any) -> float:
        """The probability of just so many of each kind."""
        wanted: tuple[Any, ...] = counts if isinstance(counts, tuple) else (counts,)  # pyright: ignore[reportUnknownVariableType]
        if len(wanted) != self.kinds or not all(isinstance(each, WHOLE) for each in wanted):
            raise InvalidGraph(
                f"counts is {counts!r}; expected {self.kinds} whole numbers, one for each kind"
            )
        return self._at(_read_limits(wanted, self.kinds))

    def _at(self, counts: Counts) -> float:
        found = float(self._exactly.from_start((*counts, *self._given))[0])
        return (found + self._defect * (not any(counts))) / self.given_probability

    def array(self, counts: Any) -> Values:
        """Probabilities with an axis for each kind, of 0, 1, …, up to counts."""
        limits = _read_limits(counts, self.kinds)
        self._exactly.from_rows((*limits, *self._given))
        found = np.empty([limit + 1 for limit in limits])
        for index in np.ndindex(found.shape):
            found[index] = self._at(index)
        return found

    def beyond(self, counts: Any) -> float:
        """The probability that of some kind there are more: what `array(counts)` leaves out."""
        limits = _read_limits(counts, self.kinds)
        found = self._beyond.from_start((*limits, *self._given))
        return float(found[0]) / self.given_probability

    def within(self, tolerance: float) -> Counts:
        """By kind, counts beyond which there is less than the tolerance, of all kinds together.

        The least for which each kind alone leaves out no more than its share of it.

        Raises:
            InvalidGraph: the tolerance is not between 0 and 1, or counts would be too large.
        """
        if not 0 < tolerance < 1:
            raise InvalidGraph(f"tolerance is {tolerance!r}; expected a number between 0 and 1")
        found: list[int] = []
        for kind in range(self.kinds):
            alone, count = self.marginal(kind), 0
            while alone.beyond(count) > tolerance / self.kinds:
                count += 1
                if count > MOST_COUNTED:
                    raise InvalidGraph(
                        f"Of kind {kind} there are more than {MOST_COUNTED:,} with a probability "
                        f"of {alone.beyond(count):.3g}: a table cannot hold them"
                    )
            found.append(count)
        return tuple(found)

    def marginal(self, *kinds: int) -> JointTable:
        """The table of some kinds alone, in this order."""
        if not kinds:
            raise InvalidGraph("marginal() of no kinds; name at least one, such as marginal(0)")
        for kind in kinds:
            self._require(kind)
        if len(set(kinds)) < len(kinds):
            raise InvalidGraph(f"marginal{kinds} names a kind twice")
        return self._of([*kinds], {})

    def conditional(self, given: Mapping[int, int]) -> JointTable:
        """The table of the other kinds, where of some kinds there are just so many.

        Raises:
            InvalidGraph: that has no probability, or no kind is left.
        """
        for kind, count in given.items():
            self._require(kind)
            _read_limits(count, 1)
        free = [kind for kind in range(self.kinds) if kind not in given]
        if not free:
            raise InvalidGraph(f"Of all {self.kinds} kinds something is given: none is left")
        return self._of(free, given)

    def _of(self, free: list[int], given: Mapping[int, int]) -> JointTable:
        before = range(self.kinds, self._columns.shape[1])
        columns = self._columns[:, [*free, *given, *before]]
        made = object.__new__(JointTable)
        made._define(self._graph, self._theta, columns, (*given.values(), *self._given))
        return made

    def _require(self, kind: Any) -> None:
        if not isinstance(kind, WHOLE) or not 0 <= kind < self.kinds:
            raise InvalidGraph(f"There is no kind {kind!r}; there are {self.kinds}, from 0")

    def expectation(self) -> Values:
        """By kind, how many there are on average; of a table in which nothing is given."""
        self._require_whole("expectation")
        return expectation(self._graph, self._vector, self._columns)

    def covariance(self) -> Values:
        """Covariances of numbers of two kinds; of a table in which nothing is given."""
        self._require_whole("covariance")
        found = covariance(self._graph, self._vector, self._columns, None)
        # Of events that come at a rate there are a Poisson number, once the rewards are known.
        return found if self._graph.is_discrete else found + np.diag(self.expectation())

    @property
    def _vector(self) -> Values | None:
        return self._theta if self._theta.size else None

    def _require_whole(self, what: str) -> None:
        if self._given:
            raise InvalidGraph(
                f"{what}() is of a table in which nothing is given; of this one, {self._given} is. "
                "Sum over array(within(tolerance)) instead"
            )

    def to_pandas(self, counts: Any) -> Any:
        """Probabilities up to counts, by counts of each kind, as a pandas Series."""
        try:
            import pandas as pd  # pyright: ignore[reportMissingTypeStubs]
        except ImportError as problem:
            raise InvalidGraph(
                "to_pandas() needs pandas, which is not installed: pip install pandas"
            ) from problem
        found = self.array(counts)
        library: Any = pd
        index = library.MultiIndex.from_product(
            [range(length) for length in found.shape], names=[*map(str, range(self.kinds))]
        )
        return library.Series(found.reshape(-1), index, name="probability")
