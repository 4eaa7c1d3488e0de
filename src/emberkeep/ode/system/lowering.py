"""Functions of the language in terms of the few that every target has.

Each means what NumPy's function of that name means, also for not-a-number, infinities and zeros.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.ode.system.program import Program


def modulo(program: Program, value: int, divisor: int) -> int:
    """The remainder with the sign of the divisor, as NumPy's (but for that of a zero)."""
    zero = program.number(0.0)
    rest = program.call("fmod", value, divisor)
    below = [program.compare("<", one, zero) for one in (rest, divisor)]
    above = [program.compare(">", one, zero) for one in (rest, divisor)]
    apart = program.logic(
        "or", program.logic("and", below[0], above[1]), program.logic("and", above[0], below[1])
    )
    return program.choose(apart, program.arithmetic("+", rest, divisor), rest)


def sign(program: Program, value: int) -> int:
    """-1, 0 or 1; not-a-number stays what it is."""
    return _by_sign(program, value, program.number(-1.0), program.number(0.0))


def heaviside(program: Program, value: int, at_zero: int | None = None) -> int:
    """0 before zero, 1 after it."""
    middle = program.number(0.5) if at_zero is None else at_zero
    return _by_sign(program, value, program.number(0.0), middle)


def _by_sign(program: Program, value: int, negative: int, middle: int) -> int:
    zero = program.number(0.0)
    # Not-a-number as a literal, and not as the value itself: that would have a slope.
    result = program.number(math.nan)
    for comparison, chosen in (("==", middle), ("<", negative), (">", program.number(1.0))):
        result = program.choose(program.compare(comparison, value, zero), chosen, result)
    return result


def logarithm(program: Program, value: int, base: int | None = None) -> int:
    """To any base; powers of two and ten are exact."""
    named = {None: "log", 2.0: "log2", 10.0: "log10"}
    literal = None if base is None else program.literal(base)
    if base is None or (literal is not None and literal in named):
        return program.call(named[literal], value)
    return program.arithmetic("/", program.call("log", value), program.call("log", base))


def reciprocal(function: str) -> Callable[[Program, int], int]:
    """One over a function, such as the secant."""

    def call(program: Program, value: int) -> int:
        return program.arithmetic("/", program.number(1.0), program.call(function, value))

    return call


def sinc(program: Program, value: int) -> int:
    """sin(pi*x)/(pi*x), and 1 at zero."""
    is_zero = program.compare("==", value, program.number(0.0))
    angle = program.arithmetic("*", program.number(math.pi), value)
    ratio = program.arithmetic("/", program.call("sin", angle), angle)
    return program.choose(is_zero, program.number(1.0), ratio)


def rounded(program: Program, value: int, decimals: int | None = None) -> int:
    """Halves go to the even neighbour; with decimals as NumPy does it."""
    if decimals is None:
        return program.call("rint", value)
    literal = program.literal(decimals)
    assert literal is not None
    scale = program.number(10.0 ** abs(literal))
    there, back = ("*", "/") if literal >= 0 else ("/", "*")
    whole = program.call("rint", program.arithmetic(there, value, scale))
    return program.arithmetic(back, whole, scale)


def power(program: Program, base: int, exponent: int) -> int:
    """Products for whole numbers, roots for halves."""
    return program.power(base, exponent)


def clip(program: Program, value: int, least: int, most: int) -> int:
    """Within bounds; where they contradict each other, the upper one."""
    return program.call("min", program.call("max", value, least), most)


def extreme(function: str) -> Callable[..., int]:
    """The smallest or largest of several; not-a-number if one of them is."""

    def call(program: Program, *values: int) -> int:
        result = values[0]
        for value in values[1:]:
            result = program.call(function, result, value)
        return result

    return call


def comparison(operation: str) -> Callable[[Program, int, int], int]:
    """A comparison that is written as a function."""

    def call(program: Program, first: int, second: int) -> int:
        return program.compare(operation, first, second)

    return call


def scaled(factor: float) -> Callable[[Program, int], int]:
    """A change of units."""

    def call(program: Program, value: int) -> int:
        return program.arithmetic("*", value, program.number(factor))

    return call


def interpolated(program: Program, value: int, xs: list[float], ys: list[float]) -> int:
    """Straight lines between points, and the outermost values beyond them, as `numpy.interp`."""
    result = program.number(ys[-1])
    for place in range(len(xs) - 2, -1, -1):
        slope = program.number((ys[place + 1] - ys[place]) / (xs[place + 1] - xs[place]))
        along = program.arithmetic("-", value, program.number(xs[place]))
        line = program.arithmetic(
            "+", program.arithmetic("*", slope, along), program.number(ys[place])
        )
        before = program.compare("<", value, program.number(xs[place + 1]))
        result = program.choose(before, line, result)
    below = program.compare("<=", value, program.number(xs[0]))
    result = program.choose(below, program.number(ys[0]), result)
    is_number = program.compare("==", value, value)
    return program.choose(is_number, result, program.number(math.nan))


def call(program: Program, function: str, *values: int) -> int:
    """A function of the language, by its name."""
    lowered = LOWERED.get(function)
    return lowered(program, *values) if lowered else program.call(function, *values)


LOWERED: dict[str, Callable[..., int]] = {
    "Eq": comparison("=="),
    "Ne": comparison("!="),
    "clip": clip,
    "cot": reciprocal("tan"),
    "csc": reciprocal("sin"),
    "deg2rad": scaled(math.pi / 180),
    "rad2deg": scaled(180 / math.pi),
    "heaviside": heaviside,
    "log": logarithm,
    "max": extreme("max"),
    "min": extreme("min"),
    "mod": modulo,
    "pow": power,
    "round": rounded,
    "sec": reciprocal("cos"),
    "sign": sign,
    "sinc": sinc,
}
