"""Finding where in a step something occurs: one lane after the other, on the step's own values.

All functions are looked at together. The first place at which one of them has gone through zero is
enclosed until only a few units in the last place of the time are left, by Chandrupatla's method
(1997): inverse quadratic interpolation where three places tell that it can be trusted, else
bisection. Seven looks or so, and never many more than bisection takes, whatever the functions are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import NAN, REAL, TIME
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emberkeep.ode.kernel.code import Code, Value, Variable
    from emberkeep.ode.kernel.vectors import Layout, Vector

# As near as the place is enclosed: units in the last place of the time, and of shares of a step.
UNITS = 4
LAST_PLACE = {"float32": 2.0**-23, "float64": 2.0**-52}
# By how many times bisection's the enclosure may be wider; only then is it halved in any case.
FREEDOM = 1024.0
# So many times as near, a function that is zero to the last bit is rounding and nothing else.
NOISE = 64.0


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

    def put(self, share: Value, values: Sequence[Value]) -> None:
        """Another place, in any case."""
        self.share.set(share)
        for variable, value in zip(self.values, values, strict=True):
            variable.set(value)

    def move(self, to: Place) -> None:
        """Where another is."""
        for variable, other in zip((self.share, *self.values), (to.share, *to.values), strict=True):
            variable.set(other.get())


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
        # What was an end of the enclosure before, and lies outside of it.
        self._left = place(
            code, "left", code.value(NAN, REAL), [code.value(NAN, REAL)] * len(directions)
        )
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
        reach = code.variable("reach", REAL, (high.share.get() - low.share.get()) * FREEDOM)
        share = code.variable("look_at", REAL, self._secant())
        guess = code.variable("guessed_share", REAL)
        with code.loop():
            code.leave(high.share.get() - low.share.get() <= near)
            values = values_at(share.get())
            for largest, value in zip(self.largest, values, strict=True):
                largest.set(code.larger(code.call("fabs", value), largest.get()))
            has_occurred = code.named("has_occurred", any_of(self.occurs(values)))
            for end, other, is_it in ((high, low, has_occurred), (low, high, ~has_occurred)):
                with code.when(is_it):
                    self._left.move(end)
                    end.put(share.get(), values)
                    guess.set(self._interpolated(end, other))
            width = high.share.get() - low.share.get()
            is_zero = self._is_zero()
            code.leave(is_zero & (width <= near * NOISE))
            margin = code.where(is_zero, near * (NOISE / 2), near * 0.5)
            first = code.where(is_zero, high.share.get(), guess.get())
            first = code.smaller(first, high.share.get() - margin)
            first = code.larger(first, low.share.get() + near * 0.5)
            is_late = width > reach.get()
            share.set(code.where(is_late, low.share.get() + width * 0.5, first))
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

    def _is_zero(self) -> Value:
        """Whether all functions that have gone through zero are zero, to the last bit."""
        values = [each.get() for each in self.place.values]
        if len(values) == 1:
            return values[0].equals(0.0)
        beyond = [
            occurs & value.differs(0.0)
            for occurs, value in zip(self.occurs(values), values, strict=True)
        ]
        return ~any_of(beyond)

    def _first(self, guesses: Sequence[Value]) -> Value:
        """The first of the places that are guessed for functions which have gone through zero."""
        code, first = self._code, self.place.share.get()
        if len(guesses) == 1:
            return guesses[0]
        happened = self.occurs([each.get() for each in self.place.values])
        for guess, occurs in zip(guesses, happened, strict=True):
            first = code.where(occurs & (guess < first), guess, first)
        return first

    def _secant(self) -> Value:
        """Where secants have the first zero of those functions that have gone through theirs."""
        code, low = self._code, self._low.share.get()
        width = self.place.share.get() - low
        guesses: list[Value] = []
        for begin, end in zip(self._low.values, self.place.values, strict=True):
            share = begin.get() / (begin.get() - end.get())
            guesses.append(low + width * code.where(share > 0, share, 0.5))  # or not-a-number
        return self._first(guesses)

    def _interpolated(self, new: Place, other: Place) -> Value:
        """Where parabolas have that zero, of places as functions; or the middle.

        Args:
            new: the end that was looked at last.
            other: the other end.
        """
        code, begin = self._code, new.share.get()
        middle = (begin + other.share.get()) * 0.5
        across, beyond = other.share.get() - begin, self._left.share.get() - begin
        place_of_new = across / (across - beyond)
        stretch = beyond / across
        guesses: list[Value] = []
        for at_new, at_other, before in zip(
            new.values, other.values, self._left.values, strict=True
        ):
            value, opposite, third = at_new.get(), at_other.get(), before.get()
            rise, drop = opposite - value, opposite - third
            share = rise / drop
            rest = 1.0 - share
            is_good = (share * share < place_of_new) & (rest * rest < 1.0 - place_of_new)
            parts = third / rise - stretch * (opposite / (third - value))
            guesses.append(code.where(is_good, begin + across * ((value / drop) * parts), middle))
        return self._first(guesses)


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
