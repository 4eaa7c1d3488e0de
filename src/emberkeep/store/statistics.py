"""Hits, misses and seconds saved: append-only counts, one file a process, added up when asked.

A line is ``event kind what count seconds``, separated by tabs. Folding replaces many files by one
that names them, before they are removed: a crash between the two counts nothing twice.
"""

from __future__ import annotations

import os
import time

from emberkeep.store import files
from emberkeep.store.no_follow import remove_within, write_within
from emberkeep.store.tally import SUFFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.store.tally import Totals

FOLD_AFTER_S = 3600.0
SIZE_LIMIT = 64 << 20
INCLUDES = "includes"
MOST = 1 << 53  # events, or seconds; NaN is none of them


def read_totals(root: str) -> Totals:
    """All counts of all processes."""
    contents = _read_files(os.path.join(root, "statistics"))
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

    folder = os.path.join(root, "statistics")
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
    folder = os.path.join(root, "statistics")
    names = [entry.path for entry in files.scan(folder) if entry.name.endswith(SUFFIX)]
    return sum(remove_within(root, name) for name in names)
