"""Functions of the user's that equations call: each is compiled by itself, and linked in.

They take numbers of double precision, and write their results to memory: so they are called in the
same way by all printers, whatever they return in Python.
"""

# The fields of the tuples that a user's function is given are the user's own.
# pyright: reportUntypedNamedTuple=false, reportUnknownArgumentType=false

from __future__ import annotations

import functools
import types
from collections import namedtuple
from typing import TYPE_CHECKING, Any

from emberkeep.ode.system.program import USERS, External
from emberkeep.targets.protocol import UserFunction, function_from

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from emberkeep.ode.system.program import Program

# Liberties that change no result by more than rounding, and leave not-a-number alone: it is what
# tells a failed trajectory from a good one. "afn" lets exp, log, sin, cos and pow be vectors.
LIBERTIES = ("afn", "arcp", "contract", "nsz")

# How symbols begin, so that they are no words of a target's language: what gives a number, and what
# gives all derivatives.
FUNCTION, EQUATIONS = "user_", "equations_"


def symbols_of(program: Program) -> dict[object, str]:
    """What each function of the user's is called in code, by what programs call it."""
    symbols: dict[object, str] = {}
    externals = 0
    for operation, *rest in program.instructions:
        if operation == "call" and str(rest[0]).startswith(USERS):
            symbols[rest[0]] = f"{FUNCTION}{str(rest[0]).removeprefix(USERS)}"
        elif operation == "external" and rest[0] not in symbols:
            externals += 1
            symbols[rest[0]] = f"{EQUATIONS}{externals}"
    return symbols


def user_functions(
    functions: Mapping[str, Callable[..., float]],
    program: Program,
    called: Sequence[str],
    *,
    has_vectors: bool,
) -> list[UserFunction]:
    """What is to be compiled beside the kernel.

    Args:
        functions: that equations call, by name.
        program: the system's.
        called: symbols that the kernel calls.
        has_vectors: whether functions of mathematics have forms for vectors on the target.
    """
    liberties = LIBERTIES if has_vectors else tuple(x for x in LIBERTIES if x != "afn")
    found: dict[str, UserFunction] = {}
    symbols = symbols_of(program)
    for operation, *rest in program.instructions:
        symbol = symbols.get(rest[0]) if operation in ("call", "external") else None
        if symbol is None or symbol not in called or symbol in found:
            continue
        external = rest[0]
        if isinstance(external, External):
            found[symbol] = _of_external(symbol, external, liberties)
        else:
            function = functions[str(external).removeprefix(USERS)]
            found[symbol] = _of_numbers(symbol, function, len(rest) - 1, liberties)
    return [found[symbol] for symbol in sorted(found)]


def _of_numbers(
    symbol: str, function: Callable[..., float], count: int, liberties: tuple[str, ...]
) -> UserFunction:
    names = [f"x{index}" for index in range(count)]
    around, written = _around(symbol, function, names, names, ["y"], {})
    return UserFunction(symbol, around, written, count, 1, liberties)


def _of_external(symbol: str, external: External, liberties: tuple[str, ...]) -> UserFunction:
    """A right-hand side, which is given tuples whose fields are the user's names."""
    states = [f"y{index}" for index in range(len(external.states))]
    inputs = [f"p{index}" for index in range(len(external.inputs))]
    space = {
        "States": namedtuple("States", external.states),  # noqa: PYI024 - its fields are the user's
        "Inputs": namedtuple("Inputs", external.inputs),  # noqa: PYI024 - likewise
    }
    given = ["t", f"States({', '.join(states)})", f"Inputs({', '.join(inputs)})"]
    slopes = [f"slope{index}" for index in range(len(states))]
    names = ["t", *states, *inputs]
    around, written = _around(symbol, external.function, names, given, slopes, space)
    return UserFunction(symbol, around, written, len(names), len(slopes), liberties)


def _around(
    symbol: str,
    function: Any,
    names: Sequence[str],
    given: Sequence[str],
    results: Sequence[str],
    space: dict[str, Any],
) -> tuple[types.FunctionType, types.FunctionType]:
    """The function around the user's, which takes numbers and memory; the user's own."""
    bound: list[Any] = []
    options: dict[str, Any] = {}
    while type(function) is functools.partial:  # compilers know none
        bound, options = [*function.args, *bound], {**function.keywords, **options}
        function = function.func
    space = {**space, "function": function}
    space.update({f"bound{index}": value for index, value in enumerate(bound)})
    space.update({f"option_{name}": value for name, value in options.items()})
    passed = [
        *(f"bound{index}" for index in range(len(bound))),
        *given,
        *(f"{name}=option_{name}" for name in options),
    ]
    is_tuple = "," if symbol.startswith(EQUATIONS) else ""
    lines = [
        f"def {symbol}({', '.join([*names, 'results'])}):",
        f"{', '.join(results)}{is_tuple} = function({', '.join(passed)})",
        *(f"results[{index}] = {result}" for index, result in enumerate(results)),
    ]
    around = function_from("\n    ".join(lines) + "\n", symbol, space)
    plain = getattr(function, "py_func", function)  # behind a dispatcher of numba's
    return around, plain if isinstance(plain, types.FunctionType) else around
