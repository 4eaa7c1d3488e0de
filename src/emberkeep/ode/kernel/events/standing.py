"""Where a trajectory stands with its events: what occurred so far, and what does here."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import BOOL, INFINITY, INT, REAL, TIME
from emberkeep.ode.kernel.vectors import Vector
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import Value, Variable
    from emberkeep.ode.kernel.event_programs import EventProgram
    from emberkeep.ode.kernel.outputs.events import EventRecords
    from emberkeep.ode.kernel.step import Clock
    from emberkeep.ode.kernel.trajectory import Trajectory

# So many places of events in a row, each within so many units in the last place of the time from
# the one before, are a storm.
STORM, NEAR_UNITS, LAST_PLACE = 100, 1024, 2.0**-52


@final
@frozen
class InStep:
    """A step that has been tried.

    Attributes:
        clock: gives the time at a share of it.
        before: what had elapsed where it begins.
        reached: what has elapsed at its end.
        h: its length.
        signed: the same, negative backwards.
    """

    clock: Clock
    before: Value
    reached: Value
    h: Value
    signed: Value


@final
class Standing:
    """What is remembered of a trajectory's events.

    Args:
        trajectory: whose.
        records: is told of what occurs; None unless that is wanted.

    Attributes:
        counts: how often each event has occurred.
        occurs: whether it does where the trajectory stands, and is yet to be attended to.
        is_cut: whether the step that was tried ends at an event.
        share: at which share of it.
        until: how much has elapsed there.
        states: what they are there, or where else in a step something occurs.
    """

    def __init__(self, trajectory: Trajectory, records: EventRecords | None) -> None:
        self._own, code = trajectory, trajectory.code
        self._code, self._records = code, records
        events = range(len(trajectory.events))
        self.counts: list[Variable] = [code.variable(f"occurrences{i}", INT) for i in events]
        self.occurs: list[Variable] = [code.variable(f"occurs{i}", BOOL) for i in events]
        self.is_cut = code.variable("is_cut", BOOL)
        self.share = code.variable("cut_share", REAL)
        self.until = code.variable("cut_at", TIME)
        size = trajectory.states
        self.states = Vector(size, array=code.array("event_states", REAL, size, is_rare=True))
        self._recent = code.variable("recent_event", TIME)
        self._crowd = code.variable("crowded_events", INT)
        if records is not None:
            records.count_by(self.counts)

    def begin(self) -> None:
        """Nothing has occurred yet; lane by lane."""
        for count in self.counts:
            count.set(0)
        self._recent.set(-INFINITY)
        self._crowd.set(0)
        self.settle()

    def settle(self) -> None:
        """All that occurs here has been attended to; lane by lane."""
        never = self._code.value(False, BOOL)  # noqa: FBT003 - a literal
        for variable in (self.is_cut, *self.occurs):
            variable.set(never)

    def cut(self, share: Value, until: Value, where: Value | None = None) -> None:
        """End the step at a share of it, where a condition holds."""
        code = self._code

        def chosen(value: Value, variable: Variable) -> Value:
            return value if where is None else code.where(where, value, variable.get())

        self.share.set(chosen(share, self.share))
        self.until.set(chosen(until, self.until))
        self.is_cut.set(self.is_cut.get() | (code.value(True, BOOL) if where is None else where))  # noqa: FBT003

    def crowd(self, elapsed: Value, too_many: Value) -> Value:
        """Something occurs when so much has elapsed: whether that is a storm; lane by lane."""
        code, own = self._code, self._own
        near = (code.call("fabs", own.start.get()) + elapsed) * (NEAR_UNITS * LAST_PLACE)
        is_near = elapsed - self._recent.get() <= near
        self._crowd.set(code.where(is_near, self._crowd.get() + 1, 1))
        self._crowd.set(code.where(too_many, STORM + 1, self._crowd.get()))
        self._recent.set(elapsed)
        return self.is_storm()

    def is_storm(self) -> Value:
        """Whether events crowd."""
        return self._crowd.get() > STORM

    def count(self, event: int, values: Vector, time: Value) -> None:
        """An event occurs: record and count it; lane by lane."""
        if self._records is not None:
            self._records.record(event, values, time)
        self.counts[event].set(self.counts[event].get() + 1)

    def ends(self, event: int, count: Value) -> Value:
        """Whether an event ends a trajectory in which it has occurred so often."""
        limit = self._own.argument("event_limits").get(event)
        return count >= limit

    def cuts(self, event: int, program: EventProgram) -> Value:
        """Whether a step ends where an event occurs once more."""
        return self.cuts_now(program, self.ends(event, self.counts[event].get() + 1))

    def cuts_now(self, program: EventProgram, ends: Value) -> Value:
        """Whether a step ends at an event, which may end the trajectory."""
        return self._code.value(True, BOOL) if program.action else ends  # noqa: FBT003 - a literal
