"""A line on standard error while something is built for the first time: silence looks like a hang.

Only a miss loads this. Nothing is said of what takes less than half a second, nor while somebody
watches time already: a `TimeLogger`, or a progress bar.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PATIENCE_S = 0.5
# Where people read what was written later: batch jobs of Slurm, PBS, LSF and Grid Engine.
JOBS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")
_building = threading.local()


@final
class Notice:
    """Tells of one build, within which others are not told of.

    Args:
        setting: ``"on"``, ``"off"``, or ``"auto"``: to terminals, notebooks and batch jobs.
        what: what is built: its kind and name.
        remark: what becomes of it.
    """

    def __init__(self, setting: str, what: str, remark: str) -> None:
        self._what, self._remark = what, remark
        self._is_wanted = setting == "on" or (setting == "auto" and _is_read())
        self._ended = threading.Lock()
        self._told = False
        self._timer: threading.Timer | None = None

    def __enter__(self) -> None:
        self._began_s = time.monotonic()
        if not self._is_wanted or getattr(_building, "is_told", False):
            return
        timer = threading.Timer(PATIENCE_S, self._tell)
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:  # no thread to be had: nothing is told
            return
        _building.is_told = True
        self._timer = timer

    def __exit__(self, problem: object, *_: object) -> None:
        if self._timer is None:
            return
        _building.is_told = False
        self._timer.cancel()
        with self._ended:
            if self._told:
                took = time.monotonic() - self._began_s
                ending = "failed after" if problem else "took"
                _write(f"emberkeep: {self._what} {ending} {took:.1f} s")
            self._told = True  # whatever the timer is about to say comes too late

    def _tell(self) -> None:
        with self._ended:
            if self._told or _is_watched():
                return
            self._told = True
            _write(f"emberkeep: building {self._what} for the first time{self._remark} …")


@final
class Waiting:
    """Tells that somebody else is waited for, who builds the same.

    Args:
        setting: as for `Notice`.
        what: what is built: its kind and name.
    """

    def __init__(self, setting: str, what: str) -> None:
        self._setting, self._what = setting, what

    def __call__(self, holder: str) -> None:
        """Say who is waited for."""
        import logging

        logging.getLogger("emberkeep.lease").info("waiting for %s: %s", holder, self._what)
        if (
            self._setting == "on" or (self._setting == "auto" and _is_read())
        ) and not _is_watched():
            _write(f"emberkeep: waiting for {holder}, to have built {self._what} …")


def _is_read() -> bool:
    """Whether somebody reads standard error: there and then, or in the log of a job."""
    stream: Any = sys.stderr
    if stream is None or stream.closed:
        return False
    return stream.isatty() or "ipykernel" in sys.modules or any(map(os.environ.get, JOBS))


def _is_watched() -> bool:
    spans: Any = sys.modules.get("emberkeep.telemetry.spans")
    progress: Any = sys.modules.get("emberkeep.telemetry.progress")
    return bool((spans and spans.is_recorded()) or (progress and progress.is_drawing()))


def _write(line: str) -> None:
    stream: Any = sys.stderr
    try:
        if stream is not None and not stream.closed:
            encoding = getattr(stream, "encoding", None) or "ascii"
            stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
            stream.flush()
    except (OSError, ValueError) as problem:  # a closed pipe must not fail a build
        import logging

        logging.getLogger("emberkeep.keep").debug("no notice: %s", problem)
