"""A stretch: a graph's chain from where it has come to, until its weights change."""

from __future__ import annotations

from emberkeep.phasetype.distribution import state_probabilities, weights_of
from emberkeep.phasetype.kernels.accuracy import MOST_STEPS
from emberkeep.phasetype.moves import moved, moves_of, rate_for
from emberkeep.phasetype.structure import Structure
from emberkeep.phasetype.trace import rows_of, trace_of
from emberkeep.startup_records import final, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import numpy as np

    Values = np.ndarray[Any, Any]


@final
class Stretch(Structure):
    """A graph that begins somewhere else; its elimination is that of the whole graph.

    Args:
        whole: the graph.
        initial: by vertex, those included where the chain has ended.
        missing: the probability that it had ended before it began, in no state.

    Attributes:
        whole: the graph.
    """

    __slots__ = ("whole",)

    whole: Structure

    def __init__(self, whole: Structure, initial: Values, missing: float) -> None:
        self._define(replace(whole.definition(), {"initial": initial}))
        object.__setattr__(self, "whole", whole)
        # Not what the sum lacks to one: small probabilities would be lost in its rounding.
        self.remembered["defect"] = missing + float(initial[self.absorbing].sum())

    def instantiate(self, theta: Any) -> Stretch:
        """It with the weights that a parameter vector gives."""
        missing = self.whole.missing
        return Stretch(self.whole.instantiate(theta), self.initial, missing)

    def eliminable(self) -> Stretch:
        """It, knowing the whole graph's elimination: an order is as good wherever one begins."""
        self.once("trace", lambda: trace_of(self.whole))
        known = rows_of(self.whole)
        self.once("rows", lambda: replace(known, {"initial": self.initial[known.vertices]}))
        return self

    def arrived(self, theta: Values, length: float) -> Values:
        """By vertex, the probability of being there after a time; small ones are as precise."""
        if length == 0:
            return self.initial
        weights = weights_of(self, theta[None])[0]
        rate = rate_for(self, weights, length)
        if rate * length > MOST_STEPS:
            return state_probabilities(self, length, theta if theta.size else None)
        step = moves_of(self, weights, rate)
        return moved(step, self.initial, rate * length, discrete=self.is_discrete)[0]
