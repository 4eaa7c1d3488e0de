"""Running a kernel on several threads, with dynamic self-scheduling.

Compiled code runs without Python's lock. The indices are handed out in chunks from one counter;
the caller works too, and helpers that wake up after the work is done take none, so that a small
batch does not wait for them.
"""

from __future__ import annotations

import os
from _queue import SimpleQueue
from _thread import allocate_lock, start_new_thread
from functools import cache
from itertools import count as count_up

from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Chunk = Callable[[int, int], int]

CHUNKS_PER_THREAD = 8  # small enough that the last ones end together


def default_threads() -> int:
    """As many as this process may use processors."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@final
class Started:
    """One call's indices, handed out in chunks; helpers work on them already."""

    def __init__(self, run: Chunk, count: int, threads: int) -> None:
        self._run, self._count = run, count
        self._size = max(1, count // (threads * CHUNKS_PER_THREAD))
        self._starts = count_up(0, self._size)  # advancing it is atomic
        self._lock = allocate_lock()
        self._working = 0
        self._idle = allocate_lock()
        self._idle.acquire()
        self._waiting = False
        self.status = 0
        self.problem: BaseException | None = None

    def help(self) -> None:
        """Take part, on another thread, unless all is handed out already."""
        with self._lock:
            if self._waiting and self._working == 0:
                return
            self._working += 1
        self._work()
        with self._lock:
            self._working -= 1
            if self._waiting and self._working == 0:
                self._idle.release()

    def finish(self) -> int:
        """Take part on the caller's thread, then wait for those that still work; once.

        Returns:
            Zero, or the first other status that a chunk gave; what was not begun then is left out.
        """
        self._work()
        with self._lock:
            self._waiting = True
            is_idle = self._working == 0
        if not is_idle:
            self._idle.acquire()
        if self.problem is not None:
            raise self.problem
        return self.status

    def _work(self) -> None:
        try:
            for start in self._starts:
                if start >= self._count or self.status:
                    return
                status = self._run(start, min(start + self._size, self._count))
                if status:
                    self.status = status
        except BaseException as problem:  # noqa: BLE001 - raised again on the caller's thread
            self.problem = problem
            self.status = -1


@final
class _Pool:
    """Threads that wait for batches; they live as long as the process."""

    def __init__(self) -> None:
        self._batches: SimpleQueue[Started] = SimpleQueue()
        self._helpers = 0
        self._lock = allocate_lock()

    def start(self, run: Chunk, count: int, threads: int) -> Started:
        with self._lock:
            while self._helpers < threads - 1:
                start_new_thread(self._serve, ())
                self._helpers += 1
        batch = Started(run, count, threads)
        for _ in range(min(threads, count) - 1):
            self._batches.put(batch)
        return batch

    def _serve(self) -> None:
        while True:
            self._batches.get().help()


@cache
def _pool() -> _Pool:
    """The helpers of this process, from when they are first needed."""
    return _Pool()


def run_on_threads(run: Chunk, count: int, threads: int) -> int:
    """Call `run(begin, end)` until every index below `count` was covered.

    Returns:
        Zero, or the first other status that a chunk gave; what was not begun then is left out.
    """
    if count <= 0:
        return 0
    if threads <= 1 or count == 1:
        return run(0, count)
    return _pool().start(run, count, threads).finish()


def start_on_threads(run: Chunk, count: int, threads: int) -> Started:
    """Begin to do the same on all threads but the caller's, which has to `finish` it."""
    return _pool().start(run, count, threads)


# Threads do not survive a fork: the child makes its own.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
