"""Any value that a plan can hold → its fingerprint.

Plain values are leaves (`encode`); whatever has parts is walked (`walk`). What has no exact key is
refused with the path to it and the way out.
"""

from __future__ import annotations

from emberkeep.errors import Unkeyable
from emberkeep.keys.encode import atom
from emberkeep.keys.fingerprint import Fingerprint, branch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def fingerprint(value: object, *, label: str = "ingredients") -> Fingerprint:
    """The fingerprint of one value; equal values have equal fingerprints, in every process.

    Raises:
        Unkeyable: where something in it has no exact key; the message names the path to it.
    """
    return _visit(value, label)


def fingerprint_mapping(values: Mapping[str, object], *, label: str) -> Fingerprint:
    """The fingerprint of named ingredients; their order does not count."""
    for name in values:
        if type(name) is not str:
            raise Unkeyable(
                label,
                f"has the name {name!r}, which is no text",
                "Names of ingredients are of type str",
            )
    # A walk each: a change in one ingredient leaves the digests of the others alone.
    children = [
        (name, atom(values[name]) or _visit(values[name], f"{label}[{name!r}]"))
        for name in sorted(values)
    ]
    return branch("ingredients", children)


def _visit(value: object, label: str) -> Fingerprint:
    from emberkeep.keys.walk import Walk  # plain values, the most of a plan, need none

    try:
        return Walk().visit(value, label)
    except RecursionError:
        raise Unkeyable(
            label,
            "is nested too deeply to be walked",
            "Flatten what is nested, or raise Python's limit (sys.setrecursionlimit)",
        ) from None
