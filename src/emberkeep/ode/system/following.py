"""Python functions as programs: run once on symbols, and believed only where both agree.

A function is run as a copy of itself, in which functions of `math` take symbols too, and whatever
it could change is a copy. The program is then compared with the function at random numbers:
what does not agree, what differs from run to run, and what cannot be followed is not.
"""

# What is followed may be anything.
# pyright: basic

from __future__ import annotations

import builtins
import dis
import functools
import math
import types
from typing import TYPE_CHECKING, Any

import numpy as np

from emberkeep.keys.origin import is_of_user
from emberkeep.ode.system.evaluate import evaluate
from emberkeep.ode.system.program import Program
from emberkeep.ode.system.symbol import MATH, PYTHONS, Followed, NotFollowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Arrange = Callable[[Sequence[Any]], tuple[Any, ...]]
    Collect = Callable[[Any], Sequence[Any]]

POINTS, ENOUGH = 24, 3  # where it is compared; how many of these the function must be defined at
AGREE = 1e-7  # relative; powers are products in one of the two, and differences cancel


def follow(
    function: Callable[..., Any],
    program: Program,
    operands: Sequence[int],
    defaults: Sequence[float],
    *,
    arrange: Arrange,
    collect: Collect,
) -> tuple[int, ...] | str:
    """The values of a function in a program, or why it cannot be followed.

    Args:
        function: the user's.
        program: gets its instructions.
        operands: what it is given, in the program.
        defaults: numbers in place of these that are likely to make sense.
        arrange: operands as the function's arguments.
        collect: the function's result as a sequence of numbers.
    """
    names = [f"operand {index}" for index in range(len(operands))]
    trials: list[tuple[Program, tuple[int, ...]]] = []
    for _ in range(2):
        trial = Program()
        given = [trial.name(name) for name in names]
        found = _run(function, trial, given, arrange, collect)
        if isinstance(found, str):
            return found
        trials.append((trial, found))
    (first, values), (second, others) = trials
    if first.instructions != second.instructions or values != others:
        return "it does something else each time it is called"
    problem = _compare(
        function, first, values, dict(zip(names, defaults, strict=True)), arrange, collect
    )
    return problem or _run(function, program, operands, arrange, collect)


def _run(
    function: Callable[..., Any],
    program: Program,
    operands: Sequence[int],
    arrange: Arrange,
    collect: Collect,
) -> tuple[int, ...] | str:
    followed = Followed(program)
    try:
        copy = _Copies(followed).of(function)
        arguments = arrange([followed.symbol(operand) for operand in operands])
        values = [followed.number(item) for item in collect(copy(*arguments))]
    except NotFollowed as problem:
        return followed.problem or str(problem)
    except Exception as problem:  # noqa: BLE001 - what a symbol does to code that expects numbers
        return followed.problem or f"{type(problem).__name__}: {problem}"
    if followed.problem:  # and was caught
        return followed.problem
    found = [value for value in values if value is not None]
    return (*found,) if len(found) == len(values) else "it returns something other than numbers"


# Comparing ----------------------------------------------------------------------------------------


def _compare(
    function: Callable[..., Any],
    program: Program,
    values: Sequence[int],
    defaults: dict[str, float],
    arrange: Arrange,
    collect: Collect,
) -> str:
    """Why a program is not what the function does; empty where they agree."""
    given: list[list[float]] = []
    expected: list[list[float]] = []
    for numbers in _points([*defaults.values()]):
        try:
            with np.errstate(all="ignore"):
                found = [*collect(function(*arrange(numbers)))]
        except (ArithmeticError, ValueError):
            continue
        except Exception as problem:  # noqa: BLE001 - whatever the user's code raises
            return f"{type(problem).__name__}: {problem}"
        if not any(isinstance(item, complex) for item in found):  # as roots of negative numbers
            given.append(numbers)
            expected.append([float(item) for item in found])
    if len(given) < ENOUGH:
        return "it is defined at too few numbers to be compared"
    columns = dict(zip(defaults, np.transpose(given), strict=True))
    for index, found in enumerate(evaluate(program, values, columns)):
        for one, row in zip(np.broadcast_to(found, len(given)), expected, strict=True):
            if not _agree(float(one), row[index]):
                return f"as formulas it gives {float(one)!r} where it gives {row[index]!r}"
    return ""


def _agree(one: float, other: float) -> bool:
    if not (math.isfinite(one) and math.isfinite(other)):
        return one == other or (one != one and other != other)  # noqa: PLR0124 - not-a-number
    return abs(one - other) <= AGREE * max(abs(one), abs(other), 1e-12)


def _points(defaults: Sequence[float]) -> list[list[float]]:
    """Numbers at and near the defaults, small and large ones, of either sign."""
    draw = _drawn().__next__
    points = [[*defaults]]
    for turn in range(POINTS - 1):
        kind = turn % 4
        if kind == 0:
            points.append([number * (0.5 + 1.5 * draw()) + 0.5 * draw() for number in defaults])
        elif kind == 1:
            points.append([0.05 + 3 * draw() for _ in defaults])
        elif kind == 2:  # noqa: PLR2004 - the third
            points.append([4 * draw() - 2 for _ in defaults])
        else:
            points.append([10 ** (6 * draw() - 3) * (-1 if draw() < 0.3 else 1) for _ in defaults])  # noqa: PLR2004
    return points


def _drawn() -> Iterator[float]:
    """Numbers from 0 to 1, the same ones each time; `numpy.random` takes long to import."""
    state = 18
    while True:
        state = (6364136223846793005 * state + 1442695040888963407) % 2**64
        yield state / 2**64


# Copies -------------------------------------------------------------------------------------------

_WRITES = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL", "STORE_ATTR", "DELETE_ATTR"})


class _Copies:
    """Copies of functions and of what they reach, each made once."""

    def __init__(self, followed: Followed) -> None:
        self._followed = followed
        self._made: dict[int, tuple[Any, Any]] = {}  # and the original, so that it lives on
        self._builtins = {**vars(builtins), **PYTHONS, "__import__": self._import}

    def of(self, value: Any) -> Any:
        """A copy, or the value itself where it is neither followed nor changed."""
        if id(value) not in self._made:
            self._made[id(value)] = (value, value)  # for what refers to itself
            self._made[id(value)] = (value, self._copy(value))
        return self._made[id(value)][1]

    def _copy(self, value: Any) -> Any:
        if isinstance(value, types.BuiltinFunctionType):
            return MATH.get(value, value)
        if isinstance(value, types.FunctionType):
            return self._function(value) if is_of_user(value) else value
        if isinstance(value, types.ModuleType):
            return _View(value, self) if value is math or is_of_user(value) else value
        if isinstance(value, functools.partial):
            options = {name: self.of(item) for name, item in value.keywords.items()}
            return functools.partial(self.of(value.func), *map(self.of, value.args), **options)
        if isinstance(value, types.MethodType):
            return types.MethodType(self.of(value.__func__), self.of(value.__self__))
        if isinstance(getattr(value, "py_func", None), types.FunctionType):
            return self.of(value.py_func)  # numba's dispatchers are the function that they compile
        return self._data(value)

    def _function(self, function: types.FunctionType) -> Any:
        code = function.__code__
        problem = _problem(code)
        if problem:
            return self._refusing(problem)
        space: dict[str, Any] = {
            "__builtins__": self._builtins,
            "__name__": function.__module__,
        }
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
        if type(value) in (list, tuple, set):
            return type(value)(map(self.of, value))
        if type(value) is dict:
            return {key: self.of(item) for key, item in value.items()}
        if isinstance(value, np.ndarray):
            return value.copy()
        return self._instance(value)

    def _instance(self, value: Any) -> Any:
        """An object of a class in Python, with copies of its methods and attributes."""
        kind = type(value)
        plain = kind.__new__ is object.__new__ and type(kind) is type and hasattr(value, "__dict__")
        if not plain or not is_of_user(kind):
            return value
        methods = {
            name: self.of(item)
            for base in reversed(kind.__mro__)
            for name, item in vars(base).items()
            if isinstance(item, types.FunctionType) and name != "__init__"
        }
        copy = object.__new__(type(kind.__name__, (kind,), methods))
        self._made[id(value)] = (value, copy)
        vars(copy).update({name: self.of(item) for name, item in vars(value).items()})
        return copy

    def _refusing(self, problem: str) -> Callable[..., Any]:
        def refuse(*_: Any, **__: Any) -> Any:
            raise self._followed.refuse(problem)

        return refuse

    def _import(self, *arguments: Any, **options: Any) -> Any:
        return self.of(__import__(*arguments, **options))


class _View:
    """A module, of whose functions copies are called."""

    def __init__(self, module: types.ModuleType, copies: _Copies) -> None:
        self._module, self._copies = module, copies

    def __getattr__(self, name: str) -> Any:
        return self._copies.of(getattr(self._module, name))


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
