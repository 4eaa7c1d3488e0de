"""Functions as pickles name them: by where they are found, never by what they do."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# These send functions by value, lambdas too; what they can do is left to them.
BY_VALUE = ("cloudpickle", "cloudpickle_fast", "_dill")


def is_found(function: Any, name: str) -> bool:
    """Whether another process finds this very thing under the function's module and a name."""
    found: Any = sys.modules.get(function.__module__)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is function


def _is_by_value() -> bool:
    """Whether a pickler asks that takes functions apart, under whatever name it is shipped."""
    frame: Any = sys._getframe()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        if frame.f_globals.get("__name__", "").rpartition(".")[2] in BY_VALUE:
            return True
        frame = frame.f_back
    return False


def require_reference(function: Any, owner: str) -> None:
    """Refuse to pickle what no other process would find.

    Raises:
        PicklingError: a lambda, a function within a function, or one that was replaced.
    """
    name = getattr(function, "__qualname__", "")
    if is_found(function, name) or _is_by_value():
        return
    from pickle import PicklingError

    kind = "a lambda" if "<lambda>" in name else "not found under that name"
    if "<locals>" in name and kind != "a lambda":
        kind = "written within another function"
    raise PicklingError(
        f"{owner} cannot be pickled: its function {function.__module__}.{name} is {kind}, and a "
        "pickle only names functions. Define it with def at the top of a module that the other "
        "process can import, or make the thing there"
    )
