"""Library functions that somebody replaced: never keyed as what they were."""

from __future__ import annotations

import builtins
import fractions
import functools
import linecache
import math
import queue
import random
import statistics
import types

import numpy as np
import pytest

from emberkeep.errors import Unkeyable
from emberkeep.keys import fingerprint

PLACES = {
    "np.sin": (np, "sin", "import numpy as np\nf = lambda x: np.sin(x)"),
    "math.sin": (math, "sin", "import math\nf = lambda x: math.sin(x)"),
    "np.linalg.norm": (np.linalg, "norm", "import numpy as np\nf = lambda x: np.linalg.norm(x)"),
    "random.random": (random, "random", "import random\nf = lambda x: random.random()"),
    "np.random.rand": (np.random, "rand", "import numpy as np\nf = lambda x: np.random.rand()"),
    "statistics.mean": (statistics, "mean", "import statistics\nf = lambda x: statistics.mean(x)"),
    "np.pi": (np, "pi", "import numpy as np\nf = lambda x: np.pi"),
    "abs": (builtins, "abs", "f = lambda x: abs(x)"),
    "a class": (fractions, "Fraction", "import fractions\nf = lambda x: fractions.Fraction(x)"),
    "a module kept under another name": (
        np.linalg,
        "norm",
        "import numpy as np\nla = np.linalg\nf = lambda x: la.norm(x)",
    ),
    "a module in a local name": (
        np.linalg,
        "norm",
        "import numpy as np\ndef f(x):\n  la = np.linalg\n  return la.norm(x)",
    ),
    "a captured module": (
        np,
        "sin",
        "def make():\n  import numpy as np\n  return lambda x: np.sin(x)\nf = make()",
    ),
    "a captured package's module": (
        np.linalg,
        "norm",
        "def make():\n  import numpy as np\n  return lambda x: np.linalg.norm(x)\nf = make()",
    ),
    "a module imported inside": (
        np,
        "sin",
        "def f(x):\n  import numpy as np\n  return np.sin(x)",
    ),
    "a submodule imported inside": (
        np.linalg,
        "norm",
        "def f(x):\n  import numpy.linalg as la\n  return la.norm(x)",
    ),
    "a package beside its submodule": (
        np,
        "sin",
        "def f(x):\n  import numpy.linalg\n  return numpy.sin(x)",
    ),
    "a name imported inside": (
        np,
        "sin",
        "def f(x):\n  from numpy import sin\n  return sin(x)",
    ),
    "getattr with a written name": (
        np,
        "sin",
        "import numpy as np\nf = lambda x: getattr(np, 'sin')(x)",
    ),
    "a nested function's": (
        math,
        "sin",
        "import math\ndef f(x):\n  def g(): return math.sin(x)\n  return g",
    ),
}


def constant(value: int) -> types.FunctionType:
    """A function that differs from others of its kind in what it captured."""
    return lambda *_, **__: value


def dress(replacement: types.FunctionType, original: object) -> None:
    """Give a function the name and place of another, as `functools.wraps` does."""
    for attribute in ("__module__", "__name__", "__qualname__"):
        value = getattr(original, attribute, None)
        if isinstance(value, str):
            setattr(replacement, attribute, value)


@pytest.mark.parametrize(("owner", "name", "text"), PLACES.values(), ids=PLACES)
def test_a_replaced_library_function_shows(
    owner, name: str, text: str, load, digest, monkeypatch
) -> None:
    f = load(text).f
    before = digest(f)
    keys = {before}
    # Two replacements that differ in what they captured, dressed as the original.
    for number in (1, 2):
        replacement = constant(number)
        original = getattr(owner, name)
        dress(replacement, original)
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, replacement)
            keys.add(digest(f))
    assert len(keys) == 3
    assert digest(f) == before


def test_a_wrapper_around_a_librarys_python_function(load, digest, monkeypatch) -> None:
    f = load("import statistics\nf = lambda x: statistics.mean(x)").f
    keys = {digest(f)}
    for number in (1, 2):
        original = statistics.mean
        replacement = functools.wraps(original)(constant(number))
        with monkeypatch.context() as patch:
            patch.setattr(statistics, "mean", replacement)
            keys.add(digest(f))
    assert len(keys) == 3


def test_a_wrapper_around_a_c_function_that_nothing_holds_any_more_is_refused(
    load, monkeypatch
) -> None:
    f = load("import math\nf = lambda x: math.sin(x)").f
    monkeypatch.setattr(math, "sin", functools.wraps(math.sin)(constant(1)))
    with pytest.raises(Unkeyable, match=r"global 'math\.sin'.*'sin' of a module"):
        fingerprint(f)


def test_a_function_exchanged_for_another_of_its_library(load, digest, monkeypatch) -> None:
    f = load("import numpy as np\nf = lambda x: np.sin(x)").f
    before = digest(f)
    monkeypatch.setattr(np, "sin", np.cos)
    assert digest(f) == digest(load("import numpy as np\nf = lambda x: np.sin(x)").f) != before


def test_a_name_bound_before_the_patch_keeps_its_key_or_is_refused(
    load, digest, monkeypatch
) -> None:
    f = load("from numpy import sin\nf = lambda x: sin(x)").f
    before = digest(f)
    monkeypatch.setattr(np, "cos", lambda x: x)
    assert digest(f) == before


def test_a_decorated_replacement_is_keyed_by_what_it_wraps(load, digest, monkeypatch) -> None:
    # The wrapper is functools' own; what it wraps has taken the name of the original.
    f = load("import statistics\nf = lambda x: statistics.mean(x)").f
    keys = {digest(f)}
    for number in (1, 2):
        inner = constant(number)
        functools.update_wrapper(inner, statistics.median)
        inner.__name__ = inner.__qualname__ = "mean"
        monkeypatch.setattr(statistics, "mean", functools.lru_cache(inner))
        keys.add(digest(f))
    assert len(keys) == 3


@pytest.mark.parametrize("owner", [statistics.median, statistics.median_low])
def test_code_replaced_in_place(owner, load, digest, monkeypatch) -> None:
    f = load("import statistics as s\nf = lambda x: (s.median(x), s.median_low(x))").f
    keys = {digest(f)}
    # Of one length, with the same instructions: only constants or names differ.
    for text in ("lambda data: 1", "lambda data: 2", "lambda data: a", "lambda data: b"):
        monkeypatch.setattr(owner, "__code__", load(f"f = {text}").f.__code__)
        keys.add(digest(f))
    assert len(keys) == 5


@pytest.mark.parametrize("wrapped", [np.linalg.norm, linecache.getline])
def test_code_replaced_behind_a_wrapper(wrapped, load, digest, monkeypatch) -> None:
    inner = getattr(wrapped, "__wrapped__", wrapped)
    keys = {digest(wrapped)}
    for number in (1, 2):
        monkeypatch.setattr(inner, "__code__", load(f"f = lambda *_, **__: {number}").f.__code__)
        keys.add(digest(wrapped))
    assert len(keys) == 3


@pytest.mark.parametrize(
    "defaults",
    [(1,), (1.0,), (True,), (None,), ((1, 2),), ((1, 3),), ([1],), ([2],), ({"a": 1},), (1, 2)],
    ids=str,
)
def test_defaults_replaced_in_place(defaults, digest, monkeypatch) -> None:
    before = digest(statistics.quantiles)
    monkeypatch.setattr(statistics.mean, "__defaults__", defaults)
    one = digest(statistics.mean)
    monkeypatch.undo()
    assert one != digest(statistics.mean)
    assert digest(statistics.quantiles) == before


def test_defaults_that_differ_from_each_other(digest, monkeypatch) -> None:
    keys = set()
    every = [(1,), (1.0,), (True,), ((1, 2),), ((1, 3),), ([1],), ([2],), ({"a": 1},), (1, 2)]
    for defaults in every:
        monkeypatch.setattr(statistics.mean, "__defaults__", defaults)
        keys.add(digest(statistics.mean))
    assert len(keys) == len(every)


def test_keyword_defaults_replaced_in_place(digest, monkeypatch) -> None:
    keys = {digest(statistics.quantiles)}
    for defaults in ({"n": 5, "method": "exclusive"}, {"n": 4, "method": "inclusive"}, {"n": 4}):
        monkeypatch.setattr(statistics.quantiles, "__kwdefaults__", defaults)
        keys.add(digest(statistics.quantiles))
    assert len(keys) == 4


def test_a_subclass_of_a_library_class_that_was_patched(load, digest, monkeypatch) -> None:
    sub = load("import fractions\nclass f(fractions.Fraction): pass").f
    before = digest(sub)
    monkeypatch.setattr(fractions.Fraction, "limit_denominator", constant(1))
    assert digest(sub) != before


@pytest.mark.parametrize("kind", [lambda f: f, staticmethod, classmethod, property])
def test_a_method_of_a_library_class_that_was_replaced(kind, load, digest, monkeypatch) -> None:
    f = load("import queue\nf = lambda: queue.LifoQueue()._qsize()").f
    keys = {digest(f)}
    for number in (1, 2):
        monkeypatch.setattr(queue.LifoQueue, "_qsize", kind(constant(number)))
        keys.add(digest(f))
    assert len(keys) == 3


def test_a_method_of_a_library_class_exchanged_for_another(digest, monkeypatch) -> None:
    before = digest(fractions.Fraction)
    monkeypatch.setattr(fractions.Fraction, "__add__", fractions.Fraction.__sub__)
    assert digest(fractions.Fraction) != before


def test_a_users_method_bound_to_a_librarys_object() -> None:
    inner = random.gauss.__self__
    function = constant(1)
    function.__name__ = "gauss"
    assert fingerprint(random.gauss).kind == "method"
    with pytest.raises(Unkeyable, match="a random.Random"):  # by behaviour, so by its state
        fingerprint(types.MethodType(function, inner))


def test_the_last_result_of_a_session_is_no_librarys_object(monkeypatch) -> None:
    table = {1: 2}
    monkeypatch.setattr(builtins, "_", table, raising=False)
    with pytest.raises(Unkeyable, match="'get' of a dict"):
        fingerprint(table.get)


def test_a_users_module_in_place_of_a_librarys(load, digest, monkeypatch) -> None:
    f = load("import numpy as np\nf = lambda x: np.linalg.norm(x)").f
    before = digest(f)
    fake = types.ModuleType("numpy.linalg")
    fake.norm = lambda x: 1
    monkeypatch.setattr(np, "linalg", fake)
    assert digest(f) != before
