"""What code names, with the code inside it: globals, attributes, texts that `getattr` may take."""

from __future__ import annotations

import functools
import opcode
import types

from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_GLOBAL_LOADS = frozenset(
    opcode.opmap[name]
    for name in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
    if name in opcode.opmap
)


@final
@frozen
class Names:
    """The names in code, and in the code inside it.

    Attributes:
        used: all, for a global or an attribute.
        loaded: those that are read as globals.
        texts: constants that are text.
    """

    used: frozenset[str]
    loaded: frozenset[str]
    texts: frozenset[str]


def nested(code: types.CodeType) -> Iterator[types.CodeType]:
    """A code object, and all code inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from nested(constant)


@functools.lru_cache(maxsize=4096)
def names_of(code: types.CodeType) -> Names:
    """What a code object names."""
    within = tuple(nested(code))
    return Names(
        frozenset(name for each in within for name in each.co_names),
        frozenset(name for each in within for name in _loaded(each)),
        frozenset(text for each in within for text in each.co_consts if isinstance(text, str)),
    )


def _loaded(code: types.CodeType) -> Iterator[str]:
    # The opcode's argument counts names doubly: its last bit says whether a call follows.
    load_global, argument = opcode.opmap["LOAD_GLOBAL"], 0
    steps = code.co_code
    for place in range(0, len(steps), 2):
        operation = steps[place]
        argument = argument << 8 | steps[place + 1]
        if operation == opcode.EXTENDED_ARG:
            continue
        if operation in _GLOBAL_LOADS:
            yield code.co_names[argument >> 1 if operation == load_global else argument]
        argument = 0
