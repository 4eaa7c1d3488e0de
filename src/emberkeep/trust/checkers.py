"""Signatures checked by processes of their own, before they are asked for.

Checking one takes as long as all else that is done to bring an artifact, and Python's lock is held
meanwhile: threads would wait for one another. These processes know nothing but the mathematics.
They are given public keys, digests and signatures as lines of text, and answer with digits. What
they find right `signatures` remembers as if it had checked it. All else it checks itself, as it
does where they fail.
"""

from __future__ import annotations

import os
import sys
from collections import deque

from emberkeep.startup_records import final
from emberkeep.trust.signatures import can_be_right, check, manifest_message, remember

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from subprocess import Popen
    from typing import BinaryIO, Self

    from emberkeep.store.protocol import Stamps

    Asked = tuple[str, str, str]

MOST = 2  # bringing the rest takes as long as so many need
AHEAD = 2  # batches that each is given before the first is asked for
PATIENCE_S = 5.0  # a batch takes milliseconds; one that was stopped is not waited for
PROGRAM = (
    "import sys; sys.path[:] = sys.argv[1:]; from emberkeep.trust.checkers import serve; "
    "serve(sys.stdin.buffer, sys.stdout.buffer)"
)
RIGHT = ord("1")
HELLO = b"\n"  # an answer to nothing: it has begun


@final
class Checkers:
    """Processes that check signatures; none where there is no processor for one.

    They begin with the first signature. Used as a context: they end with it, and with this
    process, however that ends.
    """

    def __init__(self, most: int = MOST) -> None:
        self._given: deque[tuple[_Checker, Sequence[Asked]] | None] = deque()
        self._count = min(most, (os.cpu_count() or 1) - 1)
        self._all: list[_Checker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._count = 0
        for checker in self._all:
            checker.end()

    @property
    def ahead(self) -> int:
        """How many batches are to be given before the first of them is settled."""
        return AHEAD * self._count

    def give(self, batch: Sequence[Stamps | None]) -> None:
        """Have the signatures of a batch of documents checked, by whoever has least to do."""
        asked = [
            (each.by, stamps.payload, each.value)
            for stamps in batch
            if stamps is not None
            for each in stamps.signatures
            if can_be_right(each.by, each.value)
        ]
        if asked and not self._all:
            self._all = [_Checker() for _ in range(self._count)]
        able = [checker for checker in self._all if checker.is_ready()]
        checker = min(able, key=lambda each: each.given, default=None)
        is_given = checker is not None and asked and checker.give(asked)
        self._given.append((checker, asked) if checker is not None and is_given else None)

    def settle(self) -> None:
        """Wait for the answers to the oldest batch, and remember what is right."""
        given = self._given.popleft()
        if given is None:
            return
        checker, asked = given
        for (by, payload, value), digit in zip(asked, checker.answer(), strict=False):
            if digit == RIGHT:
                remember((by, manifest_message(payload), value), right=True)


@final
class _Checker:
    """One process, and how many batches it has to do."""

    def __init__(self) -> None:
        self.given = 0
        self._process = _start()
        self._has_begun = False

    def is_ready(self) -> bool:
        """Whether it has begun, and has not failed."""
        if not self._has_begun and self._process is not None and self._has_answered(0.0):
            self._has_begun = True
            self._read_line()
        return self._has_begun and self._process is not None

    def give(self, asked: Sequence[Asked]) -> bool:
        """Hand a batch over; whether it could be."""
        process = self._process
        if process is None or process.stdin is None:
            return False
        text = "".join(f"{by} {payload} {value}\n" for by, payload, value in asked) + "\n"
        try:
            process.stdin.write(text.encode("ascii"))
            process.stdin.flush()
        except OSError:
            self.end()
            return False
        self.given += 1
        return True

    def answer(self) -> bytes:
        """The answers to the oldest batch: digits; empty where it has failed."""
        self.given -= 1
        if self._process is None or not self._has_answered(PATIENCE_S):
            self.end()
            return b""
        return self._read_line()

    def _has_answered(self, seconds: float) -> bool:
        import select

        process = self._process
        if process is None or process.stdout is None:
            return False
        return bool(select.select([process.stdout], [], [], seconds)[0])

    def _read_line(self) -> bytes:
        """Unbuffered, or what is there already would not be seen by `select`."""
        process = self._process
        if process is None or process.stdout is None:
            return b""
        line = process.stdout.readline()
        if not line.endswith(b"\n"):
            self.end()
            return b""
        return line[:-1]

    def end(self) -> None:
        """End the process; what it was given is checked by others."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was not handed over goes nowhere
                    continue
        process.wait()


def _start() -> Popen[bytes] | None:
    """A process that imports what this one would; None where none can be started."""
    import subprocess

    if os.name != "posix":
        return None  # there, nobody can tell whether a pipe has an answer
    if not os.path.basename(sys.executable or "").startswith("python"):
        return None  # Python is built into a program that would be started again
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, *(path or "." for path in sys.path)]
    try:
        return subprocess.Popen(  # noqa: S603 - this Python, with a program of ours
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
    except (OSError, ValueError):
        return None


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer batch after batch, until there are no more: what such a process does."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever asks
    answers.write(HELLO)
    answers.flush()
    digits: list[str] = []
    for line in questions:
        if line != b"\n":
            by, payload, value = line.decode("ascii").split()
            digits.append(str(int(check(by, manifest_message(payload), value))))
            continue
        answers.write("".join(digits).encode() + b"\n")
        answers.flush()
        digits.clear()
