"""Exact keys: values and callables → fingerprints that can be compared and explained.

Imports inside functions are of what a key of plain values does without: each kind of value brings
the module that takes it apart, and what checks a build comes after one.
"""

from __future__ import annotations

from emberkeep.errors import Unkeyable
from emberkeep.keys.fingerprint import Fingerprint, atom, branch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from emberkeep.keys.watch import Watch

__all__ = ["Fingerprint", "fingerprint", "fingerprint_mapping"]


def fingerprint(value: object, *, label: str = "ingredients") -> Fingerprint:
    """The fingerprint of one value; equal values have equal fingerprints, in every process.

    Raises:
        Unkeyable: where something in it has no exact key; the message names the path to it.
    """
    return _visit(value, label)


def fingerprint_mapping(
    values: Mapping[str, object], *, label: str, watch: Watch | None = None
) -> Fingerprint:
    """The fingerprint of named ingredients; their order does not count.

    Args:
        values: the ingredients; a fingerprint among them stands for what it was made from.
        label: what they are called in errors.
        watch: what notes what is read, to tell later whether it has moved.
    """
    if not hasattr(values, "keys"):
        raise Unkeyable(
            label,
            f"is a {type(values).__qualname__}, no mapping",
            "Pass a mapping from the name of each ingredient to its value",
        )
    for name in values:
        if type(name) is not str:
            raise Unkeyable(
                label,
                f"has the name {name!r}, which is no text",
                "Names of ingredients are of type str",
            )
    # A walk each: a change in one ingredient leaves the digests of the others alone.
    children = [
        (name, _plain(values[name]) or _visit(values[name], f"{label}[{name!r}]", watch))
        for name in sorted(values)
    ]
    return branch("ingredients", children)


def _plain(value: object) -> Fingerprint | None:
    """What needs no walk: values that cannot change, and what is a fingerprint already."""
    if type(value) is Fingerprint:
        return value
    return None if type(value) is bytearray else atom(value)


def _visit(value: object, label: str, watch: Watch | None = None) -> Fingerprint:
    from emberkeep.keys.walk import walked  # plain values, the most of a plan, need none

    try:
        return walked(value, label, watch)
    except RecursionError:
        raise Unkeyable(
            label,
            "is nested too deeply to be walked",
            "Flatten what is nested, or raise Python's limit (sys.setrecursionlimit)",
        ) from None
