"""Named events: what is registered, and what is open in which thread."""

import threading
from dataclasses import dataclass
from typing import final

from emberkeep.telemetry.spans import Category, RecordedSpan, as_category


@final
@dataclass(frozen=True, slots=True)
class Event:
    """What an event is."""

    name: str
    category: Category
    description: str


@final
class EventCatalogue:
    """The events that may be started."""

    def __init__(self) -> None:
        self._events: dict[str, Event] = {}

    def register(self, name: str, category: Category | str, description: str) -> None:
        """Add an event; the same one may be added again."""
        wanted = Event(name, as_category(category), description)
        known = self._events.setdefault(name, wanted)
        if known != wanted:
            raise ValueError(
                f"The event {name!r} is registered already, and differently: "
                f"as ({known.category.value!r}, {known.description!r}), "
                f"now as ({wanted.category.value!r}, {wanted.description!r}). "
                "Use one description for it, or give one of the two another name."
            )

    def find(self, name: str) -> Event:
        """Return the event of that name."""
        try:
            return self._events[name]
        except KeyError:
            known = ", ".join(repr(each) for each in sorted(self._events)) or "none"
            raise ValueError(
                f"The event {name!r} is not registered; registered are: {known}. "
                "Call register_event(name, category, description) first."
            ) from None


class _OpenHere(threading.local):
    """The open events of the current thread, each name a stack: an event may recur."""

    def __init__(self) -> None:
        self.stacks: dict[str, list[RecordedSpan]] = {}


@final
class OpenEvents:
    """The events that are open, per thread."""

    def __init__(self) -> None:
        self._here = _OpenHere()
        # For messages only: event and thread name of everything open, by span id.
        self._everywhere: dict[int, tuple[str, str]] = {}

    def push(self, name: str, span: RecordedSpan) -> None:
        """Note that `name` was started in this thread."""
        self._here.stacks.setdefault(name, []).append(span)
        self._everywhere[span.span_id] = (name, threading.current_thread().name)

    def pop(self, name: str) -> RecordedSpan:
        """Return what was started last as `name` in this thread."""
        stack = self._here.stacks.get(name)
        if not stack:
            raise ValueError(self._why_not_open(name))
        span = stack.pop()
        self._everywhere.pop(span.span_id, None)
        return span

    def leftovers(self) -> list[str]:
        """Return what is open in any thread, as text."""
        return [f"{name!r} in thread {thread!r}" for name, thread in self._snapshot()]

    def _why_not_open(self, name: str) -> str:
        threads = [thread for event, thread in self._snapshot() if event == name]
        elsewhere = f"it is open in {threads}" if threads else "it is open in no other thread"
        return (
            f"The event {name!r} was stopped but is not started in thread "
            f"{threading.current_thread().name!r}; {elsewhere}. "
            "Call start_event before stop_event, once for each, in the same thread."
        )

    def _snapshot(self) -> list[tuple[str, str]]:
        # `list` of a dict's values is one step for the interpreter: no thread comes between.
        return list(self._everywhere.values())
