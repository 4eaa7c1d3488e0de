"""Dispatchers compiled afresh, with everything that they call.

A dispatcher that has compiled a callee before holds it as it was then: numba looks at globals and
captured values once. The key of what is kept says what they are now. So what is to be kept is
compiled from copies, in which each dispatcher is a new one; the user's own stay as they are.
"""

# numba's classes have no types.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import types
from typing import Any

from emberkeep.targets.callees import Adapter, Callee, renewed_ufunc


def renewing() -> Adapter:
    """What makes copies for one compilation."""
    return Adapter(_callee)


def _callee(value: Any) -> Callee | None:
    """A dispatcher or ufunc of numba's, to be made anew; plain functions are not compiled."""
    function = getattr(value, "py_func", None)
    compiler = getattr(value, "_compiler", None)
    if not isinstance(function, types.FunctionType) or compiler is None:
        return renewed_ufunc(value)
    kind = plain_class(type(value))
    options = dict(value.targetoptions)
    about: dict[str, Any] = {"pipeline_class": compiler.pipeline_class}
    if hasattr(value, "locals"):
        about["locals"] = dict(value.locals)
    declared = [] if value._can_compile else list(value.nopython_signatures)  # noqa: SLF001 - numba's

    def finish(made: Any) -> None:
        for signature in declared:
            made.compile(signature)
        if declared:
            made.disable_compile()

    return Callee(function, lambda copy: kind(copy, targetoptions=options, **about), finish)


def plain_class(kind: type) -> type:
    """The class of a dispatcher as numba made it."""
    return getattr(kind, "emberkeep_plain", kind)
