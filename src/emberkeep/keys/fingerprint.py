"""Fingerprints: Merkle trees of digests, and those of plain values.

A leaf's digest is SHA-256 over its kind and its canonical bytes; a branch's, over its kind and
the labels and digests of its children. Plain values are encoded here, injectively on each type:
the kind keeps types apart, because ``1``, ``1.0``, ``True`` and ``numpy.int64(1)`` compile to
different code. Floats go by their bits, so ``-0.0`` differs from ``0.0`` and a NaN equals itself.
Values that have parts are walked (`walk`); two trees are compared by `explain`.
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from emberkeep.startup_records import final, frozen, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

TEXT_LIMIT = 200  # characters of a value that are shown and recorded


@final
@frozen
class Fingerprint:
    """The digest of an ingredient, and of all that it is made of.

    Attributes:
        kind: what sort of value it is (``float``, ``dict``, ``function``, …).
        digest: SHA-256, hexadecimal.
        text: the value as a person would read it, shortened; empty for branches.
        children: the labelled parts of a composite value.
    """

    kind: str
    digest: str
    text: str
    children: tuple[tuple[str, Fingerprint], ...] = ()

    def __str__(self) -> str:
        return self.digest


def leaf(kind: str, payload: bytes, text: str) -> Fingerprint:
    """The fingerprint of a value without parts."""
    content = b"leaf %d:%b%b" % (len(kind), kind.encode(), payload)
    shown = text if len(text) <= TEXT_LIMIT else shorten(text)
    return Fingerprint(kind, sha256(content).hexdigest(), shown, ())


def branch(kind: str, children: Iterable[tuple[str, Fingerprint]]) -> Fingerprint:
    """The fingerprint of a composite value; the order of the children counts."""
    parts = tuple(children)
    pieces = [b"branch %d:%b" % (len(kind), kind.encode())]
    for label, child in parts:
        raw = label.encode("utf-8", "surrogatepass")
        pieces.append(b"%d:%b%b" % (len(raw), raw, child.digest.encode()))
    return Fingerprint(kind, sha256(b"".join(pieces)).hexdigest(), "", parts)


def shorten(text: str) -> str:
    """A text that fits in a line of a report."""
    if len(text) <= TEXT_LIMIT:
        return text
    return f"{text[: TEXT_LIMIT - 20]}… ({len(text)} characters)"


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
