"""Plain values as canonical bytes: the leaves of every key.

Each encoder is injective on its type, and the kind that goes with it keeps types apart: ``1``,
``1.0``, ``True`` and ``numpy.int64(1)`` compile to different code and are four different keys.
Floats are encoded by their bits, so ``-0.0`` differs from ``0.0`` and a NaN equals itself.
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from emberkeep.keys.fingerprint import Fingerprint, leaf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def encode_float(value: float) -> bytes:
    """Sign, exponent and significand, the same on every machine."""
    if value == value:  # noqa: PLR0124 - not a NaN; all others have one exact hexadecimal form
        return value.hex().encode()
    from struct import pack

    return pack(">d", value)


def _complex(value: complex) -> bytes:
    return encode_float(value.real) + b"," + encode_float(value.imag)


def _text(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def _integer(value: int) -> bytes:
    return b"%x" % value  # not decimal: Python limits the digits of that conversion


def _integer_text(value: int) -> str:
    return repr(value) if value.bit_length() < 1024 else hex(value)  # noqa: PLR2004 - the same limit


# kind, bytes, text; by exact type, so that subclasses with a behaviour of their own don't slip in
ATOMS: dict[type, tuple[str, Callable[[Any], bytes], Callable[[Any], str]]] = {
    type(None): ("None", lambda _: b"", repr),
    type(...): ("Ellipsis", lambda _: b"", repr),
    type(NotImplemented): ("NotImplemented", lambda _: b"", repr),
    bool: ("bool", lambda value: b"\x01" if value else b"\x00", repr),
    int: ("int", _integer, _integer_text),
    float: ("float", encode_float, repr),
    complex: ("complex", _complex, repr),
    str: ("str", _text, repr),
    bytes: ("bytes", bytes, repr),
    bytearray: ("bytearray", bytes, repr),
}


def atom(value: object) -> Fingerprint | None:
    """The fingerprint of a plain value of Python; None where it is not one."""
    found = ATOMS.get(type(value))
    if found is None:
        return None
    kind, encode, show = found
    return leaf(kind, encode(value), show(value))
