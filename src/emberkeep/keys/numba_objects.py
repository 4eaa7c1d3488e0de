"""numba's objects by what they compile, and what users registered to be compiled instead.

Nothing here imports numba: where it is not loaded, no value can be one of its objects.
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import sys
import types

from emberkeep.keys.fingerprint import branch, leaf
from emberkeep.keys.origin import library_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from emberkeep.keys.fingerprint import Fingerprint
    from emberkeep.keys.ingredients import Walk

# Options that say where or how long, and nothing about the code.
OPTIONS_WITHOUT_EFFECT = frozenset({"cache"})


def describe_numba(value: Any, path: str, walk: Walk) -> Fingerprint | None:
    """A dispatcher, ufunc, callback, intrinsic or type of numba's; None for anything else."""
    if not type(value).__module__.startswith("numba"):
        return None
    kind = f"numba {type(value).__name__}"
    if hasattr(value, "py_func") and hasattr(value, "targetoptions"):
        return walk.met(value) or _dispatcher(kind, value, path, walk)
    if hasattr(value, "_dispatcher"):  # @vectorize and @guvectorize
        inner = walk.visit(value._dispatcher, path)  # noqa: SLF001 - numba shows it nowhere else
        signatures = repr(getattr(value, "signature", ""))
        return branch(kind, [("dispatcher", inner), ("signature", walk.visit(signatures, path))])
    if hasattr(value, "_pyfunc") and hasattr(value, "_sig"):  # @cfunc
        function = walk.visit(value._pyfunc, path)  # noqa: SLF001 - the same
        signature = walk.visit(repr(value._sig), path)  # noqa: SLF001 - the same
        return branch(kind, [("function", function), ("signature", signature)])
    if hasattr(value, "_defn") and hasattr(value, "_ctor_kwargs"):  # @intrinsic
        definition = walk.visit(value._defn, path)  # noqa: SLF001 - the same
        options = walk.compile_time(value._ctor_kwargs, f"{path} options")  # noqa: SLF001 - the same
        return branch(kind, [("definition", definition), ("options", options)])
    if _is_type(value):
        module = sys.modules.get(type(value).__module__.partition(".")[0])
        library = library_of(module) if isinstance(module, types.ModuleType) else None
        return leaf("numba type", f"{value!r}|{library}".encode(), repr(value))
    return None


def _is_type(value: object) -> bool:
    abstract = sys.modules.get("numba.core.types.abstract")
    return abstract is not None and isinstance(value, abstract.Type)


def _dispatcher(kind: str, value: Any, path: str, walk: Walk) -> Fingerprint:
    options: dict[str, object] = {
        name: option
        for name, option in value.targetoptions.items()
        if name not in OPTIONS_WITHOUT_EFFECT
    }
    links = options.pop("link", None)
    children = [
        ("function", walk.visit(value.py_func, path)),
        ("options", walk.visit(options, f"{path} options")),
        ("locals", walk.visit(dict(getattr(value, "locals", None) or {}), f"{path} locals")),
        ("compiler", _pipeline(value, path, walk)),
    ]
    if links:
        children.append(("link", _linked_files(links, path, walk)))
    if not getattr(value, "_can_compile", True):  # explicit signatures: no others get compiled
        signatures = sorted(repr(signature) for signature in value.overloads)
        children.append(("signatures", walk.visit(signatures, path)))
    return branch(kind, children)


def _pipeline(value: Any, path: str, walk: Walk) -> Fingerprint:
    """The compiler's pipeline: users can pass a class of their own."""
    compiler = getattr(getattr(value, "_compiler", None), "pipeline_class", None)
    return walk.visit(compiler, f"{path} pipeline_class")


def _linked_files(links: Any, path: str, walk: Walk) -> Fingerprint:
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


def implicit_registrations(names: frozenset[str]) -> list[tuple[str, object]]:
    """Registrations that code can reach without a global name.

    Operators and iteration are reached by syntax, methods and attributes through an object whose
    type is known only when numba infers it. So the name of an attribute decides, and operators
    always count: a key may hold a registration that is not used, never miss one that is.
    """
    found = [
        (f"overload of {getattr(known, '__name__', known)}", extension)
        for known, extension in _extensions()
        if isinstance(known, str) or getattr(known, "__module__", "") == "_operator"
    ]
    for template in _registered("attributes"):
        attribute = getattr(template, "_attr", None)
        extension = _overload(template)
        if attribute in names and extension is not None:
            found.append((f"attribute {attribute} of {template.key!r}", extension))
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
                yield known, (implementation, repr(argument_types))


def _overload(template: Any) -> object | None:
    """A typing template as plain values: the user's function and the options beside it."""
    function = getattr(template, "_overload_func", None) or vars(template).get("generic")
    function = getattr(function, "__func__", function)
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


def _by_numba(function: Any) -> bool:
    """Whether numba wrote a function: its version is in the key already.

    Asked of the module that its code runs in: `functools.wraps` copies another's name.
    """
    if not isinstance(function, types.FunctionType):
        return True
    module = str(function.__globals__.get("__name__", ""))
    return module.partition(".")[0] == "numba"
