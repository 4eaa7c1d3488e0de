"""Plain values as canonical bytes: the leaves of every key.

Each encoder is injective on its type, and the kind that goes with it keeps types apart: ``1``,
``1.0``, ``True`` and ``numpy.int64(1)`` compile to different code and are four different keys.
Floats are encoded by their bits, so ``-0.0`` differs from ``0.0`` and a NaN equals itself.
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import sys

from emberkeep.digests import sha256
from emberkeep.keys.fingerprint import Fingerprint, leaf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    DType = np.dtype[Any]


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


def is_numpy(value: object) -> bool:
    """Whether a value is NumPy's, asked without importing it."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, (numpy.generic, numpy.dtype, numpy.ndarray))


def array_leaf(value: Array, *, layout: bool) -> Fingerprint:
    """An array by dtype, shape and contents.

    Args:
        value: an array without Python objects in it.
        layout: whether the order in memory counts too. It does for an array that compiled code
            captures (a compiler types C and Fortran order differently), not for data.
    """
    order = _order(value) if layout else "-"
    head = f"{dtype_text(value.dtype)}|{value.shape}|{order}".encode()
    digest = _contents(value)
    few = value.size <= 8  # noqa: PLR2004 - what fits in a line
    shown = repr(value.tolist()) if few else f"sha256 {digest.hex()[:12]}"
    return leaf("array", head + b"\0" + digest, f"{value.dtype} {value.shape} {shown}")


def _order(value: Array) -> str:
    order = "C" if value.flags.c_contiguous else "F" if value.flags.f_contiguous else "A"
    return f"{order}{value.flags.aligned:d}{value.flags.writeable:d}"


def _contents(value: Array) -> bytes:
    """SHA-256 over the values in C order, without the padding between or inside them."""
    import numpy as np

    if value.dtype.names is not None:
        return sha256(b"".join(_contents(value[name]) for name in value.dtype.names)).digest()
    contents = np.ascontiguousarray(value)
    if contents.nbytes == 0:
        return sha256().digest()
    raw = contents.reshape(-1).view(np.uint8)
    extended = np.finfo(np.longdouble).nmant == 63  # noqa: PLR2004 - x87: 10 bytes, then padding
    if extended and value.dtype.char in "gG":
        items = raw.reshape(-1, np.dtype(np.longdouble).itemsize)
        raw = np.ascontiguousarray(items[:, :10] if value.dtype.isnative else items[:, -10:])
    return sha256(raw.data).digest()


def scalar_leaf(value: np.generic) -> Fingerprint:
    """A NumPy scalar by dtype and bits."""
    import numpy as np

    text = dtype_text(value.dtype)
    return leaf("scalar", text.encode() + b"\0" + _contents(np.asarray(value)), f"{value!r}")


def dtype_leaf(value: DType) -> Fingerprint:
    """A dtype by its whole layout."""
    text = dtype_text(value)
    return leaf("dtype", text.encode(), text)


def dtype_text(dtype: DType) -> str:
    """Everything about a dtype: byte order, unit, field names, offsets, titles, alignment."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return f"({dtype_text(base)},{shape})"
    if dtype.fields is None:
        # Types that other libraries add share the texts of raw bytes: "<V2" for a bfloat16.
        added = dtype.isbuiltin == 2  # noqa: PLR2004 - NumPy's number for them
        return f"{dtype.type.__module__}.{dtype}{dtype.str}" if added else dtype.str
    fields = ",".join(_field_text(dtype, name) for name in dtype.names or ())
    return f"{{{fields};{dtype.itemsize};{dtype.isalignedstruct};{dtype.type.__name__}}}"


def _field_text(dtype: DType, name: str) -> str:
    fields: Any = dtype.fields
    kind, offset, *title = fields[name]
    return f"{name!r}:{dtype_text(kind)}@{offset}{title!r}"
