"""Progress of long work, drawn for whoever watches."""

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from time import monotonic
from types import TracebackType
from typing import TextIO, final

from emberkeep.telemetry.report import format_seconds
from emberkeep.telemetry.sinks.protocol import warn_dropped
from emberkeep.telemetry.sinks.terminal import drawn, is_terminal, write_text

_SECONDS_BETWEEN_LINES = 5.0
_SECONDS_BETWEEN_DRAWINGS = 0.1
_BAR_WIDTH = 30


class Display(ABC):
    """A way to show how far work has come."""

    @abstractmethod
    def interval_s(self) -> float:
        """Return how long to wait between two drawings."""

    @abstractmethod
    def draw(self, name: str, done: int, total: int, remark: str) -> None:
        """Show the state."""

    @abstractmethod
    def finish(self, name: str, done: int, total: int, remark: str) -> None:
        """Show the last state and leave the stream at the start of a line."""


@final
class Silence(Display):
    """Shows nothing."""

    def interval_s(self) -> float:
        """Return forever."""
        return float("inf")

    def draw(self, name: str, done: int, total: int, remark: str) -> None:
        """Do nothing."""

    def finish(self, name: str, done: int, total: int, remark: str) -> None:
        """Do nothing."""


@final
class Lines(Display):
    """Writes a line now and then: for logs and notebooks."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def interval_s(self) -> float:
        """Return an interval that keeps logs short."""
        return _SECONDS_BETWEEN_LINES

    def draw(self, name: str, done: int, total: int, remark: str) -> None:
        """Write a line."""
        write_text(self._stream, f"{name}  {done}/{total}  {remark}\n")

    def finish(self, name: str, done: int, total: int, remark: str) -> None:
        """Write the last line."""
        self.draw(name, done, total, remark)


@final
class Bar(Display):
    """Draws a bar over and over on the terminal's current line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def interval_s(self) -> float:
        """Return an interval that looks smooth."""
        return _SECONDS_BETWEEN_DRAWINGS

    def draw(self, name: str, done: int, total: int, remark: str) -> None:
        """Draw the bar from the start of the line and erase what is left of the last one."""
        from rich.progress_bar import ProgressBar

        bar = drawn(self._stream, ProgressBar(total=total, completed=done, width=_BAR_WIDTH))
        write_text(self._stream, f"\r{name}  {bar}  {done}/{total}  {remark}\x1b[K")

    def finish(self, name: str, done: int, total: int, remark: str) -> None:
        """Draw the last state and go to the next line."""
        self.draw(name, done, total, remark)
        write_text(self._stream, "\n")


def display_for(stream: TextIO | None) -> Display:
    """Return a bar for a terminal, lines for anything else."""
    if stream is not None and is_terminal(stream):
        return Bar(stream)
    return Lines(stream)


_drawing: list[object] = []  # what is drawn in this process, now


def is_drawing() -> bool:
    """Whether a line of somebody else's would get in the way."""
    return bool(_drawing)


@final
class Progress:
    """How far long work has come.

    Either a context in which `advance` is called, from any thread, or an iterable over
    ``range(total)`` that advances by itself. A forked child stays silent.
    """

    def __init__(self, name: str, total: int, display: Display) -> None:
        if total < 0:
            raise ValueError(
                f"The total of the progress {name!r} is {total}; expected 0 or more steps. "
                "Pass the number of steps that the work has."
            )
        self._name = name
        self._total = total
        self._display = display
        self._done = 0
        self._process_id = os.getpid()
        # Not taken in a forked child, where it might be locked for ever.
        self._lock = threading.Lock()
        self._began_s = self._drawn_s = monotonic()

    @property
    def done(self) -> int:
        """How many steps are done."""
        return self._done

    def advance(self, n: int = 1) -> None:
        """Note that `n` more steps are done."""
        if n < 0:
            raise ValueError(
                f"The progress {self._name!r} was advanced by {n} steps; expected 0 or more. "
                "Steps that are done stay done."
            )
        if os.getpid() != self._process_id:
            return
        with self._lock:
            self._done += n
            now_s = monotonic()
            if now_s - self._drawn_s < self._display.interval_s():
                return
            self._drawn_s = now_s
            self._show(self._display.draw, self._remark(now_s))

    def __enter__(self) -> "Progress":
        self._began_s = self._drawn_s = monotonic()
        _drawing.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _drawing.remove(self)
        if os.getpid() != self._process_id:
            return
        with self._lock:
            ending = "in" if self._done >= self._total else "stopped after"
            took = format_seconds(monotonic() - self._began_s)
            self._show(self._display.finish, f"{ending} {took}")

    def __iter__(self) -> Iterator[int]:
        with self:
            for step in range(self._total):
                yield step
                self.advance()

    def _remark(self, now_s: float) -> str:
        took_s = now_s - self._began_s
        remark = format_seconds(took_s)
        if 0 < self._done < self._total:
            left_s = took_s / self._done * (self._total - self._done)
            remark += f", about {format_seconds(left_s)} left"
        return remark

    def _show(self, how: Callable[[str, int, int, str], None], remark: str) -> None:
        try:
            how(self._name, self._done, self._total, remark)
        except OSError as problem:
            self._display = Silence()
            warn_dropped(f"The progress of {self._name!r}", problem)
