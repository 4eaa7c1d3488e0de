"""Finding where in a step something occurs: one lane after the other, on the step's own values.

All functions are looked at together. The first place at which one of them has gone through zero is
enclosed until only a few units in the last place of the time are left, by ITP (Oliveira and
Takahashi, 2020): as fast as the secant method, and never slower than bisection by more than a turn
or two, whatever the functions are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import BOOL, REAL, TIME
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emberkeep.ode.kernel.code import Code, Value, Variable
    from emberkeep.ode.kernel.vectors import Layout, Vector

# As near as the place is enclosed: units in the last place of the time, and of shares of a step.
UNITS = 4
LAST_PLACE = {"float32": 2.0**-23, "float64": 2.0**-52}
# Of ITP: how far beyond the secant's place one looks, to have zero in between; and how much wider
# than bisection's the enclosure may be. By experiment, with functions that are smooth in a step:
# eight looks or so.
TRUNCATION, FREEDOM = 0.02, 8.0


def goes_through(direction: int, before: Value, value: Value) -> Value:
    """Whether a function has come to zero, or to its other side.

    Args:
        direction: in which direction it has to go; 0 for both.
        before: on which side it was; zero or not-a-number where that is not known.
        value: what it is now.
    """
    rises, falls = (before < 0) & (value >= 0), (before > 0) & (value <= 0)
    return {1: rises, -1: falls, 0: rises | falls}[direction]


@final
@frozen
class Place:
    """A place in a step, and what functions are there."""

    share: Variable
    values: list[Variable]

    def set(self, share: Value, values: Sequence[Value], where: Value, code: Code) -> None:
        """Another place, where a condition holds."""
        self.share.set(code.where(where, share, self.share.get()))
        for variable, value in zip(self.values, values, strict=True):
            variable.set(code.where(where, value, variable.get()))


def place(code: Code, name: str, share: Value, values: Sequence[Value]) -> Place:
    """A place that may change."""
    named = [
        code.variable(f"{name}_value{number}", REAL, value) for number, value in enumerate(values)
    ]
    return Place(code.variable(f"{name}_share", REAL, share), named)


def any_of(conditions: Sequence[Value]) -> Value:
    """Whether one of several conditions holds."""
    found = conditions[0]
    for other in conditions[1:]:
        found = found | other
    return found


@final
class Enclosure:
    """The first place between two at which something has occurred.

    Args:
        layout: where vectors lie; in a lane.
        directions: of the functions.
        begin: a place before.
        end: a place at which something has occurred.

    Attributes:
        place: where it is.
        largest: how large each function is at most where it was looked at.
    """

    def __init__(self, layout: Layout, directions: Sequence[int], begin: Place, end: Place) -> None:
        code = self._code = layout.code
        self._layout, self._directions, self._before = layout, directions, begin
        self._end = end.share.get()
        self._low = place(code, "low", begin.share.get(), [each.get() for each in begin.values])
        self.place = place(code, "high", end.share.get(), [each.get() for each in end.values])
        sizes = [code.call("fabs", each.get()) for each in end.values]
        self.largest = [code.variable("largest", REAL, each) for each in sizes]

    def occurs(self, values: Sequence[Value]) -> list[Value]:
        """Which functions have gone through zero since the beginning."""
        return [
            goes_through(direction, before.get(), value)
            for direction, before, value in zip(
                self._directions, self._before.values, values, strict=True
            )
        ]

    def narrow(self, values_at: Callable[[Value], list[Value]], near: Value) -> None:
        """Enclose it until both places are near; then it is at `place`.

        Args:
            values_at: gives the functions at a share of the step.
            near: how near, as a share of the step.
        """
        code, low, high = self._code, self._low, self.place
        first = code.named("enclosed", high.share.get() - low.share.get())
        reach = code.variable("reach", REAL, first * FREEDOM)
        slack = code.value(TRUNCATION, REAL) / first
        with code.loop():
            width = high.share.get() - low.share.get()
            code.leave(width <= near)
            share = self._next(width, slack, near, reach.get())
            values = values_at(share)
            for largest, value in zip(self.largest, values, strict=True):
                largest.set(code.larger(code.call("fabs", value), largest.get()))
            has_occurred = any_of(self.occurs(values))
            high.set(share, values, has_occurred, code)
            low.set(share, values, ~has_occurred, code)
            reach.set(reach.get() * 0.5)

    def land(
        self,
        at: Callable[[Value], tuple[Vector, list[Value]]],
        near: Value,
        states: Vector,
    ) -> None:
        """Go to where functions have gone through zero of the states that are there, as these are.

        What is rounded in another way may just not have, where it has when the place was enclosed.

        Args:
            at: gives states and functions at a share of the step.
            near: how near places are, as a share of the step.
            states: gets those there.
        """
        code, layout, high = self._code, self._layout, self.place
        further = code.variable("further", REAL, near)
        with code.loop():
            share = high.share.get()
            found, values = at(share)
            layout.each(states.size, lambda i: states.set(i, found.get(i)))
            for variable, value in zip(high.values, values, strict=True):
                variable.set(value)
            code.leave(any_of(self.occurs(values)) | (share >= self._end))
            high.share.set(code.smaller(share + further.get(), self._end))
            further.set(further.get() * 2.0)

    def _next(self, width: Value, slack: Value, near: Value, reach: Value) -> Value:
        """Where to look next."""
        code, low, high = self._code, self._low.share.get(), self.place.share.get()
        middle = low + width * 0.5
        guess = self._guess(low, high, width)
        gap = middle - guess
        step = code.larger(width * width * slack, near * 0.5)
        step = code.where(gap < 0, -step, step)
        shifted = guess + step
        size = code.call("fabs", gap)
        shifted = code.where(size >= code.call("fabs", step), shifted, middle)
        most = reach - width * 0.5
        bound = code.where(gap < 0, middle + most, middle - most)
        is_allowed = code.call("fabs", shifted - middle) <= most
        return code.where(is_allowed, shifted, bound)

    def _guess(self, low: Value, high: Value, width: Value) -> Value:
        """Where secants have the first zero of those functions that have gone through theirs."""
        code = self._code
        middle = low + width * 0.5
        first, is_found = high, code.value(False, BOOL)  # noqa: FBT003 - a literal
        happened = self.occurs([each.get() for each in self.place.values])
        for begin, end, occurs in zip(self._low.values, self.place.values, happened, strict=True):
            at = low + width * (begin.get() / (begin.get() - end.get()))
            is_good = occurs & (at > low) & (at <= high)  # not where it is not-a-number
            first = code.where(is_good & (at < first), at, first)
            is_found = is_found | is_good
        return code.where(is_found, first, middle)


def resolution(code: Code, times: Value, h: Value) -> Value:
    """How near places in a step can be told apart: a share of it.

    Args:
        code: what is written.
        times: the size of times there.
        h: the length of the step.
    """
    units = code.value(times * (UNITS * LAST_PLACE["float64"]), TIME) / code.value(h, TIME)
    least = UNITS * LAST_PLACE["float32" if code.is_single else "float64"]
    return code.larger(code.value(units, REAL), least)
