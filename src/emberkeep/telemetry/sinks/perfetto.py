"""Spans as a trace for Perfetto and chrome://tracing."""

import json
import os
import threading
from typing import final

from emberkeep.telemetry.sinks.linefile import LineFile, plain_scalars
from emberkeep.telemetry.spans import Span

_NS_PER_US = 1000


@final
class PerfettoSink:
    """Writes a trace that https://ui.perfetto.dev and chrome://tracing open.

    The file is an array in Chrome's trace event format, written event by event: what a crashed
    process leaves lacks only the closing bracket, which the format allows. Times are those of
    the host's monotonic clock, so traces of several processes line up. A trace belongs to the
    process that opened it; forked children write nothing to it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = LineFile(path, truncate=True)
        self._process_id = os.getpid()
        self._threads: set[tuple[int, str]] = set()
        self._is_closed = False
        name = {"name": f"emberkeep {self._process_id}"}
        self._file.write("[\n" + json.dumps(self._metadata("process_name", 0, name)))

    def started(self, span: Span) -> None:
        """Name the thread, the first time that it is met."""
        thread = (span.thread_id, threading.current_thread().name)
        if thread not in self._threads and self._is_ours():
            self._threads.add(thread)
            self._append(self._metadata("thread_name", thread[0], {"name": thread[1]}))

    def finished(self, span: Span) -> None:
        """Append a complete event."""
        if self._is_ours():
            self._append(_complete_event(span))

    def close(self) -> None:
        """Close the array and the file."""
        if self._is_ours():
            self._is_closed = True
            self._file.write("\n]\n")
        self._file.close()

    def _is_ours(self) -> bool:
        return not self._is_closed and os.getpid() == self._process_id

    def _append(self, event: dict[str, object]) -> None:
        self._file.write(",\n" + json.dumps(event, allow_nan=False))

    def _metadata(self, name: str, thread_id: int, args: dict[str, str]) -> dict[str, object]:
        return {"name": name, "ph": "M", "pid": self._process_id, "tid": thread_id, "args": args}


def _complete_event(span: Span) -> dict[str, object]:
    return {
        "name": span.name,
        "cat": span.category.value,
        "ph": "X",
        "ts": span.start_ns / _NS_PER_US,
        "dur": span.duration_ns / _NS_PER_US,
        "pid": span.process_id,
        "tid": span.thread_id,
        "args": {
            **plain_scalars(span.attributes),
            "span_id": span.span_id,
            "parent_id": span.parent_id,
            "failed": span.failed,
        },
    }
