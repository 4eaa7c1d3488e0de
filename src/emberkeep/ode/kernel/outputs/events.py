"""Events: when they were, with states and observables there, and how many."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import INT, NAN, REAL, TIME
from emberkeep.ode.kernel.outputs.output import Output
from emberkeep.ode.kernel.vectors import Same

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import Value, Variable
    from emberkeep.ode.kernel.outputs.output import Ending
    from emberkeep.ode.kernel.trajectory import Trajectory
    from emberkeep.ode.kernel.vectors import Vector


@final
class EventRecords(Output):
    """The first occurrences of each event, while there is room."""

    def __init__(self, trajectory: Trajectory) -> None:
        self._own, self._code = trajectory, trajectory.code
        self._counts: list[Variable] = []

    def count_by(self, counts: list[Variable]) -> None:
        """Take what counts occurrences, a variable for each event."""
        self._counts = counts

    def begin(self) -> None:
        """Nothing is held here."""

    def record(self, event: int, values: Vector, time: Value) -> None:
        """An event occurs, and is not counted yet; lane by lane."""
        code, own, count = self._code, self._own, self._counts[event].get()
        with code.when(count < own.argument("most_records").get()):
            observed = own.observe(values, time)
            self._write(own.run.get(), event, count, values, observed, time)

    def end(self, ending: Ending) -> None:
        """Write how many there were, and nothing that looks like one behind the last."""
        code, own, missing = self._code, self._own, Same(self._code.value(NAN, REAL))
        for event, count in enumerate(self._counts):
            place = code.value(event, INT)
            own.row("event_counts", ending.run).set(place, count.get())
            left = code.variable("left", INT, count.get())
            with code.loop():
                code.leave(left.get() >= own.argument("most_records").get())
                nothing = code.value(NAN, TIME)
                self._write(ending.run, event, left.get(), missing, missing, nothing)
                left.set(left.get() + 1)

    def _write(
        self,
        run: Value,
        event: int,
        count: Value,
        values: Vector | Same,
        observed: Vector | Same,
        time: Value,
    ) -> None:
        code, own = self._code, self._own
        place = code.value(event, INT)
        own.row("event_times", run, place).set(count, time)
        row = own.row("event_values", run, place, count)
        own.layout.each(own.own_states, lambda i: row.set(code.value(i, INT), values.get(i)))
        for index in range(own.own_observables):
            row.set(code.value(own.own_states + index, INT), observed.get(index))
