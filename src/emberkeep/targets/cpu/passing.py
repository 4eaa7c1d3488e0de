"""Passing NumPy arrays and numbers to a kernel in one packed block.

This is most of what a call costs. So the function that packs is written out for each signature:
plain attribute reads and one `struct.pack`, without a loop over arguments.
"""

from __future__ import annotations

import ctypes
from _struct import Struct
from _struct import error as StructError  # noqa: N812 - it is a class

from emberkeep.errors import InvalidArgument
from emberkeep.targets.arguments import Array, is_c_order, type_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any

    from emberkeep.targets.arguments import ArgumentType, Scalar

# NumPy's flags of an array, as `flags.num` gives them.
C_ORDER, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400


def packer(
    types: Sequence[ArgumentType], names: Sequence[str], written: Collection[int]
) -> Callable[[Sequence[Any]], bytes]:
    """A function that packs arguments of these types, having checked them.

    Args:
        types: what the kernel was compiled for.
        names: what its author calls them, for messages.
        written: positions of arrays that the kernel writes to: those must be writeable.
    """
    import numpy as np

    structure = Struct("@" + "".join(known.packed for known in types))
    space: dict[str, Any] = {
        "ndarray": np.ndarray,
        "structure_pack": structure.pack,
        "address_of": _address_reader(),
    }
    checks: list[str] = []
    words: list[str] = []
    for position, known in enumerate(types):
        argument = f"a{position}"
        if isinstance(known, Array):
            needed = _needed_flags(known, is_written=position in written)
            space[f"dtype{position}"] = np.dtype(known.dtype)
            checks.append(_check(argument, f"dtype{position}", known.dimensions, needed))
            words += _words(argument, np.dtype(known.dtype).itemsize)
        elif known.dtype.startswith("complex"):
            words += [f"complex({argument}).real", f"complex({argument}).imag"]
        else:
            words.append(argument)
    arguments = "".join(f"a{position}, " for position in range(len(types)))
    text = (
        "def pack(arguments):\n"
        f"    {arguments + '= arguments' if types else 'if arguments: raise ValueError'}\n"
        f"    if {' or '.join(checks) or 'False'}:\n        raise TypeError\n"
        f"    return structure_pack({', '.join(words)})\n"
    )
    exec(text, space)  # noqa: S102 - made of positions and constants only
    quick: Callable[[Sequence[Any]], bytes] = space["pack"]

    def pack(arguments: Sequence[Any]) -> bytes:
        try:
            return quick(arguments)
        except (StructError, TypeError, ValueError, AttributeError) as problem:
            raise _misfit(types, names, arguments, written, str(problem)) from None

    return pack


def _needed_flags(known: Array, *, is_written: bool) -> int:
    return ALIGNED | (C_ORDER if known.layout == "C" else 0) | (WRITEABLE if is_written else 0)


def _check(argument: str, dtype: str, dimensions: int, needed: int) -> str:
    """An expression that is true of what does not fit."""
    return (
        f"not isinstance({argument}, ndarray) or {argument}.dtype != {dtype} or "
        f"{argument}.ndim != {dimensions} or {argument}.flags.num & {needed} != {needed}"
    )


def _words(argument: str, item_size: int) -> list[str]:
    """Expressions for the slots of an array."""
    return [
        *("0", "0", f"{argument}.size", str(item_size), f"address_of({argument})"),
        *(f"*{argument}.shape", f"*{argument}.strides"),
    ]


_readers: list[Callable[[Any], int]] = []


def _address_reader() -> Callable[[Any], int]:
    """How the address of an array's first element is found.

    NumPy's own ways take two microseconds, half of what a call may cost. Its binary interface says
    that the address stands right behind the object's header; that is tried out once per process.
    """
    if not _readers:
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
        _readers.append(quick if reliable else official)
    return _readers[0]


def _describe_misfit(known: Array, name: str, value: Any, needed: int) -> str:
    """Why a value was refused, in a sentence that says what to do."""
    import numpy as np

    expected = f"The argument {name!r} must be a NumPy array {known}"
    if not isinstance(value, np.ndarray):
        return f"{expected}; it is a {type(value).__qualname__}"
    array: Any = value
    if array.dtype != np.dtype(known.dtype) or array.ndim != known.dimensions:
        return f"{expected}; it has dtype {array.dtype} and {array.ndim} dimensions"
    if needed & C_ORDER and not is_c_order(array):
        return (
            f"{expected} in C order; its strides are {array.strides}. Pass "
            "numpy.ascontiguousarray(array), or declare ':' in place of '::1'"
        )
    if needed & WRITEABLE and not array.flags.writeable:
        return f"The kernel writes to {name!r}, which is read-only. Pass a copy"
    return f"{expected} whose elements are aligned. Pass a copy"


def _misfit(
    types: Sequence[ArgumentType],
    names: Sequence[str],
    arguments: Sequence[Any],
    written: Collection[int],
    problem: str,
) -> InvalidArgument:
    """Find the argument that does not fit; packing says only that one does not."""
    if len(arguments) != len(types):
        return InvalidArgument(
            f"{len(arguments)} arguments were passed to a kernel that takes {len(types)}: "
            f"{', '.join(names)}"
        )
    import numpy as np

    for position, (known, name, value) in enumerate(zip(types, names, arguments, strict=True)):
        if isinstance(known, Array):
            needed = _needed_flags(known, is_written=position in written)
            fits = (
                isinstance(value, np.ndarray)
                and value.dtype == np.dtype(known.dtype)
                and value.ndim == known.dimensions
                and value.flags.num & needed == needed
            )
            if not fits:
                return InvalidArgument(_describe_misfit(known, name, value, needed))
            continue
        cause = _number_problem(known, value)
        if cause:
            return InvalidArgument(
                f"The argument {name!r} must be a {known}; {value!r} is {_kind(value)}: {cause}"
            )
    return InvalidArgument(f"The arguments cannot be passed: {problem}")


def _number_problem(known: Scalar, value: Any) -> str:
    """What is wrong with a number; nothing where it fits."""
    try:
        if known.dtype.startswith("complex"):
            complex(value)
        else:
            Struct("@" + known.packed).pack(value)
    except (StructError, TypeError, ValueError, AttributeError) as cause:
        return str(cause)
    return ""


def _kind(value: object) -> str:
    try:
        return str(type_of(value))
    except InvalidArgument:
        return f"a {type(value).__qualname__}"
