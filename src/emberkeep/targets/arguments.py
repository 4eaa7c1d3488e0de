"""Types of a kernel's arguments: written as text, read from values, named as numba names them.

A scalar is a number; an array has a dtype, a number of dimensions and a layout: ``::1`` in the
last dimension says C order, else any strides are taken.
"""

from __future__ import annotations

from emberkeep.errors import InvalidArgument, InvalidKernel
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

# Name → the code that `struct` packs it by, None where it is packed in two parts.
SCALARS: dict[str, str | None] = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "int32": "i",
    "int64": "q",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
    "complex64": None,
    "complex128": None,
}
ALIASES = {
    "boolean": "bool",
    "b1": "bool",
    "i1": "int8",
    "i2": "int16",
    "i4": "int32",
    "i8": "int64",
    "u1": "uint8",
    "u2": "uint16",
    "u4": "uint32",
    "u8": "uint64",
    "f4": "float32",
    "f8": "float64",
    "c8": "complex64",
    "c16": "complex128",
    "intp": "int64",
    "uintp": "uint64",
    "int": "int64",
    "float": "float64",
    "double": "float64",
    "complex": "complex128",
}
MOST_DIMENSIONS = 16


@final
@frozen
class Scalar:
    """A number, passed by value."""

    dtype: str

    def __str__(self) -> str:
        return self.dtype

    @property
    def packed(self) -> str:
        """How it is packed, as codes of `struct`: a complex number in two parts."""
        return SCALARS[self.dtype] or ("ff" if self.dtype == "complex64" else "dd")


@final
@frozen
class Array:
    """An array, passed by its address, shape and strides.

    Attributes:
        dtype: the name of its numbers' type.
        dimensions: how many it has; at least one.
        layout: ``"C"`` for C order, ``"A"`` for any strides.
    """

    dtype: str
    dimensions: int
    layout: str

    def __str__(self) -> str:
        last = "::1" if self.layout == "C" else ":"
        return f"{self.dtype}[{', '.join([':'] * (self.dimensions - 1) + [last])}]"

    @property
    def packed(self) -> str:
        """How it is packed: owner and parent (null), items, item size, address, shape, strides.

        This is numba's own order for the arguments of a compiled function, on both targets.
        """
        return "PPqqP" + "q" * 2 * self.dimensions


ArgumentType = Scalar | Array


def parse_signature(text: str) -> tuple[ArgumentType, ...]:
    """Argument types from text such as ``"float64[:, ::1], float64, int64"``.

    Raises:
        InvalidKernel: for what is no type of an argument; quotes it.
    """
    stripped = text.strip()
    for prefix in ("void(", "("):
        if stripped.startswith(prefix) and stripped.endswith(")"):
            stripped = stripped[len(prefix) : -1]
    return tuple(_parse_type(part, text) for part in _split(stripped))


def _split(text: str) -> Iterable[str]:
    """The parts between commas that stand outside brackets; a last empty one counts as none."""
    depth, part = 0, ""
    for character in text:
        depth += (character == "[") - (character == "]")
        if character == "," and depth == 0:
            yield part
            part = ""
        else:
            part += character
    if part.strip():
        yield part


def _parse_type(part: str, whole: str) -> ArgumentType:
    name, bracket, rest = part.strip().partition("[")
    dtype = ALIASES.get(name.strip(), name.strip())
    if dtype not in SCALARS:
        raise InvalidKernel(
            f"{part.strip()!r} in the signature {whole!r} is no type of an argument. Expected one "
            f"of {', '.join(SCALARS)}, alone or with dimensions: 'float64[:, ::1]' is a "
            "two-dimensional array in C order, 'float64[:]' one of any stride"
        )
    if not bracket:
        return Scalar(dtype)
    dimensions = [item.strip() for item in rest.removesuffix("]").split(",")]
    ordinary, last = dimensions[:-1], dimensions[-1]
    known = all(item == ":" for item in ordinary) and last in (":", "::1")
    if not rest.endswith("]") or not known or len(dimensions) > MOST_DIMENSIONS:
        raise InvalidKernel(
            f"The dimensions of {part.strip()!r} in the signature {whole!r} cannot be read. Write "
            "a colon for each, and '::1' in the last place for C order: 'float64[:, ::1]'"
        )
    return Array(dtype, len(dimensions), "C" if last == "::1" else "A")


def type_of(value: Any) -> ArgumentType:
    """The type of a value that is to be passed to a kernel; arrays in C order are typed as such.

    Raises:
        InvalidArgument: kernels take no such values.
    """
    kind = value.__class__
    if kind is float:
        return Scalar("float64")
    if kind is int:
        return Scalar("int64")
    if kind is bool:
        return Scalar("bool")
    if kind is complex:
        return Scalar("complex128")
    dtype = getattr(value, "dtype", None)
    interface: Any = getattr(value, "__cuda_array_interface__", None)
    if dtype is None and interface is not None:
        import numpy as np

        dtype = np.dtype(interface["typestr"])
    shape: Sequence[int] | None = getattr(value, "shape", None)
    if dtype is None or shape is None:
        raise InvalidArgument(
            f"{value!r} is a {kind.__qualname__}; kernels take numbers and arrays of numbers"
        )
    name = str(dtype)
    if name not in SCALARS:
        raise InvalidArgument(
            f"Arrays of {name} cannot be passed to a kernel; expected one of {', '.join(SCALARS)} "
            "in this machine's byte order. Convert with .astype()"
        )
    if not shape:
        if interface is not None or _is_array(value):
            raise InvalidArgument(
                "An array without dimensions cannot be passed to a kernel. Pass the number itself "
                "(array[()]), or an array with one element (array.reshape(1))"
            )
        return Scalar(name)
    return Array(name, len(shape), "C" if is_c_order(value) else "A")


def is_traced(value: object) -> bool:
    """Whether JAX only traces it: under `jit`, `grad` or `vmap` it stands for a value."""
    return any(
        kind.__name__ == "Tracer" and kind.__module__.partition(".")[0] == "jax"
        for kind in type(value).__mro__
    )


def _is_array(value: Any) -> bool:
    return hasattr(value, "flags") and hasattr(value, "ctypes")


def is_c_order(value: Any) -> bool:
    """Whether elements lie in C order without gaps; also of arrays on a device."""
    flags: Any = getattr(value, "flags", None)
    contiguous: bool | None = getattr(flags, "c_contiguous", None)
    if contiguous is not None:
        return contiguous
    interface: Any = value.__cuda_array_interface__
    strides = interface.get("strides")
    if strides is None:
        return True
    expected = int(interface["typestr"][2:])
    for size, stride in zip(reversed(interface["shape"]), reversed(strides), strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def describe(types: Sequence[ArgumentType]) -> str:
    """A signature as text; `parse_signature` reads it back."""
    return ", ".join(map(str, types))


def accepts(declared: Sequence[ArgumentType], given: Sequence[ArgumentType]) -> bool:
    """Whether arguments of the given types can be passed where these are declared.

    Arrays must agree, but one in C order also fits where any strides do; Python's numbers fit
    wherever none of their meaning is lost.
    """
    return len(declared) == len(given) and all(map(_fits, declared, given))


_WIDER = {
    "bool": {"bool"},
    "int64": {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
    | {"float32", "float64", "complex64", "complex128"},
    "float64": {"float32", "float64", "complex64", "complex128"},
    "complex128": {"complex64", "complex128"},
}


def _fits(declared: ArgumentType, given: ArgumentType) -> bool:
    if isinstance(declared, Array):
        return declared == given or (
            isinstance(given, Array)
            and declared.layout == "A"
            and declared == Array(given.dtype, given.dimensions, "A")
        )
    if isinstance(given, Array):
        return False
    return declared == given or declared.dtype in _WIDER.get(given.dtype, ())


def is_on_device(arguments: Sequence[Any]) -> bool:
    """Whether any of these is an array on a GPU."""
    kinds: list[Any] = [type(item) for item in arguments]
    if not any(hasattr(kind, "__cuda_array_interface__") for kind in kinds):
        return False
    # JAX's arrays have it by their class, also those on the CPU.
    return any(hasattr(item, "__cuda_array_interface__") for item in arguments)
