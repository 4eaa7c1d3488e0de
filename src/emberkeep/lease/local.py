"""Single flight on one host: an advisory lock on a file.

The kernel lets go of it when its holder dies, however it dies.
"""

from __future__ import annotations

import os
from _thread import get_ident

from emberkeep.errors import InvalidBuild
from emberkeep.lease import failure
from emberkeep.lease.waiting import FOR_ONESELF, Wait
from emberkeep.light import final
from emberkeep.store import files
from emberkeep.store.files import ALONE
from emberkeep.store.within import in_folder, remove_within, write_within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_WAIT_S = 0.001
LONGEST_WAIT_S = 0.05
TOKEN_LIMIT = 128


@final
class Lease:
    """The right to build one key, held until `release`.

    Attributes:
        waited_s: how long it took to get it.
    """

    def __init__(self, path: str, descriptor: int, token: str, waited_s: float) -> None:
        self.path = path
        self.waited_s = waited_s
        self._descriptor = descriptor
        self._token = token
        self._process = os.getpid()
        self._thread = get_ident()
        _held.append(self)

    def is_of_this_thread(self, path: str) -> bool:
        """Whether waiting for this path would be waiting for oneself."""
        return self.path == path and self._thread == get_ident()

    def fail(self, problem: Exception) -> None:
        """Leave the error of the build for those who wait on this very lease."""
        if not self._is_held():
            return
        content = failure.compose(self._token, f"Process {self._process}", problem)
        try:
            write_within(_root(self.path), failure.path_for(self.path), content)
        except OSError:
            return  # those who wait build for themselves, as if the builder had died

    def release(self, *, succeeded: bool) -> None:
        """Let others have it. A forked child, which only has a copy, lets go of nothing."""
        if not self._is_held():
            return
        _held.remove(self)
        if succeeded:
            _remove(failure.path_for(self.path))
        _remove(self.path)  # before unlocking, so that nobody gets a lock on its remains
        _close(self._descriptor)

    def _is_held(self) -> bool:
        return self._process == os.getpid() and self in _held

    def abandon(self) -> None:
        """Close the copy of the lock that a forked child inherited, or it would outlive us."""
        _close(self._descriptor)


_held: list[Lease] = []


def _after_fork() -> None:
    for lease in _held:
        lease.abandon()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def acquire(folder: str, name: str, on_problem: Callable[[str], None]) -> Lease | None:
    """Wait for the right to build, for as long as its holder lives.

    Args:
        folder: where leases lie.
        name: of what is to be built; a plain file name.
        on_problem: told when there can be no leases here; then everybody builds.

    Returns:
        The lease, or None where the file system has none to give.

    Raises:
        BuildFailed: the build that this caller was waiting for has raised.
        InvalidBuild: a build asks for the very thing that it is building.
    """
    path = os.path.join(folder, f"{name}.lock")
    if any(lease.is_of_this_thread(path) for lease in tuple(_held)):  # others come and go
        raise InvalidBuild(FOR_ONESELF)
    wait = Wait(FIRST_WAIT_S)
    seen: set[str] = set()
    while True:
        try:
            descriptor = _open(path)
            holder = _lock(descriptor, path)
        except OSError as problem:
            # A missing, full or read-only folder, or one without locks.
            on_problem(
                f"Builds cannot be coordinated in {folder}: {problem}. Several processes "
                "may build the same thing."
            )
            return None
        _raise_failure(path, seen, descriptor if holder is None else None)
        if holder is None:
            return _take(path, descriptor, wait.waited_s)
        if holder:
            seen.add(holder)
        process = holder.partition("-")[0]
        wait.pause(LONGEST_WAIT_S, f"process {process}, which builds {name}")


def _open(path: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | files.NO_FOLLOW
    return in_folder(
        _root(path), path, lambda folder, name: os.open(name, flags, 0o600, dir_fd=folder), ALONE
    )


def _root(path: str) -> str:
    """The keep, in which the folder of leases is."""
    return os.path.dirname(os.path.dirname(path))


def _remove(path: str) -> None:
    remove_within(_root(path), path)


def _lock(descriptor: int, path: str) -> str | None:
    """None once the lock is ours; else, with the descriptor closed, the token of its holder.

    An empty text stands for a holder that has not written its token yet.
    """
    import fcntl

    ours = False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The last holder removes the file: a lock on what it removed is worth nothing.
        ours = os.fstat(descriptor).st_nlink > 0
    except BlockingIOError:
        return os.read(descriptor, TOKEN_LIMIT).decode("ascii", "replace")
    except OSError:
        _remove(path)  # no locks here: don't leave a file for every key
        raise
    finally:
        if not ours:
            _close(descriptor)
    return None if ours else ""


def _take(path: str, descriptor: int, waited_s: float) -> Lease:
    token = files.unique_name()
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, token.encode())
    except OSError:  # a full disk: the lock holds all the same, only failures cannot be told
        token = ""
    return Lease(path, descriptor, token, waited_s)


def _raise_failure(path: str, seen: set[str], descriptor: int | None) -> None:
    """Raise the error of a build that this caller was waiting for."""
    problem = failure.heard(path, seen)
    if problem is None:
        return
    if descriptor is not None:
        _remove(path)
        _close(descriptor)
    raise problem


def _close(descriptor: int) -> None:
    """Close a lock file; the lock goes with it even where the file system reports an error."""
    try:
        os.close(descriptor)
    except OSError:  # what a network file system failed to write was only the token
        return
