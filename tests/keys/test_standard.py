"""Values of the standard library: equal ones have one key, and every difference shows."""

import array
import collections
import datetime as dt
import decimal
import fractions
import itertools
import os
import re
import subprocess
import sys
import types
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emberkeep.errors import Unkeyable
from emberkeep.keys import fingerprint, fingerprint_mapping
from emberkeep.keys.watch import Watch

UTC, NAMED = dt.UTC, dt.timezone(dt.timedelta(0), "here")
ZONED = dt.timezone(dt.timedelta(hours=2))
DAY = dt.datetime.fromisoformat("2000-01-01")
ODD = collections.OrderedDict(a=1, b=2)
ODD.note = 1

# Each in a list of values that differ from all others here.
DISTINCT = [
    *(1, 1.0, 0.5, "1", "1/2", b"ab", bytearray(b"ab"), (1, 2), [1, 2], {"a": 1, "b": 2}, 1 + 0j),
    *(fractions.Fraction(1), fractions.Fraction(1, 2), fractions.Fraction(-1, 2)),
    *(decimal.Decimal(text) for text in ("1", "1.0", "1E+1", "10", "0", "-0", "0E-7", "Infinity")),
    *(decimal.Decimal(text) for text in ("NaN", "-NaN", "NaN1", "sNaN", "sNaN1")),
    *(dt.date(2000, 1, 1), dt.date(2000, 1, 2), DAY, dt.time(0)),
    *(DAY.replace(fold=1), DAY.replace(microsecond=1), dt.time(0, fold=1)),
    *(dt.datetime(2000, 1, 1, tzinfo=UTC), dt.datetime(2000, 1, 1, tzinfo=NAMED)),
    *(dt.datetime(2000, 1, 1, 2, tzinfo=ZONED), dt.time(0, tzinfo=UTC), UTC, NAMED, ZONED),
    *(dt.timedelta(1), dt.timedelta(0, 1), dt.timedelta(0, 0, 1), dt.timedelta(-1)),
    *(re.compile("a"), re.compile(b"a"), re.compile("a", re.IGNORECASE), re.compile("b")),
    *(uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=1, is_safe=uuid.SafeUUID.safe)),
    *(collections.deque([1, 2]), collections.deque([2, 1]), collections.deque([1, 2], 2)),
    *(collections.deque(), collections.deque([[1, 2]])),
    *(collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1), ODD),
    *(collections.defaultdict(int, a=1), collections.defaultdict(list, a=1)),
    *(collections.defaultdict(None, a=1), collections.defaultdict(lambda: 1, a=1)),
    *(collections.Counter("ab"), collections.Counter("abb"), collections.Counter(a=1, b=1, c=0)),
    *(types.MappingProxyType({"a": 1}), types.MappingProxyType({"a": 2})),
    *(types.SimpleNamespace(a=1), types.SimpleNamespace(a=2), types.SimpleNamespace(b=1)),
    *(array.array("d", [1.0]), array.array("d", [-0.0]), array.array("d", [0.0])),
    *(array.array("q", [1]), array.array("Q", [1]), array.array("b", [1]), array.array("q")),
    *(memoryview(b"ab"), memoryview(bytearray(b"ab")), memoryview(b"ab").cast("c")),
    *(memoryview(b"abcd").cast("H"), memoryview(b"abcd").cast("b", (2, 2)), memoryview(b"abcd")),
]


def test_all_of_them_differ():
    keys = [fingerprint(value).digest for value in DISTINCT]
    alike = [
        (one, other)
        for (one, key), (other, second) in itertools.combinations(zip(DISTINCT, keys), 2)
        if key == second
    ]
    assert alike == []


def holding(held):
    return lambda: held


@pytest.mark.parametrize(
    "place", range(len(DISTINCT)), ids=[repr(value).partition(" at 0x")[0] for value in DISTINCT]
)
def test_code_that_captures_one_knows_it(place):
    value, other = DISTINCT[place], DISTINCT[place - 1]
    assert fingerprint(holding(value)).digest == fingerprint(holding(value)).digest
    assert fingerprint(holding(value)).digest != fingerprint(holding(other)).digest


EQUAL = {
    "a fraction": (fractions.Fraction(2, 4), fractions.Fraction(1, 2)),
    "a decimal": (decimal.Decimal("1.50"), decimal.Decimal((0, (1, 5, 0), -2))),
    "a time": (DAY, dt.datetime.fromisoformat("2000-01-01T00:00")),
    "a zone": (dt.timezone(dt.timedelta(0)), dt.UTC),
    "a default dictionary": (
        collections.defaultdict(int, {"a": 1, "b": 2}),
        collections.defaultdict(int, {"b": 2, "a": 1}),
    ),
    "a counter": (collections.Counter("ab"), collections.Counter("ba")),
    "a namespace": (types.SimpleNamespace(a=1, b=2), types.SimpleNamespace(b=2, a=1)),
    "a view": (memoryview(b"abcd")[::2], memoryview(b"ac")),
    "a pattern": (
        re.compile("a", re.IGNORECASE | re.MULTILINE),
        re.compile("a", re.MULTILINE | re.IGNORECASE),
    ),
}


@pytest.mark.parametrize("name", EQUAL)
def test_equal_ones_have_one_key(name):
    one, other = EQUAL[name]
    assert fingerprint(one).digest == fingerprint(other).digest


@given(st.decimals() | st.fractions() | st.dates() | st.datetimes() | st.timedeltas() | st.uuids())
def test_what_survives_a_copy_keeps_its_key(value):
    import copy
    import pickle

    for other in (copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert fingerprint(other).digest == fingerprint(value).digest


NUMBERS = st.decimals() | st.fractions() | st.timedeltas() | st.datetimes()


@given(NUMBERS, NUMBERS)
def test_different_ones_have_different_keys(one, other):
    if repr(one) != repr(other):
        assert fingerprint(one).digest != fingerprint(other).digest


def test_a_class_that_only_calls_itself_so_is_none():
    fake = type("Decimal", (), {"__module__": "decimal", "__str__": lambda _: "1"})()
    with pytest.raises(Unkeyable):
        fingerprint(fake)


def test_what_holds_itself_has_a_key():
    line = collections.deque()
    line.append(line)
    table = collections.defaultdict(list)
    table["me"] = table
    assert len({fingerprint(line).digest, fingerprint(table).digest}) == 2


def test_the_order_of_memory_counts_where_code_captures_it():
    import numpy as np

    rows, columns = np.ones((2, 2)), np.ones((2, 2), order="F")
    assert fingerprint(memoryview(rows)).digest == fingerprint(memoryview(columns)).digest
    one, other = memoryview(rows), memoryview(columns)
    held = [fingerprint(lambda view=view: view).digest for view in (one, other)]
    assert held[0] != held[1]


CHANGES = {
    "a deque": (lambda: collections.deque([1, 2]), lambda v: v.rotate(1)),
    "an ordered dictionary": (
        lambda: collections.OrderedDict(a=1, b=2),
        lambda v: v.move_to_end("a"),
    ),
    "an attribute of one": (lambda: collections.OrderedDict(a=1), lambda v: setattr(v, "x", 1)),
    "a default dictionary": (lambda: collections.defaultdict(int, a=1), lambda v: v["b"]),
    "its factory": (
        lambda: collections.defaultdict(int, a=1),
        lambda v: setattr(v, "default_factory", list),
    ),
    "a counter": (lambda: collections.Counter("ab"), lambda v: v.update("a")),
    "a namespace": (lambda: types.SimpleNamespace(a=1), lambda v: setattr(v, "a", 2)),
    "an array": (lambda: array.array("d", [1.0]), lambda v: v.append(2.0)),
    "a view": (lambda: memoryview(bytearray(b"ab")), lambda v: v.__setitem__(0, 1)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_seen_by_who_watches(name):
    make, change = CHANGES[name]
    value, watch = make(), Watch()
    before = fingerprint_mapping({"it": value}, label="ingredients", watch=watch).digest
    assert watch.unchanged()
    change(value)
    assert not watch.unchanged()
    assert fingerprint_mapping({"it": value}, label="ingredients").digest != before


def test_a_change_behind_a_read_only_view_is_seen():
    table, watch = {"a": 1}, Watch()
    fingerprint_mapping({"it": types.MappingProxyType(table)}, label="ingredients", watch=watch)
    assert watch.unchanged()
    table["a"] = 2
    assert not watch.unchanged()


PROGRAM = """
import sys
from emberkeep.keys import fingerprint
def f(x): return x + 1
fingerprint({"a": (1, "b", f)})
print({"decimal", "fractions", "datetime", "uuid", "array", "pandas"} & set(sys.modules))
"""


def test_nothing_is_imported_to_ask():
    ran = subprocess.run(
        [sys.executable, "-S", "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert ran.stdout.strip() == "set()"
