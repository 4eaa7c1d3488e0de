"""Times at which steps end because the right-hand side jumps there, or has a corner.

A step across a jump is wrong without a sign of it. So each trajectory goes from one such time to
the next, and what is computed in between sees the side that it is on. Behind a jump, integration
begins anew; where a driver has a mere corner, slopes are the same on both sides, and it goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.events.planned import TIMED
from emberkeep.ode.kernel.code import BOOL, INFINITY, TIME
from emberkeep.ode.kernel.equations import write_program
from emberkeep.ode.kernel.jumps import STILL, MovingJumps
from emberkeep.ode.system.breakpoints import breakpoints

if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.ode.kernel.code import Value, Variable
    from emberkeep.ode.kernel.jumps import Moves
    from emberkeep.ode.kernel.trajectory import Trajectory
    from emberkeep.ode.system.breakpoints import Breakpoints

# A jump is where a comparison changes, to within so many units in the last place of the time,
# which equations get in the precision of their numbers.
UNITS = 16
LAST_PLACE = {"float32": 2.0**-23, "float64": 2.0**-52}
LEAST = {"float32": 1e-30, "float64": 1e-290}  # where time is zero, it has no last place


@final
class Boundaries:
    """Where the steps of a trajectory have to end, beside the end of its span.

    Args:
        trajectory: whose.
        next_event: gives how much will have elapsed at the next event that is known beforehand.
    """

    def __init__(self, trajectory: Trajectory, next_event: Callable[[], Value | None]) -> None:
        self._own, code = trajectory, trajectory.code
        self._next_event = next_event
        precision = "float32" if code.is_single else "float64"
        self._share, self._least = UNITS * LAST_PLACE[precision], LEAST[precision]
        self._code = code
        self._program = trajectory.read.program
        self._found = _jumps(trajectory)
        self.moving = MovingJumps(trajectory, self._found)
        self.limit = code.variable("limit", TIME, 0.0)
        self._earliest = code.variable("earliest", TIME, 0.0)
        self._latest = code.variable("latest", TIME, 0.0)
        self._driven = trajectory.drivers.bounding
        self.has_corners = not all(driver.has_jumps for driver in self._driven)
        self._is_jump = code.variable("is_jump", BOOL) if self.has_corners else None

    @staticmethod
    def there_are(trajectory: Trajectory) -> bool:
        """Whether a system has any."""
        found = _jumps(trajectory)
        if any(each.planned.kind == TIMED for each in trajectory.events):
            return True
        return bool(found.times or found.periodic or trajectory.drivers.bounding)

    @property
    def have_sides(self) -> bool:
        """Whether equations themselves tell the sides of a jump apart, by the time."""
        return bool(self._found.times or self._found.periodic)

    def is_jump(self) -> Value | None:
        """Whether the next one is a jump, not a mere corner; None where all are."""
        return None if self._is_jump is None else self._is_jump.get()

    def begin(self, elapsed: Value, at_jump: Value | None) -> None:
        """Find the next one after a time; lane by lane.

        Args:
            elapsed: where the trajectory is.
            at_jump: whether there is a jump, or the start; None for sure.
        """
        code, own = self._code, self._own
        near = self._near(elapsed)
        after = elapsed + near
        limit = code.variable("next_limit", TIME, own.span.get())
        start, direction = own.start.get(), own.setting("direction")
        pairs = [value for pair in self._found.periodic for value in pair]
        wanted = [*self._found.times, *pairs]
        values = [
            code.value(value, TIME)
            for value in write_program(code, self._program, wanted, own.named_inputs())
        ]
        times, pairs = values[: len(self._found.times)], values[len(self._found.times) :]
        moving = self.moving
        if moving.there_are:
            moving.begin()
        for place, time in enumerate(times):
            moves = moving.of_single(place)
            self._consider(limit, direction * (time - start), after, moves)
        for place, (time, distance) in enumerate(zip(pairs[::2], pairs[1::2], strict=True)):
            period = code.call("abs", distance)
            first = direction * (time - start)
            passed = code.call("floor", (after - first) / period) + 1.0
            turns = code.where(distance < 0, -passed, passed) if moving.there_are else passed
            moves = moving.of_periodic(place, turns, direction)
            self._consider(limit, first + passed * period, after, moves)
        if self._driven:
            self._enter(limit, elapsed)
        following = self._next_event()
        if following is not None:
            if self._is_jump is not None:
                self._is_jump.set(self._is_jump.get() | (following <= limit.get()))
            if moving.there_are:
                is_before = following < limit.get() - self._near(limit.get())
                moving.take(is_before, None, STILL)
            limit.set(code.smaller(following, limit.get()))
        self.limit.set(limit.get())
        self._earliest.set(after if at_jump is None else code.where(at_jump, after, elapsed))
        is_smooth = limit.get() >= own.span.get()
        if self._is_jump is not None:
            is_smooth = is_smooth | ~self._is_jump.get()
        self._latest.set(limit.get() - code.where(is_smooth, 0.0, self._near(limit.get())))

    def _enter(self, limit: Variable, elapsed: Value) -> None:
        """Enter the pieces of drivers that are ahead, and end where something happens next."""
        code, own = self._code, self._own
        start, direction = own.start.get(), own.setting("direction")
        sizes = code.value(0.0, TIME)
        for driver in self._driven:
            sizes = code.larger(driver.size, sizes)
        # Times of knots are in double precision, whatever the equations' is.
        size = code.call("abs", start) + elapsed + sizes
        rounding = size * (UNITS * LAST_PLACE["float64"]) + LEAST["float64"]
        after = elapsed + rounding
        corner = code.variable("next_corner", TIME, INFINITY) if self.has_corners else limit
        compared = limit.get()
        for driver in self._driven:
            place = code.variable("place", TIME, after)
            ends = limit if driver.has_jumps else corner
            with code.loop():
                found = [
                    direction * (end - start)
                    for end in driver.enter(start + direction * place.get())
                ]
                for each in found:
                    if ends is limit:
                        self._consider(limit, each, after, STILL)
                    else:
                        self._shorten(ends, each, after)
                # Where a piece ends at this very place, but for rounding, it is the next one.
                is_over = (found[0] <= after) & (found[0] > place.get() - rounding)
                code.leave(~is_over)
                place.set(place.get() + rounding)
        if self._is_jump is None:
            return
        # Where a jump follows at once, it is taken for both.
        is_corner = corner.get() < limit.get() - rounding
        if self.have_sides:
            is_apart = corner.get() < compared - self._near(compared)
            is_corner = is_corner & (is_apart | (compared >= own.span.get()))
        limit.set(code.where(is_corner, corner.get(), limit.get()))
        self.moving.take(is_corner, None, STILL)
        self._is_jump.set(~is_corner)

    def _near(self, elapsed: Value) -> Value:
        size = self._code.call("abs", self._own.start.get()) + elapsed
        return size * self._share + self._least

    def _consider(self, limit: Variable, elapsed: Value, after: Value, moves: Moves) -> None:
        """Take a time of a jump if it comes next, with how it moves."""
        if not self.moving.there_are:
            self._shorten(limit, elapsed, after)
            return
        apart = self._code.call("abs", elapsed - limit.get())
        is_near = (elapsed > after) & (apart <= self._near(limit.get()))
        self.moving.take(self._shorten(limit, elapsed, after), is_near, moves)

    def _shorten(self, limit: Variable, elapsed: Value, after: Value) -> Value:
        """Take a time if it comes next, and say so; not-a-number and infinity never do."""
        code = self._code
        is_next = (elapsed > after) & (elapsed < limit.get())
        limit.set(code.where(is_next, elapsed, limit.get()))
        return is_next

    def rest(self) -> None:
        """Numbers for a lane without a trajectory."""
        for variable in (self.limit, self._latest):
            variable.set(self._code.value(float("inf"), TIME))
        self._earliest.set(0.0)

    def within(self, elapsed: Value) -> Value:
        """A time of a stage, moved to this side of the jumps that it is at."""
        code = self._code
        if not self.have_sides:
            return elapsed
        later = code.larger(elapsed, self._earliest.get())
        return code.smaller(later, self._latest.get())


def near_jumps(trajectory: Trajectory, elapsed: Value) -> Value | None:
    """How near times may be to those of jumps, and be told apart; None where nothing jumps."""
    code, found, jumping = trajectory.code, _jumps(trajectory), trajectory.drivers.jumping
    if not (found.times or found.periodic or jumping):
        return None
    precision = "float32" if code.is_single else "float64"
    size = code.call("abs", trajectory.start.get()) + elapsed
    for driver in jumping:
        size = size + driver.size
    return size * (UNITS * LAST_PLACE[precision]) + LEAST[precision]


def _jumps(trajectory: Trajectory) -> Breakpoints:
    """Where the derivatives of the system's own states may jump: steps are chosen for these.

    And what events look at: what goes through zero there does so at the end of a step.
    """
    read = trajectory.read
    own = read.derivatives[: trajectory.own_states]
    return breakpoints(read.program, (*own, *trajectory.looked_at), trajectory.changing)
