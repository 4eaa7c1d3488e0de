"""Drivers in a kernel: polynomials that are looked up by time, each lane at a time of its own.

Which piece a time is in is guessed from equal distances between knots, and searched for as far as
such a guess may be off. Where steps end at each change, a trajectory holds the pieces that it is
in: at a knot they are those ahead of it, whatever rounding makes of the time there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.call import COEFFICIENTS, DRIVER_COUNTS, DRIVER_NUMBERS
from emberkeep.ode.kernel.code import INT, REAL, TIME
from emberkeep.ode.system.declarations import CUBIC, STEP

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from emberkeep.ode.kernel.code import Argument, Code, Value, Variable

ROUNDING = 2.0**-50  # of times, as a share


@final
class Driver:
    """One driver.

    Args:
        code: what is written.
        kind: which polynomials.
        place: among all drivers.
        argument: gives what the kernel is passed.
        start: of the trajectory.
        ends_steps: whether steps end where something happens to it.
    """

    def __init__(
        self,
        code: Code,
        kind: str,
        place: int,
        argument: Callable[[str], Argument],
        start: Variable,
        *,
        ends_steps: bool,
    ) -> None:
        self._code, self._start = code, start
        self._size = COEFFICIENTS[kind]
        self.has_jumps, self.ends_steps = kind == STEP, ends_steps
        self._knots, self._pieces = argument(f"knots{place}"), argument(f"pieces{place}")
        self._ends = argument(f"ends{place}")

        def read(array: Argument, names: Sequence[str]) -> dict[str, Value]:
            return {
                name: code.named(
                    f"{name.replace(' ', '_')}_of_driver{place}",
                    array.get(place * len(names) + index),
                )
                for index, name in enumerate(names)
            }

        self._numbers = read(argument("driver_numbers"), DRIVER_NUMBERS)
        self._counts = read(argument("driver_counts"), DRIVER_COUNTS)
        is_held = ends_steps and kind != CUBIC  # which is stepped across
        self._own = code.variable(f"first_of_own{place}", INT, 0)
        self._origin = code.variable(f"held_knot{place}", TIME, 0.0) if is_held else None
        self._held = [
            code.variable(f"held{place}_power{power}", REAL, 0.0)
            for power in range(self._size if is_held else 0)
        ]

    @property
    def size(self) -> Value:
        """The size of times that are rounded when they are looked up.

        That is none where the piece of a time is searched for exactly: knots may be of all sizes.
        """
        return self._numbers["size"]

    def take(self, run: Value) -> None:
        """Go over to the samples of another trajectory; lane by lane."""
        self._own.set(run * self._counts["own pieces"])

    def value(self, time: Value) -> Value:
        """What it is at a time; where it jumps, from there on."""
        coefficients, since = self._looked_up(time)
        return self._polynomial(coefficients, since)

    def rate(self, time: Value) -> Value:
        """Its derivative at a time; at a knot, on its later side."""
        coefficients, since = self._looked_up(time)
        return self._slope(coefficients, since, time)

    def rate_in_step(self, time: Value) -> Value:
        """Its derivative at a time of a step that is within a piece."""
        if self._origin is None:
            return self.rate(time)
        held = [variable.get() for variable in self._held]
        return self._slope(held, self._bounded(time) - self._origin.get(), time)

    def _slope(self, coefficients: Sequence[Value], since: Value, time: Value) -> Value:
        code = self._code
        slopes = [each * power for power, each in enumerate(coefficients[1:], 1)]
        if not slopes:
            return code.value(0.0, REAL)
        rate = self._polynomial(slopes, since) * self._numbers["scale"]
        is_within = (time >= self._numbers["earliest"]) & (time <= self._numbers["latest"])
        return code.where(is_within, code.value(rate, REAL), 0.0)

    def _looked_up(self, time: Value) -> tuple[list[Value], Value]:
        """The coefficients of the piece that a time is in, and the time since its first knot."""
        if self.has_jumps:  # a time that is a knot but for rounding
            # A time is a sum of the start and what has elapsed, and rounded as these are.
            size = self._code.call("abs", time) + self._code.call("abs", self._start.get())
            time = time + (size + self._numbers["size"]) * ROUNDING
        moved, _ = self._moved(time)
        piece = self._piece(moved)
        coefficients = [self._coefficient(piece, power) for power in range(self._size)]
        return coefficients, moved - self._knots.gather(piece)

    def value_in_step(self, time: Value) -> Value:
        """What it is at a time of a step that is within a piece."""
        if self._origin is None:
            return self.value(time)
        held = [variable.get() for variable in self._held]
        return self._polynomial(held, self._bounded(time) - self._origin.get())

    def enter(self, time: Value) -> list[Value]:
        """Hold the piece that a time is in, and give times at which steps end; lane by lane."""
        moved, shift = self._moved(time)
        piece = self._piece(moved)
        if self._origin is not None:
            self._origin.set(self._knots.get(piece) + shift)
        for power, variable in enumerate(self._held):
            variable.set(self._coefficient(piece, power))
        ahead = self._knots.get(self._ends.get(self._own.get() + piece))
        # What is before the first knot, or after the last, is in the piece beside it.
        return [end + shift for end in (ahead, self._numbers["first"], self._numbers["last"])]

    def _bounded(self, time: Value) -> Value:
        """A time that is not before or after all."""
        later = self._code.larger(time, self._numbers["earliest"])
        return self._code.smaller(later, self._numbers["latest"])

    def _moved(self, time: Value) -> tuple[Value, Value]:
        """A time as one among the knots, and by how much it was moved there."""
        time = self._bounded(time)
        since = time - self._numbers["first"]
        cycles = self._code.call("floor", since * self._numbers["frequency"])
        shift = cycles * self._numbers["period"]
        return time - shift, shift

    def _piece(self, moved: Value) -> Value:
        """The number of the piece that a time among the knots is in."""
        code, last = self._code, self._counts["last piece"]
        guess = (moved - self._numbers["first"]) * self._numbers["scale"]
        guess = code.smaller(code.larger(guess, 0.0), code.value(last, TIME))
        low = code.whole(guess) - self._counts["guessed too high"]
        piece = code.variable("piece", INT, code.larger(low, 0))
        stride = code.variable("stride", INT, self._counts["first stride"], uniform=True)
        with code.count_up("turn", self._counts["turns"]):
            ahead = code.smaller(piece.get() + stride.get(), last)
            is_there = self._knots.gather(ahead) <= moved
            piece.set(code.where(is_there, ahead, piece.get()))
            stride.set(code.quotient(stride.get(), code.value(2, INT)))
        return piece.get()

    def _coefficient(self, piece: Value, power: int) -> Value:
        return self._pieces.gather((self._own.get() + piece) * self._size + power)

    def _polynomial(self, coefficients: Sequence[Value], since: Value) -> Value:
        x = self._code.value(since * self._numbers["scale"], REAL)
        total = coefficients[-1]
        for coefficient in reversed(coefficients[:-1]):
            total = total * x + coefficient
        return total


@final
class Drivers:
    """All drivers of a system.

    Args:
        code: what is written.
        kinds: of each driver, by name.
        argument: gives what the kernel is passed.
        start: of the trajectory.
        bounding: names of those at whose knots steps end.
    """

    def __init__(
        self,
        code: Code,
        kinds: Mapping[str, str],
        argument: Callable[[str], Argument],
        start: Variable,
        bounding: Collection[str],
    ) -> None:
        self._by_name = {
            name: Driver(code, kind, place, argument, start, ends_steps=name in bounding)
            for place, (name, kind) in enumerate(kinds.items())
        }

    @property
    def bounding(self) -> list[Driver]:
        """Those at whose knots steps end."""
        return [driver for driver in self._by_name.values() if driver.ends_steps]

    @property
    def jumping(self) -> list[Driver]:
        """Those that jump at knots."""
        return [driver for driver in self._by_name.values() if driver.has_jumps]

    def take(self, run: Value) -> None:
        """Go over to the samples of another trajectory; lane by lane."""
        for driver in self._by_name.values():
            driver.take(run)

    def values(self, names: Collection[str], time: Value) -> dict[str, Value]:
        """What those of some names are at a time; rates of theirs, by their names, too."""
        found = {name: one.value(time) for name, one in self._by_name.items() if name in names}
        for name, one in self._by_name.items():
            if rate_of(name) in names:
                found[rate_of(name)] = one.rate(time)
        return found

    def values_in_step(self, names: Collection[str], time: Value) -> dict[str, Value]:
        """The same at a time of a step."""
        found = {
            name: one.value_in_step(time) for name, one in self._by_name.items() if name in names
        }
        for name, one in self._by_name.items():
            if rate_of(name) in names:
                found[rate_of(name)] = one.rate_in_step(time)
        return found


def rate_of(name: str) -> str:
    """How programs call the derivative of a driver."""
    return f"rate of {name}"
