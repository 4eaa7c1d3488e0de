"""What belongs to an installed library, and so goes by name and version instead of by content.

Only what is reached under its own name: the object must be the very one that its module holds
under its qualified name. A replaced, wrapped or edited function fails that test and is keyed by
what it does.
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import os
import sys
import types

from emberkeep.keys.distributions import (
    distribution_of_module_file,
    is_standard_library,
    locate_package,
)
from emberkeep.keys.fingerprint import atom, leaf
from emberkeep.light import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.keys.fingerprint import Fingerprint

# What each module belongs to, for as long as its file is as it was.
_known: dict[tuple[str, str | None, int, int], str | None] = {}


def library_of(module: types.ModuleType) -> str | None:
    """The library and version that a module comes from; None for a user's module."""
    name: str = module.__name__
    file: str | None = getattr(module, "__file__", None)
    place = (name, file, *_stamp(file))
    if place not in _known:
        _known[place] = _find_library(name, file)
    return _known[place]


def _stamp(file: str | None) -> tuple[int, int]:
    try:
        facts = os.stat(file or "")
    except OSError:  # built in, frozen, or inside an archive
        return (0, 0)
    return (facts.st_mtime_ns, facts.st_size)


def _find_library(name: str, file: str | None) -> str | None:
    if name == "__main__":
        return None
    if is_standard_library(name, file):
        return f"python {sys.implementation.cache_tag}"
    if file is None:
        return None
    distribution = distribution_of_module_file(file)
    return None if distribution is None else f"{distribution.name} {distribution.version}"


def library_of_import(name: str) -> str | None:
    """The library that an import of this name gives or would give; nothing is imported for it."""
    module = sys.modules.get(name)
    if module is not None:
        return library_of(module)
    top = name.partition(".")[0]
    loaded = sys.modules.get(top)
    if loaded is not None:
        return library_of(loaded)
    place = locate_package(top)
    return None if place is None else _find_library(top, place.file)


def library_object(value: Any) -> Fingerprint | None:
    """The leaf for a function, class or callable that an installed library holds by its name."""
    module_name = getattr(value, "__module__", None)
    if not isinstance(module_name, str):
        return _ufunc(value)
    module = sys.modules.get(module_name)
    qualname = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if module is None or not isinstance(qualname, str):
        return None
    found: object = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if found is not value:
        return _ufunc(value)
    library = library_of(module)
    if library is None or not _written_by_library(value):
        return None
    text = f"{module_name}.{qualname} ({library})"
    return leaf("library", text.encode() + _own_code(value), text)


def _written_by_library(value: Any) -> bool:
    """Whether no user's function took the place of a library's.

    ``functools.wraps`` gives a replacement the name and module of what it replaces, so what
    counts is the module that the code runs in; for a class, that of each method.
    """
    if isinstance(value, type):
        return not any(_runs_in_user_module(function) for _, function in _methods(value))
    inner = value if isinstance(value, types.FunctionType) else getattr(value, "__wrapped__", None)
    return not isinstance(inner, types.FunctionType) or _is_library_code(inner, ())


def _is_library_code(function: types.FunctionType, outer: tuple[object, ...]) -> bool:
    module = sys.modules.get(str(function.__globals__.get("__name__")))
    if module is None or vars(module) is not function.__globals__ or library_of(module) is None:
        return False
    return all(
        any(inner is known for known in (function, *outer))
        or _is_library_code(inner, (function, *outer))
        for inner in _functions_inside(function)
    )


def _runs_in_user_module(function: types.FunctionType) -> bool:
    """As opposed to a library's module, or to a text that a library compiled on its own."""
    module = sys.modules.get(str(function.__globals__.get("__name__")))
    loaded = module is not None and vars(module) is function.__globals__
    return module is not None and loaded and library_of(module) is None


def _functions_inside(function: types.FunctionType) -> list[types.FunctionType]:
    """What a decorator wrapped: captured, or left as an attribute."""
    held: list[object] = [vars(function).get("__wrapped__")]
    for cell in function.__closure__ or ():
        try:
            held.append(cell.cell_contents)
        except ValueError:  # not assigned yet
            continue
    return [inner for inner in held if isinstance(inner, types.FunctionType)]


def _methods(cls: type) -> list[tuple[str, types.FunctionType]]:
    """The functions that a class itself holds, out of their descriptors."""
    found: list[tuple[str, types.FunctionType]] = []
    for name, value in vars(cls).items():
        parts = [getattr(value, part, None) for part in ("__func__", "fget", "fset", "fdel")]
        found += [(name, part) for part in (value, *parts) if isinstance(part, types.FunctionType)]
    return found


def _own_code(value: Any) -> bytes:
    """The code and defaults of a function written in Python, or of a class's methods.

    Both can be changed where they stand: ``f.__code__ = …``, ``f.__defaults__ = …`` and
    ``Class.method = …`` leave the object in place.
    """
    if isinstance(value, type):
        return b"".join(name.encode() + _digest(method) for name, method in _methods(value))
    inner = value if isinstance(value, types.FunctionType) else getattr(value, "__wrapped__", None)
    return _digest(inner) if isinstance(inner, types.FunctionType) else b""


def _digest(value: Any) -> bytes:
    """A library's function, or a constant or default of it.

    Sentinels and the like count by their type alone: their repr is an address.
    """
    found = atom(value)
    if found is not None:
        return found.digest.encode()
    parts = [type(value).__qualname__.encode()]
    if isinstance(value, types.FunctionType):
        held = (value.__code__, value.__defaults__, value.__kwdefaults__)
        wrapped = [inner.__code__ for inner in _functions_inside(value)]
        parts += [_digest(part) for part in (*held, *wrapped)]
    elif isinstance(value, types.CodeType):
        counts = (value.co_argcount, value.co_posonlyargcount, value.co_kwonlyargcount)
        names = (value.co_names, value.co_varnames, value.co_freevars, value.co_cellvars)
        held = (counts, names, value.co_flags, value.co_code, value.co_exceptiontable)
        parts += [_digest(part) for part in (*held, value.co_consts)]
    elif isinstance(value, (tuple, list)):
        parts += [_digest(item) for item in value]
    elif isinstance(value, frozenset):
        parts += sorted(_digest(item) for item in value)
    elif isinstance(value, dict):
        parts += [_digest(item) for item in value.items()]
    elif isinstance(value, type):
        parts.append(value.__qualname__.encode())
    return sha256(b" ".join(parts)).hexdigest().encode()


def library_method(owner: object, name: str) -> Fingerprint | None:
    """The leaf for a method of an object that a library's own module holds.

    ``numpy.random.rand`` and ``random.random`` are methods of one such object each.
    """
    module = sys.modules.get(type(owner).__module__)
    library = library_of(module) if module is not None else None
    if module is None or library is None:
        return None
    for known, held in vars(module).items():
        if held is owner and known != "_":  # the last result, in an interactive session
            text = f"{module.__name__}.{known}.{name} ({library})"
            return leaf("library method", text.encode(), text)
    return None


def is_replacement(value: Any) -> bool:
    """Whether a callable that a library's module holds was put there by somebody else."""
    if not callable(value) or library_object(value) is not None:
        return False
    owner = getattr(value, "__self__", None)
    if owner is not None and library_method(owner, getattr(value, "__name__", "")) is not None:
        return False
    made_of_python = (types.FunctionType, types.MethodType, functools.partial, type)
    # What is left of a library's own: instances of its classes, written in C or not.
    return (
        isinstance(value, made_of_python)
        or hasattr(value, "py_func")
        or library_object(type(value)) is None
    )


def _ufunc(value: Any) -> Fingerprint | None:
    """NumPy ufuncs hold no module: they are found by name in the libraries that define some."""
    numpy = sys.modules.get("numpy")
    if numpy is None or type(value) is not numpy.ufunc:
        return None
    for module_name in ("numpy", "scipy.special", "numpy.linalg._umath_linalg"):
        module = sys.modules.get(module_name)
        if module is not None and getattr(module, value.__name__, None) is value:
            library = library_of(module)
            if library is not None:
                text = f"{module_name}.{value.__name__} ({library})"
                return leaf("library", text.encode(), text)
    return None
