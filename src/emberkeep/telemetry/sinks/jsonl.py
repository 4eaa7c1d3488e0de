"""Spans as lines of JSON."""

import json
import os
from typing import final

from emberkeep.telemetry.sinks.linefile import LineFile, plain_scalars
from emberkeep.telemetry.spans import Span


@final
class JsonLinesSink:
    """Appends one JSON object a line for each span that ends.

    The file is opened at once, so that a wrong path shows where it is given. Threads and forked
    children may write to it together; each line says which process and thread it is from.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = LineFile(path, truncate=False)

    def started(self, span: Span) -> None:
        """Wait for the end: a line is written when all is known."""

    def finished(self, span: Span) -> None:
        """Append the span's line."""
        line = json.dumps(
            {
                "name": span.name,
                "category": span.category.value,
                "start_ns": span.start_ns,
                "start_unix_ns": span.start_unix_ns,
                "duration_ns": span.duration_ns,
                "span_id": span.span_id,
                "parent_id": span.parent_id,
                "process_id": span.process_id,
                "thread_id": span.thread_id,
                "failed": span.failed,
                "attributes": plain_scalars(span.attributes),
            },
            allow_nan=False,
        )
        self._file.write(line + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
