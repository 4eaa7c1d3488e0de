"""Events at times that are known beforehand: which is next, for each trajectory."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import INFINITY, INT, TIME

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import Value
    from emberkeep.ode.kernel.trajectory import Trajectory


@final
class Timed:
    """The times of one event.

    Args:
        trajectory: whose.
        place: among all such events.
    """

    def __init__(self, trajectory: Trajectory, place: int) -> None:
        self._own, self._place, code = trajectory, place, trajectory.code
        self._passed = code.variable(f"passed_times{place}", INT)
        self._next = code.variable(f"next_time{place}", TIME, INFINITY)

    def begin(self) -> None:
        """None has passed; lane by lane."""
        self._passed.set(0)
        self._next.set(self._time())

    def rest(self) -> None:
        """None ever comes; lane by lane."""
        self._next.set(INFINITY)

    def next(self) -> Value:
        """How much has elapsed at the next one."""
        return self._next.get()

    def occurs(self, elapsed: Value) -> Value:
        """Whether the next one is here: what is at the end of the span is behind it."""
        return (self._next.get() <= elapsed) & (elapsed < self._own.span.get())

    def go_on(self) -> None:
        """The next one has passed; lane by lane."""
        self._passed.set(self._passed.get() + 1)
        self._next.set(self._time())

    def _time(self) -> Value:
        own, places = self._own, self._own.argument("timetable_places")
        begin, apart = (places.get(2 * self._place + part) for part in range(2))
        row = begin + own.number() * apart
        return own.argument("timetable").get(row + self._passed.get())
