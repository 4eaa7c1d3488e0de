"""All outputs of a plan, as the loops around a step speak to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode import status
from emberkeep.ode.kernel.outputs.events import EventRecords
from emberkeep.ode.kernel.outputs.output import Ending, Sample, Sampled, Stepped
from emberkeep.ode.kernel.outputs.peaks import Peaks
from emberkeep.ode.kernel.outputs.reached import Reached
from emberkeep.ode.kernel.outputs.recorded import Recorded
from emberkeep.ode.kernel.outputs.states import Final, States
from emberkeep.ode.kernel.outputs.steps import Steps, StepTimes
from emberkeep.ode.kernel.outputs.summaries import Summaries
from emberkeep.ode.outputs import DERIVATIVE, EVENTS, PEAKS, REACHED, RECORDED

if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.ode.kernel.code import Operand, Value
    from emberkeep.ode.kernel.outputs.output import Output
    from emberkeep.ode.kernel.trajectory import Trajectory
    from emberkeep.ode.kernel.vectors import Vector
    from emberkeep.ode.plan import Plan


@final
class Outputs:
    """The outputs of a plan.

    Args:
        trajectory: whose.
        plan: what is wanted of it.

    Attributes:
        reached: is told how far trajectories come; None unless that is wanted.
        events: is told what occurs, likewise.
        recorded: is told of each step by itself, likewise.
    """

    def __init__(self, trajectory: Trajectory, plan: Plan) -> None:
        self._own, wanted = trajectory, plan.outputs
        self._has_derivatives = any(
            isinstance(output, str) and output.startswith(DERIVATIVE) for output in wanted
        )
        self._all: list[Output] = [
            make(trajectory) for name, make in ALONE.items() if name in wanted
        ]
        self.reached = Reached(trajectory) if REACHED in wanted else None
        self._all += [] if self.reached is None else [self.reached]
        self._all += [Peaks(trajectory, name) for name in PEAKS if name in wanted]
        self.events = EventRecords(trajectory) if EVENTS in wanted else None
        self._all += [] if self.events is None else [self.events]
        self.recorded = Recorded(trajectory) if RECORDED in wanted else None
        self._all += [] if self.recorded is None else [self.recorded]
        others = (*ALONE, REACHED, *PEAKS, EVENTS, RECORDED)
        summaries = [output for output in wanted if output not in others]
        if summaries:
            self._all.append(Summaries(trajectory, summaries))
        self._sampled = [output for output in self._all if isinstance(output, Sampled)]
        self._stepped = [output for output in self._all if isinstance(output, Stepped)]

    def begin(self) -> None:
        """A trajectory begins; lane by lane."""
        for output in self._all:
            output.begin()

    def sample(self, states: Vector, time: Value, number: Value, where: Value) -> Sample:
        """There are values at a time to save, in lanes where a condition holds; in all lanes.

        Args:
            states: there.
            time: when.
            number: how many times to save were before it.
            where: the condition.

        Returns:
            What `store` is to be given, in those lanes.
        """
        own = self._own
        observed, slopes, rates = own.observe(states, time), None, None
        if self._has_derivatives:
            slopes = own.layout.passing("sampled_slopes", own.states)
            own.slopes(states, slopes, time, in_step=False)
            rates = own.rates(states, time, slopes)
        sample = Sample(number, time, states, observed, slopes, rates)
        for output in self._sampled:
            output.fold(sample, where)
        return sample

    def store(self, sample: Sample) -> None:
        """The same afterwards, lane by lane."""
        for output in self._sampled:
            output.store(self._own.run.get(), sample)

    def accept(self, accepted: Value, reached: Value, steps: Operand) -> None:
        """Steps have been tried; see `Stepped`."""
        for output in self._stepped:
            output.accept(accepted, reached, steps)

    def step(self, accepted: Value, reached: Value) -> None:
        """The same of a single step."""
        self.accept(accepted, reached, 1)
        if self.recorded is not None:
            self.recorded.add(accepted, reached)

    def end(
        self, outcome: Value, saved: Value | None, attempts: Operand, elapsed: Value | None = None
    ) -> None:
        """Write how a trajectory has ended; lane by lane.

        Args:
            outcome: its status.
            saved: how many times to save it has passed; None where there are none.
            attempts: how many steps were tried.
            elapsed: how far it came; its span by default.
        """
        own, run = self._own, self._own.run.get()
        own.argument("status").set(run, outcome)
        is_good, is_cut, last = outcome.equals(status.SUCCESS), None, own.span.get()
        if own.events and elapsed is not None:
            is_cut = outcome.equals(status.ENDED_BY_EVENT)
            is_good = is_good | is_cut
            last = own.code.where(is_cut, elapsed, last)
        ending = Ending(run, is_good, is_cut, own.time(last), saved, attempts)
        for output in self._all:
            output.end(ending)


ALONE: dict[str, Callable[[Trajectory], Output]] = {
    "states": States,
    "final": Final,
    "steps": Steps,
    "step_times": StepTimes,
}
