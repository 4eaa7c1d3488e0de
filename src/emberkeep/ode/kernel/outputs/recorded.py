"""Steps as they were taken: when each ended, and where, for who goes through them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import INT, TIME
from emberkeep.ode.kernel.outputs.output import Output
from emberkeep.ode.kernel.step import Y

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import Value
    from emberkeep.ode.kernel.outputs.output import Ending
    from emberkeep.ode.kernel.trajectory import Trajectory


@final
class Recorded(Output):
    """The start, then the end of each step, while there is room; how many steps there were."""

    def __init__(self, trajectory: Trajectory) -> None:
        self._own, self._code = trajectory, trajectory.code
        self._count = self._code.variable("recorded", INT)

    def begin(self) -> None:
        """Write the start."""
        code = self._code
        self._count.set(0)
        self._write(code.value(0, INT), code.value(0.0, TIME))

    def add(self, taken: Value, until: Value) -> None:
        """Steps were taken, in lanes where that is so.

        Args:
            taken: where.
            until: elapsed time at their end.
        """
        code, own = self._code, self._own
        is_there = own.run.get() >= 0  # a lane without a trajectory goes along
        with code.for_each(taken & is_there):
            self._count.set(self._count.get() + 1)
            with code.when(self._count.get() < own.argument("most_records").get()):
                self._write(self._count.get(), until)

    def end(self, ending: Ending) -> None:
        """Write how many there were."""
        self._own.write("recorded_counts", ending.run, self._count.get())

    def _write(self, place: Value, elapsed: Value) -> None:
        code, own = self._code, self._own
        run, y = own.run.get(), own.vectors[Y]
        own.row("recorded_ends", run).set(place, elapsed)
        row = own.row("recorded_states", run, place)
        own.layout.each(own.states, lambda i: row.set(code.value(i, INT), y.get(i)))
