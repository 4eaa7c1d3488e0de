"""Work on many entries, on as many threads as pay: most of it is waiting for files, and hashing."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    A = TypeVar("A")
    B = TypeVar("B")

MOST = 8


def batches(items: Sequence[A], size: int) -> list[Sequence[A]]:
    """The items in groups: to hand each to a thread would take longer than what it does."""
    return [items[begin : begin + size] for begin in range(0, len(items), size)]


def in_parallel(work: Callable[[A], B], items: Sequence[A], most: int = MOST) -> Iterator[B]:
    """What some work gives for each item, in their order.

    The first that fails ends it: what is under way is finished, and the rest is not begun.

    Args:
        work: is called on any thread.
        items: what it is called with.
        most: threads at once.
    """
    threads = min(most, os.cpu_count() or 1, len(items))
    if threads < 2:  # noqa: PLR2004 - one thread is this one
        yield from map(work, items)
        return
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(threads)
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(cancel_futures=True)
