"""Numbers that models are given, checked; and rates that may be parameters."""

from __future__ import annotations

from operator import index

import numpy as np

from emberkeep.phasetype.errors import InvalidGraph

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Values = np.ndarray[Any, Any]
    # Of every state: how often it happens (0 where it cannot), where it leads, which rate it has.
    Move = tuple[Values, Values, int]


def read_count(name: str, value: int, least: int) -> int:
    """A whole number that is large enough.

    Raises:
        InvalidGraph: it is not.
    """
    try:
        count = index(value)
    except TypeError:
        count = least - 1
    if count < least:
        raise InvalidGraph(f"{name} is {value!r}; expected a whole number of at least {least}")
    return count


def read_positive(name: str, values: Any) -> Values:
    """A list of positive numbers.

    Raises:
        InvalidGraph: it is empty, or one is not positive and finite.
    """
    numbers = np.asarray(values, float)
    if numbers.ndim != 1 or not len(numbers) or not (np.isfinite(numbers) & (numbers > 0)).all():
        raise InvalidGraph(f"{name} is {values!r}; expected numbers that are positive and finite")
    return numbers


def parameters(rates: Mapping[str, float | None]) -> int:
    """How many rates are left to be parameters."""
    return sum(rate is None for rate in rates.values())


def split(coefficients: Values, rates: Mapping[str, float | None]) -> tuple[Values, Values]:
    """From a column for each rate: what known ones give, and the columns of unknown ones.

    Raises:
        InvalidGraph: a rate that is given is negative or not finite.
    """
    for name, rate in rates.items():
        if rate is not None and not 0 <= rate < np.inf:
            raise InvalidGraph(
                f"{name}={rate!r} is no rate; expected a finite number that is not negative, or "
                "None to make it a parameter"
            )
    known = np.array([0.0 if rate is None else rate for rate in rates.values()])
    unknown = [place for place, rate in enumerate(rates.values()) if rate is None]
    return coefficients @ known, coefficients[:, unknown]


def frontier_edges(
    moves: Sequence[Move], rates: Mapping[str, float | None]
) -> tuple[Values, Values, Values, Values]:
    """What the callback of a frontier returns, from what can happen in its states."""
    sources = [np.flatnonzero(times) for times, _, _ in moves]
    following = [states[rows] for (_, states, _), rows in zip(moves, sources, strict=True)]
    coefficients = np.zeros((sum(map(len, sources)), len(rates)))
    begin = 0
    for (times, _, rate), rows in zip(moves, sources, strict=True):
        coefficients[begin : begin + len(rows), rate] = times[rows]
        begin += len(rows)
    base, unknown = split(coefficients, rates)
    # A rate of zero must not lead to states that cannot be reached.
    there = (base != 0) | unknown.any(axis=1)
    return (
        np.concatenate(sources)[there],
        np.concatenate(following)[there],
        base[there],
        unknown[there],
    )
