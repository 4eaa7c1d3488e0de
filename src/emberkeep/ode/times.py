"""When: the span of an integration, the times to save, and steps of fixed length between them.

Kernels count the time that has elapsed since the start, always upwards: an integration backwards
is one forwards with the sign of each step changed.
"""

from __future__ import annotations

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.ode.memory import require_room
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]

# Steps that differ by rounding alone count as whole: 1 / 0.1 is ten of them.
SLACK = 1e-9
ROUNDING = 2.0**-50  # of a time that was computed in a few operations, to itself
MOST_SAVES = 1e9
SPAN = 2


@final
@frozen
class Times:
    """Spans and times to save: of all trajectories, or of each its own.

    Attributes:
        starts: where they begin.
        ends: where they end; before the start for an integration backwards.
        saves: times to save states at, as the user gave them: of all, or a row for each; None
            without any.
    """

    starts: Values
    ends: Values
    saves: Values | None

    @property
    def runs(self) -> int:
        """How many trajectories have times of their own; 1 where all have the same."""
        rows = 1 if self.saves is None or self.saves.ndim == 1 else self.saves.shape[0]
        return max(self.starts.size, self.ends.size, rows)

    @property
    def rows(self) -> dict[str, int]:
        """By what to call them in messages: for how many trajectories times are, where for each."""
        return {"t_span or save_at": self.runs} if self.runs > 1 else {}

    @property
    def spans(self) -> Values:
        """How much time elapses."""
        return np.abs(self.ends - self.starts)

    @property
    def span(self) -> float:
        """The most time that elapses."""
        return float(self.spans.max())

    @property
    def rounding(self) -> Values:
        """How far times may be apart that differ by rounding alone."""
        return ROUNDING * np.maximum(np.abs(self.starts), np.abs(self.ends))

    @property
    def slack(self) -> Values:
        """How far past its end a span may go: a little of it, or what its end rounds to."""
        return np.maximum(SLACK * self.spans, self.rounding)

    @property
    def direction(self) -> float:
        """1 forwards, -1 backwards."""
        return 1.0 if (self.ends >= self.starts).all() else -1.0

    @property
    def count(self) -> int:
        """How many times to save there are, for each trajectory."""
        return 0 if self.saves is None else self.saves.shape[-1]

    @property
    def elapsed(self) -> Values:
        """Times to save, counted from the start: a row, or one each; the end is the span itself."""
        if self.saves is None:
            return np.empty(0)
        starts, ends, spans = (each[:, None] for each in (self.starts, self.ends, self.spans))
        elapsed = np.where(self.saves == ends, spans, (self.saves - starts) * self.direction)
        return elapsed[0] if elapsed.shape[0] == 1 and self.saves.ndim == 1 else elapsed

    @property
    def shared(self) -> tuple[Any, Any]:
        """Start and end, as numbers where all trajectories have the same."""
        if self.starts.size == self.ends.size == 1:
            return float(self.starts[0]), float(self.ends[0])
        return tuple(np.broadcast_arrays(self.starts, self.ends))  # pyright: ignore[reportReturnType]


def make_times(t_span: Any, save_at: Any) -> Times:
    """Check spans and times to save.

    Args:
        t_span: start and end; either may be an array with one for each trajectory.
        save_at: times, a row of them for each trajectory, or a number: every so often.

    Raises:
        InvalidPlan: they are not finite, not in order, or outside.
    """
    starts, ends = _ends(t_span)
    if save_at is None:
        return Times(starts, ends, None)
    try:
        if np.ndim(save_at) == 0:
            saves = _every(float(save_at), starts, ends)
        else:
            saves = np.array(save_at, np.float64)  # a copy: the result keeps it
    except (TypeError, ValueError, OverflowError) as problem:
        if isinstance(problem, InvalidPlan):
            raise
        raise InvalidPlan(
            f"save_at={save_at!r} must be a list of times, or an interval between them"
        ) from None
    if saves.ndim not in (1, 2) or not saves.size:
        raise InvalidPlan(
            "save_at must be a list of times, a row of them for each trajectory, or an interval; "
            f"its shape is {saves.shape}"
        )
    return _checked(Times(starts, ends, saves))


def _ends(t_span: Any) -> tuple[Values, Values]:
    try:
        start, end = t_span
        starts, ends = (
            np.array([float(each)] if np.ndim(each) == 0 else each, np.float64)
            for each in (start, end)
        )
        if starts.ndim > 1 or ends.ndim > 1 or not starts.size or not ends.size:
            raise ValueError  # noqa: TRY301 - as NumPy's above
    except (TypeError, ValueError, OverflowError):
        size = len(t_span) if hasattr(t_span, "__len__") else 0
        several = ". Times to save go into save_at=…" if size > SPAN else ""
        raise InvalidPlan(
            f"t_span must be a start and an end, such as (0, 10), not {t_span!r}{several}"
        ) from None
    if not (np.isfinite(starts).all() and np.isfinite(ends).all()):
        raise InvalidPlan(f"t_span must be finite; it is {t_span!r}")
    if 1 not in (starts.size, ends.size) and starts.size != ends.size:
        raise InvalidPlan(f"t_span has {starts.size} starts and {ends.size} ends; expected as many")
    if not ((ends >= starts).all() or (ends <= starts).all()):
        raise InvalidPlan(
            "Of t_span, some ends are before their starts and some after. Solve those that go "
            "backwards by themselves"
        )
    return starts, ends


def _checked(times: Times) -> Times:
    """The same times, which are in their order and within the spans; a little past is not past."""
    saves = times.saves
    assert saves is not None
    rows = {times.starts.size, times.ends.size, 1 if saves.ndim == 1 else saves.shape[0]} - {1}
    if len(rows) > 1:
        raise InvalidPlan(
            f"t_span and save_at are for {' and for '.join(map(str, sorted(rows)))} trajectories; "
            "expected as many"
        )
    starts, ends = times.starts[:, None], times.ends[:, None]
    if np.atleast_2d(saves).shape[0] == times.runs:
        _pull_in(np.atleast_2d(saves), times)
    elapsed = (saves - starts) * times.direction
    start, end = starts.flat[0], ends.flat[0]
    if not (np.diff(elapsed, axis=-1) > 0).all():
        raise InvalidPlan(
            f"The times in save_at must go from the start, {start:g}, towards the end, {end:g}, "
            "each later than the one before. Sort them, and leave out what is there twice"
        )
    if not ((elapsed >= 0).all() and (elapsed <= times.spans[:, None]).all()):
        raise InvalidPlan(
            f"The times in save_at, {saves.flat[0]:g} to {saves.flat[-1]:g}, must lie within "
            f"t_span, {start:g} to {end:g}{'' if times.runs == 1 else ' and so on'}"
        )
    return times


def _pull_in(saves: Values, times: Times) -> None:
    """Put what is past the ends by rounding alone, as 0.1 * 3 is in a span of 0.3, at them."""
    starts, ends, slack = (each[:, None] for each in (times.starts, times.ends, times.slack))
    beyond, before = (saves - ends) * times.direction, (starts - saves) * times.direction
    saves[...] = np.where((beyond > 0) & (beyond <= slack), ends, saves)
    saves[...] = np.where((before > 0) & (before <= slack), starts, saves)


def _every(interval: float, starts: Values, ends: Values) -> Values:
    if not interval > 0 or not np.isfinite(interval):
        raise InvalidPlan(
            f"save_at={interval!r} must be times, or a positive interval between them"
        )
    spans = np.abs(ends - starts)
    rounding = float(Times(starts, ends, None).rounding.max())
    near = max(SLACK * interval, min(rounding, interval / 4))
    if spans.max() - spans.min() > near:
        raise InvalidPlan(
            f"save_at={interval!r} makes different numbers of times for spans of different "
            "lengths. Pass a row of times for each trajectory"
        )
    count = float(np.floor((float(spans.max()) + near) / interval))
    if not count < MOST_SAVES:
        raise InvalidPlan(
            f"save_at={interval!r} makes {count:.3g} times to save; choose a larger interval"
        )
    require_room(int(8 * count * spans.size), f"{count:,.0f} times to save (save_at={interval!r})")
    direction = np.where(ends >= starts, 1.0, -1.0)
    saves = starts[:, None] + (direction * interval)[:, None] * np.arange(int(count) + 1)
    # Past the end, or short of it, by rounding.
    saves[:, -1] = np.where(np.abs(saves[:, -1] - ends) <= near, ends, saves[:, -1])
    return saves[0] if spans.size == 1 else saves


@final
@frozen
class Intervals:
    """Steps of fixed length: of each interval, how many, how long, and from when on.

    Attributes:
        counts: of steps.
        sizes: their length; a row for all, or one for each trajectory.
        begins: elapsed time at the first of them, likewise.
        ends: elapsed time at the end of the last, likewise.
        slots: which of the times to save an interval ends at; -1 where none.
    """

    counts: Values
    sizes: Values
    begins: Values
    ends: Values
    slots: Values


def make_intervals(times: Times, dt: float) -> Intervals:
    """Equal steps of at most `dt` from each time to save to the next, so that each is hit exactly.

    Raises:
        InvalidPlan: there would be more steps than can be counted.
    """
    spans = np.broadcast_to(times.spans, times.runs)[:, None]
    saves = np.broadcast_to(np.atleast_2d(times.elapsed), (times.runs, times.count))
    slots, ends = np.arange(times.count), saves
    if not times.count or (saves[:, -1] < spans[:, 0]).any():
        ends, slots = np.concatenate([saves, spans], axis=1), np.append(slots, -1)
    begins = np.concatenate([np.zeros((times.runs, 1)), ends[:, :-1]], axis=1)
    lengths = ends - begins
    # As many steps for all trajectories: none is longer than it may be.
    counts = np.ceil(lengths.max(axis=0) / dt - SLACK)
    if counts.max(initial=0) > 1 << 53:
        raise InvalidPlan(f"dt={dt:g} makes {counts.max():.3g} steps; choose a larger one")
    # An interval that is empty, at the start, takes none.
    counts = np.where((lengths > 0).any(axis=0), np.maximum(counts, 1), 0)
    sizes = lengths / np.maximum(counts, 1)
    return Intervals(counts.astype(np.int64), sizes, begins, ends, slots.astype(np.int64))
