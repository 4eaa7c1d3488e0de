"""Standard output and error as a shell may give them: closed, full, or read by nobody."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from io import TextIOBase

from emberkeep.errors import EmberkeepError
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any, TextIO


class OutputProblem(EmberkeepError):  # noqa: N818 - reads as what it says
    """The answer could not be written; what was to be done is done."""


@final
class _Closed(TextIOBase):
    """What stands in for a stream that the shell has closed."""

    def __init__(self, *, is_needed: bool) -> None:
        self._is_needed = is_needed

    @property
    def buffer(self) -> object:
        """Nor can bytes be written."""
        raise OSError(errno.EBADF, "Standard output is closed")

    def write(self, _text: str) -> int:
        """Fail where somebody needs what is written."""
        if self._is_needed:
            raise OSError(errno.EBADF, "it is closed")
        return 0


@contextmanager
def given_streams() -> Generator[None]:
    """Have streams that can be written to, if in vain; Python has none where they are closed."""
    system: Any = sys
    before = system.stdout, system.stderr
    if system.stdout is None:
        system.stdout = _Closed(is_needed=True)
    if system.stderr is None:
        system.stderr = _Closed(is_needed=False)
    try:
        yield
    finally:
        system.stdout, system.stderr = before


def write_out(text: str) -> None:
    """Write to standard output.

    Raises:
        BrokenPipeError: whoever read it has gone away.
        OutputProblem: it is closed, or the disk is full.
    """
    try:
        sys.stdout.write(text)
    except BrokenPipeError:
        raise
    except OSError as problem:
        silence(sys.stdout)
        raise OutputProblem(_failed(problem)) from problem


def flush_out() -> None:
    """Have what was written gone; what goes wrong shows here, not at exit.

    Raises:
        BrokenPipeError: whoever read it has gone away.
        OutputProblem: the disk is full.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as problem:
        silence(sys.stdout)
        raise OutputProblem(_failed(problem)) from problem


def _failed(problem: OSError) -> str:
    return f"The answer cannot be written to standard output: {problem.strerror}"


def write_error(text: str) -> None:
    """Write to standard error; where that cannot be, the exit code has to say it."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """What is still buffered goes nowhere, so that the exit is quiet."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):  # a stream without a file has no buffer to lose
        return
