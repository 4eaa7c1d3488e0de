"""All events of a plan, as the loop around a step speaks to them.

What goes through zero is looked at where each step ends; where in the step it did is found on the
step's own values. An event that does nothing is recorded, and the trajectory goes on as it would
without. One that acts, or ends a trajectory, cuts the step short: what was behind it is void, and
integration begins anew from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode import status
from emberkeep.ode.events.planned import CROSSING, STEADY, TIMED
from emberkeep.ode.kernel.code import BOOL, INT, REAL
from emberkeep.ode.kernel.error_norm import mean_square
from emberkeep.ode.kernel.events.crossings import Crossings
from emberkeep.ode.kernel.events.search import any_of
from emberkeep.ode.kernel.events.sensitivities import EventSensitivities
from emberkeep.ode.kernel.events.standing import Standing
from emberkeep.ode.kernel.events.timed import Timed
from emberkeep.ode.kernel.step import FIRST, Y

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import Operand, Value
    from emberkeep.ode.kernel.event_programs import EventProgram
    from emberkeep.ode.kernel.events.standing import InStep
    from emberkeep.ode.kernel.outputs.events import EventRecords
    from emberkeep.ode.kernel.trajectory import Trajectory
    from emberkeep.ode.kernel.vectors import Vector


@final
class Events:
    """The events of a trajectory.

    Args:
        trajectory: whose.
        records: is told of what occurs; None unless that is wanted.
    """

    def __init__(self, trajectory: Trajectory, records: EventRecords | None) -> None:
        self._own, self._code = trajectory, trajectory.code
        self._standing = Standing(trajectory, records)
        kinds: dict[str, dict[int, EventProgram]] = {CROSSING: {}, STEADY: {}, TIMED: {}}
        for number, each in enumerate(trajectory.events):
            kinds[each.planned.kind][number] = each
        moved = {name for each in trajectory.events for name in each.action}
        self._crossings = (
            Crossings(trajectory, kinds[CROSSING], moved, self._standing)
            if kinds[CROSSING]
            else None
        )
        self._steady = (*kinds[STEADY],)
        self._sensitivities = (
            EventSensitivities(trajectory) if trajectory.names and kinds[CROSSING] else None
        )
        self._timed = {
            number: Timed(trajectory, place) for place, number in enumerate(kinds[TIMED])
        }

    # Trajectories -----------------------------------------------------------------------------

    def take(self) -> None:
        """A trajectory begins; lane by lane."""
        self._standing.begin()
        for one in self._timed.values():
            one.begin()
        if self._crossings is not None:
            self._crossings.forget()

    def rest(self) -> None:
        """A lane has no trajectory, and no events."""
        self._standing.settle()
        for one in self._timed.values():
            one.rest()
        if self._crossings is not None:
            self._crossings.forget()

    def next_time(self) -> Value | None:
        """How much will have elapsed at the next event that is known beforehand; None without."""
        found: Value | None = None
        for one in self._timed.values():
            found = one.next() if found is None else self._code.smaller(one.next(), found)
        return found

    def set_out(self, slopes: Vector, time: Value, is_fresh: Value | None) -> None:
        """Integration begins; see `Crossings.begin`."""
        if self._crossings is not None:
            self._crossings.begin(slopes, time, is_fresh)

    # Steps, in all lanes ----------------------------------------------------------------------

    @property
    def cut_steps(self) -> bool:
        """Whether some may occur within a step."""
        return self._crossings is not None or bool(self._steady)

    def look(self, accepted: Value, step: InStep) -> Value:
        """See what occurs in a step.

        Returns:
            In which lanes the step is cut short; `until` says where.
        """
        standing = self._standing
        standing.until.set(step.reached)
        standing.is_cut.set(self._code.value(False, BOOL))  # noqa: FBT003 - a literal
        for place, number in enumerate(self._steady):
            self._look_whether_steady(place, number, step)
            accepted = accepted & ~standing.is_cut.get()
        if self._crossings is not None:
            self._crossings.look(accepted, step)
        return standing.is_cut.get()

    def until(self) -> Value:
        """How much has elapsed at the end of a step: of one that is cut short, where it is."""
        return self._standing.until.get()

    def go_there(self) -> None:
        """Go to where steps are cut short, in lanes where they are."""
        code, own, standing = self._code, self._own, self._standing
        y, is_cut = own.vectors[Y], standing.is_cut.get()
        with code.when(code.any(is_cut)):
            moves = is_cut & (standing.share.get() > 0)  # where it begins, they are already
            there = standing.states
            own.layout.each(
                own.states, lambda i: y.set(i, code.where(moves, there.get(i), y.get(i)))
            )

    def _look_whether_steady(self, place: int, number: int, step: InStep) -> None:
        """Cut a step at its beginning, where states hardly move."""
        code, own, standing = self._code, self._own, self._standing
        y, slopes = own.vectors[Y], own.stepper[FIRST]
        # Of constraints, a step knows M y' alone; and one of a multistep method, no slopes there.
        if own.constraints is not None or own.multistep is not None:
            slopes = own.stepper["slopes_at_start"]
            own.slopes(y, slopes, step.clock(0.0))
        rtol, atol = (
            code.value(own.argument("steady").get(2 * place + part), REAL) for part in range(2)
        )

        def scale(index: Operand) -> Value:
            return atol + rtol * code.call("fabs", y.get(index))

        square = mean_square(own.layout, own.own_states, slopes.get, scale)
        is_steady = (square <= 1.0) & (own.run.get() >= 0)
        standing.cut(code.value(0.0, REAL), step.before, is_steady)
        standing.occurs[number].set(is_steady)

    # What is rare, lane by lane ---------------------------------------------------------------

    def attend(self, elapsed: Value) -> tuple[Value, Value]:
        """Record, count and do what occurs where a trajectory stands.

        Returns:
            Whether something does; and how the trajectory stands for that reason.
        """
        code, own, standing = self._code, self._own, self._standing
        for number, one in self._timed.items():
            is_now = one.occurs(elapsed)
            standing.occurs[number].set(is_now)
            with code.when(is_now):
                one.go_on()
        stands = any_of([standing.is_cut.get(), *(standing.occurs[n].get() for n in self._timed)])
        stands = code.named("is_at_event", stands)
        outcome = code.variable("outcome_of_events", INT, status.RUNNING)
        with code.when(stands):
            standing.until.set(elapsed)
            time = own.time(elapsed)
            moving = self._sensitivities
            if moving is not None:
                moving.begin(time)
            for number, occurs in enumerate(standing.occurs):
                with code.when(occurs.get()):
                    standing.count(number, own.vectors[Y], time)
                    ends = standing.ends(number, standing.counts[number].get())
                    outcome.set(code.where(ends, status.ENDED_BY_EVENT, outcome.get()))
                    if moving is not None:
                        with code.when(standing.cuts_now(own.events[number], ends)):
                            moving.meet(number, time)
            is_lost = standing.is_storm() & outcome.get().equals(status.RUNNING)
            outcome.set(code.where(is_lost, status.EVENT_STORM, outcome.get()))
            if moving is not None:
                moving.arrive()
            self._act(time)
            if moving is not None:
                with code.when(outcome.get().equals(status.RUNNING)):
                    moving.leave(time)
            standing.settle()
        return stands, outcome.get()

    def _act(self, time: Value) -> None:
        crossings = self._crossings
        before = [] if crossings is None else crossings.before_action()
        code, own = self._code, self._own
        for number, program in enumerate(own.events):
            if program.action:
                with code.when(self._standing.occurs[number].get()):
                    self._set(program, time)
        if crossings is not None:
            crossings.after_action(before)

    def _set(self, program: EventProgram, time: Value) -> None:
        """Give states and parameters their new values, all of those before."""
        own = self._own
        moving = self._sensitivities
        moves = None if moving is None else moving.named_moves()
        values = own.evaluate([*program.action.values()], own.vectors[Y], time, named=moves)
        for name, value in zip(program.action, values, strict=True):
            vector, place = own.place_of(name)
            vector.set(place, value)
