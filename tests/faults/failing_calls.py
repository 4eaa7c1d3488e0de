"""System calls that fail: the n-th of all that a piece of work makes, in this very process."""

import builtins
import errno
import fcntl
import mmap
import os
from contextlib import contextmanager
from threading import Lock

OPERATIONS = (
    *("open", "read", "write", "pwrite", "close", "fsync", "ftruncate", "memfd_create"),
    *("replace", "rename", "link", "symlink", "unlink", "rmdir", "mkdir"),
    *("stat", "lstat", "fstat", "statvfs", "access", "readlink"),
    *("utime", "chmod", "fchmod", "scandir", "listdir"),
)
ERRORS = ("ENOENT", "EIO", "EACCES", "ENOSPC", "EMFILE", "ESTALE", "EINTR", "EROFS", "ENOTDIR")
LOST = frozenset(["replace", "rename", "link", "unlink", "mkdir", "write", "close"])


class Failing:
    """Fails at one call, or from one call on; with `after`, when the call has done its work.

    Attributes:
        count: of all calls so far.
        failed: the names of those that failed.
    """

    def __init__(self, number=0, code=0, *, lasting=False, after=False):
        self.count, self.failed = 0, []
        self._number, self._code = number, code
        self._lasting, self._after = lasting, after
        self._lock = Lock()  # calls come from the threads of shared places, too

    def call(self, name, operation, arguments, options):
        with self._lock:
            self.count += 1
            fails = self.count == self._number or (self._lasting and self.count > self._number > 0)
            if fails:
                self.failed.append(name)
        if not fails:
            return operation(*arguments, **options)
        if name == "close" or (self._after and name in LOST):
            operation(*arguments, **options)  # close(2) has closed, whatever it says
        told = [argument for argument in arguments if isinstance(argument, str)][:1]
        raise OSError(self._code, os.strerror(self._code), *told)

    @contextmanager
    def installed(self):
        """While this lasts, all calls by way of `os` and its like are counted."""
        places = [(os, name) for name in OPERATIONS if hasattr(os, name)]
        places += [(fcntl, "flock"), (mmap, "mmap"), (builtins, "open")]
        before = [(place, name, getattr(place, name)) for place, name in places]
        for place, name, operation in before:
            setattr(place, name, self._counting(name, operation))
        try:
            yield self
        finally:
            for place, name, operation in before:
                setattr(place, name, operation)

    def _counting(self, name, operation):
        def counting(*arguments, **options):
            return self.call(name, operation, arguments, options)

        return counting


def code_of(name):
    return getattr(errno, name)
