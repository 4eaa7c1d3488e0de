"""Single flight over a folder that several hosts share: a file with a heartbeat.

There, no kernel knows who lives. So a holder writes into its file again and again, and who waits
watches: a file whose heartbeats have not grown for long, on the waiter's own clock, is nobody's.
Clocks are never compared, neither with each other nor with a file's times.

A holder that was stopped for so long, and goes on later, finds its file gone or another's and
leaves it alone; then two have built the same, which is all that can happen here.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock, get_ident, start_new_thread

from emberkeep.errors import InvalidBuild
from emberkeep.lease import failure, record
from emberkeep.lease.waiting import FOR_ONESELF, Wait
from emberkeep.light import final, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol, TypeVar

    from emberkeep.lease.record import Record

    T = TypeVar("T")

    class Call(Protocol):
        """Calls a function, perhaps with a deadline."""

        def __call__(self, work: Callable[[], T]) -> T:
            """What the function returns, or raises."""
            ...


FIRST_WAIT_S = 0.002
LONGEST_WAIT_S = 0.05
PATIENT_AFTER_S = 60.0
LONGEST_PATIENT_WAIT_S = 0.1

# Of the time after which a lease is stale, what may pass between two looks. A waiter that was
# itself stopped, or waited long for the server, has not watched all that time.
LONGEST_LOOK_AWAY = 0.25


def directly(work: Callable[[], T]) -> T:
    """Call without a deadline, where nothing can hang."""
    return work()


@final
class SharedLease:
    """The right to build one key, of all hosts that share a folder, held until `release`.

    Attributes:
        waited_s: how long it took to get it.
    """

    def __init__(
        self, path: str, token: str, waited_s: float, heartbeat_s: float, call: Call
    ) -> None:
        self.path = path
        self._call = call
        self.token = token
        self.waited_s = waited_s
        self.next_beat = time.monotonic() + heartbeat_s
        self._heartbeat_s = heartbeat_s
        self._heartbeats = 0
        self._thread: int | None = get_ident()
        _heart.add(self)

    def is_of_this_thread(self, path: str) -> bool:
        """Whether waiting for this path would be waiting for oneself."""
        return self.path == path and self._thread == get_ident()

    def hand_over(self) -> None:
        """Say that the build is done, and another thread publishes it and releases the lease.

        From then on the thread that built may wait for it, as any other.
        """
        self._thread = None

    def fail(self, problem: Exception) -> None:
        """Leave the error of the build for those who wait on this very lease."""
        if not self._is_held():
            return
        builder = f"Process {os.getpid()} on {os.uname().nodename}"
        content = failure.compose(self.token, builder, problem)
        try:
            self._call(lambda: record.replace(failure.path_for(self.path), content))
        except OSError:
            return  # those who wait build for themselves, as if the builder had died

    def release(self, *, succeeded: bool) -> None:
        """Let others have it, from any thread. A forked child lets go of nothing."""
        if not self._is_held():
            return
        try:
            self._call(lambda: self._give_back(succeeded=succeeded))
        except (OSError, ValueError):
            return  # nobody rewrites it from now on, so it is taken over
        finally:
            _heart.drop(self)  # only now: until its file is gone, it is nobody else's

    def _give_back(self, *, succeeded: bool) -> None:
        if succeeded:
            record.discard(failure.path_for(self.path))
        record.give_back(self.path, self.token)

    def beat(self) -> None:
        """Show that its holder lives, if it is time to."""
        if time.monotonic() < self.next_beat:
            return
        self._heartbeats += 1
        try:
            record.beat(self.path, self.token, self._heartbeats)
        except OSError:
            return  # it was taken from us; or the next one comes through
        finally:
            self.next_beat = time.monotonic() + self._heartbeat_s

    def _is_held(self) -> bool:
        return self in _heart.leases  # which a forked child begins without


@final
class _Heart:
    """Beats for all leases of this process; its one thread is there while there are any."""

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
            self._beats = True

    def drop(self, lease: SharedLease) -> None:
        with self._lock:
            self.leases = tuple(other for other in self.leases if other is not lease)
            self._ring()

    def _ring(self) -> None:
        if self._bell.locked():
            self._bell.release()

    def _run(self) -> None:
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


def acquire_shared(
    folder: str,
    name: str,
    owner: str,
    on_problem: Callable[[str], None],
    *,
    call: Call = directly,
    heartbeat_s: float = 1.0,
    stale_s: float = 10.0,
) -> SharedLease | None:
    """Wait for the right to build, for as long as its holder's heart beats.

    Args:
        folder: where leases lie. It is made if its parent, the shared root, is there, and permits
            others what that does.
        name: of what is to be built; a plain file name.
        owner: who asks: a text for this host and its keep. Who gives one must hold the local lease
            of the same key, so that a file of the same owner that no lease of this process has made
            is that of a dead one, and is taken over at once. Empty where there is no local lease.
        on_problem: told when there can be no leases here; then everybody builds.
        call: does what touches the folder, which may hang; raises OSError where it gave up.
        heartbeat_s: after how long the holder shows again that it lives.
        stale_s: after how long without such a sign it is taken for dead.

    Returns:
        The lease, or None where the folder has none to give.

    Raises:
        BuildFailed: the build that this caller was waiting for has raised.
        InvalidBuild: a build asks for the very thing that it is building.
    """
    path = os.path.join(folder, f"{name}.lease")
    if any(lease.is_of_this_thread(path) for lease in _heart.leases):
        raise InvalidBuild(FOR_ONESELF)
    wait = Wait(FIRST_WAIT_S)
    digest = sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()
    ours = record.compose(os.urandom(record.TOKEN_DIGITS // 2).hex(), digest, 0)
    try:
        _wait_for(path, ours, _Watch(stale_s), wait, call, knows_own_dead=bool(owner))
    except (OSError, ValueError) as problem:
        on_problem(
            f"Builds cannot be coordinated in {folder}: {problem}. Several hosts "
            "may build the same thing."
        )
        return None
    return SharedLease(path, ours.token, wait.waited_s, heartbeat_s, call)


@final
class _Watch:
    """For how long there was no sign of life, by the clock of this process.

    A sign is a token or a number of heartbeats that was never seen before: what a network file
    system shows again of the past is none.
    """

    def __init__(self, stale_s: float) -> None:
        self._stale_s = stale_s
        self._looked = time.monotonic()
        self._heartbeats: dict[str, int] = {}
        self._without_s = 0.0

    def is_stale(self, found: Record) -> bool:
        """Whether with what was found now there has been no sign of life for too long."""
        now = time.monotonic()
        passed_s = min(now - self._looked, self._stale_s * LONGEST_LOOK_AWAY)
        self._looked = now
        known = self._heartbeats.get(found.token)
        if known is None or found.heartbeats > known:
            self._heartbeats[found.token] = found.heartbeats
            self._without_s = 0.0
        else:
            self._without_s += passed_s
        return self._without_s > self._stale_s


def _wait_for(
    path: str, ours: Record, watch: _Watch, wait: Wait, call: Call, *, knows_own_dead: bool
) -> None:
    """Return once the file is there with our token in it."""
    seen: set[str] = set()

    def look() -> bool:
        return _look(path, ours, watch, seen, knows_own_dead=knows_own_dead)

    while not call(look):
        longest_s = LONGEST_WAIT_S if wait.waited_s < PATIENT_AFTER_S else LONGEST_PATIENT_WAIT_S
        wait.pause(longest_s, f"another host or process, which holds {path}")


def _look(path: str, ours: Record, watch: _Watch, seen: set[str], *, knows_own_dead: bool) -> bool:
    """Look at the file, and do what there is to do about it; whether it is ours now."""
    found = record.look(path)
    if found is None or found.token not in seen:
        # Whom we waited for is gone, and may have said why. Asked for any earlier, a network
        # file system would remember that there was no such file.
        problem = failure.heard(path, seen)
        if problem is not None:
            raise problem
    if found is None:
        return record.create(path, ours)
    if found.token == ours.token:  # made, though the server's answer was lost
        return True
    seen.add(found.token)
    is_own = knows_own_dead and found.owner == ours.owner
    if watch.is_stale(found) or (is_own and not _is_alive(found.token)):
        record.take_away(path, found)
    return False


def _is_alive(token: str) -> bool:
    """Whether a lease of our own is still held here: its publishing goes on in the background."""
    return any(lease.token == token for lease in _heart.leases)
