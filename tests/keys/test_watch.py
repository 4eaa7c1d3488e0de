"""Whatever changes a key is seen by the watch over it: no change of any sort is missed."""

import dataclasses
import enum
import functools
import gc
import sys
import threading
import types

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.extending import overload

from emberkeep.errors import Unkeyable
from emberkeep.keys.keyed import key_of
from emberkeep.keys.watch import Watch


class World:
    """A user's module with everything in it, and a function that reaches all of it."""

    TEXT = """
import collections, dataclasses, enum, functools
import math
import numpy as np
import {partner} as partner

FACTOR = 2.0
LIST = [1, [2, 3]]
LONG = list(range(20))
TABLE = {{"a": 1, "b": [4]}}
MEMBERS = {{1, 2}}
RAW = bytearray(b"abc")
ARRAY = np.arange(4.0)
ROWS = np.array([(1.0, 2.0)], [("a", "f8"), ("b", "f8")])
RECORD = ROWS.copy()[0]
VIEW = ROWS[0]
NESTED = np.zeros(1, [("p", [("a", "f8"), ("b", "f8")], 2)])
EMPTY = []
PAIR = (LIST, ARRAY)

class Method:
    scale = 3.0
    def apply(self, x):
        return x * self.scale
    @property
    def doubled(self):
        return 2 * self.scale
    @staticmethod
    def plain(x):
        return x
    @classmethod
    def of(cls, x):
        return cls.scale * x

class Slotted:
    __slots__ = ("a", "b")
    def __init__(self):
        self.a = 1
    def apply(self):
        return self.a

@dataclasses.dataclass(frozen=True)
class Options:
    rate: float = 1.0
    parts: tuple = ()

class Colour(enum.Enum):
    RED = 1

SLOTTED, METHOD, OPTIONS = Slotted(), Method(), Options(2.0, (LIST,))
COLOUR = Colour.RED

def twice(x, by=2.0, *, and_then=[1]):
    return by * x

def inner(x):
    return twice(x) + FACTOR

def maker(captured):
    def closure(x):
        return captured * x + held
    held = 1.0
    def change(new):
        nonlocal held
        held = new
    return closure, change

CLOSURE, CHANGE = maker(4.0)
PARTIAL = functools.partial(twice, by=LIST)

@functools.lru_cache
def remembered(x):
    return inner(x)

def wraps_it(x):
    return x
wraps_it.note = 1

def kernel(i, x, out):
    values = [FACTOR, LIST, LONG, TABLE, MEMBERS, RAW, ARRAY, EMPTY, PAIR, SLOTTED, OPTIONS, COLOUR]
    values += [RECORD, ROWS, VIEW, NESTED]
    within = [inner(k) for k in range(3)]
    return (
        CLOSURE(i) + PARTIAL(i) + remembered(i) + METHOD.apply(i) + partner.helper(i) + math.sin(i)
        + wraps_it(i) + abs(i) + partner.deeper.there(i) + Method.of(i) + missing_yet
    )
"""
    PARTNER = """
import types
VALUE = 1
def helper(x):
    return x + VALUE
deeper = types.ModuleType("deeper")
deeper.there = lambda x: x
"""
    made = 0

    def __init__(self) -> None:
        World.made += 1
        self.partner = types.ModuleType(f"partner_{World.made}")
        self.module = types.ModuleType(f"users_{World.made}")
        for module in (self.partner, self.module):
            sys.modules[module.__name__] = module
        exec(self.PARTNER, vars(self.partner))
        exec(self.TEXT.format(partner=self.partner.__name__), vars(self.module))

    def ingredients(self):
        return {"function": self.module.kernel}


def other(x):
    return x - 1000


def _set(name, value):
    return lambda world: setattr(world.module, name, value)


def _attribute(name, attribute, value):
    return lambda world: setattr(getattr(world.module, name), attribute, value)


CHANGES = {
    "a global": _set("FACTOR", 3.0),
    "a global of equal value": _set("FACTOR", 2),
    "a helper": _set("inner", other),
    "a helper's helper": _set("twice", other),
    "a helper's code": lambda world: setattr(
        world.module.twice, "__code__", (lambda x, by=2.0: 7.0).__code__
    ),
    "the function's own code": lambda world: setattr(
        world.module.kernel, "__code__", (lambda i, x, out: 7.0).__code__
    ),
    "defaults": _attribute("twice", "__defaults__", (5.0,)),
    "a keyword's default": lambda world: world.module.twice.__kwdefaults__.update(and_then=2),
    "what a default holds": lambda world: world.module.twice.__kwdefaults__["and_then"].append(2),
    "keyword defaults": _attribute("twice", "__kwdefaults__", {"and_then": [2]}),
    "an attribute of a function": _attribute("wraps_it", "note", 2),
    "a new attribute of a function": _attribute("inner", "note", 2),
    "a cell": lambda world: world.module.CHANGE(9.0),
    "a list's item": lambda world: world.module.LIST.__setitem__(0, 9),
    "a list's length": lambda world: world.module.LIST.append(9),
    "a list within": lambda world: world.module.LIST[1].append(9),
    "an item of equal value": lambda world: world.module.LIST.__setitem__(0, True),
    "a long list": lambda world: world.module.LONG.__setitem__(13, -1),
    "an empty list": lambda world: world.module.EMPTY.append(1),
    "a dictionary's value": lambda world: world.module.TABLE.update(a=2),
    "a dictionary's keys": lambda world: world.module.TABLE.update(c=2),
    "a dictionary's order": lambda world: world.module.TABLE.update(a=world.module.TABLE.pop("a")),
    "within a dictionary": lambda world: world.module.TABLE["b"].append(2),
    "a set": lambda world: world.module.MEMBERS.add(3),
    "bytes": lambda world: world.module.RAW.append(3),
    "an array's item": lambda world: world.module.ARRAY.__setitem__(2, -1.0),
    "an array's sign": lambda world: world.module.ARRAY.__setitem__(0, -0.0),
    "an array's shape": lambda world: setattr(world.module.ARRAY, "shape", (2, 2)),
    "an array's flag": lambda world: world.module.ARRAY.setflags(write=False),
    "a record's field": lambda world: world.module.RECORD.__setitem__("a", 9.0),
    "the record that a scalar is a view of": lambda world: world.module.ROWS.__setitem__(0, (9, 9)),
    "the names of an array's fields": lambda world: setattr(
        world.module.ROWS.dtype, "names", ("c", "b")
    ),
    "the names of fields within": lambda world: setattr(
        world.module.NESTED.dtype["p"].base, "names", ("c", "b")
    ),
    "a class's attribute": _attribute("Method", "scale", 5.0),
    "a method": _attribute("Method", "apply", other),
    "a method's code": lambda world: setattr(
        world.module.Method.apply, "__code__", (lambda self, x: 7.0).__code__
    ),
    "a static method's code": lambda world: setattr(
        world.module.Method.plain, "__code__", (lambda x: 7.0).__code__
    ),
    "a property's code": lambda world: setattr(
        world.module.Method.doubled.fget, "__code__", (lambda self: 7.0).__code__
    ),
    "an instance's attribute": _attribute("METHOD", "scale", 6.0),
    "an instance's class": lambda world: setattr(
        world.module.METHOD, "__class__", type("New", (world.module.Method,), {"scale": 1})
    ),
    "a slot": _attribute("SLOTTED", "a", 2),
    "an empty slot": _attribute("SLOTTED", "b", 2),
    "a frozen dataclass, by force": lambda world: object.__setattr__(
        world.module.OPTIONS, "rate", 9.0
    ),
    "an attribute of a user's module": lambda world: setattr(world.partner, "helper", other),
    "a global of a user's module": lambda world: setattr(world.partner, "VALUE", 5),
    "an attribute of a module within a module": lambda world: setattr(
        world.partner.deeper, "there", other
    ),
    "a partial's keywords": lambda world: world.module.PARTIAL.keywords.update(by=3.0),
    "what is behind a cache": lambda world: setattr(
        world.module.remembered.__wrapped__, "__code__", (lambda x: 7.0).__code__
    ),
    "a name that was missing": _set("missing_yet", 1.0),
    "a name that was built in": _set("abs", other),
    "a name that is gone": lambda world: delattr(world.module, "FACTOR"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(change: str) -> None:
    world = World()
    keyed = key_of(world.ingredients)
    assert keyed.refusal is None
    assert keyed.watch.unchanged()
    assert key_of(world.ingredients).digest == keyed.digest
    CHANGES[change](world)
    assert not keyed.watch.unchanged()
    assert key_of(world.ingredients).digest != keyed.digest, "or the test shows nothing"


def test_nothing_that_has_no_effect_is_in_the_way() -> None:
    world = World()
    keyed = key_of(world.ingredients)
    world.module.unrelated = 1
    gc.collect()
    assert keyed.watch.unchanged()
    world.module.FACTOR = float("2.0")  # an equal number, bound anew: asked again, the same key
    assert key_of(world.ingredients).digest == keyed.digest
    assert not keyed.has_changed(world.ingredients)


def test_what_has_no_key_is_watched_all_the_same() -> None:
    world = World()
    world.module.UNKNOWN = threading.Lock()
    text = "def kernel(i, x, out):\n    return UNKNOWN, inner(i)"
    exec(text, vars(world.module))
    keyed = key_of(world.ingredients)
    with pytest.raises(Unkeyable, match="UNKNOWN"):
        keyed.ingredients()
    assert keyed.watch.unchanged()
    world.module.twice.__code__ = (lambda x, by=2.0: 7.0).__code__
    assert not keyed.watch.unchanged()


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("import collections\nHELD = collections.ChainMap(TABLE)", "TABLE['a'] = 2"),
        ("import collections\nHELD = collections.UserDict(a=[1])", "HELD['a'][0] = 2"),
        ("HELD = np.array([1, None], dtype=object)", "HELD[0] = 2"),
    ],
)
def test_what_is_held_without_a_key_is_watched(text: str, change: str) -> None:
    world = World()
    exec(f"{text}\ndef kernel(i):\n    return HELD", vars(world.module))
    keyed = key_of(world.ingredients)
    assert keyed.refusal is not None
    assert keyed.watch.unchanged()
    exec(change, vars(world.module))
    assert not keyed.watch.unchanged()


def test_an_attribute_read_by_a_written_name_is_watched() -> None:
    world = World()
    text = "def kernel(i):\n    return getattr(partner, 'VALUE')"
    exec(text, vars(world.module))
    keyed = key_of(world.ingredients)
    assert keyed.watch.unchanged()
    world.partner.VALUE = 5
    assert not keyed.watch.unchanged()


def test_what_is_registered_with_an_abstract_class_is_watched() -> None:
    world = World()
    text = "import abc\nclass Base(abc.ABC): pass\ndef kernel(i):\n    return isinstance(i, Base)"
    exec(text, vars(world.module))
    keyed = key_of(world.ingredients)
    assert keyed.watch.unchanged()
    world.module.Base.register(Slotless)
    assert not keyed.watch.unchanged()
    assert key_of(world.ingredients).digest != keyed.digest


class Slotless:
    pass


def test_what_an_unreadable_function_reaches_is_watched() -> None:
    world = World()
    text = "def kernel(i, x, out):\n    import not_there\n    return inner(i)"
    exec(text, vars(world.module))
    keyed = key_of(world.ingredients)
    assert isinstance(keyed.refusal, Unkeyable)
    world.module.twice.__code__ = (lambda x, by=2.0: 7.0).__code__
    assert not keyed.watch.unchanged()


def hidden(x):
    return x


def test_another_overload_is_seen() -> None:
    def kernel(x):
        return hidden(x)

    keyed = key_of(lambda: {"function": kernel})
    assert keyed.watch.unchanged()

    @overload(hidden)
    def first(x):
        return lambda x: 6.0

    assert not keyed.watch.unchanged()
    with_first = key_of(lambda: {"function": kernel})
    assert with_first.digest != keyed.digest

    first.__code__ = (lambda x: None).__code__
    assert not with_first.watch.unchanged()


def test_dispatchers_are_watched() -> None:
    world = World()
    exec("def plain(x):\n    return x + FACTOR", vars(world.module))
    world.module.compiled = numba.njit(world.module.plain)
    world.module.vectorised = numba.vectorize(world.module.plain)
    exec("def kernel(i):\n    return compiled(i) + vectorised(i)", vars(world.module))
    numba.njit(other)(1.0)  # numba loads the rest of itself at its first compile
    keyed = key_of(world.ingredients)
    world.module.compiled(1.0)  # compiling changes nothing
    world.module.vectorised(1.0)
    assert keyed.watch.unchanged()
    world.module.compiled.targetoptions["fastmath"] = True
    assert not keyed.watch.unchanged()
    again = key_of(world.ingredients)
    assert again.digest != keyed.digest
    world.module.plain.__code__ = (lambda x: 7.0).__code__
    assert not again.watch.unchanged()


# Containers of any shape, and a change anywhere in them.
LEAVES = st.one_of(
    st.integers(-3, 3), st.floats(allow_nan=False), st.text(max_size=2), st.booleans()
)


def _containers(inner):
    names = st.text("abc", min_size=1, max_size=2)
    return st.one_of(
        st.lists(inner, max_size=12),
        st.dictionaries(names, inner, max_size=4),
        st.tuples(inner, inner),
        st.lists(st.floats(allow_nan=False), min_size=1, max_size=5).map(np.array),
    )


VALUES = st.recursive(LEAVES, _containers, max_leaves=12)


def _places(value, found):
    if isinstance(value, list | dict | np.ndarray):
        found.append(value)
    if isinstance(value, list | tuple):
        for item in value:
            _places(item, found)
    elif isinstance(value, dict):
        for item in value.values():
            _places(item, found)
    return found


@settings(max_examples=150, deadline=None)
@given(VALUES, LEAVES, st.randoms(use_true_random=False))
def test_a_change_anywhere_in_captured_values_is_seen(value, new, random) -> None:
    def kernel(i):
        return value

    def ingredients():
        return {"function": kernel}

    places = _places(value, [])
    keyed = key_of(ingredients)
    assert keyed.watch.unchanged()
    if not places:
        return
    place = random.choice(places)
    if isinstance(place, np.ndarray):
        place[random.randrange(len(place))] = float(len(str(new)))
    elif isinstance(place, dict):
        place[random.choice([*place, "new"])] = new
    elif place and random.random() < 0.7:
        place[random.randrange(len(place))] = new
    else:
        place.append(new)
    if key_of(ingredients).digest != keyed.digest:
        assert not keyed.watch.unchanged()


@dataclasses.dataclass
class Plain:
    value: int = 1


class Letter(enum.Enum):
    A = Plain()


def test_states_of_members_and_dataclasses_are_watched() -> None:
    plain = Plain()

    def kernel():
        return plain, Letter.A

    keyed = key_of(lambda: {"function": kernel})
    plain.value = 2
    assert not keyed.watch.unchanged()
    again = key_of(lambda: {"function": kernel})
    Letter.A.value.value = 3
    assert not again.watch.unchanged()


def test_it_costs_next_to_nothing_until_it_is_asked() -> None:
    watch = Watch()
    watch.note(functools.partial(other, 1))
    assert watch.unchanged == watch._first
    assert watch.unchanged()
    assert isinstance(watch.unchanged, types.FunctionType)


SCALE = 2.0


def test_what_has_no_key_is_watched_without_the_libraries_that_it_calls():
    """A lock among its names leaves a function without a key; NumPy is still NumPy."""
    lock = threading.Lock()

    def function(x):
        with lock:
            return np.linalg.norm(np.pad(x, 1)) * SCALE

    keyed = key_of(lambda: {"function": function})
    assert keyed.refusal is not None
    noted = {value.__name__ for value in keyed.watch._known.values() if callable(value)}
    assert noted == {"function", "norm", "pad"}
    assert keyed.watch.unchanged()
