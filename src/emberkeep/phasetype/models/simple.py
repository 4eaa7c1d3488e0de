"""The families of textbooks. Phases are 1 to k, and the end is 0."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.constructors import define
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.graph import Graph, graph_of
from emberkeep.phasetype.models.rates import read_count, read_positive, split
from emberkeep.phasetype.states import NUMBER, States

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]


def erlang(k: int, rate: float | None = None) -> Graph:
    """The sum of k exponential times of one rate.

    States are phases: 1, where it begins, to k; from each to the next, and from k to the end 0, at
    `rate`.

    Args:
        k: how many phases.
        rate: of each; theta[0] by default.

    Source: Bladt and Nielsen (2017), Matrix-Exponential Distributions in Applied Probability, ch.
    3.
    """
    count = read_count("k", k, 1)
    base, coefficients = split(np.ones((count, 1)), {"rate": rate})
    phases = np.arange(1, count + 1)
    return _phases(phases, _next(count), base, _first(count), "erlang", coefficients)


def hypoexponential(rates: Any) -> Graph:
    """The sum of exponential times, each with a rate of its own.

    States are phases: 1, where it begins, to k; from each to the next, and from k to the end 0.

    Args:
        rates: of each phase in its turn; positive.

    Source: Bladt and Nielsen (2017), Matrix-Exponential Distributions in Applied Probability, ch.
    3; also called generalised Erlang.
    """
    given = read_positive("rates", rates)
    count = len(given)
    phases = np.arange(1, count + 1)
    return _phases(phases, _next(count), given, _first(count), "hypoexponential")


def hyperexponential(probabilities: Any, rates: Any) -> Graph:
    """One of several exponential times, chosen at random.

    States are phases: it begins in phase i with `probabilities[i - 1]`, and goes to the end 0 at
    `rates[i - 1]`.

    Args:
        probabilities: positive; what is missing to one ends at once.
        rates: as many; positive.

    Source: Bladt and Nielsen (2017), Matrix-Exponential Distributions in Applied Probability, ch.
    3.
    """
    chances, given = read_positive("probabilities", probabilities), read_positive("rates", rates)
    count = len(given)
    if len(chances) != count:
        raise InvalidGraph(f"There are {len(chances)} probabilities and {count} rates")
    phases = np.arange(1, count + 1)
    return _phases(phases, np.zeros(count, np.int64), given, chances, "hyperexponential")


def coxian(rates: Any, continue_probabilities: Any) -> Graph:
    """A sum of exponential times that may end after each.

    States are phases: 1, where it begins, to k. Phase i is left at `rates[i - 1]`: with
    ``p = continue_probabilities[i - 1]`` to phase i + 1, and with 1 - p, or from k, to the end 0.

    Args:
        rates: of each phase; positive.
        continue_probabilities: one fewer; more than 0, at most 1.

    Source: Cox (1955), A use of complex probabilities in the theory of stochastic processes.
    """
    given = read_positive("rates", rates)
    count = len(given)
    chances = np.asarray(continue_probabilities, float)
    if chances.shape != (count - 1,) or not ((chances > 0) & (chances <= 1)).all():
        raise InvalidGraph(
            f"continue_probabilities is {continue_probabilities!r}; expected {count - 1} numbers, "
            "one fewer than rates, each more than 0 and at most 1"
        )
    phases = np.arange(1, count + 1)
    return _phases(
        np.concatenate([phases[:-1], phases]),
        np.concatenate([phases[1:], np.zeros(count, np.int64)]),
        np.concatenate([given[:-1] * chances, given * np.append(1 - chances, 1.0)]),
        _first(count),
        "coxian",
    )


def _next(count: int) -> Values:
    """The phase after each; the end after the last."""
    return np.append(np.arange(2, count + 1), 0)


def _first(count: int) -> Values:
    """Beginning in phase 1."""
    return np.append(1.0, np.zeros(count - 1))


def _phases(
    sources: Values,
    targets: Values,
    base: Values,
    initial: Values,
    name: str,
    coefficients: Values | None = None,
) -> Graph:
    """A graph of phases, and the end before them; a vertex's number is its phase."""
    return graph_of(
        define(
            States(NUMBER, np.arange(len(initial) + 1).reshape(-1, 1)),
            sources,
            targets,
            base,
            np.zeros((len(base), 0)) if coefficients is None else coefficients,
            np.append(0.0, initial),
            discrete=False,
            name=name,
        )
    )
