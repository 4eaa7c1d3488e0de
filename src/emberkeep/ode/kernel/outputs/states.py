"""Values as they are: at times to save, and at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import INT, NAN, REAL
from emberkeep.ode.kernel.outputs.output import Output, Sampled
from emberkeep.ode.kernel.step import Y
from emberkeep.ode.kernel.vectors import Same

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import Value
    from emberkeep.ode.kernel.outputs.output import Ending, Sample
    from emberkeep.ode.kernel.trajectory import Trajectory
    from emberkeep.ode.kernel.vectors import Vector


@final
class States(Sampled):
    """States, then observables, at each time to save."""

    def __init__(self, trajectory: Trajectory) -> None:
        self._own, self._code = trajectory, trajectory.code

    def begin(self) -> None:
        """Nothing is held."""

    def fold(self, sample: Sample, where: Value) -> None:
        """Nothing is held."""

    def store(self, run: Value, sample: Sample) -> None:
        """Write the values."""
        self._write(run, sample.number, sample.states, sample.observed)

    def end(self, ending: Ending) -> None:
        """Write that there are none at the times that a trajectory has not come to."""
        code, own, saved = self._code, self._own, ending.saved
        assert saved is not None
        missing = Same(code.value(NAN, REAL))
        left = code.variable("left", INT, saved)
        with code.loop():
            code.leave(left.get() >= own.argument("save_count").get())
            self._write(ending.run, left.get(), missing, missing)
            left.set(left.get() + 1)

    def _write(
        self, run: Value, saved: Value, values: Vector | Same, observed: Vector | Same
    ) -> None:
        code, own = self._code, self._own
        row = own.row("states", run, saved)
        own.layout.each(own.states, lambda i: row.set(code.value(i, INT), values.get(i)))
        for place in range(own.observables):
            row.set(code.value(own.states + place, INT), observed.get(place))


@final
class Final(Output):
    """States, then observables, at the end of the span; of what failed, nothing like a value."""

    def __init__(self, trajectory: Trajectory) -> None:
        self._own, self._code = trajectory, trajectory.code

    def begin(self) -> None:
        """Nothing is held."""

    def end(self, ending: Ending) -> None:
        """Write them, where there is room."""
        code, own = self._code, self._own
        y, is_good = own.vectors[Y], ending.is_good
        with code.when(own.argument("strides").get(0).differs(0)):
            row = own.row("final", ending.run)
            own.layout.each(
                own.states,
                lambda i: row.set(code.value(i, INT), code.where(is_good, y.get(i), NAN)),
            )
            observed = own.observe(y, ending.time)
            for place in range(own.observables):
                value = code.where(is_good, observed.get(place), NAN)
                row.set(code.value(own.states + place, INT), value)
