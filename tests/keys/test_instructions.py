"""One key for what does the same: normal forms of code, by pairs, by chance, and cell by cell."""

import dis
import functools
import itertools
import os
import random
import subprocess
import sys
import textwrap
import types

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emberkeep import ingredient
from emberkeep.keys import fingerprint
from emberkeep.keys.instructions import instructions


def run(*cells, mode="exec", name="__main__"):
    """What stands under `f` after these texts were run one by one, as notebooks do."""
    module = types.ModuleType(name)
    for cell in cells:
        exec(compile(textwrap.dedent(cell), "<cell>", mode, dont_inherit=True), vars(module))
    return module.f


def key(*cells, **options):
    return fingerprint(run(*cells, **options)).digest


MANY = f"def f(x): return math.fsum([{', '.join(f'x.a{n} + {n}' for n in range(300))}])"
SAME = {
    "a call of an imported function, kept apart from the import": (
        ("import math", "def f(x): return math.sin(x) + math.pi"),
        ("import math\ndef f(x): return math.sin(x) + math.pi",),
    ),
    "with keywords": (
        ("import math", "def f(x): return math.isclose(x, 2, abs_tol=1)"),
        ("import math\ndef f(x): return math.isclose(x, 2, abs_tol=1)",),
    ),
    "nested calls": (
        ("import math", "def f(x): return math.sin(math.cos(math.pow(x, x if x else math.pi)))"),
        ("import math\ndef f(x): return math.sin(math.cos(math.pow(x, x if x else math.pi)))",),
    ),
    "a local variable with an imported name": (
        ("import math", "def f(x):\n  math = x\n  return math.conjugate()"),
        ("import math\ndef f(x):\n  math = x\n  return math.conjugate()",),
    ),
    "an alias of a module": (
        ("import math as m\ndef f(x): return m.sin(x)",),
        ("import math\ndef f(x): return math.sin(x)",),
    ),
    "an alias of a package": (
        ("import numpy as np\ndef f(x): return np.linalg.norm(x) + np.pi",),
        ("import numpy as xp\ndef f(x): return xp.linalg.norm(x) + xp.pi",),
    ),
    "an alias of a library that goes by what it does": (
        ("import packaging.version as version\ndef f(x): return version.VERSION_PATTERN + x",),
        ("import packaging.version as v\ndef f(x): return v.VERSION_PATTERN + x",),
    ),
    "an alias of a function": (
        ("from math import sin as s\ndef f(x): return s(x)",),
        ("from math import sin\ndef f(x): return sin(x)",),
    ),
    "an alias in a function inside": (
        ("import math as m\ndef f(x): return (lambda y: m.sin(y))(x)",),
        ("import math\ndef f(x): return (lambda y: math.sin(y))(x)",),
    ),
    "pass": (("def f(x):\n  pass\n  return x",), ("def f(x):\n  return x",)),
    "pass in a loop": (
        ("def f(x):\n  for i in range(3):\n    pass\n    x += i\n    pass\n  return x",),
        ("def f(x):\n  for i in range(3):\n    x += i\n  return x",),
    ),
    "a branch that is always taken": (
        ("def f(x):\n  if True:\n    x = 2\n  return x",),
        ("def f(x):\n  x = 2\n  return x",),
    ),
    "nested conditions": (
        ("def f(x, y):\n  if x:\n    if y:\n      x = 2\n  return x",),
        ("def f(x, y):\n  if x and y:\n    x = 2\n  return x",),
    ),
    "line breaks": (
        ("def f(x, y):\n  return (x\n   +\n   y)",),
        ("def f(x, y): return x+y",),
    ),
    "line breaks in a call": (
        ("import math\ndef f(x, y):\n  return (\n    math\n    .pow(\n  x,\n  y)\n )",),
        ("import math\ndef f(x, y): return math.pow(x, y)",),
    ),
    "written inside another function": (
        ("def g():\n  def f(x): return x + 1\n  return f\nf = g()",),
        ("def f(x): return x + 1",),
    ),
    "docstrings": (
        ("def f(x):\n  'doc'\n  def g(y):\n    'doc'\n    return y\n  return g(x)",),
        ("def f(x):\n  def g(y):\n    return y\n  return g(x)",),
    ),
    "a text that nobody reads": (
        ("def f(x):\n  'doc'\n  'more'\n  return x + 1",),
        ("def f(x): return x + 1",),
    ),
    "what was imported from the future": (
        ("from __future__ import annotations, generator_stop\ndef f(x): return x + 1",),
        ("def f(x): return x + 1",),
    ),
    "an exception handler with idle lines": (
        ("def f(x):\n  try:\n    pass\n    x = 1\n  finally:\n    pass\n    x = 2\n  return x",),
        ("def f(x):\n  try:\n    x = 1\n  finally:\n    x = 2\n  return x",),
    ),
    "what a class statement inside notes down": (
        ("def f(x):\n  class A:\n    'doc'\n    def m(self): self.a, self.b = 1, 2\n  return A",),
        ("\n\ndef f(x):\n  class A:\n    def m(self): self.a, self.b = 1, 2\n  return A",),
    ),
    "the module of a cached function": (
        ("__name__ = 'a'\nimport functools\n@functools.lru_cache\ndef f(x): return x",),
        ("__name__ = 'b'\nimport functools\n@functools.lru_cache\ndef f(x):\n  'doc'\n  return x",),
    ),
    "many constants and names": (("import math", MANY), (f"import math\n{MANY}",)),
}


@pytest.mark.parametrize("name", SAME)
def test_what_does_the_same_has_one_key(name):
    one, other = SAME[name]
    assert key(*one) == key(*other)


DIFFERENT = {
    "which library": (
        "import math as m\nf = lambda x: m.sin(x)",
        "import cmath as m\nf = lambda x: m.sin(x)",
    ),
    "names exchanged": (
        "import math as a, cmath as b\nf = lambda x: a.sin(b.cos(x))",
        "import math as b, cmath as a\nf = lambda x: a.sin(b.cos(x))",
    ),
    "an alias that code rebinds": (
        (
            "import math as a, cmath as b\n"
            "def g():\n  global a\n  a = b\n"
            "def f(x):\n  g()\n  return a.sin(x)"
        ),
        (
            "import math as a, cmath as b, math as c\n"
            "def g():\n  global a\n  a = b\n"
            "def f(x):\n  g()\n  return c.sin(x)"
        ),
    ),
    "a method and an attribute that is called": (
        "f = lambda x: x.real(1)",
        "f = lambda x: x.imag(1)",
    ),
    "what is called with what": (
        "import math\nf = lambda x, y: math.pow(x, y)",
        "import math\nf = lambda x, y: math.pow(y, x)",
    ),
    "a callable that is calculated": (
        "import math\nf = lambda x, y: (math.pow)(x, y)",
        "import math\nf = lambda x, y: (math.pow or x)(x, y)",
    ),
    "an item that is called": ("f = lambda x: x.a[0](1)", "f = lambda x: x.a(0)[1]"),
    "an assertion": ("def f(x):\n  assert x\n  return x", "def f(x): return x"),
    "where a handler ends": (
        "def f(x, g):\n  try:\n    g()\n    x = 1\n  except Exception:\n    x = 3\n  return x",
        "def f(x, g):\n  try:\n    g()\n  except Exception:\n    x = 3\n  x = 1\n  return x",
    ),
    "where a loop begins": (
        "def f(x):\n  y = x\n  for i in range(3):\n    y += i\n  return y",
        "def f(x):\n  for i in range(3):\n    y = x\n    y += i\n  return y",
    ),
    "a break": (
        "def f(x):\n  while x:\n    x -= 1\n    if x: break\n  return x",
        "def f(x):\n  while x:\n    x -= 1\n    if x: continue\n  return x",
    ),
    "a type where branches meet": (
        (
            "def f(c, x):\n  if c:\n    y = 9007199254740993\n    z = y - 1\n"
            "  else:\n    y = x\n    z = y - 1\n  return z"
        ),
        (
            "def f(c, x):\n  if c:\n    y = 9007199254740993\n"
            "  else:\n    y = x\n  z = y - 1\n  return z"
        ),
    ),
    "a user's module under a library's name": (
        "import math\nf = lambda x: math.floor(x)",
        "class math:\n  floor = staticmethod(lambda x: -x)\nf = lambda x: math.floor(x)",
    ),
    "a user's module beside a library's": (
        "import math as m\nclass math:\n  sin = m.cos\nf = lambda x: m.sin(x)",
        "import math as m\nclass math:\n  sin = m.cos\nf = lambda x: math.sin(x)",
    ),
    "a user's module and a library's exchanged": (
        "import math as m\nclass math:\n  sin = m.cos\nf = lambda x: m.sin(math.sin(-x))",
        "import math as m\nclass math:\n  sin = m.cos\nf = lambda x: math.sin(m.sin(-x))",
    ),
    "a name that shadows a builtin": (
        "from math import sin as abs\nf = lambda x: abs(x)",
        "from math import sin as fabs\nf = lambda x: fabs(x)",
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_does_something_else_has_another_key(name):
    one, other = DIFFERENT[name]
    assert key(one) != key(other)


# As notebooks run it ------------------------------------------------------------------------------

SCRIPT = """
import math, sys
import functools as tools

RATE = 2.0

def helper(x):
    '''What it does.'''
    assert x is not None
    return math.exp(-RATE * x) if x > 0 else math.cos(
        x)

@tools.lru_cache
def table(n):
    return [math.sqrt(k) for k in range(n)]

class Model:
    '''A model.'''
    scale = 3.0
    def apply(self, x):
        pass
        return self.scale * helper(x) + len(table(3))

def f(x, model=Model()):
    '''Of it all.'''
    class Within:
        '''A class inside.'''
        def store(self):
            self.one = self.two = self.three = x
    for k in range(3):
        x = model.apply(x) + math.hypot(x, k)
        pass
    return x
"""


def statements(text):
    import ast

    return [ast.unparse(statement) for statement in ast.parse(text).body]


def test_a_script_and_a_notebook_agree():
    whole = key(SCRIPT)
    cells = statements(SCRIPT)
    assert key(*cells) == whole
    assert key("\n".join(cells[:3]), "\n".join(cells[3:]), name="somewhere") == whole
    assert key(*[f"{cell}\n" for cell in cells], mode="single") == whole


PROGRAM = f"""
import sys, types
from emberkeep.keys import fingerprint
module = types.ModuleType("__main__")
exec(compile({SCRIPT.replace("    assert x is not None", "")!r}, "f", "exec"), vars(module))
print(fingerprint(module.f).digest)
"""


def test_interpreters_with_and_without_docstrings_agree():
    said = {
        subprocess.run(
            [sys.executable, *flags, "-c", PROGRAM],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for flags, seed in (((), "1"), (("-O",), "2"), (("-OO",), "3"))
    }
    assert len(said) == 1


def test_interactive_shells_agree():
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell.instance()
    for cell in statements(SCRIPT):
        assert shell.run_cell(cell, store_history=True).success
    f = shell.user_ns["f"]
    shell.clear_instance()
    assert fingerprint(f).digest == key(SCRIPT)


# What was read before -----------------------------------------------------------------------------

READ = """
import functools, dataclasses
{decorator}
class Model:
    x: float = 2.0
    def __init__(self): pass
    @functools.cached_property
    def area(self): return [self.x * self.x, 1]
model = Model()
def f(): return model.area
"""


@pytest.mark.parametrize("decorator", ["", "@dataclasses.dataclass(init=False)"])
def test_a_cached_property_that_was_read_does_not_count(decorator):
    text = READ.format(decorator=decorator)
    fresh = key(text)
    assert key(f"{text}\nmodel.area") == fresh
    assert key(f"{text}\nmodel.area = [5.0, 1]") != fresh
    assert key(f"{text}\nmodel.area.append(1)") != fresh
    assert key(f"{text}\nmodel.area\nmodel.x = 3.0") != key(f"{text}\nmodel.x = 3.0")


def test_a_cached_property_that_raises_now_counts():
    text = READ.format(decorator="")
    assert key(f"{text}\nmodel.area\ndel Model.x") != key(f"{text}\ndel Model.x")


def test_a_cached_property_that_asks_for_its_own_key_ends():
    asked = []

    @ingredient(version="1")
    def ask(model):
        asked.append(model)
        return fingerprint(lambda: model.x).digest

    class Model:
        x = 1

        @functools.cached_property
        def key(self):
            return ask(self)

    model = Model()
    first = model.key
    assert fingerprint(lambda: model.x).digest == fingerprint(lambda: model.x).digest
    assert model.key == first
    assert len(asked) < 10


# By chance ----------------------------------------------------------------------------------------
#
# Functions are put together from statements that mean something; noise that must not count is put
# between; and one place is changed that must count where it changes what the function gives.

NAMES = ("x", "y", "z")
EXPRESSIONS = [
    "{a} + {b}",
    "{a} - {b}",
    "{a} * {k}",
    "math.fabs({a})",
    "math.copysign({a}, {b})",
    "math.hypot({a}, math.fabs({b}))",
    "({a} if {a} > {b} else {k})",
    "abs({a})",
    "(lambda v: v + {k})({a})",
    "sum([v + {k} for v in ({a}, {b})])",
    "-{a}",
]
expressions = st.builds(
    lambda form, a, b, k: form.format(a=a, b=b, k=k),
    st.sampled_from(EXPRESSIONS),
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.integers(-3, 3),
)
simple = st.builds("{} = {}".format, st.sampled_from(NAMES), expressions).map(lambda s: [s])


def indented(lines):
    return [f"    {line}" for line in lines]


def compound(blocks):
    return st.one_of(
        st.builds(lambda e, b: [f"if {e} > 0:", *indented(b)], expressions, blocks),
        st.builds(
            lambda e, b, c: [f"if {e} > 0:", *indented(b), "else:", *indented(c)],
            *(expressions, blocks, blocks),
        ),
        st.builds(lambda n, b: [f"for _ in range({n}):", *indented(b)], st.integers(0, 3), blocks),
        st.builds(
            lambda e, b, c: (
                ["try:", *indented([f"math.sqrt({e})", *b]), "except ValueError:"] + indented(c)
            ),
            *(expressions, blocks, blocks),
        ),
        st.builds(lambda b, c: ["try:", *indented(b), "finally:", *indented(c)], blocks, blocks),
    )


def blocks_of(inner):
    return st.lists(inner, min_size=1, max_size=3).map(lambda parts: list(itertools.chain(*parts)))


blocks = st.recursive(
    blocks_of(simple), lambda inner: blocks_of(simple | compound(inner)), max_leaves=6
)
RETURN = "return x, y, z"


def noisy(lines, chance):
    """The same with idle lines, and line breaks within parentheses."""
    for line in lines:
        space = line[: len(line) - len(line.lstrip())]
        if not line.lstrip().startswith(("else", "except", "finally")) and chance.random() < 0.4:
            yield f"{space}{chance.choice(['pass', '...', 'None', '1', 'if False: oops()'])}"
        yield line.replace(", ", ",\n   ") if "(" in line and chance.random() < 0.3 else line


def text_of(lines, header="def f(x, y, z):"):
    return "\n".join([header, *indented(lines), f"    {RETURN}"])


def results(f):
    found = []
    for arguments in itertools.product((-1.5, 0.0, 2.0), repeat=3):
        try:
            found.append(repr(f(*arguments)))
        except (OverflowError, ValueError) as problem:
            found.append(type(problem).__name__)
    return found


@settings(max_examples=50, deadline=None)
@given(lines=blocks, seed=st.integers(0, 1000))
def test_noise_keeps_the_key(lines, seed):
    plain, noise = text_of(lines), text_of(list(noisy(lines, random.Random(seed))))
    expected = key(f"import math\n{plain}")
    assert key("import math", noise) == expected
    assert key("import math as m", noise.replace("math.", "m.")) == expected
    assert key(f"import math as m\n{plain.replace('math.', 'm.')}") == expected
    inside = "\n".join(["def g():", *indented(plain.split("\n")), "    return f", "f = g()"])
    assert key("import math", inside) == expected


@settings(max_examples=100, deadline=None)
@given(lines=blocks, data=st.data())
def test_other_behaviour_is_another_key(lines, data):
    place = data.draw(st.integers(0, len(lines) - 1))
    space = lines[place][: len(lines[place]) - len(lines[place].lstrip())]
    change = data.draw(simple)
    inserted = [*lines[:place], *(f"{space}{line}" for line in change), *lines[place:]]
    exchanged = [line.replace("> 0", "< 0") if n == place else line for n, line in enumerate(lines)]
    renamed = [line.replace("x", "y", 1) if n == place else line for n, line in enumerate(lines)]
    original = run("import math", text_of(lines))
    for other_lines in (inserted, exchanged, renamed):
        try:
            other = run("import math", text_of(other_lines))
        except SyntaxError:  # between a `try` and its handler
            continue
        if results(other) != results(original):
            assert fingerprint(other).digest != fingerprint(original).digest


@settings(max_examples=50, deadline=None)
@given(one=blocks, other=blocks)
def test_one_key_is_one_behaviour(one, other):
    first, second = run("import math", text_of(one)), run("import math\n" + text_of(other))
    if fingerprint(first).digest == fingerprint(second).digest:
        assert results(first) == results(second)


# Against Python's own reading ---------------------------------------------------------------------


def sources():
    """Functions of the standard library: all that a compiler writes."""
    import argparse
    import dataclasses
    import inspect
    import json.decoder
    import tarfile
    import typing

    for module in (argparse, dataclasses, inspect, json.decoder, tarfile, typing, textwrap):
        for value in list(vars(module).values()):
            held = vars(value).values() if isinstance(value, type) else [value]
            yield from (each.__code__ for each in held if isinstance(each, types.FunctionType))


def test_nothing_but_idle_instructions_is_left_out():
    """Names, constants and effects in the order in which `dis` has them."""
    idle = {"CACHE", "EXTENDED_ARG", "NOP", "PUSH_NULL", "JUMP_FORWARD"}
    for code in sources():
        if {"__doc__", "__firstlineno__", "__static_attributes__"} & set(code.co_names):
            continue
        listed = [step for step in dis.get_instructions(code) if step.opname not in idle]
        constants = [code.co_consts[step.arg] for step in listed if step.opcode in dis.hasconst]
        names = [
            str(step.argval).removesuffix(" + NULL|self").removeprefix("NULL|self + ")
            for step in listed
            if step.opcode in dis.hasname
        ]
        steps = instructions(code).steps
        assert [step.argument for step in steps if step.sort == "constant"] == constants
        assert [step.argument for step in steps if step.sort == "name"] == names
        calls = [step for step in listed if step.opname.startswith(("CALL", "BINARY", "STORE_SUB"))]
        kept = [s for s in steps if s.operation.startswith(("CALL", "BINARY", "STORE_SUB"))]
        assert [step.operation for step in kept] == [step.opname for step in calls]
        assert [step.argument for step in kept] == [step.arg or 0 for step in calls]


def test_jumps_and_handlers_lead_where_python_goes():
    """To the instruction that `dis` names, or the next one that does something."""
    for code in sources():
        form, theirs = instructions(code), list(dis.get_instructions(code))
        at = {step.offset: index for index, step in enumerate(theirs)}

        def follow(index, theirs=theirs, at=at):
            """The next instruction that does something, by its name."""
            while theirs[index].opname in {"CACHE", "EXTENDED_ARG", "NOP", "JUMP_FORWARD"}:
                jumps = theirs[index].opname == "JUMP_FORWARD"
                index = at[theirs[index].argval] if jumps else index + 1
            return FIRST.get(theirs[index].opname, theirs[index].opname)

        def reach(index, form=form):
            while form.steps[index].operation == "JUMP_FORWARD":
                index = form.steps[index].argument
            return form.steps[index].operation

        jumps = [step for step in theirs if step.opcode in dis.hasjrel]
        expected = [follow(at[s.argval]) for s in jumps if s.opname != "JUMP_FORWARD"]
        ours = [s for s in form.steps if s.sort == "jump" and s.operation != "JUMP_FORWARD"]
        assert len(ours) == len(expected)
        for step, name in zip(ours, expected, strict=True):
            agree(reach(step.argument), name)
        for handler in form.handlers:
            assert 0 <= handler.begin < handler.end <= len(form.steps)
        entries = dis._parse_exception_table(code)
        targets = {follow(at[entry.target]) for entry in entries}
        assert {reach(handler.target) for handler in form.handlers} <= targets


# Of what is written in two: the first.
FIRST = {
    "RETURN_CONST": "LOAD_CONST",
    "LOAD_FAST_LOAD_FAST": "LOAD_FAST",
    "STORE_FAST_LOAD_FAST": "STORE_FAST",
    "STORE_FAST_STORE_FAST": "STORE_FAST",
}


def agree(ours, theirs):
    """One name is the other; where calls begin, the null may stand before or after."""
    both = {ours, theirs}
    loads = {f"LOAD_{kind}" for kind in ("GLOBAL", "FAST", "NAME", "DEREF")}
    methods = {"LOAD_ATTR", "LOAD_METHOD"}
    assert theirs.startswith(ours) or both <= methods or both <= {"PUSH_NULL", *loads}, both
