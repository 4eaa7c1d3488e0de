"""Work on members by a few threads: a few members at a time, results in the order of the file."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from emberkeep.sharing.bundle.index import Member

    T = TypeVar("T")

THREADS = min(4, os.cpu_count() or 1)  # more would wait for the disk
# Content that is under way at once. A member that is larger goes alone.
WINDOW_BYTES = 32 << 20
LEAST_BYTES = 256 << 10  # what a member counts for at least: many small ones take room too


def in_order(
    members: Iterator[Member],
    fetch: Callable[[Member], bytes | bytearray],
    work: Callable[[Member, bytes | bytearray], T],
) -> Iterator[tuple[Member, T]]:
    """Each member with what `work` makes of it.

    Args:
        members: asked for one at a time, each after the one before was fetched.
        fetch: gives what is worked on; called by the caller's thread, one after the other.
        work: called by several threads; zstd and SHA-256 let others run meanwhile.
    """
    under_way: deque[tuple[Member, Future[T]]] = deque()
    room_bytes = WINDOW_BYTES
    pool = ThreadPoolExecutor(THREADS, "emberkeep-bundle")
    try:
        coming = next(members, None)
        while coming is not None or under_way:
            if coming is not None and (not under_way or _room(coming) <= room_bytes):
                under_way.append((coming, pool.submit(work, coming, fetch(coming))))
                room_bytes -= _room(coming)
                coming = next(members, None)
            else:
                # It takes room until the next one is asked for: only then is it done with.
                yield under_way[0][0], under_way[0][1].result()
                room_bytes += _room(under_way.popleft()[0])
    finally:
        pool.shutdown(cancel_futures=True)


def _room(member: Member) -> int:
    return max(member.size_bytes, LEAST_BYTES)
