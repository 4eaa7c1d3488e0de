"""NumPy's values as leaves: arrays and scalars by dtype, shape and contents; dtypes by layout."""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from emberkeep.keys.fingerprint import Fingerprint, leaf
from emberkeep.startup_records import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    DType = np.dtype[Any]


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
