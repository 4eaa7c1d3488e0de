"""What a keep says of itself: warnings, each once; lines for `logging`; spans.

What would listen is imported by whoever listens: where nobody does, nothing is loaded.
"""

from __future__ import annotations

import sys
from _thread import get_ident

from emberkeep.errors import StoreWarning
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.store.protocol import Key
    from emberkeep.telemetry.spans import OpenSpan


@final
class Trouble:
    """Warns once about each topic, and of one in each call; everything goes to the log.

    What is wrong with a folder shows in many ways at once. What is still wrong at the next call is
    told then.

    Attributes:
        topics: what was warned of.
        spared: threads that have built already: a warning that is an error to the user is logged as
            one there, and does not cost what was built.
    """

    def __init__(self) -> None:
        self.topics: set[str] = set()
        self.spared: set[int] = set()
        self._within: set[int] = set()  # threads whose calls are under way
        self._told = False  # whether one of them has warned: for its shared places' threads, too

    def begin(self) -> None:
        """A call of this thread begins."""
        self._within.add(get_ident())
        self._told = False

    def end(self) -> None:
        """It is over."""
        self._within.discard(get_ident())
        self._told = False

    def __call__(self, topic: str, text: str, category: type[UserWarning] = StoreWarning) -> None:
        """Tell the user."""
        if "logging" in sys.modules:  # else nobody can be listening
            import logging

            logging.getLogger("emberkeep.keep").debug("%s: %s", topic, text)
        follows = self._told and bool(self._within) and category is StoreWarning
        if topic not in self.topics and not follows:
            self.topics.add(topic)
            self._told = True
            import warnings

            text = f"{text} (said once; results are right, builds may be repeated)"
            try:
                warnings.warn(text, category, stacklevel=depth_of_caller())
            except Warning:
                if get_ident() not in self.spared:
                    raise
                import logging

                logging.getLogger("emberkeep.keep").exception("%s", text)


def depth_of_caller() -> int:
    """The stack level of the first caller outside emberkeep: that is who should be warned."""
    system: Any = sys  # as `inspect` does, which would have to be loaded
    depth, frame = 1, system._getframe()  # noqa: SLF001
    while frame is not None and frame.f_globals.get("__name__", "").startswith("emberkeep."):
        depth, frame = depth + 1, frame.f_back
    return depth - 1


@final
class _Listeners:
    """What was found or installed once in this process."""

    def __init__(self) -> None:
        self.logger: Any = None
        self.time_logger: object = None


_listeners = _Listeners()


def log(text: str, what: str, key: Key) -> None:
    """Hits and misses for `logging`; nobody can be listening where it was never imported."""
    if _listeners.logger is None:
        if "logging" not in sys.modules:
            return
        import logging  # waits, where another thread is in the midst of importing it

        # Asked for once: an interrupt within `getLogger` leaves its lock taken, for all threads.
        _listeners.logger = logging.getLogger("emberkeep.keep")
    _listeners.logger.debug(text, what, key.kind, key.name, key)


class NoSpan:
    """Stands in while nothing records."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


NO_SPAN = NoSpan()


def span(name: str, category: str) -> NoSpan | OpenSpan:
    """A span, if anybody can be listening: a recorder exists only where telemetry was imported."""
    if "emberkeep.telemetry.spans" not in sys.modules:
        return NO_SPAN
    from emberkeep.telemetry import spans  # waits, where another thread is importing it

    return spans.span(name, category)


def install_time_logger(verbosity: str) -> None:
    """Have the times of this process reported, as the settings say; once, by the first keep."""
    if _listeners.time_logger is not None:
        return
    import atexit

    from emberkeep.telemetry import TimeLogger

    level: Any = verbosity  # one of its literals: settings have checked it
    logger = TimeLogger(level)
    logger.install()
    _listeners.time_logger = logger
    atexit.register(logger.close)
