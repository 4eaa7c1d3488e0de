"""What users registered with numba, compiled afresh: `@overload` and its kin, `@intrinsic`.

numba remembers what such a registration gave for each signature, compiled, with the globals and
callees of that time. A key holds what they are now. So for one compilation the memory is put aside,
and what an overload gives is adapted like any function; afterwards numba has its own again.
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import contextlib
import functools
import types
from threading import RLock
from typing import TYPE_CHECKING, Any

from emberkeep.keys.numba_objects import written_templates

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Adapt = Callable[[types.FunctionType], types.FunctionType]

# Where templates keep what they gave: dictionaries in the class.
_MEMORY = ("_impl_cache", "_compiled_overloads", "_overload_cache", "_inline_overloads")

_lock = RLock()  # two targets' compilers may be at work at once


@contextlib.contextmanager
def fresh_overloads(adapt: Adapt) -> Generator[None]:
    """Let registrations be compiled anew meanwhile.

    Args:
        adapt: gives a copy of an implementation whose callees are those of this compilation.
    """
    with _lock:
        before: list[tuple[Any, str, Any]] = []
        try:
            for template in written_templates():
                held = dict(vars(template))
                for name in _MEMORY:
                    if isinstance(held.get(name), dict):
                        before.append((template, name, held[name]))
                        setattr(template, name, {})
                written = held.get("_overload_func")
                if isinstance(written, staticmethod) and "_compiled_overloads" in held:
                    before.append((template, "_overload_func", written))
                    fresh = _adapting(written.__func__, adapt)
                    template._overload_func = staticmethod(fresh)  # noqa: SLF001 - where numba looks
            yield
        finally:
            for template, name, value in reversed(before):
                setattr(template, name, value)


def _adapting(written: Callable[..., Any], adapt: Adapt) -> Callable[..., Any]:
    """An overload whose implementations are adapted; it may give a signature beside them."""

    @functools.wraps(written)
    def fresh(*arguments: Any, **keywords: Any) -> Any:
        given = written(*arguments, **keywords)
        if isinstance(given, tuple):
            return tuple(_adapted(item, adapt) for item in given)
        return _adapted(given, adapt)

    return fresh


def _adapted(value: Any, adapt: Adapt) -> Any:
    return adapt(value) if isinstance(value, types.FunctionType) else value
