"""Steps: how many there were, and when each of them ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import INT, NAN, TIME
from emberkeep.ode.kernel.outputs.output import Stepped

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import Operand, Value
    from emberkeep.ode.kernel.outputs.output import Ending
    from emberkeep.ode.kernel.trajectory import Trajectory


@final
class Steps(Stepped):
    """How many steps were taken, and how many were tried in vain."""

    def __init__(self, trajectory: Trajectory) -> None:
        self._own, self._code = trajectory, trajectory.code
        self._taken = self._code.variable("taken", INT)

    def begin(self) -> None:
        """None yet."""
        self._taken.set(0)

    def accept(self, accepted: Value, reached: Value, steps: Operand) -> None:  # noqa: ARG002
        """Count them."""
        self._taken.set(self._taken.get() + self._code.value(accepted, INT) * steps)

    def end(self, ending: Ending) -> None:
        """Write both numbers."""
        code, taken = self._code, self._taken.get()
        row = self._own.row("steps", ending.run)
        row.set(code.value(0, INT), taken)
        row.set(code.value(1, INT), code.value(ending.attempts, INT) - taken)


@final
class StepTimes(Stepped):
    """When the first steps that were taken have ended."""

    def __init__(self, trajectory: Trajectory) -> None:
        self._own, self._code = trajectory, trajectory.code
        self._count = self._code.variable("recorded_steps", INT)

    def begin(self) -> None:
        """None yet."""
        self._count.set(0)

    def accept(self, accepted: Value, reached: Value, steps: Operand) -> None:  # noqa: ARG002
        """Write the time, while there is room."""
        code, own = self._code, self._own
        most = own.argument("most_records").get()
        is_there = own.run.get() >= 0  # a lane without a trajectory goes along
        with code.for_each(accepted & is_there & (self._count.get() < most)):
            count = self._count.get()
            own.row("step_times", own.run.get()).set(count, own.time(reached))
            self._count.set(count + 1)

    def end(self, ending: Ending) -> None:
        """Leave nothing behind the last that looks like a time."""
        code, own = self._code, self._own
        row = own.row("step_times", ending.run)
        left = code.variable("left", INT, self._count.get())
        with code.loop():
            code.leave(left.get() >= own.argument("most_records").get())
            row.set(left.get(), code.value(NAN, TIME))
            left.set(left.get() + 1)
