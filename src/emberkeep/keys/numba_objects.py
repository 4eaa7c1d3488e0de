"""numba's objects by what they compile, and what users registered to be compiled instead.

Nothing here imports numba: where it is not loaded, no value can be one of its objects.
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import sys
import types

from emberkeep.keys.extensions import extension_packages
from emberkeep.keys.fingerprint import branch, leaf
from emberkeep.keys.numba_types import (
    describe_signature,
    describe_type,
    is_numba_type,
    is_signature,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from emberkeep.keys.fingerprint import Fingerprint
    from emberkeep.keys.visitor import Visitor

# Options that say where or how long, and nothing about the code.
OPTIONS_WITHOUT_EFFECT = frozenset({"cache"})


def describe_numba(value: Any, path: str, walk: Visitor) -> Fingerprint | None:
    """A dispatcher, ufunc, callback, intrinsic or type of numba's; None for anything else."""
    if is_numba_type(value):
        return describe_type(value, path, walk)
    if not type(value).__module__.startswith("numba"):
        return None
    if is_signature(value):
        return describe_signature(value, path, walk)
    kind = f"numba {type(value).__name__}"
    if hasattr(value, "py_func") and hasattr(value, "targetoptions"):
        return walk.met(value) or _dispatcher(kind, value, path, walk)
    if hasattr(value, "_dispatcher"):  # @vectorize and @guvectorize
        inner = walk.visit(value._dispatcher, path)  # noqa: SLF001 - numba shows it nowhere else
        options = (
            getattr(value, "signature", ""),
            repr(getattr(value, "identity", getattr(value, "_identity", None))),
            # Frozen, no other types get compiled; else these are only those seen so far.
            tuple(value.types) if getattr(value, "_frozen", False) else None,
        )
        children = [("dispatcher", inner), ("options", walk.visit(options, path))]
        builder = getattr(value, "gufunc_builder", None)
        if builder is not None:
            children.append(("writable", walk.visit(repr(builder.writable_args), path)))
            children += _compile_options(builder, None, path, walk)
        return branch(kind, children)
    if hasattr(value, "_pyfunc") and hasattr(value, "_sig"):  # @cfunc
        function = walk.visit(value._pyfunc, path)  # noqa: SLF001 - the same
        signature = walk.visit(value._sig, path)  # noqa: SLF001 - the same
        compiler = value._compiler  # noqa: SLF001 - the same
        children = [("function", function), ("signature", signature)]
        children += _compile_options(compiler, compiler.pipeline_class, path, walk)
        return branch(kind, children)
    if hasattr(value, "_defn") and hasattr(value, "_ctor_kwargs"):  # @intrinsic
        definition = walk.visit(value._defn, path)  # noqa: SLF001 - the same
        settings = {**value._ctor_kwargs, "prefer_literal": value._prefer_literal}  # noqa: SLF001 - the same
        options = walk.compile_time(settings, f"{path} options")
        return branch(kind, [("definition", definition), ("options", options)])
    return None


def _dispatcher(kind: str, value: Any, path: str, walk: Visitor) -> Fingerprint:
    # UFuncs' dispatchers have no compiler of their own that a user could choose.
    compiler = getattr(getattr(value, "_compiler", None), "pipeline_class", None)
    children = [
        ("function", walk.visit(value.py_func, path)),
        *_compile_options(value, compiler, path, walk),
    ]
    links = value.targetoptions.get("link")
    if links:
        children.append(("link", _linked_files(links, path, walk)))
    if not getattr(value, "_can_compile", True):  # explicit signatures: no others get compiled
        # Their order is that of the decorator, in which numba tries them.
        children.append(("signatures", walk.visit(list(value.overloads), f"{path} signatures")))
    return branch(kind, children)


def _compile_options(
    value: Any, compiler: object, path: str, walk: Visitor
) -> list[tuple[str, Fingerprint]]:
    options: dict[str, object] = {
        name: option
        for name, option in sorted(value.targetoptions.items())
        if name not in OPTIONS_WITHOUT_EFFECT
    }
    types_of_locals = dict(sorted((getattr(value, "locals", None) or {}).items()))
    return [
        ("options", walk.visit(options, f"{path} options")),
        ("locals", walk.visit(types_of_locals, f"{path} locals")),
        # The compiler's pipeline: users can pass a class of their own.
        ("compiler", walk.visit(compiler, f"{path} pipeline_class")),
    ]


def _linked_files(links: Any, path: str, walk: Visitor) -> Fingerprint:
    """Files that get linked into a CUDA kernel, by their contents."""
    from pathlib import Path

    children: list[tuple[str, Fingerprint]] = []
    for index, link in enumerate(links):
        if isinstance(link, str):
            children.append((link, leaf("linked file", Path(link).read_bytes(), Path(link).name)))
        else:
            children.append((str(index), walk.visit(link, f"{path} link[{index}]")))
    return branch("link", [(str(index), child) for index, (_, child) in enumerate(children)])


def registrations(value: object) -> list[tuple[str, object]]:
    """What numba compiles in place of a callable (`@overload` and its lower-level kin)."""
    found = [extension for known, extension in _extensions() if known is value]
    return [(f"overload {index}", extension) for index, extension in enumerate(found)]


# Syntax reaches these without naming them: `if x:` calls bool, an f-string str and format.
MODULES_BEHIND_SYNTAX = ("_operator", "builtins")


def implicit_registrations(names: frozenset[str]) -> list[tuple[str, object]]:
    """Registrations that code can reach without a global name.

    Operators and iteration are reached by syntax, methods and attributes through an object whose
    type is known only when numba infers it. So the name of an attribute decides, and operators
    always count: a key may hold a registration that is not used, never miss one that is.
    """
    found = [
        (f"overload of {getattr(known, '__name__', known)}", extension)
        for known, extension in _extensions()
        if isinstance(known, str) or getattr(known, "__module__", "") in MODULES_BEHIND_SYNTAX
    ]
    for template in _registered("attributes"):
        attribute = getattr(template, "_attr", None)
        extension = _overload(template)
        if (attribute is None or attribute in names) and extension is not None:
            owner = getattr(template.key, "__qualname__", None) or repr(template.key)
            found.append((f"attribute {attribute} of {owner}", extension))
    for part in ("getattrs", "setattrs", "casts", "constants"):  # lowered by the types alone
        for implementation, *about in _registered(part):
            if not _by_numba(implementation):
                found.append((f"{part} {len(found)}", (implementation, tuple(about))))
    return found


# Where numba and numba-cuda keep what was registered: module, then the registry in it.
REGISTRIES = (
    ("numba.core.typing.templates", "builtin_registry"),
    ("numba.core.imputils", "builtin_registry"),
    ("numba.cuda.typing.templates", "builtin_registry"),
    ("numba.cuda.core.imputils", "builtin_registry"),
    ("numba.cuda.cudadecl", "registry"),
    ("numba.cuda.cudaimpl", "registry"),
)

REGISTERED = ("functions", "attributes", "globals", "getattrs", "setattrs", "casts", "constants")


def registered_lists() -> Iterator[tuple[str, list[object] | None]]:
    """Every list of registrations, which only ever grow; None for a module that is not loaded."""
    for module, name in REGISTRIES:
        registry = getattr(sys.modules.get(module), name, None)
        if registry is None:
            yield module, None
            continue
        held = (getattr(registry, part, None) for part in REGISTERED)
        yield from ((module, listed) for listed in held if listed is not None)


# Thousands of templates, asked about for each function: those that numba alone made.
_templates_of_numba: set[type] = set()


def _registered(part: str) -> Iterator[Any]:
    for module, name in REGISTRIES:
        registry = getattr(sys.modules.get(module), name, None)
        yield from getattr(registry, part, ())


def _extensions() -> Iterator[tuple[object, object]]:
    """Every registration that numba itself did not make: for what, and what it consists of."""
    for known, kind in _registered("globals"):
        for template in getattr(kind, "templates", ()):
            extension = _overload(template)
            if extension is not None:
                yield known, extension
    for entry in _registered("functions"):  # of typing: templates; of lowering: triples
        if isinstance(entry, tuple):
            implementation, known, argument_types = entry
            if not _by_numba(implementation):
                yield known, (implementation, tuple(argument_types))


def written_templates() -> Iterator[Any]:
    """Every typing template that users' functions stand behind."""
    seen: set[int] = set()
    for part in ("globals", "functions", "attributes"):
        for entry in _registered(part):
            listed = getattr(entry[-1], "templates", ()) if isinstance(entry, tuple) else (entry,)
            for template in listed:
                function = _function_of(template)
                if id(template) not in seen and function is not None and not _by_numba(function):
                    seen.add(id(template))
                    yield template


def _function_of(template: Any) -> types.FunctionType | None:
    held = vars(template) if isinstance(template, type) else {}
    written = held.get("_overload_func") or held.get("_definition_func")
    return getattr(written, "__func__", None)


def _overload(template: Any) -> object | None:
    """What a user wrote of a typing template, as plain values; None for those of numba's."""
    if template in _templates_of_numba:
        return None
    extension = _overload_function(template) or _written_template(template)
    if extension is None:
        _templates_of_numba.add(template)
    return extension


def _overload_function(template: Any) -> object | None:
    """What `@overload` and its kin register: the user's function and the options beside it."""
    function = getattr(template, "_overload_func", None)
    if function is None or _by_numba(function):
        return None
    inline = getattr(getattr(template, "_inline", None), "value", None)
    options = {
        "jit_options": dict(getattr(template, "_jit_options", {}) or {}),
        "strict": getattr(template, "_strict", None),
        "inline": inline if isinstance(inline, (str, types.FunctionType)) else None,
        "prefer_literal": getattr(template, "prefer_literal", None),
        "metadata": dict(getattr(template, "metadata", {}) or {}),
    }
    return (function, options)


def _written_template(template: Any) -> object | None:
    """A template that a user wrote as a class: its methods, and the signatures it lists."""
    written: dict[str, object] = {}
    for base in template.__mro__:
        for name, value in sorted(vars(base).items()):
            inner = getattr(value, "__func__", getattr(value, "fget", value))
            # Its key is what it stands in for, and no part of it.
            if name != "key" and isinstance(inner, types.FunctionType) and not _by_numba(inner):
                written.setdefault(name, inner)
    listing = [base for base in template.__mro__ if "cases" in vars(base)]
    if written or any(not _of_numba(base.__module__) for base in listing):
        written["cases"] = getattr(template, "cases", None)
    return written or None


def _by_numba(function: Any) -> bool:
    """Whether numba wrote a function: its version is in the key already.

    Asked of the module that its code runs in: `functools.wraps` copies another's name. What numba
    wraps around a user's function captures that.
    """
    if not isinstance(function, types.FunctionType):
        return _of_numba(type(function).__module__)
    if not _of_numba(str(function.__globals__.get("__name__", ""))):
        return False
    held = (_captured(cell) for cell in function.__closure__ or ())
    return all(
        inner is function or not isinstance(inner, types.FunctionType) or _by_numba(inner)
        for inner in held
    )


def _captured(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def _of_numba(module: str) -> bool:
    """Whether a module is of numba's, or of an extension that is in the build key."""
    top = module.partition(".")[0]
    return top in ("numba", "builtins") or top in extension_packages()
