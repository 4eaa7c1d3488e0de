"""What a kernel is passed, by name: the same numbers for all machines."""

from __future__ import annotations

import math

import numpy as np

from emberkeep.ode.plan import FIXED
from emberkeep.ode.times import make_intervals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from emberkeep.ode.batch import Copies
    from emberkeep.ode.events.schedule import Schedule
    from emberkeep.ode.running.job import Job, Space

PARTS = 4  # of a source: offset, step, stride, length


def passed_to_all(job: Job) -> dict[str, Any]:
    """Arguments that do not depend on which trajectories a machine is given."""
    plan, times, windows = job.plan, job.times, job.windows
    given: dict[str, Any] = {
        "spans": np.stack(np.broadcast_arrays(times.starts, times.ends), axis=-1).ravel(),
        "span_step": 0 if max(times.starts.size, times.ends.size) == 1 else 2,
        "settings": job.settings,
        "atol": job.atol,
        "most_attempts": job.max_steps,
        "save_count": times.count,
        "window_ends": windows.counts.ravel(),
        "window_count": windows.count,
        "window_step": 0 if windows.counts.shape[0] == 1 else windows.count + 1,
        "most_records": job.most_records,
        **_tables(job),
        **_schedule(job.schedule),
    }
    if plan.stepping != FIXED:
        saves = times.elapsed
        never = np.full((*saves.shape[:-1], 1), np.inf)
        given["save_times"] = np.concatenate([saves, never], axis=-1).ravel()
        step = 0 if saves.ndim == 1 else times.count + 1
        return {**given, "save_step": step}
    assert job.dt is not None
    intervals = make_intervals(times, job.dt)
    return {
        **given,
        "counts": intervals.counts,
        "sizes": intervals.sizes.ravel(),
        "begins": intervals.begins.ravel(),
        "ends": intervals.ends.ravel(),
        "slots": intervals.slots,
        "intervals": intervals.counts.size,
        "interval_step": 0 if times.runs == 1 else intervals.counts.size,
    }


def _schedule(schedule: Schedule) -> dict[str, Any]:
    """Numbers of events."""
    if not schedule.names:
        return {}
    return {
        "event_limits": schedule.limits,
        "timetable_places": schedule.places,
        "timetable": schedule.times,
        "steady": schedule.steady,
    }


def _tables(job: Job) -> dict[str, Any]:
    """Drivers, but for what trajectories have of their own."""
    if not job.drivers:
        return {}
    given: dict[str, Any] = {
        "driver_numbers": np.array([table.numbers for table in job.drivers]).ravel(),
        "driver_counts": np.array([table.counts for table in job.drivers], np.int64).ravel(),
    }
    for place, table in enumerate(job.drivers):
        given[f"knots{place}"] = table.knots
        if not table.is_own:
            given |= _rows(place, table.pieces, table.ends)
    return given


def _rows(place: int, pieces: Any, ends: Any) -> dict[str, Any]:
    return {f"pieces{place}": pieces.ravel(), f"ends{place}": ends.ravel()}


def strides(job: Job, spaces: Mapping[str, Space], runs: int, *, run_is_last: bool) -> Any:
    """How far apart numbers of results lie, in the order of `call.stride_places`.

    Args:
        job: what is done.
        spaces: of all arrays that its kernel fills.
        runs: trajectories that results have room for.
        run_is_last: whether those of all trajectories lie side by side, or those of each one.
    """
    found = [int("final" in job.plan.outputs)]
    for space in spaces.values():
        within = [math.prod(space.shape[axis + 1 :]) for axis in range(len(space.shape))]
        if run_is_last:
            found += [1, *(runs * stride for stride in within)]
        else:
            found += [math.prod(space.shape), *within]
    return np.array(found, np.int64)


def filled(
    job: Job, begin: int, end: int, values: Any, sources: Any
) -> tuple[dict[str, Any], Copies]:
    """Arguments of the trajectories from one to another, and what has to be copied for them."""
    copies = job.batch.fill(begin, end, values, sources)
    given = {"first": begin, "runs": end - begin, "values": values, "sources": sources}
    for place, table in enumerate(job.drivers):
        if table.is_own:
            given |= _rows(place, table.pieces[begin:end], table.ends[begin:end])
    if job.rows is not None:
        given |= job.rows.of(begin, end)
    return given, copies
