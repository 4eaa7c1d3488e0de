"""Classes and their instances: methods, bases, attributes, slots, enums, dataclasses."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import pytest

from emberkeep.errors import Unkeyable
from emberkeep.keys import fingerprint
from emberkeep.keys.explain import explain

PREAMBLE = """
import abc, enum, fractions, functools, typing
from collections import namedtuple
from dataclasses import dataclass, field, InitVar
"""
CALLABLE = "class A:\n  {body}\n  def __call__(self): return {value}\nf = A()"

REAL_CHANGES = {
    # Classes
    "a method": (
        "class f:\n  def m(self): return 1",
        "class f:\n  def m(self): return 2",
    ),
    "a method's name": ("class f:\n  def m(self): pass", "class f:\n  def n(self): pass"),
    "a static method": (
        "class f:\n  @staticmethod\n  def m(): return 1",
        "class f:\n  @staticmethod\n  def m(): return 2",
    ),
    "a class method": (
        "class f:\n  @classmethod\n  def m(cls): return 1",
        "class f:\n  @classmethod\n  def m(cls): return 2",
    ),
    "static and class": (
        "class f:\n  @staticmethod\n  def m(a): return 1",
        "class f:\n  @classmethod\n  def m(a): return 1",
    ),
    "a property": (
        "class f:\n  @property\n  def m(self): return 1",
        "class f:\n  @property\n  def m(self): return 2",
    ),
    "a property's setter": (
        "class f:\n  m = property(None, lambda self, v: 1)",
        "class f:\n  m = property(None, lambda self, v: 2)",
    ),
    "a property's getter for its setter": (
        "class f:\n  m = property(lambda *a: 1)",
        "class f:\n  m = property(None, lambda *a: 1)",
    ),
    "a cached property": (
        "class f:\n  @functools.cached_property\n  def m(self): return 1",
        "class f:\n  @functools.cached_property\n  def m(self): return 2",
    ),
    "a class attribute": ("class f:\n  k = 1", "class f:\n  k = 1.0"),
    "a private attribute": ("class f:\n  __k = 1", "class f:\n  __k = 2"),
    "an attribute's order in a table": (
        "class f:\n  k = {'a': 1, 'b': 2}",
        "class f:\n  k = {'b': 2, 'a': 1}",
    ),
    "a base's method": (
        "class A:\n  def m(self): return 1\nclass f(A): pass",
        "class A:\n  def m(self): return 2\nclass f(A): pass",
    ),
    "a base's base's attribute": (
        "class A: k = 1\nclass B(A): pass\nclass f(B): pass",
        "class A: k = 2\nclass B(A): pass\nclass f(B): pass",
    ),
    "the order of bases": (
        "class A: k = 1\nclass B: k = 2\nclass f(A, B): pass",
        "class A: k = 1\nclass B: k = 2\nclass f(B, A): pass",
    ),
    "a library's base": ("class f(abc.ABC): pass", "class f(fractions.Fraction): pass"),
    "super": (
        "class A:\n  def m(self): return 1\nclass f(A):\n  def m(self): return super().m()",
        "class A:\n  def m(self): return 2\nclass f(A):\n  def m(self): return super().m()",
    ),
    "a metaclass": (
        "class M(type):\n  def __call__(cls): return 1\nclass f(metaclass=M): pass",
        "class M(type):\n  def __call__(cls): return 2\nclass f(metaclass=M): pass",
    ),
    "a descriptor": (
        "class D:\n  def __get__(self, *a): return 1\nclass f:\n  k = D()",
        "class D:\n  def __get__(self, *a): return 2\nclass f:\n  k = D()",
    ),
    "a descriptor's state": (
        ("class D:\n  def __init__(self, k): self.k = k\n  def __get__(self, *a): return self.k\n"
        "class f:\n  k = D(1)"),
        ("class D:\n  def __init__(self, k): self.k = k\n  def __get__(self, *a): return self.k\n"
        "class f:\n  k = D(2)"),
    ),
    "a nested class": (
        "class f:\n  class A:\n    k = 1",
        "class f:\n  class A:\n    k = 2",
    ),
    "what a pattern matches": (
        "class f:\n  __match_args__ = ('a', 'b')",
        "class f:\n  __match_args__ = ('b', 'a')",
    ),
    "slots": ("class f:\n  __slots__ = ('a',)", "class f:\n  __slots__ = ('b',)"),
    "a global that a method reads": (
        "k = 1\nclass f:\n  def m(self): return k",
        "k = 2\nclass f:\n  def m(self): return k",
    ),
    "__getattr__": (
        "class f:\n  def __getattr__(self, name): return 1",
        "class f:\n  def __getattr__(self, name): return 2",
    ),
    # Instances that are called or captured
    "an instance's class": (
        CALLABLE.format(body="", value=1),
        CALLABLE.format(body="", value=2),
    ),
    "an instance's attribute": (
        CALLABLE.format(body="", value="self.k") + "\nf.k = 1",
        CALLABLE.format(body="", value="self.k") + "\nf.k = 2",
    ),
    "an instance's new attribute": (
        CALLABLE.format(body="", value="self.k"),
        CALLABLE.format(body="", value="self.k") + "\nf.k = 2",
    ),
    "a slot": (
        CALLABLE.format(body="__slots__ = ('k',)", value="self.k") + "\nf.k = 1",
        CALLABLE.format(body="__slots__ = ('k',)", value="self.k") + "\nf.k = 2",
    ),
    "a slot that is empty": (
        CALLABLE.format(body="__slots__ = ('k',)", value="self.k"),
        CALLABLE.format(body="__slots__ = ('k',)", value="self.k") + "\nf.k = None",
    ),
    "a slot of a private name": (
        CALLABLE.format(body="__slots__ = ('__k',)", value="self.__k") + "\nf._A__k = 1",
        CALLABLE.format(body="__slots__ = ('__k',)", value="self.__k") + "\nf._A__k = 2",
    ),
    "a slot that a subclass has again": (
        ("class A:\n  __slots__ = ('k',)\nclass B(A):\n  __slots__ = ('k',)\n"
        "  def __call__(self): return A.k.__get__(self)\nf = B()\nf.k = 0\nA.k.__set__(f, 1)"),
        ("class A:\n  __slots__ = ('k',)\nclass B(A):\n  __slots__ = ('k',)\n"
        "  def __call__(self): return A.k.__get__(self)\nf = B()\nf.k = 0\nA.k.__set__(f, 2)"),
    ),
    "a bound method's instance": (
        "class A:\n  def m(self): return self.k\na = A()\na.k = 1\nf = a.m",
        "class A:\n  def m(self): return self.k\na = A()\na.k = 2\nf = a.m",
    ),
    "a bound method": (
        "class A:\n  def m(self): return 1\n  def n(self): return 2\nf = A().m",
        "class A:\n  def m(self): return 1\n  def n(self): return 2\nf = A().n",
    ),
    "a bound class method": (
        "class A:\n  k = 1\n  @classmethod\n  def m(cls): return cls.k\nf = A.m",
        "class A:\n  k = 2\n  @classmethod\n  def m(cls): return cls.k\nf = A.m",
    ),
    "a captured instance": (
        "class A: pass\na = A()\na.k = 1\nf = lambda: a.k",
        "class A: pass\na = A()\na.k = 2\nf = lambda: a.k",
    ),
    "an instance deep inside another": (
        "class A: pass\na, b = A(), A()\na.b, b.k = b, 1\nf = lambda: a.b.k",
        "class A: pass\na, b = A(), A()\na.b, b.k = b, 2\nf = lambda: a.b.k",
    ),
    "instances in a cycle": (
        "class A: pass\na, b = A(), A()\na.b, b.a, b.k = b, a, 1\nf = lambda: a.b.k",
        "class A: pass\na, b = A(), A()\na.b, b.a, b.k = b, a, 2\nf = lambda: a.b.k",
    ),
    "an instance that holds its own method": (
        "class A:\n  def m(self): return self.k\na = A()\na.k, a.g = 1, a.m\nf = a.g",
        "class A:\n  def m(self): return self.k\na = A()\na.k, a.g = 2, a.m\nf = a.g",
    ),
    # Dataclasses
    "a dataclass's method": (
        "@dataclass(frozen=True)\nclass A:\n  x: int\n  def m(self): return 1\nf = A(1)",
        "@dataclass(frozen=True)\nclass A:\n  x: int\n  def m(self): return 2\nf = A(1)",
    ),
    "a dataclass's default": (
        "@dataclass(frozen=True)\nclass A:\n  x: int = 1\nf = lambda: A()",
        "@dataclass(frozen=True)\nclass A:\n  x: int = 2\nf = lambda: A()",
    ),
    "a slotted dataclass's default": (
        "@dataclass(frozen=True, slots=True)\nclass A:\n  x: int = 1\nf = lambda: A()",
        "@dataclass(frozen=True, slots=True)\nclass A:\n  x: int = 2\nf = lambda: A()",
    ),
    "a dataclass's factory": (
        "@dataclass(frozen=True)\nclass A:\n  x: int = field(default_factory=lambda: 1)\nf = A",
        "@dataclass(frozen=True)\nclass A:\n  x: int = field(default_factory=lambda: 2)\nf = A",
    ),
    "a factory that is a partial": (
        "@dataclass\nclass f:\n  x: int = field(default_factory=functools.partial(int, '1'))",
        "@dataclass\nclass f:\n  x: int = field(default_factory=functools.partial(int, '2'))",
    ),
    "a dataclass's options": (
        "@dataclass(eq=True)\nclass f: x: int",
        "@dataclass(eq=False)\nclass f: x: int",
    ),
    "a field's options": (
        "@dataclass\nclass f: x: int = field(default=1, compare=True)",
        "@dataclass\nclass f: x: int = field(default=1, compare=False)",
    ),
    "the order of fields": (
        "@dataclass(frozen=True)\nclass A:\n  x: int\n  y: int\nf = A(x=1, y=2)",
        "@dataclass(frozen=True)\nclass A:\n  y: int\n  x: int\nf = A(x=1, y=2)",
    ),
    "what an init-only value led to": (
        ("@dataclass(frozen=True)\nclass A:\n  x: InitVar[int]\n"
        "  def __post_init__(self, x): object.__setattr__(self, 'k', x)\nf = A(1)"),
        ("@dataclass(frozen=True)\nclass A:\n  x: InitVar[int]\n"
        "  def __post_init__(self, x): object.__setattr__(self, 'k', x)\nf = A(2)"),
    ),
    "a subclass's state": (
        "@dataclass(frozen=True)\nclass A: x: int\nclass B(A): pass\nf = B(1)\nf.k = 1",
        "@dataclass(frozen=True)\nclass A: x: int\nclass B(A): pass\nf = B(1)\nf.k = 2",
    ),
    "an initialiser that was wrapped": (
        ("@dataclass(frozen=True)\nclass f: x: int\ninit = f.__init__\n"
        "@functools.wraps(init)\ndef new(self, x): init(self, 1)\nf.__init__ = new"),
        ("@dataclass(frozen=True)\nclass f: x: int\ninit = f.__init__\n"
        "@functools.wraps(init)\ndef new(self, x): init(self, 2)\nf.__init__ = new"),
    ),
    "a captured dataclass that can change": (
        "@dataclass\nclass A: x: int\na = A(1)\nf = lambda: a.x",
        "@dataclass\nclass A: x: int\na = A(2)\nf = lambda: a.x",
    ),
    # Enums
    "an enum's method": (
        "class A(enum.Enum):\n  X = 1\n  def m(self): return 1\nf = A.X",
        "class A(enum.Enum):\n  X = 1\n  def m(self): return 2\nf = A.X",
    ),
    "an enum's property": (
        "class A(enum.Enum):\n  X = 1\n  @property\n  def m(self): return 1\nf = A.X",
        "class A(enum.Enum):\n  X = 1\n  @property\n  def m(self): return 2\nf = A.X",
    ),
    "an enum's class method": (
        "class A(enum.Enum):\n  X = 1\n  @classmethod\n  def _missing_(cls, v): pass\nf = A",
        "class A(enum.Enum):\n  X = 1\n  @classmethod\n  def _missing_(cls, v): v\nf = A",
    ),
    "an enum's other member": (
        "class A(enum.Enum):\n  X = 1\n  Y = 2\nf = A.X",
        "class A(enum.Enum):\n  X = 1\n  Y = 3\nf = A.X",
    ),
    "an enum's alias": (
        "class A(enum.Enum):\n  X = 1\n  Y = 2\n  Z = 1\nf = A",
        "class A(enum.Enum):\n  X = 1\n  Y = 2\n  Z = 2\nf = A",
    ),
    "an enum's private value": (
        "class A(enum.Enum):\n  __k = 1\n  X = 1\n  def m(self): return self.__k\nf = A.X",
        "class A(enum.Enum):\n  __k = 2\n  X = 1\n  def m(self): return self.__k\nf = A.X",
    ),
    "an enum's value that is no member": (
        "class A(enum.Enum):\n  k = enum.nonmember(1)\n  X = 1\nf = A.X",
        "class A(enum.Enum):\n  k = enum.nonmember(2)\n  X = 1\nf = A.X",
    ),
    "what an enum's __init__ stored": (
        "class A(enum.Enum):\n  X = 1\n  def __init__(self, v): self.k = v + 1\nf = A.X",
        "class A(enum.Enum):\n  X = 1\n  def __init__(self, v): self.k = v + 2\nf = A.X",
    ),
    "what an enum's __new__ stored": (
        ("class A(enum.Enum):\n  def __new__(cls, v, k):\n    self = object.__new__(cls)\n"
        "    self._value_, self.k = v, k\n    return self\n  X = 1, 'a'\nf = lambda: A.X.k"),
        ("class A(enum.Enum):\n  def __new__(cls, v, k):\n    self = object.__new__(cls)\n"
        "    self._value_, self.k = v, k\n    return self\n  X = 1, 'b'\nf = lambda: A.X.k"),
    ),
    "the number beneath an enum's value": (
        ("class A(int, enum.Enum):\n  def __new__(cls, v):\n    self = int.__new__(cls, 5)\n"
        "    self._value_ = v\n    return self\n  X = 'a'\nf = lambda: A.X + 0"),
        ("class A(int, enum.Enum):\n  def __new__(cls, v):\n    self = int.__new__(cls, 6)\n"
        "    self._value_ = v\n    return self\n  X = 'a'\nf = lambda: A.X + 0"),
    ),
    "a flag's boundary": (
        "class f(enum.Flag, boundary=enum.KEEP): X = 1",
        "class f(enum.Flag, boundary=enum.STRICT): X = 1",
    ),
    "an enum's base": (
        "class B(enum.Enum):\n  def m(self): return 1\nclass A(B): X = 1\nf = A.X",
        "class B(enum.Enum):\n  def m(self): return 2\nclass A(B): X = 1\nf = A.X",
    ),
    # Named tuples
    "a named tuple's fields": (
        "f = namedtuple('A', 'x y')",
        "f = namedtuple('A', 'y x')",
    ),
    "a named tuple's defaults": (
        "f = namedtuple('A', 'x y', defaults=[1])",
        "f = namedtuple('A', 'x y', defaults=[2])",
    ),
    "a named tuple subclass's method": (
        "class A(namedtuple('A', 'x')):\n  def m(self): return 1\nf = A(1)",
        "class A(namedtuple('A', 'x')):\n  def m(self): return 2\nf = A(1)",
    ),
    "a typed named tuple's method": (
        "class A(typing.NamedTuple):\n  x: int\n  def m(self): return 1\nf = A(1)",
        "class A(typing.NamedTuple):\n  x: int\n  def m(self): return 2\nf = A(1)",
    ),
    "a named tuple's method that was replaced": (
        "f = namedtuple('A', 'x')\nf._replace = lambda self: 1",
        "f = namedtuple('A', 'x')\nf._replace = lambda self: 2",
    ),
    "a named tuple's field that was replaced": (
        "f = namedtuple('A', 'x')\nf.x = property(lambda self: 1)",
        "f = namedtuple('A', 'x')\nf.x = property(lambda self: 2)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), REAL_CHANGES.values(), ids=REAL_CHANGES)
def test_a_real_change_shows(before: str, after: str, load) -> None:
    one, two = fingerprint(load(PREAMBLE + before).f), fingerprint(load(PREAMBLE + after).f)
    assert one.digest != two.digest
    assert explain(one, two)
    assert fingerprint(load(PREAMBLE + before).f) == one, "the same text twice has another key"


NO_CHANGES = {
    "a docstring": ("class f: k = 1", "class f:\n  'Doc.'\n  k = 1"),
    "a method's docstring": (
        "class f:\n  def m(self): return 1",
        "class f:\n  def m(self):\n    'Doc.'\n    return 1",
    ),
    "a comment": ("class f: k = 1", "\n\nclass f:\n\n  # why\n  k = 1"),
    "the order of methods": (
        "class f:\n  def m(self): return 1\n  def n(self): return 2",
        "class f:\n  def n(self): return 2\n  def m(self): return 1",
    ),
    "the order of an instance's attributes": (
        "class A:\n  def __call__(self): return self.a\nf = A()\nf.a = 1\nf.b = 2",
        "class A:\n  def __call__(self): return self.a\nf = A()\nf.b = 2\nf.a = 1",
    ),
    "an annotation": ("class f:\n  k = 1", "class f:\n  k: int = 1"),
    "a dataclass's annotation": (
        "@dataclass(frozen=True)\nclass A: x: int\nf = A(1)",
        "@dataclass(frozen=True)\nclass A: x: 'float'\nf = A(1)",
    ),
    "a dataclass's docstring": (
        "@dataclass(frozen=True)\nclass A: x: int\nf = A(1)",
        "@dataclass(frozen=True)\nclass A:\n  'Doc.'\n  x: int\nf = A(1)",
    ),
    "an enum's docstring": (
        "class A(enum.Enum): X = 1\nf = A.X",
        "class A(enum.Enum):\n  'Doc.'\n  X = 1\nf = A.X",
    ),
    "an enum's members that were looked up": (
        "class A(enum.Flag):\n  X = 1\n  Y = 2\nf = A.X",
        "class A(enum.Flag):\n  X = 1\n  Y = 2\nA(3), A['X'], repr(A.Y), hash(A.X)\nf = A.X",
    ),
    "a class in a module of another name": (
        "class f: k = 1",
        "__name__ = 'elsewhere'\nclass f: k = 1",
    ),
    "a class inside a function of a module of another name": (
        "def f():\n  class A: k = 1\n  return A",
        "__name__ = 'elsewhere'\ndef f():\n  class A: k = 1\n  return A",
    ),
}


@pytest.mark.parametrize(("before", "after"), NO_CHANGES.values(), ids=NO_CHANGES)
def test_what_changes_nothing_does_not_show(before: str, after: str, load) -> None:
    one, two = (fingerprint(load(PREAMBLE + text).f) for text in (before, after))
    assert explain(one, two) == ()


def test_a_method_that_is_replaced_on_a_class_or_an_instance(load, digest) -> None:
    model = load("class A:\n  def m(self): return 1\na = A()\nf = lambda: a.m()")
    keys = [digest(model.f)]
    model.A.m = lambda self: 2
    keys.append(digest(model.f))
    model.a.m = lambda: 3
    keys.append(digest(model.f))
    assert len(set(keys)) == 3


def test_a_base_that_is_changed_later(load, digest) -> None:
    model = load("class A:\n  def m(self): return 1\nclass B(A): pass\nf = lambda: B().m()")
    before = digest(model.f)
    model.A.k = 1
    assert digest(model.f) != before


def test_an_instance_whose_class_is_exchanged(load, digest) -> None:
    model = load(
        "class A:\n  def __call__(self): return 1\n"
        "class B:\n  def __call__(self): return 2\nf = A()"
    )
    before = digest(model.f)
    model.f.__class__ = model.B
    assert digest(model.f) != before


def test_a_frozen_dataclass_with_a_value_beneath_it_is_refused() -> None:
    @dataclass(frozen=True)
    class Quantity(float):
        unit: str

        def __new__(cls, unit: str, value: float):
            return super().__new__(cls, value)

        def __init__(self, unit: str, value: float) -> None:
            object.__setattr__(self, "unit", unit)

    with pytest.raises(Unkeyable, match="subclass of float"):
        fingerprint(Quantity("m", 1.0))


def test_a_tuple_that_only_looks_like_a_named_one_is_refused() -> None:
    class Pretender(tuple):
        __slots__ = ()
        _fields = ("x",)

    with pytest.raises(Unkeyable, match="subclass of tuple"):
        fingerprint(Pretender((1, 2)))


def test_a_named_tuple_is_read_past_its_own_iteration(digest) -> None:
    class Hiding(tuple):
        __slots__ = ()
        _fields = ("x",)

        def __iter__(self):
            return iter((0,))

    assert digest(Hiding((1,))) != digest(Hiding((2,)))


def test_a_partial_method_is_refused(load) -> None:
    text = "class A:\n  def m(self, k): return k\n  n = functools.partialmethod(m, 1)"
    with pytest.raises(Unkeyable, match=r"\.n: is a functools.partialmethod"):
        fingerprint(load(PREAMBLE + text).A)


def test_a_single_dispatch_function_is_refused_for_it_can_grow(load) -> None:
    with pytest.raises(Unkeyable, match="captured"):
        fingerprint(load(PREAMBLE + "f = functools.singledispatch(lambda x: 1)").f)


def test_wraps_on_a_method_keeps_what_it_wraps(load, digest) -> None:
    model = load("class A:\n  def m(self): return 1\nf = A")
    before = digest(model.f)
    model.A.m = functools.wraps(model.A.m)(lambda self: 1)
    assert digest(model.f) != before
