"""Single flight within one process: its threads wait for one another without looking again.

Of threads it is known who waits for whom. A circle of them would wait for ever, and so would a
child that was forked within the build that it waits for: both build themselves.
"""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock, get_ident

from emberkeep.errors import InvalidBuild
from emberkeep.lease import failure
from emberkeep.lease.joins import Joins
from emberkeep.lease.wait import FOR_ONESELF
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any

    from emberkeep.lease.protocol import Owner
    from emberkeep.lease.wait import Wait


@final
class Claim:
    """The right of one thread to build one key, among those of its process.

    Attributes:
        name: of what is built.
        thread: that builds.
        over: a lock that can be had when it has ended.
        joins: for whom that thread waits.
        message: why its build has failed.
    """

    def __init__(self, name: Hashable, owner: Owner) -> None:
        self.name = name
        self.owner = owner
        self.thread = get_ident()
        self.joins = Joins(self.thread)
        self.message = b""
        self.over = allocate_lock()
        self.over.acquire()

    @property
    def holder(self) -> str:
        """The thread, as people call it."""
        threading: Any = sys.modules.get("threading")
        for thread in threading.enumerate() if threading else ():
            if thread.ident == self.thread:
                return f"thread {thread.name!r} of this process"
        return "another thread of this process"

    def renew(self) -> bool:
        """Whether it still is its own: a process need not show itself that it lives."""
        return _table.claims.get(self.name) is self and not self.owner.closed

    def fail(self, problem: Exception) -> None:
        """Leave the error of the build for those who wait."""
        self.message = failure.compose("", f"Process {os.getpid()}", problem)

    def release(self, *, succeeded: bool) -> None:
        """Let another thread have it."""
        if succeeded:
            self.message = b""
        with _table.lock:
            if _table.claims.get(self.name) is self:
                del _table.claims[self.name]
                self.over.release()


@final
class _Table:
    """What the threads of this process build and wait for."""

    def __init__(self) -> None:
        self.around: frozenset[Hashable] = frozenset()
        self.begin()

    def begin(self) -> None:
        """Know of no thread; the lock is a new one, for another thread may have held the old."""
        self.lock = allocate_lock()
        self.claims: dict[Hashable, Claim] = {}
        self.waiting: dict[int, Claim] = {}  # what a thread waits for

    def begin_in_child(self) -> None:
        """After a fork; what the thread that forked was building goes on around the child."""
        own = [name for name, claim in self.claims.items() if claim.thread == get_ident()]
        self.around |= frozenset(own)
        self.begin()


_table = _Table()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_table.begin_in_child)


def _never() -> bool:
    return False


def claim(
    name: Hashable, *, owner: Owner, wait: Wait, is_there: Callable[[], bool] = _never
) -> Claim | None:
    """Wait for the right to build among the threads of this process.

    Args:
        name: of what is to be built.
        owner: holds it.
        wait: for how long.
        is_there: asked each time when another has built: then there is nothing left to claim, and
            all who waited have it at once.

    Returns:
        The claim, or None where it is there, or the wait was given up.

    Raises:
        BuildFailed: the build that this caller was waiting for has raised.
        InvalidBuild: a build asks for the very thing that it is building.
    """
    if name in _table.around:
        wait.give_up("it is being built around this process, which was forked from within")
        return None
    for lost in [each for each in tuple(_table.claims.values()) if each.owner.closed]:
        lost.release(succeeded=False)
    mine = Claim(name, owner)
    while (theirs := _table.claims.setdefault(name, mine)) is not mine:
        if theirs.thread == get_ident() and not theirs.owner.closed:
            raise InvalidBuild(FOR_ONESELF)
        _table.waiting[get_ident()] = theirs
        try:
            if not _outlast(theirs, wait):
                return None
        finally:
            _table.waiting.pop(get_ident(), None)
        if theirs.message:
            raise failure.error_of(theirs.message)
        if is_there():
            return None
    return mine


def _outlast(theirs: Claim, wait: Wait) -> bool:
    """Wait until a claim has ended; whether it has."""
    while _table.claims.get(theirs.name) is theirs:
        if theirs.owner.closed:  # lost, by an interrupt
            theirs.release(succeeded=False)
        elif _closes_a_circle(theirs):
            wait.give_up(f"{theirs.holder} builds it, and waits for what is done here")
            return False
        elif not wait.goes_on(lambda: theirs.holder):
            return False
        elif theirs.over.acquire(timeout=wait.next_event_s()):
            theirs.over.release()  # for the next one who waits
    return True


def _closes_a_circle(theirs: Claim) -> bool:
    """Whether whoever is waited for waits, perhaps by way of others, for this thread."""
    seen: set[int] = set()
    awaited: Claim | None = theirs
    while awaited is not None and not awaited.owner.closed and awaited.thread not in seen:
        if awaited.thread == get_ident() or awaited.joins.wait_for_this():
            return True
        seen.add(awaited.thread)
        awaited = _table.waiting.get(awaited.thread)
    return False
