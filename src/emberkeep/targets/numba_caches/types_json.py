"""numba's types as JSON, for those that can be written down exactly."""

# numba's classes have no types.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import functools
from typing import Any

from numba.core import types

from emberkeep.store.manifest import MISREAD
from emberkeep.targets.numba_caches.lookup import Malformed, NotKept


def encode_type(known: Any) -> Any:
    """JSON for a type.

    Raises:
        NotKept: it is of a kind that has no exact form here.
    """
    names = _names()
    if known in names:
        return names[known]
    if type(known) is types.Array:
        element = encode_type(known.dtype)
        return ["array", element, known.ndim, known.layout, not known.mutable, known.aligned]
    if type(known) in (types.Tuple, types.UniTuple):
        return ["tuple", [encode_type(item) for item in known.types]]
    if type(known) is types.Optional:
        return ["optional", encode_type(known.type)]
    if type(known) in (types.NPDatetime, types.NPTimedelta):
        return [type(known).__name__, known.unit]
    raise NotKept(f"it returns {known}, a type that is not written down")


def decode_type(written: Any) -> Any:
    """The type that `encode_type` wrote.

    Raises:
        Malformed: it is not of its form.
    """
    try:
        return _decode(written)
    except MISREAD as problem:
        raise Malformed(
            f"{written!r:.200} is no type that was written here: {problem}"
        ) from problem


def _decode(written: Any) -> Any:
    if isinstance(written, str):
        known = getattr(types, written)
        if known not in _names():
            raise ValueError(written)
        return known
    kind, *parts = written
    if kind == "array":
        element, dimensions, layout, readonly, aligned = parts
        return types.Array(_decode(element), int(dimensions), layout, readonly, aligned=aligned)
    if kind == "tuple":
        return types.BaseTuple.from_types([_decode(item) for item in parts[0]])
    if kind == "optional":
        return types.Optional(_decode(parts[0]))
    if kind in ("NPDatetime", "NPTimedelta"):
        return getattr(types, kind)(parts[0])
    raise ValueError(kind)


@functools.cache
def _names() -> dict[Any, str]:
    """Numba's own types that have a name: numbers, none, text."""
    named: dict[Any, str] = {}
    for name, value in sorted(vars(types).items()):
        if isinstance(value, (types.Number, types.Boolean, types.NoneType, types.UnicodeType)):
            named.setdefault(value, name)
    return named
