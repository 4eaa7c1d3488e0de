"""Single flight among hosts: a record with a heartbeat, in a slot that all of them see.

There, no kernel knows who lives. So a holder writes into its slot again and again, and who waits
watches: a record whose heartbeats have not grown for long, on the waiter's own clock, is nobody's.
Clocks are never compared, neither with each other nor with a file's times.

A holder that was stopped for so long, and goes on later, finds its record gone or another's and
leaves it alone; then two have built the same, which is all that can happen here.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock, get_ident, start_new_thread
from contextlib import suppress

from emberkeep.errors import InvalidBuild
from emberkeep.lease import failure, record
from emberkeep.lease.liveness import Liveness
from emberkeep.lease.protocol import Job
from emberkeep.lease.wait import FOR_ONESELF, Wait
from emberkeep.startup_records import final, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TypeVar

    from emberkeep.lease.protocol import Owner, Slot
    from emberkeep.lease.record import Record

    T = TypeVar("T")

    class Call(Protocol):
        """Calls a function, perhaps with a deadline."""

        def __call__(self, work: Callable[[], T]) -> T:
            """What the function returns, or raises."""
            ...


FIRST_WAIT_S = 0.002


def directly(work: Callable[[], T]) -> T:
    """Call without a deadline, where nothing can hang."""
    return work()


@final
class SharedLease:
    """The right to build one key, of all hosts that see its slot, held until `release`.

    It is known to the heart before its slot is taken, so that there is no moment at which nobody
    would give it back.

    Attributes:
        owner: who holds it; once that is closed, the heart gives it back.
        is_taken: whether the slot is its own, and not only wanted.
        next_beat: when it is time for a heartbeat.
        waited_s: how long it took to get it.
    """

    def __init__(
        self, slot: Slot, token: str, heartbeat_s: float, call: Call, owner: Owner
    ) -> None:
        self.token = token
        self.owner = owner
        self.is_taken = False
        self.next_beat = time.monotonic() + heartbeat_s
        self.waited_s = 0.0
        self._slot = slot
        self._call = call
        self._heartbeat_s = heartbeat_s
        self._heartbeats = 0
        self._thread: int | None = get_ident()

    @property
    def path(self) -> str:
        """What messages call its slot."""
        return self._slot.label

    @property
    def holder(self) -> str:
        """This process, on this host."""
        return _holder()

    def is_of_this_thread(self, label: str) -> bool:
        """Whether waiting for this slot would be waiting for oneself."""
        is_own = self.path == label and self._thread == get_ident()
        return is_own and self.is_taken and not self.owner.closed

    def hand_over(self, owner: Owner) -> None:
        """Give it to another owner: the build is done, and another thread publishes it.

        From then on the thread that built may wait for it, as any other.
        """
        self.owner = owner
        self._thread = None

    def fail(self, problem: Exception) -> None:
        """Leave the error of the build for those who wait on this very lease."""
        if not self._is_held():
            return
        content = failure.compose(self.token, _holder().replace("p", "P", 1), problem)
        try:
            self._call(lambda: self._slot.tell(content))
        except OSError:
            return  # those who wait build for themselves, as if the builder had died

    def release(self, *, succeeded: bool) -> None:
        """Let others have it, from any thread. A forked child lets go of nothing."""
        if not self._is_held():
            return
        # What cannot be given back, nobody rewrites from now on, so it is taken over.
        with suppress(OSError, ValueError):
            self._call(lambda: self._give_back(succeeded=succeeded))
        _heart.drop(self)  # only now: until its slot is free, it is nobody else's

    def _give_back(self, *, succeeded: bool) -> None:
        if succeeded:
            self._slot.forget()
        self._slot.give_back(self.token)

    def renew(self) -> bool:
        """Show that its holder lives; whether it still is its own."""
        if not self._is_held() or self.owner.closed:
            return False
        self._heartbeats += 1
        try:
            return self._slot.beat(self.token, self._heartbeats)
        finally:
            self.next_beat = time.monotonic() + self._heartbeat_s

    def beat(self) -> None:
        """What the heart does, if it is time to; one that is lost is given back at once."""
        if self.owner.closed:
            self.lose()
        elif time.monotonic() < self.next_beat:
            return
        elif self.is_taken:
            with suppress(OSError, ValueError):  # the next one comes through
                self.renew()
        else:
            self.next_beat = time.monotonic() + self._heartbeat_s

    def keep(self) -> bool:
        """Whether it is still wanted, now that its slot is taken.

        Whoever wanted it may have been interrupted while another thread was asking for it.
        """
        if self.owner.closed:
            self._slot.give_back(self.token)
        return not self.owner.closed

    def abandon(self) -> None:
        """Leave it to the heart to give it back."""
        self.owner = Job()
        self.owner.close()
        _heart.ring()

    def lose(self) -> None:
        """Give back what nobody owns any more; what cannot be is stale soon."""
        with suppress(OSError, ValueError):
            self._slot.give_back(self.token)
        _heart.drop(self)

    def _is_held(self) -> bool:
        return self in _heart.leases  # which a forked child begins without


@final
class _Heart:
    """Beats for all leases of this process; its one thread is there while there are any.

    That is also the one that no interrupt reaches: what others lose, it finds.
    """

    def __init__(self) -> None:
        self.leases: tuple[SharedLease, ...] = ()
        self._lock = allocate_lock()
        self._bell = allocate_lock()  # taken while there is nothing new
        self._bell.acquire()
        self._beats = False

    def add(self, lease: SharedLease) -> None:
        with self._lock:
            self.leases = (*self.leases, lease)
            if self._beats:
                self._ring()
                return
            try:
                start_new_thread(self._run, ())
            except RuntimeError:  # no thread to be had: the lease holds until it is stale
                return

    def drop(self, lease: SharedLease) -> None:
        with self._lock:
            self.leases = tuple(other for other in self.leases if other is not lease)
            self._ring()

    def ring(self) -> None:
        """Have the heart look at its leases now."""
        with self._lock:
            self._ring()

    def _ring(self) -> None:
        if self._bell.locked():
            self._bell.release()

    def _run(self) -> None:
        with self._lock:
            if self._beats:  # whoever started the other was interrupted, or both came at once
                return
            self._beats = True
        while True:
            with self._lock:
                leases = self.leases
                if not leases:
                    self._beats = False
                    return
            for lease in leases:
                lease.beat()
            next_beat = min(lease.next_beat for lease in leases)
            self._bell.acquire(timeout=max(0.0, next_beat - time.monotonic()))


_heart = _Heart()


def _after_fork() -> None:
    """A child owns no lease, has no thread, and must not meet a lock that its parent's held."""
    global _heart  # noqa: PLW0603 - all of it is new in a child
    _heart = _Heart()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def acquire_slot(  # noqa: PLR0913 - each given by its name
    slot: Slot,
    host: str,
    on_problem: Callable[[str], None],
    *,
    call: Call = directly,
    heartbeat_s: float = 1.0,
    stale_s: float = 10.0,
    owner: Owner | None = None,
    wait: Wait | None = None,
) -> SharedLease | None:
    """Wait for the right to build, for as long as its holder's heart beats.

    Args:
        slot: of the key, which all hosts see.
        host: who asks: a text for this host and its keep. Who gives one must hold the local lease
            of the same key, so that a record of the same host that no lease of this process has
            made is that of a dead one, and is taken over at once. Empty where there is no local
            lease.
        on_problem: told when there can be no leases here; then everybody builds.
        call: does what touches the slot, which may hang; raises OSError where it gave up.
        heartbeat_s: after how long the holder shows again that it lives.
        stale_s: after how long without such a sign it is taken for dead.
        owner: holds it; by default, whoever releases it.
        wait: for how long; by default, for as long as its holder lives.

    Returns:
        The lease, or None where the slot has none to give, or the wait was given up.

    Raises:
        BuildFailed: the build that this caller was waiting for has raised.
        InvalidBuild: a build asks for the very thing that it is building.
    """
    if any(lease.is_of_this_thread(slot.label) for lease in _heart.leases):
        raise InvalidBuild(FOR_ONESELF)
    wait = Wait() if wait is None else wait
    begun_s = wait.waited_s
    digest = sha256(host.encode("utf-8", "surrogatepass")).hexdigest()
    token = os.urandom(record.TOKEN_DIGITS // 2).hex()
    wanted = _Wanted(slot, record.compose(token, digest, 0, _holder()), stale_s)
    lease = SharedLease(slot, token, heartbeat_s, call, Job() if owner is None else owner)
    _heart.add(lease)
    try:
        lease.is_taken = _wait_for(lease, wanted, wait, call, knows_own_dead=bool(host))
    except (OSError, ValueError) as problem:
        _heart.drop(lease)
        on_problem(
            f"Builds cannot be coordinated in {os.path.dirname(slot.label)}: {problem}. Several "
            "hosts may build the same thing."
        )
        return None
    except Exception:
        _heart.drop(lease)
        raise
    except BaseException:  # an interrupt, and nobody knows what was done already
        lease.abandon()
        raise
    if not lease.is_taken:
        _heart.drop(lease)
        return None
    lease.waited_s = wait.waited_s - begun_s
    return lease


@final
class _Wanted:
    """A slot that somebody waits for, with what is known of it.

    Attributes:
        slot: of the key.
        ours: the record to put there.
        liveness: of its holders.
        seen: tokens of those who were waited for.
        holder: the last of them.
    """

    def __init__(self, slot: Slot, ours: Record, stale_s: float) -> None:
        self.slot = slot
        self.ours = ours
        self.liveness = Liveness(stale_s)
        self.seen: set[str] = set()
        self.holder = ""

    def describe(self) -> str:
        """Who is waited for."""
        return f"{self.holder or 'another host or process'}, which holds {self.slot.label}"


def _wait_for(
    lease: SharedLease, wanted: _Wanted, wait: Wait, call: Call, *, knows_own_dead: bool
) -> bool:
    """Wait until the slot holds our token; whether it does, and the wait was not given up."""
    while not call(lambda: _look(lease, wanted, knows_own_dead=knows_own_dead)):
        if not wait.pause(FIRST_WAIT_S, wanted.describe):
            return False
    return True


def _look(lease: SharedLease, wanted: _Wanted, *, knows_own_dead: bool) -> bool:
    """Look at the slot, and do what there is to do about it; whether it is ours now."""
    slot, ours, seen = wanted.slot, wanted.ours, wanted.seen
    found = slot.look()
    if found is None or found.token not in seen:
        # Whom we waited for is gone, and may have said why. Asked for any earlier, a network
        # file system would remember that there was no such file.
        problem = failure.heard(slot.told, seen)
        if problem is not None:
            raise problem
    if found is None:
        return slot.create(ours) and lease.keep()
    if found.token == ours.token:  # made, though the server's answer was lost
        return True
    seen.add(found.token)
    wanted.holder = found.holder
    is_own = knows_own_dead and found.owner == ours.owner
    if wanted.liveness.is_stale(found) or (is_own and not _is_alive(found.token)):
        slot.take_away(found)
    return False


def _is_alive(token: str) -> bool:
    """Whether a lease of our own is still held here: its publishing goes on in the background."""
    return any(lease.token == token for lease in _heart.leases)


def _holder() -> str:
    return f"process {os.getpid()} on {os.uname().nodename}"
