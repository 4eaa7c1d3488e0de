"""How much memory there is for results: of the machine, or of the container that this runs in."""

from __future__ import annotations

import os

from emberkeep.errors import InvalidPlan
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

GIB = 1 << 30
SHARE = 0.75  # of all memory, for results: who reads them needs some, too
# Of so little nobody asks how much there is: that takes longer than a small solve.
ALWAYS_THERE = 64 << 20
LESS = (
    "Save fewer times, ask for 'final' or a summary such as 'mean' in place of 'states', solve "
    "fewer trajectories at once, or have them on disk: into='….zarr'"
)
GROUPS, MOUNTED = "/proc/self/cgroup", "/sys/fs/cgroup"


@final
@frozen
class Budget:
    """Bytes that the results of one solve may take.

    Attributes:
        size_bytes: how many.
        origin: who says so, for messages.
    """

    size_bytes: float
    origin: str


def budget(given: Any) -> Budget:
    """What the user allows, or else three quarters of what there is.

    Raises:
        InvalidPlan: it is no size.
    """
    if given is None:
        there = available()
        told = "three quarters of this machine's memory"
        return Budget(float("inf") if there is None else SHARE * there, told)
    if isinstance(given, str):
        from emberkeep.settings import parse_size

        try:
            return Budget(parse_size(given), f"memory={given!r}")
        except (ValueError, KeyError):
            raise _no_size(given) from None
    try:
        size_bytes = float(given)
    except (TypeError, ValueError, OverflowError):
        raise _no_size(given) from None
    if not size_bytes > 0:
        raise _no_size(given)
    return Budget(size_bytes, f"memory={given!r}")


def _no_size(given: object) -> InvalidPlan:
    return InvalidPlan(
        f"memory={given!r} is no size; expected a number of bytes or text such as '8 GiB', and "
        "math.inf for results that stay in memory whatever their size"
    )


def require_room(size_bytes: int, what: str, remedy: str = LESS) -> None:
    """Refuse what memory cannot hold, before it is filled.

    Args:
        size_bytes: of it.
        what: it is.
        remedy: what to do in place of it.

    Raises:
        InvalidPlan: says what it would take, and what there is.
    """
    there = available() if size_bytes > ALWAYS_THERE else None
    if there is not None and size_bytes > there:
        raise InvalidPlan(
            f"{what} would take {size_bytes / GIB:,.1f} GiB, and this machine has "
            f"{there / GIB:,.1f}. {remedy}"
        )


def available() -> int | None:
    """Bytes of memory that this process may use; None where nobody says.

    A container sees all of its host's memory, and is ended when it takes more than its own share.
    """
    found = [size for size in (_machine(), *_limits()) if size is not None]
    return min(found, default=None)


def _machine() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _limits() -> list[int]:
    """What control groups allow: this process's own, and each that it lies in."""
    found: list[int] = []
    for line in _read(GROUPS).splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:  # the second version: one tree for all
            root, name = MOUNTED, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = f"{MOUNTED}/memory", "memory.limit_in_bytes"
        else:
            continue
        parts = path.strip("/").split("/")
        for length in range(len(parts), -1, -1):
            # Within a container, its own group is often mounted as the root.
            text = _read(os.path.join(root, *parts[:length], name)).strip()
            if text.isdecimal():
                found.append(int(text))
    return found


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except (OSError, ValueError):
        return ""
