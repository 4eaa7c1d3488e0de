"""The user's face of timing."""

import warnings
from collections.abc import Iterable
from types import TracebackType
from typing import Literal, final, get_args

from emberkeep.errors import EmberkeepWarning
from emberkeep.telemetry.durations import exclusive_by_category_ns, inclusive_ns, wall_ns
from emberkeep.telemetry.events import EventCatalogue, OpenEvents
from emberkeep.telemetry.progress import Progress, Silence, display_for
from emberkeep.telemetry.recording import Recording
from emberkeep.telemetry.report import breakdown, summary
from emberkeep.telemetry.sinks.console import ConsoleSink
from emberkeep.telemetry.sinks.protocol import Sink, warn_dropped
from emberkeep.telemetry.sinks.terminal import write_text
from emberkeep.telemetry.spans import (
    Category,
    Span,
    add_recorder,
    recorded_span,
    remove_recorder,
)
from emberkeep.telemetry.tree import TreeNode, tree_of

_NS = 1e-9

Verbosity = Literal["default", "verbose", "debug"]


@final
class TimeLogger:
    """Records where time goes and reports it.

    As a context manager, or between `install` and `remove`, it hears of all spans of the
    library, in all threads; the user's own events (`start_event`, `stop_event`) it hears in any
    case. `close`, which leaving the context calls, closes the sinks and prints the report to
    standard error.

    Args:
        verbosity: None records and prints nothing, and the sinks stay empty; 'default' reports
            a line per category; 'verbose' a tree by component; 'debug' also prints each span
            live, as it begins and ends.
        sinks: where else finished spans go, e.g. `JsonLinesSink`.
    """

    def __init__(self, verbosity: Verbosity | None = None, sinks: Iterable[Sink] = ()) -> None:
        known = get_args(Verbosity)
        if verbosity is not None and verbosity not in known:
            names = ", ".join(repr(name) for name in known)
            raise ValueError(
                f"{verbosity!r} is no verbosity; expected None or one of {names}. "
                "Choose None to time nothing."
            )
        self._verbosity: Verbosity | None = verbosity
        outputs = list(sinks)
        consoles = [sink for sink in outputs if isinstance(sink, ConsoleSink)]
        self._console = consoles[0] if consoles else ConsoleSink()
        if verbosity == "debug" and not consoles:
            outputs.append(self._console)
        self._recording = Recording(outputs)
        self._catalogue = EventCatalogue()
        self._open_events = OpenEvents()

    @property
    def verbosity(self) -> Verbosity | None:
        """How much is reported."""
        return self._verbosity

    @property
    def records(self) -> tuple[Span, ...]:
        """All finished spans, in the order in which they ended."""
        return self._recording.spans

    @property
    def wall_s(self) -> float:
        """Seconds during which any span of any thread was open: the union of their intervals."""
        return wall_ns(self.records) * _NS

    def register_event(self, name: str, category: Category | str, description: str) -> None:
        """Make `name` an event that can be started; the same again is fine.

        Raises:
            ValueError: the category is unknown, or `name` is registered as something else.
        """
        self._catalogue.register(name, category, description)

    def register_compile(self, function_name: str) -> str:
        """Register the event of compiling a function and return the event's name."""
        name = f"compile_{function_name}"
        self.register_event(name, Category.COMPILE, f"Compilation time for {function_name}")
        return name

    def start_event(self, name: str) -> None:
        """Start a registered event in this thread.

        An event that is open may be started again within itself: each `stop_event` ends the
        latest start. At verbosity None only the name is checked.

        Raises:
            ValueError: `name` is not registered, or this logger is closed.
        """
        event = self._catalogue.find(name)
        if self._verbosity is None:
            return
        self._refuse_if_closed(f"start the event {name!r}")
        attributes = {"description": event.description}
        span = recorded_span(name, event.category, attributes, self._recording)
        span.begin()
        self._open_events.push(name, span)

    def stop_event(self, name: str) -> None:
        """Stop what this thread started last as `name`.

        Raises:
            ValueError: `name` is not registered, or not started in this thread.
        """
        self._catalogue.find(name)
        if self._verbosity is not None:
            self._open_events.pop(name).end(failed=False)

    def progress(self, name: str, total: int) -> Progress:
        """Return a progress of `total` steps: a context with `advance(n)`, or an iterable.

        Draws a bar on a terminal and writes a line now and then elsewhere; nothing at None.
        """
        if self._verbosity is None:
            return Progress(name, total, Silence())
        return Progress(name, total, display_for(self._console.stream))

    def install(self) -> None:
        """Hear of all spans that begin from now on.

        Raises:
            ValueError: this logger is closed.
        """
        if self._verbosity is not None:
            self._refuse_if_closed("install it")
            add_recorder(self._recording)

    def remove(self) -> None:
        """Hear of no more spans than those that are open; `install` may follow again."""
        remove_recorder(self._recording)

    def close(self) -> None:
        """Stop listening, close the sinks and print the report; the second time, do nothing."""
        self.remove()
        if self._recording.is_closed:
            return
        self._recording.close()
        if self._verbosity is not None:
            self._print_report()
        self._warn_of_open_events()

    def aggregate(self, *, exclusive: bool = False) -> dict[Category, float]:
        """Return the seconds of each category that occurs, none of them counted twice.

        A span within another of its category adds nothing to it, however deep it is. Threads
        that work at the same time each count, as workers' hours do; `wall_s` does not do that.

        Args:
            exclusive: give each second only to the category of the innermost span. The sum over
                categories is then the time in which any span was open, added up over threads.
        """
        count = exclusive_by_category_ns if exclusive else inclusive_ns
        return {category: ns * _NS for category, ns in count(self.records).items()}

    def tree(self) -> tuple[TreeNode, ...]:
        """Return the times by component: spans of one name at one place make one node."""
        return tree_of(self.records)

    def report(self) -> str:
        """Return the report that belongs to the verbosity; empty at None."""
        if self._verbosity is None:
            return ""
        return summary(self.records) if self._verbosity == "default" else breakdown(self.records)

    def __enter__(self) -> "TimeLogger":
        self.install()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _refuse_if_closed(self, intent: str) -> None:
        if self._recording.is_closed:
            raise ValueError(
                f"Cannot {intent}: this TimeLogger is closed; expected one that still records. "
                "Make a new TimeLogger, or close this one later."
            )

    def _print_report(self) -> None:
        try:
            write_text(self._console.stream, self.report() + "\n")
        except OSError as problem:
            warn_dropped("The report of times", problem)

    def _warn_of_open_events(self) -> None:
        still_open = self._open_events.leftovers()
        if still_open:
            warnings.warn(
                f"A TimeLogger was closed while events are open: {', '.join(still_open)}. "
                "Their time is not recorded. Call stop_event once for each start_event.",
                EmberkeepWarning,
                stacklevel=3,
            )
