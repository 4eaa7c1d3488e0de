"""Making room without being asked: at most once a day, after a build, which took longer anyway."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.store.directory import Directory

STAMP = "collected"
EVERY_S = 86_400.0


def collect_if_due(directory: Directory, max_size_bytes: int, max_age_s: float) -> bool:
    """Collect where the last time was a day ago; whether it was done.

    The stamp is set first: of several processes that come at once, one does the work.
    """
    objects = directory.objects
    try:
        age = time.time() - objects.facts(STAMP).modified
    except FileNotFoundError:  # a new keep: there is nothing to collect yet
        age = 0.0
        objects.write(STAMP, b"")
    if 0 <= age < EVERY_S:
        return False
    objects.touch(STAMP)
    from emberkeep.store.eviction import Policy, collect

    collect(directory, Policy(max_size_bytes=max_size_bytes, max_age_s=max_age_s))
    return True
