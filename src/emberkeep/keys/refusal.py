"""What has no exact key: refused, or vouched for by its user with a version."""

from __future__ import annotations

from emberkeep.errors import Unkeyable
from emberkeep.keys.fingerprint import leaf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from emberkeep.keys.fingerprint import Fingerprint

    T = TypeVar("T")

DECLARE = (
    "Decorate it with @emberkeep.ingredient(version='1') and raise the version whenever what it "
    "does changes, or leave it out of the ingredients"
)

# A list, compared by identity: the values need
# be neither hashable nor able to hold an attribute, and a copy does not inherit the promise.
_declared: list[tuple[object, str, str]] = []


def ingredient(*, version: str, name: str | None = None) -> Callable[[T], T]:
    """Declare a version for a value that has no exact key, such as a pointer or a C object.

    The user vouches for it: the key holds the name and the version, and nothing of the value.

    Args:
        version: raise it whenever what the value does changes.
        name: defaults to the module and name of a function or class; other values need one.
    """

    def declare(value: T) -> T:
        from emberkeep.keys.origin import said

        qualname = said(value, "__qualname__")
        if name is None and qualname is None:
            raise Unkeyable(
                repr(value),
                "is declared as an ingredient but has no name of its own",
                "Pass one: ingredient(version=…, name='my table')",
            )
        label = name if name is not None else f"{getattr(value, '__module__', '')}.{qualname}"
        _declared[:] = [known for known in _declared if known[0] is not value]
        _declared.append((value, label, version))
        return value

    return declare


def declared_leaf(value: object) -> Fingerprint | None:
    """The fingerprint of a value that a user has vouched for; None for all others."""
    for known, name, version in _declared:
        if known is value:
            payload = f"{len(name)}:{name}{version}".encode()
            return leaf("declared", payload, f"{name} {version}")
    return None


def refusal(value: object, path: str) -> Unkeyable:
    """The error for a value of a type that has no exact key."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    if any(base.__name__ == "PurePath" for base in type(value).__mro__):
        return Unkeyable(
            path,
            f"is the path {str(value)!r}; a path names a place, and what lies there can change",
            "Pass the contents (path.read_bytes()), or str(path) if only the name matters",
        )
    if any(base.__module__ == "_ctypes" for base in type(value).__mro__):
        return Unkeyable(
            path, f"is a {kind}, an address that means something else in every process", DECLARE
        )
    from emberkeep.keys.standard import remedy_for

    remedy = remedy_for(value)
    if remedy is not None:
        return Unkeyable(
            path,
            f"is a {kind}, which holds more than values: indices, references, a device",
            remedy,
        )
    for plain in (bool, int, float, complex, str, bytes, tuple, list, dict, set):
        if isinstance(value, plain):
            return Unkeyable(
                path,
                f"is a {kind}, a subclass of {plain.__name__} that may behave differently",
                f"Pass {plain.__name__}(value)",
            )
    return Unkeyable(
        path,
        f"is a {kind}, whose state cannot be read exactly",
        f"Pass what matters of it as plain values, arrays or frozen dataclasses. {DECLARE}",
    )


class GlobalsChange(Exception):  # noqa: N818 - reads as what it says
    """Code assigns to globals, so that it matters by which name other code reads them."""
