"""numba's types by what they are: equal texts may mean other types, and other texts the same."""

from __future__ import annotations

import enum
from collections import namedtuple

import numpy as np
import pytest

from emberkeep.errors import Unkeyable
from emberkeep.keys import fingerprint

numba = pytest.importorskip("numba")
types = numba.types


def tuple_class(fields: str) -> type:
    return namedtuple("Point", fields)  # noqa: PYI024 - what numba takes


def enum_class(base: type, **members: int) -> type:
    return base("Colour", members)


def record(align: bool = False, **fields: str) -> np.dtype:
    return np.dtype(list(fields.items()), align=align)


def structure(name: str, fields: list[tuple[str, types.Type]]) -> types.Type:
    return type(name, (types.StructRef,), {})(fields)


def value_type(value: object) -> types.Type:
    from numba.core.registry import cpu_target

    cpu_target.typing_context.refresh()
    return cpu_target.typing_context.resolve_value_type(value)


f8, i8 = types.float64, types.int64
MEMBERS = {"A": 1, "B": 2}

# Pairs that compile to other code; most of them have one text.
DIFFERENT = {
    "named tuple's fields": lambda: [
        numba.typeof(tuple_class(names)(1.0, 2.0)) for names in ("x y", "y x")
    ],
    "named tuple's types": lambda: [
        numba.typeof(tuple_class("x y")(*values)) for values in ((1.0, 2), (1, 2.0))
    ],
    "tuple or named tuple": lambda: [
        numba.typeof((1.0, 2.0)),
        numba.typeof(tuple_class("x y")(1.0, 2.0)),
    ],
    "a tuple in a tuple": lambda: [
        numba.typeof((tuple_class(names)(1.0, 2.0), 1)) for names in ("x y", "y x")
    ],
    "named tuple in a list": lambda: [
        types.ListType(numba.typeof(tuple_class(names)(1.0, 2.0))) for names in ("x y", "y x")
    ],
    "layout": lambda: [types.Array(f8, 2, layout) for layout in "CF"],
    "writable": lambda: [types.Array(f8, 1, "C", readonly=flag) for flag in (True, False)],
    "aligned": lambda: [types.Array(f8, 1, "C", aligned=flag) for flag in (True, False)],
    "dimensions": lambda: [f8[:], f8[:, :]],
    "dtype": lambda: [f8[:], types.float32[:]],
    "record's names": lambda: [
        numba.from_dtype(record(**{name: "f8", other: "f8"})) for name, other in ("ab", "ba")
    ],
    "record's types": lambda: [
        numba.from_dtype(record(a=one, b=other)) for one, other in (("f8", "i8"), ("i8", "f8"))
    ],
    "record's alignment": lambda: [
        numba.from_dtype(record(align, a="i1", b="f8")) for align in (True, False)
    ],
    "literal": lambda: [types.literal(1), types.literal(2)],
    "literal or not": lambda: [types.literal(1), i8],
    "text": lambda: [types.literal("a"), types.literal("b")],
    "enum's members": lambda: [
        numba.typeof(enum_class(enum.Enum, **members).A) for members in (MEMBERS, {"A": 2, "B": 1})
    ],
    "enum or integer enum": lambda: [
        numba.typeof(enum_class(base, **MEMBERS).A) for base in (enum.Enum, enum.IntEnum)
    ],
    "optional": lambda: [types.Optional(f8), types.Optional(i8)],
    "optional or not": lambda: [types.Optional(f8), f8],
    "dictionary": lambda: [types.DictType(f8, i8), types.DictType(i8, f8)],
    "list or reflected list": lambda: [types.ListType(f8), types.List(f8, reflected=True)],
    "reflected": lambda: [types.List(f8, reflected=flag) for flag in (True, False)],
    "function's result": lambda: [types.FunctionType(f8(f8)), types.FunctionType(i8(f8))],
    "function": lambda: [value_type(function) for function in (np.sin, np.cos)],
    "structure's fields": lambda: [
        structure("S", [("a", f8), ("b", i8)]),
        structure("S", [("b", f8), ("a", i8)]),
    ],
    "nested array": lambda: [types.NestedArray(f8, (2, 3)), types.NestedArray(f8, (3, 2))],
    "unit of time": lambda: [types.NPDatetime("s"), types.NPDatetime("ms")],
    "default": lambda: [types.Omitted(1), types.Omitted(2)],
    "slice": lambda: [types.slice2_type, types.slice3_type],
    "type as a value": lambda: [types.TypeRef(f8), types.TypeRef(i8)],
    "signature": lambda: [f8(f8, i8), f8(i8, f8)],
    "a signature's named tuple": lambda: [
        f8(numba.typeof(tuple_class(names)(1.0, 2.0))) for names in ("x y", "y x")
    ],
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_differs_has_another_key(name: str) -> None:
    one, other = DIFFERENT[name]()
    assert fingerprint(one).digest != fingerprint(other).digest
    again, _ = DIFFERENT[name]()
    assert fingerprint(one).digest == fingerprint(again).digest


def test_a_type_of_a_users_own_counts_by_its_class() -> None:
    def make(number: int) -> types.Type:
        class Own(types.Type):
            def __init__(self) -> None:
                super().__init__(name="Own")

            @property
            def size(self) -> int:
                return number

        return Own()

    keys = [fingerprint(make(number)).digest for number in (1, 1, 2)]
    assert keys[0] == keys[1] != keys[2]


def test_a_jitclass_is_refused_by_name() -> None:
    @numba.experimental.jitclass([("x", f8)])
    class Particle:
        def __init__(self) -> None:
            self.x = 1.0

    for known in (Particle.class_type, Particle.class_type.instance_type):
        with pytest.raises(Unkeyable, match=r"Particle.*no exact key"):
            fingerprint(known)


def test_a_dispatcher_as_an_argument_is_refused() -> None:
    # What it compiled before one of its callees was redefined would be kept for the new one.
    dispatcher = numba.njit(lambda x: x)
    with pytest.raises(Unkeyable, match=r"Dispatcher.*no exact key"):
        fingerprint(numba.typeof(dispatcher))


def test_types_of_numba_cuda_have_keys_too() -> None:
    cuda = pytest.importorskip("numba.cuda.types")
    point = tuple_class("x y")(1.0, 2.0)
    for known in (cuda.float64, cuda.Array(cuda.float64, 1, "C"), numba.typeof(point)):
        assert fingerprint(known).kind == "numba type"
