"""Spans: what took time, when, and inside what.

Nothing here takes a lock, so that a process may fork at any moment: lists change by single
atomic operations, and records carry the process that made them.
"""

import os
from _thread import get_native_id
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextvars import ContextVar
from enum import StrEnum, unique
from itertools import count
from time import perf_counter_ns, time_ns
from types import MappingProxyType, TracebackType
from typing import Protocol, final

from emberkeep.startup_records import frozen

Scalar = str | int | float | bool | None


@unique
class Category(StrEnum):
    """What kind of work a span's time goes to."""

    CODEGEN = "codegen"
    BUILD = "build"
    COMPILE = "compile"
    LOAD = "load"
    RUNTIME = "runtime"


def as_category(value: Category | str) -> Category:
    """Return the category that `value` names.

    Raises:
        ValueError: `value` names none; the message lists those there are.
    """
    try:
        return Category(value)
    except ValueError:
        names = ", ".join(repr(category.value) for category in Category)
        raise ValueError(
            f"{value!r} is no category of time; expected one of {names}. "
            "Choose the one that says what kind of work is timed."
        ) from None


@final
@frozen
class Span:
    """One stretch of time.

    What `Recorder.started` gets has a duration of 0, the attributes known so far, and a start
    that precedes what recorders then do. Process and span id together name one span among all
    processes of a host.

    Attributes:
        name: what was done.
        category: the kind of work.
        start_ns: `time.perf_counter_ns` at the start.
        duration_ns: how long it took.
        parent_id: the span that was open around it in the same context and process, or None.
        span_id: its own number, unique within its process; a parent's is below its children's.
        thread_id: the operating system's number of the thread that started it.
        process_id: the process that started it.
        attributes: what else is known of it; read only.
        failed: whether an exception ended it.
    """

    name: str
    category: Category
    start_ns: int
    duration_ns: int
    parent_id: int | None
    span_id: int
    thread_id: int
    process_id: int
    attributes: Mapping[str, Scalar]
    failed: bool

    @property
    def end_ns(self) -> int:
        """`time.perf_counter_ns` at the end."""
        return self.start_ns + self.duration_ns

    @property
    def start_unix_ns(self) -> int:
        """The start by the wall clock, as it ran when this process first looked."""
        return self.start_ns + _UNIX_NS_AT_ZERO


class Recorder(Protocol):
    """Whoever listens to spans."""

    def started(self, span: Span, /) -> None:
        """Hear that a span began."""

    def finished(self, span: Span, /) -> None:
        """Hear that a span ended."""


class OpenSpan(ABC):
    """What `with span(...) as s` binds."""

    __slots__ = ()

    @abstractmethod
    def set(self, key: str, value: Scalar) -> None:
        """Attach an attribute; a later value replaces an earlier one."""

    @abstractmethod
    def __enter__(self) -> "OpenSpan": ...

    @abstractmethod
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@final
class UnrecordedSpan(OpenSpan):
    """The span that nobody listens to: one object serves all."""

    __slots__ = ()

    def set(self, key: str, value: Scalar) -> None:
        """Forget the attribute."""

    def __enter__(self) -> OpenSpan:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None


@final
class RecordedSpan(OpenSpan):
    """A span that tells its recorders when it begins and ends."""

    __slots__ = (
        "_attributes",
        "_category",
        "_name",
        "_recorders",
        "_start_ns",
        "_thread_id",
        "is_open",
        "parent",
        "process_id",
        "span_id",
    )

    def __init__(
        self,
        name: str,
        category: Category,
        attributes: Mapping[str, Scalar] | None,
        recorders: tuple[Recorder, ...],
    ) -> None:
        self._name = name
        self._category = category
        self._attributes: dict[str, Scalar] = dict(attributes) if attributes else {}
        self._recorders = recorders
        self.is_open = False

    def set(self, key: str, value: Scalar) -> None:
        """Attach an attribute; what is no JSON scalar is kept as its text."""
        self._attributes[key] = value

    def begin(self) -> None:
        """Start the clock and tell the recorders."""
        self.process_id = os.getpid()
        self.parent = _enclosing(self.process_id)
        self.span_id = next(_ids)
        self._thread_id = get_native_id()
        self._start_ns = perf_counter_ns()
        started = self._record(duration_ns=0, failed=False)
        for recorder in self._recorders:
            recorder.started(started)
        # Last, so that a recorder that raises leaves no span behind as everyone's parent, and
        # so that what recorders do at the start is not timed.
        self.is_open = True
        _current.set(self)
        self._start_ns = perf_counter_ns()

    def end(self, *, failed: bool) -> None:
        """Stop the clock and tell the recorders."""
        duration_ns = perf_counter_ns() - self._start_ns
        self.is_open = False
        # No token is reset: generators end their spans out of order and in other contexts.
        if _current.get() is self:
            _current.set(self.parent)
        # A span that was open while the process forked ends in both; the one that began it
        # reports it.
        if os.getpid() != self.process_id:
            return
        finished = self._record(duration_ns=duration_ns, failed=failed)
        for recorder in self._recorders:
            recorder.finished(finished)

    def _record(self, *, duration_ns: int, failed: bool) -> Span:
        return Span(
            self._name,
            self._category,
            self._start_ns,
            duration_ns,
            None if self.parent is None else self.parent.span_id,
            self.span_id,
            self._thread_id,
            self.process_id,
            _frozen(self._attributes),
            failed,
        )

    def __enter__(self) -> OpenSpan:
        self.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # GeneratorExit only says that nobody asked a generator for more.
        self.end(failed=kind is not None and kind is not GeneratorExit)


def span(
    name: str, category: Category | str, attributes: Mapping[str, Scalar] | None = None
) -> OpenSpan:
    """Return a context manager that times its body under `name`.

    Costs well under a microsecond while nobody listens. An exception marks the span as failed
    and goes on its way.

    Raises:
        ValueError: `category` is none of `Category`.
    """
    kind = category if isinstance(category, Category) else as_category(category)
    if not _recorders:
        return _UNRECORDED
    return RecordedSpan(name, kind, attributes, tuple(_recorders))


def recorded_span(
    name: str,
    category: Category,
    attributes: Mapping[str, Scalar] | None,
    recorder: Recorder,
) -> RecordedSpan:
    """Return a span that `recorder` hears, and with it everyone who listens anyway."""
    recorders = tuple(_recorders)
    if recorder not in recorders:
        recorders = (*recorders, recorder)
    return RecordedSpan(name, category, attributes, recorders)


def add_recorder(recorder: Recorder) -> None:
    """Let `recorder` hear of all spans that begin from now on, in all threads."""
    if recorder not in _recorders:
        _recorders.append(recorder)


def remove_recorder(recorder: Recorder) -> None:
    """Let `recorder` hear of no further span; those that are open still tell it their end."""
    if recorder in _recorders:
        _recorders.remove(recorder)


def is_recorded() -> bool:
    """Whether anybody hears of spans: whoever would have to listen elsewhere may save it."""
    return bool(_recorders)


def _enclosing(process_id: int) -> RecordedSpan | None:
    """Return the innermost span of this context that is open, in this process."""
    candidate = _current.get()
    while candidate is not None and not (candidate.is_open and candidate.process_id == process_id):
        candidate = candidate.parent
    return candidate


def _frozen(attributes: Mapping[str, object]) -> Mapping[str, Scalar]:
    if not attributes:
        return _NO_ATTRIBUTES
    return MappingProxyType(
        {
            key: value if isinstance(value, _SCALAR_TYPES) else str(value)
            for key, value in attributes.items()
        }
    )


_SCALAR_TYPES = (str, int, float, type(None))
_NO_ATTRIBUTES: Mapping[str, Scalar] = MappingProxyType({})
_UNRECORDED = UnrecordedSpan()
# The clock of spans is monotonic and shared by all processes of a host; this ties it to dates.
_UNIX_NS_AT_ZERO = time_ns() - perf_counter_ns()
_ids = count(1)
_recorders: list[Recorder] = []  # who listens in this process
_current: ContextVar[RecordedSpan | None] = ContextVar("emberkeep_span", default=None)
