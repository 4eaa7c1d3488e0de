"""What the processes of a user tell each other of a place that does not answer.

A small file in the user's own keep: jobs of seconds would each wait for a dead server anew::

    <root>/outages/<digest of the place>

    emberkeep outage 1
    <calls in a row that were given up>
    <the place>
    <the last problem>

When that was is the file's time of modification. It spares waiting and carries nothing else: who
writes there keeps others from asking that one place for a minute, and who cannot read it asks. The
place that answers again is asked as before; `emberkeep doctor` asks in any case.
"""

from __future__ import annotations

import os
import time

from emberkeep.startup_records import final, frozen, sha256
from emberkeep.store import files
from emberkeep.store.no_follow import remove_within, write_within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "outages"
HEAD = "emberkeep outage 1"
LINES = 4
SIZE_LIMIT = 8192
LASTS_S = 3600.0  # then nobody knows anything any more
NAME_DIGITS = 32


@final
@frozen
class Outage:
    """A place that did not answer.

    Attributes:
        place: which one.
        failures: calls in a row that were given up.
        problem: the last one.
        age_s: how long ago that was.
        path: of the file that says so.
    """

    place: str
    failures: int
    problem: str
    age_s: float
    path: str


@final
class Outages:
    """What is remembered of one place.

    Args:
        root: the user's own keep; None where there is none to remember in.
        place: what messages call the place.
    """

    def __init__(self, root: str | None, place: str) -> None:
        self._root = root
        self._place = place
        name = sha256(place.encode("utf-8", "surrogatepass")).hexdigest()[:NAME_DIGITS]
        self._path = "" if root is None else os.path.join(root, FOLDER, name)

    def known(self) -> Outage | None:
        """What is remembered; None where that is nothing, too old, or no such file."""
        found = None if self._root is None else _read(self._path)
        return found if found is not None and found.place == self._place else None

    def note(self, failures: int, problem: str) -> None:
        """Remember a call that was given up; a keep that cannot be written remembers nothing."""
        if self._root is None or not os.path.isdir(self._root):
            return
        lines = (HEAD, str(failures), self._place, problem)
        content = "".join(f"{' '.join(line.split())}\n" for line in lines)
        try:
            write_within(self._root, self._path, content.encode("utf-8", "surrogateescape"))
        except (OSError, ValueError):  # others wait for themselves then
            return

    def forget(self) -> bool:
        """The place answers; whether anything was remembered."""
        return self._root is not None and remove_within(self._root, self._path)


def all_outages(root: str) -> Iterator[Outage]:
    """What is remembered of any place."""
    for file in files.scan(os.path.join(root, FOLDER)):
        found = _read(file.path)
        if found is not None:
            yield found


def _read(path: str) -> Outage | None:
    try:
        noted = os.stat(path).st_mtime
        content = files.read_file(path, SIZE_LIMIT)
        lines = content.decode("utf-8", "surrogateescape").split("\n")
        failures = int(lines[1]) if len(lines) == LINES + 1 and lines[0] == HEAD else 0
    except (OSError, ValueError):  # none, or damaged: as if there were none
        return None
    age = time.time() - noted
    if failures <= 0 or not 0 <= age < LASTS_S:
        return None
    return Outage(lines[2], failures, lines[3], age, path)
