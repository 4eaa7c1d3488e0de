"""Single flight: of all who want one artifact at once, one builds and the others wait.

A lease saves work and never carries correctness: without one, two build the same thing. It is an
advisory lock on a file, which the kernel lets go of when its holder dies, however it dies.
"""

from __future__ import annotations

import os
import time
from _thread import get_ident

from emberkeep.errors import BuildFailed, InvalidBuild
from emberkeep.light import final
from emberkeep.store import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_WAIT_S = 0.001
LONGEST_WAIT_S = 0.05
SAY_SO_AFTER_S = 10.0
TOKEN_LIMIT = 128
MESSAGE_LIMIT = 1 << 16


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
        message = f"{self._token}\n{_describe(problem)}"
        content = message.encode("utf-8", "backslashreplace")[:MESSAGE_LIMIT]
        try:
            files.write_file(_failure_path(self.path), content, os.path.dirname(self.path))
        except OSError:
            return  # those who wait build for themselves, as if the builder had died

    def release(self, *, succeeded: bool) -> None:
        """Let others have it. A forked child, which only has a copy, lets go of nothing."""
        if not self._is_held():
            return
        _held.remove(self)
        if succeeded:
            files.remove_file(_failure_path(self.path))
        files.remove_file(self.path)  # before unlocking, so that nobody gets a lock on its remains
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
        raise InvalidBuild(
            "A build asked for the artifact that it is building. Builds may ask for others, "
            "not for themselves."
        )
    started, said, wait = time.monotonic(), False, FIRST_WAIT_S
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
        waited = time.monotonic() - started
        if holder is None:
            return _take(path, descriptor, waited)
        if holder:
            seen.add(holder)
        if waited > SAY_SO_AFTER_S and not said:
            said = True
            _say(f"waiting for process {holder.partition('-')[0]}, which builds {name}")
        time.sleep(wait)
        wait = min(wait * 1.5, LONGEST_WAIT_S)


def _open(path: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | files.NO_FOLLOW
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        files.make_folder(os.path.dirname(path))
        return os.open(path, flags, 0o600)


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
        files.remove_file(path)  # no locks here: don't leave a file for every key
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


def _failure_path(path: str) -> str:
    return f"{path}.failed"


def _raise_failure(path: str, seen: set[str], descriptor: int | None) -> None:
    """Raise the error of a build that this caller was waiting for."""
    if not seen:
        return
    try:
        content = files.read_file(_failure_path(path), MESSAGE_LIMIT)
    except (OSError, ValueError):
        return
    token, _, message = content.decode("utf-8", "replace").partition("\n")
    if token in seen:
        if descriptor is not None:
            files.remove_file(path)
            _close(descriptor)
        raise BuildFailed(
            f"Process {token.partition('-')[0]} was building this and failed with {message}. "
            "Call again to try the build here."
        )


def _close(descriptor: int) -> None:
    """Close a lock file; the lock goes with it even where the file system reports an error."""
    try:
        os.close(descriptor)
    except OSError:  # what a network file system failed to write was only the token
        return


def _describe(problem: Exception) -> str:
    try:
        return f"{type(problem).__name__}: {problem}"
    except Exception:  # noqa: BLE001 - its `__str__` is the user's, and may do anything
        return type(problem).__name__


def _say(text: str) -> None:
    import logging

    logging.getLogger("emberkeep.lease").info(text)
