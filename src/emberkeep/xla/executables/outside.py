"""What a function asks of the world outside of its key while it is traced: files, clocks, chance.

What it is answered becomes a number in its program, which a later process would be given whatever
the answer is then. The key says what the function does, not what it is told. So while JAX traces a
function, calls of what answers differently from time to time are noted, where it is the user's code
that makes them, by itself or by way of a library. JAX asks its clock and imports for itself.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager

from emberkeep.errors import Unkeyable
from emberkeep.keys.origin import is_installed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType
    from typing import Any

# Modules of C functions of which none, and single functions that do not, give the same each time.
_MODULES = frozenset({"time", "_random", "_socket", "_posixsubprocess", "_sqlite3", "select"})
_FUNCTIONS = frozenset(
    {("_io", "open"), ("io", "open"), ("_io", "open_code"), ("numpy", "fromfile")}
    | {("builtins", "input"), ("posix", "open"), ("posix", "listdir"), ("posix", "scandir")}
    | {("posix", "urandom"), ("posix", "getpid"), ("posix", "getloadavg")}
)
_DATES = frozenset({"now", "utcnow", "today"})
# Whoever calls by way of these does not ask for the sake of a number.
_ON_THEIR_OWN = frozenset(
    {"jax", "jaxlib", "emberkeep", "importlib", "_frozen_importlib", "_frozen_importlib_external"}
    | {"zipimport", "linecache", "traceback", "warnings", "logging", "inspect", "tokenize"}
)


@contextmanager
def nothing_is_asked(name: str) -> Generator[None]:
    """Trace a function; refuse what its program would hold of the world.

    Args:
        name: of the function, for messages.

    Raises:
        Unkeyable: says what it asked, where, and what to do.
    """
    if sys.getprofile() is not None:
        raise Unkeyable(
            name,
            "is traced under a profiler, beside which nobody sees whether it reads files or clocks",
            "Call it once without",
        )
    asked: list[str] = []

    def note(frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and _differs(function) and not asked:
            place = _place(frame)
            if place:
                asked.append(f"{_named(function)}, in {place}")

    before = _chance()
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)
    if not asked and _chance() != before:
        asked.append("numpy.random's global state")
    if asked:
        raise Unkeyable(
            name,
            f"while it is traced, it asks {asked[0]}, and the answer becomes part of its program",
            "Ask before, and pass the answer as an argument, or let the function hold it: both are "
            "in the key. Or pass spec=, which then has to say it",
        )


def _differs(function: Any) -> bool:
    name, module = getattr(function, "__name__", ""), getattr(function, "__module__", None)
    owner = getattr(function, "__self__", None)
    if module is None and owner is not None:  # a method
        kind = owner if isinstance(owner, type) else type(owner)
        module = kind.__module__
        if kind.__module__ == "datetime" and name in _DATES:
            return True
        module = "_random" if any(base.__module__ == "_random" for base in kind.__mro__) else module
    return module in _MODULES or (module, name) in _FUNCTIONS


def _named(function: Any) -> str:
    module = getattr(function, "__module__", None) or "random"
    name = getattr(function, "__qualname__", repr(function))
    return f"{str(module).lstrip('_')}.{name}"


def _place(frame: FrameType | None) -> str:
    """Where the user's code asks; empty where somebody else does, on their own account."""
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] in _ON_THEIR_OWN:
            return ""
        module = sys.modules.get(name)
        if module is None or not is_installed(module):
            return f"{frame.f_code.co_filename}, line {frame.f_lineno}"
        frame = frame.f_back
    return ""


def _chance() -> bytes:
    """The state of numbers that are drawn from NumPy without a generator."""
    drawn: Any = sys.modules.get("numpy.random")
    if drawn is None:
        return b""
    state = drawn.get_state(legacy=False)["state"]
    return state["key"].tobytes() + str(state["pos"]).encode() if "key" in state else b""
