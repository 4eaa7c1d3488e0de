"""Whose a module, a function or a class is: the user's, or an installed library's.

Three ways to be keyed follow from that:

- Python's own library, NumPy and the compilers go by name and version (`versioned`): only what is
  reached under its own name, so the object must be the very one that its module holds under its
  qualified name. A replaced, wrapped or edited function fails that test and is keyed by what it
  does.
- Other installed libraries are followed like the user's code. A part that cannot be followed goes
  by all that its library consists of (`contents`).
- What else there is, with editable installs, is the user's: followed, or refused.
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import sys
import types

from emberkeep.keys.distributions import locate_package
from emberkeep.keys.fingerprint import atom, leaf
from emberkeep.keys.versioned import origin
from emberkeep.startup_records import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.keys.distributions import Location
    from emberkeep.keys.fingerprint import Fingerprint


# Most of what NumPy's types hold: no functions are behind it.
WRITTEN_IN_C = frozenset(
    {
        types.WrapperDescriptorType,
        types.MethodDescriptorType,
        types.GetSetDescriptorType,
        types.MemberDescriptorType,
        types.BuiltinFunctionType,
    }
)


def library_of(module: types.ModuleType) -> str | None:
    """The library and version that a module comes from, where that tells what it does."""
    return origin(module.__name__, getattr(module, "__file__", None)).version


def is_followed(module: types.ModuleType) -> bool:
    """Whether a module is of an installed library that goes by no version."""
    return origin(module.__name__, getattr(module, "__file__", None)).followed


def is_installed(module: types.ModuleType) -> bool:
    """Whether a module is of an installed library; else it is the user's."""
    found = origin(module.__name__, getattr(module, "__file__", None))
    return found.version is not None or found.followed


def library_of_import(name: str) -> str | Location | None:
    """What an import of this name gives or would give; nothing is imported for it.

    The library with its version, or where it lies, if that tells too little. None for what is the
    user's, or not there.
    """
    place = locate_package(name) or locate_package(name.partition(".")[0])
    if place is None:
        return None
    found = origin(place.name, place.file)
    return place if found.followed else found.version


def home_of(value: Any) -> types.ModuleType | None:
    """The module that a function's code runs in; of others, the one that they name."""
    if isinstance(value, types.MethodType):
        return home_of(value.__func__)
    if isinstance(value, types.ModuleType):
        return value
    if isinstance(value, types.FunctionType):
        module = sys.modules.get(str(value.__globals__.get("__name__")))
        if module is not None and vars(module) is value.__globals__:
            return module
        # Text that was compiled on its own: by `namedtuple`, or by a user.
        named = value.__module__
        return None if named in ("builtins", "__main__") else sys.modules.get(str(named))
    named = getattr(value if isinstance(value, type) else type(value), "__module__", None)
    return sys.modules.get(named) if isinstance(named, str) else None


def is_of_user(value: Any) -> bool:
    """Whether a callable, class or object is neither Python's nor of an installed library."""
    module = home_of(value)
    return module is None or not is_installed(module)


def library_object(value: Any) -> Fingerprint | None:
    """The leaf for what a library holds by its name, where its version tells what it does."""
    module, name = _held_by_name(value)
    library = None if module is None else library_of(module)
    if module is None or library is None or not _written_by_library(value):
        return None
    text = f"{module.__name__}.{name} ({library})"
    return leaf("library", text.encode() + own_code(value), text)


def installed_object(value: Any) -> tuple[types.ModuleType, str] | None:
    """The module of a followed library that holds a value by its name, and that name."""
    module, name = _held_by_name(value)
    if module is None:
        return _owner_of_method(value)
    return (module, name) if is_followed(module) else None


def _held_by_name(value: Any) -> tuple[types.ModuleType | None, str]:
    """The module that holds this very object under its qualified name."""
    module_name = said(value, "__module__")
    if not isinstance(module_name, str):
        return _ufunc(value)
    module = sys.modules.get(module_name)
    qualname = said(value, "__qualname__") or said(value, "__name__")
    if module is None or not isinstance(qualname, str):
        return None, ""
    found: object = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return (module, qualname) if found is value else _ufunc(value)


def said(value: Any, attribute: str) -> Any:
    """What a value says of itself; nothing, where its class answers for attributes that it lacks.

    ``__getattr__ = dict.__getitem__`` raises another error than Python expects.
    """
    try:
        return getattr(value, attribute, None)
    except Exception:  # noqa: BLE001 - a user's method, asked for what it does not know of
        return None


def _written_by_library(value: Any) -> bool:
    """Whether no user's function took the place of a library's.

    ``functools.wraps`` gives a replacement the name and module of what it replaces, so what
    counts is the module that the code runs in; for a class, that of each method.
    """
    if isinstance(value, type):
        return not any(_runs_in_user_module(function) for _, function in functions_of(value))
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


def functions_of(cls: type) -> list[tuple[str, types.FunctionType]]:
    """The functions that a class itself holds, out of their descriptors."""
    found: list[tuple[str, types.FunctionType]] = []
    for name, value in vars(cls).items():
        if type(value) in WRITTEN_IN_C:
            continue
        parts = [getattr(value, part, None) for part in ("__func__", "fget", "fset", "fdel")]
        found += [(name, part) for part in (value, *parts) if isinstance(part, types.FunctionType)]
    return found


def own_code(value: Any) -> bytes:
    """The code and defaults of a function written in Python, or of a class's methods.

    Both can be changed where they stand: ``f.__code__ = …``, ``f.__defaults__ = …`` and
    ``Class.method = …`` leave the object in place.
    """
    if isinstance(value, type):
        return b"".join(name.encode() + _digest(method) for name, method in functions_of(value))
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
        return _code_digest(value)
    elif isinstance(value, (tuple, list)):
        parts += [_digest(item) for item in value]
    elif isinstance(value, frozenset):
        parts += sorted(_digest(item) for item in value)
    elif isinstance(value, dict):
        parts += [_digest(item) for item in value.items()]
    elif isinstance(value, type):
        parts.append(value.__qualname__.encode())
    return sha256(b" ".join(parts)).hexdigest().encode()


# Code cannot change where it stands, and much of a library's is met again and again. What is held
# keeps its id.
_digests_of_code: dict[int, tuple[types.CodeType, bytes]] = {}


def _code_digest(code: types.CodeType) -> bytes:
    known = _digests_of_code.get(id(code))
    if known is None:
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        held = (counts, names, code.co_flags, code.co_code, code.co_exceptiontable)
        parts = [b"code", *(_digest(part) for part in (*held, code.co_consts))]
        known = code, sha256(b" ".join(parts)).hexdigest().encode()
        _digests_of_code[id(code)] = known
    return known[1]


def library_method(owner: object, name: str) -> Fingerprint | None:
    """The leaf for a method of an object that a library's own module holds.

    ``numpy.random.rand`` and ``random.random`` are methods of one such object each.
    """
    module = sys.modules.get(type(owner).__module__)
    library = library_of(module) if module is not None else None
    if module is None or library is None:
        return None
    known = _name_of(owner, module)
    if known is None:
        return None
    text = f"{module.__name__}.{known}.{name} ({library})"
    return leaf("library method", text.encode(), text)


def _owner_of_method(value: Any) -> tuple[types.ModuleType, str] | None:
    """The same as `library_method` for a followed library: the module, and how it is reached."""
    owner = said(value, "__self__")
    module = sys.modules.get(type(owner).__module__)
    if owner is None or module is None or not is_followed(module):
        return None
    known = _name_of(owner, module)
    return None if known is None else (module, f"{known}.{value.__name__}")


def _name_of(owner: object, module: types.ModuleType) -> str | None:
    for known, held in vars(module).items():
        if held is owner and known != "_":  # the last result, in an interactive session
            return known
    return None


def is_replacement(value: Any) -> bool:
    """Whether a callable that a library's module holds was put there by somebody else."""
    if not callable(value) or library_object(value) is not None:
        return False
    home, _ = _held_by_name(value)
    if home is not None and is_followed(home):
        return is_of_user(value)
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


def _ufunc(value: Any) -> tuple[types.ModuleType | None, str]:
    """NumPy ufuncs hold no module: they are found by name in the libraries that define some."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and type(value) is numpy.ufunc:
        for module_name in ("numpy", "scipy.special", "numpy.linalg._umath_linalg"):
            module = sys.modules.get(module_name)
            if module is not None and getattr(module, value.__name__, None) is value:
                return module, value.__name__
    return None, ""
