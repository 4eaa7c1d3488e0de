"""A span for each function that a compiler works on, from the compilers' own events.

numba says when a dispatcher compiles; numba-cuda says when a pass runs over a function. Nothing is
compiled again for this and nothing is run.
"""

# numba's events have no types.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from emberkeep.telemetry.spans import Category, OpenSpan, Span, is_recorded, span

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable


@final
@dataclass(frozen=True)
class FunctionTime:
    """What compiling a function cost.

    Attributes:
        name: the function's, as its author wrote it.
        signature: types of its arguments, as the compiler writes them.
        target: ``cpu`` or ``cuda``.
        inclusive_s: seconds with all that it calls.
        exclusive_s: seconds without.
    """

    name: str
    signature: str
    target: str
    inclusive_s: float
    exclusive_s: float


@contextlib.contextmanager
def compile_spans(target: str) -> Generator[None]:
    """Give each function that this thread compiles meanwhile a span ``compile_<function>``."""
    if not is_recorded():
        yield
        return
    if target == "cuda":
        from numba.cuda.core import event

        listener: _Listener = _Passes(threading.get_ident())
        kind = "numba-cuda:run_pass"
    else:
        from numba.core import event

        listener, kind = _Dispatchers(threading.get_ident()), "numba:compile"
    with event.install_listener(kind, _adapter(event, listener)):
        try:
            yield
        finally:
            listener.close()


def function_times(spans: Iterable[Span]) -> tuple[FunctionTime, ...]:
    """What each function cost, of finished spans; in the order in which they began."""
    compiled = [found for found in spans if "function" in found.attributes]
    own = {found.span_id: found.duration_ns for found in compiled}
    for found in compiled:
        if found.parent_id in own:
            own[found.parent_id] -= found.duration_ns
    return tuple(
        FunctionTime(
            str(found.attributes["function"]),
            str(found.attributes["signature"]),
            str(found.attributes["target"]),
            found.duration_ns * 1e-9,
            own[found.span_id] * 1e-9,
        )
        for found in sorted(compiled, key=lambda item: item.start_ns)
    )


def timed(work: Callable[[], object]) -> float:
    """Seconds that a function takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


class _Listener(ABC):
    """Hears of events of one thread; others compile for themselves."""

    def __init__(self, thread: int) -> None:
        self._thread = thread
        self._open: list[_Function] = []

    def hear(self, event: Any) -> None:
        """Take an event of any thread."""
        if threading.get_ident() == self._thread:
            self._take(event)

    @abstractmethod
    def _take(self, event: Any) -> None: ...

    def _begin(self, name: str, signature: str, target: str, key: object = None) -> None:
        short = name.rpartition(".")[2]
        attributes = {"function": short, "signature": signature, "target": target}
        opened = span(f"compile_{short}", Category.COMPILE, attributes)
        opened.__enter__()
        self._open.append(_Function(key, opened))

    def _end(self, details: Any = None) -> None:
        kind, error, traceback = details or (None, None, None)
        self._open.pop().span.__exit__(kind, error, traceback)

    def close(self) -> None:
        """End what an error has left open."""
        while self._open:
            self._end((RuntimeError, None, None))


def _failure(event: Any) -> Any:
    """Type, error and traceback that ended it; None where it went well.

    Asked of what `is_failed` is made from: up to numba 0.68 that says the opposite.
    """
    return getattr(event, "_exc_details", None)


@dataclass
class _Function:
    """A function under way: what tells it apart, its span, and whether a pass runs over it."""

    key: object
    span: OpenSpan
    busy: bool = True


def _adapter(event: Any, listener: _Listener) -> Any:
    """Numba takes listeners of its own class only; each numba has its own."""

    class Adapter(event.Listener):
        """Passes events on."""

        def on_start(self, event: Any) -> None:
            listener.hear(event)

        def on_end(self, event: Any) -> None:
            listener.hear(event)

    return Adapter()


@final
class _Dispatchers(_Listener):
    """numba on the CPU: a dispatcher compiles from its first event to its second."""

    def _take(self, event: Any) -> None:
        if event.is_start:
            function = event.data["dispatcher"].py_func
            signature = ", ".join(map(str, event.data["args"]))
            self._begin(function.__qualname__, signature, "cpu")
        elif self._open:
            self._end(_failure(event))


@final
class _Passes(_Listener):
    """numba-cuda: a function compiles from its first pass to its last; a callee within a pass."""

    LAST = "cuda_backend"

    def _take(self, event: Any) -> None:
        data = event.data
        if event.is_start:
            key = (data["module"], data["qualname"], data["args"])
            if not (self._open and not self._open[-1].busy and self._open[-1].key == key):
                self._close_idle()
                signature = data["args"].removeprefix("(").removesuffix(")").rstrip(",")
                self._begin(data["qualname"], signature, "cuda", key)
            self._open[-1].busy = True
            return
        if self._open and not self._open[-1].busy:  # a callee that ended without its last pass
            self._close_idle()
        if not self._open:
            return
        self._open[-1].busy = False
        failure = _failure(event)
        if failure or data["name"].startswith(self.LAST):
            self._end(failure)

    def _close_idle(self) -> None:
        while self._open and not self._open[-1].busy:
            self._end()
