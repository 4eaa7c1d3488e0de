"""A user's function with everything it calls compiled by one target.

Kernels and the functions they call are plain Python: one source runs as Python, on the CPU and on
CUDA. A compiler wants its own objects in their place. So functions are copied, and in the copies
each name that leads to another plain function (or to a dispatcher of numba's, of either target)
leads to that function as this target compiles it. The user's own functions stay as they are.

Where a function is written makes no difference: one of an installed library is plain Python like
any other. Left alone is only what the compiler says that it has an implementation for, and what the
compiler itself is made of.
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

from emberkeep.errors import InvalidKernel
from emberkeep.keys.code import reached_attributes

# What a target makes of a function: (function, options written on its dispatcher) → compiled form.
Jit = Callable[[types.FunctionType, Mapping[str, Any]], Any]

# Whether a compiler has an implementation of a function: its own, or one that somebody registered.
Knows = Callable[[types.FunctionType], bool]

# Compilers are written in Python, too; their functions mean something to them.
_COMPILERS = frozenset({"numba", "llvmlite", "numba_cuda", "cuda"})

# Of a dispatcher: where or how it is kept and for whom, which the kernel around it decides.
_NOT_CARRIED = frozenset(
    {"cache", "device", "nopython", "nogil", "parallel", "target", "link", "opt", "debug"}
)


@final
class Adapter:
    """Makes copies for one compilation; each function is compiled once in it.

    Args:
        jit: what compiles a function that is called from another.
        knows: which functions the compiler has an implementation for.
    """

    def __init__(self, jit: Jit, knows: Knows) -> None:
        self._jit, self._knows = jit, knows
        self._made: dict[int, Any] = {}
        self._open: list[types.ModuleType] = []  # that are being looked into
        self._originals: list[object] = []  # so that no id is used again while we go by them

    def adapt(self, function: types.FunctionType) -> types.FunctionType:
        """A copy of `function` whose callees are compiled by the target."""
        copy = _copy(function)
        self._fill(copy, function)
        return copy

    def _fill(self, copy: types.FunctionType, function: types.FunctionType) -> None:
        for name in _names(function.__code__):
            if name in copy.__globals__:
                copy.__globals__[name] = self._value(copy.__globals__[name], function.__code__)
        pairs = zip(copy.__closure__ or (), function.__closure__ or (), strict=True)
        for cell, original in pairs:
            try:
                cell.cell_contents = self._value(original.cell_contents, function.__code__)
            except ValueError:  # not assigned yet; numba says which name
                continue

    def _value(self, value: Any, code: types.CodeType) -> Any:
        """What stands for a value in the copies."""
        function, options = self._callee(value)
        if function is not None:
            return self._compiled(value, function, options)
        if type(value) is tuple:
            return tuple([self._value(item, code) for item in value])
        if isinstance(value, types.ModuleType) and not _is_compilers(value.__name__):
            return self._module(value, code)
        return value

    def _callee(self, value: Any) -> tuple[types.FunctionType | None, Mapping[str, Any]]:
        """The function behind a value that is to be compiled, and the options it has."""
        if isinstance(value, types.FunctionType):
            if _is_compilers(str(value.__globals__.get("__name__"))) or self._knows(value):
                return None, {}
            return value, {}
        options = getattr(value, "targetoptions", None)
        function = getattr(value, "py_func", None)
        if isinstance(options, dict) and isinstance(function, types.FunctionType):
            carried = {name: item for name, item in options.items() if name not in _NOT_CARRIED}
            return function, carried
        return None, {}

    def _compiled(
        self, value: object, function: types.FunctionType, options: Mapping[str, Any]
    ) -> Any:
        if id(value) not in self._made:
            self._originals.append(value)
            copy = _copy(function)
            # Known before its callees are looked at: it may call itself.
            self._made[id(value)] = self._jit(copy, options)
            self._fill(copy, function)
        return self._made[id(value)]

    def _module(self, module: types.ModuleType, code: types.CodeType) -> types.ModuleType:
        """A module with the functions that this code reads from it compiled.

        The module itself, where there are none: compilers know some modules by what they are.
        """
        if module in self._open:  # modules hold each other; nobody reads `a.b.a.f`
            return module
        held = vars(module)
        read = {name: held[name] for name in reached_attributes(code) if name in held}
        self._open.append(module)
        changed = {name: self._value(value, code) for name, value in read.items()}
        self._open.pop()
        if all(changed[name] is read[name] for name in read):
            return module
        copy = types.ModuleType(module.__name__)
        copy.__dict__.update({**held, **changed})
        return copy


def _is_compilers(module_name: str) -> bool:
    return module_name.partition(".")[0] in _COMPILERS


def _copy(function: types.FunctionType) -> types.FunctionType:
    """The same function with names and cells of its own; the cells are still empty."""
    copy = types.FunctionType(
        function.__code__,
        dict(function.__globals__),
        function.__name__,
        function.__defaults__,
        tuple(types.CellType() for _ in function.__closure__ or ()),
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__qualname__ = function.__qualname__
    copy.__module__ = function.__module__
    return copy


def _names(code: types.CodeType) -> set[str]:
    """Names that code may read as globals, in the functions and comprehensions within it too."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return names


def refuse_results(name: str, returned: Iterable[str]) -> None:
    """Refuse a kernel that returns something: nobody would get it.

    Raises:
        InvalidKernel: says what it returns.
    """
    for result in returned:
        if result != "none":
            raise InvalidKernel(
                f"The kernel {name!r} returns {result}. A kernel returns nothing: write results "
                "into an array argument"
            )
