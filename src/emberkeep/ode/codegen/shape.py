"""What decides how a plan's code looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.startup_records import final, frozen

if TYPE_CHECKING:
    from emberkeep.ode.methods.tableau import Tableau


@final
@frozen
class Shape:
    """Sizes, options and what differs between processors and GPUs.

    Attributes:
        tableau: the method's numbers.
        states: how many there are.
        inputs: parameters and constants.
        precision: ``"float64"`` or ``"float32"``.
        lanes: trajectories side by side; one where each has a thread of its own.
        dense: whether states at given times are saved, and states at the end only where there is
            room for them; else those at the end alone.
        large: whether loops stand for code that would be too long.
        on_device: whether it is for a GPU.
    """

    tableau: Tableau
    states: int
    inputs: int
    precision: str
    lanes: int
    dense: bool
    large: bool
    on_device: bool

    def saved(self, state: str, time: str = "saved") -> str:
        """Where a state at a time belongs: neighbours in memory are written at the same time."""
        if self.on_device:
            return f"states[{time}, {state}, run]"
        return f"states[run, {time}, {state}]"

    def ended(self, state: str) -> str:
        """Where a state at the end belongs."""
        return f"final[{state}, run]" if self.on_device else f"final[run, {state}]"

    @property
    def memory_names(self) -> str:
        """Arguments to work in: kernels allocate nothing, but a GPU's threads have their own."""
        if self.on_device:
            return ""
        return ", work, lane_places" if self.tableau.is_adaptive else ", work"

    @property
    def memory(self) -> str:
        """Statements that give a block its rows and places."""
        if self.on_device:
            lines = ["rows = cuda.local.array(WORK, real)"]
            if self.tableau.is_adaptive:
                lines.append("places = cuda.local.array(3, numpy.int64)")
        else:
            lines = ["rows = work[block * WORK : (block + 1) * WORK]"]
            if self.tableau.is_adaptive:
                lines.append("places = lane_places[block * 3 * LANES : (block + 1) * 3 * LANES]")
        return "".join(f"    {line}\n" for line in lines)

    def stop_check(self, counter: str) -> str:
        """A condition that is true once the user has interrupted; on a GPU it is asked seldom."""
        if self.on_device:
            return f"{counter} & 255 == 255 and {stop_read(counter)} != 0"
        return "stop[0] != 0"


def stop_read(counter: str) -> str:
    """What reads, on a GPU, whether to stop; each time anew.

    The place depends on a counter (it is always 0): compilers take the instruction for one that
    always gives the same, and would read once, before the loop.
    """
    return f"cuda.ldcv(stop, {counter} >> 62)"
