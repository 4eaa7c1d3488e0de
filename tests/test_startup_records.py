"""Frozen records are what frozen dataclasses are, without their import."""

import ast
import builtins
import copy
import dataclasses
import hashlib
import importlib.util
import inspect
import json
import math
import os
import pickle
import subprocess
import sys
import typing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import emberkeep
from emberkeep import startup_records
from emberkeep.startup_records import as_dict, final, frozen, replace


class Fields:
    x: int
    y: object = "y"
    z: tuple = ()


def make(decorate):
    """The same class, decorated; its name and module are the same too."""
    body = {
        "__annotations__": dict(Fields.__annotations__),
        "__module__": __name__,
        "__qualname__": "Record",
        "y": "y",
        "z": (),
    }
    return decorate(type("Record", (), body))


Record = make(frozen)
Model = make(dataclasses.dataclass(frozen=True))
VALUES = st.sampled_from([0, 1, True, 1.0, "y", (), (1,), None, math.nan])
ARGUMENTS = st.tuples(VALUES, VALUES, VALUES)


@given(ARGUMENTS, ARGUMENTS)
def test_equality_and_hash_are_those_of_a_dataclass(one, other):
    ours, theirs = Record(*one) == Record(*other), Model(*one) == Model(*other)
    assert ours == theirs
    assert (Record(*one) != Record(*other)) == (Model(*one) != Model(*other))
    if ours:
        assert hash(Record(*one)) == hash(Record(*other))


@given(ARGUMENTS)
def test_the_repr_is_that_of_a_dataclass(arguments):
    assert repr(Record(*arguments)) == repr(Model(*arguments))


GOOD = [((1,), {}), ((1, 2), {}), ((1, 2, 3), {}), ((), {"x": 1}), ((1,), {"z": 3})]
GOOD += [((), {"z": 1, "y": 2, "x": 3}), ((None, None), {"z": None})]
BAD = [((), {}), ((1, 2, 3, 4), {}), ((1,), {"x": 1}), ((1,), {"w": 1}), ((), {"y": 1, "z": 1})]


@pytest.mark.parametrize(("arguments", "named"), GOOD)
def test_initialising_is_that_of_a_dataclass(arguments, named):
    record = Record(*arguments, **named)
    assert repr(record) == repr(Model(*arguments, **named))
    assert list(as_dict(record)) == ["x", "y", "z"]


@pytest.mark.parametrize(("arguments", "named"), BAD)
def test_what_a_dataclass_refuses_is_refused(arguments, named):
    with pytest.raises(TypeError):
        Model(*arguments, **named)
    with pytest.raises(TypeError, match=r"Record\(\) (missing|takes|got)"):
        Record(*arguments, **named)


def test_a_refusal_names_the_field():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        Record(y=1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'w'"):
        Record(1, w=1)
    with pytest.raises(TypeError, match="multiple values for argument 'x'"):
        Record(1, x=1)
    assert str(inspect.signature(Record)) == "(x, y='y', z=())"


def test_a_record_shows_its_fields_by_name_alone():
    record = Record(1, 2, 3)
    for leak in (iter, len, list, tuple, lambda r: r[0], lambda r: r[:], lambda r: r + (4,)):
        with pytest.raises(TypeError):
            leak(record)
    with pytest.raises(TypeError):
        x, y, z = record
    with pytest.raises(TypeError):
        1 in record  # noqa: B015 - asking is the test
    with pytest.raises(TypeError):
        record < Record(2)  # noqa: B015 - asking is the test
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps(record)
    assert "%s" % record == f"{record}" == "Record(x=1, y=2, z=3)"  # noqa: UP031 - as people write
    assert np.array(record).shape == ()
    assert not isinstance(record, tuple)
    assert bool(record)


def test_no_class_of_ours_is_a_tuple_underneath():
    """Loops, JSON, NumPy and order would see its fields."""
    found = []
    for path in Path(emberkeep.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            bases = node.bases if isinstance(node, ast.ClassDef) else []
            names = {base.id for base in bases if isinstance(base, ast.Name)}
            if names & {"NamedTuple", "tuple", "list", "dict"}:
                found.append(f"{path}: {node.name}")
    assert found == []


ARRAY = np.array([1.0, np.nan, 3.0])
PAIRS = [
    (ARRAY, ARRAY.copy(), True),
    (ARRAY, np.array([1.0, 2.0, 3.0]), False),
    (ARRAY, ARRAY[:2], False),
    (np.ones(1), np.ones((1, 1)), False),
    (np.empty((0, 3)), np.empty((0, 3)), True),
    (np.empty((0, 3)), np.empty((0, 4)), False),
    (np.array(["a", "b"]), np.array(["a", "b"]), True),
    (ARRAY, [1.0, 2.0, 3.0], False),
    ([1.0], np.ones(1), False),
    (ARRAY, None, False),
    (np.float64(2.0), np.float64(2.0), True),
    ((ARRAY, "a"), (ARRAY.copy(), "a"), True),
    ((ARRAY, "a"), (ARRAY.copy(), "a", "b"), False),
    ({"a": [ARRAY]}, {"a": [ARRAY.copy()]}, True),
    ({"a": ARRAY}, {"b": ARRAY}, False),
]


@pytest.mark.parametrize(("one", "other", "expected"), PAIRS)
def test_records_of_arrays_compare_to_one_answer(one, other, expected):
    assert (Record(one) == Record(other)) is expected
    assert (Record(one) != Record(other)) is not expected
    assert (Record(Record(one)) == Record(Record(other))) is expected


def test_records_of_arrays_copy_pickle_and_have_no_hash():
    record = Record(ARRAY, {"a": ARRAY})
    copies = [pickle.loads(pickle.dumps(record, level)) for level in range(6)]
    for other in (copy.copy(record), copy.deepcopy(record), *copies):
        assert other == record
        assert type(other) is Record
    assert copy.deepcopy(record).x is not record.x
    with pytest.raises(TypeError, match="A Record that holds arrays or tables is unhashable"):
        hash(record)


@pytest.mark.parametrize("kind", [Record, Model])
@pytest.mark.parametrize("name", ["x", "y", "unknown"])
def test_nothing_changes(kind, name):
    record = kind(1)
    with pytest.raises(AttributeError):
        setattr(record, name, 2)
    with pytest.raises(AttributeError):
        delattr(record, name)
    assert record == kind(1)


def test_the_refusal_says_what_to_do():
    with pytest.raises(AttributeError, match="Record is frozen: 'x' cannot change. Make a new one"):
        Record(1).x = 2


def test_records_of_different_classes_are_never_equal():
    other = make(frozen)
    assert Record(1) != other(1)
    assert Record(1) != Model(1)
    assert Record(1) != (1, "y", ())
    assert len({Record(1), other(1)}) == 2


def test_a_record_of_what_has_no_hash_has_none():
    for kind in (Record, Model):
        with pytest.raises(TypeError, match="unhashable"):
            hash(kind([]))


def test_matching_by_position():
    assert Record.__match_args__ == Model.__match_args__
    match Record(1, 2):
        case Record(x, y, z):
            assert (x, y, z) == (1, 2, ())
        case _:
            pytest.fail("no match")


def test_a_class_may_say_how_it_is_shown():
    @frozen
    class Own:
        x: int

        def __repr__(self):
            return "own"

    assert repr(Own(1)) == "own"


@pytest.mark.parametrize(
    "name", ["d", "name", "names", "self", "values", "named", "cls", "__class"]
)
def test_any_name_can_be_a_field(name):
    kind = frozen(type("Odd", (), {"__annotations__": {name: int, "other": int}, "other": 2}))
    record = kind(1)
    assert as_dict(record) == {name: 1, "other": 2}


def test_copies_and_pickles_are_equal():
    record = Record(1, [2], ())
    assert copy.copy(record) == record
    assert copy.deepcopy(record) == record
    assert pickle.loads(pickle.dumps(record)) == record


def test_a_changed_copy():
    record = Record(1, 2)
    assert replace(record, {"x": 5, "z": (1,)}) == Record(5, 2, (1,))
    assert record == Record(1, 2)
    assert replace(record, {}) == record
    with pytest.raises(TypeError, match="'w'"):
        replace(record, {"w": 1})


def test_final_changes_nothing():
    class Plain:
        pass

    assert final(Plain) is Plain
    assert typing.final(Plain) is Plain


SLOW = ["dataclasses", "typing", "inspect", "re", "enum", "json", "hashlib", "_hashlib"]


def test_nothing_slow_is_imported():
    program = "import sys; sys.path[:] = {path!r}\nfrom emberkeep import startup_records\n"
    program += "startup_records.sha256(b'some').hexdigest(), startup_records.parse_json('[1]')\n"
    program += "print(*[name for name in {slow!r} if name in sys.modules])"
    text = program.format(path=sys.path, slow=SLOW)
    ran = subprocess.run([sys.executable, "-S", "-c", text], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout.strip()) == (0, ""), ran.stderr


# SHA-256 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 1000, startup_records.WORTH_OPENSSL_BYTES + 1])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_digests_are_those_of_hashlib_before_and_after_it_is_loaded(size, kind):
    content = os.urandom(size)
    expected = hashlib.sha256(content).hexdigest()
    assert startup_records.sha256(kind(content)).hexdigest() == expected
    if startup_records._own is not None:
        assert startup_records._own(kind(content)).hexdigest() == expected


def test_much_data_is_worth_openssl():
    program = "import sys; sys.path[:] = {path!r}\nfrom emberkeep import startup_records\n"
    program += "startup_records.sha256(bytes(startup_records.WORTH_OPENSSL_BYTES))\n"
    program += "before = '_hashlib' in sys.modules\nstartup_records.sha256(b'x')\n"
    program += "print(before, '_hashlib' in sys.modules)"
    text = program.format(path=sys.path)
    ran = subprocess.run([sys.executable, "-S", "-c", text], capture_output=True, text=True)
    before = "False" if startup_records._own is not None else "True"
    assert ran.stdout.split() == [before, "True"], ran.stderr


# JSON -----------------------------------------------------------------------------------------


@pytest.fixture
def without_the_scanner(monkeypatch):
    """The module as it is on an interpreter that has no `_json`."""
    import_ = builtins.__import__

    def hide(name, *rest):
        if name == "_json":
            raise ImportError(name)
        return import_(name, *rest)

    spec = importlib.util.spec_from_file_location("slow_records", startup_records.__file__)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "slow_records", module)
    monkeypatch.setattr(builtins, "__import__", hide)
    spec.loader.exec_module(module)
    monkeypatch.undo()
    return module


def test_without_the_scanner_it_reads_and_refuses_the_same(without_the_scanner):
    slow = without_the_scanner
    assert slow._scan is None
    value = {"a": [1, -0.5, None, True, "\N{FIRE}"], "b": {}}
    found = slow.parse_json(json.dumps(value))
    assert found == startup_records.parse_json(json.dumps(value)) == value
    for text in ("", "{", "NaN", "[Infinity]", "1 2", "[1,]"):
        with pytest.raises(ValueError):
            slow.parse_json(text)


def test_the_scanner_is_used_where_there_is_one():
    pytest.importorskip("_json")
    assert startup_records._scan is not None
