"""How far trajectories came."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import TIME
from emberkeep.ode.kernel.outputs.output import Output

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import Value
    from emberkeep.ode.kernel.outputs.output import Ending
    from emberkeep.ode.kernel.trajectory import Trajectory


@final
class Reached(Output):
    """The time that a trajectory came to: its end, or where it failed."""

    def __init__(self, trajectory: Trajectory) -> None:
        self._own, self._code = trajectory, trajectory.code
        self._elapsed = self._code.variable("come_to", TIME)

    def begin(self) -> None:
        """Nothing has elapsed."""
        self._elapsed.set(0.0)

    def come_to(self, elapsed: Value, where: Value | None = None) -> None:
        """So much has elapsed, in lanes where a condition holds; by default, here."""
        if where is not None:
            elapsed = self._code.where(where, elapsed, self._elapsed.get())
        self._elapsed.set(elapsed)

    def end(self, ending: Ending) -> None:
        """Write it; an end as it was given, not as it is computed from what has elapsed."""
        own = self._own
        time = own.time(self._elapsed.get())
        is_whole = ending.is_good if ending.is_cut is None else ending.is_good & ~ending.is_cut
        own.write("reached", ending.run, self._code.where(is_whole, own.given_end(), time))
