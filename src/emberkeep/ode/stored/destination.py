"""Whether results go to disk, and where: as the user says, or because they are too large."""

from __future__ import annotations

import os
import shutil
import warnings
from typing import TYPE_CHECKING, Any, final

from emberkeep.errors import InvalidPlan
from emberkeep.keep.reports import depth_of_caller
from emberkeep.ode.errors import SpillWarning
from emberkeep.ode.memory import GIB, SHARE, available, budget, require_room
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from emberkeep.ode.running.job import Job

PARTS_IN_MEMORY = 8  # one computes, one waits, one is written; and room for copies


@final
@frozen
class Destination:
    """Where results are written.

    Attributes:
        path: of the store.
        part_bytes: what the results of trajectories that are computed together may take.
        overwrite: whether an earlier result there is replaced.
    """

    path: str
    part_bytes: float
    overwrite: bool


def destination(job: Job, into: Any, memory: Any, *, overwrite: bool) -> Destination | None:
    """Where results are written; None where they stay in memory.

    Args:
        job: whose results.
        into: a path, or None.
        memory: what results may take of it.
        overwrite: whether an earlier result may be replaced.

    Raises:
        InvalidPlan: there is no room for them, or something is there already.
    """
    allowed, size_bytes = budget(memory), job.size_bytes()
    if not isinstance(overwrite, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidPlan(f"overwrite={overwrite!r} must be True or False")
    if into is None and overwrite:
        raise InvalidPlan("overwrite=True is of what into= names. Pass into='….zarr'")
    what = f"The results of {job.batch.runs:,} trajectories"
    if into is None and size_bytes <= allowed.size_bytes:
        require_room(size_bytes, what)
        return None
    told = f"{what} would take {size_bytes / GIB:,.1f} GiB"
    _require_zarr(told if into is None else "into=")
    path = _new_path(job.plan.system.name) if into is None else _given_path(into)
    require_free(path, overwrite=overwrite)
    part_bytes = _part_bytes(job, allowed.size_bytes)
    if into is None:
        warnings.warn(
            f"{told}, more than {allowed.origin} ({allowed.size_bytes / GIB:,.1f} GiB): they are "
            f"written to {path}. Pass into= to choose another place, or memory= for another limit",
            SpillWarning,
            stacklevel=depth_of_caller(),
        )
    _warn_of_a_full_disk(path, size_bytes, told)
    return Destination(path, part_bytes, overwrite)


def _part_bytes(job: Job, allowed: float) -> float:
    """What a part may take, so that several are in memory at once."""
    each = job.run_size_bytes()
    there = available()
    part_bytes = (allowed if there is None else min(allowed, SHARE * there)) / PARTS_IN_MEMORY
    if each > part_bytes:
        raise InvalidPlan(
            f"One trajectory's results alone take {each / GIB:,.3f} GiB, and several parts are in "
            f"memory at once: that takes {PARTS_IN_MEMORY} times as much, and "
            f"{PARTS_IN_MEMORY * part_bytes / GIB:,.3f} GiB are allowed. Save fewer times, or pass "
            "a larger memory="
        )
    return part_bytes


def _given_path(into: Any) -> str:
    path: object = into.__fspath__() if hasattr(into, "__fspath__") else into
    if not isinstance(path, str) or not path or "://" in path or "\0" in path:
        raise InvalidPlan(
            f"into={into!r} must be the path of a folder that is made, such as 'runs.zarr'"
        )
    return os.path.abspath(os.path.expanduser(path))


def _new_path(name: str) -> str:
    """A folder in the current one, which is not there yet."""
    plain = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
    number = 1
    while os.path.lexists(f"{plain or 'result'}-{number}.zarr"):
        number += 1
    return os.path.abspath(f"{plain or 'result'}-{number}.zarr")


def require_free(path: str, *, overwrite: bool) -> None:
    """Refuse a place where something is already.

    Args:
        path: of a folder.
        overwrite: whether it may be an earlier result.

    Raises:
        InvalidPlan: says what is there.
    """
    from emberkeep.ode.stored.result import is_result, strangers

    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        raise InvalidPlan(f"{path} cannot be made: there is no folder {parent}. Make it first")
    if not os.path.lexists(path) or (os.path.isdir(path) and not os.listdir(path)):
        return
    if not is_result(path):
        raise InvalidPlan(f"{path} is there, and no result of emberkeep's. Pass another into=")
    if not overwrite:
        raise InvalidPlan(
            f"{path} is an earlier result. Pass another into=, or overwrite=True to replace it"
        )
    others = strangers(path)
    if others:
        raise InvalidPlan(
            f"{path} is an earlier result, and {others[0]!r} lies in it, which is no part of one. "
            "Move it elsewhere, or pass another into="
        )


def _require_zarr(what: str) -> None:
    from emberkeep.ode.labelled import optional

    for name in ("zarr", "xarray"):
        optional(name, "emberkeep[zarr]", f"{what}, and results are written to disk by")


def _warn_of_a_full_disk(path: str, size_bytes: int, told: str) -> None:
    free = shutil.disk_usage(os.path.dirname(path)).free
    if size_bytes > free:
        warnings.warn(
            f"{told}, and {free / GIB:,.1f} GiB are free where {path} is written: they fit only if "
            "they compress well. Else the solve ends by an error before the disk is full",
            SpillWarning,
            stacklevel=depth_of_caller(),
        )
