"""Plain values: what is equal has one key, what differs in anything has another."""

from __future__ import annotations

import enum
import math
import struct
from collections import namedtuple
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from emberkeep.keys import fingerprint


def digest(value: object) -> str:
    return fingerprint(value).digest


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


class Shade(enum.Enum):
    RED = 1
    GREEN = 2


class Level(enum.IntEnum):
    LOW = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclass(frozen=True)
class Rates:
    birth: float
    death: float = 0.1


@dataclass(frozen=True)
class OtherRates:
    birth: float
    death: float = 0.1


Point = namedtuple("Point", "x y")  # noqa: PYI024 - the untyped kind is a kind of its own
Pair = namedtuple("Pair", "x y")  # noqa: PYI024 - the same

NAN = float("nan")
OTHER_NAN = struct.unpack(">d", bytes.fromhex("7ff8000000000001"))[0]

# Each differs from every other, in value or in type.
ALL_DIFFERENT = {
    "None": None,
    "ellipsis": ...,
    "not implemented": NotImplemented,
    "False": False,
    "True": True,
    "0": 0,
    "1": 1,
    "-1": -1,
    "255": 255,
    "-255": -255,
    "256": 256,
    "beyond 64 bits": 2**64,
    "one less": 2**64 - 1,
    "beyond the decimal limit": 10**5000,
    "0.0": 0.0,
    "-0.0": -0.0,
    "1.0": 1.0,
    "next to 1.0": math.nextafter(1.0, 2.0),
    "inf": math.inf,
    "-inf": -math.inf,
    "nan": NAN,
    "-nan": -NAN,
    "nan with a payload": OTHER_NAN,
    "0j": 0j,
    "-0j": complex(0.0, -0.0),
    "-0 real": complex(-0.0, 0.0),
    "1j": 1j,
    "complex nan": complex(0.0, NAN),
    "empty text": "",
    "1 text": "1",
    "None text": "None",
    "composed": "\u00e9",
    "decomposed": "e\u0301",
    "surrogate": "\udc80",
    "nul": "\0",
    "empty bytes": b"",
    "1 bytes": b"1",
    "empty bytearray": bytearray(),
    "1 bytearray": bytearray(b"1"),
    "empty tuple": (),
    "empty list": [],
    "empty dict": {},
    "empty set": set(),
    "empty frozenset": frozenset(),
    "(1,)": (1,),
    "(1.0,)": (1.0,),
    "(True,)": (True,),
    "[1]": [1],
    "((1,),)": ((1,),),
    "((), ())": ((), ()),
    "((()),)": (((),),),
    "(1, 2)": (1, 2),
    "(2, 1)": (2, 1),
    "('1', '2')": ("1", "2"),
    "('12',)": ("12",),
    "('1', '', '2')": ("1", "", "2"),
    "{1}": {1},
    "{1.0}": {1.0},
    "frozen {1}": frozenset({1}),
    "{1: 2}": {1: 2},
    "{1.0: 2}": {1.0: 2},
    "{True: 2}": {True: 2},
    "{'1': 2}": {"1": 2},
    "{b'1': 2}": {b"1": 2},
    "{1: '2'}": {1: "2"},
    "{'a': 1, 'b': 2}": {"a": 1, "b": 2},
    "{'a': 2, 'b': 1}": {"a": 2, "b": 1},
    "{'a': 1, 2: 2}": {"a": 1, 2: 2},
    "items": (("a", 1), ("b", 2)),
    "range(3)": range(3),
    "range(0, 3, 2)": range(0, 3, 2),
    "slice(3)": slice(3),
    "slice(0, 3)": slice(0, 3),
    "Colour.RED": Colour.RED,
    "Colour.GREEN": Colour.GREEN,
    "Shade.RED": Shade.RED,
    "Level.LOW": Level.LOW,
    "Access.READ": Access.READ,
    "Access.READ | WRITE": Access.READ | Access.WRITE,
    "no access": Access(0),
    "Rates(1.0)": Rates(1.0),
    "Rates(1)": Rates(1),  # type: ignore[arg-type]
    "Rates(1.0, 0.2)": Rates(1.0, 0.2),
    "OtherRates(1.0)": OtherRates(1.0),
    "Point(1, 2)": Point(1, 2),
    "Pair(1, 2)": Pair(1, 2),
    "float64 1": np.float64(1),
    "float64 -0.0": np.float64(-0.0),
    "float64 0.0": np.float64(0.0),
    "float32 1": np.float32(1),
    "int64 1": np.int64(1),
    "int32 1": np.int32(1),
    "uint8 1": np.uint8(1),
    "bool 1": np.bool_(True),
    "complex64": np.complex64(1),
    "complex128": np.complex128(1),
    "longdouble 1": np.longdouble(1),
    "longdouble third": np.longdouble(1) / 3,
    "str_": np.str_("1"),
    "bytes_": np.bytes_(b"1"),
    "void": np.void(b"1"),
    "a second": np.timedelta64(1, "s"),
    "a millisecond": np.timedelta64(1, "ms"),
    "1000 milliseconds": np.timedelta64(1000, "ms"),
    "a day": np.datetime64("2000-01-01", "D"),
    "that day in ns": np.datetime64("2000-01-01", "ns"),
    "no time": np.datetime64("NaT", "ns"),
    "dtype f8": np.dtype("f8"),
    "dtype >f8": np.dtype(">f8"),
    "dtype f4": np.dtype("f4"),
    "dtype (f8, 2)": np.dtype(("f8", 2)),
    "dtype M8[ns]": np.dtype("M8[ns]"),
    "dtype M8[us]": np.dtype("M8[us]"),
    "dtype a": np.dtype([("a", "f8")]),
    "dtype b": np.dtype([("b", "f8")]),
    "dtype titled": np.dtype([(("title", "a"), "f8")]),
    "dtype packed": np.dtype([("a", "i1"), ("b", "f8")]),
    "dtype aligned": np.dtype([("a", "i1"), ("b", "f8")], align=True),
    "dtype spaced": np.dtype({"names": ["a"], "formats": ["f8"], "itemsize": 16}),
    "dtype record": np.dtype((np.record, [("a", "f8")])),
    "dtype void": np.dtype("V8"),
    "0-d": np.array(1.0),
    "1-d": np.array([1.0]),
    "2-d": np.array([[1.0]]),
    "1-d f4": np.array([1.0], "f4"),
    "1-d >f8": np.array([1.0], ">f8"),
    "1-d i8": np.array([1]),
    "1-d -0.0": np.array([-0.0]),
    "1-d 0.0": np.array([0.0]),
    "1-d nan": np.array([NAN]),
    "1-d nan with a payload": np.array([OTHER_NAN]),
    "no items f8": np.zeros(0),
    "no items f4": np.zeros(0, "f4"),
    "(0, 2)": np.zeros((0, 2)),
    "(2, 0)": np.zeros((2, 0)),
    "(2, 3)": np.arange(6.0).reshape(2, 3),
    "(3, 2)": np.arange(6.0).reshape(3, 2),
    "its transpose": np.arange(6.0).reshape(2, 3).T,
    "texts": np.array(["1"]),
    "bytes array": np.array([b"1"]),
    "bools": np.array([True]),
    "days": np.array(["2000-01-01"], "M8[D]"),
    "days in ns": np.array(["2000-01-01"], "M8[ns]"),
}


def test_values_that_differ_in_anything_have_keys_that_differ() -> None:
    by_digest: dict[str, list[str]] = {}
    for name, value in ALL_DIFFERENT.items():
        by_digest.setdefault(digest(value), []).append(name)
    assert [names for names in by_digest.values() if len(names) > 1] == []


@pytest.mark.parametrize("name", ALL_DIFFERENT)
def test_a_key_is_the_same_twice_and_counts_inside_a_container(name: str) -> None:
    value = ALL_DIFFERENT[name]
    assert fingerprint(value) == fingerprint(value)
    assert digest([value]) == digest([value])
    assert digest([value]) != digest([value, value]) != digest([[value]])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({1: "a", 2.5: "b"}, {2.5: "b", 1: "a"}),
        ({"a": 1, 2: {3: 4, "b": 5}}, {2: {"b": 5, 3: 4}, "a": 1}),
        ({"x", "y", 1, None}, {None, 1, "y", "x"}),
        ({float("nan"): 1, float("nan"): 2}, {float("nan"): 2, float("nan"): 1}),
        (10**30, int("1" + 30 * "0")),
        ("ab", "ba"[::-1]),
        (Rates(1.0), Rates(birth=1.0, death=0.1)),
        (np.float64(1), np.ones(3)[1]),
        (np.dtype("f8"), np.dtype(float)),
        (np.dtype("<i4"), np.dtype("i4")),
    ],
)
def test_equal_values_made_in_different_ways_have_one_key(a: object, b: object) -> None:
    assert digest(a) == digest(b)


def test_a_list_that_holds_itself_ends_and_counts_where_it_closes() -> None:
    one: list[object] = [1]
    one.append(one)
    two: list[object] = [1, [1]]
    two[1].append(two)  # type: ignore[attr-defined]
    again: list[object] = [1]
    again.append(again)
    assert digest(one) == digest(again)
    assert digest(one) != digest(two)


def test_a_value_that_is_shared_and_equal_copies_of_it_have_one_key() -> None:
    shared = [1, 2]
    assert digest([shared, shared]) == digest([[1, 2], [1, 2]])


class Labelled(enum.Enum):
    def __new__(cls, value: int, label: str):
        member = object.__new__(cls)
        member._value_ = value
        member.label = label  # type: ignore[attr-defined]
        return member

    RED = 1, "red"


def test_what_an_enum_member_stores_beside_its_value_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = digest(Labelled.RED)
    monkeypatch.setattr(Labelled.RED, "label", "rot")
    assert digest(Labelled.RED) != before


def test_state_that_a_frozen_dataclass_keeps_beside_its_fields_counts() -> None:
    hidden = Rates(1.0)
    object.__setattr__(hidden, "extra", 2)
    other = Rates(1.0)
    object.__setattr__(other, "extra", 3)
    assert len({digest(Rates(1.0)), digest(hidden), digest(other)}) == 3


def test_a_cached_property_does_not_change_the_key_when_it_is_read() -> None:
    @dataclass(frozen=True)
    class Model:
        size: int

        @cached_property
        def table(self) -> list[int]:
            return list(range(self.size))

    model = Model(3)
    before = digest(model)
    assert model.table == [0, 1, 2]
    assert digest(model) == before


def test_a_field_that_was_never_set_differs_from_one_that_was() -> None:
    @dataclass(frozen=True)
    class Model:
        size: int = field(init=False)

    filled = Model()
    object.__setattr__(filled, "size", 1)
    assert digest(Model()) != digest(filled)


def test_slots_with_private_names_count() -> None:
    class Scale:
        __slots__ = ("__factor",)

        def __init__(self, factor: float) -> None:
            self.__factor = factor

        def __call__(self, x: float) -> float:
            return self.__factor * x

    assert digest(Scale(2.0)) != digest(Scale(3.0))
    assert digest(Scale(2.0)) == digest(Scale(2.0))


def test_named_tuples_with_state_beside_the_items() -> None:
    class Tagged(Point):
        pass

    one, two = Tagged(1, 2), Tagged(1, 2)
    two.tag = "x"
    assert digest(one) != digest(two)


# Arrays


def memory_variants(array: np.ndarray) -> list[np.ndarray]:
    """The same values, held in other ways."""
    wide = np.zeros((*array.shape, 2), array.dtype)
    wide[..., 0] = array
    read_only = array.copy()
    read_only.flags.writeable = False
    unaligned = np.zeros(array.nbytes + 1, "u1")[1:].view(array.dtype).reshape(array.shape)
    unaligned[...] = array
    return [array.copy(), array.copy("F"), wide[..., 0], read_only, unaligned, array[::-1][::-1]]


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.array([[1, 2], [3, 4]], ">i2"),
        np.array([1 + 2j, NAN]),
        np.array(["a", "bcd"]),
        np.array(["2000-01-01", "NaT"], "M8[ns]"),
        np.array([(1, 2.5)], [("a", "i1"), ("b", "f8")]),
    ],
    ids=lambda array: str(array.dtype),
)
def test_the_layout_in_memory_of_data_does_not_count(array: np.ndarray) -> None:
    assert {digest(variant) for variant in memory_variants(array)} == {digest(array)}


def test_a_broadcast_view_equals_its_copy() -> None:
    view = np.broadcast_to(np.arange(3.0), (4, 3))
    assert digest(view) == digest(view.copy())


@pytest.mark.parametrize(
    "dtype", [[("a", "i1"), ("b", "f8")], [("a", "i1", 3), ("b", ">i4", (2,))]]
)
def test_padding_inside_structures_does_not_count(dtype: list[tuple[object, ...]]) -> None:
    aligned = np.dtype(dtype, align=True)
    keys = set()
    for garbage in (0, 255):
        array = np.full(2 * aligned.itemsize, garbage, "u1").view(aligned)
        array["a"], array["b"] = 1, 2
        keys |= {digest(array), digest(array.copy())}
        scalar_key = digest(array[0])
        array["b"][1] = 3
        assert digest(array) not in keys
        assert digest(array[0]) == scalar_key != digest(array[1])
    assert len(keys) == 1


def test_padding_inside_nested_structures_does_not_count() -> None:
    inner = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    outer = np.dtype([("i", inner, 2), ("c", "i1")], align=True)
    keys = set()
    for garbage in (0, 255):
        array = np.full(outer.itemsize, garbage, "u1").view(outer)
        array["i"]["a"], array["i"]["b"], array["c"] = 1, 2.0, 3
        keys.add(digest(array))
    assert len(keys) == 1


@pytest.mark.skipif(np.finfo(np.longdouble).nmant != 63, reason="only x87 numbers have padding")
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["g", "G"])
def test_padding_of_long_doubles_does_not_count_and_every_bit_of_them_does(
    order: str, kind: str
) -> None:
    dtype = np.dtype(kind).newbyteorder(order)
    items = dtype.itemsize // 16
    number = np.frombuffer(np.longdouble(1) / 3, "u1")[:10]
    keys = set()
    for garbage in (0, 255):
        raw = np.full((items, 16), garbage, "u1")
        raw[:, :10] = number
        raw = raw if order == "<" else raw[:, ::-1]
        keys.add(digest(np.ascontiguousarray(raw).reshape(-1).view(dtype)))
    assert len(keys) == 1
    for byte in range(10):
        raw = np.zeros((items, 16), "u1")
        raw[:, :10] = number
        raw[-1, byte] ^= 1
        raw = raw if order == "<" else raw[:, ::-1]
        keys.add(digest(np.ascontiguousarray(raw).reshape(-1).view(dtype)))
    assert len(keys) == 11


@pytest.mark.parametrize("dtype", ["V0", "f8", "U0", [("a", "f8")], []])
def test_arrays_without_a_byte_differ_by_their_shape(dtype: object) -> None:
    empty = np.dtype(dtype)  # type: ignore[call-overload]
    shapes = [(0,), (0, 2), (3, 0)]
    assert len({digest(np.empty(shape, empty)) for shape in shapes}) == len(shapes)


def test_fields_in_another_order_differ() -> None:
    array = np.zeros(1, [("a", "f8"), ("b", "f8")])
    assert digest(array) != digest(array[["b", "a"]])
    swapped = np.zeros(1, [("b", "f8"), ("a", "f8")])
    assert digest(array) != digest(swapped)


def test_one_value_in_a_large_array_counts() -> None:
    array = np.zeros(100_000)
    before = digest(array)
    array[54_321] = np.nextafter(0, 1)
    assert digest(array) != before


# Injectivity, against an equality that was written without a look at the encoder


def strictly_equal(a: object, b: object) -> bool:  # noqa: PLR0911 - one case a kind
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b)
    if isinstance(a, complex):
        return strictly_equal(a.real, b.real) and strictly_equal(a.imag, b.imag)
    if isinstance(a, np.ndarray):
        return (
            a.dtype == b.dtype
            and a.dtype.byteorder == b.dtype.byteorder
            and a.shape == b.shape
            and a.tobytes() == b.tobytes()
        )
    if isinstance(a, np.generic):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(strictly_equal, a, b))
    if isinstance(a, dict):
        return same_members(list(a.items()), list(b.items()))
    if isinstance(a, (set, frozenset)):
        return same_members(list(a), list(b))
    return a == b


def same_members(a: list[object], b: list[object]) -> bool:
    rest = list(b)
    for member in a:
        match = next((i for i, other in enumerate(rest) if strictly_equal(member, other)), None)
        if match is None:
            return False
        del rest[match]
    return not rest


# Few values of many types, so that two draws are often equal, or nearly so.
HASHABLE_ATOMS = st.one_of(
    st.sampled_from([None, ..., True, False, 0, 1, -1, 0.0, -0.0, 1.0, NAN, OTHER_NAN, 1j, -1j]),
    st.sampled_from(["", "a", "ab", "b", b"", b"a", b"ab", np.int64(1), np.float64(1), np.int8(1)]),
    st.integers(-3, 3),
    st.floats(),
    st.text(max_size=2),
)
HASHABLE = st.recursive(
    HASHABLE_ATOMS,
    lambda inner: st.lists(inner, max_size=2).map(tuple) | st.frozensets(inner, max_size=2),
    max_leaves=3,
)
ARRAYS = hnp.arrays(
    st.sampled_from(["<f8", ">f8", "<i2", "u1", "?", "<U1", "<M8[D]"]),
    hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=2),
)
VALUES = st.recursive(
    HASHABLE | ARRAYS | st.binary(max_size=2).map(bytearray),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(HASHABLE, inner, max_size=3),
        st.sets(HASHABLE, max_size=3),
    ),
    max_leaves=6,
)


@given(VALUES, VALUES)
@example([[], []], [[[]]])
@example({"a": {"b": 1}}, {"a": {}, "b": 1})
@example(("ab", "c"), ("a", "bc"))
def test_keys_are_equal_exactly_when_the_values_are(a: object, b: object) -> None:
    assert (digest(a) == digest(b)) == strictly_equal(a, b)


def rebuilt(value: object) -> object:
    """An equal value, of new objects, its dictionaries and sets filled in reverse."""
    if isinstance(value, np.ndarray):
        return value.copy("F")
    if isinstance(value, (tuple, list)):
        return type(value)([rebuilt(item) for item in value])
    if isinstance(value, dict):
        return {rebuilt(key): rebuilt(item) for key, item in reversed(value.items())}
    if isinstance(value, (set, frozenset)):
        return type(value)([rebuilt(item) for item in list(value)[::-1]])
    return value


@given(VALUES)
def test_an_equal_value_made_anew_has_the_same_key(value: object) -> None:
    assert digest(rebuilt(value)) == digest(value)


def changed(value: object, draw: st.DrawFn) -> object:
    """A copy with one leaf, somewhere, replaced by a text that occurs nowhere else."""
    if isinstance(value, dict) and value:
        chosen = draw(st.sampled_from(range(len(value))))
        pairs = enumerate(value.items())
        return {key: changed(item, draw) if i == chosen else item for i, (key, item) in pairs}
    if isinstance(value, (tuple, list)) and value:
        chosen = draw(st.sampled_from(range(len(value))))
        items = enumerate(value)
        return type(value)([changed(item, draw) if i == chosen else item for i, item in items])
    return "changed"


@given(VALUES, st.data())
def test_one_leaf_changed_anywhere_shows(value: object, data: st.DataObject) -> None:
    assert digest(changed(value, data.draw)) != digest(value)


@given(st.integers(), st.integers())
def test_integers_of_any_size(a: int, b: int) -> None:
    assert (digest(a) == digest(b)) == (a == b)


@given(st.text(), st.text())
def test_texts(a: str, b: str) -> None:
    assert (digest(a) == digest(b)) == (a == b)
