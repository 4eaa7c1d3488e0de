"""Code objects: what they do, and the names through which they reach the outside.

Instructions are read in a normal form (`instructions`), without file, line or the numbering of
constants and names: moving a function, commenting it or changing its docstring keeps its key. The
name by which a module says what it imported from a library is left out too: the library's own name
stands in its place. Where code assigns to globals, names count as they are written.
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import sys
import types

from emberkeep.errors import Unkeyable
from emberkeep.keys.fingerprint import branch, leaf
from emberkeep.keys.instructions import CONSTANT, JUMP, NAME, instructions
from emberkeep.keys.names import names_of, nested
from emberkeep.keys.origin import (
    is_installed,
    is_replacement,
    library_object,
    library_of_import,
)
from emberkeep.keys.refusal import GlobalsChange
from emberkeep.startup_records import final, frozen, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from emberkeep.keys.distributions import Location
    from emberkeep.keys.fingerprint import Fingerprint
    from emberkeep.keys.instructions import Instructions, Step
    from emberkeep.keys.visitor import Visitor

GLOBAL_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
ATTRIBUTE_LOADS = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
GLOBAL_CHANGES = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
CALLS = frozenset({"CALL", "PRECALL"})
# Uses of a global's name that are not plain reads.
OTHER_GLOBAL_USES = frozenset(
    {"LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "STORE_NAME", "DELETE_NAME", *GLOBAL_CHANGES}
)
# What may stand between `getattr` and its call without changing which value is the second one.
QUIET = frozenset({"PUSH_NULL", "KW_NAMES", "PRECALL", "RESUME", "NOP"})
MISSING = object()


@final
@frozen
class LibraryImport:
    """A library's module that code imports by itself; it may not be loaded yet."""

    name: str
    library: str | Location


# That there is a docstring (Python 3.13), that the function was written inside another one, and
# what was imported from `__future__`: the compiler that made the code has obeyed it.
FLAGS_WITHOUT_EFFECT = 0x4000000 | 0x10 | 0x1FE0000


@final
@frozen
class Found:
    """What a name means at the time of the walk."""

    value: Any


def describe_code(
    code: types.CodeType, path: str, walk: Visitor, aliases: Mapping[str, str] | None = None
) -> Fingerprint:
    """What a code object does, apart from the things its names stand for.

    Args:
        code: its instructions, and those of code inside it.
        path: by which it is reached.
        walk: the walk.
        aliases: what stands in the place of names of globals.

    Raises:
        GlobalsChange: it assigns to globals, and names are not taken as they are written.
    """
    form = instructions(code)
    tokens: list[bytes] = []
    constants: list[tuple[str, Fingerprint]] = []
    for step in form.steps:
        tokens.append(_token(step, aliases or {}))
        if step.operation in GLOBAL_CHANGES and not walk.literal:
            raise GlobalsChange
        if step.sort == CONSTANT:
            constants.append((str(len(constants)), _constant(step.argument, path, walk, aliases)))
    names = {
        "variables": code.co_varnames,
        "captured": code.co_freevars,
        "cells": code.co_cellvars,
    }
    flags = code.co_flags & ~FLAGS_WITHOUT_EFFECT
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, flags)
    children = [
        ("signature", leaf("counts", repr(counts).encode(), repr(counts))),
        ("instructions", leaf("bytecode", b" ".join(tokens), _size(tokens))),
        ("exceptions", _handlers(form)),
        *((label, walk.visit(texts, f"{path} {label}")) for label, texts in names.items()),
        ("constants", branch("constants", constants)),
    ]
    return branch("code", children)


def _token(step: Step, aliases: Mapping[str, str]) -> bytes:
    """An instruction as bytes; a name's length goes before it, for it may hold anything."""
    if step.sort == CONSTANT:
        return step.operation.encode()
    if step.sort == NAME:
        name = str(step.argument)
        if step.operation == "LOAD_GLOBAL":
            name = aliases.get(name, name)
        raw = name.encode("utf-8", "surrogatepass")
        return b"%b %d:%b" % (step.operation.encode(), len(raw), raw)
    return b"%b%b%d" % (step.operation.encode(), b"@" if step.sort == JUMP else b" ", step.argument)


def _handlers(form: Instructions) -> Fingerprint:
    text = " ".join(f"{h.begin}-{h.end}@{h.target}:{h.depth}" for h in form.handlers)
    return leaf("table", text.encode(), text)


def _size(instructions: list[bytes]) -> str:
    digest = sha256(b" ".join(instructions)).hexdigest()[:12]
    return f"{len(instructions)} instructions, sha256 {digest}"


def _constant(
    constant: object, path: str, walk: Visitor, aliases: Mapping[str, str] | None
) -> Fingerprint:
    if isinstance(constant, types.CodeType):
        return describe_code(constant, f"{path} → {constant.co_name}", walk, aliases)
    return walk.compile_time(constant, f"{path} constant")


def library_names(function: types.FunctionType) -> dict[str, str]:
    """Names of globals that stand for a library's module, function or class: what they stand for.

    Only where all code reads them as globals, where no other name of the code is the same, and not
    where a builtin has the name: a compiler may look at that.
    """
    found: dict[str, str] = {}
    taken = names_of(function.__code__).used
    builtins: Any = function.__builtins__
    for code in nested(function.__code__):
        for name in code.co_names:
            value = function.__globals__.get(name, MISSING)
            if value is not MISSING and name not in builtins and name not in found:
                own = _own_name(value)
                if own is not None and own not in taken:
                    found[name] = own
        for step in instructions(code).steps if found else ():
            if step.sort == NAME and step.operation in OTHER_GLOBAL_USES:
                found.pop(str(step.argument), None)
    return found


def _own_name(value: Any) -> str | None:
    if isinstance(value, types.ModuleType):
        return value.__name__ if is_installed(value) else None
    if not isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        return None
    return None if library_object(value) is None else f"{value.__module__}.{value.__qualname__}"


def reached_names(
    function: types.FunctionType, path: str, aliases: Mapping[str, str] | None = None
) -> dict[str, Found | None]:
    """Every global that a function's code, and the code inside it, reads: what it is now.

    Attributes of modules are followed (``np.linalg.norm`` is the function, not NumPy). None stands
    for a name that is not defined.
    """
    found: dict[str, Found | None] = {}
    for code in nested(function.__code__):
        steps = instructions(code).steps
        for index, step in enumerate(steps):
            if step.operation in GLOBAL_LOADS and not _names_module(steps, index):
                label, value = _follow(function, steps, index, aliases or {})
                found[label] = None if value is MISSING else Found(value)
                if value is getattr:
                    _require_constant_name(steps, index, path)
            elif step.operation == "IMPORT_NAME":
                found.update(_imported(function, steps, index, path))
    return found


def _names_module(steps: Sequence[Step], index: int) -> bool:
    """Whether a step begins a class statement, which reads the module's name to note it down."""
    following = steps[index + 1 : index + 2]
    return steps[index].argument == "__name__" and any(
        step.operation == "STORE_NAME" and step.argument == "__module__" for step in following
    )


def read_from_module(
    module: types.ModuleType, label: str, names: frozenset[str]
) -> Iterator[tuple[str, Found]]:
    """What code may read from a module that it holds as a value: every attribute it names."""
    for name in sorted(names):
        value = vars(module).get(name, MISSING)
        if isinstance(value, types.ModuleType) and is_installed(value):
            yield from read_from_module(value, f"{label}.{name}", names - {name})
        elif value is not MISSING:
            yield f"{label}.{name}", Found(value)


def _follow(
    function: types.FunctionType, steps: Sequence[Step], index: int, aliases: Mapping[str, str]
) -> tuple[str, object]:
    label = str(steps[index].argument)
    builtins: Any = function.__builtins__
    value = function.__globals__.get(label, builtins.get(label, MISSING))
    if steps[index].operation == "LOAD_GLOBAL":
        label = aliases.get(label, label)
    return _attributes(label, value, steps, index + 1)


def _attributes(label: str, value: object, steps: Sequence[Step], index: int) -> tuple[str, object]:
    """Follow attribute reads for as long as they are reads from a module."""
    while (
        isinstance(value, types.ModuleType)
        and index < len(steps)
        and steps[index].operation in ATTRIBUTE_LOADS
    ):
        label = f"{label}.{steps[index].argument}"
        value = getattr(value, str(steps[index].argument), MISSING)
        index += 1
    return label, value


def _imported(
    function: types.FunctionType, steps: Sequence[Step], index: int, path: str
) -> dict[str, Found | None]:
    """What an import statement inside a function brings in."""
    name = str(steps[index].argument)
    level: Any = steps[index - 2].argument
    names: Any = steps[index - 1].argument
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
    function: types.FunctionType, name: str, library: str | Location, names: tuple[str, ...] | None
) -> dict[str, Found | None]:
    """A library goes by its version, and must not be loaded to be keyed.

    Where it is loaded already, what somebody put in the place of its own functions counts.
    """
    found: dict[str, Found | None] = {f"import {name}": Found(LibraryImport(name, library))}
    reached = frozenset(names or ()) | names_of(function.__code__).used
    bound = (name,) if names else (name, name.partition(".")[0])  # `import a.b` binds `a`
    for module in (sys.modules.get(each) for each in bound):
        if module is not None:
            replaced = read_from_module(module, f"import {module.__name__}", reached)
            found.update((label, read) for label, read in replaced if is_replacement(read.value))
    return found


def _require_constant_name(steps: Sequence[Step], index: int, path: str) -> None:
    """Accept ``getattr(x, "name")``; refuse a name that is computed.

    The instructions between `getattr` and its call are followed on a small stack; anything but
    plain loads is refused, for what it would do to the stack is not known here.
    """
    stack: list[object] = []
    for step in steps[index + 1 :]:
        if step.operation in CALLS and step.argument == len(stack) and len(stack) >= 2:  # noqa: PLR2004 - object and name
            if isinstance(stack[1], str):
                return
            break
        if step.operation in QUIET:
            continue
        if step.operation in ATTRIBUTE_LOADS and stack:
            stack[-1] = None
        elif step.sort == CONSTANT:
            stack.append(step.argument)
        elif step.operation.startswith("LOAD_") and step.operation not in ATTRIBUTE_LOADS:
            stack.append(None)
        else:
            break
    raise Unkeyable(
        f"{path} → getattr",
        "is called with a name that is not written out, so what it reads cannot be seen",
        "Write the attribute's name as a constant",
    )
