"""What has no exact key is refused: the error names it, the path to it and the way out."""

from __future__ import annotations

import collections
import contextvars
import ctypes
import datetime as dt
import io
import itertools
import mmap
import operator
import os
import pathlib
import queue
import random
import re
import sys
import threading
import types
import weakref
import zoneinfo
from dataclasses import dataclass

import numpy as np
import pytest

from emberkeep.errors import EmberkeepError, Unkeyable
from emberkeep.keys import fingerprint, fingerprint_mapping, refusal
from emberkeep.keys.refusal import ingredient


@dataclass
class Changeable:
    x: int = 1


class Plain:
    pass


class Text(str):
    __slots__ = ()


class Float64(np.float64):
    pass


class Attributes(dict):
    __getattr__ = dict.__getitem__  # raises KeyError, where Python expects AttributeError


class Table(dict):
    pass


def generator():
    yield 1


async def coroutine():
    pass


def released():
    view = memoryview(b"a")
    view.release()
    return view


REFUSED = {
    # value, what the message says of it
    "a path": (
        lambda: pathlib.PurePosixPath("/a/b"),
        r"path '/a/b'; a path names a place.*read_bytes",
    ),
    "a path on this system": (lambda: pathlib.Path("a"), r"read_bytes"),
    "an open file": (lambda: io.StringIO("a"), "_io.StringIO"),
    "a lock": (threading.Lock, "_thread.lock"),
    "an event": (threading.Event, "threading.Event"),
    "a queue": (queue.Queue, "queue.Queue"),
    "a generator": (generator, "is a generator"),
    "an iterator": (lambda: iter([1]), "list_iterator"),
    "a counter": (lambda: itertools.count(1), "itertools.count"),
    "a map": (lambda: map(abs, [1]), "is a map"),
    "a plain object": (Plain, "Plain, whose state cannot be read exactly.*frozen dataclasses"),
    "an object": (object, "is a object"),
    "a dataclass that can change": (
        Changeable,
        r"Changeable, a dataclass that can change.*frozen=True",
    ),
    "a ctypes number": (lambda: ctypes.c_int(1), "ctypes.c_int, an address"),
    "a ctypes pointer": (
        lambda: ctypes.pointer(ctypes.c_int(1)),
        "an address that means something",
    ),
    "a ctypes function": (lambda: ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 1), "an address"),
    "a frompyfunc ufunc": (lambda: np.frompyfunc(abs, 1, 1), r"ufunc 'abs \(vectorized\)'"),
    "a vectorised function": (lambda: np.vectorize(lambda x: x), "numpy.vectorize"),
    "a dictionary's method": (lambda: {1: 2}.get, "'get' of a dict"),
    "a list's method": (lambda: [1].index, "'index' of a list"),
    "an array's method": (lambda: np.ones(3).sum, "'sum' of a ndarray"),
    "a pattern's method": (lambda: re.compile("a").match, "'match' of a Pattern"),
    "a slot of a dictionary": (lambda: {1: 2}.__getitem__, "'__getitem__' of a dict"),
    "a generator of numbers": (lambda: np.random.default_rng(1), "Generator"),
    "a state of random": (lambda: random.Random(1), "random.Random"),
    "a method of one": (lambda: random.Random(1).gauss, "random.Random"),
    "an object array": (lambda: np.array([None]), r"dtype object.*numeric"),
    "a structured array with objects": (lambda: np.zeros(1, [("a", "O")]), "holds references"),
    "a masked array": (lambda: np.ma.array([1]), r"MaskedArray.*numpy.array\(value\)"),
    "a record array": (lambda: np.rec.array([(1,)], dtype=[("a", "i1")]), "recarray"),
    "a subclass of a scalar": (lambda: Float64(1), "Float64"),
    "a dtype with metadata": (lambda: np.dtype("f8", metadata={"a": 1}), "metadata"),
    "an array with metadata": (lambda: np.zeros(1, np.dtype("f8", metadata={"a": 1})), "metadata"),
    "a text subclass": (
        lambda: Text("a"),
        r"subclass of str that may behave differently.*str\(value\)",
    ),
    "a dictionary subclass": (Table, r"subclass of dict.*dict\(value\)"),
    "a dictionary whose items are attributes": (Attributes, r"subclass of dict.*dict\(value\)"),
    "a subclass of an ordered dictionary": (
        lambda: type("Mine", (collections.OrderedDict,), {})(),
        "subclass of dict",
    ),
    "a date with a zone of rules": (
        lambda: dt.datetime(2000, 1, 1, tzinfo=zoneinfo.ZoneInfo("UTC")),
        r"time zone UTC, whose rules.*astimezone",
    ),
    "a zone of rules": (lambda: zoneinfo.ZoneInfo("UTC"), r"value\.key"),
    "a released view": (released, "cannot be read"),
    "a frame of pandas": (lambda: pytest.importorskip("pandas").DataFrame(), r"value\.to_numpy"),
    "a series of pandas": (lambda: pytest.importorskip("pandas").Series(), r"value\.to_numpy"),
    "a labelled array": (lambda: pytest.importorskip("xarray").DataArray(), r"value\.values"),
    "a sparse matrix": (lambda: pytest.importorskip("scipy.sparse").csr_array((2, 2)), "indptr"),
    "a symbol": (lambda: pytest.importorskip("sympy").Symbol("x"), "srepr"),
    "an array of JAX": (lambda: pytest.importorskip("jax").numpy.ones(2), r"numpy\.asarray"),
    "a memory map": (lambda: mmap.mmap(-1, 1), "mmap.mmap"),
    "a weak reference": (lambda: weakref.ref(Plain), "ReferenceType|weakref"),
    "a context variable": (lambda: contextvars.ContextVar("a"), "ContextVar"),
    "an exception": (lambda: ValueError("a"), "ValueError"),
    "a user's module": (lambda: types.ModuleType("mine"), "module 'mine' used as a value"),
    "a module that only has a library's name": (lambda: types.ModuleType("json"), "module 'json'"),
    "a code object": (lambda: generator.__code__, "is a code"),
    "a frame": (sys._getframe, "is a frame"),
    "the environment": (lambda: os.environ, "os._Environ"),
    "eval": (lambda: eval, r"eval\(\)"),
    "exec": (lambda: exec, r"exec\(\)"),
    "globals": (lambda: globals, r"globals\(\)"),
    "getattr": (lambda: getattr, r"getattr\(\)"),
    "__import__": (lambda: __import__, r"__import__\(\)"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_a_value_without_an_exact_key_is_refused(make, message: str) -> None:
    with pytest.raises(Unkeyable, match=message) as refused:
        fingerprint({"model": [make()]})
    assert refused.value.path.startswith("ingredients['model'][0]")
    assert refused.value.problem
    assert refused.value.remedy


# Values that are no plain ingredients, but whose state can be read where code captures them.
CAPTURED_AS_THEY_ARE = {"a plain object", "an object", "a dataclass that can change"}


@pytest.mark.parametrize(
    ("make", "message"),
    [each for name, each in REFUSED.items() if name not in CAPTURED_AS_THEY_ARE],
    ids=[name for name in REFUSED if name not in CAPTURED_AS_THEY_ARE],
)
def test_so_is_one_that_a_function_captured_or_reaches(make, message: str, load) -> None:
    held = make()
    with pytest.raises(Unkeyable, match=message) as refused:
        fingerprint(lambda: held)
    assert refused.value.path.startswith("ingredients → captured 'held'")
    model = load("held = None\ndef g(): return [held]\nf = lambda: g()")
    model.space["held"] = {"deep": (held,)}
    with pytest.raises(Unkeyable, match=message) as refused:
        fingerprint(model.f)
    assert refused.value.path.startswith("ingredients → global 'g' → global 'held'['deep'][0]")


UNSEEN = {
    "eval": ("f = lambda x: eval(x)", r"global 'eval'.*eval\(\)"),
    "exec": ("f = lambda x: exec(x)", r"exec\(\)"),
    "globals": ("k = 1\nf = lambda: globals()['k']", r"globals\(\)"),
    "eval through builtins": ("import builtins\nf = lambda x: builtins.eval(x)", "eval"),
    "eval under another name": ("e = eval\nf = lambda x: e(x)", "eval"),
    "eval as a default": ("def f(x, e=eval): return e(x)", "eval"),
    "eval in a partial": ("from functools import partial\nf = partial(eval, '1')", "eval"),
    "eval in a list": ("k = [eval]\nf = lambda x: k[0](x)", "eval"),
    "__import__": ("f = lambda: __import__('os')", "__import__"),
    "import_module": (
        "import importlib\nf = lambda: importlib.import_module('os')",
        "import_module",
    ),
    "frames": ("import sys\nf = lambda: sys._getframe().f_globals", "_getframe"),
    "sys.modules": ("import sys\nf = lambda: sys.modules['model']", "sys.modules"),
    "a computed getattr": ("f = lambda x, n: getattr(x, n)", "getattr.*name that is not written"),
    "a getattr of a choice": ("f = lambda x: getattr(x, 'a' if x else 'b')", "getattr"),
    "a getattr of a format": ("f = lambda x, i: getattr(x, f'a{i}')", "getattr"),
    "a getattr that is passed on": ("f = lambda x, n: map(getattr, x, n)", "getattr"),
    "a getattr passed with a text": ("f = lambda g, x: g(getattr, x, 'a')", "getattr"),
    "a getattr kept in a variable": ("def f(x, n):\n  g = getattr\n  return g(x, n)", "getattr"),
    "a getattr under another name": ("g = getattr\nf = lambda x, n: g(x, n)", "getattr"),
    "a getattr that was captured": ("f = (lambda g: lambda x, n: g(x, n))(getattr)", "getattr"),
    "a getattr as a default": ("def f(x, n, g=getattr): return g(x, n)", "getattr"),
    "a getattr with a starred call": ("f = lambda a: getattr(*a)", "getattr"),
    "a nested getattr": ("f = lambda x, n: [getattr(y, n) for y in x]", "getattr"),
    "an import that is not loaded": ("def f():\n  import ek_not_there\n", "imports 'ek_not_there'"),
    "a user's module as a value": (
        "import model\nf = lambda: model",
        "module 'model' used as a value",
    ),
    "a user's module passed on": ("import model\nf = lambda g: g(model)", "used as a value"),
    "a user's module in a variable": (
        "import model\ndef f():\n  m = model\n  return m.k",
        "used as a value",
    ),
    "a user's module imported inside": (
        "def f():\n  import model\n  return model.k",
        "imports 'model'",
    ),
    "getattr of a user's module": (
        "import model\nf = lambda: getattr(model, 'k')",
        "used as a value",
    ),
    "a user's module behind __dict__": (
        "import model\nf = lambda: model.__dict__['k']",
        "model.__dict__",
    ),
}


@pytest.mark.parametrize(("text", "message"), UNSEEN.values(), ids=UNSEEN)
def test_code_that_reaches_what_cannot_be_seen_is_refused(text: str, message: str, load) -> None:
    with pytest.raises(Unkeyable, match=message) as refused:
        fingerprint(load(text).f)
    assert refused.value.path.startswith("ingredients")
    assert refused.value.remedy


WRITTEN_GETATTR = [
    "f = lambda x: getattr(x, 'real')",
    "f = lambda x: getattr(x, 'real', None)",
    "f = lambda x: getattr(x.a.b, 'real')(1)",
    "def f(x):\n  y = x\n  return getattr(y, 'real', 0.0) + 1",
    "k = 1\nf = lambda: getattr(k, 'real')",
]


@pytest.mark.parametrize("text", WRITTEN_GETATTR)
def test_getattr_with_a_written_name_is_keyed_by_it(text: str, digest_of_f) -> None:
    assert digest_of_f(text) != digest_of_f(text.replace("'real'", "'imag'"))


def test_two_methods_of_one_qualified_name_are_told_apart_or_refused() -> None:
    one, two = {1: 2}.get, {1: 3}.get
    assert one.__qualname__ == two.__qualname__
    for method in (one, two):
        with pytest.raises(Unkeyable):
            fingerprint(method)


def test_the_error_is_one_line_and_of_two_families() -> None:
    with pytest.raises(Unkeyable) as refused:
        fingerprint_mapping({"rhs": {"table": [threading.Lock()]}}, label="plan")
    error = refused.value
    assert isinstance(error, EmberkeepError)
    assert isinstance(error, TypeError)
    assert error.path == "plan['rhs']['table'][0]"
    assert str(error) == f"{error.path}: {error.problem}. {error.remedy}"
    assert "\n" not in str(error)
    assert "@emberkeep.ingredient(version='1')" in error.remedy


def test_the_path_leads_through_functions_partials_and_instances(load) -> None:
    model = load(
        "import functools, threading\nlock = threading.Lock()\n"
        "class Model:\n  def rhs(self, x): return self.lock\n"
        "m = Model()\nm.lock = lock\nf = functools.partial(m.rhs, 1)"
    )
    with pytest.raises(Unkeyable) as refused:
        fingerprint(model.f, label="rhs")
    assert refused.value.path == "rhs.func.__self__.lock"


def test_names_of_ingredients_are_texts() -> None:
    with pytest.raises(Unkeyable, match="name 1, which is no text"):
        fingerprint_mapping({1: 2}, label="plan")  # type: ignore[dict-item]


# The way out


@pytest.fixture(autouse=True)
def only_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Declarations that end with the test."""
    monkeypatch.setattr(refusal, "_declared", list(refusal._declared))


@pytest.mark.parametrize("name", REFUSED)
def test_a_declared_value_is_keyed_by_its_version(name: str) -> None:
    value = REFUSED[name][0]()
    keys = []
    for version in ("1", "2", "1"):
        assert ingredient(version=version, name="it")(value) is value
        keys.append(fingerprint({"model": [value]}).digest)
    assert keys[0] == keys[2] != keys[1]
    ingredient(version="1", name="other")(value)
    assert fingerprint({"model": [value]}).digest not in keys
    assert fingerprint(lambda: value).digest


def test_a_declared_function_is_not_looked_into(load, digest) -> None:
    model = load("k = 1\ndef g(): return eval('k')\nf = lambda: g()")
    with pytest.raises(Unkeyable):
        fingerprint(model.f)
    ingredient(version="1")(model.g)
    before = digest(model.f)
    model.space["k"] = 2
    assert digest(model.f) == before
    ingredient(version="2")(model.g)
    assert digest(model.f) != before


def test_a_declaration_names_the_function_unless_told_otherwise(load) -> None:
    g = ingredient(version="7")(load("def g(): pass").g)
    assert fingerprint(g).text == "model.g 7"


@pytest.mark.parametrize(("name", "version"), [("ab", "c"), ("a", "bc"), ("", "abc")])
def test_name_and_version_do_not_run_together(name: str, version: str, digest) -> None:
    others = {("ab", "c"), ("a", "bc"), ("", "abc")} - {(name, version)}
    values = {pair: threading.Lock() for pair in [*others, (name, version)]}
    for (each, number), value in values.items():
        ingredient(version=number, name=each)(value)
    assert len({digest(value) for value in values.values()}) == 3


def test_a_value_without_a_name_needs_one() -> None:
    with pytest.raises(Unkeyable, match=r"no name of its own.*name='my table'"):
        ingredient(version="1")([1, 2])


def test_a_copy_does_not_inherit_a_declaration() -> None:
    ingredient(version="1", name="table")(table := {"a": threading.Lock()})
    assert fingerprint(table).kind == "declared"
    with pytest.raises(Unkeyable):
        fingerprint(dict(table))


def test_a_declared_class_and_its_instances(load, digest) -> None:
    text = "class A:\n  lock = __import__('threading').Lock()\na = A()\na.k = {}\nf = lambda: a"
    one, two = load(text.format(1)), load(text.format(2))
    for model in (one, two):
        with pytest.raises(Unkeyable):
            fingerprint(model.f)
        ingredient(version="1")(model.A)
    assert digest(one.f) != digest(two.f)
    assert digest(one.f) == digest(one.f)


def test_a_declared_value_and_one_that_looks_like_it_differ(digest) -> None:
    lock = ingredient(version="1", name="lock")(threading.Lock())
    assert digest(lock) not in {digest("lock 1"), digest(("lock", "1")), digest(b"4:lock1")}


def test_operators_are_fine(digest) -> None:
    assert digest(operator.add) != digest(operator.sub)
