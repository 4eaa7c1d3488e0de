"""When: the span of an integration, the times to save, and steps of fixed length between them.

Kernels count the time that has elapsed since the start, always upwards: an integration backwards
is one forwards with the sign of each step changed.
"""

from __future__ import annotations

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]

# Steps that differ by rounding alone count as whole: 1 / 0.1 is ten of them.
SLACK = 1e-9
MOST_SAVES = 1e9
SPAN = 2


@final
@frozen
class Times:
    """The span and the times to save.

    Attributes:
        start: where it begins.
        end: where it ends; before the start for an integration backwards.
        saves: times to save states at, as the user gave them; None without any.
    """

    start: float
    end: float
    saves: Values | None

    @property
    def span(self) -> float:
        """How much time elapses."""
        return abs(self.end - self.start)

    @property
    def direction(self) -> float:
        """1 forwards, -1 backwards."""
        return 1.0 if self.end >= self.start else -1.0

    @property
    def elapsed(self) -> Values:
        """Times to save, counted from the start; the end is exactly the span."""
        if self.saves is None:
            return np.empty(0)
        elapsed = (self.saves - self.start) * self.direction
        return np.where(self.saves == self.end, self.span, elapsed)


def make_times(t_span: Any, save_at: Any) -> Times:
    """Check a span and times to save.

    Args:
        t_span: start and end.
        save_at: times, or a number: every so often from the start on.

    Raises:
        InvalidPlan: they are not finite, not in order, or outside.
    """
    try:
        start, end = (float(value) for value in t_span)
    except (TypeError, ValueError, OverflowError):
        several = ". Times to save go into save_at=…" if np.size(t_span) > SPAN else ""
        raise InvalidPlan(
            f"t_span must be a start and an end, such as (0, 10), not {t_span!r}{several}"
        ) from None
    if not np.isfinite([start, end]).all():
        raise InvalidPlan(f"t_span must be finite; it is {t_span!r}")
    if save_at is None:
        return Times(start, end, None)
    direction = 1.0 if end >= start else -1.0
    try:
        if np.ndim(save_at) == 0:
            saves = _every(float(save_at), start, end, direction)
        else:
            saves = np.array(save_at, np.float64)  # a copy: the result keeps it
    except (TypeError, ValueError, OverflowError) as problem:
        if isinstance(problem, InvalidPlan):
            raise
        raise InvalidPlan(
            f"save_at={save_at!r} must be a list of times, or an interval between them"
        ) from None
    if saves.ndim != 1 or not saves.size:
        raise InvalidPlan(
            f"save_at must be a list of times or an interval; its shape is {saves.shape}"
        )
    elapsed = (saves - start) * direction
    if not (np.diff(elapsed) > 0).all():
        raise InvalidPlan(
            f"The times in save_at must go from the start, {start:g}, towards the end, {end:g}, "
            "each later than the one before. Sort them, and leave out what is there twice"
        )
    if not (elapsed[0] >= 0 and elapsed[-1] <= abs(end - start)):
        raise InvalidPlan(
            f"The times in save_at, {saves[0]:g} to {saves[-1]:g}, must lie within t_span, "
            f"{start:g} to {end:g}"
        )
    return Times(start, end, saves)


def _every(interval: float, start: float, end: float, direction: float) -> Values:
    if not interval > 0 or not np.isfinite(interval):
        raise InvalidPlan(
            f"save_at={interval!r} must be times, or a positive interval between them"
        )
    count = float(np.floor(abs(end - start) / interval + SLACK))
    if not count < MOST_SAVES:
        raise InvalidPlan(
            f"save_at={interval!r} makes {count:.3g} times to save; choose a larger interval"
        )
    saves = start + direction * interval * np.arange(int(count) + 1)
    if abs(saves[-1] - end) <= SLACK * interval:  # past the end or short of it by rounding
        saves[-1] = end
    return saves


@final
@frozen
class Intervals:
    """Steps of fixed length: of each interval, how many, how long, and from when on.

    Attributes:
        counts: of steps.
        sizes: their length.
        begins: elapsed time at the first of them.
        slots: which of the times to save an interval ends at; -1 where none.
    """

    counts: Values
    sizes: Values
    begins: Values
    slots: Values


def make_intervals(times: Times, dt: float) -> Intervals:
    """Equal steps of at most `dt` from each time to save to the next, so that each is hit exactly.

    Raises:
        InvalidPlan: there would be more steps than can be counted.
    """
    saves = times.elapsed
    slots = np.arange(saves.size)
    ends = saves
    if not saves.size or saves[-1] < times.span:
        ends = np.append(saves, times.span)
        slots = np.append(slots, -1)
    begins = np.concatenate([[0.0], ends[:-1]])
    lengths = ends - begins
    counts = np.ceil(lengths / dt - SLACK)
    if counts.max(initial=0) > 1 << 53:
        raise InvalidPlan(f"dt={dt:g} makes {counts.max():.3g} steps; choose a larger one")
    # An interval that is empty, at the start, takes none.
    counts = np.where(lengths > 0, np.maximum(counts, 1), 0)
    sizes = lengths / np.maximum(counts, 1)
    return Intervals(counts.astype(np.int64), sizes, begins, slots.astype(np.int64))
