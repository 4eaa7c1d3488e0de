"""What belongs to an installed library, and so goes by name and version instead of by content.

Only what is reached under its own name: the object must be the very one that its module holds
under its qualified name. A replaced, wrapped or edited function fails that test and is keyed by
what it does.
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import sys
import types

from emberkeep.keys.distributions import distribution_of_module_file, is_standard_library
from emberkeep.keys.encode import atom
from emberkeep.keys.fingerprint import leaf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.keys.fingerprint import Fingerprint

# What each module belongs to, as long as it is loaded from the same file.
_known: dict[tuple[str, str | None], str | None] = {}


def library_of(module: types.ModuleType) -> str | None:
    """The library and version that a module comes from; None for a user's module."""
    name: str = module.__name__
    file: str | None = getattr(module, "__file__", None)
    place = (name, file)
    if place not in _known:
        _known[place] = _find_library(name, file)
    return _known[place]


def _find_library(name: str, file: str | None) -> str | None:
    if name == "__main__":
        return None
    if is_standard_library(name, file):
        return f"python {sys.implementation.cache_tag}"
    if file is None:
        return None
    distribution = distribution_of_module_file(file)
    return None if distribution is None else f"{distribution.name} {distribution.version}"


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
    if library is None:
        return None
    text = f"{module_name}.{qualname} ({library})"
    return leaf("library", text.encode() + _own_code(value), text)


def _own_code(value: Any) -> bytes:
    """The code and defaults of a function written in Python.

    A function can be changed where it stands: ``f.__code__ = …`` and ``f.__defaults__ = …`` leave
    the object in place.
    """
    if not isinstance(value, types.FunctionType):
        return b""
    defaults = [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
    # Sentinels and the like by their type: their repr is an address.
    known = [
        found.digest if (found := atom(default)) else type(default).__qualname__
        for default in defaults
    ]
    return value.__code__.co_code + " ".join(known).encode()


def library_method(owner: object, name: str) -> Fingerprint | None:
    """The leaf for a method of an object that a library's own module holds.

    ``numpy.random.rand`` and ``random.random`` are methods of one such object each.
    """
    module = sys.modules.get(type(owner).__module__)
    library = library_of(module) if module is not None else None
    if module is None or library is None:
        return None
    for known, held in vars(module).items():
        if held is owner:
            text = f"{module.__name__}.{known}.{name} ({library})"
            return leaf("library method", text.encode(), text)
    return None


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
