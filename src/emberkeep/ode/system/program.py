"""Equations as a straight-line program, in which each value is computed once.

A value is a number into the list of instructions. What was written twice gets the same number, in
whatever order its terms stand, so common subexpressions are found by construction.

These are all the instructions there are; whoever prints programs prints these, and whatever else
the language has is lowered to them when it is read (`lowering.py`). Each means what NumPy's of the
same name means, on every target, to within one unit in the last place; `evaluate.py` is the oracle.

| instruction | value |
| --- | --- |
| ``("number", x)`` | a literal; infinities and not-a-number too |
| ``("name", text)`` | time, a state, a parameter or a constant |
| ``("+", a, b)``, ``-``, ``*``, ``/`` | division by zero gives infinity or not-a-number |
| ``("-x", a)`` | negation; of 0.0, -0.0 |
| ``("<", a, b)``, ``<=``, ``>``, ``>=``, ``==``, ``!=`` | conditions; not-a-number is only ``!=`` |
| ``("and", a, b)``, ``("or", a, b)``, ``("not", a)`` | conditions of conditions |
| ``("choose", condition, a, b)`` | a where it holds, else b; both are computed |
| ``("call", function, …)`` | one of `PRIMITIVES`, by the names of C and NumPy |
| ``("call", "user f", …)`` | the user's function f of numbers, compiled by itself |
| ``("external", External, …)`` | a right-hand side of the user's, compiled by itself; a tuple |
| ``("item", a, index)`` | a number of that tuple |
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any, final

from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# An instruction: the operation, then what it is applied to. Operands are numbers of values, except
# for "number" (the number itself) and "name" (the name); "call" begins with the function's name.
Instruction = tuple[object, ...]

# Functions that every target has, with how many operands they take: C's of that name, except for
# abs (C's fabs), gamma (tgamma), and min and max: not-a-number if either is, as NumPy's minimum.
PRIMITIVES: dict[str, int] = {
    **dict.fromkeys(("exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "cbrt"), 1),
    **dict.fromkeys(("sin", "cos", "tan", "asin", "acos", "atan"), 1),
    **dict.fromkeys(("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"), 1),
    **dict.fromkeys(("abs", "floor", "ceil", "trunc", "rint"), 1),
    **dict.fromkeys(("erf", "erfc", "gamma", "lgamma"), 1),
    **dict.fromkeys(("atan2", "hypot", "pow", "fmod", "copysign", "min", "max"), 2),
}
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
CONDITIONS = frozenset({*COMPARISONS, "and", "or", "not"})
USERS = "user "  # how names of the user's functions begin in calls

# What is exact, and so the same wherever it is computed.
_EXACT: dict[str, Any] = {
    "abs": abs,
    "copysign": math.copysign,
    "ceil": math.ceil,
    "floor": math.floor,
    "fmod": math.fmod,
    "max": max,
    "min": min,
    "rint": round,
    "trunc": math.trunc,
}
_COMMUTATIVE = frozenset({"+", "*", "and", "or", "==", "!="})
_LARGEST_POWER = 16  # written out as products


@final
@frozen
class External:
    """A right-hand side ``f(t, y, p)`` that is compiled as it is.

    Its operands are time, then the states, then parameters and constants; it is given them as
    ``f(t, States(…), Inputs(…))``, named tuples with these fields.

    Attributes:
        function: the user's.
        states: fields of ``y``; it returns the derivative of each.
        inputs: fields of ``p``.
    """

    function: Callable[..., object]
    states: tuple[str, ...]
    inputs: tuple[str, ...]


@final
class Program:
    """Values of all equations of a system.

    Attributes:
        instructions: in an order in which each needs only those before it.
    """

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self._numbers: dict[Instruction, int] = {}

    def _value(self, *instruction: object) -> int:
        if instruction[0] in _COMMUTATIVE:
            first, second = instruction[1:]
            assert isinstance(first, int)
            assert isinstance(second, int)
            instruction = (instruction[0], min(first, second), max(first, second))
        # 0.0 and -0.0 are equal, and so are 1.0 and True: text tells them apart.
        key = ("number", repr(instruction[1])) if instruction[0] == "number" else instruction
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.instructions)
            self.instructions.append(instruction)
        return found

    def number(self, value: float) -> int:
        """A literal."""
        return self._value("number", float(value))

    def name(self, name: str) -> int:
        """Time, a state or a parameter."""
        return self._value("name", name)

    def literal(self, value: int) -> float | None:
        """The number that a value is, where it is a literal."""
        operation, *operands = self.instructions[value]
        if operation != "number":
            return None
        assert isinstance(operands[0], float)
        return operands[0]

    def negative(self, value: int) -> int:
        """-x."""
        literal = self.literal(value)
        if literal is not None:
            return self.number(-literal)
        instruction = self.instructions[value]
        if instruction[0] == "-x":
            assert isinstance(instruction[1], int)
            return instruction[1]
        return self._value("-x", value)

    def arithmetic(self, operation: str, first: int, second: int) -> int:
        """X + y, x - y, x * y or x / y, where nothing simpler has the same value."""
        a, b = self.literal(first), self.literal(second)
        if a is not None and b is not None:
            folded = _fold(operation, a, b)
            if folded is not None:
                return self.number(folded)
        if operation == "+" and a == 0:
            return second
        if operation in "+-" and b == 0:
            return first
        if operation == "-" and a == 0:
            return self.negative(second)
        if operation == "*" and a in (1, -1):
            return second if a == 1 else self.negative(second)
        if operation in "*/" and b in (1, -1):
            return first if b == 1 else self.negative(first)
        return self._value(operation, first, second)

    def power(self, base: int, exponent: int) -> int:
        """X ** y: products for whole numbers, roots for halves."""
        b = self.literal(exponent)
        a = self.literal(base)
        if a is not None and b is not None:
            folded = _fold("**", a, b)
            if folded is not None:
                return self.number(folded)
        if b is None or not (b * 2).is_integer() or abs(b) > _LARGEST_POWER:
            return self._value("call", "pow", base, exponent)
        whole, half = divmod(abs(b), 1)
        result = self._whole_power(base, int(whole))
        if half:
            root = self.call("sqrt", base)
            result = root if result is None else self.arithmetic("*", result, root)
        if result is None:
            return self.number(1.0)
        return result if b > 0 else self.arithmetic("/", self.number(1.0), result)

    def _whole_power(self, base: int, exponent: int) -> int | None:
        result: int | None = None
        while exponent:
            if exponent & 1:
                result = base if result is None else self.arithmetic("*", result, base)
            exponent >>= 1
            if exponent:
                base = self.arithmetic("*", base, base)
        return result

    def call(self, function: str, *arguments: int) -> int:
        """A function of `PRIMITIVES`, or one of the user's (written ``"user name"``)."""
        exact = _EXACT.get(function)
        if exact is not None:
            literals = [self.literal(argument) for argument in arguments]
            numbers = [x for x in literals if x is not None and math.isfinite(x)]
            if len(numbers) == len(literals) and not (function == "fmod" and numbers[1] == 0):
                return self.number(_with_sign(function, numbers, float(exact(*numbers))))
        return self._value("call", function, *arguments)

    def external(self, external: External, *operands: int) -> tuple[int, ...]:
        """The derivatives that a right-hand side of the user's gives."""
        value = len(self.instructions)
        self.instructions.append(("external", external, *operands))
        return tuple(self._value("item", value, index) for index in range(len(external.states)))

    def truth(self, holds: bool) -> int:  # noqa: FBT001 - it is the value
        """A condition that always holds, or never."""
        one = self.number(1.0)
        return self._value("==" if holds else "!=", one, one)

    def known(self, condition: int) -> bool | None:
        """Whether a condition always holds or never; None where that depends."""
        operation, *operands = self.instructions[condition]
        is_literal = operands == [self.number(1.0)] * 2
        return operation == "==" if is_literal and operation in ("==", "!=") else None

    def compare(self, operation: str, first: int, second: int) -> int:
        """A condition: x < y and so on."""
        a, b = self.literal(first), self.literal(second)
        if a is not None and b is not None:
            return self.truth(COMPARISONS[operation](a, b))
        return self._value(operation, first, second)

    def logic(self, operation: str, first: int, second: int) -> int:
        """``and`` and ``or`` of two conditions."""
        for one, other in ((first, second), (second, first)):
            known = self.known(one)
            if known is not None:
                return other if known == (operation == "and") else one
        return first if first == second else self._value(operation, first, second)

    def inverse(self, condition: int) -> int:
        """``not``."""
        known = self.known(condition)
        if known is not None:
            return self.truth(not known)
        operation, *operands = self.instructions[condition]
        if operation == "not":
            assert isinstance(operands[0], int)
            return operands[0]
        return self._value("not", condition)

    def is_condition(self, value: int) -> bool:
        """Whether a value is a condition, and no number."""
        return self.instructions[value][0] in CONDITIONS

    def choose(self, condition: int, then: int, otherwise: int) -> int:
        """One of two values, both of which are computed."""
        known = self.known(condition)
        if known is not None:
            return then if known else otherwise
        return then if then == otherwise else self._value("choose", condition, then, otherwise)

    def operands(self, value: int) -> tuple[int, ...]:
        """The values that a value is computed from."""
        operation, *rest = self.instructions[value]
        if operation in ("number", "name"):
            return ()
        if operation == "item":
            rest = rest[:1]
        start = 1 if operation in ("call", "external") else 0
        return tuple(item for item in rest[start:] if isinstance(item, int))

    def names(self, results: Iterable[int]) -> set[str]:
        """What results depend on by name."""
        needed = (self.instructions[number] for number in self.needed(results))
        return {str(rest[0]) for operation, *rest in needed if operation == "name"}

    def needed(self, results: Iterable[int]) -> list[int]:
        """All values that results need, themselves included, in order."""
        found: set[int] = set()
        waiting = list(results)
        while waiting:
            value = waiting.pop()
            if value not in found:
                found.add(value)
                waiting.extend(self.operands(value))
        return sorted(found)


def _with_sign(function: str, numbers: list[float], result: float) -> float:
    """A result with its sign, also where it is zero: Python's integers have none."""
    keeps = function in ("ceil", "floor", "rint", "trunc", "fmod")
    return math.copysign(result, numbers[0]) if keeps else result


def _fold(operation: str, a: float, b: float) -> float | None:
    """What two literals make; None where that is no finite number."""
    try:
        if operation == "**":
            result = a**b
        else:
            result = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else math.nan}[operation]
    except (OverflowError, ZeroDivisionError):
        return None
    return result if isinstance(result, float) and math.isfinite(result) else None
