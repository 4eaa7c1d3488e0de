"""Functions by what they do: every real change shows, and nothing else does.

Most cases are two texts of a module, of which the function ``f`` is keyed.
"""

from __future__ import annotations

import builtins
import cmath
import functools
import importlib
import linecache
import math
import operator
import sys
import types

import numpy as np
import pytest

from emberkeep.errors import Unkeyable
from emberkeep.keys import fingerprint
from emberkeep.keys.explain import explain

DECORATOR = """
import functools
def deco(g):
    @functools.wraps(g)
    def w(): return g()
    return w
"""
REAL_CHANGES = {
    # Constants
    "a constant": ("f = lambda x: x + 1", "f = lambda x: x + 2"),
    "the type of a constant": ("f = lambda x: x + 1", "f = lambda x: x + 1.0"),
    "one and true": ("f = lambda x: x + 1", "f = lambda x: x + True"),
    "the sign of a zero": ("f = lambda x: x + 0.0", "f = lambda x: x + -0.0"),
    "a zero's sign in a tuple": ("f = lambda: (1, 0.0)", "f = lambda: (1, -0.0)"),
    "one and true in a tuple": ("f = lambda: (1, 2)", "f = lambda: (True, 2)"),
    "a zero's sign in a complex": ("f = lambda: 0j", "f = lambda: complex(-0.0, 0.0)"),
    "text and bytes": ("f = lambda: 'a'", "f = lambda: b'a'"),
    "a member of a set": ("f = lambda x: x in {1, 2}", "f = lambda x: x in {1, 3}"),
    "a long constant's end": (f"f = lambda: '{'x' * 999}a'", f"f = lambda: '{'x' * 999}b'"),
    "ellipsis": ("f = lambda x: x[...]", "f = lambda x: x[None]"),
    # Instructions
    "an operator": ("f = lambda x: x + x", "f = lambda x: x - x"),
    "the order of operands": ("f = lambda x, y: x - y", "f = lambda x, y: y - x"),
    "the order of parameters": ("f = lambda x, y: x - y", "f = lambda y, x: x - y"),
    "a comparison": ("f = lambda x: x < 1", "f = lambda x: x <= 1"),
    "in and not in": ("f = lambda x, y: x in y", "f = lambda x, y: x not in y"),
    "is and equals": ("f = lambda x, y: x is y", "f = lambda x, y: x == y"),
    "an attribute's name": ("f = lambda x: x.real", "f = lambda x: x.imag"),
    "a keyword's name": ("f = lambda g: g(a=1)", "f = lambda g: g(b=1)"),
    "the order of keywords": ("f = lambda g: g(a=1, b=2)", "f = lambda g: g(b=2, a=1)"),
    "in place": ("def f(x):\n  x += 1\n  return x", "def f(x):\n  x = x + 1\n  return x"),
    "a starred argument": ("f = lambda g, x: g(x)", "f = lambda g, x: g(*x)"),
    "a format": ("f = lambda x: f'{x}'", "f = lambda x: f'{x!r}'"),
    "a format's width": ("f = lambda x: f'{x:3}'", "f = lambda x: f'{x:4}'"),
    "a deleted statement": ("def f(x):\n  g(x)\n  return x\ng = abs", "def f(x): return x"),
    "which branch": (
        "def f(x):\n  if x: return 1\n  return 2",
        "def f(x):\n  if not x: return 1\n  return 2",
    ),
    # Signatures
    "a positional-only mark": ("def f(x, /): return x", "def f(x): return x"),
    "a keyword-only mark": ("def f(*, x): return x", "def f(x): return x"),
    "variable arguments": ("def f(*x): return x", "def f(**x): return x"),
    "a default": ("def f(x=1): return x", "def f(x=2): return x"),
    "a default's type": ("def f(x=1): return x", "def f(x=1.0): return x"),
    "a default for another": ("def f(x, y=1): return x, y", "def f(x=1, y=1): return x, y"),
    "a keyword default": ("def f(*, x=1): return x", "def f(*, x=2): return x"),
    "keyword defaults exchanged": (
        "def f(*, a=1, b=2): return a, b",
        "def f(*, a=2, b=1): return a, b",
    ),
    "the layout of a default array": (
        "import numpy as np\ndef f(x=np.ones((2, 2))): return x",
        "import numpy as np\ndef f(x=np.ones((2, 2), order='F')): return x",
    ),
    # Kinds of function
    "a generator": ("def f():\n  yield 1", "def f():\n  return 1"),
    "what a generator yields": ("def f():\n  yield 1", "def f():\n  yield 2"),
    "async": ("async def f(): return 1", "def f(): return 1"),
    "await": ("async def f(x): await x", "async def f(x): x"),
    "a list and a generator": (
        "f = lambda x: [y for y in x]",
        "f = lambda x: (y for y in x)",
    ),
    "a comprehension's body": (
        "f = lambda x: [y + 1 for y in x]",
        "f = lambda x: [y + 2 for y in x]",
    ),
    "a comprehension's condition": (
        "f = lambda x: {y for y in x if y > 1}",
        "f = lambda x: {y for y in x if y < 1}",
    ),
    "the body of a class inside": (
        "def f():\n  class A:\n    k = 1\n  return A",
        "def f():\n  class A:\n    k = 2\n  return A",
    ),
    # Exceptions: the table says which instructions a handler covers
    "what a handler covers": (
        "def f(x):\n  g(x)\n  try:\n    h(x)\n  except E:\n    pass\ng = h = abs\nE = KeyError",
        "def f(x):\n  try:\n    g(x)\n    h(x)\n  except E:\n    pass\ng = h = abs\nE = KeyError",
    ),
    "which exception": (
        "def f(x):\n  try: x()\n  except KeyError: pass",
        "def f(x):\n  try: x()\n  except IndexError: pass",
    ),
    "finally": (
        "def f(x):\n  try: x()\n  finally: x(1)",
        "def f(x):\n  try: x()\n  finally: x(2)",
    ),
    # Nested functions
    "a nested function": (
        "def f(x):\n  def g(y): return y + 1\n  return g(x)",
        "def f(x):\n  def g(y): return y + 2\n  return g(x)",
    ),
    "a nested function's default": (
        "def f(x):\n  def g(y=1): return y\n  return g()",
        "def f(x):\n  def g(y=2): return y\n  return g()",
    ),
    "a function nested three deep": (
        "def f():\n  def g():\n    def h(): return 1\n    return h\n  return g",
        "def f():\n  def g():\n    def h(): return 2\n    return h\n  return g",
    ),
    "a global of a nested function": (
        "k = 1\ndef f():\n  def g(): return k\n  return g",
        "k = 2\ndef f():\n  def g(): return k\n  return g",
    ),
    "a global of a comprehension": (
        "k = 1\nf = lambda x: [k for _ in x]",
        "k = 2\nf = lambda x: [k for _ in x]",
    ),
    "a global of a generator": (
        "k = 1\nf = lambda x: sum(k for _ in x)",
        "k = 2\nf = lambda x: sum(k for _ in x)",
    ),
    "a global of a class inside": (
        "k = 1\ndef f():\n  class A:\n    v = k\n  return A",
        "k = 2\ndef f():\n  class A:\n    v = k\n  return A",
    ),
    "a default that is a global": (
        "k = 1\ndef f():\n  def g(x=k): return x\n  return g",
        "k = 2\ndef f():\n  def g(x=k): return x\n  return g",
    ),
    # Globals
    "a global value": ("k = 1\nf = lambda x: k", "k = 2\nf = lambda x: k"),
    "a global's type": ("k = 1\nf = lambda x: k", "k = 1.0\nf = lambda x: k"),
    "a global that is missing": ("k = 1\nf = lambda: k", "f = lambda: k"),
    "a value deep in a global": (
        "k = {'a': [1, (2, 0.0)]}\nf = lambda: k",
        "k = {'a': [1, (2, -0.0)]}\nf = lambda: k",
    ),
    "the order of a captured dictionary": (
        "k = {'a': 1, 'b': 2}\nf = lambda: k",
        "k = {'b': 2, 'a': 1}\nf = lambda: k",
    ),
    "the order of a captured dictionary of numbers": (
        "k = {1: 1, 2: 2}\nf = lambda: k",
        "k = {2: 2, 1: 1}\nf = lambda: k",
    ),
    "the layout of a captured array": (
        "import numpy as np\nk = np.ones((2, 2))\nf = lambda: k",
        "import numpy as np\nk = np.ones((2, 2), order='F')\nf = lambda: k",
    ),
    "whether a captured array is contiguous": (
        "import numpy as np\nk = np.ones(2)\nf = lambda: k",
        "import numpy as np\nk = np.ones(4)[::2]\nf = lambda: k",
    ),
    "whether a captured array can be written": (
        "import numpy as np\nk = np.ones(2)\nf = lambda: k",
        "import numpy as np\nk = np.ones(2)\nk.flags.writeable = False\nf = lambda: k",
    ),
    "a function called": ("g = lambda: 1\nf = lambda: g()", "g = lambda: 2\nf = lambda: g()"),
    "a function three calls away": (
        "a = lambda: 1\nb = lambda: a()\nc = lambda: b()\nf = lambda: c()",
        "a = lambda: 2\nb = lambda: a()\nc = lambda: b()\nf = lambda: c()",
    ),
    "two functions exchanged": (
        "g = lambda: 1\nh = lambda: 2\nf = lambda: g() - h()",
        "g = lambda: 2\nh = lambda: 1\nf = lambda: g() - h()",
    ),
    "two of the same and two that are equal": (
        "g = lambda: 1\nh = lambda: 2\nf = lambda: (g, h, g)",
        "g = lambda: 1\nh = lambda: 2\nf = lambda: (g, h, h)",
    ),
    "a function in a list": ("k = [lambda: 1]\nf = lambda: k", "k = [lambda: 2]\nf = lambda: k"),
    "a function in a dictionary": (
        "k = {'a': lambda: 1}\nf = lambda: k['a']",
        "k = {'a': lambda: 2}\nf = lambda: k['a']",
    ),
    "a function as a key": (
        "k = {(lambda: 1): 1}\nf = lambda: k",
        "k = {(lambda: 2): 1}\nf = lambda: k",
    ),
    "a library's function for another": (
        "import math\nf = lambda x: math.sin(x)",
        "import math\nf = lambda x: math.cos(x)",
    ),
    "one behind a name": (
        "from math import sin as g\nf = lambda x: g(x)",
        "from math import cos as g\nf = lambda x: g(x)",
    ),
    "a ufunc behind a name": (
        "from numpy import sin as g\nf = lambda x: g(x)",
        "from numpy import cos as g\nf = lambda x: g(x)",
    ),
    "one name in two libraries": (
        "from math import sin\nf = lambda x: sin(x)",
        "from numpy import sin\nf = lambda x: sin(x)",
    ),
    "a builtin that is shadowed": (
        "f = lambda x: abs(x)",
        "abs = lambda x: 1\nf = lambda x: abs(x)",
    ),
    "an import inside": (
        "def f(x):\n  from math import sin\n  return sin(x)",
        "def f(x):\n  from cmath import sin\n  return sin(x)",
    ),
    "a module imported inside": (
        "def f(x):\n  import math as m\n  return m.sin(x)",
        "def f(x):\n  import cmath as m\n  return m.sin(x)",
    ),
    "a module behind a name": (
        "import math as m\nf = lambda x: m.sin(x)",
        "import cmath as m\nf = lambda x: m.sin(x)",
    ),
    # Closures
    "a captured value": (
        "def make(k): return lambda: k\nf = make(1)",
        "def make(k): return lambda: k\nf = make(2)",
    ),
    "a captured value's type": (
        "def make(k): return lambda: k\nf = make(1)",
        "def make(k): return lambda: k\nf = make(True)",
    ),
    "a closure over a closure": (
        "def a(k): return lambda: k\ndef b(g): return lambda: g()\nf = b(a(1))",
        "def a(k): return lambda: k\ndef b(g): return lambda: g()\nf = b(a(2))",
    ),
    "captured values exchanged": (
        "def make(a, b): return lambda: a - b\nf = make(1, 2)",
        "def make(a, b): return lambda: a - b\nf = make(2, 1)",
    ),
    "a loop's variable": (
        "fs = [(lambda i: lambda: i)(i) for i in range(3)]\nf = fs[0]",
        "fs = [(lambda i: lambda: i)(i) for i in range(3)]\nf = fs[1]",
    ),
    "a cell that is empty": (
        "def make():\n  def f(): return k\n  return f\n  k = 1\nf = make()",
        "def make():\n  def f(): return k\n  k = 1\n  return f\nf = make()",
    ),
    "captured for used directly": (
        "def make(k): return lambda: k()\nf = make(lambda: 1)",
        "def make(k): return lambda: k()\nf = make(lambda: 1.0)",
    ),
    # One line
    "which lambda of a line": ("g, f = lambda: 1, lambda: 2", "f, g = lambda: 1, lambda: 2"),
    # Recursion
    "a recursion's body": (
        "def f(n): return 1 if n < 1 else n * f(n - 1)",
        "def f(n): return 1 if n < 1 else n + f(n - 1)",
    ),
    "a mutual recursion's other half": (
        "def f(n): return n or g(n - 1)\ndef g(n): return n or f(n - 2)",
        "def f(n): return n or g(n - 1)\ndef g(n): return n or f(n - 3)",
    ),
    "cycles of other lengths": (
        "def f(n): return n or g(n)\ndef g(n): return n or f(n)",
        "def f(n): return n or g(n)\ndef g(n): return n or h(n)\ndef h(n): return n or f(n)",
    ),
    "where a cycle closes": (
        "def f(n): return n or g(n)\ndef g(n): return n or f(n)",
        "def f(n): return n or g(n)\ndef g(n): return n or f(n)\nf = g",
    ),
    "a cycle through a table": (
        "def g(n): return k['g'](n) + 1\nk = {'g': g}\nf = lambda n: k['g'](n)",
        "def g(n): return k['g'](n) + 2\nk = {'g': g}\nf = lambda n: k['g'](n)",
    ),
    # Wrappers
    "what is wrapped": (
        DECORATOR + "@deco\ndef f(): return 1",
        DECORATOR + "@deco\ndef f(): return 2",
    ),
    "the wrapper": (
        DECORATOR + "@deco\ndef f(): return 1",
        DECORATOR.replace("g()", "-g()") + "@deco\ndef f(): return 1",
    ),
    "what is behind __wrapped__ alone": (
        "def g(): return 1\ndef h(): return 0\nh.__wrapped__ = g\nf = lambda: h.__wrapped__()",
        "def g(): return 2\ndef h(): return 0\nh.__wrapped__ = g\nf = lambda: h.__wrapped__()",
    ),
    "a signature that is set": (
        "import inspect\ndef f(*a): return a\nf.__signature__ = inspect.signature(lambda x: 0)",
        "import inspect\ndef f(*a): return a\nf.__signature__ = inspect.signature(lambda x=1: 0)",
    ),
    "an attribute": ("f = lambda: f.k\nf.k = 1", "f = lambda: f.k\nf.k = 2"),
    "an attribute of another": (
        "g = lambda: 0\ng.k = 1\nf = lambda: g.k",
        "g = lambda: 0\ng.k = 2\nf = lambda: g.k",
    ),
    "a cached function": (
        "import functools\n@functools.lru_cache\ndef f(): return 1",
        "import functools\n@functools.lru_cache\ndef f(): return 2",
    ),
    "an attribute of a cached function": (
        "import functools\n@functools.cache\ndef f(): return f.k\nf.k = 1",
        "import functools\n@functools.cache\ndef f(): return f.k\nf.k = 2",
    ),
    "whether a cache tells types apart": (
        "import functools\nf = functools.lru_cache(typed=True)(lambda x: x)",
        "import functools\nf = functools.lru_cache(typed=False)(lambda x: x)",
    ),
    # Partials
    "a partial's function": (
        "from functools import partial\nf = partial(lambda x: x + 1, 1)",
        "from functools import partial\nf = partial(lambda x: x + 2, 1)",
    ),
    "a partial's argument": (
        "from functools import partial\nf = partial(lambda x: x, 1)",
        "from functools import partial\nf = partial(lambda x: x, 1.0)",
    ),
    "a partial's keyword": (
        "from functools import partial\nf = partial(lambda x: x, x=1)",
        "from functools import partial\nf = partial(lambda x: x, x=2)",
    ),
    "a partial of a partial": (
        "from functools import partial\nf = partial(partial(lambda x, y: x, 1), 2)",
        "from functools import partial\nf = partial(partial(lambda x, y: x, 2), 1)",
    ),
    "an attribute of a partial": (
        "from functools import partial\ng = partial(abs, 1)\ng.k = 1\nf = lambda: g.k",
        "from functools import partial\ng = partial(abs, 1)\ng.k = 2\nf = lambda: g.k",
    ),
    "itemgetter": (
        "import operator\nf = operator.itemgetter(1)",
        "import operator\nf = operator.itemgetter(2)",
    ),
    "itemgetter and attrgetter": (
        "import operator\nf = operator.itemgetter('a')",
        "import operator\nf = operator.attrgetter('a')",
    ),
    "itemgetter of several": (
        "import operator\nf = operator.itemgetter(1, 2)",
        "import operator\nf = operator.itemgetter((1, 2))",
    ),
    "methodcaller": (
        "import operator\nf = operator.methodcaller('a', 1)",
        "import operator\nf = operator.methodcaller('a', 2)",
    ),
    "methodcaller's keywords": (
        "import operator\nf = operator.methodcaller('a', x=1)",
        "import operator\nf = operator.methodcaller('a', x=2)",
    ),
    "methodcaller's name beside keywords": (
        "import operator\nf = operator.methodcaller('a', x=1)",
        "import operator\nf = operator.methodcaller('b', x=1)",
    ),
    "a method of a text": ("f = 'a'.join", "f = 'b'.join"),
    "which method of a text": ("f = 'a'.join", "f = 'a'.strip"),
    "a method of a tuple": ("f = (1, 2).index", "f = (1, 3).index"),
    "a class's method": ("f = str.upper", "f = str.lower"),
    "a class method of a builtin": ("f = dict.fromkeys", "f = bytes.fromhex"),
    "getattr of a captured object": (
        "class A: pass\na = A()\na.k = 1\nf = lambda: getattr(a, 'k')",
        "class A: pass\na = A()\na.k = 2\nf = lambda: getattr(a, 'k')",
    ),
}


@pytest.mark.parametrize(("before", "after"), REAL_CHANGES.values(), ids=REAL_CHANGES)
def test_a_real_change_shows(before: str, after: str, load) -> None:
    one, two = fingerprint(load(before).f), fingerprint(load(after).f)
    assert one.digest != two.digest
    assert explain(one, two)
    assert fingerprint(load(before).f) == one, "the same text twice has another key"


NO_CHANGES = {
    "a docstring": ("def f(x): return x", "def f(x):\n  'Doc.'\n  return x"),
    "another docstring": ("def f(x):\n  'Doc.'\n  return x", "def f(x):\n  'Other.'\n  return x"),
    "a docstring before a constant": (
        "def f(x):\n  'Doc.'\n  return x + 3",
        "def f(x):\n  return x + 3",
    ),
    "a comment": ("def f(x):\n  return x", "def f(x):\n  # why\n  return x  # what"),
    "blank lines": ("def f(x):\n  y = x\n  return y", "\n\n\ndef f(x):\n\n  y = x\n\n  return y"),
    "indentation": ("def f(x):\n  return x", "def f(x):\n        return x"),
    "parentheses": ("f = lambda x: x + x * 2", "f = lambda x: (x + ((x) * 2))"),
    "the spelling of a number": ("f = lambda: 1000.0", "f = lambda: 1_000e0"),
    "an annotation": ("def f(x): return x", "def f(x: int) -> 'float': return x"),
    "annotations as texts": (
        "def f(x: int): return x",
        "from __future__ import annotations\ndef f(x: int): return x",
    ),
    "a function's name": ("def f(x): return x + 1", "def g(x): return x + 1\nf = g"),
    "a lambda for a def": ("f = lambda x: x + 1", "def f(x): return x + 1"),
    "a global that is not read": ("k = 1\nf = lambda x: x", "k = 2\nf = lambda x: x"),
    "the order of definitions": (
        "g = lambda: 1\nh = lambda: 2\nf = lambda: g() - h()",
        "h = lambda: 2\ng = lambda: 1\nf = lambda: g() - h()",
    ),
    "a function beside it": ("f = lambda x: x", "g = lambda x: x + 1\nf = lambda x: x"),
    "where an equal function stands": (
        "g = lambda x: x + 1\nf = lambda: g",
        "\n\nk = 1\n\n\ng = lambda x: x + 1\nf = lambda: g",
    ),
    "a docstring of a function called": (
        "def g(): return 1\nf = lambda: g()",
        "def g():\n  'Doc.'\n  return 1\nf = lambda: g()",
    ),
    "a docstring of a nested function": (
        "def f():\n  def g():\n    return 1\n  return g",
        "def f():\n  def g():\n    'Doc.'\n    return 1\n  return g",
    ),
    "a loop's other functions": (
        "fs = [(lambda i: lambda: i)(i) for i in range(3)]\nf = fs[1]",
        "f = [(lambda i: lambda: i)(i) for i in range(2)][1]",
    ),
    "the name a decorator copies": (
        DECORATOR + "@deco\ndef f(): return 1",
        DECORATOR + "@deco\ndef g(): return 1\nf = g",
    ),
    "the size of a cache": (
        "import functools\nf = functools.lru_cache(maxsize=1)(lambda x: x)",
        "import functools\nf = functools.lru_cache(maxsize=2)(lambda x: x)",
    ),
    "partials in two steps": (
        "from functools import partial\nf = partial(partial(abs, 1), 2)",
        "from functools import partial\nf = partial(abs, 1, 2)",
    ),
    "the order of a constant set": (
        "f = lambda x: x in {'a', 'b', 'c'}",
        "f = lambda x: x in {'c', 'b', 'a'}",
    ),
    "the order of a captured set": (
        "k = {'a', 'b'}\nf = lambda: k",
        "k = {'b', 'a'}\nf = lambda: k",
    ),
    "an equal array": (
        "import numpy as np\nk = np.arange(3.0)\nf = lambda: k",
        "import numpy as np\nk = np.array([0.0, 1.0, 2.0])\nf = lambda: k",
    ),
    "an alias of a library's function": (
        "import numpy as np\ng = np.linalg.norm\nf = lambda x: g(x)",
        "from numpy.linalg import norm as g\nf = lambda x: g(x)",
    ),
}


@pytest.mark.parametrize(("before", "after"), NO_CHANGES.values(), ids=NO_CHANGES)
def test_what_changes_nothing_does_not_show(before: str, after: str, load) -> None:
    assert explain(fingerprint(load(before).f), fingerprint(load(after).f)) == ()


def test_a_rebound_global_shows_and_binding_it_back_restores_the_key(load, digest) -> None:
    model = load("k = 1\ng = lambda x: k * x\nf = lambda x: g(x)")
    before = digest(model.f)
    model.space["k"] = 2
    assert digest(model.f) != before
    model.space["k"] = 1
    assert digest(model.f) == before
    model.space["g"] = lambda x: x
    assert digest(model.f) != before


def test_a_global_that_is_changed_in_place(load, digest) -> None:
    model = load("k = {'a': [1]}\nf = lambda: k")
    before = digest(model.f)
    model.k["a"].append(2)
    assert digest(model.f) != before


def test_a_default_that_is_changed_in_place(load, digest) -> None:
    model = load("def f(x=[1]): return x")
    before = digest(model.f)
    model.f.__defaults__[0].append(2)
    assert digest(model.f) != before


def test_a_captured_array_that_is_changed_in_place(digest) -> None:
    table = np.zeros(3)
    f = lambda i: table[i]
    before = digest(f)
    table[1] = -0.0
    assert digest(f) != before


def test_a_captured_variable_that_is_rebound(digest) -> None:
    def make():
        k = 1

        def rebind(value):
            nonlocal k
            k = value

        return (lambda: k), rebind

    f, rebind = make()
    before = digest(f)
    rebind(2)
    assert digest(f) != before
    rebind(1)
    assert digest(f) == before


@pytest.mark.parametrize("part", ["__code__", "__defaults__", "__kwdefaults__"])
def test_a_part_of_a_function_that_is_replaced(part: str, load, digest) -> None:
    model = load(
        "def f(x=1, *, y=1): return x - y\n"
        "def g(x=2, *, y=2): return x + y\n"
        "def h(): return f() + 1\n"
    )
    before = digest(model.h)
    setattr(model.f, part, getattr(model.g, part))
    assert digest(model.h) != before


def test_code_that_differs_in_its_constants_alone(load, digest) -> None:
    model = load("def f(): return 1\ndef g(): return 2")
    assert model.f.__code__.co_code == model.g.__code__.co_code
    assert digest(model.f) != digest(model.g)


def test_functions_of_one_name_and_one_place_differ(load, digest) -> None:
    one, two = load("def f(): return 1"), load("def f(): return 2")
    assert one.f.__qualname__ == two.f.__qualname__
    assert digest(one.f) != digest(two.f)


def test_lambdas_of_one_line_differ(digest) -> None:
    one, two = (lambda x: x + 1), (lambda x: x + 2)
    again = lambda x: x + 1
    assert digest(one) != digest(two)
    assert digest(one) == digest(again)


def test_a_function_with_globals_of_its_own(load, digest) -> None:
    f = load("k = 1\nf = lambda: k").f
    same = types.FunctionType(f.__code__, {"k": 1})
    other = types.FunctionType(f.__code__, {"k": 2})
    assert digest(f) == digest(same) != digest(other)


def test_builtins_of_its_own(load, digest) -> None:
    code = load("f = lambda x: abs(x)").f.__code__
    own = {"__builtins__": {"abs": lambda x: 1}}
    assert digest(types.FunctionType(code, {})) != digest(types.FunctionType(code, own))


def test_neither_file_nor_line_nor_module_counts(digest) -> None:
    text = "def f(x):\n    return [y + 1 for y in x]\n"
    keys = set()
    for name, file, lines in [
        ("a", "/x/a.py", 0),
        ("b.c", "<string>", 500),
        ("__main__", "z", 70000),
    ]:
        space: dict[str, object] = {"__name__": name}
        exec(compile("\n" * lines + text, file, "exec"), space)
        keys.add(digest(space["f"]))
    linecache.clearcache()
    assert len(keys) == 1


def test_a_function_with_many_constants_and_far_jumps(digest_of_f) -> None:
    # Past 256 constants and instructions, arguments take more than a byte.
    lines = "".join(f"  if x == {i}.5: return {i}\n" for i in range(400))
    text = f"def f(x):\n{lines}"
    assert digest_of_f(text) == digest_of_f(text)
    assert digest_of_f(text) != digest_of_f(text.replace("return 399", "return 400"))
    assert digest_of_f(text) != digest_of_f(text.replace("== 300.5", "== 300.25"))


def test_isomorphic_cycles_that_cross_differently(digest_of_f) -> None:
    # In both, four functions call two others each; only who calls whom differs.
    straight = (
        "def a(n): return b(n), c(n)\ndef b(n): return a(n), d(n)\n"
        "def c(n): return d(n), a(n)\ndef d(n): return c(n), b(n)\nf = a"
    )
    crossed = (
        "def a(n): return b(n), c(n)\ndef b(n): return a(n), d(n)\n"
        "def c(n): return d(n), a(n)\ndef d(n): return b(n), c(n)\nf = a"
    )
    assert digest_of_f(straight) != digest_of_f(crossed)
    assert digest_of_f(straight) == digest_of_f(straight)


@pytest.mark.parametrize("container", ["{%s}", "frozenset([%s])", "dict.fromkeys([%s], 1)"])
def test_functions_in_sets_count_and_their_order_does_not(container: str, load, digest) -> None:
    # Several in each, sharing a function they call: the one that is walked first must not matter.
    members = [f"(lambda: shared() + {number})" for number in range(6)]
    keys = set()
    for turn in range(6):
        listed = ", ".join(members[turn:] + members[:turn])
        keys.add(digest(load(f"shared = lambda: 1\nf = {container % listed}").f))
    assert len(keys) == 1
    others = ", ".join([*members[1:], "(lambda: shared() + 7)"])
    assert digest(load(f"shared = lambda: 1\nf = {container % others}").f) not in keys


def test_a_chain_of_calls_that_is_too_long_is_refused_and_a_long_one_is_not(load, digest) -> None:
    def chain(length: int) -> str:
        lines = [f"def f{i}(x): return f{i + 1}(x)" for i in range(length)]
        return "\n".join([*lines, f"def f{length}(x): return x", "f = f0"])

    assert digest(load(chain(50)).f) != digest(load(chain(51)).f)
    with pytest.raises(Unkeyable, match="nested too deeply"):
        fingerprint(load(chain(2000)).f)


# Modules


@pytest.fixture
def write_module(tmp_path, monkeypatch):
    """Write a module that can be imported until the test ends."""
    monkeypatch.syspath_prepend(str(tmp_path))
    known = set(sys.modules)

    def write(name: str, text: str) -> None:
        path = tmp_path.joinpath(*name.split("."))
        path = path.with_suffix(".py") if not text.startswith("# package") else path / "__init__.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        importlib.invalidate_caches()

    yield write
    for name in set(sys.modules) - known:
        del sys.modules[name]


def test_an_attribute_of_a_users_module(write_module, load, digest) -> None:
    write_module("ek_rates", "k = 1\ndef g(): return k\nunused = 1")
    f = load("import ek_rates\nf = lambda: ek_rates.g()").f
    before = digest(f)
    module = sys.modules["ek_rates"]
    module.unused = 2
    assert digest(f) == before
    module.k = 2
    assert digest(f) != before
    module.k = 1
    assert digest(f) == before
    module.g = lambda: 1
    assert digest(f) != before


def test_a_users_module_that_is_reloaded(write_module, load, digest) -> None:
    write_module("ek_reloaded", "def g(): return 1")
    f = load("import ek_reloaded\nf = lambda: ek_reloaded.g()").f
    kept = load("from ek_reloaded import g\nf = lambda: g()").f
    before, kept_before = digest(f), digest(kept)
    write_module("ek_reloaded", "def g(): return 22222")
    importlib.reload(sys.modules["ek_reloaded"])
    assert digest(f) != before
    assert digest(kept) == kept_before, "it still calls the function of before"


def test_modules_in_packages(write_module, load, digest) -> None:
    write_module("ek_package", "# package\n")
    write_module("ek_package.inner", "def g(): return 1")
    f = load("import ek_package.inner\nf = lambda: ek_package.inner.g()").f
    before = digest(f)
    sys.modules["ek_package.inner"].g = lambda: 2
    assert digest(f) != before


def test_from_imports_inside_a_function(write_module, load, digest) -> None:
    write_module("ek_late", "def g(): return 1")
    importlib.import_module("ek_late")
    f = load("def f():\n  from ek_late import g\n  return g()").f
    before = digest(f)
    sys.modules["ek_late"].g = lambda: 2
    assert digest(f) != before


def test_relative_imports_inside_a_function(write_module, digest) -> None:
    write_module("ek_relative", "# package\n")
    write_module("ek_relative.rates", "def g(): return 1")
    write_module(
        "ek_relative.model", "from . import rates\ndef f():\n  from .rates import g\n  return g()"
    )
    f = importlib.import_module("ek_relative.model").f
    before = digest(f)
    sys.modules["ek_relative.rates"].g = lambda: 2
    assert digest(f) != before


def test_an_import_of_a_submodule_that_is_not_loaded_is_refused(write_module, load) -> None:
    write_module("ek_lazy", "# package\n")
    write_module("ek_lazy.inner", "def g(): return 1")
    importlib.import_module("ek_lazy")
    with pytest.raises(Unkeyable, match="ek_lazy"):
        fingerprint(load("def f():\n  from ek_lazy import inner\n  return inner.g()").f)


def test_a_function_of_an_edited_module_on_the_path_is_keyed_by_content(
    write_module, digest
) -> None:
    keys = set()
    for number in (1, 2):
        write_module(f"ek_edited{number}", f"def f(): return {number}")
        keys.add(digest(importlib.import_module(f"ek_edited{number}").f))
    assert len(keys) == 2


# Library functions


def test_a_library_function_is_keyed_by_name_and_version() -> None:
    assert fingerprint(np.linalg.norm).text.startswith("numpy.linalg.norm (numpy ")
    assert fingerprint(functools.reduce).text.startswith(("_functools.reduce", "functools.reduce"))
    assert fingerprint(np.sin).text.startswith("numpy.sin (numpy ")
    assert fingerprint(operator.add).kind == "library"
    assert fingerprint(len).kind == "library"


def test_names_of_one_library_function_are_one_key(digest) -> None:
    assert digest(np.linalg.norm) == digest(importlib.import_module("numpy.linalg").norm)
    assert digest(builtins.abs) == digest(abs)


def test_library_functions_of_one_name_differ(digest) -> None:
    assert len({digest(math.sin), digest(cmath.sin), digest(np.sin)}) == 3
