"""What code can read of other code beside what it does: names, docstrings, annotations, order.

Each pair differs in one such thing, and gives another result when it is run.
"""

from __future__ import annotations

import pytest

from emberkeep.errors import Unkeyable
from emberkeep.keys import fingerprint

SEEN = {
    "class attr order": (
        """
        class C:
         a=1
         b=2
        def f(): return [k for k in vars(C) if k in 'ab']
        """,
        """
        class C:
         b=2
         a=1
        def f(): return [k for k in vars(C) if k in 'ab']
        """,
    ),
    "instance attr order": (
        """
        class C:
          def __init__(s): s.a=1; s.b=2
          def m(s): return list(vars(s))
        c=C()
        def f(): return c.m()
        """,
        """
        class C:
          def __init__(s): s.a=1; s.b=2
          def m(s): return list(vars(s))
        c=C()
        del c.a
        c.a=1
        def f(): return c.m()
        """,
    ),
    "annotations": (
        """
        class C:
         a: int
        def f(): return C.__annotations__
        """,
        """
        class C:
         a: str
        def f(): return C.__annotations__
        """,
    ),
    "function annotations": (
        """
        def g(x: int): pass
        def f(): return g.__annotations__
        """,
        """
        def g(x: str): pass
        def f(): return g.__annotations__
        """,
    ),
    "field metadata": (
        """
        import dataclasses as d
        @d.dataclass(frozen=True)
        class C:
         a: int = d.field(default=0, metadata={'k':1})
        def f(): return C.__dataclass_fields__['a'].metadata['k']
        """,
        """
        import dataclasses as d
        @d.dataclass(frozen=True)
        class C:
         a: int = d.field(default=0, metadata={'k':2})
        def f(): return C.__dataclass_fields__['a'].metadata['k']
        """,
    ),
    "dataclasses.fields type": (
        """
        import dataclasses as d
        @d.dataclass(frozen=True)
        class C:
         a: 'int' = 0
        def f(): return d.fields(C)[0].type
        """,
        """
        import dataclasses as d
        @d.dataclass(frozen=True)
        class C:
         a: 'str' = 0
        def f(): return d.fields(C)[0].type
        """,
    ),
    "name vs qualname": (
        """
        class C: pass
        def f(): return C.__name__
        """,
        """
        class C: pass
        C.__name__='D'
        def f(): return C.__name__
        """,
    ),
    "qualname": (
        """
        class C: pass
        def f(): return C.__qualname__
        """,
        """
        class C: pass
        C.__qualname__='D'
        def f(): return C.__qualname__
        """,
    ),
    "module": (
        """
        class C: pass
        def f(): return C.__module__
        """,
        """
        class C: pass
        C.__module__='D'
        def f(): return C.__module__
        """,
    ),
    "doc class": (
        """
        class C: 'a'
        def f(): return C.__doc__
        """,
        """
        class C: 'b'
        def f(): return C.__doc__
        """,
    ),
    "doc func": (
        """
        def g(): 'a'
        def f(): return g.__doc__
        """,
        """
        def g(): 'b'
        def f(): return g.__doc__
        """,
    ),
    "func name": (
        """
        def g(): pass
        def f(): return g.__name__
        """,
        """
        def g(): pass
        g.__name__='h'
        def f(): return g.__name__
        """,
    ),
    "slots order": (
        """
        class C:
         __slots__=('a','b')
        def f(): return C.__slots__
        """,
        """
        class C:
         __slots__=('b','a')
        def f(): return C.__slots__
        """,
    ),
    "class_getitem": (
        """
        class C:
         def __class_getitem__(c,i): return i
        def f(): return C[1]
        """,
        """
        class C:
         def __class_getitem__(c,i): return i+1
        def f(): return C[1]
        """,
    ),
    "property doc": (
        """
        class C:
         p=property(lambda s:1, doc='a')
        def f(): return C.p.__doc__
        """,
        """
        class C:
         p=property(lambda s:1, doc='b')
        def f(): return C.p.__doc__
        """,
    ),
    "property sub": (
        """
        class P(property): k=1
        class C:
         p=P(lambda s:1)
        def f(): return C.p.k
        """,
        """
        class P(property): k=2
        class C:
         p=P(lambda s:1)
        def f(): return C.p.k
        """,
    ),
    "metaclass": (
        """
        class M(type):
         def __call__(c): return 1
        class C(metaclass=M): pass
        def f(): return C()
        """,
        """
        class M(type):
         def __call__(c): return 2
        class C(metaclass=M): pass
        def f(): return C()
        """,
    ),
    "staticmethod attr": (
        """
        class C:
         @staticmethod
         def m(): pass
        C.__dict__['m'].k=1
        def f(): return C.__dict__['m'].k
        """,
        """
        class C:
         @staticmethod
         def m(): pass
        C.__dict__['m'].k=2
        def f(): return C.__dict__['m'].k
        """,
    ),
    "staticmethod sub": (
        """
        class S(staticmethod): k=1
        class C:
         m=S(len)
        def f(): return C.__dict__['m'].k
        """,
        """
        class S(staticmethod): k=2
        class C:
         m=S(len)
        def f(): return C.__dict__['m'].k
        """,
    ),
    "cached sub": (
        """
        import functools as t
        class S(t.cached_property):
          def __get__(s,*a): return 1
        class C:
         m=S(len)
        def f(): return C().m
        """,
        """
        import functools as t
        class S(t.cached_property):
          def __get__(s,*a): return 2
        class C:
         m=S(len)
        def f(): return C().m
        """,
    ),
    "abstract": (
        """
        import abc
        class C(abc.ABC): pass
        def f(x): return isinstance(x,C)
        """,
        """
        import abc
        class C(abc.ABC): pass
        C.register(int)
        def f(x): return isinstance(x,C)
        """,
    ),
    "enum order": (
        """
        import enum
        class E(enum.Enum):
         a=1
         b=2
        def f(): return list(E)
        """,
        """
        import enum
        class E(enum.Enum):
         b=2
         a=1
        def f(): return list(E)
        """,
    ),
    "dataclass init default patched": (
        """
        import dataclasses as d
        @d.dataclass
        class C:
         a: int = 1
        def f(): return C().a
        """,
        """
        import dataclasses as d
        @d.dataclass
        class C:
         a: int = 1
        C.__init__.__defaults__=(5,)
        def f(): return C().a
        """,
    ),
    "namedtuple defaults patched": (
        """
        import collections as c
        N=c.namedtuple('N','a b',defaults=(1,))
        def f(): return N(0).b
        """,
        """
        import collections as c
        N=c.namedtuple('N','a b',defaults=(1,))
        N.__new__.__defaults__=(7,)
        def f(): return N(0).b
        """,
    ),
    "match args": (
        """
        import dataclasses as d
        class C:
         __match_args__=('a','b')
         a=1
         b=2
        def f(x):
          match x:
           case C(y): return y
        """,
        """
        import dataclasses as d
        class C:
         __match_args__=('b','a')
         a=1
         b=2
        def f(x):
          match x:
           case C(y): return y
        """,
    ),
    "custom descriptor": (
        """
        class D:
         def __get__(s,*a): return 1
        class C: x=D()
        def f(): return C.x
        """,
        """
        class D:
         def __get__(s,*a): return 2
        class C: x=D()
        def f(): return C.x
        """,
    ),
    "orig_bases": (
        """
        import typing as t
        T=t.TypeVar('T')
        class C(t.Generic[T]): pass
        class D(C[int]): pass
        def f(): return D.__orig_bases__
        """,
        """
        import typing as t
        T=t.TypeVar('T')
        class C(t.Generic[T]): pass
        class D(C[str]): pass
        def f(): return D.__orig_bases__
        """,
    ),
    "__mro_entries__/bases mutated": (
        """
        class A: x=1
        class B: x=2
        class C(A): pass
        def f(): return C.x
        """,
        """
        class A: x=1
        class B: x=2
        class C(A): pass
        C.__bases__=(B,)
        def f(): return C.x
        """,
    ),
}

REFUSED = {
    "__globals__": (
        """
        def g(): pass
        X=1
        def f(): return g.__globals__['X']
        """,
        """
        def g(): pass
        X=2
        def f(): return g.__globals__['X']
        """,
    ),
    "subclasses": (
        """
        class B: pass
        class D(B): x=1
        def f(): return B.__subclasses__()[0].x
        """,
        """
        class B: pass
        class D(B): x=2
        def f(): return B.__subclasses__()[0].x
        """,
    ),
}


@pytest.mark.parametrize("texts", SEEN.values(), ids=SEEN)
def test_what_is_read_counts(texts: tuple[str, str], load, digest) -> None:
    one, other = (load(text) for text in texts)
    assert digest(one.f) != digest(other.f)
    assert digest(one.f) == digest(load(texts[0]).f)


@pytest.mark.parametrize("texts", REFUSED.values(), ids=REFUSED)
def test_what_shows_where_code_stands_is_refused(texts: tuple[str, str], load) -> None:
    for text in texts:
        with pytest.raises(Unkeyable, match=r"reads '__(globals|subclasses)__'"):
            fingerprint(load(text).f)


UNREAD = """
{comment}
class C:
    "{words}"
    b: {kind} = 1
    a = 2
def g(x: {kind}):
    "{words}"
    return C.a + x
def f(x):
    return g(x)
"""


def test_what_nothing_reads_does_not_count(load, digest) -> None:
    one = load(UNREAD.format(comment="", words="one", kind="int"))
    other = load(UNREAD.format(comment="# moved", words="other", kind="float"))
    assert digest(one.f) == digest(other.f)


def test_a_class_that_is_written_in_a_function_reads_nothing(load, digest) -> None:
    text = "def g():\n  '{}'\n  class C:\n    x: int = 1\n  return C\ndef f():\n  return g().x"
    assert digest(load(text.format("one")).f) == digest(load(text.format("other")).f)
