"""Instructions of a code object in a normal form: what they do, without traces of how it was typed.

One function has other bytecode in a script than in a notebook's cell, or with other line breaks.
Each rule here replaces instructions by others that do the same for whoever runs or compiles them:

- ``CACHE`` and ``EXTENDED_ARG`` hold no instruction. ``NOP`` does nothing: it marks a line (of
  ``pass``, of a docstring that ``-OO`` took away). A forward jump to what follows does nothing
  either. Jumps and exception handlers then lead to instructions in place of offsets, and the table
  of handlers lists maximal ranges.
- Class statements note their line, their docstring and the attributes that their methods assign to
  (in the order of a set). Nothing of that is in the key of a class either.
- Pairs in one instruction (``LOAD_FAST_LOAD_FAST``, ``RETURN_CONST``, ``LOAD_GLOBAL`` with a null)
  are written as two: Python joins them only where both are of one line.
- ``x.f(…)`` loads a method, or an attribute and a null: Python does the latter where it saw ``x``
  being imported, in the same text. Calls treat both alike. Where the null is pushed before ``x``,
  it could also belong to a larger callable that begins with ``x.f``; but then instructions follow
  that take ``x.f`` from the stack, which after a method no compiler writes. So two functions with
  one normal form still do the same.

What is *not* done: names of local variables stay (numba's option ``locals`` is by name), and equal
ends of branches are not made one: numba infers types of variables where branches meet, and
``x - 1`` in two branches may be exact in one of them.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from functools import lru_cache
from opcode import hasconst, hasjrel, hasname, opname

from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from collections.abc import Iterator

CONSTANT, NAME, JUMP, NUMBER = "constant", "name", "jump", "number"
_NOTES = frozenset({"__doc__", "__firstlineno__", "__static_attributes__"})
NULL_COMES_LAST = sys.version_info >= (3, 13)
METHODS_ARE_ATTRIBUTES = sys.version_info >= (3, 12)

_CACHE, _NOP, _EXTENDED = "CACHE", "NOP", opname.index("EXTENDED_ARG")
_CONSTANTS, _NAMES, _JUMPS = frozenset(hasconst), frozenset(hasname), frozenset(hasjrel)
_PAIRS = {
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "LOAD_FAST_BORROW_LOAD_FAST_BORROW": ("LOAD_FAST_BORROW", "LOAD_FAST_BORROW"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
}
_SIMPLE_LOADS = frozenset(
    {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_DEREF"}
)


@final
@frozen
class Step:
    """One instruction.

    Attributes:
        operation: its name, as `dis` has it.
        sort: what the argument is: a constant, a name, the number of a step, or a plain number.
        argument: that.
    """

    operation: str
    sort: str
    argument: object


@final
@frozen
class Handler:
    """What happens on an exception in the steps from `begin` to before `end`."""

    begin: int
    end: int
    target: int
    depth: int


@final
@frozen
class Instructions:
    """The normal form of a code object's instructions."""

    steps: tuple[Step, ...]
    handlers: tuple[Handler, ...]


@lru_cache(maxsize=512)  # each is asked for by several parts of a walk
def instructions(code: types.CodeType) -> Instructions:
    """The normal form of a code object, without those inside it."""
    placed = list(_decode(code))
    targets = {step.argument for _, step in placed if step.sort == JUMP}
    targets |= {target for _, _, target, _ in _exceptions(code.co_exceptiontable)}
    kept = _without_idle_jumps(_without_notes(_with_methods(placed, targets)))
    offsets = [offset for offset, _ in kept]
    steps = [_led_to_step(step, offsets) for _, step in kept]
    return Instructions(tuple(steps), tuple(_handlers(code.co_exceptiontable, offsets)))


def _led_to_step(step: Step, offsets: list[int]) -> Step:
    if step.sort != JUMP:
        return step
    return Step(step.operation, JUMP, bisect_left(offsets, step.argument))  # pyright: ignore[reportArgumentType, reportCallIssue]


def _decode(code: types.CodeType) -> Iterator[tuple[int, Step]]:
    """Every instruction that does something, by its offset; pairs in two. Jumps lead to offsets."""
    content, extended = code.co_code, 0
    for offset in range(0, len(content), 2):
        number, argument = content[offset], content[offset + 1] | extended
        extended = argument << 8 if number == _EXTENDED else 0
        name = opname[number]
        if number == _EXTENDED or name in (_CACHE, _NOP):
            continue
        if number in _JUMPS:
            signed = -argument if "BACKWARD" in name else argument
            yield offset, Step(name, JUMP, _after_caches(content, offset) + 2 * signed)
        elif number in _CONSTANTS:
            for operation in _with_constant(name):
                if operation == "RETURN_VALUE":
                    yield offset, Step(operation, NUMBER, 0)
                else:
                    yield offset, Step(operation, CONSTANT, code.co_consts[argument])
        elif number in _NAMES:
            for step in _with_name(name, argument, code.co_names):
                yield offset, step
        elif name in _PAIRS:
            first, second = _PAIRS[name]
            yield offset, Step(first, NUMBER, argument >> 4)
            yield offset, Step(second, NUMBER, argument & 15)
        else:
            yield offset, Step(name, NUMBER, argument)


def _after_caches(content: bytes, offset: int) -> int:
    offset += 2
    while offset < len(content) and opname[content[offset]] == _CACHE:
        offset += 2
    return offset


def _with_constant(name: str) -> tuple[str, ...]:
    return ("LOAD_CONST", "RETURN_VALUE") if name == "RETURN_CONST" else (name,)


def _with_name(name: str, argument: int, names: tuple[str, ...]) -> Iterator[Step]:
    if name == "LOAD_GLOBAL":
        null, load = Step("PUSH_NULL", NUMBER, 0), Step(name, NAME, names[argument >> 1])
        if argument & 1:
            yield from (load, null) if NULL_COMES_LAST else (null, load)
        else:
            yield load
    elif name == "LOAD_ATTR" and METHODS_ARE_ATTRIBUTES:
        yield Step("LOAD_METHOD" if argument & 1 else name, NAME, names[argument >> 1])
    elif name == "LOAD_SUPER_ATTR":
        yield Step(f"{name} {argument & 3}", NAME, names[argument >> 2])
    else:
        yield Step(name, NAME, names[argument])


def _with_methods(placed: list[tuple[int, Step]], targets: set[object]) -> list[tuple[int, Step]]:
    """A callable attribute is loaded as a method everywhere."""
    found: list[tuple[int, Step]] = []
    for offset, step in placed:
        found.append((offset, step))
        if NULL_COMES_LAST:
            if _are(found[-2:], ("LOAD_ATTR", "PUSH_NULL")) and offset not in targets:
                found[-2:] = [_as_method(found[-2])]
        elif (
            len(found) > 2  # noqa: PLR2004 - the three that are looked at
            and found[-2][1].operation in _SIMPLE_LOADS
            and _are((found[-3], found[-1]), ("PUSH_NULL", "LOAD_ATTR"))
            and offset not in targets
            and (found[-2][0] not in targets or found[-2][0] == found[-3][0])
        ):
            found[-3:] = [found[-2], _as_method(found[-1])]
    return found


def _are(placed: list[tuple[int, Step]] | tuple[tuple[int, Step], ...], names: object) -> bool:
    return tuple(step.operation for _, step in placed) == names


def _as_method(placed: tuple[int, Step]) -> tuple[int, Step]:
    offset, step = placed
    return offset, Step("LOAD_METHOD", NAME, step.argument)


def _without_notes(placed: list[tuple[int, Step]]) -> list[tuple[int, Step]]:
    """Without what class statements note down of their source."""
    kept: list[tuple[int, Step]] = []
    for offset, step in placed:
        is_note = step.operation == "STORE_NAME" and step.argument in _NOTES
        if is_note and kept and kept[-1][1].operation == "LOAD_CONST":
            kept.pop()
        else:
            kept.append((offset, step))
    return kept


def _without_idle_jumps(placed: list[tuple[int, Step]]) -> list[tuple[int, Step]]:
    kept: list[tuple[int, Step]] = []  # from the end on
    for offset, step in reversed(placed):
        if step.operation == "JUMP_FORWARD":
            following = kept[-1][0] if kept else None
            target = step.argument
            if following is not None and offset < target <= following:  # pyright: ignore[reportOperatorIssue]
                continue
        kept.append((offset, step))
    kept.reverse()
    return kept


def _handlers(table: bytes, offsets: list[int]) -> list[Handler]:
    found: list[Handler] = []
    for begin, end, target, depth in _exceptions(table):
        first, last = bisect_left(offsets, begin), bisect_left(offsets, end)
        handler = Handler(first, last, bisect_left(offsets, target), depth)
        if first == last:
            continue
        before = found[-1] if found else None
        same = (handler.target, depth)
        if before and before.end == first and (before.target, before.depth) == same:
            found[-1] = Handler(before.begin, last, before.target, depth)
        else:
            found.append(handler)
    return found


def _exceptions(table: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Begin, end, target (as offsets), and depth with a mark, of each entry."""
    numbers: list[int] = []
    value = 0
    for byte in table:
        value = value << 6 | byte & 63
        if not byte & 64:
            numbers.append(value)
            value = 0
    for index in range(0, len(numbers), 4):
        begin, length, target, depth = numbers[index : index + 4]
        yield 2 * begin, 2 * (begin + length), 2 * target, depth
