"""Callables by what they do.

A function is its code (instructions, constants, names; no file, no line), its defaults, the cells
it captured and everything its code reaches through global names and module attributes, each again
by what it is. Functions of installed libraries that are reached under their own names go by name,
version and own code: a replaced one is seen and keyed by its behaviour.
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import sys
import types

from emberkeep.errors import Unkeyable
from emberkeep.keys.classes import describe_class, describe_instance
from emberkeep.keys.code import (
    MISSING,
    Found,
    LibraryImport,
    describe_code,
    library_names,
    reached_names,
    read_from_module,
)
from emberkeep.keys.fingerprint import branch, leaf
from emberkeep.keys.installed import (
    contents_leaf,
    describe_followed,
    library_home,
    module_contents,
)
from emberkeep.keys.jax_objects import describe_jax
from emberkeep.keys.names import names_of
from emberkeep.keys.numba_objects import describe_numba, implicit_registrations, registrations
from emberkeep.keys.origin import (
    installed_object,
    is_followed,
    is_installed,
    is_of_user,
    library_method,
    library_object,
    library_of,
)
from emberkeep.keys.reflection import function_words, require_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from emberkeep.keys.fingerprint import Fingerprint
    from emberkeep.keys.visitor import Visitor

CACHED: Any = type(functools.cache(lambda: None))
DESCRIPTORS = (
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
IMMUTABLE = (type(None), bool, int, float, complex, str, bytes, tuple, frozenset, range)
UNREADABLE = (
    eval,
    exec,
    globals,
    __import__,
    vars(sys)["_getframe"],
)  # compared by identity, never called


def describe(value: Any, path: str, walk: Visitor) -> Fingerprint | None:
    """The fingerprint of a callable, class or captured object; None where it has none."""
    try:
        own = _describe(value, path, walk)
    except Unkeyable as problem:
        problem.of_user = problem.of_user or is_of_user(value)
        raise
    return None if own is None else _with_registrations(own, value, path, walk)


def _describe(value: Any, path: str, walk: Visitor) -> Fingerprint | None:
    if isinstance(value, types.ModuleType):
        return _module(value, path, walk)
    if isinstance(value, LibraryImport):
        if isinstance(value.library, str):
            return _library_module(value.name, value.library)
        return module_contents(value.library.name, value.library.file or "", walk)
    _require_readable(value, path)
    named = library_object(value)
    if named is not None:
        return named
    compiled = describe_numba(value, path, walk) or describe_jax(value, path, walk)
    if compiled is not None:
        return compiled
    if isinstance(value, types.FunctionType):
        return walk.met(value) or _written(value, path, walk, _function)
    if isinstance(value, types.MethodType):
        return _method(value, path, walk)
    if isinstance(value, type):
        return walk.met(value) or _written(value, path, walk, describe_class)
    return _wrapper(value, path, walk) or _of_library_or_c(value, path, walk)


def _method(value: types.MethodType, path: str, walk: Visitor) -> Fingerprint:
    """A method, with the object that it is bound to."""
    function = library_object(value.__func__)
    held = library_method(value.__self__, value.__name__)
    if function is not None and held is not None:
        return branch("method", [("function", function), ("self", held)])
    installed = installed_object(value)
    followed = walk.compile_time(value.__func__, f"{path}.__func__")
    if installed is not None:
        owner = _installed(*installed, walk)
    else:
        owner = walk.compile_time(value.__self__, f"{path}.__self__")
    return branch("method", [("function", followed), ("self", owner)])


def _of_library_or_c(value: Any, path: str, walk: Visitor) -> Fingerprint | None:
    installed = installed_object(value)
    return _c_callable(value, path, walk) if installed is None else _installed(*installed, walk)


def _written(
    value: Any,
    path: str,
    walk: Visitor,
    describe: Callable[[Any, str, Visitor], Fingerprint],
) -> Fingerprint:
    """A function or class by what it does; of a library, as far as it can be followed."""
    module = library_home(value)
    if module is None:
        return describe(value, path, walk)
    return describe_followed(value, module, path, walk, describe)


def _installed(module: types.ModuleType, name: str, walk: Visitor) -> Fingerprint:
    """What a library that goes by no version holds by a name, and is not written in Python."""
    text = f"{module.__name__}.{name}"
    own = leaf("library", text.encode(), text)
    return branch("library", [("itself", own), ("contents", contents_leaf(module, walk))])


def _wrapper(value: Any, path: str, walk: Visitor) -> Fingerprint | None:
    """Partials, cached functions and the descriptors that classes hold."""
    if isinstance(value, functools.partial) and type(value) is functools.partial:
        children = [
            ("function", walk.compile_time(value.func, f"{path}.func")),
            ("arguments", walk.compile_time(value.args, f"{path}.args")),
            ("keywords", walk.compile_time(value.keywords, f"{path}.keywords")),
            *_attributes(value, path, walk),
        ]
        return branch("partial", children)
    if isinstance(value, CACHED):
        cached: Any = value
        typed: bool = cached.cache_parameters()["typed"]
        children = [
            ("function", walk.visit(cached.__wrapped__, f"{path}.__wrapped__")),
            ("typed", walk.visit(typed, path)),
            *_attributes(value, path, walk, without=frozenset({"__wrapped__", "cache_parameters"})),
        ]
        return branch("cached", children)
    return _descriptor(value, path, walk)


# What `functools.wraps` copies onto a descriptor from the function in it.
COPIED = frozenset(
    {"__module__", "__name__", "__qualname__", "__doc__", "__wrapped__", "__annotations__"}
    | {"__annotate__", "__isabstractmethod__", "__type_params__"}
)


def _descriptor(value: Any, path: str, walk: Visitor) -> Fingerprint | None:
    """What classes hold in place of plain functions; a subclass counts by its class, too."""
    kinds: tuple[Any, ...] = (staticmethod, classmethod, property, functools.cached_property)
    kind = next((kind for kind in kinds if isinstance(value, kind)), None)
    if kind is None:
        return None
    if kind is property:
        parts = (("get", value.fget), ("set", value.fset), ("delete", value.fdel))
    elif kind is functools.cached_property:
        parts = (("function", value.func),)
    else:
        parts = (("function", value.__func__),)
    children = [(name, walk.visit(part, path)) for name, part in parts]
    if type(value) is not kind:
        children.append(("class", walk.compile_time(type(value), f"{path}.__class__")))
    if kind is not functools.cached_property and hasattr(value, "__dict__"):
        children += _attributes(value, path, walk, without=COPIED)
    if walk.literal:
        text = str(getattr(value, "__doc__", None))
        children.append(("docstring", leaf("text", text.encode("utf-8", "surrogatepass"), text)))
    name = "cached property" if kind is functools.cached_property else kind.__name__
    return branch(name, children)


def _function(function: types.FunctionType, path: str, walk: Visitor) -> Fingerprint:
    walk.names(function)
    code = function.__code__
    aliases = {} if walk.literal else library_names(function)
    children = [
        ("python", leaf("bytecode", _bytecode_tag(), _bytecode_tag().decode())),
        ("code", describe_code(code, path, walk, aliases)),
        ("defaults", walk.compile_time(function.__defaults__, f"{path} default")),
        ("keyword defaults", walk.compile_time(function.__kwdefaults__, f"{path} default")),
    ]
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        children.append((f"captured {name}", _cell(cell, f"{path} → captured {name!r}", walk)))
    reached = reached_names(function, path, aliases)
    for name, found in sorted(reached.items()):
        below = f"{path} → global {name!r}"
        if found is None:
            child = leaf("missing", b"", "(not defined)")
        elif found.value is getattr:  # called with a written name: `reached_names` has checked
            child = leaf("library", b"getattr", "getattr")
        else:
            child = walk.compile_time(found.value, below)
        children.append((f"global {name}", child))
    for name, found in _read_from_modules(function, reached):
        child = walk.compile_time(found.value, f"{path} → {name}")
        children.append((f"attribute {name}", child))
    for label, extension in implicit_registrations(names_of(code).used):
        children.append((label, walk.compile_time(extension, f"{path} → numba {label}")))
    children += _attributes(function, path, walk)
    require_plain(code, path, walk)
    if walk.literal:
        children.append(("words", function_words(function)))
    return branch("function", children)


def _read_from_modules(
    function: types.FunctionType, reached: dict[str, Found | None]
) -> list[tuple[str, Found]]:
    """What a function may read from the modules that it captured, imports or passes around."""
    held: dict[str, object] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        held[name] = _contents(cell)
    for name, found in reached.items():
        held[name] = None if found is None else found.value
    modules = {
        label: module
        for label, module in sorted(held.items())
        if isinstance(module, types.ModuleType) and is_installed(module)
    }
    if not modules:
        return []
    named = names_of(function.__code__)
    names = named.used | named.texts
    return [
        read for label, module in modules.items() for read in read_from_module(module, label, names)
    ]


def _attributes(
    value: Any, path: str, walk: Visitor, without: frozenset[str] = frozenset()
) -> list[tuple[str, Fingerprint]]:
    """What was set on a callable: its own code or another's can read it, and numba a signature.

    Names, docstrings and annotations that `functools` copied are those of the function inside.
    """
    own: dict[str, object] = {
        name: item
        for name, item in sorted(vars(value).items())
        if name not in without and name not in functools.WRAPPER_ASSIGNMENTS
    }
    signature: Any = own.pop("__signature__", None)
    if signature is not None:
        own["__signature__"] = tuple(
            (parameter.name, parameter.kind.name, parameter.default)
            for parameter in signature.parameters.values()
        )
    return [("attributes", walk.compile_time(own, f"{path} attributes"))] if own else []


def _cell(cell: types.CellType, path: str, walk: Visitor) -> Fingerprint:
    contents = _contents(cell)
    if contents is MISSING:  # not assigned yet
        return leaf("empty cell", b"", "(empty)")
    return walk.compile_time(contents, path)


def _contents(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def _with_registrations(own: Fingerprint, value: object, path: str, walk: Visitor) -> Fingerprint:
    """Add what users registered with numba in place of a callable: it is compiled instead."""
    found = registrations(value)
    if not found:
        return own
    children = [("itself", own)]
    again = walk.met(value, "registrations")
    if again is not None:
        return branch("overloaded", [*children, ("overloads", again)])
    for label, extension in found:
        children.append((label, walk.compile_time(extension, f"{path} → numba {label}")))
    return branch("overloaded", children)


def _require_readable(value: object, path: str) -> None:
    importlib = sys.modules.get("importlib")
    unreadable = (*UNREADABLE, getattr, getattr(importlib, "import_module", eval))
    if any(value is known for known in unreadable):
        raise Unkeyable(
            path,
            f"is {getattr(value, '__name__', value)}(), which reaches what cannot be seen here",
            "Write what it does as plain code, or pass its result as an ingredient",
        )


def _bytecode_tag() -> bytes:
    """Bytecode means something only to the version of Python that made it."""
    return (sys.implementation.cache_tag or sys.implementation.name).encode()


def _module(module: types.ModuleType, path: str, walk: Visitor) -> Fingerprint:
    library = library_of(module)
    if is_followed(module):
        return contents_leaf(module, walk)
    if library is None:
        raise Unkeyable(
            path,
            f"is the module {module.__name__!r} used as a value; what is read from it is not seen",
            f"Name what is used where it is used ({module.__name__}.something), or import that",
        )
    return _library_module(module.__name__, library)


def _library_module(name: str, library: str) -> Fingerprint:
    return leaf("module", f"{name}|{library}".encode(), f"{name} ({library})")


def _c_callable(value: Any, path: str, walk: Visitor) -> Fingerprint | None:
    """Callables written in C, and instances of users' classes."""
    if isinstance(value, DESCRIPTORS):
        children = [("class", walk.compile_time(value.__objclass__, f"{path}.__objclass__"))]
        return branch(f"descriptor {value.__name__}", children)
    if isinstance(value, (types.BuiltinMethodType, types.MethodWrapperType)):
        return _bound_builtin(value, path, walk)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ufunc):
        raise Unkeyable(
            path,
            f"is the ufunc {value.__name__!r}, which no installed library holds under that name",
            "Capture the Python function it was made from instead, or decorate it with "
            "@emberkeep.ingredient(version='1', name=…)",
        )
    if type(value).__module__ == "operator":  # itemgetter and its like: made of their arguments
        make, arguments = value.__reduce__()[:2]
        children = [("arguments", walk.compile_time(arguments, f"{path} arguments"))]
        if isinstance(make, functools.partial):  # a methodcaller with keywords
            children.append(("make", walk.compile_time(make, path)))
        return branch(type(value).__qualname__, children)
    return describe_instance(value, path, walk)


def _bound_builtin(value: Any, path: str, walk: Visitor) -> Fingerprint:
    owner = value.__self__
    if type(owner) in IMMUTABLE:
        children = [("self", walk.compile_time(owner, f"{path}.__self__"))]
        return branch(f"method {value.__name__}", children)
    held = library_method(owner, value.__name__)
    if held is not None:
        return held
    raise Unkeyable(
        path,
        f"is the method {value.__name__!r} of a {type(owner).__qualname__}, an object written in C "
        "whose state can change after it was keyed",
        "Capture plain values instead and call the method inside the function, or decorate it with "
        "@emberkeep.ingredient(version='1', name=…)",
    )
