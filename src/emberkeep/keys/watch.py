"""What a key was made from, watched: whether any of it has moved since.

Python lets everything be changed where it stands: a name in a notebook is bound anew, autoreload
puts other code into a function, an array is written to. A walk tells its watch of each value before
it reads it, and the watch notes what of it can change: a function's code, defaults, cells and the
names that it reads; what a list, dictionary, class or instance holds; an array's bytes. From that a
straight line of comparisons is written out, by identity wherever something refers to something
else, since what is referred to is watched itself. It costs tens of nanoseconds a function.

It may say that something has moved which changes nothing: then the key is made again, and is the
same. It must never miss what would change the key.
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import functools
import keyword
import opcode
import sys
import types
from operator import is_

from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

MISSING = object()

# What cannot change, or only with what it was made from, which the walk visits too.
_UNCHANGING = frozenset(
    [
        type(None),
        type(...),
        type(NotImplemented),
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        tuple,
        frozenset,
        range,
        slice,
        property,
        staticmethod,
        classmethod,
        types.CodeType,
        types.ModuleType,  # what is read from it is noted where it is read
        types.BuiltinFunctionType,
        types.MethodWrapperType,
        types.MethodDescriptorType,
        types.WrapperDescriptorType,
        types.ClassMethodDescriptorType,
        types.GetSetDescriptorType,
        types.MemberDescriptorType,
    ]
)
_FEW = 8  # items that are compared one by one, which is quicker
_HEAP, _IMMUTABLE = 1 << 9, 1 << 8  # flags of classes: made while running; cannot be written to

# Of numba's objects: what decides about the code. Their dictionaries also hold what was compiled.
_OF_NUMBA = ("py_func", "targetoptions", "locals", "_can_compile", "_frozen")
_WITHIN_NUMBA = ("_dispatcher", "_pyfunc", "_defn", "gufunc_builder", "_compiler")

_GLOBAL_LOADS = frozenset(
    opcode.opmap[name]
    for name in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
    if name in opcode.opmap
)
# Where a comparison cannot be made, something has moved: a name, a cell or an attribute is gone.
_GONE = "(AttributeError, LookupError, NameError, RuntimeError, TypeError, ValueError)"


@final
class Watch:
    """What was noted of values, and whether it is still so.

    Attributes:
        unchanged: whether all that was noted is as it was. Written out when it is first called:
            most processes start warm and call once.
    """

    def __init__(self) -> None:
        self.unchanged: Callable[[], bool] = self._first
        self._conditions: list[str] = []
        self._space: dict[str, Any] = {"all": all, "map": map, "len": len, "tuple": tuple}
        self._space["is_"] = is_
        self._known: dict[int, object] = {}  # held, so that no id is used again
        self._read: dict[int, tuple[dict[str, Any], dict[str, object]]] = {}
        self._searched: set[tuple[int, frozenset[str]]] = set()

    def _first(self) -> bool:
        unchanged = self._write_out()
        self.unchanged = unchanged
        return unchanged()

    def note(self, value: Any) -> None:
        """Note what of a value can change where it is; before it is read."""
        kind: Any = type(value)
        if kind in _UNCHANGING or id(value) in self._known:
            return
        self._known[id(value)] = value
        if kind is list or kind is set:
            self._holds(value, tuple(value))
        elif kind is dict:
            self._maps(value)
        elif kind is bytearray:
            self._expect(f"{self._name(value)} == {self._name(bytes(value))}")
        elif isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, types.MethodType):
            self.note(value.__func__)
        elif isinstance(value, type):
            self._class(value)
        elif _is_numpy(value):
            self._array(value)
        elif str(kind.__module__).partition(".")[0] == "numba":
            self._numba(value)
        else:
            self._instance(value)
            self._standard(value)

    def note_names(self, function: types.FunctionType) -> None:
        """Note what the names mean that a function reads: globals, and attributes of modules."""
        self._registrations()
        names, loaded, texts = _names_of(function.__code__)
        space = function.__globals__
        for name in loaded:
            self._note_name(space, name, names | texts)
        cells = [_contents(cell) for cell in function.__closure__ or ()]
        imported = [sys.modules.get(name) for name in names]
        for module in (*cells, *imported):
            if isinstance(module, types.ModuleType):
                self._note_attributes(module, names | texts)

    def meanings(self, value: object) -> tuple[object, ...]:
        """What a function's names and cells mean, and what a standard container holds.

        Nothing of other values.
        """
        if type(value).__module__ == "collections" and hasattr(value, "__dict__"):
            return tuple(vars(value).values())  # a ChainMap, UserDict or UserList
        if not isinstance(value, types.FunctionType):
            return ()
        self.note_names(value)
        names = _names_of(value.__code__)[0]
        read = (found for _, found in self._read.values())
        held = [found[name] for found in read for name in names & found.keys()]
        held += map(_contents, value.__closure__ or ())
        return tuple(item for item in held if item is not MISSING)

    # The ways in which values change ------------------------------------------------------------

    def _name(self, value: object) -> str:
        """The name by which the comparisons call a value."""
        name = f"v{len(self._space)}"
        self._space[name] = value
        return name

    def _expect(self, condition: str) -> None:
        self._conditions.append(condition)

    def _is(self, owner: str, attribute: str, value: object) -> None:
        self._expect(f"{owner}.{attribute} is {self._name(value)}")

    def _holds(self, value: Any, items: tuple[object, ...]) -> None:
        name = self._name(value)
        if not items:
            self._expect(f"not {name}")
            return
        self._expect(f"len({name}) == {len(items)}")
        if type(value) is list and len(items) <= _FEW:
            for index, item in enumerate(items):
                self._expect(f"{name}[{index}] is {self._name(item)}")
            return
        self._expect(f"all(map(is_, {name}, {self._name(items)}))")

    def _maps(self, value: Any) -> None:
        """A dictionary, or what a class shows of its own."""
        keys, items = tuple(value.keys()), tuple(value.values())
        if not keys or len(keys) > _FEW or any(type(key) is not str for key in keys):
            self._holds(value, keys)
            if keys:
                # A dictionary keeps a key when its value is replaced, so the order is the same.
                values = self._name(value.values())
                self._expect(f"all(map(is_, {values}, {self._name(items)}))")
            return
        name = self._name(value)
        self._expect(f"tuple({name}) == {self._name(keys)}")
        for key, item in zip(keys, items, strict=True):
            self._expect(f"{name}[{self._name(key)}] is {self._name(item)}")

    def _function(self, function: types.FunctionType) -> None:
        name = self._name(function)
        self._is(name, "__code__", function.__code__)
        self._is(name, "__defaults__", function.__defaults__)
        if function.__kwdefaults__ is not None or function.__code__.co_kwonlyargcount:
            self._is(name, "__kwdefaults__", function.__kwdefaults__)
        self._dictionary(name, function)
        for cell in function.__closure__ or ():
            self._cell(cell)
        wrapped = vars(function).get("__wrapped__")
        if isinstance(wrapped, types.FunctionType):
            self.note(wrapped)

    def _dictionary(self, name: str, value: Any) -> None:
        held = vars(value)
        if held:
            self._is(name, "__dict__", held)
            self.note(held)
        else:
            self._expect(f"not {name}.__dict__")

    def _cell(self, cell: types.CellType) -> None:
        if id(cell) in self._known:
            return
        self._known[id(cell)] = cell
        contents, name = _contents(cell), self._name(cell)
        if contents is MISSING:
            self._expect(f"{self._name(_is_empty)}({name})")
            return
        self._is(name, "cell_contents", contents)
        if isinstance(contents, types.FunctionType):  # within a library's, nobody visits it
            self.note(contents)

    def _class(self, cls: Any) -> None:
        if not cls.__flags__ & _HEAP or cls.__flags__ & _IMMUTABLE:
            return
        self._is(self._name(cls), "__bases__", cls.__bases__)
        self._maps(vars(cls))
        if "_abc_impl" in vars(cls):  # what is registered with it is held in C; there is a count
            counted: Any = vars(sys.modules["abc"])["get_cache_token"]
            self._expect(f"{self._name(counted)}() == {counted()}")
        for value in tuple(vars(cls).values()):
            parts = (getattr(value, part, None) for part in ("__func__", "fget", "fset", "fdel"))
            for part in (value, *parts):
                if isinstance(part, types.FunctionType):
                    self.note(part)

    def _array(self, value: Any) -> None:
        """An array by its bytes, and a record, which may be a view of one; a dtype by its names.

        Other scalars, and ufuncs, cannot change.
        """
        numpy: Any = sys.modules["numpy"]
        if isinstance(value, numpy.dtype):
            self._dtype(value)
        if not isinstance(value, (numpy.ndarray, numpy.void)):
            return
        name = self._name(value)
        self._is(name, "dtype", value.dtype)
        self.note(value.dtype)
        self._expect(f"{name}.shape == {self._name(value.shape)}")
        self._expect(f"{name}.strides == {self._name(value.strides)}")
        if isinstance(value, numpy.ndarray):
            self._expect(f"{name}.flags.num == {value.flags.num}")
        if value.dtype.hasobject:  # the key refuses it
            if value.dtype == object:
                self._expect(f"all(map(is_, {name}.flat, {self._name(tuple(value.flat))}))")
            return
        self._expect(f"{name}.tobytes() == {self._name(value.tobytes())}")

    def _dtype(self, dtype: Any) -> None:
        """The names of fields are all that can be written to."""
        if dtype.names is not None:
            self._expect(f"{self._name(dtype)}.names == {self._name(dtype.names)}")
            for kind, *_ in dtype.fields.values():
                self.note(kind)
        elif dtype.subdtype is not None:
            self.note(dtype.subdtype[0])

    def _numba(self, value: Any) -> None:
        name = self._name(value)
        for attribute in (*_OF_NUMBA, *_WITHIN_NUMBA):
            held = getattr(value, attribute, MISSING)
            if held is MISSING:
                continue
            self._is(name, attribute, held)
            if attribute == "_compiler":
                held, name_of_compiler = getattr(held, "pipeline_class", None), f"{name}._compiler"
                if held is not None:
                    self._is(name_of_compiler, "pipeline_class", held)
            elif attribute in _WITHIN_NUMBA or type(held) is dict:
                self.note(held)

    def _instance(self, value: Any) -> None:
        """Any other object: its class, its dictionary, its slots."""
        name = self._name(value)
        self._is(name, "__class__", type(value))
        if hasattr(value, "__dict__"):
            self._dictionary(name, value)
        for base in type(value).__mro__:
            if "__slots__" not in vars(base):  # what is written in C shows numbers as slots too
                continue
            for slot in vars(base).values():
                if isinstance(slot, types.MemberDescriptorType):
                    held = _in_slot(slot, value)
                    read = f"{self._name(_in_slot)}({self._name(slot)}, {name})"
                    self._expect(f"{read} is {self._name(held)}")

    def _standard(self, value: Any) -> None:
        """Containers that are written in C."""
        from emberkeep.keys.standard import BYTES, MAPPINGS, standard_name

        name = standard_name(value)
        if name == "deque":
            self._holds(value, tuple(value))
        elif name in MAPPINGS:
            self._maps(value)
            if name == "defaultdict":
                self._is(self._name(value), "default_factory", value.default_factory)
        elif name in BYTES:
            self._expect(f"{self._name(value)}.tobytes() == {self._name(value.tobytes())}")

    # Names --------------------------------------------------------------------------------------

    def _note_name(self, space: dict[str, Any], name: str, names: frozenset[str]) -> None:
        _, known = self._read.setdefault(id(space), (space, {}))
        if name in known:
            value = known[name]
        else:
            value = known[name] = _meaning(space, name)
        if isinstance(value, types.ModuleType):
            self._note_attributes(value, names)

    def _note_attributes(self, module: types.ModuleType, names: frozenset[str]) -> None:
        """Whatever of a module's names a function may read."""
        place = (id(module), names)
        if place in self._searched:
            return
        self._searched.add(place)
        space = vars(module)
        for name in names:
            if name in space:
                self._note_name(space, name, names)

    def _registrations(self) -> None:
        """What is registered with numba to be compiled in place of something: lists that grow."""
        if id(_OF_NUMBA) in self._known:
            return
        self._known[id(_OF_NUMBA)] = _OF_NUMBA
        self._space["modules"] = sys.modules
        if "numba" not in sys.modules:
            self._expect("'numba' not in modules")
            return
        from emberkeep.keys.numba_objects import registered_lists

        listed = list(registered_lists())
        absent = {module for module, held in listed if held is None}
        if "numba.cuda" not in sys.modules:
            absent = {"numba.cuda", *(name for name in absent if "cuda" not in name)}
        for module in sorted(absent):
            self._expect(f"{module!r} not in modules")
        for _, held in listed:
            if held is not None:
                self._expect(f"len({self._name(held)}) == {len(held)}")

    # Writing it out -----------------------------------------------------------------------------

    def _write_out(self) -> Callable[[], bool]:
        conditions = list(self._conditions)
        for space, names in self._read.values():
            conditions += self._in_namespace(space, names)
        text = (
            "def unchanged():\n"
            "    try:\n"
            f"        return {' and '.join(conditions) or 'True'}\n"
            f"    except {_GONE}:\n"
            "        return False\n"
        )
        exec(text, self._space)  # noqa: S102 - made of names and numbers of ours
        return self._space["unchanged"]

    def _in_namespace(self, space: dict[str, Any], names: dict[str, object]) -> Iterator[str]:
        """Names are read as the user's own code reads them: as globals, within that namespace."""
        plain = {name: value for name, value in names.items() if _is_plain(name, value)}
        for name in names.keys() - plain.keys():
            read = f"{self._name(_meaning)}({self._name(space)}, {name!r})"
            yield f"{read} is {self._name(names[name])}"
        if not plain:
            return
        listed = ", ".join(f"emberkeep_{index}" for index in range(len(plain)))
        same = " and ".join(f"{name} is emberkeep_{index}" for index, name in enumerate(plain))
        made: dict[str, Any] = {}
        exec(f"def same({listed}):\n    return {same}\n", made)  # noqa: S102 - names that code has
        values = tuple(plain.values())
        check = types.FunctionType(made["same"].__code__, space, "same", values)
        yield f"{self._name(check)}()"


def _is_plain(name: str, value: object) -> bool:
    """Whether Python's own reading of a global tells the same."""
    return (
        value is not MISSING
        and name.isidentifier()
        and name.isascii()
        and not keyword.iskeyword(name)
        and name != "__debug__"
    )


def _meaning(space: dict[str, Any], name: str) -> object:
    """What a global name means: there, or among what is built in."""
    value = space.get(name, MISSING)
    if value is not MISSING:
        return value
    built_in: Any = space.get("__builtins__", {})
    return (built_in if isinstance(built_in, dict) else vars(built_in)).get(name, MISSING)


def _contents(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def _is_empty(cell: types.CellType) -> bool:
    return _contents(cell) is MISSING


def _in_slot(slot: types.MemberDescriptorType, value: object) -> object:
    try:
        return slot.__get__(value)
    except AttributeError:
        return MISSING


def _is_numpy(value: object) -> bool:
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return False
    return isinstance(value, (numpy.generic, numpy.dtype, numpy.ndarray, numpy.ufunc))


@functools.lru_cache(maxsize=4096)
def _names_of(code: types.CodeType) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Of code and the code in it: all names, those that are read as globals, texts written out."""
    names, loaded = set(code.co_names), set(_loaded(code))
    texts = {constant for constant in code.co_consts if isinstance(constant, str)}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            within = _names_of(constant)
            names |= within[0]
            loaded |= within[1]
            texts |= within[2]
    return frozenset(names), frozenset(loaded), frozenset(texts)


def _loaded(code: types.CodeType) -> Iterator[str]:
    # The opcode's argument counts names doubly: its last bit says whether a call follows.
    load_global, argument = opcode.opmap["LOAD_GLOBAL"], 0
    steps = code.co_code
    for place in range(0, len(steps), 2):
        operation = steps[place]
        argument = argument << 8 | steps[place + 1]
        if operation == opcode.EXTENDED_ARG:
            continue
        if operation in _GLOBAL_LOADS:
            yield code.co_names[argument >> 1 if operation == load_global else argument]
        argument = 0
