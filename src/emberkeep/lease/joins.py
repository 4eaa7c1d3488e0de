"""For whom a thread waits without an end: by joining them, or by asking for what they work on."""

from __future__ import annotations

import sys
from _thread import get_ident
from time import monotonic

from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

LOOK_EVERY_S = 0.5  # a look costs more the more threads there are
WORK = "concurrent.futures.thread", "_WorkItem", "run"
RESULT = "concurrent.futures._base", "Future", "result"
JOIN = "threading", "Thread", "join"


@final
class Joins:
    """What the stack of one thread says, as it was when anybody looked last."""

    def __init__(self, thread: int) -> None:
        self._thread = thread
        self._looked_s = -LOOK_EVERY_S
        self._threads: list[object] = []
        self._futures: list[object] = []

    def wait_for_this(self) -> bool:
        """Whether it waits for the thread that asks."""
        if monotonic() - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = monotonic()
            self._look()
        if get_ident() in self._threads:
            return True
        if not self._futures:
            return False
        system: Any = sys
        own = system._getframe()  # noqa: SLF001 - the stack is what is asked for
        work = [frame.f_locals["self"] for frame in _running(own, WORK)]
        return any(each.future is future for each in work for future in self._futures)

    def _look(self) -> None:
        system: Any = sys
        frame = system._current_frames().get(self._thread)  # noqa: SLF001 - made for this
        self._threads = [joined.ident for joined in _endless(frame, JOIN)]
        self._futures = list(_endless(frame, RESULT))


def _endless(frame: Any, method: tuple[str, str, str]) -> Iterator[Any]:
    """The objects whose method is being called somewhere on a stack, without a timeout."""
    for found in _running(frame, method):
        if found.f_locals.get("timeout") is None and "self" in found.f_locals:
            yield found.f_locals["self"]


def _running(frame: Any, method: tuple[str, str, str]) -> Iterator[Any]:
    """The frames of a method, where its module was imported by anybody."""
    module, kind, name = method
    home: Any = sys.modules.get(module)
    if home is None:
        return
    code = getattr(getattr(home, kind), name).__code__
    while frame is not None:
        if frame.f_code is code:
            yield frame
        frame = frame.f_back
