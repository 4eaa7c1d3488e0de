"""The counts of one process: hits, misses and seconds saved, appended to a file of its own."""

from __future__ import annotations

import os
import sys
import time

from emberkeep.startup_records import final
from emberkeep.store import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Totals = Mapping[tuple[str, str, str], tuple[int, float]]

FLUSH_AFTER_S = 5.0
SUFFIX = ".tsv"


@final
class Tally:
    """The counts of this process; written at intervals and at exit.

    Args:
        root: the keep's folder; None keeps the counts in memory only.
    """

    def __init__(self, root: str | None) -> None:
        self._root = root
        self._pending: dict[tuple[str, str, str], tuple[int, float]] = {}
        self._flushed: dict[tuple[str, str, str], tuple[int, float]] = {}
        self._begin()
        self._flushed_at = time.monotonic()

    def add(self, event: str, kind: str, what: str, seconds: float) -> None:
        """Count one event."""
        if os.getpid() != self._process:
            self._count_anew()
        place = (event, kind, what)
        count, total = self._pending.get(place, (0, 0.0))
        self._pending[place] = (count + 1, total + seconds)
        if time.monotonic() - self._flushed_at > FLUSH_AFTER_S:
            self.flush()

    def flush(self) -> None:
        """Append what was counted since the last time; lost where the folder cannot be written."""
        if os.getpid() != self._process:
            self._count_anew()
        self._flushed_at = time.monotonic()
        if not self._pending or self._root is None:
            return
        pending, self._pending = self._pending, {}
        _merge(self._flushed, pending)
        lines = "".join(
            f"{event}\t{_field(kind)}\t{_field(what)}\t{count}\t{seconds:.6f}\n"
            for (event, kind, what), (count, seconds) in list(pending.items())
        )
        try:
            self._append(self._root, lines.encode("utf-8", "backslashreplace"))
        except OSError:
            return  # counts are a courtesy: the trouble itself is reported where it costs something

    def _append(self, root: str, content: bytes) -> None:
        folder = os.path.join(root, "statistics")
        if self._started and not os.path.exists(os.path.join(folder, self._file)):
            self._begin()  # folded while this process idled: what has that name is counted already
        self._started = True
        _append(root, os.path.join(folder, self._file), content)

    def _count_anew(self) -> None:
        """A forked child counts for itself; those of `multiprocessing` exit in their own way."""
        self._begin()
        self._pending, self._flushed = {}, {}
        if "multiprocessing.util" in sys.modules:
            from multiprocessing.util import Finalize

            Finalize(None, self.flush, exitpriority=0)

    def _begin(self) -> None:
        self._file, self._process = files.unique_name() + SUFFIX, os.getpid()
        self._started = False

    def totals(self) -> Totals:
        """The counts of this process since its start."""
        if os.getpid() != self._process:
            self._count_anew()
        totals = dict(self._flushed)
        _merge(totals, self._pending)
        return totals


def _merge(totals: dict[tuple[str, str, str], tuple[int, float]], counts: Totals) -> None:
    for place, (count, seconds) in list(counts.items()):
        known = totals.get(place, (0, 0.0))
        totals[place] = (known[0] + count, known[1] + seconds)


def _append(root: str, path: str, content: bytes) -> None:
    if not os.path.isdir(root):  # nothing was ever kept: leave no trace
        return
    from emberkeep.store.no_follow import in_folder  # at the end, or after a while: no hit needs it

    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | files.NO_FOLLOW
    descriptor = in_folder(
        root, path, lambda folder, name: os.open(name, flags, 0o600, dir_fd=folder), files.ALONE
    )
    try:
        os.write(descriptor, b"\n" + content)  # what a full disk tore stays a line of its own
    finally:
        os.close(descriptor)


def _field(text: str) -> str:
    return text.replace("\t", " ").replace("\n", " ") or "-"
