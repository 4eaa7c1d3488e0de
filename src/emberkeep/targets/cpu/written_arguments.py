"""Which arrays a kernel may write to, read off its optimised code.

A caller may pass a read-only array wherever this says that nothing is written. The answer errs to
one side: an address that goes where we cannot follow counts as written to.
"""

# llvmlite has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from emberkeep.targets.arguments import ArgumentType, Array
from emberkeep.targets.cpu.entry import INDICES, LEADING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ADDRESS = 4  # among the slots of an array: owner, parent, items, item size, address

_NAME = re.compile(r'%(?:"[^"]*"|[-\w.$]+)')
_RESULT = re.compile(r'\s*(%(?:"[^"]*"|[-\w.$]+)) = (.*)', re.DOTALL)
_CALLED = re.compile(r'@(?:"([^"]*)"|([-\w.$]+))\(')

# What only looks at an address or at what lies there.
_READING = frozenset({"load", "icmp", "br", "switch"})
_READING_INTRINSICS = (
    "llvm.masked.load",
    "llvm.masked.gather",
    "llvm.assume",
    "llvm.prefetch",
    "llvm.experimental.noalias.scope.decl",
    "llvm.umin",
    "llvm.umax",
)


def written_arrays(function: Any, types: Sequence[ArgumentType]) -> list[int]:
    """Positions of the array arguments that a compiled function may write to."""
    names = [f"%{argument.name}" for argument in function.arguments][LEADING + INDICES :]
    instructions = [
        str(instruction).strip() for block in function.blocks for instruction in block.instructions
    ]
    return [
        position
        for position, (known, slot) in enumerate(_first_slots(types))
        if isinstance(known, Array) and _may_write(instructions, names[slot + ADDRESS])
    ]


def _first_slots(types: Sequence[ArgumentType]) -> Iterator[tuple[ArgumentType, int]]:
    """Each type with the number of its first flattened argument."""
    slot = 0
    for known in types:
        yield known, slot
        slot += len(known.packed)


def _may_write(instructions: Sequence[str], address: str) -> bool:
    """Follow an address through the code until nothing new is derived from it."""
    derived = {address}
    grown = True
    while grown:
        grown = False
        for text in instructions:
            result, operation = _parts(text)
            used = derived.intersection(_NAME.findall(operation))
            if not used:
                continue
            opcode = operation.split(None, 1)[0]
            if opcode in _READING or _only_reads(operation, used):
                continue
            if result is None or "call" in operation.split("(", 1)[0].split():
                return True  # stored to, stored away, passed on
            if opcode in ("atomicrmw", "cmpxchg"):
                return True
            grown |= result not in derived
            derived.add(result)
    return False


def _parts(text: str) -> tuple[str | None, str]:
    """The name that an instruction gives its result, and the rest."""
    found = _RESULT.match(text)
    return (None, text) if found is None else (found[1], found[2])


def _only_reads(operation: str, used: set[str]) -> bool:
    """Whether a call or a store merely reads from the addresses it is given."""
    called = _CALLED.search(operation)
    if called is None:
        return False
    name = called[1] or called[2]
    if name.startswith(("llvm.memcpy", "llvm.memmove")):
        destination = _NAME.search(operation[called.end() :])
        return destination is not None and destination[0] not in used
    return name.startswith(_READING_INTRINSICS)
