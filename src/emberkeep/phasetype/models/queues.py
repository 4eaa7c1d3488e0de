"""Birth and death: populations that die out, and queues that empty."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.constructors import define
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.graph import Graph, graph_of
from emberkeep.phasetype.models.rates import read_count, split
from emberkeep.phasetype.states import NUMBER, States

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]


def birth_death(n: int, births: Any, deaths: Any, *, start: int | None = None) -> Graph:
    """The time until a population of at most n has died out.

    States are its sizes, 0 to n. From i to i + 1 at `births[i - 1]`, for i from 1 to n - 1; from i
    to i - 1 at `deaths[i - 1]`, for i from 1 to n. It ends in 0.

    Args:
        n: the largest size.
        births: n - 1 rates. Or n - 1 rows of coefficients, with a column for each parameter.
        deaths: n rates, or n rows with as many columns as `births`.
        start: the size in the beginning; n by default.

    Source: Karlin and McGregor (1957), The classification of birth and death processes.
    """
    count = read_count("n", n, 1)
    up, down = np.asarray(births, float), np.asarray(deaths, float)
    if up.size == 0:
        up = up.reshape(0, *down.shape[1:])
    if down.ndim not in (1, 2) or (*up.shape, *down.shape) != (
        *(count - 1, *down.shape[1:]),
        *(count, *down.shape[1:]),
    ):
        raise InvalidGraph(
            f"births have the shape {up.shape} and deaths {down.shape}; expected {count - 1} and "
            f"{count} of them, as rates, or as rows of coefficients with a column for a parameter"
        )
    weights = np.concatenate([up, down])
    if weights.ndim == 1:
        return _sizes(count, weights, np.zeros((len(weights), 0)), start, "birth_death")
    return _sizes(count, np.zeros(len(weights)), weights, start, "birth_death")


def mm1k_busy_period(
    capacity: int, arrival: float | None = None, service: float | None = None
) -> Graph:
    """The busy period of an M/M/1/K queue: from an arrival at an idle server until it is idle.

    States are the numbers of customers, the one being served included: 0 to `capacity`. It begins
    with 1. From i to i + 1 at `arrival`, where i is below `capacity`: who comes to a full queue is
    turned away. From i to i - 1 at `service`. It ends in 0.

    Args:
        capacity: how many customers there can be (K).
        arrival: its rate; a parameter by default, the first.
        service: its rate; a parameter by default.

    Source: Takagi and Tarabia (2009), Explicit probability density function for the length of a
    busy period in an M/M/1/K queue.
    """
    count = read_count("capacity", capacity, 1)
    kinds = np.repeat(np.eye(2), (count - 1, count), axis=0)
    base, coefficients = split(kinds, {"arrival": arrival, "service": service})
    return _sizes(count, base, coefficients, 1, "mm1k_busy_period")


def _sizes(count: int, base: Values, coefficients: Values, start: int | None, name: str) -> Graph:
    """A ladder of sizes: weights of the ways up from 1 on, then of those down."""
    begin = count if start is None else read_count("start", start, 1)
    if begin > count:
        raise InvalidGraph(f"start is {start}; expected at most {count}, the largest size")
    sizes = np.arange(1, count + 1)
    initial = np.zeros(count + 1)
    initial[begin] = 1
    return graph_of(
        define(
            States(NUMBER, np.arange(count + 1).reshape(-1, 1)),
            np.concatenate([sizes[:-1], sizes]),
            np.concatenate([sizes[1:], sizes - 1]),
            base,
            coefficients,
            initial,
            discrete=False,
            name=name,
        )
    )
