"""Inclusive and exclusive times, none of them counted twice.

Time is added up by thread: one thread of one process. Within a thread a nanosecond counts once;
two threads that work at the same time count two, as two workers' hours do. `wall_ns` is what a
clock on the wall says.
"""

from collections.abc import Iterable
from heapq import heappop, heappush

from emberkeep.telemetry.spans import Category, Span

SpanKey = tuple[int, int]
"""Process and span id."""

_Thread = tuple[int, int]


def key_of(span: Span) -> SpanKey:
    """Return what names `span` among all processes."""
    return (span.process_id, span.span_id)


def union_ns(intervals: Iterable[tuple[int, int]]) -> int:
    """Return the length of the union of intervals (start, end)."""
    total = 0
    covered_to: int | None = None
    for start, end in sorted(intervals):
        if covered_to is None or start > covered_to:
            covered_to = start
        if end > covered_to:
            total += end - covered_to
            covered_to = end
    return total


def wall_ns(spans: Iterable[Span]) -> int:
    """Return the time during which any span of any thread was open."""
    return union_ns((span.start_ns, span.end_ns) for span in spans)


def threads_ns(spans: Iterable[Span]) -> int:
    """Return the time during which any of these spans was open, added up over threads."""
    return sum(wall_ns(thread) for thread in _by_thread(spans).values())


def inclusive_ns(spans: Iterable[Span]) -> dict[Category, int]:
    """Return for each category the time during which one of its spans was open, over threads.

    A span within another of its category, however deep, lies in the other's interval and so
    adds nothing.
    """
    by_category: dict[Category, list[Span]] = {}
    for span in spans:
        by_category.setdefault(span.category, []).append(span)
    return {
        category: threads_ns(by_category[category])
        for category in Category
        if category in by_category
    }


def exclusive_ns(spans: Iterable[Span]) -> dict[SpanKey, int]:
    """Return for each span the time during which it was the innermost one of its thread.

    Innermost is the span that began last among those that are open. Where spans nest, that is
    the deepest one; where they overlap (asyncio), it is still exactly one.
    """
    own: dict[SpanKey, int] = {}
    for thread in _by_thread(spans).values():
        own.update(_own_times(thread))
    return own


def exclusive_by_category_ns(spans: Iterable[Span]) -> dict[Category, int]:
    """Return for each category the time of its innermost spans; their sum is `threads_ns`."""
    known = tuple(spans)
    own = exclusive_ns(known)
    totals = {category: 0 for category in Category if any(s.category is category for s in known)}
    for span in known:
        totals[span.category] += own[key_of(span)]
    return totals


def _by_thread(spans: Iterable[Span]) -> dict[_Thread, list[Span]]:
    threads: dict[_Thread, list[Span]] = {}
    for span in spans:
        threads.setdefault((span.process_id, span.thread_id), []).append(span)
    return threads


# The latest start is the heap's first, ties broken by the latest id: (-start, -id, end, key).
_Open = tuple[int, int, int, SpanKey]


def _own_times(thread: list[Span]) -> dict[SpanKey, int]:
    """Sweep over the starts of one thread, handing the time between them to who was innermost."""
    own = {key_of(span): 0 for span in thread}
    still_open: list[_Open] = []
    now = 0
    for span in sorted(thread, key=lambda span: (span.start_ns, span.span_id)):
        _hand_out(still_open, own, now, span.start_ns)
        now = span.start_ns
        heappush(still_open, (-span.start_ns, -span.span_id, span.end_ns, key_of(span)))
    _hand_out(still_open, own, now, max((span.end_ns for span in thread), default=now))
    return own


def _hand_out(still_open: list[_Open], own: dict[SpanKey, int], now: int, until: int) -> None:
    """Give the time from `now` to `until` to the innermost spans and drop those that ended."""
    while still_open and now < until:
        _, _, end, key = still_open[0]
        reached = min(end, until)
        if reached > now:
            own[key] += reached - now
            now = reached
        if end <= now:
            heappop(still_open)
