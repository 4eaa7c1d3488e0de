"""Exploring a state space a whole frontier at a time."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.kernels.state_space import number_rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Values = np.ndarray[Any, Any]

# How many things a callback returns.
SIMPLE, PARAMETERISED = 3, 4
SPARE = 3  # places of the table for each state


class Numbering:
    """States as rows of numbers, each with a number of its own in the order of their appearance."""

    def __init__(self, length: int) -> None:
        self._known = np.empty((1024, length), np.int64)
        self._table = np.full(SPARE * len(self._known), -1, np.int64)
        self._count = np.zeros(1, np.int64)

    @property
    def rows(self) -> Values:
        """All that have a number."""
        return self._known[: self._count[0]]

    def numbers(self, rows: Values) -> Values:
        """The numbers of rows; new ones get the next."""
        while self._count[0] + len(rows) > len(self._known):
            self._grow()
        found = np.empty(len(rows), np.int64)
        number_rows(rows, self._known, self._table, found, self._count, count=1)
        return found

    def _grow(self) -> None:
        rows = self.rows
        self._known = np.empty((2 * len(self._known), rows.shape[1]), np.int64)
        self._table = np.full(SPARE * len(self._known), -1, np.int64)
        self._count = np.zeros(1, np.int64)
        self.numbers(np.ascontiguousarray(rows))


def explore(
    callback: Callable[[Values], Any],
    initial: Values,
    theta_length: int,
    most: int,
    known: Values | None,
) -> tuple[Values, Values, Values, Values, Values]:
    """All states that can be reached, and edges: sources, targets, base, coefficients.

    Raises:
        InvalidGraph: what the callback returned cannot be edges, or there are too many states.
    """
    numbering = Numbering(initial.shape[1])
    numbering.numbers(np.ascontiguousarray(initial, np.int64))
    if known is not None:
        numbering.numbers(np.ascontiguousarray(known, np.int64).reshape(-1, initial.shape[1]))
    parts: list[tuple[Values, ...]] = []
    begin = 0
    while begin < len(numbering.rows):
        frontier = numbering.rows[begin:].copy()
        sources, rows, base, coefficients = _read(callback(frontier), frontier, theta_length)
        # What never has weight leads nowhere.
        there = (base != 0) | (coefficients != 0).any(axis=1)
        if not there.all():
            sources, rows, base = sources[there], rows[there], base[there]
            coefficients = coefficients[there]
        parts.append((sources + begin, numbering.numbers(rows), base, coefficients))
        begin += len(frontier)
        if len(numbering.rows) > most:
            raise InvalidGraph(
                f"More than {most:,} states were found, the last of them "
                f"{tuple(numbering.rows[-1].tolist())}. If there are meant to be so many, pass "
                "most_states="
            )
    return (numbering.rows.copy(), *map(np.concatenate, zip(*parts, strict=True)))  # pyright: ignore[reportReturnType]


def _whole(what: str, given: Any) -> Values:
    values = np.asarray(given)
    if not np.issubdtype(values.dtype, np.integer) and (values != np.floor(values)).any():
        raise InvalidGraph(f"{what} of a frontier must be whole numbers; here is {given!r:.80}")
    return values.astype(np.int64)


def _read(
    answer: Any, frontier: Values, theta_length: int
) -> tuple[Values, Values, Values, Values]:
    """What a callback gave, checked."""
    if not isinstance(answer, tuple) or len(answer) not in (SIMPLE, PARAMETERISED):  # pyright: ignore[reportUnknownArgumentType]
        raise InvalidGraph(
            "The callback of a frontier must return (sources, next_states, weights), or (sources, "
            f"next_states, base, coefficients); it returned {str(answer)[:80]}"  # pyright: ignore[reportUnknownArgumentType]
        )
    given: list[Any] = [*answer]  # pyright: ignore[reportUnknownArgumentType]
    sources = _whole("Sources", given[0]).reshape(-1)
    rows = np.ascontiguousarray(_whole("Next states", given[1]))
    if not len(sources):
        rows = rows.reshape(0, frontier.shape[1])
    if rows.shape != (len(sources), frontier.shape[1]):
        raise InvalidGraph(
            f"There are {len(sources)} sources, and states have {frontier.shape[1]} numbers; the "
            f"callback returned next states of the shape {rows.shape}"
        )
    if len(sources) and not 0 <= sources.min() <= sources.max() < len(frontier):
        raise InvalidGraph(
            f"Sources are positions in the frontier, below {len(frontier)}; the callback returned "
            f"{int(sources.min())} to {int(sources.max())}"
        )
    base = np.asarray(given[2], float)
    coefficients = np.zeros((len(sources), theta_length))
    if len(given) == PARAMETERISED:
        coefficients = np.asarray(given[3], float)
    elif base.ndim > 1:  # a weight for each parameter, and none besides
        base, coefficients = np.zeros(len(sources)), base
    if base.shape != (len(sources),) or coefficients.shape != (len(sources), theta_length):
        raise InvalidGraph(
            f"There are {len(sources)} sources and {theta_length} parameters, and weights of shape "
            f"{base.shape} with coefficients of shape {coefficients.shape}"
        )
    return sources, rows, base, np.ascontiguousarray(coefficients)
