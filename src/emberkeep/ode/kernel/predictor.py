"""Where the stages of a fully implicit step are, before anything of it is computed.

The polynomial of the attempt before goes on beyond its end, if that was accepted; if it was not,
the next attempt lies within it. Newton's method then takes a turn less, and leaves errors that are
far smaller: from the start of a step, they were most of a solution's errors.
"""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import BOOL, REAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emberkeep.ode.kernel.code import Code, Operand, Value
    from emberkeep.ode.kernel.step import CoupledIteration
    from emberkeep.ode.kernel.vectors import Layout, Vector

    Rows = Sequence[Sequence[float]]

# A polynomial tells nothing of what comes after so many times its length.
FARTHEST = 4.0


@final
class Predictor:
    """What an attempt of a step leaves for the next one, beside its unknowns.

    Args:
        code: what is written.
    """

    def __init__(self, code: Code) -> None:
        self._code = code
        self._length = code.variable("length_before", REAL)  # zero where nothing is known
        self._was_accepted = code.variable("was_accepted", BOOL)

    def forget(self) -> None:
        """What was before tells nothing of what comes."""
        self._length.set(0.0)

    def remember(self, h: Value, accepted: Value) -> None:
        """An attempt, by its length, zero where its stages were not found."""
        self._length.set(h)
        self._was_accepted.set(accepted)

    def predict(
        self, iteration: CoupledIteration, unknowns: Sequence[Vector], layout: Layout, h: Value
    ) -> None:
        """Set the unknowns of a step from those of the attempt before; zero without one.

        Where that was accepted, its polynomial is taken by powers of what is beyond its end.
        """
        code = self._code
        ratio = h / self._length.get()
        is_known = (ratio > 0.0) & (ratio < FARTHEST)
        is_beyond = self._was_accepted.get()
        within, beyond = iteration.powers, _around_end(iteration.powers)
        lengths = [code.value(1.0, REAL)]  # powers of the ratio
        for _ in within[1:]:
            lengths.append(lengths[-1] * ratio)
        stages = _at_nodes(iteration)

        def put(index: Operand) -> None:
            own = [unknown.get(index) for unknown in unknowns]
            terms = [
                length * code.where(is_beyond, _sum(code, after, own), _sum(code, before, own))
                for length, before, after in zip(lengths, within, beyond, strict=True)
            ]
            for unknown, row in zip(unknowns, stages, strict=True):
                found = _sum(code, row, terms) if terms else 0.0
                unknown.set(index, code.value(code.where(is_known, found, 0.0), REAL))

        layout.each(unknowns[0].size, put)


def _around_end(powers: Rows) -> list[list[float]]:
    """A polynomial without a constant, by powers of what is beyond 1; without one again."""
    count = len(powers)
    return [
        [
            sum(comb(power, place) * powers[power - 1][column] for power in range(place, count + 1))
            for column in range(len(powers[0]))
        ]
        for place in range(1, count + 1)
    ]


def _at_nodes(iteration: CoupledIteration) -> list[list[float]]:
    """For each unknown, what it takes of θ, θ², …, where these are at the stages."""
    powers = range(1, len(iteration.powers) + 1)
    return [
        [
            sum(share * node**power for share, node in zip(row, iteration.nodes, strict=True))
            for power in powers
        ]
        for row in iteration.inverse
    ]


def _sum(code: Code, weights: Sequence[float], values: Sequence[Value]) -> Value:
    total: Value | None = None
    for weight, value in zip(weights, values, strict=True):
        total = value * weight if total is None else code.call("fmuladd", value, weight, total)
    assert total is not None
    return total
