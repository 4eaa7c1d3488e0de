"""Functions that go through zero: on which side each is, and what occurs in a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import BOOL, INT, NAN, REAL, TIME
from emberkeep.ode.kernel.events.search import (
    Enclosure,
    any_of,
    goes_through,
    place,
    resolution,
)
from emberkeep.ode.kernel.step import NEW, Y
from emberkeep.ode.kernel.vectors import Vector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emberkeep.ode.kernel.code import Value, Variable
    from emberkeep.ode.kernel.event_programs import EventProgram
    from emberkeep.ode.kernel.events.search import Place
    from emberkeep.ode.kernel.events.standing import InStep, Standing
    from emberkeep.ode.kernel.trajectory import Trajectory

# A function that stands at zero counts as being on the side that it goes to, by so little.
TINY = 1e-30
# An action that leaves a function as near to zero as it was, or so many times that, has not moved
# it away.
UNMOVED = 4.0
# A function has jumped across zero that is not nearer to it than by this share of what it is
# elsewhere in the step, or than so many times what places can be told apart by.
LEAP, SMOOTH = 2.0**-20, 64.0
# So many places of each function, and each look, may there be in one step.
MOST_IN_STEP = 100


@final
class Crossings:
    """All events of a trajectory whose functions go through zero.

    Args:
        trajectory: whose.
        programs: these events, by their number among all.
        moved: names of what actions of any event change.
        standing: what is remembered.
    """

    def __init__(
        self,
        trajectory: Trajectory,
        programs: dict[int, EventProgram],
        moved: set[str],
        standing: Standing,
    ) -> None:
        self._own, code = trajectory, trajectory.code
        self._code, self._programs, self._standing = code, programs, standing
        self._directions = [each.planned.direction for each in programs.values()]
        self._values = [each.function for each in programs.values() if each.function is not None]
        self._looks = max(each.planned.checks for each in programs.values()) + 1
        self._sides = [code.variable(f"side{number}", REAL) for number in programs]
        # Whether each stands at zero, where it has just come to, and no action has moved it.
        self._stays = [code.variable(f"stays{number}", BOOL) for number in programs]
        # What counts as zero: rounding leaves a function beside it when it occurs, and on the way
        # back that is where it was, until the first step has gone away from there.
        self._zeros = [code.variable(f"zero{number}", REAL) for number in programs] if moved else []
        self._may_move = [
            bool(trajectory.read.program.names([value]) & moved) for value in self._values
        ]
        self._rates = trajectory.rates_by_slopes(self._values)
        used = trajectory.read.program.names(self._values)
        # The states that functions depend on.
        self._places = [
            place for place, name in enumerate(trajectory.system.states) if name in used
        ]

    # Sides ------------------------------------------------------------------------------------

    def forget(self) -> None:
        """It is not known on which side functions are; lane by lane."""
        for side, stays in zip(self._sides, self._stays, strict=True):
            side.set(NAN)
            stays.set(self._code.value(False, BOOL))  # noqa: FBT003 - a literal
        for zero in self._zeros:
            zero.set(0.0)

    def before_action(self) -> list[Value]:
        """What functions are before actions, of those that these may change; lane by lane."""
        return self._movable()

    def after_action(self, before: Sequence[Value]) -> None:
        """Forget sides, but for functions that occur here and were not moved; lane by lane."""
        code, now = self._code, self._movable()
        sizes = [code.call("fabs", each) for each in (*before, *now)]
        moving = iter(zip(sizes[: len(now)], sizes[len(now) :], strict=True))
        stay = [each.get() for each in self._stays]
        self.forget()
        for variable, stood, may_move in zip(self._stays, stay, self._may_move, strict=True):
            variable.set(stood)
            if may_move:
                was, is_now = next(moving)
                variable.set(stood & (is_now <= was * UNMOVED))

    def _movable(self) -> list[Value]:
        own = self._own
        wanted = [value for value, may in zip(self._values, self._may_move, strict=True) if may]
        return own.evaluate(wanted, own.vectors[Y], own.time(self._standing.until.get()))

    def begin(self, slopes: Vector, time: Value, is_fresh: Value | None) -> None:
        """Find the sides that are not known, where integration begins.

        A function at zero is on the side that it goes to; so is one that has just occurred.

        Args:
            slopes: of the states there.
            time: when.
            is_fresh: in which lanes; None in a single one.
        """
        code, own = self._code, self._own
        values = own.evaluate(self._values, own.vectors[Y], time)
        for zero, stays, value in zip(self._zeros, self._stays, values, strict=False):
            stands = stays.get() if is_fresh is None else stays.get() & is_fresh
            zero.set(code.where(stands, value, zero.get()))
        rates = own.evaluate(self._rates, own.vectors[Y], time, slopes)
        direction = own.real_setting("direction")
        for side, stays, value, rate in zip(self._sides, self._stays, values, rates, strict=True):
            ahead = rate * direction
            towards = code.where(ahead > 0, TINY, code.where(ahead < 0, -TINY, 0.0))
            found = code.where(stays.get() | value.equals(0.0), towards, value)
            known = side.get().equals(side.get())
            found = code.where(known, side.get(), found)
            side.set(found if is_fresh is None else code.where(is_fresh, found, side.get()))
            never = code.value(False, BOOL)  # noqa: FBT003 - a literal
            stays.set(never if is_fresh is None else stays.get() & ~is_fresh)

    # Steps ------------------------------------------------------------------------------------

    def look(self, accepted: Value, step: InStep) -> None:
        """See what has occurred in a step, in all lanes; and where, in those that need it."""
        code, own = self._code, self._own
        ends = self._from_zero(own.stepper[NEW], own.time(step.reached))
        inner: list[list[Value]] = []
        if self._looks > 1:
            own.prepare_values(step.clock, step.signed)
            shares = (code.value(look / self._looks, REAL) for look in range(1, self._looks))
            inner = [self._at(share, step)[1] for share in shares]
        conditions: list[Value] = []
        before = [side.get() for side in self._sides]
        for values in (*inner, ends):
            conditions += self._going(before, values)
            before = values  # what is before not-a-number says nothing of what comes after it
        occurs = accepted & any_of(conditions)
        with code.when(code.any(occurs)):
            if not inner:
                own.prepare_values(step.clock, step.signed)
            with code.for_each(occurs), code.aside(is_quick=True):
                self._search(step, ends)
        for side, value in zip(self._sides, before, strict=True):
            side.set(code.where(accepted, value, side.get()))
        for zero in self._zeros:
            zero.set(code.where(accepted, 0.0, zero.get()))

    def _from_zero(self, at: Vector, time: Value) -> list[Value]:
        """How far from zero functions are."""
        values = self._own.evaluate(self._values, at, time)
        if not self._zeros:
            return values
        return [value - zero.get() for value, zero in zip(values, self._zeros, strict=True)]

    def _at(self, share: Value, step: InStep) -> tuple[Vector, list[Value]]:
        """States and functions at a share of a step."""
        own = self._own
        states = own.values_within(share, step.signed, share < 1)
        return states, self._from_zero(states, own.time(self._elapsed(share, step)))

    def _elapsed(self, share: Value, step: InStep) -> Value:
        code = self._code
        inner = step.before + code.value(share, TIME) * code.value(step.h, TIME)
        return code.where(share < 1, inner, step.reached)

    def _going(self, before: Sequence[Value], values: Sequence[Value]) -> list[Value]:
        return [
            goes_through(direction, was, value)
            for direction, was, value in zip(self._directions, before, values, strict=True)
        ]

    def _known(self, values: Sequence[Value], before: Sequence[Value]) -> list[Value]:
        """Values, and those before them where they are not numbers."""
        where = self._code.where
        return [
            where(value.equals(value), value, was)
            for value, was in zip(values, before, strict=True)
        ]

    # One lane ---------------------------------------------------------------------------------

    def _search(self, step: InStep, ends: Sequence[Value]) -> None:
        """Go through what occurs in a step, one place after the other, until one cuts it."""
        code = self._code
        polynomials = {at: self._own.polynomial(at, step.signed) for at in self._places}
        begin = place(code, "begin", code.value(0.0, REAL), [side.get() for side in self._sides])
        found = code.variable("found_in_step", INT, 0)
        if self._looks == 1:
            self._search_until(code.value(1.0, REAL), ends, begin, found, step, polynomials)
            return
        with code.count_up("look", self._looks) as look:
            share = code.value(look + 1, REAL) * (1 / self._looks)
            is_last = look.equals(self._looks - 1)
            share = code.where(is_last, 1.0, share)
            values = [
                code.where(is_last, end, inner)
                for end, inner in zip(ends, self._at(share, step)[1], strict=True)
            ]
            self._search_until(share, values, begin, found, step, polynomials)

    def _along(
        self, polynomials: Mapping[int, Sequence[Value]], share: Value, step: InStep
    ) -> list[Value]:
        """The functions at a share of a step, by polynomials of the states that they depend on."""
        code, own = self._code, self._own
        nothing: list[Value | Variable | None] = [None] * own.states
        states = Vector(own.states, nothing)
        for at, coefficients in polynomials.items():
            *lower, inner = coefficients
            for coefficient in (*reversed(lower), own.vectors[Y].get(at)):
                inner = code.call("fmuladd", inner, share, coefficient)
            states.set(at, code.where(share < 1, inner, own.stepper[NEW].get(at)))
        return self._from_zero(states, own.time(self._elapsed(share, step)))

    def _search_until(
        self,
        share: Value,
        values: Sequence[Value],
        begin: Place,
        found: Variable,
        step: InStep,
        polynomials: Mapping[int, Sequence[Value]],
    ) -> None:
        code, own, standing = self._code, self._own, self._standing
        end = place(code, "end", share, values)
        times = code.call("fabs", own.start.get()) + step.reached
        near = resolution(code, times, step.h)
        with code.loop():
            enclosure = Enclosure(own.layout, self._directions, begin, end)
            occurs = any_of(enclosure.occurs([each.get() for each in end.values]))
            code.leave(standing.is_cut.get() | ~occurs)
            enclosure.narrow(lambda at: self._along(polynomials, at, step), near)
            enclosure.land(lambda at: self._at(at, step), near, standing.states)
            found.set(found.get() + 1)
            self._occur(enclosure, begin, found.get(), step)
            with code.when(standing.is_cut.get()):
                self._stand(enclosure, near)
        values = self._known([e.get() for e in end.values], [b.get() for b in begin.values])
        begin.set(share, values, code.value(True, BOOL), code)  # noqa: FBT003 - a literal

    def _stand(self, enclosure: Enclosure, near: Value) -> None:
        """See which functions stand at zero, and have not jumped across it."""
        code = self._code
        share = code.larger(near * SMOOTH, LEAP)
        values = (code.call("fabs", each.get()) for each in enclosure.place.values)
        for number, stays, value, largest in zip(
            self._programs, self._stays, values, enclosure.largest, strict=True
        ):
            is_near = value <= largest.get() * share
            stays.set(self._standing.occurs[number].get() & is_near)

    def _occur(self, enclosure: Enclosure, begin: Place, found: Value, step: InStep) -> None:
        """Something occurs at a place: it cuts the step, or is counted."""
        code, own, standing = self._code, self._own, self._standing
        share = enclosure.place.share.get()
        values = [each.get() for each in enclosure.place.values]
        occurs, elapsed = enclosure.occurs(values), self._elapsed(share, step)
        most = MOST_IN_STEP * len(self._values) * self._looks
        cuts = standing.crowd(elapsed, found > most)
        for (number, program), happens in zip(self._programs.items(), occurs, strict=True):
            cuts = cuts | (happens & standing.cuts(number, program))
        with code.when(cuts):
            standing.cut(share, elapsed)
            for number, happens in zip(self._programs, occurs, strict=True):
                standing.occurs[number].set(happens)
        with code.when(~cuts):
            for number, happens in zip(self._programs, occurs, strict=True):
                with code.when(happens):
                    standing.count(number, standing.states, own.time(elapsed))
            known = self._known(values, [each.get() for each in begin.values])
            begin.set(share, known, code.value(True, BOOL), code)  # noqa: FBT003 - a literal
