"""Hits, misses, builds and seconds saved: append-only counts, a file a process, summed on demand.

A line is ``event kind what count seconds``, separated by tabs. Folding replaces many files by one
that names them, before they are removed: a crash between the two counts nothing twice.

A hit counts and writes nothing: imports within functions are of what writes.
"""

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

FOLDER = "statistics"
SUFFIX = ".tsv"
FLUSH_AFTER_S = 5.0
FOLD_AFTER_S = 3600.0
SIZE_LIMIT = 64 << 20
INCLUDES = "includes"
MOST = 1 << 53  # events, or seconds; NaN is none of them


# Of this process --------------------------------------------------------------------------------


@final
class Counts:
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
        folder = os.path.join(root, FOLDER)
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


# Of all processes ------------------------------------------------------------------------------


def read_totals(root: str) -> Totals:
    """All counts of all processes."""
    contents = _read_files(os.path.join(root, FOLDER))
    return _add_up(contents, _included(contents))


def _read_files(folder: str) -> dict[str, str]:
    contents: dict[str, str] = {}
    for entry in files.scan(folder):
        if entry.name.endswith(SUFFIX):
            try:
                content = files.read_file(entry.path, SIZE_LIMIT)
            except (OSError, ValueError):  # removed by a fold, or no file of ours
                continue
            contents[entry.name] = content.decode("utf-8", "replace")
    return contents


def _included(contents: dict[str, str]) -> set[str]:
    """The files that a fold has counted already, and that were not removed yet."""
    lines = (line.split("\t") for content in contents.values() for line in content.split("\n"))
    return {fields[1] for fields in lines if len(fields) > 1 and fields[0] == INCLUDES}


def _add_up(contents: dict[str, str], skipped: set[str]) -> Totals:
    totals: dict[tuple[str, str, str], tuple[int, float]] = {}
    for name, content in contents.items():
        if name in skipped:
            continue
        for line in content.split("\n"):  # `splitlines` splits at more than newlines
            try:
                event, kind, what, count, seconds = line.split("\t")
                amount, duration = int(count), float(seconds)
            except ValueError:  # a line that a crash or a full disk tore, or an `includes`
                continue
            if not (0 <= amount <= MOST and abs(duration) <= MOST):  # nobody has counted this
                continue
            known = totals.get((event, kind, what), (0, 0.0))
            totals[event, kind, what] = (known[0] + amount, known[1] + duration)
    return totals


def fold(root: str) -> int:
    """Replace the files of processes that are done by one; how many were folded."""
    import fcntl

    folder = os.path.join(root, FOLDER)
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return _fold(root, folder)
    except BlockingIOError:  # another folds: two that fold the same would count it twice
        return 0
    finally:
        os.close(descriptor)


def _fold(root: str, folder: str) -> int:
    from emberkeep.store.no_follow import remove_within, write_within

    now = time.time()
    done: dict[str, str] = {}
    contents = _read_files(folder)
    for name, content in contents.items():
        try:
            age = now - os.stat(os.path.join(folder, name)).st_mtime
        except FileNotFoundError:
            continue
        if age > FOLD_AFTER_S:
            done[name] = content
    if len(done) < 2:  # noqa: PLR2004 - one file is folded already
        return 0
    skipped = _included(contents)
    lines = [f"{INCLUDES}\t{name}\n" for name in sorted(done)]
    lines += [
        f"{event}\t{kind}\t{what}\t{count}\t{seconds:.6f}\n"
        for (event, kind, what), (count, seconds) in _add_up(done, skipped).items()
    ]
    target = os.path.join(folder, files.unique_name() + SUFFIX)
    write_within(root, target, "".join(lines).encode())
    for name in done:
        remove_within(root, os.path.join(folder, name))
    return len(done)


def zero(root: str) -> int:
    """Forget all counts; how many files held them."""
    from emberkeep.store.no_follow import remove_within

    folder = os.path.join(root, FOLDER)
    names = [entry.path for entry in files.scan(folder) if entry.name.endswith(SUFFIX)]
    return sum(remove_within(root, name) for name in names)
