"""The stages of a fully implicit step, all at once (Hairer & Wanner, Solving ODEs II, IV.8).

Where stages are, h T u away from the start, f has slopes, which M T Γ⁻¹ u is to be, with the mass
matrix M. So u changes by what solves (M Γ⁻¹ - hJ) Δu = T⁻¹ f - M Γ⁻¹ u: a real system for each real
γ, and a complex one for each pair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import REAL
from emberkeep.ode.kernel.step import Y

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from emberkeep.ode.kernel.code import Operand, Value
    from emberkeep.ode.kernel.linear.factors import Factors
    from emberkeep.ode.kernel.step import At, Clock, CoupledIteration, Stepper, Terms
    from emberkeep.ode.kernel.vectors import Vector

    Column = tuple[tuple[int, float], ...]


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
        weighed: what the mass matrix makes of a vector.
    """

    def __init__(
        self,
        iteration: CoupledIteration,
        stepper: Stepper,
        clock: Clock,
        h: Value,
        factors: Mapping[complex, Factors],
        allowed: Callable[[Value, Operand], Value],
        weighed: Callable[[At, Stepper], At],
    ) -> None:
        self._what, self._stepper, self._clock, self._h = iteration, stepper, clock, h
        self._factors, self._allowed, self._weighed = factors, allowed, weighed
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
        changes = [stepper[name] for name in self._changes]
        slopes = [stepper.weighted(_terms(self._changes, row), one) for row in self._what.inverse]

        def put(index: Operand) -> None:
            rotated = [slope(index) for slope in slopes]
            for change, value in zip(changes, rotated, strict=True):
                change.set(index, value)

        self._layout.each(stepper.states, put)
        for unknown, column in zip(self.unknowns, _columns(self._what.gammas), strict=True):
            self._subtract(self._weighed(unknown.get, stepper), column, changes)

    def _subtract(self, own: At, column: Column, changes: Sequence[Vector]) -> None:
        """A multiple of an unknown from changes, by their places."""

        def put(index: Operand) -> None:
            value = own(index)
            for place, weight in column:
                rest = changes[place].get(index)
                changes[place].set(index, self._code.call("fmuladd", value, -weight, rest))

        self._layout.each(self._stepper.states, put)

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


def _columns(gammas: Sequence[complex]) -> list[Column]:
    """The columns of Γ⁻¹, without zeros: of a pair, as it multiplies u + iv."""
    found: list[Column] = []
    for gamma in gammas:
        place, inverse = len(found), 1 / gamma
        if isinstance(inverse, complex):
            re, im = inverse.real, inverse.imag
            found += [((place, re), (place + 1, im)), ((place, -im), (place + 1, re))]
        else:
            found.append(((place, inverse),))
    return found


def _terms(names: Sequence[str], row: Sequence[float]) -> Terms:
    return tuple((name, value) for name, value in zip(names, row, strict=True) if value)
