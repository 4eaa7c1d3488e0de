"""Single flight among the processes of one host: an advisory lock on a file.

The kernel lets go of it when its holder dies, however it dies, and when its owner is closed.
"""

from __future__ import annotations

import fcntl
import os
import time
from _io import FileIO
from _thread import get_ident
from contextlib import suppress

from emberkeep.errors import InvalidBuild
from emberkeep.lease import failure
from emberkeep.lease.ancestry import is_within
from emberkeep.lease.record import read
from emberkeep.lease.wait import FOR_ONESELF, Wait
from emberkeep.startup_records import final
from emberkeep.store import files
from emberkeep.store.files import ALONE
from emberkeep.store.no_follow import in_folder, remove_within, write_within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_WAIT_S = 0.001
TOKEN_LIMIT = 128


@final
class LocalLease:
    """The right to build one key among the processes of a host.

    Attributes:
        path: of its file.
        owner: on whose descriptor the lock is.
        waited_s: how long it took to get it.
    """

    def __init__(self, path: str, owner: FileIO, token: str, waited_s: float) -> None:
        self.path = path
        self.owner = owner
        self.waited_s = waited_s
        self._token = token
        self._process = os.getpid()
        self._thread = get_ident()
        _held.append(self)

    @property
    def holder(self) -> str:
        """This process."""
        return _describe(self._token)

    def is_of_this_thread(self, path: str) -> bool:
        """Whether waiting for this path would be waiting for oneself."""
        return self.path == path and self._thread == get_ident() and not self.owner.closed

    def renew(self) -> bool:
        """Whether it still is its own: the kernel knows that its holder lives."""
        return self._is_held() and os.fstat(self.owner.fileno()).st_nlink > 0

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
        if succeeded:
            _remove(failure.path_for(self.path))
        if _has_its_name(self.owner):
            _remove(self.path)  # before unlocking, so that nobody gets a lock on its remains
        _unlock(self.owner)
        _close(self.owner)
        _forget(self)

    def _is_held(self) -> bool:
        return self._process == os.getpid() and self in _held and not self.owner.closed


_held: list[LocalLease] = []  # by this process, and not yet given back


def _after_fork() -> None:
    """Close the copies of locks that a forked child inherited, or they would outlive us."""
    for lease in _held:
        _close(lease.owner)
    _held.clear()


def _forget(lease: LocalLease) -> None:
    with suppress(ValueError):  # another thread was faster
        _held.remove(lease)


def _forget_lost() -> None:
    for lease in tuple(_held):  # others come and go
        if lease.owner.closed:
            _forget(lease)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def open_lock() -> FileIO:
    """An owner of locks, for the length of a ``with``, which closes it without a line of Python."""
    return FileIO(os.devnull)


def acquire(
    folder: str,
    name: str,
    on_problem: Callable[[str], None],
    *,
    owner: FileIO | None = None,
    wait: Wait | None = None,
) -> LocalLease | None:
    """Wait for the right to build among the processes of this host.

    Args:
        folder: where leases lie.
        name: of what is to be built; a plain file name.
        on_problem: told when there can be no leases here; then everybody builds.
        owner: holds it, and no other one of this kind, and is closed with its release; by default,
            one of its own.
        wait: for how long; by default, without an end.

    Returns:
        The lease, or None where the file system has none to give, or the wait was given up.

    Raises:
        BuildFailed: the build that this caller was waiting for has raised.
        InvalidBuild: a build asks for the very thing that it is building.
    """
    path = os.path.join(folder, f"{name}.lock")
    _forget_lost()
    if any(lease.is_of_this_thread(path) for lease in tuple(_held)):
        raise InvalidBuild(FOR_ONESELF)
    wait = Wait() if wait is None else wait
    if owner is not None:
        return _acquire(path, on_problem, owner, wait)
    own, lease = open_lock(), None
    try:
        lease = _acquire(path, on_problem, own, wait)
    finally:
        if lease is None:
            own.close()
    return lease


def _acquire(
    path: str, on_problem: Callable[[str], None], owner: FileIO, wait: Wait
) -> LocalLease | None:
    begun_s = wait.waited_s
    seen: set[str] = set()
    try:
        while (token := _lock(path, owner)) is not None:
            _raise_failure(path, seen)
            if token and token not in seen:
                seen.add(token)
                if _is_within(token, owner):
                    builder = _describe(token)
                    wait.give_up(f"{builder} builds it, and has started this one within the build")
                    return None
            if not wait.pause(FIRST_WAIT_S, lambda token=token: _describe(token)):
                return None
    except OSError as problem:
        # A missing, full or read-only folder, one without locks, or no descriptor to be had.
        on_problem(
            f"Builds cannot be coordinated in {os.path.dirname(path)}: {problem}. Several "
            "processes may build the same thing."
        )
        return None
    lease = LocalLease(path, owner, _write_token(owner), wait.waited_s - begun_s)
    try:
        _raise_failure(path, seen)
    except BaseException:
        lease.release(succeeded=False)
        raise
    return lease


def _lock(path: str, owner: FileIO) -> str | None:
    """None once the lock is the owner's; else the token of its holder.

    An empty text stands for a holder that has not written its token yet. The file is put in the
    place of the owner's before it is locked, so that no lock is ever anybody else's.
    """
    descriptor = _open(path)
    try:
        os.dup2(descriptor, owner.fileno(), inheritable=False)
    finally:
        os.close(descriptor)
    try:
        fcntl.flock(owner.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(owner.fileno(), TOKEN_LIMIT).decode("ascii", "replace")
    except OSError:
        _remove(path)  # no locks here: don't leave a file for every key
        raise
    # The last holder removes the file: a lock on what it removed is worth nothing.
    return None if os.fstat(owner.fileno()).st_nlink > 0 else ""


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


def _has_its_name(owner: FileIO) -> bool:
    """Whether the file is still there: where somebody has removed it, another's may be."""
    try:
        return os.fstat(owner.fileno()).st_nlink > 0
    except OSError:
        return True


def _write_token(owner: FileIO) -> str:
    token = files.unique_name()
    try:
        os.ftruncate(owner.fileno(), 0)
        os.write(owner.fileno(), token.encode())
    except OSError:  # a full disk: the lock holds all the same, only failures cannot be told
        return ""
    return token


def _describe(token: str) -> str:
    """The holder of a lock, and whether it was stopped: as by Ctrl-Z."""
    process = token.partition("-")[0]
    if not process.isdecimal():
        return "another process"
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            state = file.read().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        state = b""
    return f"process {process}{', which is stopped' if state in (b'T', b't') else ''}"


def _is_within(token: str, owner: FileIO) -> bool:
    """Whether the holder has started this process since it wrote its token."""
    process = token.partition("-")[0]
    age_s = time.time() - os.fstat(owner.fileno()).st_mtime
    return process.isdecimal() and is_within(int(process), age_s)


def _raise_failure(path: str, seen: set[str]) -> None:
    """Raise the error of a build that this caller was waiting for."""
    problem = failure.heard(lambda: read(failure.path_for(path), failure.MESSAGE_LIMIT), seen)
    if problem is not None:
        raise problem


def _unlock(owner: FileIO) -> None:
    """Let go of the lock, for copies of the descriptor, too: in children that were forked."""
    try:
        fcntl.flock(owner.fileno(), fcntl.LOCK_UN)
    except OSError:
        _close(owner)


def _close(owner: FileIO) -> None:
    """Close a lock file; the lock goes with it even where the file system reports an error."""
    try:
        owner.close()
    except OSError:  # what a network file system failed to write was only the token
        return
