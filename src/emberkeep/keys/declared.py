"""What users vouch for by a version of their own, because it has no exact key."""

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
