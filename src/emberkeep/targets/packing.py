"""Writing out the function that checks and packs the arguments of one signature.

This is most of what a call costs, so it is straight code: attribute reads and one `struct.pack`,
without a loop over arguments. Only where something does not fit is it found out what.
"""

from __future__ import annotations

import struct
from struct import Struct

from emberkeep.errors import InvalidArgument
from emberkeep.light import final, frozen
from emberkeep.targets.arguments import Array, type_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
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
        space: what those expressions name.
        problem: what is wrong with a value at a position, as a sentence; None where it fits.
    """

    misfit: Callable[[str, int], str]
    address: Callable[[str], str]
    space: Mapping[str, Any]
    problem: Callable[[Any, int], str | None]


def packer(
    types: Sequence[ArgumentType], names: Sequence[str], rules: ArrayRules
) -> Callable[[Sequence[Any]], bytes]:
    """A function that packs arguments of these types, having checked them.

    What it returns raises InvalidArgument, which names the argument.
    """
    quick = _written_out(types, rules)

    def pack(arguments: Sequence[Any]) -> bytes:
        try:
            return quick(arguments)
        except (struct.error, TypeError, ValueError, AttributeError) as problem:
            raise _misfit(types, names, arguments, rules, str(problem)) from None

    return pack


def _written_out(
    types: Sequence[ArgumentType], rules: ArrayRules
) -> Callable[[Sequence[Any]], bytes]:
    structure = Struct("@" + "".join(known.packed for known in types))
    space: dict[str, Any] = {**rules.space, "structure_pack": structure.pack}
    checks: list[str] = []
    words: list[str] = []
    for position, known in enumerate(types):
        name = f"a{position}"
        if isinstance(known, Array):
            checks.append(rules.misfit(name, position))
            # Owner and parent are null: nobody in compiled code frees an argument.
            words += ["0", "0", f"{name}.size", str(item_size(known)), rules.address(name)]
            words += [f"*{name}.shape", f"*{name}.strides"]
        elif known.dtype.startswith("complex"):
            words += [f"complex({name}).real", f"complex({name}).imag"]
        else:
            words.append(name)
    unpacked = "".join(f"a{position}, " for position in range(len(types)))
    text = (
        "def pack(arguments):\n"
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
    problem: str,
) -> InvalidArgument:
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
    return InvalidArgument(f"The arguments cannot be passed: {problem}")


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
