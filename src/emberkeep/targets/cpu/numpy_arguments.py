"""How kernels on the CPU take NumPy's arrays."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

from emberkeep.targets.arguments import Array, is_c_order, is_traced
from emberkeep.targets.call_block import ArrayRules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any

    from emberkeep.targets.arguments import ArgumentType

# NumPy's flags of an array, as `flags.num` gives them.
C_ORDER, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400


def numpy_rules(types: Sequence[ArgumentType], written: Collection[int]) -> ArrayRules:
    """Rules for a signature.

    Args:
        types: what the kernel was compiled for.
        written: positions of arrays that the kernel writes to: those must be writeable.
    """
    import numpy as np

    arrays = {position: known for position, known in enumerate(types) if isinstance(known, Array)}
    needed = {
        position: ALIGNED
        | (C_ORDER if known.layout == "C" else 0)
        | (WRITEABLE if position in written else 0)
        for position, known in arrays.items()
    }
    dtypes = {f"dtype{position}": np.dtype(known.dtype) for position, known in arrays.items()}

    def misfit(name: str, position: int) -> str:
        flags = needed[position]
        return (
            f"type({name}) is not ndarray and is_foreign({name}) or "
            f"{name}.dtype != dtype{position} or {name}.ndim != {arrays[position].dimensions} or "
            f"{name}.flags.num & {flags} != {flags}"
        )

    def problem(value: Any, position: int) -> str | None:
        return _problem(arrays[position], value, needed[position])

    space = {
        "ndarray": np.ndarray,
        "is_foreign": _is_foreign,
        "address_of": _address_reader(),
        **dtypes,
    }
    return ArrayRules(misfit, "address_of({})".format, "len({})".format, space, problem)


def _is_foreign(value: object) -> bool:
    """Whether it is no array, or one whose mask a kernel would not see."""
    import numpy as np

    return _is_masked(value) or not isinstance(value, np.ndarray)


def _is_masked(value: object) -> bool:
    masked = sys.modules.get("numpy.ma")
    return masked is not None and isinstance(value, masked.MaskedArray)


@cache
def _address_reader() -> Callable[[Any], int]:
    """How the address of an array's first element is found.

    NumPy's own ways take two microseconds, half of what a call may cost. Its binary interface says
    that the address stands right behind the object's header; that is tried out once per process.
    """
    import numpy as np

    header = object.__basicsize__
    read = ctypes.c_void_p.from_address

    def quick(array: Any) -> int:
        return read(id(array) + header).value or 0

    def official(array: Any) -> int:
        return array.ctypes.data

    whole = np.arange(12.0)
    trials = (whole, whole[3:], whole[::-2], np.zeros((2, 3), "int8"))
    reliable = all(quick(trial) == official(trial) for trial in trials)
    return quick if reliable else official


def _problem(known: Array, value: Any, needed: int) -> str | None:
    """What is wrong with a value, and what to do; None where it fits."""
    import numpy as np

    expected = f"must be a NumPy array {known}"
    array: Any = value
    if _is_masked(value):
        return f"{expected}; its mask would not be seen. Pass array.filled(…), and the mask too"
    if not isinstance(value, np.ndarray):
        return f"{expected}; it is a {_kind(value)}. {_conversion(value, known)}"
    if array.dtype != np.dtype(known.dtype) or array.ndim != known.dimensions:
        what = f"{expected}; it has dtype {array.dtype} and {array.ndim} dimensions"
        if array.ndim != known.dimensions:
            return f"{what}. Pass array.reshape(…), or declare another signature"
        return f"{what}. Pass array.astype({known.dtype!r}), or declare this signature too"
    if array.flags.num & needed == needed:
        return None
    if needed & C_ORDER and not is_c_order(array):
        return (
            f"{expected} in C order; its strides are {array.strides}. Pass "
            "numpy.ascontiguousarray(array), or declare ':' in place of '::1'"
        )
    if needed & WRITEABLE and not array.flags.writeable:
        return "is written to by the kernel, and it is read-only. Pass a copy"
    return f"{expected} whose elements are aligned. Pass a copy"


def _kind(value: object) -> str:
    kind: type = type(value)
    home = kind.__module__.partition(".")[0]
    return kind.__qualname__ if home == "builtins" else f"{home}.{kind.__qualname__}"


def _conversion(value: Any, known: Array) -> str:
    """How to make an array of what is none."""
    if is_traced(value):
        return "It has no value while JAX traces (under jit, grad or vmap): call the kernel outside"
    if isinstance(value, list | tuple):
        return f"Pass numpy.array(values, {known.dtype!r})"
    ways = {"torch": ".numpy()", "pandas": ".to_numpy()", "cupy": ".get()"}
    way = ways.get(type(value).__module__.partition(".")[0])
    if way:
        return f"Pass array{way}"
    if hasattr(value, "__array__"):
        return "Pass numpy.asarray(array); as a result, an array of NumPy's own"
    return "Make an array of it"
