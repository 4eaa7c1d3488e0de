"""Publishing in the background: in order, bounded, and given up without harm.

What is published here is kept in a nearer place already. A process that ends in haste, by
`os._exit` or by becoming another program, leaves others to build it or `emberkeep push` to bring
it; so does a queue that is full.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from _thread import allocate_lock, start_new_thread

from emberkeep.lease.protocol import Job
from emberkeep.sharing.deadline import is_stuck
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emberkeep.lease.protocol import LeaseAmongHosts

MOST_JOBS = 256
MOST_BYTES = 512 << 20
EXIT_PATIENCE_S = 20.0
POLL_S = 0.002
LOOK_S = 0.02
REMEDY = "`emberkeep push` brings what is missing."


@final
class _Piece:
    """Something to do.

    Attributes:
        size_bytes: what it holds in memory.
        work: does it.
        leases: that go along with it, and are given back afterwards, however it went.
    """

    def __init__(
        self, size_bytes: int, work: Callable[[], None], leases: Sequence[LeaseAmongHosts]
    ) -> None:
        self.size_bytes = size_bytes
        self.work = work
        self.leases = leases
        self.owner = Job()

    def end(self) -> None:
        """Give back its leases, whether they were handed over already or not."""
        try:
            for lease in self.leases:
                lease.release(succeeded=True)
        finally:
            self.owner.close()


@final
class Publisher:
    """A queue with one thread, which is there while there is something to do.

    Interrupts reach only the threads that put something in. So whatever is set for good is set by
    the thread of the queue itself, and a thread that was not started is started by the next one.

    Args:
        on_problem: told what was not published, and why.
    """

    def __init__(self, on_problem: Callable[[str], None]) -> None:
        self._on_problem = on_problem
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = allocate_lock()
        self._pieces: list[_Piece] = []  # the first one is being worked on, if any is
        self._is_working = False
        self._ends_with_process = False

    def put(
        self, size_bytes: int, work: Callable[[], None], leases: Sequence[LeaseAmongHosts] = ()
    ) -> None:
        """Do some work later, or now where there is no thread to be had.

        Args:
            size_bytes: what it holds in memory.
            work: does it; what it raises is a problem to tell of.
            leases: are handed over, and given back afterwards, however it went.
        """
        if self._process != os.getpid():  # forked: what waits here is the parent's to do
            self._begin()
        piece = _Piece(size_bytes, work, leases)
        with self._lock:
            waiting = len(self._pieces)
            held_bytes = sum(other.size_bytes for other in self._pieces)
            too_much = waiting >= MOST_JOBS or held_bytes + size_bytes > MOST_BYTES
            is_refused = bool(waiting) and too_much
            if not is_refused:
                self._pieces.append(piece)
        if is_refused:
            self._on_problem(
                f"Not shared: {waiting} artifacts wait to be published already. {REMEDY}"
            )
            return
        for lease in leases:
            lease.hand_over(piece.owner)
        self._end_with_process()
        self._start()

    def _start(self) -> None:
        """See to it that somebody works; where there is no thread to be had, it is this one."""
        if self._is_working:
            return
        try:
            start_new_thread(self._work, ())
        except RuntimeError:
            for piece in tuple(self._pieces):
                self._do(piece)

    def _end_with_process(self) -> None:
        """Have the queue flushed at exit; children of `multiprocessing` exit in their own way."""
        if self._ends_with_process:
            return
        self._ends_with_process = True
        atexit.register(self._flush_at_exit)
        if "multiprocessing.util" in sys.modules:
            from multiprocessing.util import Finalize

            Finalize(None, self._flush_at_exit, exitpriority=1)

    def _work(self) -> None:
        with self._lock:
            if self._is_working:
                return
            self._is_working = True
        while True:
            with self._lock:
                if not self._pieces:
                    self._is_working = False
                    return
                piece = self._pieces[0]
            self._do(piece)

    def _do(self, piece: _Piece) -> None:
        try:
            piece.work()
        except Exception as problem:  # noqa: BLE001 - one that cannot go must not stop the others
            self._on_problem(f"Not shared: {type(problem).__name__}: {problem}.")
        finally:
            piece.end()
            with self._lock:
                if piece in self._pieces:
                    self._pieces.remove(piece)

    def flush(self, patience_s: float) -> bool:
        """Wait until all is done; whether it was in time."""
        if self._process != os.getpid():
            return True
        until = time.monotonic() + patience_s
        while self._pieces:
            self._start()
            if time.monotonic() > until:
                return False
            time.sleep(POLL_S)
        return True

    def _flush_at_exit(self) -> None:
        if not self._flush_unless_stuck(EXIT_PATIENCE_S):
            left = len(self._pieces)
            self._on_problem(
                f"{left} artifacts were not shared before this process ended. {REMEDY}"
            )

    def _flush_unless_stuck(self, patience_s: float) -> bool:
        """As `flush`; but where a call to a place hangs already, what comes after it would too."""
        until = time.monotonic() + patience_s
        while not self.flush(LOOK_S):
            if is_stuck() or time.monotonic() > until:
                return False
        return True
