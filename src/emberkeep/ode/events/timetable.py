"""Times of events that are known beforehand, and the other numbers of events, for a solve."""

from __future__ import annotations

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.ode.events.event import At, Event, Every, SteadyState
from emberkeep.ode.events.schedule import Schedule
from emberkeep.ode.memory import require_room

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from emberkeep.ode.times import Times

    Values = np.ndarray[Any, Any]

NEVER = 1 << 62  # so often occurs nothing
MOST_TIMES = 1e9
TIMES_OF_EACH = 2  # dimensions of times, where each trajectory has its own
SLACK = 1e-9


def make_schedule(
    events: Sequence[Event | SteadyState],
    given: Mapping[str, Any] | None,
    times: Times,
    changed: tuple[str, ...],
) -> Schedule:
    """The numbers of events in a solve.

    Args:
        events: all of them.
        given: by name, times in place of an event's own.
        times: spans.
        changed: parameters that their actions change.

    Raises:
        InvalidPlan: times are none, or of no event.
    """
    replaced = _replaced(events, given)
    rows: dict[str, int] = {}
    places: list[int] = []
    parts: list[Values] = []
    begin = 0
    for event in events:
        if isinstance(event, SteadyState) or not event.is_timed:
            continue
        what = f"the times of the event {event.name!r}"
        own: At | Every = event.when
        elapsed = _elapsed(replaced.get(str(event.name), own), what, times)
        if elapsed.ndim == TIMES_OF_EACH:
            rows[what] = len(elapsed)
        places += [begin, elapsed.shape[-1] if elapsed.ndim == TIMES_OF_EACH else 0]
        parts.append(elapsed.ravel())
        begin += elapsed.size
    steady = [
        number
        for event in events
        if isinstance(event, SteadyState)
        for number in (event.rtol, event.atol)
    ]
    return Schedule(
        tuple(str(event.name) for event in events),
        np.array([_limit(event) for event in events], np.int64),
        np.concatenate(parts) if parts else np.empty(0),
        np.array(places, np.int64),
        np.array(steady, np.float64),
        changed,
        rows,
    )


def _limit(event: Event | SteadyState) -> int:
    if isinstance(event, SteadyState):
        return 1
    return int(event.terminal) or NEVER


def _replaced(
    events: Sequence[Event | SteadyState], given: Mapping[str, Any] | None
) -> dict[str, At | Every]:
    timed = [each.name for each in events if isinstance(each, Event) and each.is_timed]
    found: dict[str, At | Every] = {}
    for name, value in (given or {}).items():
        if name not in timed:
            raise InvalidPlan(
                f"event_times has {name!r}, which is no event at times that are known beforehand; "
                f"there are {', '.join(map(repr, timed)) or 'none'}. Make one by ode.Event.at(…)"
            )
        is_event = isinstance(value, Event) and value.is_timed
        found[name] = (
            value.when if is_event else value if isinstance(value, At | Every) else At(value)
        )
    return found


def _elapsed(given: At | Every, what: str, times: Times) -> Values:
    """Elapsed times within the spans in their order, then infinity; a row, or one each."""
    listed = _again(given, what, times) if isinstance(given, Every) else _numbers(given.times, what)
    starts, spans, rounding = (
        each[:, None] for each in (times.starts, times.spans, times.rounding)
    )
    elapsed = (listed - starts) * times.direction
    elapsed = np.where(np.abs(elapsed) <= rounding, 0.0, elapsed)
    # What is at the end of a span is at the start of the next one.
    is_within = (elapsed >= 0) & (elapsed < np.maximum(spans - rounding, 0.0))
    elapsed = np.sort(np.where(is_within, elapsed, np.inf), axis=-1)
    most = int(is_within.sum(axis=-1).max(initial=0))
    never = np.full((len(elapsed), 1), np.inf)
    rows = np.concatenate([elapsed[:, :most], never], axis=-1)
    return rows[0] if len(rows) == 1 and listed.ndim == 1 else rows


def _numbers(given: Any, what: str) -> Values:
    try:
        listed = np.array(given, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InvalidPlan(
            f"{what[0].upper()}{what[1:]} are {given!r}; expected numbers, or a row of them for "
            "each trajectory (with NaN where one has fewer)"
        ) from None
    if listed.ndim > TIMES_OF_EACH:
        raise InvalidPlan(
            f"{what[0].upper()}{what[1:]} have the shape {listed.shape}; expected a list, or a row "
            "for each trajectory"
        )
    return np.atleast_1d(listed)


def _again(given: Every, what: str, times: Times) -> Values:
    """Periodic times from the start of each span to its end."""
    try:
        period, first = float(given.period), float(given.first)
        good = 0 < period < np.inf and np.isfinite(first)
    except (TypeError, ValueError, OverflowError):
        good, period, first = False, 1.0, 0.0
    if not good:
        raise InvalidPlan(
            f"{what[0].upper()}{what[1:]} come every {given.period!r}, and first at "
            f"{given.first!r}; expected a positive number and a finite one"
        )
    earlier = np.minimum(times.starts, times.ends)
    begin = np.ceil((earlier - first) / period - SLACK)
    count = float(times.span) / period + 2
    if not count < MOST_TIMES:
        raise InvalidPlan(f"{what[0].upper()}{what[1:]} are {count:.3g}; choose a longer period")
    require_room(int(8 * count * begin.size), f"{count:,.0f} times of an event")
    found = first + (begin[:, None] + np.arange(int(count))) * period
    return found[0] if len(found) == 1 else found
