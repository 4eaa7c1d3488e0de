"""numba's types in a canonical form: what a type is, not what it is called.

The text of a named tuple's type leaves out the fields, that of a record the class, that of a
jitclass says where it lies in memory. So each kind of type is described by its parts. Types of a
user's own making count by their class and state. What has no form here is refused.
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import sys

from emberkeep.errors import Unkeyable
from emberkeep.keys.fingerprint import branch, leaf
from emberkeep.keys.origin import library_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.keys.fingerprint import Fingerprint
    from emberkeep.keys.visitor import Visitor

_BUFFER = ("dtype", "ndim", "layout", "mutable", "aligned")
_LITERAL = ("literal_value",)
_TUPLE = ("types",)

# The class of a type → what it consists of, beside its class. Dispatchers are not among them: what
# they have compiled already is linked as it is, whatever has become of what it calls.
PARTS: dict[str, tuple[str, ...]] = {
    "Array": _BUFFER,
    "Boolean": ("name",),
    "BooleanLiteral": _LITERAL,
    "ByteArray": _BUFFER,
    "Bytes": _BUFFER,
    "CPointer": ("dtype",),
    "CharSeq": ("count",),
    "Complex": ("name", "bitwidth"),
    "DType": ("dtype",),
    "DictType": ("key_type", "value_type", "initial_value"),
    "EllipsisType": ("name",),
    "EnumClass": ("instance_class", "dtype"),
    "EnumMember": ("instance_class", "dtype"),
    "ExternalFunction": ("symbol", "sig"),
    "Float": ("name", "bitwidth"),
    "Function": ("typing_key",),
    "FunctionType": ("signature",),
    "IntEnumClass": ("instance_class", "dtype"),
    "IntEnumMember": ("instance_class", "dtype"),
    "Integer": ("name", "bitwidth", "signed"),
    "IntegerLiteral": _LITERAL,
    "List": ("dtype", "reflected", "initial_value"),
    "ListType": ("item_type", "initial_value"),
    "LiteralList": (*_TUPLE, "initial_value"),
    "LiteralStrKeyDict": (*_TUPLE, "literal_value", "value_index"),
    "MemoryView": _BUFFER,
    "Module": ("pymod",),
    "NPDatetime": ("unit",),
    "NPTimedelta": ("unit",),
    "NamedTuple": (*_TUPLE, "fields", "instance_class"),
    "NamedTupleClass": ("instance_class",),
    "NamedUniTuple": ("dtype", "count", "fields", "instance_class"),
    "NestedArray": (*_BUFFER, "shape"),
    "NoneType": ("name",),
    "NumPyRandomBitGeneratorType": ("name",),
    "NumPyRandomGeneratorType": ("name",),
    "NumberClass": ("instance_type",),
    "Omitted": ("value",),
    "Opaque": ("name",),
    "Optional": ("type",),
    "Phantom": ("name",),
    "Poison": ("ty",),
    "PyArray": _BUFFER,
    "PyObject": ("name",),
    "RangeType": ("dtype",),
    "RawPointer": ("name",),
    "Set": ("dtype", "reflected"),
    "SliceLiteral": _LITERAL,
    "SliceType": ("name", "has_step"),
    "StarArgTuple": _TUPLE,
    "StarArgUniTuple": ("dtype", "count"),
    "StringLiteral": _LITERAL,
    "Tuple": _TUPLE,
    "TypeRef": ("instance_type",),
    "UniTuple": ("dtype", "count"),
    "UnicodeCharSeq": ("count",),
    "UnicodeType": ("name",),
}
# What numba counts up in each process, or works out from the rest.
_WORKED_OUT = frozenset({"_code", "key", "mangling_args", "is_internal"})
_BASES = ("numba.core.types.abstract", "numba.cuda.types.abstract")


def is_numba_type(value: object) -> bool:
    """Whether a value is a type of numba's, asked without importing it."""
    bases = (getattr(sys.modules.get(name), "Type", None) for name in _BASES)
    return any(base is not None and isinstance(value, base) for base in bases)


def is_signature(value: object) -> bool:
    """Whether a value is a signature of numba's."""
    return type(value).__name__ == "Signature" and type(value).__module__.startswith("numba.")


def describe_signature(value: Any, path: str, walk: Visitor) -> Fingerprint:
    """A signature by the types in it."""
    parts = (("result", value.return_type), ("arguments", value.args), ("of", value.recvr))
    return branch("numba signature", [(name, walk.visit(part, path)) for name, part in parts])


def describe_type(value: Any, path: str, walk: Visitor) -> Fingerprint:
    """A type by its class and what it consists of."""
    again = walk.met(value)
    if again is not None:
        return again
    cls: type = type(value)
    if not cls.__module__.startswith("numba."):
        return _made_by_user(value, path, walk)
    if cls.__name__ == "Record":
        return _record(value, path, walk)
    parts = PARTS.get(cls.__name__)
    if parts is None:
        raise Unkeyable(
            path,
            f"is the numba type {value}, a {cls.__name__}, for which no exact key is known",
            "Pass arrays, numbers, tuples or named tuples of them instead",
        )
    children = [("class", _numba_class(cls))]
    for part in parts:
        item = getattr(value, part, None)
        children.append((part, walk.compile_time(item, f"{path} ({value}).{part}")))
    return branch("numba type", children)


def _numba_class(cls: type) -> Fingerprint:
    top = sys.modules.get(cls.__module__.partition(".")[0])
    text = f"{cls.__module__}.{cls.__qualname__} ({None if top is None else library_of(top)})"
    return leaf("library", text.encode(), text)


def _record(value: Any, path: str, walk: Visitor) -> Fingerprint:
    """A record: its fields in their order, where each lies, and how large all of it is."""
    children = [("class", _numba_class(type(value)))]
    for name, field in value.fields.items():
        parts = [("type", walk.compile_time(field.type, f"{path}[{name!r}]"))]
        about = (field.offset, field.alignment, field.title)
        parts.append(("place", walk.compile_time(about, f"{path}[{name!r}]")))
        children.append((f"field {name}", branch("field", parts)))
    size = (value.size, bool(value.aligned))
    return branch("numba record", [*children, ("size", walk.visit(size, path))])


def _made_by_user(value: Any, path: str, walk: Visitor) -> Fingerprint:
    state = {name: item for name, item in sorted(vars(value).items()) if name not in _WORKED_OUT}
    children = [
        ("class", walk.compile_time(type(value), f"{path}.__class__")),
        ("state", walk.compile_time(state, path)),
    ]
    return branch("numba type", children)
