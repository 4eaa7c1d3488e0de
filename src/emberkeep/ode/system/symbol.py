"""A number that is not known yet: what a Python function does to it is written into a program.

Operators, NumPy's functions and those of `math` (by way of `following.py`) give further symbols.
Whatever needs the number itself, such as ``if x > 0``, raises `NotFollowed`.
"""

# What is done to a symbol may be anything.
# pyright: basic

from __future__ import annotations

import itertools
import math
import sys
from typing import TYPE_CHECKING, Any, final

import numpy as np

from emberkeep.ode.system import lowering
from emberkeep.ode.system.symbol_arrays import each

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emberkeep.ode.system.program import Program

MOST_INSTRUCTIONS = 200_000  # of one function; a loop that is longer stays one
MOST_POINTS = 64  # of a table to interpolate in


class NotFollowed(BaseException):
    """A function needs to know a number; no `Exception`, so that no user's code catches it."""


@final
class Followed:
    """A function that is being followed.

    Attributes:
        program: what is written.
        problem: why it could not be followed, also where its code went on all the same.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.problem = ""

    def refuse(self, problem: str) -> NotFollowed:
        """An error that is remembered."""
        self.problem = self.problem or problem
        return NotFollowed(problem)

    def symbol(self, value: int) -> Symbol:
        """A value of the program, for Python to calculate with."""
        if len(self.program.instructions) > MOST_INSTRUCTIONS:
            raise self.refuse(f"it has more than {MOST_INSTRUCTIONS:,} operations")
        return Symbol(self, value)

    def value(self, given: Any) -> int | None:
        """What a symbol or a number is in the program; None for anything else."""
        if isinstance(given, Symbol):
            return given.value if given.followed is self else None
        if isinstance(given, np.ndarray) and given.ndim == 0:
            given = given.item()
        if isinstance(given, bool | np.bool_):
            return self.program.truth(bool(given))
        if isinstance(given, int | float | np.integer | np.floating):
            try:
                return self.program.number(float(given))
            except OverflowError:
                return None
        return None

    def number(self, given: Any) -> int | None:
        """A value that is a number; conditions count as one and zero."""
        value = self.value(given)
        if value is not None and self.program.is_condition(value):
            return self.program.choose(value, *map(self.program.number, (1.0, 0.0)))
        return value

    def condition(self, given: Any) -> int | None:
        """A value that is a condition; numbers hold where they are not zero."""
        value = self.value(given)
        if value is not None and not self.program.is_condition(value):
            return self.program.compare("!=", value, self.program.number(0.0))
        return value


@final
class Symbol:
    """A value of a program."""

    __slots__ = ("followed", "value")
    __hash__ = None  # type: ignore[assignment] - two symbols may be equal, and that is not known

    def __init__(self, followed: Followed, value: int) -> None:
        self.followed, self.value = followed, value

    def __repr__(self) -> str:
        return "<a number that is not known yet>"

    def __getattr__(self, name: str) -> Any:
        # NumPy calls methods of what is in arrays of objects: x.sin() for np.sin.
        if name in METHODS:
            return lambda *others: apply(METHODS[name], self, *others)
        raise AttributeError(name)

    # What needs the number itself ---------------------------------------------------------------

    def __bool__(self) -> bool:
        raise self.followed.refuse("it branches on numbers that differ between calls")

    def _as_number(self, *_: object) -> Any:
        raise self.followed.refuse("it needs a number itself, for an array, an int or a library")

    __float__ = __int__ = __index__ = __complex__ = _as_number

    # What NumPy does with it --------------------------------------------------------------------

    def __array_ufunc__(self, function: Any, method: str, *inputs: Any, **options: Any) -> Any:
        meaning = _meaning(function)
        if method != "__call__" or options or meaning is None:
            return NotImplemented
        if any(isinstance(item, np.ndarray) and item.ndim for item in inputs):
            return each(function, method, *inputs)
        return apply(meaning, *inputs)

    def __array_function__(self, function: Any, _: Any, args: Any, options: Any) -> Any:
        written = FUNCTIONS.get(getattr(function, "__name__", ""))
        if written is None or getattr(np, function.__name__, None) is not function:
            return NotImplemented
        return written(self.followed, *args, **options)


def apply(meaning: Callable[..., int | None], *inputs: Any) -> Any:
    """A function of symbols and numbers, as a symbol; NotImplemented for anything else."""
    followed = next((item.followed for item in inputs if isinstance(item, Symbol)), None)
    if followed is None:
        return NotImplemented
    value = meaning(followed, *inputs)
    return NotImplemented if value is None else followed.symbol(value)


# Meanings ---------------------------------------------------------------------------------------


def _numbers(function: Callable[..., int]) -> Callable[..., int | None]:
    """A function of numbers of a program, as one of whatever Python passes."""

    def meaning(followed: Followed, *inputs: Any) -> int | None:
        values = [followed.number(item) for item in inputs]
        known = [value for value in values if value is not None]
        return function(followed.program, *known) if len(known) == len(values) else None

    return meaning


def _conditions(function: Callable[..., int]) -> Callable[..., int | None]:
    def meaning(followed: Followed, *inputs: Any) -> int | None:
        values = [followed.condition(item) for item in inputs]
        known = [value for value in values if value is not None]
        return function(followed.program, *known) if len(known) == len(values) else None

    return meaning


def _named(name: str) -> Callable[..., int | None]:
    return _numbers(lambda program, *values: lowering.call(program, name, *values))


def _arithmetic(sign: str) -> Callable[..., int | None]:
    return _numbers(lambda program, first, second: program.arithmetic(sign, first, second))


def _comparison(sign: str) -> Callable[..., int | None]:
    return _numbers(lambda program, first, second: program.compare(sign, first, second))


def _logic(word: str) -> Callable[..., int | None]:
    return _conditions(lambda program, first, second: program.logic(word, first, second))


def _exclusive(program: Program, first: int, second: int) -> int:
    one, other = program.inverse(first), program.inverse(second)
    return program.logic(
        "or", program.logic("and", first, other), program.logic("and", one, second)
    )


def _both(word: str) -> Callable[..., int | None]:
    """``&`` and ``|`` are of conditions; of numbers they are an error."""

    def meaning(followed: Followed, *inputs: Any) -> int | None:
        values = [followed.value(item) for item in inputs]
        if any(value is None or not followed.program.is_condition(value) for value in values):
            return None
        return _logic(word)(followed, *inputs)

    return meaning


def _inverse(followed: Followed, given: Any) -> int | None:
    value = followed.value(given)
    is_condition = value is not None and followed.program.is_condition(value)
    return followed.program.inverse(value) if value is not None and is_condition else None


def _smaller(name: str) -> Callable[..., int | None]:
    """NumPy's fmin and fmax: of a number and not-a-number, the number."""

    def call(program: Program, first: int, second: int) -> int:
        both = program.call(name, first, second)
        without = program.choose(program.compare("==", second, second), both, first)
        return program.choose(program.compare("==", first, first), without, second)

    return _numbers(call)


def _whole(program: Program, value: int, divisor: int) -> int:
    """``//``, as Python rounds it."""
    rest = lowering.modulo(program, value, divisor)
    whole = program.arithmetic("/", program.arithmetic("-", value, rest), divisor)
    return program.call("rint", whole)


def _reciprocal(program: Program, value: int) -> int:
    return program.arithmetic("/", program.number(1.0), value)


def _is_infinite(program: Program, value: int) -> int:
    return program.compare("==", program.call("abs", value), program.number(math.inf))


def _is_finite(program: Program, value: int) -> int:
    return program.compare("<", program.call("abs", value), program.number(math.inf))


POWER = _numbers(lambda program, base, exponent: program.power(base, exponent))
NEGATIVE = _numbers(lambda program, value: program.negative(value))
IS_NAN = _numbers(lambda program, value: program.compare("!=", value, value))
IS_INFINITE, IS_FINITE = _numbers(_is_infinite), _numbers(_is_finite)
WHOLE = _numbers(_whole)
TWO_TO = _numbers(lambda program, value: program.power(program.number(2.0), value))

SAME = ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "expm1", "log", "log1p", "log2")
SAME += ("log10", "sqrt", "cbrt", "floor", "ceil", "trunc", "copysign", "hypot", "fmod")
_INVERSE = ("asin", "acos", "atan", "asinh", "acosh", "atanh", "atan2")

# Of NumPy's universal functions, by name.
METHODS: dict[str, Callable[..., int | None]] = {
    **{name: _named(name) for name in (*SAME, *_INVERSE, "rint", "sign", "heaviside")},
    **{f"arc{name[1:]}": _named(name) for name in _INVERSE},
    **dict.fromkeys(("absolute", "fabs"), _named("abs")),
    **dict.fromkeys(("deg2rad", "radians"), _named("deg2rad")),
    **dict.fromkeys(("rad2deg", "degrees"), _named("rad2deg")),
    "minimum": _named("min"),
    "maximum": _named("max"),
    "fmin": _smaller("min"),
    "fmax": _smaller("max"),
    **dict.fromkeys(("power", "float_power", "pow"), POWER),
    "add": _arithmetic("+"),
    "subtract": _arithmetic("-"),
    "multiply": _arithmetic("*"),
    **dict.fromkeys(("divide", "true_divide"), _arithmetic("/")),
    "negative": NEGATIVE,
    "positive": _numbers(lambda _, value: value),
    "square": _numbers(lambda program, value: program.arithmetic("*", value, value)),
    "reciprocal": _numbers(_reciprocal),
    "exp2": TWO_TO,
    **dict.fromkeys(("remainder", "mod"), _named("mod")),
    "floor_divide": WHOLE,
    "less": _comparison("<"),
    "less_equal": _comparison("<="),
    "greater": _comparison(">"),
    "greater_equal": _comparison(">="),
    "equal": _comparison("=="),
    "not_equal": _comparison("!="),
    "logical_and": _logic("and"),
    "logical_or": _logic("or"),
    "logical_not": _conditions(lambda program, condition: program.inverse(condition)),
    "logical_xor": _conditions(_exclusive),
    "bitwise_and": _both("and"),
    "bitwise_or": _both("or"),
    "invert": _inverse,
    "isnan": IS_NAN,
    "isinf": IS_INFINITE,
    "isfinite": IS_FINITE,
}  # fmt: skip
_OF_SCIPY = {"erf": "erf", "erfc": "erfc", "gamma": "gamma", "gammaln": "lgamma", "cbrt": "cbrt"}


def _meaning(function: Any) -> Callable[..., int | None] | None:
    """What a universal function is; its name alone may be anybody's."""
    name = function.__name__
    if getattr(np, name, None) is function:
        return METHODS.get(name)
    special = sys.modules.get("scipy.special")
    if name in _OF_SCIPY and getattr(special, name, None) is function:
        return _named(_OF_SCIPY[name])
    return None


def _operator(name: str) -> tuple[Any, Any]:
    """A Python operator and its reflection."""
    meaning = METHODS[name]
    return (
        lambda self, other: apply(meaning, self, other),
        lambda self, other: apply(meaning, other, self),
    )


def _alone(meaning: Callable[..., int | None]) -> Any:
    def call(self: Symbol) -> Any:
        found = apply(meaning, self)
        if found is NotImplemented:
            raise TypeError("a number where a condition is expected")
        return found

    return call


for _word, _name in {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "mod",
    "pow": "power",
    "and": "bitwise_and",
    "or": "bitwise_or",
}.items():
    _forward, _reflected = _operator(_name)
    setattr(Symbol, f"__{_word}__", _forward)
    setattr(Symbol, f"__r{_word}__", _reflected)
for _word, _name in {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "eq": "equal",
    "ne": "not_equal",
}.items():
    setattr(Symbol, f"__{_word}__", _operator(_name)[0])
for _word, _name in {
    "neg": "negative",
    "pos": "positive",
    "abs": "absolute",
    "invert": "invert",
}.items():
    setattr(Symbol, f"__{_word}__", _alone(METHODS[_name]))
for _word in ("floor", "ceil", "trunc"):
    setattr(Symbol, f"__{_word}__", _alone(METHODS[_word]))
setattr(Symbol, "__round__", _alone(METHODS["rint"]))  # noqa: B010 - as those above


# NumPy's functions that are not universal ---------------------------------------------------------


def _where(followed: Followed, condition: Any, then: Any, otherwise: Any) -> Any:
    values = (followed.condition(condition), followed.number(then), followed.number(otherwise))
    if None in values:
        return NotImplemented
    return followed.symbol(followed.program.choose(*values))  # pyright: ignore[reportArgumentType]


def _clip(followed: Followed, value: Any, a_min: Any = None, a_max: Any = None) -> Any:
    for bound, name in ((a_min, "maximum"), (a_max, "minimum")):
        if bound is not None and value is not NotImplemented:
            value = followed.value(value) and METHODS[name](followed, value, bound)
            value = NotImplemented if value is None else followed.symbol(value)
    return value


def _interp(followed: Followed, x: Any, xp: Any, fp: Any) -> Any:
    value, xs, ys = followed.number(x), _table(xp), _table(fp)
    if value is None or xs is None or ys is None or len(xs) != len(ys):
        return NotImplemented
    if any(one >= other for one, other in itertools.pairwise(xs)):
        return NotImplemented
    return followed.symbol(lowering.interpolated(followed.program, value, xs, ys))


def _table(given: Any) -> list[float] | None:
    """Numbers that are known, and not too many."""
    array = np.asarray(given)
    if array.dtype == object or array.ndim != 1 or not 1 <= len(array) <= MOST_POINTS:
        return None
    numbers = [float(item) for item in array]
    return numbers if all(map(math.isfinite, numbers)) else None


def _sinc(_: Followed, x: Any) -> Any:
    return apply(_named("sinc"), x)


def _round(_: Followed, a: Any, decimals: int = 0) -> Any:
    if not isinstance(decimals, int) or not decimals:
        return apply(METHODS["rint"], a) if decimals == 0 else NotImplemented
    return apply(_named("round"), a, decimals)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "where": _where,
    "clip": _clip,
    "interp": _interp,
    "sinc": _sinc,
    "round": _round,
    "around": _round,
}


# Functions of math and of Python, for what `following.py` puts in their place ---------------------


def _shared(name: str, meaning: Callable[..., int | None]) -> Callable[..., Any]:
    """A function of `math` that takes symbols too."""
    original = getattr(math, name)

    def call(*inputs: Any) -> Any:
        found = apply(meaning, *inputs)
        return original(*inputs) if found is NotImplemented else found

    return call


def _lengths(program: Program, *values: int) -> int:
    first, *rest = values
    total = first if rest else program.call("abs", first)
    for value in rest:
        total = program.call("hypot", total, value)
    return total


_OF_MATH: dict[str, Callable[..., int | None]] = {
    **{name: _named(name) for name in (*SAME, *_INVERSE, "erf", "erfc", "gamma", "lgamma")},
    "fabs": _named("abs"),
    "degrees": _named("rad2deg"),
    "radians": _named("deg2rad"),
    "hypot": _numbers(_lengths),
    "pow": POWER,
    "exp2": TWO_TO,
    "isnan": IS_NAN,
    "isinf": IS_INFINITE,
    "isfinite": IS_FINITE,
}
# From the original function to the one that takes symbols too.
MATH: dict[Any, Callable[..., Any]] = {
    getattr(math, name): _shared(name, meaning)
    for name, meaning in _OF_MATH.items()
    if hasattr(math, name)  # Python 3.10 has no cbrt and no exp2
}


def _chosen(sign: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """Python's max or min, which keeps the first of those that do not compare."""

    def call(*given: Any, **options: Any) -> Any:
        items: Sequence[Any] = list(given[0] if len(given) == 1 else given)  # pyright: ignore[reportGeneralTypeIssues]
        if options or not any(isinstance(item, Symbol) for item in items):
            return original(items, **options)
        best = items[0]
        for item in items[1:]:
            best = apply(_choice(sign), item, best)
            if best is NotImplemented:
                return original(items)
        return best

    return call


def _choice(sign: str) -> Callable[..., int | None]:
    def call(program: Program, item: int, best: int) -> int:
        return program.choose(program.compare(sign, item, best), item, best)

    return _numbers(call)


PYTHONS = {"max": _chosen(">", max), "min": _chosen("<", min)}
