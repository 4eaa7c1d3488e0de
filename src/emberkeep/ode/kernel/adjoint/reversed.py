"""The loop over recorded steps, from the last to the first.

As where steps are chosen, a share of the trajectories goes side by side, each at a step of its own;
a lane whose trajectory has come to its start takes the next one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, final

from emberkeep.ode import status
from emberkeep.ode.kernel.adjoint.pullback import WEIGHT, of_observables
from emberkeep.ode.kernel.adjoint.transposed import TransposedStep
from emberkeep.ode.kernel.boundaries import near_jumps
from emberkeep.ode.kernel.code import BOOL, INT, REAL, TIME
from emberkeep.ode.kernel.step import Y
from emberkeep.ode.outputs import GRADIENT_WITHIN
from emberkeep.ode.plan import CHOSEN, REVERSED

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import Operand, Value
    from emberkeep.ode.kernel.step import Clock
    from emberkeep.ode.kernel.trajectory import Trajectory
    from emberkeep.ode.kernel.vectors import Vector
    from emberkeep.ode.plan import Plan

LOOKS = 64  # turns between two looks whether to stop
PASSED = -math.inf  # the time of what is to be weighed next, where there is nothing


@final
class Reversed:
    """The loop of an adjoint.

    Args:
        trajectory: what all loops have in common.
        plan: what is wanted.
    """

    def __init__(self, trajectory: Trajectory, plan: Plan) -> None:
        own = self._own = trajectory
        code = self._code = own.code
        layout, by = own.layout, plan.by
        self._is_within = GRADIENT_WITHIN in plan.outputs
        self._ends_at_jumps = plan.stepping == REVERSED[CHOSEN]
        self._by = len(by)
        self._columns = own.states + own.observables
        # A weight of the states, which goes from step to step; and what has come of parameters.
        self._weight = layout.kept("weight", own.states)
        self._parameters = layout.kept("by_parameter", max(self._by, 1))
        self._step = TransposedStep(own, by, self._parameters, has_values=self._is_within)
        own.stepper = self._step.stepper  # values within a step are found by way of it
        self._observables = of_observables(own.equations, by)
        self._given = layout.kept("given", own.states)
        self._given_observed = layout.kept("given_o", max(own.observables, 1))
        self._sampled = layout.kept("sampled", max(self._by, 1))
        self._place = code.variable("place", INT)
        self._steps = code.variable("steps", INT)
        self._saved = code.variable("saved", INT)
        self._due = code.variable("due", TIME)
        self._attention = code.variable("attention", BOOL)
        self._running = code.variable("running", INT, uniform=True)
        self._waiting = code.variable("waiting", INT, uniform=True)
        self._turns = code.variable("turns", INT, uniform=True)

    def write(self) -> None:
        """All of it."""
        code = self._code
        self._running.set(0)
        self._turns.set(0)
        self._waiting.set(code.begin)
        self._own.run.set(-1)
        self._attention.set(code.value(True, BOOL))  # noqa: FBT003 - a literal
        self._rest()
        with code.loop():
            with code.for_each(self._attention.get()):
                self._attend()
            code.leave(self._running.get().equals(0))
            with code.loop():
                self._turn()
                turns = self._turns.get() + 1
                self._turns.set(turns)
                with code.when(code.is_multiple(turns, LOOKS)):
                    code.stop(self._own.argument("stop").get(0).differs(0))
                code.leave(code.any(self._attention.get()))

    # What is rare: lane by lane -------------------------------------------------------------------

    def _attend(self) -> None:
        """End what has come to its start, and begin what waits."""
        code, own = self._code, self._own
        with code.when(own.run.get() >= 0):
            self._end()
        self._attention.set(code.value(False, BOOL))  # noqa: FBT003
        own.run.set(-1)
        self._rest()
        with code.when(self._waiting.get() < code.end):
            self._take()

    def _rest(self) -> None:
        """Expect nothing of a lane without a trajectory."""
        zero = self._code.value(0.0, REAL)
        for vector in (self._weight, self._parameters):
            self._own.layout.each(vector.size, lambda i, vector=vector: vector.set(i, zero))
        self._place.set(0)
        self._steps.set(0)
        self._saved.set(-1)
        self._due.set(PASSED)

    def _take(self) -> None:
        """The next trajectory, at its end."""
        code, own = self._code, self._own
        run = self._waiting.get()
        self._waiting.set(run + 1)
        self._running.set(self._running.get() + 1)
        own.take(run)
        steps = own.argument("recorded_counts").get(run)
        self._steps.set(steps)
        self._place.set(code.larger(steps - 1, 0))
        saved = own.argument("save_count").get() - 1
        self._saved.set(saved)
        self._due.set(own.due(saved))

    def _end(self) -> None:
        """Write what has come of it."""
        code, own = self._code, self._own
        run = own.run.get()
        row = own.row("gradient", run)
        own.layout.each(own.states, lambda i: row.set(code.value(i, INT), self._weight.get(i)))
        if self._by:
            own.layout.each(
                self._by,
                lambda i: row.set(code.value(i, INT) + own.states, self._parameters.get(i)),
            )
        own.argument("status").set(run, status.SUCCESS)
        self._running.set(self._running.get() - 1)

    # One step, in all lanes -----------------------------------------------------------------------

    def _turn(self) -> None:
        code, own, step = self._code, self._own, self._step
        is_there = own.run.get() >= 0
        place = self._row() * own.argument("most_records").get() + self._place.get()
        ends, states = own.argument("recorded_ends"), own.argument("recorded_states")
        before = code.named("before", ends.gather(place))
        is_step = is_there & (self._place.get() < self._steps.get())
        after = code.named("after", code.where(is_step, ends.gather(place + 1), before))
        h = code.named("h", code.value(after - before, REAL))
        signed = code.named("signed_h", h * own.real_setting("direction"))
        y, first = own.vectors[Y], place * own.states
        own.layout.each(own.states, lambda i: y.set(i, states.gather(first + i)))
        clock = self._clock(before, after, h, signed)
        if own.implicit is not None:
            own.implicit.begin()
        step.compute(clock, signed)
        step.begin(self._weight)
        step.begin_values()
        self._weigh_values(before, after, h, signed, clock)
        weight = step.transpose(clock, signed)
        own.layout.each(own.states, lambda i: self._weight.set(i, weight.get(i)))
        is_at_start = is_there & self._place.get().equals(0)
        is_due = is_at_start & (self._saved.get() >= 0)
        with code.when(code.any(is_due)):
            given = self._given_at(y, before, is_due)
            own.layout.each(
                own.states, lambda i: self._weight.set(i, self._weight.get(i) + given.get(i))
            )
        # A lane without a trajectory stays where it is: it reads what is there of any.
        self._place.set(code.where(is_there, self._place.get() - 1, 0))
        self._attention.set(is_at_start)

    def _row(self) -> Value:
        """The trajectory's number in its chunk; of a lane without one, that of any."""
        return self._code.larger(self._own.run.get(), 0)

    def _clock(self, before: Value, after: Value, h: Value, signed: Value) -> Clock:
        """Gives the time at a share of the step, on its own side of jumps at both ends."""
        own, code = self._own, self._code
        near = near_jumps(own, after) if self._ends_at_jumps else None
        if near is None:
            time = code.named("t", own.time(before))
            return lambda node: time if node == 0 else time + signed * node
        earliest, latest = before + near, after - near

        def at(node: float) -> Value:
            later = code.larger(before + h * node, earliest)
            return own.time(code.smaller(later, latest))

        return at

    # What is given --------------------------------------------------------------------------------

    def _weigh_values(
        self, before: Value, after: Value, h: Value, signed: Value, clock: Clock
    ) -> None:
        """Take in the weights of values at the times to save that lie in the step."""
        code, own, step = self._code, self._own, self._step
        # A time to save is the end of a step but for rounding, where no values lie within.
        first = before if self._is_within else (before + after) * 0.5
        with code.when(code.any(self._due.get() > first)):
            step.compute_within(clock, signed)
            step.begin_within()
            with code.loop():
                due = self._due.get()
                is_due = due > first
                code.leave(~code.any(is_due))
                within = is_due & (due < after) if self._is_within else code.value(False, BOOL)  # noqa: FBT003
                theta = code.where(within, code.value(due - before, REAL) / h, 0.0)
                values = own.stepper["new"]
                if self._is_within and self._observables is not None:
                    values = own.values_within(theta, signed, within)
                given = self._given_at(values, code.where(is_due, due, before), is_due)
                step.weigh_value(given, theta, signed, within)
                self._go_back(is_due)
            step.transpose_within(clock, signed)

    def _go_back(self, where: Value) -> None:
        """To the time to save before, where a condition holds."""
        code, own = self._code, self._own
        saved = code.where(where, self._saved.get() - 1, self._saved.get())
        self._saved.set(saved)
        row = own.argument("first").get() + self._row()
        place = row * own.argument("save_step").get() + code.larger(saved, 0)
        due = own.argument("save_times").gather(place)
        self._due.set(code.where(saved >= 0, due, PASSED))

    def _given_at(self, values: Vector, elapsed: Value, is_due: Value) -> Vector:
        """The weight of states that are saved, where they are: their own, and by observables.

        Args:
            values: these states.
            elapsed: when.
            is_due: where.
        """
        code, own = self._code, self._own
        layout, weights = own.layout, own.argument("weights")
        count = own.argument("save_count").get()
        row = self._row() * count + code.larger(self._saved.get(), 0)
        first = row * self._columns
        given, observed, sampled = self._given, self._given_observed, self._sampled

        def weight(index: Operand) -> Value:
            return code.where(is_due, weights.gather(first + index), 0.0)

        if self._observables is None:
            layout.each(own.states, lambda i: given.set(i, weight(i)))
            return given
        zero = code.value(0.0, REAL)
        for vector in (given, sampled):
            layout.each(vector.size, lambda i, vector=vector: vector.set(i, zero))
        layout.each(own.observables, lambda i: observed.set(i, weight(own.states + i)))
        self._observables.add(
            values, own.parameters, own.time(elapsed), {WEIGHT: observed}, given, sampled
        )

        def keep(target: Vector, index: Operand, part: Value) -> None:
            target.set(index, code.where(is_due, part, zero))

        layout.each(own.states, lambda i: keep(given, i, given.get(i) + weight(i)))
        layout.each(sampled.size, lambda i: keep(sampled, i, sampled.get(i)))
        total = self._parameters
        layout.each(total.size, lambda i: total.set(i, total.get(i) + sampled.get(i)))
        return given
