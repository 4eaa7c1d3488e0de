"""Windows of time that summaries are of, as numbers of times to save."""

from __future__ import annotations

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.ode.times import SLACK
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.ode.times import Times

    Values = np.ndarray[Any, Any]

MOST_WINDOWS, LEAST_EDGES = 1e8, 2
NEAR = 1e-3  # of the distance of times to save: what is as near to an edge is taken to be there


@final
@frozen
class Windows:
    """Windows that follow one another.

    Attributes:
        edges: where the first begins, and where each ends; a row for each trajectory where they
            have spans of their own; None for one window of all times to save.
        counts: how many times to save are before the first, and before the end of each: a row for
            all trajectories, or one for each.
    """

    edges: Values | None
    counts: Values

    @property
    def count(self) -> int:
        """How many windows there are."""
        return self.counts.shape[-1] - 1


def make_windows(given: Any, times: Times) -> Windows:
    """Check windows.

    Args:
        given: a length, or a list of edges; None for one window of all times to save.
        times: the span, and times to save.

    Raises:
        InvalidPlan: they are not in order, longer than the span, or have no time to save.
    """
    if given is None:
        return Windows(None, np.array([[0, times.count]], np.int64))
    if not times.count:
        raise InvalidPlan(f"windows={given!r} are of times to save: pass save_at=…, and a summary")
    try:
        is_length = np.ndim(given) == 0
        edges = _every(float(given), times) if is_length else np.array(given, np.float64)
    except (TypeError, ValueError, OverflowError) as problem:
        if isinstance(problem, InvalidPlan):
            raise
        raise InvalidPlan(f"windows={given!r} must be a length, or a list of edges") from None
    if (edges.ndim != 1 and not is_length) or edges.shape[-1] < LEAST_EDGES:
        raise InvalidPlan(
            f"windows={given!r} must be a length, or a list of at least two edges; its shape is "
            f"{edges.shape}"
        )
    starts, spans = times.starts[:, None], times.spans[:, None]
    elapsed = (edges - starts) * times.direction
    slack = times.slack[:, None]
    inside = (elapsed[:, :1] >= -slack).all() and (elapsed[:, -1:] <= spans + slack).all()
    if not (inside and (np.diff(elapsed, axis=-1) > 0).all()):
        raise InvalidPlan(
            f"The edges in windows={given!r} must go from {times.starts[0]:g} towards "
            f"{times.ends[0]:g}, each later than the one before, and none outside"
        )
    return Windows(edges, _counted(edges, elapsed, times))


def _every(length: float, times: Times) -> Values:
    """Edges every so often from the start on; the last window ends where the span does."""
    span, rounding = times.span, float(times.rounding.max())
    if not 0 < length < np.inf:
        raise InvalidPlan(f"windows={length!r} must be a positive length, or a list of edges")
    if length > span * (1 + SLACK) + rounding:
        raise InvalidPlan(
            f"windows={length!r} is longer than the span, {span:g}. Choose a shorter one, or leave "
            "it out for one window of all times"
        )
    if float(times.spans.min()) < span * (1 - SLACK) - rounding:
        raise InvalidPlan(
            f"windows={length!r} makes different numbers of windows for spans of different "
            "lengths. Pass a list of edges, or solve those of one length at a time"
        )
    count = int(np.ceil((span - rounding) / length - SLACK))
    if count > MOST_WINDOWS:
        raise InvalidPlan(f"windows={length!r} makes {count:,} windows; choose a longer one")
    elapsed = np.minimum(np.arange(count + 1) * length, span)
    edges = times.starts[:, None] + times.direction * elapsed
    edges[:, -1] = times.ends
    return edges[0] if times.starts.size == times.ends.size == 1 else edges


def _counted(edges: Values, elapsed: Values, times: Times) -> Values:
    """How many times to save are before each edge; what is at the last one counts as before."""
    saves = np.atleast_2d(times.elapsed)
    runs = max(elapsed.shape[0], saves.shape[0])
    slack, rounding = times.slack, times.rounding
    runs = max(runs, slack.size)

    def counted(run: int) -> list[Any]:
        own = saves[run % len(saves)]
        # At an edge, or before it: of times that are close to one another only rounding decides.
        apart = NEAR * np.diff(own).min(initial=np.inf)
        near = max(min(slack[run % slack.size], apart), rounding[run % slack.size])
        *begins, end = elapsed[run % len(elapsed)]
        return [
            *np.searchsorted(own, np.array(begins) - near),
            np.searchsorted(own, end + near, "right"),
        ]

    counts = np.array([counted(run) for run in range(runs)], np.int64)
    if (counts == counts[0]).all():
        counts = counts[:1]
    empty = np.argwhere(np.diff(counts, axis=-1) == 0)
    if empty.size:
        row, window = empty[0]
        first, last = np.atleast_2d(edges)[min(row, np.atleast_2d(edges).shape[0] - 1)][
            window : window + 2
        ]
        raise InvalidPlan(
            f"The window from {first:g} to {last:g} has no time in save_at. Save more often, or "
            "choose longer windows"
        )
    return counts
