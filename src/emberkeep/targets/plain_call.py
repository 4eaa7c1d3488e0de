"""Packing a call of a kernel that takes plain pointers and numbers, in C's order and alignment.

This is how kernels are called that are printed in a target's own language: arrays are passed by
their address alone.
"""

from __future__ import annotations

import struct

from emberkeep.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

PLAIN = "plain"  # what a layout says of how it is called
_LETTERS = {"int64": "q", "float64": "d", "float32": "f", "int8": "b"}
ARRAY = "[]"


def plain_packer(
    types: Sequence[str], names: Sequence[str], address: Callable[[Any], int]
) -> Callable[[Sequence[Any], int], bytes]:
    """A function that packs arguments of these types.

    Args:
        types: such as ``"int64"`` or ``"float64[]"``.
        names: of the arguments.
        address: where an array begins; raises where it is none that the target takes.
    """
    import numpy as np

    # Compared as types: to make a text of one takes longer than all the rest.
    wanted = [
        np.dtype(kind.removesuffix(ARRAY)) if kind.endswith(ARRAY) else None for kind in types
    ]
    letters = ["P" if kind.endswith(ARRAY) else _LETTERS[kind] for kind in types]
    structure = struct.Struct("@" + "".join(letters))

    def pack(arguments: Sequence[Any], _count: int) -> bytes:
        words: list[Any] = []
        for kind, name, given in zip(wanted, names, arguments, strict=True):
            if kind is None:
                words.append(given)
                continue
            if given.dtype != kind:
                raise InvalidArgument(
                    f"The argument {name!r} must be an array of {kind}; it is of {given.dtype}"
                )
            words.append(address(given))
        try:
            return structure.pack(*words)
        except struct.error as problem:
            raise InvalidArgument(f"The arguments cannot be passed: {problem}") from None

    return pack
