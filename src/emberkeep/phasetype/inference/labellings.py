"""Parameters that can be exchanged: the data do not say which is which."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from emberkeep.phasetype.inference.information import Likelihood
from emberkeep.phasetype.inference.modes import batched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.inference.density import Problem

    Values = np.ndarray[Any, Any]

    Pair = tuple[int, int]

MOST_ON_ONE_SIDE = 0.9  # of samples, in which one parameter is the larger
WITNESSES = 3  # points at which likelihoods are compared
SAME = 1e-8  # of a log likelihood
LEAST_WEIGHT = 0.05  # of the other order, against this one


def one_sided(problem: Problem, points: Values, batch: int) -> list[Pair]:
    """Pairs that can be exchanged, of which samples show one order and not the other.

    A prior that tells them apart makes the other order unlikely; then all is well.
    """
    pairs = [pair for pair in combinations(range(problem.size), 2) if _leans(problem, points, pair)]
    witnesses = points[:: max(1, len(points) // WITNESSES)][:WITNESSES]
    found: list[Pair] = []
    for pair, likely in zip(pairs, _compared(problem, witnesses, pairs, batch), strict=True):
        if likely:
            some = points[:batch]
            here, there = (batched(problem, each, batch)[0] for each in (some, swapped(some, pair)))
            if np.mean(np.exp(np.clip(there - here, -100, 0))) > LEAST_WEIGHT:
                found.append(pair)
    return found


def swapped(points: Values, pair: Pair) -> Values:
    """With two coordinates exchanged."""
    found = points.copy()
    found[:, pair] = points[:, pair[::-1]]
    return found


def _leans(problem: Problem, points: Values, pair: Pair) -> bool:
    first, second = (problem.transforms[each] for each in pair)
    larger = float(np.mean(points[:, pair[0]] > points[:, pair[1]]))
    return first == second and max(larger, 1 - larger) > MOST_ON_ONE_SIDE


def _compared(problem: Problem, points: Values, pairs: list[Pair], batch: int) -> list[bool]:
    """Whether likelihoods stay the same under each exchange."""
    if not pairs:
        return []
    places = np.concatenate([points, *(swapped(points, pair) for pair in pairs)])
    levels = Likelihood(problem, batch).heights(places).reshape(len(pairs) + 1, len(points))
    allowed = SAME * np.maximum(1.0, np.abs(levels[0]))
    return [bool(np.all(np.abs(each - levels[0]) <= allowed)) for each in levels[1:]]
