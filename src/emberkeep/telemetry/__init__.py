"""Time that can be seen.

The library marks its steps with `span`, which costs next to nothing until someone listens;
`TimeLogger` listens and reports. Names load when they are first asked for, so that a program
that never looks at time pays for `spans` alone.
"""

from typing import TYPE_CHECKING

from emberkeep.telemetry.spans import Category, OpenSpan, Scalar, Span, span

if TYPE_CHECKING:
    from emberkeep.telemetry.progress import Progress
    from emberkeep.telemetry.sinks.console import ConsoleSink
    from emberkeep.telemetry.sinks.jsonl import JsonLinesSink
    from emberkeep.telemetry.sinks.perfetto import PerfettoSink
    from emberkeep.telemetry.sinks.protocol import Sink
    from emberkeep.telemetry.timelogger import TimeLogger, Verbosity
    from emberkeep.telemetry.tree import TreeNode

__all__ = [
    "Category",
    "ConsoleSink",
    "JsonLinesSink",
    "OpenSpan",
    "PerfettoSink",
    "Progress",
    "Scalar",
    "Sink",
    "Span",
    "TimeLogger",
    "TreeNode",
    "Verbosity",
    "span",
]

_HOMES = {
    "ConsoleSink": "sinks.console",
    "JsonLinesSink": "sinks.jsonl",
    "PerfettoSink": "sinks.perfetto",
    "Progress": "progress",
    "Sink": "sinks.protocol",
    "TimeLogger": "timelogger",
    "TreeNode": "tree",
    "Verbosity": "timelogger",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
