"""Whether a thread waits for this one: by joining it, or by asking for the result of its work."""

from __future__ import annotations

import sys
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def waits_for_this(thread: int) -> bool:
    """Whether that thread's stack says so."""
    system: Any = sys
    frames = system._current_frames()  # noqa: SLF001 - made for this
    futures = [work.future for work in _selves(frames.get(get_ident()), _code_of(*WORK))]
    joined = _selves(frames.get(thread), _code_of(*JOIN))
    asked = _selves(frames.get(thread), _code_of(*RESULT))
    return any(each.ident == get_ident() for each in joined) or any(
        future is each for each in asked for future in futures
    )


WORK = "concurrent.futures.thread", "_WorkItem", "run"
RESULT = "concurrent.futures._base", "Future", "result"
JOIN = "threading", "Thread", "join"


def _code_of(module: str, kind: str, method: str) -> object:
    """The code of a method, where its module was imported by anybody."""
    found: Any = sys.modules.get(module)
    return None if found is None else getattr(getattr(found, kind), method).__code__


def _selves(frame: Any, code: object) -> Iterator[Any]:
    """The objects whose method is being run somewhere on a stack."""
    while frame is not None:
        if frame.f_code is code and "self" in frame.f_locals:
            yield frame.f_locals["self"]
        frame = frame.f_back
