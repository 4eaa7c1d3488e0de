"""Marshalling: the function that checks and packs the arguments of one signature, written out.

This is most of what a call costs, so it is straight code: attribute reads and one `struct.pack`,
without a loop over arguments. Only where something does not fit is it found out what.
"""

from __future__ import annotations

import struct
from struct import Struct

from emberkeep.errors import InvalidArgument
from emberkeep.startup_records import final, frozen
from emberkeep.targets.arguments import Array, type_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any

    from emberkeep.targets.arguments import ArgumentType, Scalar


@final
@frozen
class ArrayRules:
    """How a target takes arrays.

    Attributes:
        misfit: an expression that is true of what does not fit, of the argument's name, for the
            position of an array in the signature.
        address: an expression for the address of its first element.
        length: an expression for the length of its first axis.
        space: what those expressions name.
        problem: what is wrong with a value at a position, as a sentence; None where it fits.
    """

    misfit: Callable[[str, int], str]
    address: Callable[[str], str]
    length: Callable[[str], str]
    space: Mapping[str, Any]
    problem: Callable[[Any, int], str | None]


def packer(
    types: Sequence[ArgumentType],
    names: Sequence[str],
    rules: ArrayRules,
    indexed: Collection[int] = (),
) -> Callable[[Sequence[Any], int], bytes]:
    """A function that packs arguments of these types, having checked them.

    What it returns takes the arguments, and the count that arrays which are indexed by it must be
    as long as: 0 where nobody is to look. It raises InvalidArgument, which names the argument.

    Args:
        types: of the arguments.
        names: of the arguments.
        rules: how the target takes arrays.
        indexed: positions of arrays that the kernel indexes by its index, along the first axis.
    """
    quick = _written_out(types, rules, indexed)

    def pack(arguments: Sequence[Any], count: int) -> bytes:
        try:
            return quick(arguments, count)
        except (struct.error, TypeError, ValueError, AttributeError) as problem:
            found = _misfit(types, names, arguments, rules)
            if found is None:
                found = _too_short(names, arguments, indexed, count)
            raise found or InvalidArgument(f"The arguments cannot be passed: {problem}") from None

    return pack


def _written_out(
    types: Sequence[ArgumentType], rules: ArrayRules, indexed: Collection[int]
) -> Callable[[Sequence[Any], int], bytes]:
    structure = Struct("@" + "".join(known.packed for known in types))
    space: dict[str, Any] = {**rules.space, "structure_pack": structure.pack}
    checks: list[str] = []
    words: list[str] = []
    for position, known in enumerate(types):
        name = f"a{position}"
        if isinstance(known, Array):
            checks.append(rules.misfit(name, position))
            if position in indexed:
                checks.append(f"{rules.length(name)} < count")
            # Owner and parent are null: nobody in compiled code frees an argument.
            words += ["0", "0", f"{name}.size", str(item_size(known)), rules.address(name)]
            words += [f"*{name}.shape", f"*{name}.strides"]
        elif known.dtype.startswith("complex"):
            words += [f"complex({name}).real", f"complex({name}).imag"]
        else:
            words.append(name)
    unpacked = "".join(f"a{position}, " for position in range(len(types)))
    text = (
        "def pack(arguments, count):\n"
        f"    {unpacked + '= arguments' if types else 'if arguments: raise ValueError'}\n"
        f"    if {' or '.join(checks) or 'False'}:\n        raise TypeError\n"
        f"    return structure_pack({', '.join(words)})\n"
    )
    exec(text, space)  # noqa: S102 - made of positions and constants only
    return space["pack"]


def item_size(known: Array) -> int:
    """Bytes of one number."""
    return (
        1 if known.dtype == "bool" else int(known.dtype.lstrip("abcdefghijklmnopqrstuvwxyz")) // 8
    )


def _misfit(
    types: Sequence[ArgumentType],
    names: Sequence[str],
    arguments: Sequence[Any],
    rules: ArrayRules,
) -> InvalidArgument | None:
    """Find the argument that does not fit; packing says only that one does not."""
    if len(arguments) != len(types):
        return InvalidArgument(
            f"{len(arguments)} arguments were passed to a kernel that takes {len(types)}: "
            f"{', '.join(names)}"
        )
    for position, (known, name, value) in enumerate(zip(types, names, arguments, strict=True)):
        if isinstance(known, Array):
            cause = rules.problem(value, position)
            if cause:
                return InvalidArgument(f"The argument {name!r} {cause}")
            continue
        cause = _number_problem(known, value)
        if cause:
            return InvalidArgument(
                f"The argument {name!r} must be a {known}; {value!r} is {_kind(value)}: {cause}"
            )
    return None


def _too_short(
    names: Sequence[str], arguments: Sequence[Any], indexed: Collection[int], count: int
) -> InvalidArgument | None:
    """What is wrong where an array ends before the count does: said of the shortest."""
    lengths = {position: arguments[position].shape[0] for position in indexed}
    position = min(lengths, key=lengths.__getitem__, default=None)
    if position is None or lengths[position] >= count:
        return None
    length = lengths[position]
    return InvalidArgument(
        f"count={count}, and the argument {names[position]!r}, which the kernel indexes by its "
        f"index, ends after {length}. Pass count={length}, or a longer array; or unchecked=True, "
        "if the kernel never gets there"
    )


def _number_problem(known: Scalar, value: Any) -> str:
    """What is wrong with a number; nothing where it fits."""
    try:
        if known.dtype.startswith("complex"):
            complex(value)
        else:
            Struct("@" + known.packed).pack(value)
    except (struct.error, TypeError, ValueError, AttributeError) as cause:
        return str(cause)
    return ""


def _kind(value: object) -> str:
    try:
        return str(type_of(value))
    except InvalidArgument:
        return f"a {type(value).__qualname__}"
