"""The stages of a fully implicit step, all at once (Hairer & Wanner, Solving ODEs II, IV.8).

Where stages are, h T u away from the start, f has slopes, which T Γ⁻¹ u is to be. So u changes
by what solves (Γ⁻¹ - hJ) Δu = T⁻¹ f - Γ⁻¹ u: a system of real numbers for each real γ, and one of
complex ones for each pair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import REAL
from emberkeep.ode.kernel.step import Y

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from emberkeep.ode.kernel.code import Operand, Value
    from emberkeep.ode.kernel.linear.factors import Factors
    from emberkeep.ode.kernel.step import Clock, CoupledIteration, Stepper, Terms
    from emberkeep.ode.kernel.vectors import Vector


@final
class CoupledStages:
    """What is sought for one step.

    Args:
        iteration: the unknowns, and what they stand for.
        stepper: the step's vectors.
        clock: gives the time at a share of the step.
        h: its length, negative backwards.
        factors: of the matrix of each γ.
        allowed: what a state may be wrong by, given what it is.
    """

    def __init__(
        self,
        iteration: CoupledIteration,
        stepper: Stepper,
        clock: Clock,
        h: Value,
        factors: Mapping[complex, Factors],
        allowed: Callable[[Value, Operand], Value],
    ) -> None:
        self._what, self._stepper, self._clock, self._h = iteration, stepper, clock, h
        self._factors, self._allowed = factors, allowed
        self._layout, self._code = stepper.layout, stepper.layout.code
        self.unknowns = [stepper.changing(name) for name in iteration.targets]
        self._changes = [f"change{number}" for number in range(1, len(self.unknowns) + 1)]

    def turn(self, going: Value) -> Value:
        """One turn of Newton's method: unknowns change where it goes on; the size of the change."""
        self._evaluate()
        self._rotate()
        changes = [self._stepper[name] for name in self._changes]
        place = 0
        for gamma in self._what.gammas:
            width = 2 if isinstance(gamma, complex) else 1
            self._factors[gamma].solve(*changes[place : place + width])
            place += width
        return self._follow(changes, going)

    def _evaluate(self) -> None:
        """The slopes at all stages."""
        stepper, what = self._stepper, self._what
        y, at = stepper[Y], stepper["at"]
        for name, node, row in zip(self._changes, what.nodes, what.states, strict=True):
            away = stepper.weighted(_terms(what.targets, row), self._h)
            self._layout.each(stepper.states, lambda i, z=away: at.set(i, y.get(i) + z(i)))
            stepper.equations.slopes(at, stepper.inputs, self._clock(node), stepper[name])

    def _rotate(self) -> None:
        """By how much they miss those of the unknowns, in their coordinates; in place of slopes."""
        stepper, one = self._stepper, self._code.value(1.0, REAL)
        slopes = [stepper.weighted(_terms(self._changes, row), one) for row in self._what.inverse]

        def put(index: Operand) -> None:
            own = [unknown.get(index) for unknown in self.unknowns]
            missed = self._less([slope(index) for slope in slopes], own)
            for name, value in zip(self._changes, missed, strict=True):
                stepper[name].set(index, value)

        self._layout.each(stepper.states, put)

    def _less(self, slopes: Sequence[Value], own: Sequence[Value]) -> list[Value]:
        """Slopes, less Γ⁻¹ times the unknowns."""
        code = self._code
        found: list[Value] = []

        def fused(weight: float, value: Value, rest: Value) -> Value:
            return code.call("fmuladd", value, -weight, rest)

        for gamma in self._what.gammas:
            place, inverse = len(found), 1 / gamma
            if not isinstance(inverse, complex):
                found.append(fused(inverse, own[place], slopes[place]))
                continue
            re, im = inverse.real, inverse.imag
            (u, v), (first, second) = own[place : place + 2], slopes[place : place + 2]
            found.append(fused(-im, v, fused(re, u, first)))
            found.append(fused(im, u, fused(re, v, second)))
        return found

    def _follow(self, changes: Sequence[Vector], going: Value) -> Value:
        stepper, code = self._stepper, self._code
        y = stepper[Y]

        def follow(total: Value, index: Operand) -> Value:
            unit = self._h / self._allowed(y.get(index), index)
            for unknown, change in zip(self.unknowns, changes, strict=True):
                ratio = change.get(index) * unit
                total = code.call("fmuladd", ratio, ratio, total)
                before = unknown.get(index)
                unknown.set(index, code.where(going, before + change.get(index), before))
            return total

        total = self._layout.fold(stepper.states, 0.0, follow)
        return code.call("sqrt", total * (1 / stepper.states))


def _terms(names: Sequence[str], row: Sequence[float]) -> Terms:
    return tuple((name, value) for name, value in zip(names, row, strict=True) if value)
