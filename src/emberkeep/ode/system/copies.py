"""Copies of a function and of what it reaches, to be run once on symbols.

In a copy, functions of `math` take symbols too, and what could be changed is a copy as well. What a
function reaches must be all that its key says of it: whatever else it could ask, such as files, the
clock, the environment or chance, is refused.
"""

# What is copied may be anything.
# pyright: basic

from __future__ import annotations

import builtins
import dis
import enum
import functools
import types
from typing import TYPE_CHECKING, Any, final

import numpy as np

from emberkeep.keys.origin import is_of_user
from emberkeep.ode.system.arrays import ARRAYS
from emberkeep.ode.system.symbol import MATH, PYTHONS

if TYPE_CHECKING:
    from emberkeep.ode.system.symbol import Followed

_WRITES = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL", "STORE_ATTR", "DELETE_ATTR"})

# Libraries whose functions depend on their arguments alone, and what in them does not.
_PURE = frozenset(
    {"math", "cmath", "numpy", "operator", "functools", "itertools", "collections", "typing"}
    | {"dataclasses", "enum", "fractions", "numbers", "abc", "scipy.special", "scipy.constants"}
    | {"_operator", "_functools", "_collections", "builtins", "__future__"}
)
_IMPURE = ("numpy.random", "numpy.lib._npyio_impl", "numpy.ctypeslib", "numpy.testing")
_IMPURE_IN_NUMPY = frozenset(
    {"load", "loadtxt", "genfromtxt", "fromfile", "fromregex", "memmap", "save", "savetxt", "savez"}
    | {"savez_compressed", "frombuffer", "empty", "empty_like", "ndarray", "seterr", "geterr"}
)
_BUILTINS = frozenset(
    {"abs", "all", "any", "bool", "bytes", "callable", "complex", "dict", "divmod", "enumerate"}
    | {"filter", "float", "frozenset", "getattr", "hasattr", "int", "isinstance", "issubclass"}
    | {"iter", "len", "list", "map", "max", "min", "next", "object", "pow", "range", "repr"}
    | {"reversed", "round", "set", "slice", "sorted", "str", "sum", "super", "tuple", "type", "zip"}
    | {"Ellipsis", "False", "None", "NotImplemented", "True", "__debug__"}
)
_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...), range, slice, np.generic)
_PLAIN += (np.ufunc, np.dtype, enum.Enum)
_NUMPYS = (types.BuiltinFunctionType, types.FunctionType, np.ufunc, type(np.where))
_CONTAINERS = (list, dict, tuple, set, frozenset, str, np.ndarray)


@final
class Copies:
    """Copies, each made once.

    Args:
        followed: is told what is refused.
    """

    def __init__(self, followed: Followed) -> None:
        self._followed = followed
        self._made: dict[int, tuple[Any, Any]] = {}  # and the original, so that it lives on
        self._builtins = {
            name: item if self._is_builtin(name, item) else Refused(followed, name)
            for name, item in vars(builtins).items()
        } | {**PYTHONS, "__import__": self._import}

    @staticmethod
    def _is_builtin(name: str, item: object) -> bool:
        is_error = isinstance(item, type) and issubclass(item, BaseException)
        return name in _BUILTINS or is_error

    def of(self, value: Any) -> Any:
        """A copy, or the value itself where it never changes."""
        if id(value) not in self._made:
            self._made[id(value)] = (value, value)  # for what refers to itself
            self._made[id(value)] = (value, self._copy(value))
        return self._made[id(value)][1]

    def _copy(self, value: Any) -> Any:
        if _is_array_function(value):
            return ARRAYS[value]
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, functools.partial):
            options = {name: self.of(item) for name, item in value.keywords.items()}
            return functools.partial(self.of(value.func), *map(self.of, value.args), **options)
        if isinstance(value, types.MethodType):
            return types.MethodType(self.of(value.__func__), self.of(value.__self__))
        if isinstance(getattr(value, "py_func", None), types.FunctionType):
            return self.of(value.py_func)  # numba's dispatchers are the function that they compile
        if isinstance(value, types.ModuleType):
            return self._module(value)
        if isinstance(value, types.FunctionType) and is_of_user(value):
            return self._function(value)
        if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
            return self._callable(value)
        return self._data(value)

    def _refused(self, value: Any) -> Refused:
        name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
        return Refused(self._followed, name or f"an object of {type(value).__qualname__}")

    def _module(self, module: types.ModuleType) -> Any:
        followed = _is_pure(module.__name__) or is_of_user(module)
        return _View(module, self) if followed else self._refused(module)

    def _callable(self, value: Any) -> Any:
        """A class, or a function that is not the user's."""
        owner = getattr(value, "__self__", None)
        if isinstance(value, types.BuiltinFunctionType):
            if value in MATH:
                return MATH[value]
            if owner is not None and not isinstance(owner, types.ModuleType):
                return value if type(owner) in _CONTAINERS else self._refused(value)
        if isinstance(value, type) and is_of_user(value):
            known = issubclass(value, tuple | enum.Enum | BaseException)
            return value if known else self._refused(value)
        module = str(getattr(value, "__module__", None) or getattr(owner, "__name__", ""))
        name = value.__name__
        if module == "builtins":
            return value if self._is_builtin(name, value) else self._refused(value)
        in_numpy = module.partition(".")[0] == "numpy" and name in _IMPURE_IN_NUMPY
        is_array = value is np.ndarray  # to ask whether something is one
        return value if _is_pure(module) and (is_array or not in_numpy) else self._refused(value)

    def _function(self, function: types.FunctionType) -> Any:
        code = function.__code__
        problem = _problem(code)
        if problem:
            return Refused(self._followed, function.__qualname__, problem)
        space: dict[str, Any] = {"__builtins__": self._builtins, "__name__": function.__module__}
        cells = [types.CellType() for _ in function.__closure__ or ()]
        copy = types.FunctionType(code, space, function.__name__, None, (*cells,))
        self._made[id(function)] = (function, copy)
        for cell, original in zip(cells, function.__closure__ or (), strict=True):
            try:
                cell.cell_contents = self.of(original.cell_contents)
            except ValueError:  # nothing is in it yet
                continue
        copy.__defaults__ = self.of(function.__defaults__)
        copy.__kwdefaults__ = self.of(function.__kwdefaults__)
        names = function.__globals__
        for name in _names(code):
            if name in names:
                space[name] = self.of(names[name])
        return copy

    def _data(self, value: Any) -> Any:
        if type(value) in (list, tuple, set, frozenset):
            return type(value)(map(self.of, value))
        if type(value) is dict:
            return {key: self.of(item) for key, item in value.items()}
        if isinstance(value, np.ndarray):
            return value.copy()
        kind = type(value)
        if isinstance(value, tuple) and hasattr(kind, "_make"):
            return kind._make(map(self.of, value))
        if is_of_user(kind):
            return self._instance(value)
        in_numpy = getattr(value, "__name__", "") in _IMPURE_IN_NUMPY
        return value if _is_pure(kind.__module__) and not in_numpy else self._refused(value)

    def _instance(self, value: Any) -> Any:
        """An object of a class in Python, with copies of its methods and attributes."""
        kind = type(value)
        is_plain = kind.__new__ is object.__new__ and type(kind) is type
        bases = [base for base in kind.__mro__ if base is not object]
        if not is_plain or not hasattr(value, "__dict__") or not all(map(is_of_user, bases)):
            return self._refused(value)
        space = {
            name: self._attribute(item)
            for base in reversed(bases)
            for name, item in vars(base).items()
            if not isinstance(item, types.GetSetDescriptorType)
            and (not name.startswith("__") or isinstance(item, types.FunctionType))
        }
        copy = object.__new__(type(kind.__name__, (kind,), space))
        self._made[id(value)] = (value, copy)
        vars(copy).update({name: self.of(item) for name, item in vars(value).items()})
        return copy

    def _attribute(self, item: Any) -> Any:
        if isinstance(item, property):
            return property(self.of(item.fget))
        if isinstance(item, staticmethod | classmethod):
            return type(item)(self.of(item.__func__))
        return self.of(item)

    def _import(self, *arguments: Any, **options: Any) -> Any:
        return self.of(__import__(*arguments, **options))


@final
class Refused:
    """What a function must not reach while it is followed."""

    def __init__(self, followed: Followed, name: str, problem: str = "") -> None:
        self._followed, self._name, self._problem = followed, name, problem

    def __call__(self, *_: Any, **__: Any) -> Any:
        """Refuse."""
        reason = f"it uses {self._name}, and what that gives may change"
        raise self._followed.refuse(self._problem or reason)

    def __getattr__(self, _: str) -> Any:
        return self()


class _View:
    """A module, of whose functions copies are called."""

    def __init__(self, module: types.ModuleType, copies: Copies) -> None:
        self._module, self._copies = module, copies

    def __getattr__(self, name: str) -> Any:
        return self._copies.of(getattr(self._module, name))


def _is_array_function(value: Any) -> bool:
    return type(value) in _NUMPYS and value in ARRAYS


def _is_pure(module: str) -> bool:
    if any(module == impure or module.startswith(f"{impure}.") for impure in _IMPURE):
        return False
    return bool({module, module.partition(".")[0], ".".join(module.split(".")[:2])} & _PURE)


def _codes(code: types.CodeType) -> list[types.CodeType]:
    """Of a function, and of those within it."""
    inner = [item for item in code.co_consts if isinstance(item, types.CodeType)]
    return [code, *(each for item in inner for each in _codes(item))]


def _names(code: types.CodeType) -> set[str]:
    return {name for each in _codes(code) for name in each.co_names}


def _problem(code: types.CodeType) -> str:
    """Why running a function once, on symbols, would be something else than running it."""
    for each in _codes(code):
        steps = [*dis.get_instructions(each)]
        for step in steps:
            is_outer = step.opname == "STORE_DEREF" and step.argval in code.co_freevars
            if is_outer or step.opname in _WRITES:
                return f"it changes {step.argval!r}, which lives on between calls"
        names = [step.opname for step in steps]
        # Symbols raise no errors. Of `with`, what ends it early is a handler too.
        if names.count("PUSH_EXC_INFO") > names.count("WITH_EXCEPT_START"):
            return "it catches errors, which numbers that are not known yet do not raise"
    return ""
