"""One step of a uniformised chain, those who have ended included; and many of them.

Here small probabilities are as precise as large ones: no Poisson weight is left out that could
count for one of them.
"""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.kernels.accuracy import FAINTEST
from emberkeep.phasetype.kernels.propagation import propagate
from emberkeep.phasetype.uniformisation import poisson_weights
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]


@final
@frozen
class Moves:
    """What a step does, from place to place; in continuous time, steps come at a rate.

    Attributes:
        sources, targets: places.
        factors: how much of what is there comes there.
        staying: by place, how much stays.
    """

    sources: Values
    targets: Values
    factors: Values
    staying: Values


def rate_for(graph: Structure, weights: Values, length: float) -> float:
    """A rate at which no vertex is left more often than once a step; 1 where time goes in steps."""
    if graph.is_discrete:
        return 1.0
    out = np.bincount(graph.edges.sources, weights, len(graph))
    return max(float(out.max()), 1 / length)  # nothing may happen in this time


def moves_of(graph: Structure, weights: Values, rate: float) -> Moves:
    """Of a graph, whose places are its vertices; where it has ended it stays."""
    edges = graph.edges
    out = np.bincount(edges.sources, weights, len(graph))
    staying = np.maximum(1 - out / rate, 0.0)
    return Moves(edges.sources, edges.targets.astype(np.int64), weights / rate, staying)


def moved(moves: Moves, before: Values, mean: float, *, discrete: bool) -> tuple[Values, int]:
    """What becomes of what is by place; and the number of steps.

    Args:
        moves: one step.
        before: by place.
        mean: how many steps there are, on average or, where time goes in steps, exactly.
        discrete: which of both.
    """
    size = len(before)
    order = np.argsort(moves.targets, kind="stable")
    starts = np.zeros(size + 1, np.uint32)
    starts[1:] = np.cumsum(np.bincount(moves.targets, minlength=size))
    first, window = (int(mean), np.ones(1)) if discrete else poisson_weights(mean, FAINTEST)
    vectors = np.zeros((2, size))
    vectors[0] = before
    found: Values = np.zeros((1, size))
    last = first + len(window)
    propagate(
        starts, moves.sources[order].astype(np.uint32), moves.factors[order], moves.staying,
        vectors, last, np.array([first]), np.array([last]), window, np.zeros(1, np.int64), found,
        count=1,
    )  # fmt: skip
    return found[0], last
