"""Making room without being asked: at most once a day, after a build, which took longer anyway."""

from __future__ import annotations

import time
from errno import EACCES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.store.directory import Directory

STAMP = "collected"
EVERY_S = 86_400.0


def take_turn(directory: Directory) -> bool:
    """Take today's turn to collect; False where it was taken within a day.

    The stamp is set first: of several processes that come at once, one does the work.

    Raises:
        OSError: the stamp cannot be read or set.
    """
    objects = directory.objects
    try:
        age = time.time() - objects.facts(STAMP).modified
    except FileNotFoundError:  # a new keep: there is nothing to collect yet
        age = 0.0
        objects.write(STAMP, b"")
    if 0 <= age < EVERY_S:
        return False
    if not objects.touch(STAMP):
        raise PermissionError(EACCES, "it cannot be touched, so nothing is collected", STAMP)
    return True


def collect(directory: Directory, max_size_bytes: int | None, max_age_s: float | None) -> None:
    """Make room; None is no limit.

    Raises:
        StoreProblem: the folder cannot be listed.
        OSError: likewise.
    """
    from emberkeep.store import eviction

    policy = eviction.Policy(max_size_bytes=max_size_bytes, max_age_s=max_age_s)
    eviction.collect(directory, policy)
