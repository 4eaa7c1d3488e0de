"""Whether this process was started within the build that it is about to wait for.

Such a build waits for this process, as a rule. Of a process that was forked it is known which
thread did it, and `claims` tells; of one that was started anew, only by whom, and when.
"""

from __future__ import annotations

import os
import time

from emberkeep.startup_records import final, frozen

TOLERANCE_S = 0.05  # starts are told in hundredths of a second, and clocks drift

# What this process was forked from, without being started anew.
_forked_from: set[int] = set()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _forked_from.add(os.getppid()))


@final
@frozen
class _Process:
    parent: int
    age_s: float


def is_within(builder: int, age_s: float) -> bool:
    """Whether a process that has been building for some time has started this one meanwhile.

    Or one by which this one was started. Where nobody can tell, it has not.
    """
    if builder in _forked_from:
        return False
    try:
        process = _look(os.getpid())
        while process.parent > 1:
            if process.parent == builder:
                return process.age_s <= age_s + TOLERANCE_S
            process = _look(process.parent)
    except (OSError, ValueError, IndexError):  # no `/proc`, or a process that has ended
        return False
    return False


def _look(process: int) -> _Process:
    with open(f"/proc/{process}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    since_boot_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    started_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return _Process(int(fields[1]), since_boot_s - started_s)
