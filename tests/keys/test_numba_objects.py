"""numba's objects, and what users register to be compiled in place of a function."""

from __future__ import annotations

import operator
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("numba")
import numba
from numba import types
from numba.core.imputils import builtin_registry as lowering
from numba.core.registry import cpu_target
from numba.core.typing.templates import builtin_registry as typing_registry

from emberkeep.errors import Unkeyable
from emberkeep.keys import fingerprint
from emberkeep.keys.explain import explain

PREAMBLE = """
import math, operator
import numba, numpy as np
from numba import njit, vectorize, guvectorize, cfunc, prange, types
from numba.extending import *
"""


REGISTRIES = [
    *(getattr(typing_registry, part) for part in ("functions", "attributes", "globals")),
    *(getattr(lowering, part) for part in ("functions", "getattrs", "setattrs", "casts")),
]


@pytest.fixture(autouse=True)
def forget():
    """Make numba forget, after each test and when called, what was registered since its start."""
    refresh()
    lengths = [len(entries) for entries in REGISTRIES]

    def truncate() -> None:
        for entries, length in zip(REGISTRIES, lengths, strict=True):
            del entries[length:]

    yield truncate
    truncate()
    refresh()


def refresh() -> None:
    """Let numba see the ends of its registries, from where it reads on at the next compile."""
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()


def key(load, text: str) -> str:
    return fingerprint(load(PREAMBLE + text).f).digest


NJIT = "@njit({})\ndef f(x): return x * 2.0 + 1.0"
VECTORIZE = "@vectorize({})\ndef f(x): return x * 2.0 + 1.0"
INTRINSIC = """
@intrinsic{}
def g(t, x): return x(x), lambda c, b, s, a: a[0]
f = njit(lambda x: g(x))
"""
GUVECTORIZE = "@guvectorize(['f8[:], f8[:]'], {})\ndef f(x, y): y[0] = x[0]"

REAL_CHANGES = {
    "jitted or not": (NJIT.format(""), "def f(x): return x * 2.0 + 1.0"),
    "a body": (NJIT.format(""), NJIT.format("").replace("1.0", "2.0")),
    "fastmath": (NJIT.format(""), NJIT.format("fastmath=True")),
    "which fastmath": (NJIT.format("fastmath={'nnan'}"), NJIT.format("fastmath={'nnan', 'arcp'}")),
    "inline": (NJIT.format(""), NJIT.format("inline='always'")),
    "an inliner's body": (
        "def g(a, b, c): return True\n" + NJIT.format("inline=g"),
        "def g(a, b, c): return False\n" + NJIT.format("inline=g"),
    ),
    "parallel": (NJIT.format(""), NJIT.format("parallel=True")),
    "which parallel": (
        NJIT.format("parallel={'fusion': True}"),
        NJIT.format("parallel={'fusion': False}"),
    ),
    "locals": (NJIT.format(""), NJIT.format("locals={'x': types.float32}")),
    "a local's type": (
        NJIT.format("locals={'x': types.float64}"),
        NJIT.format("locals={'x': types.float32}"),
    ),
    "error model": (NJIT.format(""), NJIT.format("error_model='numpy'")),
    "boundscheck": (NJIT.format(""), NJIT.format("boundscheck=True")),
    "nogil": (NJIT.format(""), NJIT.format("nogil=True")),
    "explicit signatures": (NJIT.format("'f8(f8)'"), NJIT.format("'f4(f4)'")),
    "explicit or not": (NJIT.format("'f8(f8)'"), NJIT.format("")),
    "a compiler pipeline": (
        NJIT.format(""),
        "from numba.core.compiler import Compiler\nclass C(Compiler): pass\n"
        + NJIT.format("pipeline_class=C"),
    ),
    "a pipeline's body": (
        "from numba.core.compiler import Compiler\nclass C(Compiler):\n  k = 1\n"
        + NJIT.format("pipeline_class=C"),
        "from numba.core.compiler import Compiler\nclass C(Compiler):\n  k = 2\n"
        + NJIT.format("pipeline_class=C"),
    ),
    "a captured dispatcher's body": (
        "def make(g): return njit(lambda x: g(x))\nf = make(njit(lambda x: x + 1))",
        "def make(g): return njit(lambda x: g(x))\nf = make(njit(lambda x: x + 2))",
    ),
    "a captured dispatcher's options": (
        "def make(g): return njit(lambda x: g(x))\nf = make(njit(lambda x: x + 1))",
        "def make(g): return njit(lambda x: g(x))\nf = make(njit(fastmath=True)(lambda x: x + 1))",
    ),
    "a chain of dispatchers": (
        "def make(g): return njit(lambda x: g(x))\nf = make(make(make(njit(lambda x: x + 1))))",
        "def make(g): return njit(lambda x: g(x))\nf = make(make(make(njit(lambda x: x + 2))))",
    ),
    "dispatchers that call each other": (
        "@njit\ndef f(n): return n if n < 1 else g(n - 1)\n@njit\ndef g(n): return f(n - 1)",
        "@njit\ndef f(n): return n if n < 1 else g(n - 1)\n@njit\ndef g(n): return f(n - 2)",
    ),
    "a captured type": (
        "f = (lambda t: njit(lambda x: t(x)))(types.float32)",
        "f = (lambda t: njit(lambda x: t(x)))(types.float64)",
    ),
    "the layout of a captured type": (
        "k = types.Array(types.float64, 2, 'C')\nf = lambda: k",
        "k = types.Array(types.float64, 2, 'F')\nf = lambda: k",
    ),
    # Other decorators
    "vectorize": (VECTORIZE.format(""), VECTORIZE.format("").replace("1.0", "2.0")),
    "vectorize's signatures": (VECTORIZE.format("['f8(f8)']"), VECTORIZE.format("['f4(f4)']")),
    "the order of vectorize's signatures": (
        VECTORIZE.format("['f4(f4)', 'f8(f8)']"),
        VECTORIZE.format("['f8(f8)', 'f4(f4)']"),
    ),
    "vectorize's identity": (
        "@vectorize(['f8(f8, f8)'], identity=0)\ndef f(x, y): return x + y",
        "@vectorize(['f8(f8, f8)'], identity=1)\ndef f(x, y): return x + y",
    ),
    "vectorize's fastmath": (VECTORIZE.format(""), VECTORIZE.format("fastmath=True")),
    "guvectorize": (
        GUVECTORIZE.format("'(n)->(n)'"),
        GUVECTORIZE.format("'(n)->(n)'").replace("x[0]\n", "x[1]\n").replace("= x[0]", "= x[1]"),
    ),
    "guvectorize's signature": (GUVECTORIZE.format("'(n)->(n)'"), GUVECTORIZE.format("'(n)->()'")),
    "guvectorize's types": (
        GUVECTORIZE.format("'(n)->(n)'"),
        GUVECTORIZE.format("'(n)->(n)'").replace("f8", "f4"),
    ),
    "guvectorize's fastmath": (
        GUVECTORIZE.format("'(n)->(n)'"),
        GUVECTORIZE.format("'(n)->(n)', fastmath=True"),
    ),
    "cfunc": (
        "f = cfunc('f8(f8)')(lambda x: x + 1)",
        "f = cfunc('f8(f8)')(lambda x: x + 2)",
    ),
    "cfunc's signature": (
        "f = cfunc('f8(f8)')(lambda x: x + 1)",
        "f = cfunc('f4(f4)')(lambda x: x + 1)",
    ),
    "cfunc's options": (
        "f = cfunc('f8(f8)')(lambda x: x + 1)",
        "f = cfunc('f8(f8)', fastmath=True)(lambda x: x + 1)",
    ),
    "cfunc's error model": (
        "f = cfunc('f8(f8)', error_model='python')(lambda x: x + 1)",
        "f = cfunc('f8(f8)', error_model='numpy')(lambda x: x + 1)",
    ),
    "cfunc's locals": (
        "f = cfunc('f8(f8)', locals={'x': types.float64})(lambda x: x + 1)",
        "f = cfunc('f8(f8)', locals={'x': types.float32})(lambda x: x + 1)",
    ),
    "a called function's body": (
        "g = lambda x: x\n@register_jitable\ndef f(x): return x + 1",
        "g = lambda x: x\n@register_jitable\ndef f(x): return x + 2",
    ),
    "register_jitable's options": (
        "@register_jitable\ndef f(x): return x + 1",
        "@register_jitable(fastmath=True)\ndef f(x): return x + 1",
    ),
    "register_jitable or not": (
        "def f(x): return x + 1",
        "@register_jitable\ndef f(x): return x + 1",
    ),
    "an intrinsic's body": (
        INTRINSIC.format(""),
        INTRINSIC.format("").replace("a[0]", "b.fneg(a[0])"),
    ),
    "an intrinsic's options": (
        INTRINSIC.format("(prefer_literal=True)"),
        INTRINSIC.format("(prefer_literal=False)"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), REAL_CHANGES.values(), ids=REAL_CHANGES)
def test_a_real_change_shows(before: str, after: str, load) -> None:
    first = key(load, before)
    assert key(load, after) != first
    assert key(load, before) == first, "the same text twice has another key"


# In place of what a function uses, numba compiles what was registered for it. (before, after) are
# put between a target `g` and a function `f` that reaches it.
OVERLOAD = "@overload({target})\ndef ov({arguments}): return lambda {arguments}: {value}\n"
TARGETS = {
    "a user's function": ("def g(x): return x\n", "g", "x", "f = njit(lambda x: g(x))"),
    "a user's class": ("class g: pass\n", "g", "x", "f = njit(lambda x: g(x))"),
    "a library's function": ("", "math.gcd", "x, y", "f = njit(lambda x: math.gcd(x, x))"),
    "a library's class": (
        "from queue import Queue\n", "Queue", "x", "f = njit(lambda x: Queue(x))",
    ),
    "a ufunc": ("", "np.sin", "x", "f = njit(lambda x: np.sin(x))"),
    "a builtin": ("", "abs", "x", "f = njit(lambda x: abs(x))"),
    "an operator": ("", "operator.add", "a, b", "f = njit(lambda x: x + x)"),
    "an operator in place": ("", "operator.iadd", "a, b", "def f(x):\n  x += 1\n  return x"),
    "indexing": ("", "operator.getitem", "a, b", "f = njit(lambda x: x[0])"),
    "truth, which `if` asks for": ("", "bool", "x", "f = njit(lambda x: 1 if x else 2)"),
    "a call three functions away": (
        "def g(x): return x\ndef h(x): return g(x)\n", "g", "x", "f = njit(lambda x: h(x))",
    ),
    "a function in plain Python": ("def g(x): return x\n", "g", "x", "f = lambda x: g(x)"),
    "the function itself": ("def f(x): return x\n", "f", "x", ""),
}  # fmt: skip


@pytest.mark.parametrize(("before", "target", "arguments", "use"), TARGETS.values(), ids=TARGETS)
def test_what_is_overloaded_shows(
    before: str, target: str, arguments: str, use: str, load, forget
) -> None:
    keys = [key(load, before + use)]
    for value in ("1.0", "2.0"):
        overload = OVERLOAD.format(target=target, arguments=arguments, value=value)
        keys.append(key(load, before + overload + use))
        forget()
    options = OVERLOAD.format(
        target=f"{target}, jit_options=dict(fastmath=True)", arguments=arguments, value="2.0"
    )
    keys.append(key(load, before + options + use))
    forget()
    assert len(set(keys)) == 4
    assert key(load, before + use) == keys[0]


ATTRIBUTES = {
    "a method": "@overload_method(types.Array, 'ek')\ndef ov(a): return lambda a: {}\n",
    "an attribute": "@overload_attribute(types.Array, 'ek')\ndef ov(a): return lambda a: {}\n",
    "a class method": "@overload_classmethod(types.Array, 'ek')\ndef ov(c): return lambda c: {}\n",
}


@pytest.mark.parametrize("text", ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_an_overloaded_attribute_shows_where_its_name_is_used(text: str, load, forget) -> None:
    use, other = "f = njit(lambda x: x.ek)", "f = njit(lambda x: x.size)"
    keys, others = [key(load, use)], {key(load, other)}
    for value in ("1.0", "2.0"):
        keys.append(key(load, text.format(value) + use))
        others.add(key(load, other))
        forget()
    assert len(set(keys)) == 3
    assert len(others) == 1


LOWERED = {
    "a lowering": "@lower_builtin('ek', types.float64)\ndef impl(*a): return {}\n",
    "a lowered attribute": "@lower_getattr(types.float64, 'ek')\ndef impl(*a): return {}\n",
    "a lowered setter": "@lower_setattr(types.float64, 'ek')\ndef impl(*a): return {}\n",
    "a cast": "@lower_cast(types.float64, types.Dummy)\ndef impl(*a): return {}\n",
    "a template": (
        "from numba.core.typing.templates import AbstractTemplate, infer_global\n"
        "def g(x): return x\n"
        "@infer_global(g)\nclass T(AbstractTemplate):\n  def generic(self, args, kws): return {}\n"
    ),
    "a type's attributes": (
        "from numba.core.typing.templates import AttributeTemplate\n"
        "from numba.extending import infer_getattr\n"
        "@infer_getattr\nclass T(AttributeTemplate):\n  key = types.Dummy\n"
        "  def resolve_ek(self, t): return {}\n"
    ),
    "listed signatures": (
        "from numba.core.typing.templates import ConcreteTemplate, infer_global, signature\n"
        "def g(x): return x\n"
        "@infer_global(g)\nclass T(ConcreteTemplate):\n"
        "  cases = [signature(types.int{}, types.int8)]\n"
    ),
}


@pytest.mark.parametrize("text", LOWERED.values(), ids=LOWERED)
def test_lower_level_registrations_show(text: str, load, forget) -> None:
    keys = []
    for value in ("8", "16", "8"):
        model = load(PREAMBLE + text.format(value))
        f = load("def make(g): return lambda x: (g(x), x.ek, x + x)").make(model.space.get("g"))
        keys.append(fingerprint(f).digest)
        forget()
    assert keys[0] == keys[2] != keys[1]


def test_two_functions_of_one_code_with_an_overload_each(load) -> None:
    # Seen in numba: they gave 6.0 and 44.0.
    text = "def g(x): return x\n" + OVERLOAD.format(target="g", arguments="x", value="{}")
    one = load(PREAMBLE + text.format("x * 2.0") + "f = njit(lambda x: g(x))").f
    two = load(PREAMBLE + text.format("x + 41.0") + "f = njit(lambda x: g(x))").f
    assert one.py_func.__code__.co_code == two.py_func.__code__.co_code
    assert fingerprint(one).digest != fingerprint(two).digest
    assert (one(3.0), two(3.0)) == (6.0, 44.0)


def test_an_overload_of_something_else_does_not_show(load) -> None:
    before = key(load, "f = njit(lambda x: math.sin(x))")
    load(PREAMBLE + OVERLOAD.format(target="math.gcd", arguments="x, y", value="1"))
    assert key(load, "f = njit(lambda x: math.sin(x))") == before


def test_an_overload_by_a_callable_object(load) -> None:
    text = (
        "def g(x): return x\nclass Make:\n  def __init__(self, k): self.k = k\n"
        "  def __call__(self, x): return lambda x: x\nmake = Make({})\n"
        "make.__name__ = 'make'\noverload(g, strict=False)(make)\nf = njit(lambda x: g(x))"
    )
    assert len({key(load, text.format(number)) for number in (1, 2)}) == 2


def test_a_users_type_counts_by_its_class_and_state_and_not_by_numbas_counter(load) -> None:
    text = (
        "class T(types.Type):\n  def __init__(self, n):\n    self.n = n\n"
        "    super().__init__(name='T')\n  k = {}\nt = T({})\nf = lambda: t"
    )
    first = key(load, text.format(1, 1))
    assert len({first, key(load, text.format(2, 1)), key(load, text.format(1, 2))}) == 3
    model = load(PREAMBLE + text.format(1, 1))
    model.t._code += 1000
    assert fingerprint(model.f).digest == first


NO_CHANGES = {
    "the order of fastmath": (
        NJIT.format("fastmath={'nnan', 'arcp', 'nsz'}"),
        NJIT.format("fastmath={'nsz', 'nnan', 'arcp'}"),
    ),
    "the order of options": (
        NJIT.format("nogil=True, error_model='numpy'"),
        NJIT.format("error_model='numpy', nogil=True"),
    ),
    "the order of locals": (
        NJIT.format("locals={'x': types.float32, 'y': types.int8}"),
        NJIT.format("locals={'y': types.int8, 'x': types.float32}"),
    ),
    "numba's own cache": (NJIT.format(""), NJIT.format("cache=False")),
    "njit for jit": (NJIT.format(""), NJIT.format("").replace("njit", "numba.jit")),
    "a docstring": (NJIT.format(""), "@njit\ndef f(x):\n  'Doc.'\n  return x * 2.0 + 1.0"),
}


@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize(("before", "after"), NO_CHANGES.values(), ids=NO_CHANGES)
def test_what_changes_nothing_does_not_show(before: str, after: str, captured: bool, load) -> None:
    found = [load(PREAMBLE + text).f for text in (before, after)]
    trees = [fingerprint((lambda f=f: f) if captured else f) for f in found]
    assert explain(*trees) == ()


@pytest.mark.parametrize(
    "text",
    [
        NJIT.format(""),
        VECTORIZE.format(""),
        "def make(g): return njit(lambda x: g(x))\nf = make(njit(lambda x: x))",
    ],
)
def test_compiling_does_not_change_the_key(text: str, load) -> None:
    f = load(PREAMBLE + text).f
    before = fingerprint(f)
    f(1.0), f(1)
    assert explain(before, fingerprint(f)) == ()


def test_a_jitclass_and_its_instances_are_refused() -> None:
    @numba.experimental.jitclass([("x", types.float64)])
    class Box:
        def __init__(self) -> None:
            self.x = 1.0

    with pytest.raises(Unkeyable, match="jitclass Box.*ingredient"):
        fingerprint(Box)
    box = Box()
    with pytest.raises(Unkeyable, match="global|captured"):
        fingerprint(lambda: box)


@pytest.mark.parametrize("kind", ["List", "Dict"])
def test_typed_containers_are_refused(kind: str) -> None:
    lists, tables = numba.typed.List, numba.typed.Dict
    held = lists([1]) if kind == "List" else tables.empty(types.int8, types.int8)
    with pytest.raises(Unkeyable, match="captured 'held'"):
        fingerprint(lambda: held)


def test_overloads_registered_in_one_process_and_not_in_another(tmp_path) -> None:
    model = "import numba\ndef g(x): return x\nf = numba.njit(lambda x: g(x) + x)\n"
    extension = (
        "from numba.extending import overload\nimport ek_model\n"
        "@overload(ek_model.g)\ndef ov(x): return lambda x: x * {}\n"
    )
    tmp_path.joinpath("ek_model.py").write_text(model)
    tmp_path.joinpath("ek_one.py").write_text(extension.format(2))
    tmp_path.joinpath("ek_two.py").write_text(extension.format(3))
    tmp_path.joinpath("ek_unrelated.py").write_text(
        "from numba.extending import overload\ndef h(x): return x\n"
        "@overload(h)\ndef ov(x): return lambda x: x\n"
    )
    script = (
        "import sys, importlib\nsys.path.insert(0, sys.argv[1])\n"
        "for name in sys.argv[2:]: importlib.import_module(name)\n"
        "from emberkeep.keys import fingerprint\n"
        "print(fingerprint(sys.modules['ek_model'].f).digest)"
    )
    runs = [
        ["ek_model"],
        ["ek_unrelated", "ek_model"],
        ["ek_model", "ek_one"],
        ["ek_one", "ek_model", "ek_unrelated"],
        ["ek_two"],
    ]
    with ThreadPoolExecutor(max_workers=3) as pool:
        commands = [[sys.executable, "-c", script, str(tmp_path), *names] for names in runs]
        digests = list(
            pool.map(lambda command: subprocess.check_output(command, text=True), commands)
        )
    plain, beside, one, other_order, two = (digest.strip() for digest in digests)
    assert len(plain) == 64
    assert (plain, one) == (beside, other_order)
    assert len({plain, one, two}) == 3


def test_operators_are_found_by_their_module() -> None:
    assert operator.add.__module__ == "_operator", "numba_objects looks for this name"
