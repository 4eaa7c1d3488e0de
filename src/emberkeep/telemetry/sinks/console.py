"""Spans as lines for people, as they end."""

import sys
from typing import TextIO, final

from emberkeep.telemetry.report import format_seconds
from emberkeep.telemetry.sinks.terminal import drawn, is_terminal, write_text
from emberkeep.telemetry.spans import Category, Span

_STYLES = {
    Category.CODEGEN: "magenta",
    Category.BUILD: "blue",
    Category.COMPILE: "yellow",
    Category.LOAD: "green",
    Category.RUNTIME: "cyan",
}


@final
class ConsoleSink:
    """Writes a line when a span begins and one when it ends, indented by depth.

    Coloured on a terminal, plain elsewhere. Without a stream it writes to what `sys.stderr` is
    at that moment.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._depths: dict[int, int] = {}

    @property
    def stream(self) -> TextIO | None:
        """Where lines go; a process may have no `sys.stderr`."""
        return sys.stderr if self._stream is None else self._stream

    def started(self, span: Span) -> None:
        """Write that the span began."""
        above = -1 if span.parent_id is None else self._depths.get(span.parent_id, -1)
        self._depths[span.span_id] = above + 1
        self._line(above + 1, "> ", span, "")

    def finished(self, span: Span) -> None:
        """Write that the span ended, and how long it took."""
        depth = self._depths.pop(span.span_id, 0)
        outcome = ", failed" if span.failed else ""
        took = format_seconds(span.duration_ns * 1e-9)
        self._line(depth, "< ", span, f"  {took}{outcome}")

    def close(self) -> None:
        """Leave the stream to its owner."""

    def _line(self, depth: int, mark: str, span: Span, ending: str) -> None:
        stream = self.stream
        indent, category = "  " * depth, span.category.value
        if stream is not None and is_terminal(stream):
            category = _coloured(stream, category, _STYLES[span.category])
        write_text(stream, f"{indent}{mark}{category}  {span.name}{ending}\n")


def _coloured(stream: TextIO, text: str, colour: str) -> str:
    from rich.text import Text

    return drawn(stream, Text(text, style=colour))
