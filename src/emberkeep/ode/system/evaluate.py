"""A program's values by NumPy: what its instructions mean, and what printed code is held to."""

# The fields of the tuples that a user's function is given are the user's own.
# pyright: reportUntypedNamedTuple=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import functools
import math
from collections import namedtuple
from typing import TYPE_CHECKING, Any

import numpy as np

from emberkeep.ode.system.program import COMPARISONS, USERS, External

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from emberkeep.ode.system.program import Program


def evaluate(
    program: Program,
    values: Sequence[int],
    names: Mapping[str, Any],
    functions: Mapping[str, Callable[..., Any]] | None = None,
) -> list[Any]:
    """What values of a program are.

    Args:
        program: the program.
        values: those that are wanted.
        names: numbers, or arrays of them, of all names that these need; their type is that in which
            is computed.
        functions: the user's, by name.
    """
    known: dict[int, Any] = {}
    with np.errstate(all="ignore"):
        for value in program.needed(values):
            operation, *rest = program.instructions[value]
            operands = [known[operand] for operand in program.operands(value)]
            known[value] = _instruction(str(operation), rest, operands, names, functions or {})
    return [known[value] for value in values]


def _instruction(
    operation: str,
    rest: Sequence[Any],
    operands: Sequence[Any],
    names: Mapping[str, Any],
    functions: Mapping[str, Callable[..., Any]],
) -> Any:
    if operation == "number":
        return np.float64(rest[0])
    if operation == "name":
        return np.asarray(names[rest[0]])[()]
    if operation == "item":
        return operands[0][rest[1]]
    if operation == "external":
        return called(rest[0], *operands)
    if operation == "call" and str(rest[0]).startswith(USERS):
        return functions[str(rest[0]).removeprefix(USERS)](*operands)
    meaning = MEANINGS[str(rest[0]) if operation == "call" else operation]
    return meaning(*operands)


def called(external: External, time: Any, *numbers: Any) -> Sequence[Any]:
    """The user's right-hand side, with its arguments as named tuples."""
    count = len(external.states)
    found: Any = external.function(
        time,
        record("States", external.states, numbers[:count]),
        record("Inputs", external.inputs, numbers[count:]),
    )
    return found


def record(name: str, fields: tuple[str, ...], values: Sequence[Any]) -> Any:
    """A named tuple, as the user's functions are given."""
    return _kind(name, fields)(*values)


@functools.cache
def _kind(name: str, fields: tuple[str, ...]) -> Any:
    return namedtuple(name, fields)  # noqa: PYI024 - its fields are the user's


def _of_mathematics(function: Callable[[float], float]) -> Callable[[Any], Any]:
    """A function that NumPy lacks, with C's values where Python has exceptions."""

    def one(x: float) -> float:
        try:
            return function(x)
        except OverflowError:  # of gamma, at zero from either side
            return math.copysign(math.inf, x) if function is math.gamma else math.inf
        except ValueError:  # a pole, or beyond where it is defined
            if function is math.lgamma:
                return math.inf
            return math.copysign(math.inf, x) if x == 0 else math.nan

    return np.vectorize(one, otypes=[float])


def _choose(condition: Any, then: Any, otherwise: Any) -> Any:
    chosen: Any = np.where(condition, then, otherwise)
    return chosen[()]


MEANINGS: dict[str, Callable[..., Any]] = {
    **COMPARISONS,
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "-x": np.negative,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
    "choose": _choose,
    **{name: getattr(np, name) for name in ("exp", "expm1", "log", "log1p", "log2", "log10")},
    **{name: getattr(np, name) for name in ("sqrt", "cbrt", "sin", "cos", "tan")},
    **{name: getattr(np, name) for name in ("sinh", "cosh", "tanh", "hypot", "fmod", "copysign")},
    **{name: getattr(np, name) for name in ("floor", "ceil", "trunc", "rint")},
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "abs": np.abs,
    "pow": np.power,
    "min": np.minimum,
    "max": np.maximum,
    "erf": _of_mathematics(math.erf),
    "erfc": _of_mathematics(math.erfc),
    "gamma": _of_mathematics(math.gamma),
    "lgamma": _of_mathematics(math.lgamma),
}
