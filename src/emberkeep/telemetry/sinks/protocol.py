from typing import Protocol

from emberkeep.telemetry.spans import Span


class Sink(Protocol):
    """A place that spans are written to.

    Methods are called by the threads that do the timed work, several at a time, and should be
    quick. An OSError means that the place is out of order: the sink is dropped with a warning.
    """

    def started(self, span: Span, /) -> None:
        """Take note that a span began; its duration is 0 so far."""

    def finished(self, span: Span, /) -> None:
        """Write a span that ended."""

    def close(self) -> None:
        """Finish the output; may be called twice."""
