"""What a sink is, and what is said when one is given up."""

import warnings
from typing import Protocol

from emberkeep.errors import EmberkeepWarning
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


def warn_dropped(output: str, problem: OSError) -> None:
    """Say once that an output is given up; timed work never hears of it otherwise."""
    warnings.warn(
        f"{output} could not be written ({problem}) and is dropped; the work goes on and its "
        "times are kept in memory. Free space or choose another place for the output.",
        EmberkeepWarning,
        stacklevel=2,
    )
