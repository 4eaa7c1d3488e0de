"""Steps of chosen length: the loop around a step, values at times to save, and what comes next.

A share of the trajectories is integrated side by side, each with a time and a step of its own; a
lane whose trajectory has ended takes the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode import status
from emberkeep.ode.kernel.boundaries import Boundaries
from emberkeep.ode.kernel.code import BOOL, INFINITY, INT, REAL, SINGLE, TIME
from emberkeep.ode.kernel.control import Controller
from emberkeep.ode.kernel.events.events import Events
from emberkeep.ode.kernel.events.standing import InStep
from emberkeep.ode.kernel.step import FIRST, Y
from emberkeep.ode.kernel.stiffness import NEVER, Stiffness
from emberkeep.ode.kernel.trajectory import EPSILON, LEAST_UNITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.ode.kernel.code import Operand, Value, Variable
    from emberkeep.ode.kernel.outputs.outputs import Outputs
    from emberkeep.ode.kernel.step import Clock
    from emberkeep.ode.kernel.trajectory import Trajectory
    from emberkeep.ode.kernel.vectors import Vector

# How often a thread looks whether it is to stop.
LOOKS = 64
HUGE, TINY = 1e37, 1e-37
MOST_SHARE = 1e30
TROUBLED = 1e6  # what counts as the squared error of a step whose stages were not found


@final
class Adaptive:
    """The loop of an adaptive method.

    Args:
        trajectory: what all loops have in common.
        outputs: what comes out.
    """

    def __init__(self, trajectory: Trajectory, outputs: Outputs) -> None:
        self._own, self._outputs = trajectory, outputs
        self._events = Events(trajectory, outputs.events) if trajectory.events else None
        code = self._code = trajectory.code
        self._elapsed = code.variable("elapsed", TIME)
        self._size = code.variable("size", REAL)
        self._least = code.variable("least", REAL)
        self._square = code.variable("square", REAL)
        self._started = code.variable("started", INT)
        self._attention = code.variable("attention", BOOL)
        self._fresh = code.variable("fresh", BOOL)
        self._saved = code.variable("saved", INT) if trajectory.samples else None
        self._due = code.variable("due", TIME) if trajectory.samples else None
        has_boundaries = Boundaries.there_are(trajectory)
        next_event = self._events.next_time if self._events else _never
        self._boundaries = Boundaries(trajectory, next_event) if has_boundaries else None
        # A multistep method remembers its steps by itself.
        by_error = trajectory.multistep is None
        self._controller = Controller(code, trajectory.setting) if by_error else None
        # Implicit methods take stiffness as it comes.
        is_implicit = trajectory.implicit is not None
        self._stiffness = None if is_implicit else Stiffness(trajectory)
        self._reason = code.variable("reason", INT) if is_implicit else None
        self._last = code.variable("last_attempt", INT, NEVER) if is_implicit else None
        self._running = code.variable("running", INT, uniform=True)
        self._waiting = code.variable("waiting", INT, uniform=True)
        self._attempts = code.variable("attempts", INT, uniform=True)
        self._deadline = code.variable("deadline", INT, uniform=True)

    def write(self) -> None:
        """All of it."""
        code, own = self._code, self._own
        self._begin()
        with code.loop():
            self._attend()
            code.leave(self._are_done())
            with code.loop():
                self._attempt()
                attempts = self._attempts.get() + 1
                self._attempts.set(attempts)
                with code.when(code.is_multiple(attempts, LOOKS)):
                    code.stop(own.argument("stop").get(0).differs(0))
                    self._renew_least()
                code.leave(code.any(self._attention.get()) | (attempts >= self._deadline.get()))

    def _begin(self) -> None:
        code, own = self._code, self._own
        self._running.set(0)
        self._attempts.set(0)
        self._deadline.set(0)
        self._waiting.set(code.begin)
        own.run.set(-1)
        self._attention.set(code.value(True, BOOL))  # noqa: FBT003 - a literal
        for variable in (self._elapsed, self._size, self._least, self._square):
            variable.set(0.0)
        self._started.set(0)
        self._rest()

    def _rest(self) -> None:
        """Expect nothing of a lane without a trajectory."""
        if self._stiffness is not None:
            self._stiffness.rest()
        if self._last is not None:
            self._last.set(NEVER)

    def _looked_at(self) -> Value:
        """After how many attempts a trajectory is looked at, at the latest after its last."""
        if self._stiffness is not None:
            return self._stiffness.due()
        assert self._last is not None
        return self._last.get()

    # What is rare: lane by lane ---------------------------------------------------------------

    def _attend(self) -> None:
        """End what has ended, and begin what waits."""
        code, own = self._code, self._own
        is_late = self._attempts.get() >= self._deadline.get()
        with code.when(is_late):
            self._deadline.set(NEVER)
        self._fresh.set(code.value(False, BOOL))  # noqa: FBT003
        with code.for_each(self._attention.get() | is_late):
            outcome, stands = self._standing()
            if self._stiffness is not None:
                is_asked = self._attempts.get() >= self._looked_at()
                is_asked |= outcome.get().equals(status.STEP_TOO_SMALL)
                with code.when(is_asked):
                    self._judge(self._stiffness, outcome)
            ended = outcome.get().differs(status.RUNNING)
            if own.multistep is not None:
                ended |= own.run.get() < 0
            with code.when(~ended):
                self._deadline.set(code.smaller(self._deadline.get(), self._looked_at()))
                self._cross(stands)
            with code.when(ended):
                self._end(outcome.get())
                with code.when(self._waiting.get() < code.end):
                    self._take_in_time()
        if own.layout.large:
            self._start_large()
        if self._due is not None:
            is_due = own.unless_missed(self._fresh.get() & (self._due.get() <= 0))
            with code.when(code.any(is_due)):
                self._sample(is_due, own.vectors[Y], own.start.get())

    def _standing(self) -> tuple[Variable, Value | None]:
        """How a trajectory stands, and whether it is at an event; None without any."""
        code = self._code
        if self._events is None:
            return code.variable("outcome", INT, self._outcome(None)), None
        stands, verdict = self._events.attend(self._elapsed.get())
        outcome = code.variable("outcome", INT, self._outcome(stands))
        is_over = verdict.differs(status.RUNNING)
        outcome.set(code.where(is_over, verdict, outcome.get()))
        return outcome, stands

    def _cross(self, stands: Value | None) -> None:
        """Go on behind a jump, a corner or an event, where a trajectory is at one."""
        code, boundaries = self._code, self._boundaries
        is_between, is_jump = stands, None
        if boundaries is not None:
            is_at_limit = self._elapsed.get() >= boundaries.limit.get()
            is_between = is_at_limit if stands is None else is_at_limit | stands
            is_jump = boundaries.is_jump()
            if stands is not None and is_jump is not None:
                is_jump = is_jump | stands
        if is_between is not None:
            with code.when(is_between):
                if self._stiffness is not None:
                    self._stiffness.cross()
                self._set_out(is_jump, stands, crosses=True)

    def _outcome(self, stands: Value | None) -> Value:
        """How a trajectory stands; of a lane without one, that it has ended.

        Args:
            stands: whether it is at an event, behind which steps are chosen anew.
        """
        code, own = self._code, self._own
        attempts = self._attempts.get() - self._started.get()
        is_late = attempts >= own.argument("most_attempts").get()
        late = code.where(
            is_late, code.value(status.TOO_MANY_STEPS, INT), code.value(status.RUNNING, INT)
        )
        # Not-a-number fails the comparison.
        failed = code.where(
            self._square.get() < HUGE,
            code.value(status.STEP_TOO_SMALL, INT),
            code.value(status.NOT_FINITE, INT),
        )
        if self._reason is not None:
            reason = self._reason.get()
            failed = code.where(reason.equals(status.RUNNING), failed, reason)
        outcome = code.where(self._size.get() < self._least.get(), failed, late)
        if self._boundaries is not None:
            is_between = self._elapsed.get() >= self._boundaries.limit.get()
            outcome = code.where(is_between, late, outcome)
        if stands is not None:
            outcome = code.where(stands, late, outcome)
        outcome = code.where(self._elapsed.get() >= own.span.get(), status.SUCCESS, outcome)
        if own.constraints is not None:
            outcome = code.where(own.constraints.missed.get(), status.INCONSISTENT, outcome)
        return outcome

    def _judge(self, stiffness: Stiffness, outcome: Variable) -> None:
        """Whether a trajectory that takes long, or too small steps, does because it is stiff."""
        attempts, elapsed = self._attempts.get(), self._elapsed.get()
        last = self._started.get() + self._own.argument("most_attempts").get()
        with self._code.aside():
            stiffness.probe(self._time_within(elapsed))
            limit, size = self._limit(), self._size.get()
            stiffness.judge(outcome, attempts, last, elapsed, size, limit)

    def _end(self, outcome: Value) -> None:
        code, own = self._code, self._own
        run = own.run.get()
        with code.when(run >= 0):
            if self._outputs.reached is not None:
                self._outputs.reached.come_to(self._elapsed.get())
            saved = None if self._saved is None else self._saved.get()
            attempts = self._attempts.get() - self._started.get()
            elapsed = self._elapsed.get() if self._events is not None else None
            self._outputs.end(outcome, saved, attempts, elapsed)
            self._running.set(self._running.get() - 1)
            own.run.set(-1)
        # An empty lane goes along, takes no steps, and needs no attention.
        self._attention.set(code.value(False, BOOL))  # noqa: FBT003
        own.span.set(INFINITY)
        for variable in (self._elapsed, self._size, self._least):
            variable.set(0.0)
        if self._due is not None:
            self._due.set(INFINITY)
        if self._boundaries is not None:
            self._boundaries.rest()
        if self._events is not None:
            self._events.rest()
        self._rest()
        own.rest()

    def _are_done(self) -> Value:
        """Whether there is nothing left to do."""
        are_none = self._running.get().equals(0)
        if self._own.multistep is None:
            return are_none
        return are_none & (self._waiting.get() >= self._code.end)

    def _take_in_time(self) -> None:
        """The next trajectory, at once, or as soon as those of a multistep method may begin."""
        code, multistep = self._code, self._own.multistep
        if multistep is None:
            self._take()
            return
        may_begin = multistep.may_begin()
        with code.when(may_begin):
            self._take()
        with code.when(~may_begin):
            self._deadline.set(self._attempts.get() + 1)

    def _take(self) -> None:
        """The next trajectory."""
        code, own = self._code, self._own
        run = self._waiting.get()
        self._waiting.set(run + 1)
        self._running.set(self._running.get() + 1)
        own.take(run)
        self._outputs.begin()
        if self._events is not None:
            self._events.take()
        self._elapsed.set(0.0)
        self._square.set(0.0)
        attempts = self._attempts.get()
        self._started.set(attempts)
        if self._stiffness is not None:
            self._stiffness.begin(attempts)
        if self._last is not None and self._reason is not None:
            self._last.set(attempts + own.argument("most_attempts").get())
            self._reason.set(status.RUNNING)
        self._deadline.set(code.smaller(self._deadline.get(), self._looked_at()))
        if self._saved is not None and self._due is not None:
            self._saved.set(0)
            self._due.set(own.due(self._saved.get()))
        self._set_out(None)

    def _set_out(
        self, is_jump: Value | None, stands: Value | None = None, *, crosses: bool = False
    ) -> None:
        """Begin to integrate, at the start or behind a jump; or go on, behind a corner."""
        code = self._code
        if self._controller is not None:
            self._controller.begin()
        if self._own.implicit is not None:
            self._own.implicit.forget()
        if self._boundaries is not None:
            elapsed, moving = self._elapsed.get(), self._boundaries.moving
            jump = None
            if crosses and moving.there_are:
                is_there = elapsed >= self._boundaries.limit.get()
                jump = moving.before(self._time_within(elapsed), is_there, stands)
            self._boundaries.begin(elapsed, is_jump)
            if jump is not None:
                moving.cross(jump, self._time_within(elapsed))
        # What was before a mere corner tells a multistep method nothing of what comes, either.
        if is_jump is None or self._own.multistep is not None:
            self._start()
            return
        self._attention.set(code.value(False, BOOL))  # noqa: FBT003
        with code.when(is_jump):
            self._start()

    def _start(self) -> None:
        """Compute slopes, and choose a first step."""
        self._fresh.set(self._code.value(True, BOOL))  # noqa: FBT003
        if not self._own.layout.large:
            self._start_small()

    def _start_small(self) -> None:
        """The slopes where the trajectory is, and its next step."""
        layout, states = self._own.layout, self._own.stepped
        vectors = [layout.passing(name, states) for name in ("first_slopes", "probe", "bent")]
        self._go_on(*vectors, is_fresh=None)

    def _start_large(self) -> None:
        """The same in all lanes, of which some begin."""
        stepper = self._own.stepper
        is_fresh = self._fresh.get()
        with self._code.when(self._code.any(is_fresh)):
            self._go_on(stepper["k2"], stepper["at"], stepper["k3"], is_fresh=is_fresh)

    def _go_on(self, slopes: Vector, probe: Vector, bent: Vector, is_fresh: Value | None) -> None:
        code, own = self._code, self._own

        def chosen(new: Value, old: Value) -> Value:
            return new if is_fresh is None else code.where(is_fresh, new, old)

        time = self._time_within(self._elapsed.get())
        own.settle(time, is_fresh, (probe, bent))
        own.stepped_slopes(own.vectors[Y], slopes, time)
        if not own.step.begins:
            first = own.vectors[FIRST]
            own.layout.each(
                own.stepped, lambda i: first.set(i, chosen(slopes.get(i), first.get(i)))
            )
        if self._events is not None:
            self._events.set_out(slopes, own.time(self._elapsed.get()), is_fresh)
        least = self._smallest(own.time(self._elapsed.get()))
        size = code.larger(self._first_step(slopes, probe, bent), least)
        self._size.set(chosen(size, self._size.get()))
        self._least.set(chosen(least, self._least.get()))
        if own.multistep is not None:
            signed = self._size.get() * own.real_setting("direction")
            own.multistep.begin(slopes, self._size.get(), signed, is_fresh)
        has_ended = own.or_missed(own.span.get() <= 0)
        if is_fresh is not None:
            has_ended = (is_fresh & has_ended) | (~is_fresh & self._attention.get())
        self._attention.set(has_ended)

    def _first_step(self, slopes: Vector, probe: Vector, bent: Vector) -> Value:
        """The length of a first step (Hairer, Nørsett & Wanner, Solving ODEs I, II.4)."""
        code, own = self._code, self._own
        y = own.vectors[Y]
        size = self._largest(1.0, y.get)
        slope = self._largest(TINY, slopes.get)
        largest = own.real_setting("largest step")
        ahead = code.value(self._limit() - self._elapsed.get(), REAL)
        most = code.smaller(ahead * 0.1, largest)
        # The states change by a hundredth; if they are small, by less than is tolerated.
        guess = size * 0.01 / slope
        guess = code.where(guess < most, guess, most)  # not-a-number is not smaller
        # How fast slopes change is told by such a step of Euler's.
        signed = guess * own.real_setting("direction")
        own.layout.each(own.probed, lambda i: probe.set(i, y.get(i) + signed * slopes.get(i)))
        own.judged_slopes(probe, bent, self._time_within(self._elapsed.get() + guess))
        bend = self._largest(0.0, lambda i: bent.get(i) - slopes.get(i)) / guess
        fastest = code.larger(bend, slope)  # not-a-number is not larger
        share = code.value(code.smaller(0.01 / fastest, MOST_SHARE), SINGLE)
        share = code.larger(share, 1 / MOST_SHARE)
        root = code.call("quick_log2", share) * (1 / own.estimate_power)
        found = code.value(code.call("quick_exp2", root), REAL)
        found = code.smaller(code.smaller(found, guess * 100.0), most)
        given = own.real_setting("first step")
        return code.where(given > 0, code.smaller(given, largest), found)

    def _largest(self, least: float, at: Callable[[Operand], Value]) -> Value:
        """The largest size of a vector's numbers, in units of what is tolerated."""
        code, own = self._code, self._own
        y, rtol = own.vectors[Y], own.real_setting("rtol")
        return own.layout.fold(
            own.judged,
            least,
            lambda total, i: code.larger(
                total, code.call("fabs", at(i)) / own.scale(y.get(i), i, rtol)
            ),
        )

    def _smallest(self, time: Value) -> Value:
        """The shortest step there can be at a time."""
        code = self._code
        units = code.call("fabs", code.value(time, REAL)) * (LEAST_UNITS * EPSILON)
        return code.larger(self._own.floor.get(), units)

    # One attempt, in all lanes ----------------------------------------------------------------

    def _attempt(self) -> None:
        code, own = self._code, self._own
        elapsed, span, size = self._elapsed.get(), self._limit(), self._size.get()
        end = span
        if self._due is not None and not own.interpolates:
            end = code.smaller(self._due.get(), span)
        remaining = code.named("remaining", end - elapsed)
        is_last = code.value(size, TIME) >= remaining
        h = code.named("h", code.where(is_last, code.value(remaining, REAL), size))
        time = code.named("t", own.time(elapsed))
        signed = code.named("signed_h", h * own.real_setting("direction"))
        clock = self._clock(elapsed, h, time, signed)
        if own.implicit is not None:
            own.implicit.begin()
        own.take_step(clock, signed)
        square = code.named("square", own.square(clock, signed))
        if own.implicit is not None:
            trouble = own.implicit.trouble.get()
            square = code.where(trouble.equals(status.RUNNING), square, TROUBLED)
        accepted = code.named("accepted", own.unless_missed(square <= 1.0))
        if own.implicit is not None:
            own.implicit.end(signed, accepted)
        # Of the last step that was rejected: it tells why others have to be so short.
        self._square.set(code.where(accepted, self._square.get(), square))
        if self._reason is not None and own.implicit is not None:
            trouble = own.implicit.trouble.get()
            self._reason.set(code.where(accepted, self._reason.get(), trouble))
        reached = code.where(is_last, end, elapsed + h)
        until, is_cut, taken = reached, None, accepted
        if self._events is not None and self._events.cut_steps:
            step = InStep(clock, elapsed, reached, h, signed)
            is_cut = self._events.look(accepted, step)
            until = self._events.until()
            taken = accepted & (until > elapsed)
        self._save(accepted, until, reached, elapsed, clock, signed, h)
        if self._events is not None and is_cut is not None:
            self._events.go_there()
            own.accept(accepted & ~is_cut, signed)
        else:
            own.accept(accepted, signed)
        self._outputs.step(taken, until)
        reached = code.where(accepted, until, elapsed)
        self._elapsed.set(reached)
        following = self._following(h, square, accepted)
        has_corners = self._boundaries is not None and self._boundaries.has_corners
        if has_corners or (self._due is not None and not own.interpolates):
            # A step that was cut short says nothing against one of the length before.
            following = code.where(is_last & accepted, code.larger(following, size), following)
        self._size.set(following)
        attention = own.or_missed((reached >= span) | (following < self._least.get()))
        self._attention.set(attention if is_cut is None else attention | is_cut)
        self._save_end(accepted, until)

    def _following(self, h: Value, square: Value, accepted: Value) -> Value:
        """The length of the next step, as errors ask for it."""
        code, own = self._code, self._own
        steering = self._controller or own.multistep
        assert steering is not None
        factor = steering.factor(square, accepted)
        return code.smaller(h * code.value(factor, REAL), own.real_setting("largest step"))

    def _renew_least(self) -> None:
        """The shortest step there can be by now; now and then is often enough."""
        self._least.set(self._smallest(self._own.time(self._elapsed.get())))

    def _limit(self) -> Value:
        """Elapsed time that no step goes beyond."""
        return self._own.span.get() if self._boundaries is None else self._boundaries.limit.get()

    def _clock(self, elapsed: Value, h: Value, time: Value, signed: Value) -> Clock:
        """Gives the time at a share of the step."""

        def at(node: float) -> Value:
            if self._boundaries is not None and self._boundaries.have_sides:
                return self._time_within(elapsed + h * node)
            return time if node == 0 else time + signed * node

        return at

    def _time_within(self, elapsed: Value) -> Value:
        """When so much has elapsed, on this side of jumps."""
        if self._boundaries is not None:
            elapsed = self._boundaries.within(elapsed)
        return self._own.time(elapsed)

    def _save(
        self,
        accepted: Value,
        until: Value,
        reached: Value,
        before: Value,
        clock: Clock,
        signed: Value,
        h: Value,
    ) -> None:
        """Values at the times to save that the step has passed, until an event cuts it short."""
        code, own = self._code, self._own
        if self._due is None or not own.interpolates:
            return
        with code.when(code.any(accepted & (self._due.get() <= until))):
            own.prepare_values(clock, signed)
            with code.loop():
                wanted = self._due.get()
                is_due = accepted & (wanted <= until)
                code.leave(~code.any(is_due))
                theta = code.value(wanted - before, REAL) / h
                values = own.values_within(theta, signed, wanted < reached)
                self._sample(is_due, values, own.time(wanted))

    def _save_end(self, accepted: Value, until: Value) -> None:
        """The states at the end of a step, which is where there is a time to save."""
        code, own = self._code, self._own
        if self._due is None or own.interpolates:
            return
        with code.when(code.any(accepted & (self._due.get() <= until))), code.loop():
            wanted = self._due.get()
            is_due = accepted & (wanted <= until)
            code.leave(~code.any(is_due))
            self._sample(is_due, own.vectors[Y], own.time(wanted))

    def _sample(self, is_due: Value, values: Vector, time: Value) -> None:
        """Give values to what comes out, in lanes where they are at a time to save."""
        code, own = self._code, self._own
        assert self._due is not None
        assert self._saved is not None
        sample = self._outputs.sample(values, time, self._saved.get(), is_due)
        with code.for_each(is_due):
            self._outputs.store(sample)
            self._saved.set(self._saved.get() + 1)
            self._due.set(own.due(self._saved.get()))


def _never() -> None:
    """No event is known beforehand."""
