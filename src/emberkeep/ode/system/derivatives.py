"""Derivatives of a program's values, as further values of the same program.

Forward: what depends on a name gets a slope, in the order of the instructions; what does not has
none, so that zeros are left out by construction. Where a function has a corner, the derivative is
one of its slopes: 0 for ``abs`` and ``hypot`` at zero, that of the first argument for ``min`` and
``max`` of equal ones, and at the edge of a condition that of the branch which is taken there. What
jumps (``floor``, conditions) is flat elsewhere, and its derivative 0.
"""

# ruff: noqa: ARG005 - each rule is given the operand and the value, and may need one of them

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from emberkeep.errors import InvalidSystem
from emberkeep.ode.system import lowering
from emberkeep.ode.system.program import USERS, External

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emberkeep.ode.system.program import Program


def derivative(program: Program, value: int, name: str) -> int:
    """The derivative of a value with respect to a name.

    Raises:
        InvalidSystem: it depends on the name by way of a function that is not followed; names it.
    """
    found = jacobian(program, [value], [name])
    return found.get((0, 0), program.number(0.0))


def jacobian(
    program: Program, results: Sequence[int], names: Sequence[str]
) -> dict[tuple[int, int], int]:
    """The derivatives of several values, by row (the value) and column (the name), without zeros.

    Raises:
        InvalidSystem: a value depends on a name by way of a function that is not followed.
    """
    users: dict[int, list[int]] = {}
    needed = program.needed(results)
    for value in needed:
        for operand in set(program.operands(value)):
            users.setdefault(operand, []).append(value)
    found: dict[tuple[int, int], int] = {}
    for column, name in enumerate(names):
        source = program.name(name)
        slopes = {source: program.number(1.0)}
        for value in _dependents(users, source):
            slope = _slope(program, value, slopes)
            if slope is not None and program.literal(slope) != 0:
                slopes[value] = slope
        for row, value in enumerate(results):
            if value in slopes:
                found[row, column] = slopes[value]
    return dict(sorted(found.items()))


def opaque(program: Program, results: Sequence[int]) -> tuple[str, ...]:
    """Functions of the user that results need and that have no derivative."""
    found: dict[str, None] = {}
    for value in program.needed(results):
        operation, *rest = program.instructions[value]
        if operation == "call" and str(rest[0]).startswith(USERS):
            found[str(rest[0]).removeprefix(USERS)] = None
        elif operation == "external":
            assert isinstance(rest[0], External)
            found[getattr(rest[0].function, "__qualname__", repr(rest[0].function))] = None
    return (*found,)


def _dependents(users: dict[int, list[int]], source: int) -> list[int]:
    """What depends on a value, in order."""
    found: set[int] = set()
    waiting = [source]
    while waiting:
        for user in users.get(waiting.pop(), ()):
            if user not in found:
                found.add(user)
                waiting.append(user)
    return sorted(found)


def _slope(program: Program, value: int, slopes: dict[int, int]) -> int | None:
    """The derivative of one instruction's value; None where it is zero."""
    operation, *rest = program.instructions[value]
    operands = program.operands(value)
    given = [slopes.get(operand) for operand in operands]
    if all(slope is None for slope in given) or program.is_condition(value):
        return None
    if operation == "choose":
        return _choice(program, operands[0], given[1:])
    if operation in ("-x", "+", "-", "*", "/"):
        return _arithmetic(program, str(operation), value, operands, given)
    function = str(rest[0])
    if function in ("min", "max"):
        comparison = program.compare("<=" if function == "min" else ">=", *operands)
        return _choice(program, comparison, given)
    require_followed(program, value)
    total: int | None = None
    for partial, slope in zip(
        partials(program, value, [slope is not None for slope in given]), given, strict=True
    ):
        if slope is not None and partial is not None:
            total = _sum(program, "+", total, program.arithmetic("*", partial, slope))
    return total


def require_followed(program: Program, value: int) -> None:
    """Refuse a function that is compiled as it is.

    Raises:
        InvalidSystem: names it.
    """
    operation, *rest = program.instructions[value]
    function = str(rest[0])
    if operation in ("external", "item") or function.startswith(USERS):
        name = function.removeprefix(USERS) if operation == "call" else "f(t, y, p)"
        raise InvalidSystem(
            f"There is no derivative of {', '.join(opaque(program, [value])) or name}: it is "
            "compiled as it is, and not followed. Write it with operators, functions of math and "
            "NumPy and `where`, without branches that depend on its arguments; or choose a method "
            "that needs no Jacobian"
        )


def _choice(program: Program, condition: int, slopes: Sequence[int | None]) -> int | None:
    if slopes[0] is None and slopes[1] is None:
        return None
    zero = program.number(0.0)
    then, otherwise = (zero if slope is None else slope for slope in slopes)
    return program.choose(condition, then, otherwise)


def _arithmetic(
    program: Program,
    operation: str,
    value: int,
    operands: Sequence[int],
    slopes: Sequence[int | None],
) -> int | None:
    if operation == "*":
        return _product(program, operands, slopes)
    if operation == "/":
        return _quotient(program, value, operands, slopes)
    if operation == "-x":
        return _sum(program, "-", None, slopes[0])
    return _sum(program, operation, slopes[0], slopes[1])


def _sum(program: Program, sign: str, first: int | None, second: int | None) -> int | None:
    if second is None:
        return first
    if first is None:
        return program.negative(second) if sign == "-" else second
    return program.arithmetic(sign, first, second)


def _product(program: Program, operands: Sequence[int], slopes: Sequence[int | None]) -> int | None:
    first, second = operands
    if first == second:
        assert slopes[0] is not None
        double = program.arithmetic("*", program.number(2.0), first)
        return program.arithmetic("*", double, slopes[0])
    parts = [
        None if slope is None else program.arithmetic("*", slope, other)
        for slope, other in zip(slopes, (second, first), strict=True)
    ]
    return _sum(program, "+", parts[0], parts[1])


def _quotient(
    program: Program, value: int, operands: Sequence[int], slopes: Sequence[int | None]
) -> int | None:
    by_divisor = None if slopes[1] is None else program.arithmetic("*", value, slopes[1])
    above = _sum(program, "-", slopes[0], by_divisor)
    return None if above is None else program.arithmetic("/", above, operands[1])


def partials(program: Program, value: int, wanted: Sequence[bool]) -> tuple[int | None, ...]:
    """The partial derivatives of a function's value by its operands, of `min` and `max` none.

    Args:
        program: whose.
        value: a call of a function that every target has.
        wanted: of which operands.

    Returns:
        For each operand, its own; None for zero, or where it is not wanted.
    """
    function = str(program.instructions[value][1])
    operands = program.operands(value)
    if function == "pow":
        base, exponent = operands
        return (
            _by_base(program, base, exponent) if wanted[0] else None,
            _by_exponent(program, value, base, exponent) if wanted[1] else None,
        )
    if len(operands) == 1:
        return (OF_ONE[function](_Writer(program), operands[0], value),)
    return OF_TWO[function](_Writer(program), *operands, value)


def _by_base(program: Program, base: int, exponent: int) -> int:
    less = program.arithmetic("-", exponent, program.number(1.0))
    product = program.arithmetic("*", exponent, program.power(base, less))
    if program.literal(exponent) is not None:
        return product
    zero = program.number(0.0)  # x**0 is 1 everywhere, at zero too
    return program.choose(program.compare("==", exponent, zero), zero, product)


def _by_exponent(program: Program, value: int, base: int, exponent: int) -> int:
    zero = program.number(0.0)
    product = program.arithmetic("*", value, program.call("log", base))
    literal = program.literal(base)
    if literal is not None and literal > 0:
        return product
    # 0**y is 0 for all y > 0, and flat.
    flat = program.logic(
        "and", program.compare("==", base, zero), program.compare(">", exponent, zero)
    )
    return program.choose(flat, zero, product)


class _Writer:
    """A program whose values are written as short expressions."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def __call__(self, operation: str, *operands: float) -> int:
        values = [
            operand if type(operand) is int else self.program.number(operand)
            for operand in operands
        ]
        if operation in ("+", "-", "*", "/"):
            return self.program.arithmetic(operation, *values)
        if operation == "-x":
            return self.program.negative(values[0])
        return lowering.call(self.program, operation, *values)

    def choose(self, operation: str, pair: tuple[float, float], *both: float) -> int:
        """One of two values by a comparison."""
        first, second, then, otherwise = (
            operand if type(operand) is int else self.program.number(operand)
            for operand in (*pair, *both)
        )
        return self.program.choose(self.program.compare(operation, first, second), then, otherwise)


def _digamma(write: _Writer, x: int) -> int:
    """The derivative of log(gamma(x)): a series beyond 8, before it recurrence and reflection."""
    is_low = (x, 0.0)
    positive = write.choose("<=", is_low, write("-", 1.0, x), x)
    steps = write("/", 1.0, positive)
    for step in range(1, 8):
        steps = write("+", steps, write("/", 1.0, write("+", positive, float(step))))
    far = write("+", positive, 8.0)
    square = write("/", 1.0, write("*", far, far))
    series = write.program.number(1 / 12)
    for coefficient in (-691 / 32760, 1 / 132, -1 / 240, 1 / 252, -1 / 120, 1 / 12):
        series = write("+", write("*", series, square), coefficient)
    beyond = write("-", write("log", far), write("/", 0.5, far))
    result = write("-", write("-", beyond, write("*", series, square)), steps)
    reflected = write("-", result, write("/", math.pi, write("tan", write("*", math.pi, x))))
    return write.choose("<=", is_low, reflected, result)


def _one_less_square(write: _Writer, x: int) -> int:
    return write("*", write("-", 1.0, x), write("+", 1.0, x))


def _gaussian(write: _Writer, x: int, factor: float) -> int:
    return write("*", 2 / math.sqrt(math.pi) * factor, write("exp", write("-x", write("*", x, x))))


def _zero(write: _Writer, x: int, v: int) -> None:  # noqa: ARG001 - as the others
    return None


# By the operand x and the function's value v.
OF_ONE: dict[str, Callable[[_Writer, int, int], int | None]] = {
    "exp": lambda _, x, v: v,
    "expm1": lambda write, x, v: write("+", v, 1.0),
    "log": lambda write, x, v: write("/", 1.0, x),
    "log1p": lambda write, x, v: write("/", 1.0, write("+", 1.0, x)),
    "log2": lambda write, x, v: write("/", 1 / math.log(2), x),
    "log10": lambda write, x, v: write("/", 1 / math.log(10), x),
    "sqrt": lambda write, x, v: write("/", 0.5, v),
    "cbrt": lambda write, x, v: write("/", 1 / 3, write("*", v, v)),
    "sin": lambda write, x, v: write("cos", x),
    "cos": lambda write, x, v: write("-x", write("sin", x)),
    "tan": lambda write, x, v: write("+", 1.0, write("*", v, v)),
    "asin": lambda write, x, v: write("/", 1.0, write("sqrt", _one_less_square(write, x))),
    "acos": lambda write, x, v: write("/", -1.0, write("sqrt", _one_less_square(write, x))),
    "atan": lambda write, x, v: write("/", 1.0, write("+", 1.0, write("*", x, x))),
    "sinh": lambda write, x, v: write("cosh", x),
    "cosh": lambda write, x, v: write("sinh", x),
    "tanh": lambda write, x, v: _one_less_square(write, v),
    "asinh": lambda write, x, v: write("/", 1.0, write("hypot", x, 1.0)),
    "acosh": lambda write, x, v: write(
        "/",
        1.0,
        write("*", write("sqrt", write("-", x, 1.0)), write("sqrt", write("+", x, 1.0))),
    ),
    "atanh": lambda write, x, v: write("/", 1.0, _one_less_square(write, x)),
    "abs": lambda write, x, v: write("sign", x),
    "floor": _zero,
    "ceil": _zero,
    "trunc": _zero,
    "rint": _zero,
    "erf": lambda write, x, v: _gaussian(write, x, 1.0),
    "erfc": lambda write, x, v: _gaussian(write, x, -1.0),
    "gamma": lambda write, x, v: write("*", v, _digamma(write, x)),
    "lgamma": lambda write, x, v: _digamma(write, x),
}


def _by_angle(write: _Writer, y: int, x: int, _: int) -> tuple[int, int]:
    square = write("+", write("*", y, y), write("*", x, x))
    return write("/", x, square), write("/", write("-x", y), square)


def _by_length(write: _Writer, x: int, y: int, v: int) -> tuple[int, int]:
    first, second = (write.choose("==", (v, 0.0), 0.0, write("/", side, v)) for side in (x, y))
    return first, second


def _by_remainder(write: _Writer, x: int, y: int, _: int) -> tuple[int, int]:
    return write.program.number(1.0), write("-x", write("trunc", write("/", x, y)))


def _by_sign(write: _Writer, x: int, y: int, _: int) -> tuple[int, None]:
    return write("*", write("sign", x), write("copysign", 1.0, y)), None


# By the operands and the function's value.
OF_TWO: dict[str, Callable[..., tuple[int | None, int | None]]] = {
    "atan2": _by_angle,
    "hypot": _by_length,
    "fmod": _by_remainder,
    "copysign": _by_sign,
}
