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
# pyright: reportUnknownArgumentType=false, reportPrivateUsage=false
# ruff: noqa: SLF001 - numba shows nowhere else what its ufuncs were made of

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

from emberkeep.errors import InvalidKernel
from emberkeep.keys.names import names_of
from emberkeep.keys.origin import said

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
@dataclass(frozen=True)
class Callee:
    """A value that is to be compiled with what calls it.

    Attributes:
        function: the plain function behind it.
        make: what stands for it, of a copy of that function which is not complete yet.
        finish: called with what stands for it, once the copy is complete.
    """

    function: Any  # pyright takes a function in a class for a method
    make: Callable[[types.FunctionType], Any]
    finish: Callable[[Any], None] = lambda made: None  # noqa: ARG005 - mostly nothing is left to do


def compiled_by(jit: Jit, knows: Knows) -> Callable[[Any], Callee | None]:
    """What a target compiles: plain functions, and those behind dispatchers and ufuncs.

    Args:
        jit: what compiles a function that is called from another.
        knows: which functions the compiler has an implementation for.
    """

    def callee(value: Any) -> Callee | None:
        if isinstance(value, types.FunctionType):
            if _is_compilers(str(value.__globals__.get("__name__"))) or knows(value):
                return None
            return Callee(value, lambda copy: jit(copy, {}))
        options, function = said(value, "targetoptions"), said(value, "py_func")
        if isinstance(options, dict) and isinstance(function, types.FunctionType):
            carried = {name: item for name, item in options.items() if name not in _NOT_CARRIED}
            return Callee(function, lambda copy: jit(copy, carried))
        return renewed_ufunc(value)

    return callee


def renewed_ufunc(value: Any) -> Callee | None:
    """A ufunc of `@vectorize` or `@guvectorize`, to be made anew; None for any other value.

    What it has compiled holds the globals and callees of that time.
    """
    kind = type(value)
    if kind.__module__ == "numba.np.ufunc.dufunc" and kind.__name__ == "DUFunc":
        inner, options = value._dispatcher, dict(value.targetoptions)
        options = {name: item for name, item in options.items() if name != "nopython"}
        declared = [overload.signature for overload in inner.overloads.values()]
        identity = value.identity
        return Callee(
            inner.py_func,
            lambda copy: kind(copy, identity=identity, targetoptions=dict(options)),
            lambda made: _declare(made, declared) if value._frozen else None,
        )
    if kind.__module__ == "numba.np.ufunc.gufunc" and kind.__name__ == "GUFunc":
        states = value._reduce_states()
        signatures, frozen = states.pop("typesigs"), states.pop("frozen")
        function = states.pop("py_func")

        def finish(made: Any) -> None:
            for signature in signatures if frozen else ():
                made.add(signature)
            made.build_ufunc()
            made._frozen = frozen

        return Callee(function, lambda copy: kind(copy, **states), finish)
    return None


def _declare(made: Any, signatures: Iterable[Any]) -> None:
    for signature in signatures:
        made.add(signature)
    made.disable_compile()


@final
class Adapter:
    """Makes copies for one compilation; each function is compiled once in it.

    Args:
        callee: says of a value whether it is to be compiled, and how.
    """

    def __init__(self, callee: Callable[[Any], Callee | None]) -> None:
        self._callee = callee
        self._made: dict[int, Any] = {}
        self._open: list[types.ModuleType] = []  # that are being looked into
        self._originals: list[object] = []  # so that no id is used again while we go by them

    def adapt(self, function: types.FunctionType) -> types.FunctionType:
        """A copy of `function` whose callees are compiled by the target."""
        copy = _copy(function)
        self._fill(copy, function)
        return copy

    def _fill(self, copy: types.FunctionType, function: types.FunctionType) -> None:
        for name in names_of(function.__code__).used:
            if name in copy.__globals__:
                copy.__globals__[name] = self._value(copy.__globals__[name], function.__code__)
        pairs = zip(copy.__closure__ or (), function.__closure__ or (), strict=True)
        for cell, original in pairs:
            try:
                cell.cell_contents = self._value(original.cell_contents, function.__code__)
            except ValueError:  # not assigned yet; numba says which name
                continue

    def stand_in(self, value: Any) -> Any:
        """What stands for a callee in the copies."""
        return self._value(value, None)

    def _value(self, value: Any, code: types.CodeType | None) -> Any:
        """What stands for a value in the copies."""
        callee = self._callee(value)
        if callee is not None:
            return self._compiled(value, callee)
        if isinstance(value, tuple):
            items = [self._value(item, code) for item in value]
            if all(item is before for item, before in zip(items, value, strict=True)):
                return value
            kind: Any = type(value)
            return kind._make(items) if hasattr(kind, "_make") else tuple(items)
        if (
            code is not None
            and isinstance(value, types.ModuleType)
            and not _is_compilers(value.__name__)
        ):
            return self._module(value, code)
        return value

    def _compiled(self, value: object, callee: Callee) -> Any:
        if id(value) not in self._made:
            self._originals.append(value)
            copy = _copy(callee.function)
            # Known before its callees are looked at: it may call itself.
            made = self._made[id(value)] = callee.make(copy)
            self._fill(copy, callee.function)
            callee.finish(made)
        return self._made[id(value)]

    def _module(self, module: types.ModuleType, code: types.CodeType) -> types.ModuleType:
        """A module with the functions that this code reads from it compiled.

        The module itself, where there are none: compilers know some modules by what they are.
        """
        if module in self._open:  # modules hold each other; nobody reads `a.b.a.f`
            return module
        held = vars(module)
        read = {name: held[name] for name in names_of(code).used if name in held}
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
