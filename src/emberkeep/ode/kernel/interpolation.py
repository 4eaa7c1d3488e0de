"""Values within a step: by an interpolant of its own, or the cubic through both ends (Hermite)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.ode.kernel.code import REAL
from emberkeep.ode.kernel.step import AT_END, FIRST, NEW, Y

if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.ode.kernel.code import Operand, Value
    from emberkeep.ode.kernel.step import At, Step
    from emberkeep.ode.kernel.vectors import Vector

    Of = Callable[[str], Vector]  # a vector of the step, by its name


def interpolated(step: Step, theta: Value, h: Value) -> Callable[[Of], At]:
    """What values are at a fraction of a step, place by place, where its vectors are given.

    Args:
        step: whose.
        theta: the fraction.
        h: the length of the step, negative backwards.
    """
    if step.interpolant:
        weights = [(name, _polynomial(theta, row)) for name, row in step.interpolant]
        return lambda of: _weighed(of(Y), [(of(name), weight) for name, weight in weights], h)
    rest = 1.0 - theta
    return lambda of: _between(of, step.last or AT_END, theta, rest, h)


def shares(step: Step, theta: Value, h: Value) -> list[tuple[str, Value]]:
    """How much of each vector of a step is in values at a fraction of it; see `interpolated`."""
    if step.interpolant:
        slopes = [(name, h * _polynomial(theta, row)) for name, row in step.interpolant]
        return [(Y, h.code.value(1.0, REAL)), *slopes]
    rest = 1.0 - theta
    bend = theta * rest * (1.0 - theta * 2.0)
    first, last = theta * rest * rest * h, theta * theta * rest * h
    return [(Y, rest + bend), (NEW, theta - bend), (FIRST, first), (step.last or AT_END, -last)]


def _weighed(y: Vector, slopes: list[tuple[Vector, Value]], h: Value) -> At:
    def value(index: Operand) -> Value:
        total = h.code.value(0.0, REAL)
        for slope, weight in slopes:
            total = total + weight * slope.get(index)
        return y.get(index) + h * total

    return value


def _between(of: Of, ending: str, theta: Value, rest: Value, h: Value) -> At:
    y, new, first, last = (of(name) for name in (Y, NEW, FIRST, ending))

    def value(index: Operand) -> Value:
        change = new.get(index) - y.get(index)
        bend = (1.0 - theta * 2.0) * change + h * (
            (theta - 1.0) * first.get(index) + theta * last.get(index)
        )
        return rest * y.get(index) + theta * new.get(index) - theta * rest * bend

    return value


def _polynomial(theta: Value, row: tuple[float, ...]) -> Value:
    """The polynomial with these coefficients of θ, θ², …, by Horner's scheme."""
    total: Value | None = None
    for coefficient in reversed(row):
        total = theta * coefficient if total is None else theta * (total + coefficient)
    assert total is not None
    return total
