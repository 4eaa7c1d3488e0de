"""The folder of a store: one solve's alone while it is written, and what outlasts a power cut."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from typing import TYPE_CHECKING, final

from emberkeep.errors import InvalidPlan
from emberkeep.ode.stored.result import DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

UNSETTLED = (errno.EINVAL, errno.ENOTSUP)  # of folders, where only files can be settled


@final
class Folder:
    """A folder that nobody else writes to until it is left.

    It is locked, not marked: where a process ends, however that is, its folder is free.

    Args:
        path: of the folder, which is made where it is not there.

    Raises:
        InvalidPlan: another solve is writing to it.
    """

    def __init__(self, path: str) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkdir(path)
        self._path = path
        self._number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.leave()
            raise InvalidPlan(
                f"Another solve is writing its results to {path}. Pass another into="
            ) from None
        except OSError:  # this file system locks nothing
            pass

    def empty(self) -> None:
        """Remove what is in it; first of all what says that it is a result."""
        for name in sorted(os.listdir(self._path), key=lambda name: name != DOCUMENT):
            path = os.path.join(self._path, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)

    def settle(self, files: Iterable[str], is_over: Callable[[], bool]) -> None:
        """Return once files that were written are on the disk itself, with the folders to them.

        Args:
            files: their paths in the folder.
            is_over: whether nobody waits for it any more.
        """
        folders: set[str] = set()
        for file in files:
            if is_over():
                return
            _settle(os.path.join(self._path, file))
            while file := os.path.dirname(file):
                folders.add(file)
        for folder in ("", *folders):
            _settle(os.path.join(self._path, folder), unless=UNSETTLED)

    def leave(self) -> None:
        """Let others write to it."""
        os.close(self._number)


def _settle(path: str, unless: Collection[int] = ()) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as problem:
        if problem.errno not in unless:
            raise
    finally:
        os.close(number)
