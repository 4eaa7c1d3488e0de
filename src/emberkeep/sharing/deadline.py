"""Calls to a place that may hang: each has a deadline, and a place that fails is left alone.

A file on a dead network file system keeps whoever touches it waiting inside the kernel, and
nothing can call it back. So the work is done by another thread, and its caller waits only so
long. `_thread` in place of `threading`, which takes longer to import than a hit takes.
"""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock, get_ident, start_new_thread
from contextvars import copy_context
from time import monotonic

from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from emberkeep.sharing.outage import Outage, Outages

    T = TypeVar("T")

RATE = 4_000_000  # bytes a second: a place that is slower than this is as good as dead
FAILURES = 3  # in a row; then the place is left alone
COOL_DOWN_S = 60.0
MOST_CALLS = 3  # at once, to one place: no more threads than that can ever be stuck in it
MOST_IDLE = 3  # threads of the process that wait for calls


class PlaceHangs(TimeoutError):  # noqa: N818 - reads as what it says of the place
    """A call was not over within its deadline; it may still do its work, unobserved."""


class PlaceShunned(OSError):  # noqa: N818 - reads as what it says of the place
    """A place was not even asked, because it has failed too often just now."""


@final
class Deadline:
    """Until when a call is waited for. The work is given it, and may ask for more time.

    Attributes:
        allowed_s: the time from the beginning of the call, with all extensions.
    """

    def __init__(self, seconds: float) -> None:
        self.allowed_s = seconds
        self._begun = monotonic()

    def extend(self, size_bytes: int) -> None:
        """Allow the time in which so many bytes pass, at the lowest rate that is put up with."""
        self.allowed_s += size_bytes / RATE

    def renew(self, seconds: float) -> None:
        """Allow so much time from now, at least: for one call of several that are made as one."""
        self.allowed_s = max(self.allowed_s, monotonic() - self._begun + seconds)

    def remaining_s(self) -> float:
        """The time that is left; zero once there is none."""
        return max(0.0, self._begun + self.allowed_s - monotonic())


@final
class Guarded:
    """The calls to one place, with a deadline for each, and a breaker.

    `FAILURES` failures in a row open the breaker: calls are refused at once, so that a dead place
    costs seconds once. A failure is a call that hangs, or an error that the caller reports by
    `failed`; what works is reported by `succeeded`. After `COOL_DOWN_S` one call is let through,
    unless one is still stuck. A call that is answered closes the breaker, a stuck one too when it
    comes back at last; then one more failure opens it again.

    Calls come from any thread, `MOST_CALLS` at once; more of them take turns. A forked child
    remembers whether the breaker is open, and has no calls under way. Other processes of the user
    are told of calls that hang.

    Args:
        label: the place, for messages: ``the shared folder /mnt/keep``.
        deadline_s: how long a call is waited for.
        outages: what processes tell each other of it.
    """

    def __init__(self, label: str, deadline_s: float = 5.0, outages: Outages | None = None) -> None:
        self._label = label
        self._deadline_s = deadline_s
        self._process = _pool.process
        self._running: list[_Call] = []
        self._waiting: list[_Call] = []
        self._failures = 0
        self._problem = ""
        self._open_since = self._next_trial = 0.0
        self._reprieved = -COOL_DOWN_S
        self._outages = outages
        self._learn(None if outages is None else outages.known())

    def _learn(self, outage: Outage | None) -> None:
        """Begin as another process has ended."""
        if outage is None or (outage.failures < FAILURES and outage.age_s > COOL_DOWN_S):
            return
        self._failures, self._problem = min(outage.failures, FAILURES), outage.problem
        self._open_since = monotonic() - outage.age_s
        self._next_trial = self._open_since + COOL_DOWN_S

    def call(self, work: Callable[[Deadline], T]) -> T:
        """Do the work on another thread, and wait for it until the deadline is over.

        Within work that is done so already, the call is a plain call under the same deadline.

        Args:
            work: is given the deadline, which it may extend. When that is over it is left to
                itself: it may end later or never, and nobody gets what it returns.

        Returns:
            What the work returns. What it raises is raised here, and counts for nothing until
            the caller reports it.

        Raises:
            PlaceHangs: the deadline is over.
            PlaceShunned: the breaker is open, and the work was not begun.
        """
        outer = _pool.inside.get(get_ident())
        if outer is not None:
            return work(outer)
        call = _Call(self, work, Deadline(self._deadline_s))
        try:
            with _pool.lock:
                self._begin(call)
            answered = call.wait()
        except BaseException:  # Ctrl-C, for one: nobody waits for this call any more
            with _pool.lock:
                self._leave(call)
            raise
        if not answered:
            self._give_up(call)
        return call.take()

    def succeeded(self) -> None:
        """Report that the place does what it should."""
        if self._failures:
            with _pool.lock:
                self._failures = 0
            if self._outages is not None:
                self._outages.forget()

    def failed(self, problem: OSError) -> None:
        """Report an error of the place; that a file is not there is none."""
        if isinstance(problem, FileNotFoundError):
            self.succeeded()
        elif not isinstance(problem, PlaceHangs | PlaceShunned):  # counted already
            with _pool.lock:
                self._count(f"{type(problem).__name__}: {problem}")

    def is_stuck(self) -> bool:
        """Whether a call that nobody waits for any more has not come back."""
        return any(call.left for call in tuple(self._running))

    def finish(self, call: _Call) -> _Call | None:
        """Take note, under the lock, that a call has come back; the next one that waits."""
        if call in self._running:
            self._running.remove(call)
        if call.was_answered() and self._failures >= FAILURES:
            self._reprieve(late=call.left)
        if not self._waiting or self._process != _pool.process:
            return None
        following = self._waiting.pop(0)
        self._running.append(following)
        return following

    def _begin(self, call: _Call) -> None:
        """Hand a call to a thread, or let it wait for one."""
        if self._process != _pool.process:  # forked: what was under way is so elsewhere
            self._process = _pool.process
            self._running, self._waiting = [], []
        self._refuse_if_open()
        if len(self._running) >= MOST_CALLS:
            self._waiting.append(call)
            return
        _pool.hand_over(call)
        # Last, so that Ctrl-C at a bad moment loses a thread rather than a place among the three.
        self._running.append(call)

    def _refuse_if_open(self) -> None:
        stuck = sum(call.left for call in self._running)
        if self._failures < FAILURES and stuck < MOST_CALLS:
            return
        now = monotonic()
        if not stuck and now >= self._next_trial:
            self._next_trial = now + COOL_DOWN_S  # this one is the trial
            if self._outages is not None and self._outages.known() is not None:
                self._outages.note(self._failures, self._problem)  # not each process's own
            return
        again = f"in {self._next_trial - now:.0f} s"
        if stuck:
            again = f"once a call comes back, of which {stuck} are stuck in it"
        why = ""
        if self._failures >= FAILURES:
            why = (
                f" for {now - self._open_since:.0f} s, because {FAILURES} calls in a row failed, "
                f"the last with {self._problem}"
            )
        raise PlaceShunned(
            f"{self._label} has been left alone{why}. It is tried again {again}. "
            "Check that it can be reached, or go on without it."
        )

    def _leave(self, call: _Call) -> None:
        if call in self._waiting:
            self._waiting.remove(call)
        call.left = True

    def _give_up(self, call: _Call) -> None:
        """Raise PlaceHangs, unless the call has come back just now."""
        with _pool.lock:
            if call.is_over:
                return
            waited = call in self._waiting
            self._leave(call)
            problem = f"no answer within {call.deadline.allowed_s:.3g} s"
            if not waited:  # else the calls before it are to blame, and counted
                self._count(problem)
        if not waited and self._outages is not None:
            self._outages.note(self._failures, problem)
        raise PlaceHangs(
            f"{self._label} has given {problem}. "
            "Check that it can be reached; until then, go on without it."
        )

    def _count(self, problem: str) -> None:
        self._failures += 1
        self._problem = problem
        now = monotonic()
        if self._failures == FAILURES:
            self._open_since = now
        self._next_trial = now + COOL_DOWN_S

    def _reprieve(self, *, late: bool) -> None:
        """Close the breaker until the next failure.

        For late answers only now and then: a place that is alive but always too slow would cost
        a deadline at each call.
        """
        now = monotonic()
        if late and now - self._reprieved < COOL_DOWN_S:
            return
        if late:
            self._reprieved = now
        self._failures = FAILURES - 1


# Of this process, by place, deadline and keep: keeps of one place share what is known of it.
_guards: dict[tuple[str, float, str | None], Guarded] = {}


def guard(label: str, deadline_s: float, root: str | None) -> Guarded:
    """The calls to a place, of all keeps of this process.

    Args:
        label: the place, for messages.
        deadline_s: how long a call is waited for.
        root: the user's own keep, where processes tell each other of places that hang; None for
            who asks in any case.
    """
    name = (label, deadline_s, root)
    if name not in _guards:
        from emberkeep.sharing.outage import Outages

        _guards.setdefault(name, Guarded(label, deadline_s, Outages(root, label)))
    return _guards[name]


def is_stuck() -> bool:
    """Whether a call that nobody waits for any more has not come back from a place."""
    return any(guarded.is_stuck() for guarded in tuple(_guards.values()))


@final
class _Call:
    """One piece of work, from the thread that wants it to the one that does it.

    Attributes:
        is_over: set under the lock when the work has come back.
        left: whether nobody waits for it any more.
    """

    def __init__(self, place: Guarded, work: Callable[[Deadline], Any], deadline: Deadline) -> None:
        self.place = place
        self.deadline = deadline
        self.is_over = self.left = False
        self._work = work
        self._context = copy_context()  # spans of the work belong to the caller's
        self._value: Any = None
        self._problem: BaseException | None = None
        self._done = allocate_lock()
        self._done.acquire()

    def run(self) -> None:
        """Do the work, on this thread."""
        try:
            self._value = self._context.run(self._work, self.deadline)
        except BaseException as problem:  # noqa: BLE001 - raised again where it was asked for
            self._problem = problem

    def was_answered(self) -> bool:
        """Whether the place gave an answer, be it that there is nothing."""
        problem = self._problem
        return not isinstance(problem, OSError) or isinstance(problem, FileNotFoundError)

    def tell(self) -> None:
        """Wake the one who waits."""
        self._done.release()

    def wait(self) -> bool:
        """Wait until the work has come back, or, then false, the deadline is over."""
        while not self._done.acquire(timeout=self.deadline.remaining_s()):
            if not self.deadline.remaining_s():  # else it was extended meanwhile
                return False
        return True

    def take(self) -> Any:
        """What came back; only once, so that errors and frames don't keep one another alive."""
        value, problem = self._value, self._problem
        self._value = self._problem = None
        if problem is None:
            return value
        try:
            raise problem
        finally:
            del problem


@final
class _Worker:
    """A thread that does one call after the other."""

    def __init__(self, call: _Call) -> None:
        self._call: _Call | None = call
        self._wake = allocate_lock()
        self._wake.acquire()
        start_new_thread(self._serve, ())

    def give(self, call: _Call) -> None:
        """Set an idle worker to work."""
        self._call = call
        self._wake.release()

    def _serve(self) -> None:
        while self._call is not None:
            call, thread, process = self._call, get_ident(), _pool.process
            _pool.inside[thread] = call.deadline
            call.run()
            with _pool.lock:
                _pool.inside.pop(thread, None)  # a child that the work has forked has none
                call.is_over = True
                self._call = call.place.finish(call)
                idle = self._call is None and process == _pool.process and _pool.keep(self)
            call.tell()
            del call  # what it returned is not ours to keep
            if idle:
                self._wake.acquire()


@final
class _Pool:
    """What all places share. A forked child begins anew, for it has no threads."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Know of no thread; the lock is a new one, for another thread may have held the old."""
        self.process = os.getpid()
        self.lock = allocate_lock()
        self.idle: list[_Worker] = []
        self.inside: dict[int, Deadline] = {}  # by the number of a thread that does work

    def hand_over(self, call: _Call) -> None:
        """Have a thread do a call."""
        if sys.is_finalizing():  # no other thread will run any more
            raise PlaceShunned("Python is shutting down, and begins no calls with a deadline.")
        if self.idle:
            self.idle.pop().give(call)
            return
        try:
            _Worker(call)
        except RuntimeError as problem:
            raise PlaceShunned(
                f"No thread could be started for a call with a deadline ({problem}). "
                "Raise the limit on threads, or end some."
            ) from problem

    def keep(self, worker: _Worker) -> bool:
        """Let an idle worker wait for calls, unless enough do."""
        if len(self.idle) >= MOST_IDLE:
            return False
        self.idle.append(worker)
        return True


_pool = _Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.begin)
