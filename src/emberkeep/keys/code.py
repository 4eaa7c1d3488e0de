"""Code objects: what they do, and the names through which they reach the outside.

Instructions are read without file, line or the numbering of constants, so that moving a
function, commenting it or changing its docstring keeps its key.
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import dis
import sys
import types

from emberkeep.errors import Unkeyable
from emberkeep.keys.fingerprint import branch, leaf
from emberkeep.keys.origin import (
    is_replacement,
    library_of,
    library_of_import,
)
from emberkeep.light import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from emberkeep.keys.fingerprint import Fingerprint
    from emberkeep.keys.visitor import Visitor

SKIPPED = frozenset({"CACHE", "EXTENDED_ARG"})
GLOBAL_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
ATTRIBUTE_LOADS = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
CALLS = frozenset({"CALL", "PRECALL"})
# What may stand between `getattr` and its call without changing which value is the second one.
QUIET = frozenset({"PUSH_NULL", "KW_NAMES", "PRECALL", "RESUME", "NOP"})
MISSING = object()


@final
@frozen
class LibraryImport:
    """A library's module that code imports by itself; it may not be loaded yet."""

    name: str
    library: str


# That there is a docstring (Python 3.13), and `from __future__ import annotations`.
FLAGS_WITHOUT_EFFECT = 0x4000000 | 0x1000000


@final
@frozen
class Found:
    """What a name means at the time of the walk."""

    value: Any


def describe_code(code: types.CodeType, path: str, walk: Visitor) -> Fingerprint:
    """What a code object does, apart from the things its names stand for."""
    instructions: list[bytes] = []
    constants: list[tuple[str, Fingerprint]] = []
    steps = [step for step in dis.get_instructions(code) if step.opname not in SKIPPED]
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if step.opcode in dis.hasconst:
            constant = code.co_consts[step.arg or 0]
            if following is not None and following.argval == "__firstlineno__":
                constant = None  # the line of a class statement (Python 3.13)
            constants.append((str(len(constants)), _constant(constant, path, walk)))
            instructions.append(b"%d." % step.opcode)
        else:
            instructions.append(b"%d:%d" % (step.opcode, -1 if step.arg is None else step.arg))
    names = {
        "names": code.co_names,
        "variables": code.co_varnames,
        "captured": code.co_freevars,
        "cells": code.co_cellvars,
    }
    flags = code.co_flags & ~FLAGS_WITHOUT_EFFECT
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, flags)
    children = [
        ("signature", leaf("counts", repr(counts).encode(), repr(counts))),
        ("instructions", leaf("bytecode", b" ".join(instructions), _size(instructions))),
        ("exceptions", leaf("table", code.co_exceptiontable, code.co_exceptiontable.hex())),
        *((label, walk.visit(texts, f"{path} {label}")) for label, texts in names.items()),
        ("constants", branch("constants", constants)),
    ]
    return branch("code", children)


def _size(instructions: list[bytes]) -> str:
    from emberkeep.light import sha256

    digest = sha256(b" ".join(instructions)).hexdigest()[:12]
    return f"{len(instructions)} instructions, sha256 {digest}"


def _constant(constant: object, path: str, walk: Visitor) -> Fingerprint:
    if isinstance(constant, types.CodeType):
        return describe_code(constant, f"{path} → {constant.co_name}", walk)
    return walk.compile_time(constant, f"{path} constant")


def reached_names(function: types.FunctionType, path: str) -> dict[str, Found | None]:
    """Every global that a function's code, and the code inside it, reads: what it is now.

    Attributes of modules are followed (``np.linalg.norm`` is the function, not NumPy). None stands
    for a name that is not defined.
    """
    found: dict[str, Found | None] = {}
    for code in _nested(function.__code__):
        steps = [step for step in dis.get_instructions(code) if step.opname not in SKIPPED]
        for index, step in enumerate(steps):
            if step.opname in GLOBAL_LOADS and not _names_module(steps, index):
                label, value = _follow(function, steps, index)
                found[label] = None if value is MISSING else Found(value)
                if value is getattr:
                    _require_constant_name(steps, index, path)
            elif step.opname == "IMPORT_NAME":
                found.update(_imported(function, steps, index, path))
    return found


def _names_module(steps: list[dis.Instruction], index: int) -> bool:
    """Whether a step begins a class statement, which reads the module's name to note it down."""
    following = steps[index + 1 : index + 2]
    return steps[index].argval == "__name__" and any(
        step.opname == "STORE_NAME" and step.argval == "__module__" for step in following
    )


def read_from_module(
    module: types.ModuleType, label: str, names: frozenset[str]
) -> Iterator[tuple[str, Found]]:
    """What code may read from a module that it holds as a value: every attribute it names."""
    for name in sorted(names):
        value = vars(module).get(name, MISSING)
        if isinstance(value, types.ModuleType) and library_of(value) is not None:
            yield from read_from_module(value, f"{label}.{name}", names - {name})
        elif value is not MISSING:
            yield f"{label}.{name}", Found(value)


def reached_attributes(code: types.CodeType) -> frozenset[str]:
    """Every name that a code object, and the code inside it, uses for an attribute or global."""
    return frozenset(name for inner in _nested(code) for name in inner.co_names)


def written_texts(code: types.CodeType) -> frozenset[str]:
    """Every text constant of a code object, and of the code inside it: `getattr` may take one."""
    constants = (constant for inner in _nested(code) for constant in inner.co_consts)
    return frozenset(constant for constant in constants if isinstance(constant, str))


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _nested(constant)


def _follow(
    function: types.FunctionType, steps: list[dis.Instruction], index: int
) -> tuple[str, object]:
    label: str = steps[index].argval
    builtins: Any = function.__builtins__
    value = function.__globals__.get(label, builtins.get(label, MISSING))
    return _attributes(label, value, steps, index + 1)


def _attributes(
    label: str, value: object, steps: list[dis.Instruction], index: int
) -> tuple[str, object]:
    """Follow attribute reads for as long as they are reads from a module."""
    while (
        isinstance(value, types.ModuleType)
        and index < len(steps)
        and steps[index].opname in ATTRIBUTE_LOADS
    ):
        label = f"{label}.{steps[index].argval}"
        value = getattr(value, steps[index].argval, MISSING)
        index += 1
    return label, value


def _imported(
    function: types.FunctionType, steps: list[dis.Instruction], index: int, path: str
) -> dict[str, Found | None]:
    """What an import statement inside a function brings in."""
    name: str = steps[index].argval
    level, names = steps[index - 2].argval, steps[index - 1].argval
    if level:
        package: str = function.__globals__.get("__package__") or ""
        base = package.rsplit(".", level - 1)[0] if level > 1 else package
        name = f"{base}.{name}" if name else base
    library = library_of_import(name)
    if library is not None:
        return _library_import(function, name, library, names)
    module = sys.modules.get(name)
    # A name that is not there yet may be a submodule, whose contents are not known either.
    if module is not None and names and all(hasattr(module, each) for each in names):
        return {f"import {name}.{each}": Found(getattr(module, each)) for each in names}
    raise Unkeyable(
        path,
        f"imports {name!r} inside the function, so what it uses of it cannot be seen",
        "Import it at the top of the module, or write `from … import name` after it was loaded",
    )


def _library_import(
    function: types.FunctionType, name: str, library: str, names: tuple[str, ...] | None
) -> dict[str, Found | None]:
    """A library goes by its version, and must not be loaded to be keyed.

    Where it is loaded already, what somebody put in the place of its own functions counts.
    """
    found: dict[str, Found | None] = {f"import {name}": Found(LibraryImport(name, library))}
    reached = frozenset(names or ()) | reached_attributes(function.__code__)
    bound = (name,) if names else (name, name.partition(".")[0])  # `import a.b` binds `a`
    for module in (sys.modules.get(each) for each in bound):
        if module is not None:
            replaced = read_from_module(module, f"import {module.__name__}", reached)
            found.update((label, read) for label, read in replaced if is_replacement(read.value))
    return found


def _require_constant_name(steps: list[dis.Instruction], index: int, path: str) -> None:
    """Accept ``getattr(x, "name")``; refuse a name that is computed.

    The instructions between `getattr` and its call are followed on a small stack; anything but
    plain loads is refused, for what it would do to the stack is not known here.
    """
    stack: list[object] = []
    for step in steps[index + 1 :]:
        if step.opname in CALLS and step.arg == len(stack) and len(stack) >= 2:  # noqa: PLR2004 - object and name
            if isinstance(stack[1], str):
                return
            break
        if step.opname in QUIET:
            continue
        if step.opname in ATTRIBUTE_LOADS and stack:
            stack[-1] = None
        elif step.opcode in dis.hasconst:
            stack.append(step.argval)
        elif step.opname.startswith("LOAD_") and step.opname not in ATTRIBUTE_LOADS:
            stack.extend([None] * (2 if step.opname == "LOAD_FAST_LOAD_FAST" else 1))
        else:
            break
    raise Unkeyable(
        f"{path} → getattr",
        "is called with a name that is not written out, so what it reads cannot be seen",
        "Write the attribute's name as a constant",
    )
