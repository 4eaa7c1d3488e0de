"""Guards of a key: whether anything that it was made from has moved since.

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

import sys
import types

from emberkeep.keys.comparisons import MISSING, Comparisons, contents
from emberkeep.keys.names import names_of
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

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
_HEAP, _IMMUTABLE = 1 << 9, 1 << 8  # flags of classes: made while running; cannot be written to

# Of numba's objects: what decides about the code. Their dictionaries also hold what was compiled.
_OF_NUMBA = ("py_func", "targetoptions", "locals", "_can_compile", "_frozen")
_WITHIN_NUMBA = ("_dispatcher", "_pyfunc", "_defn", "gufunc_builder", "_compiler")


@final
class Watch:
    """What was noted of values, and whether it is still so.

    Attributes:
        unchanged: whether all that was noted is as it was. Written out when it is first called:
            most processes start warm and call once.
    """

    def __init__(self) -> None:
        self.unchanged: Callable[[], bool] = self._first
        self._same = Comparisons()
        self._known: dict[int, object] = {}  # held, so that no id is used again
        self._searched: set[tuple[int, frozenset[str]]] = set()

    def _first(self) -> bool:
        unchanged = self._same.write_out()
        self.unchanged = unchanged
        return unchanged()

    def note(self, value: Any) -> None:
        """Note what of a value can change where it is; before it is read."""
        kind: Any = type(value)
        if kind in _UNCHANGING or id(value) in self._known:
            return
        self._known[id(value)] = value
        if kind is list or kind is set:
            self._same.items_are(value, tuple(value))
        elif kind is dict:
            self._same.mapping_is(value)
        elif kind is bytearray:
            self._same.expect(f"{self._same.name(value)} == {self._same.name(bytes(value))}")
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
        named = names_of(function.__code__)
        names = named.used | named.texts
        space = function.__globals__
        for name in named.loaded:
            self._note_name(space, name, names)
        cells = [contents(cell) for cell in function.__closure__ or ()]
        imported = [sys.modules.get(name) for name in named.used]
        for module in (*cells, *imported):
            if isinstance(module, types.ModuleType):
                self._note_attributes(module, names)

    def meanings(self, value: object) -> tuple[object, ...]:
        """What a function's names and cells mean, and what a standard container holds.

        Nothing of other values.
        """
        if type(value).__module__ == "collections" and hasattr(value, "__dict__"):
            return tuple(vars(value).values())  # a ChainMap, UserDict or UserList
        if not isinstance(value, types.FunctionType):
            return ()
        self.note_names(value)
        names = names_of(value.__code__).used
        held = self._same.meanings(names)
        held += map(contents, value.__closure__ or ())
        return tuple(item for item in held if item is not MISSING)

    # The ways in which values change ------------------------------------------------------------

    def _function(self, function: types.FunctionType) -> None:
        name = self._same.name(function)
        self._same.attribute_is(name, "__code__", function.__code__)
        self._same.attribute_is(name, "__defaults__", function.__defaults__)
        if function.__kwdefaults__ is not None or function.__code__.co_kwonlyargcount:
            self._same.attribute_is(name, "__kwdefaults__", function.__kwdefaults__)
        self._dictionary(name, function)
        for cell in function.__closure__ or ():
            self._cell(cell)
        wrapped = vars(function).get("__wrapped__")
        if isinstance(wrapped, types.FunctionType):
            self.note(wrapped)

    def _dictionary(self, name: str, value: Any) -> None:
        held = vars(value)
        if held:
            self._same.attribute_is(name, "__dict__", held)
            self.note(held)
        else:
            self._same.expect(f"not {name}.__dict__")

    def _cell(self, cell: types.CellType) -> None:
        if id(cell) in self._known:
            return
        self._known[id(cell)] = cell
        held, name = contents(cell), self._same.name(cell)
        if held is MISSING:
            self._same.expect(f"{self._same.name(_is_empty)}({name})")
            return
        self._same.attribute_is(name, "cell_contents", held)
        if isinstance(held, types.FunctionType):  # within a library's, nobody visits it
            self.note(held)

    def _class(self, cls: Any) -> None:
        if not cls.__flags__ & _HEAP or cls.__flags__ & _IMMUTABLE:
            return
        self._same.attribute_is(self._same.name(cls), "__bases__", cls.__bases__)
        self._same.mapping_is(vars(cls))
        if "_abc_impl" in vars(cls):  # what is registered with it is held in C; there is a count
            counted: Any = vars(sys.modules["abc"])["get_cache_token"]
            self._same.expect(f"{self._same.name(counted)}() == {counted()}")
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
        name = self._same.name(value)
        self._same.attribute_is(name, "dtype", value.dtype)
        self.note(value.dtype)
        self._same.expect(f"{name}.shape == {self._same.name(value.shape)}")
        self._same.expect(f"{name}.strides == {self._same.name(value.strides)}")
        if isinstance(value, numpy.ndarray):
            self._same.expect(f"{name}.flags.num == {value.flags.num}")
        if value.dtype.hasobject:  # the key refuses it
            if value.dtype == object:
                self._same.expect(
                    f"all(map(is_, {name}.flat, {self._same.name(tuple(value.flat))}))"
                )
            return
        self._same.expect(f"{name}.tobytes() == {self._same.name(value.tobytes())}")

    def _dtype(self, dtype: Any) -> None:
        """The names of fields are all that can be written to."""
        if dtype.names is not None:
            self._same.expect(f"{self._same.name(dtype)}.names == {self._same.name(dtype.names)}")
            for kind, *_ in dtype.fields.values():
                self.note(kind)
        elif dtype.subdtype is not None:
            self.note(dtype.subdtype[0])

    def _numba(self, value: Any) -> None:
        name = self._same.name(value)
        for attribute in (*_OF_NUMBA, *_WITHIN_NUMBA):
            held = getattr(value, attribute, MISSING)
            if held is MISSING:
                continue
            self._same.attribute_is(name, attribute, held)
            if attribute == "_compiler":
                held, name_of_compiler = getattr(held, "pipeline_class", None), f"{name}._compiler"
                if held is not None:
                    self._same.attribute_is(name_of_compiler, "pipeline_class", held)
            elif attribute in _WITHIN_NUMBA or type(held) is dict:
                self.note(held)

    def _instance(self, value: Any) -> None:
        """Any other object: its class, its dictionary, its slots."""
        name = self._same.name(value)
        self._same.attribute_is(name, "__class__", type(value))
        if hasattr(value, "__dict__"):
            self._dictionary(name, value)
        for base in type(value).__mro__:
            if "__slots__" not in vars(base):  # what is written in C shows numbers as slots too
                continue
            for slot in vars(base).values():
                if isinstance(slot, types.MemberDescriptorType):
                    held = _in_slot(slot, value)
                    read = f"{self._same.name(_in_slot)}({self._same.name(slot)}, {name})"
                    self._same.expect(f"{read} is {self._same.name(held)}")

    def _standard(self, value: Any) -> None:
        """Containers that are written in C."""
        from emberkeep.keys.standard import BYTES, MAPPINGS, standard_name

        name = standard_name(value)
        if name == "deque":
            self._same.items_are(value, tuple(value))
        elif name in MAPPINGS:
            self._same.mapping_is(value)
            if name == "defaultdict":
                self._same.attribute_is(
                    self._same.name(value), "default_factory", value.default_factory
                )
        elif name in BYTES:
            self._same.expect(
                f"{self._same.name(value)}.tobytes() == {self._same.name(value.tobytes())}"
            )

    # Names --------------------------------------------------------------------------------------

    def _note_name(self, space: dict[str, Any], name: str, names: frozenset[str]) -> None:
        value = self._same.global_is(space, name)
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
        modules = self._same.name(sys.modules)
        if "numba" not in sys.modules:
            self._same.expect(f"'numba' not in {modules}")
            return
        from emberkeep.keys.numba_objects import registered_lists

        listed = list(registered_lists())
        absent = {module for module, held in listed if held is None}
        if "numba.cuda" not in sys.modules:
            absent = {"numba.cuda", *(name for name in absent if "cuda" not in name)}
        for module in sorted(absent):
            self._same.expect(f"{module!r} not in {modules}")
        for _, held in listed:
            if held is not None:
                self._same.expect(f"len({self._same.name(held)}) == {len(held)}")


def _is_empty(cell: types.CellType) -> bool:
    return contents(cell) is MISSING


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
