"""Keeping spans and passing them on to sinks."""

import contextlib
from collections.abc import Callable, Iterable
from typing import final

from emberkeep.telemetry.sinks.protocol import Sink, warn_dropped
from emberkeep.telemetry.spans import Span


@final
class Recording:
    """A recorder that keeps finished spans and feeds sinks.

    A sink that fails with an OSError is dropped with one warning: a full disk must not hurt
    the work that is timed. Lists change by single atomic steps, so there is no lock that a
    forked child could inherit locked.
    """

    def __init__(self, sinks: Iterable[Sink]) -> None:
        self._sinks = list(sinks)
        self._spans: list[Span] = []
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether spans are ignored by now."""
        return self._is_closed

    @property
    def spans(self) -> tuple[Span, ...]:
        """The finished spans, in the order in which they ended."""
        return tuple(self._spans)

    def started(self, span: Span) -> None:
        """Tell the sinks that a span began."""
        if not self._is_closed and self._sinks:
            self._each(lambda sink: sink.started(span))

    def finished(self, span: Span) -> None:
        """Keep a span and tell the sinks."""
        if self._is_closed:
            return
        self._spans.append(span)
        if self._sinks:
            self._each(lambda sink: sink.finished(span))

    def close(self) -> None:
        """Close the sinks and ignore what comes later."""
        if not self._is_closed:
            self._is_closed = True
            self._each(lambda sink: sink.close())

    def _each(self, act: Callable[[Sink], None]) -> None:
        failures: list[tuple[Sink, OSError]] = []
        for sink in tuple(self._sinks):
            try:
                act(sink)
            except OSError as problem:
                failures.append((sink, problem))
        # After all were served: where warnings are errors, the first one ends the loop.
        for sink, problem in failures:
            self._drop(sink, problem)

    def _drop(self, sink: Sink, problem: OSError) -> None:
        try:
            self._sinks.remove(sink)
        except ValueError:
            # Another thread met the same failure, took the sink out, and warns.
            return
        # What could not be written will hardly be flushed; only its file is to be let go.
        with contextlib.suppress(OSError):
            sink.close()
        warn_dropped(type(sink).__name__, problem)
