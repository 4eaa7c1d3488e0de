"""Equations as a straight-line program, in which each value is computed once.

A value is a number into the list of instructions. What was written twice gets the same number, in
whatever order its terms stand, so common subexpressions are found by construction.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Iterable

# An instruction: the operation, then what it is applied to. Operands are numbers of values, except
# for "number" (the number itself) and "name" (the name); "call" begins with the function's name.
Instruction = tuple[object, ...]

_COMMUTATIVE = frozenset({"+", "*", "and", "or", "==", "!="})
_LARGEST_POWER = 16  # written out as products


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
        """A function of mathematics, or one of the user's (written ``"user name"``)."""
        return self._value("call", function, *arguments)

    def compare(self, operation: str, first: int, second: int) -> int:
        """A condition: x < y and so on."""
        return self._value(operation, first, second)

    def logic(self, operation: str, first: int, second: int) -> int:
        """``and`` and ``or`` of two conditions."""
        return self._value(operation, first, second)

    def inverse(self, condition: int) -> int:
        """``not``."""
        return self._value("not", condition)

    def choose(self, condition: int, then: int, otherwise: int) -> int:
        """One of two values, both of which are computed."""
        return then if then == otherwise else self._value("choose", condition, then, otherwise)

    def operands(self, value: int) -> tuple[int, ...]:
        """The values that a value is computed from."""
        operation, *rest = self.instructions[value]
        if operation in ("number", "name"):
            return ()
        start = 1 if operation == "call" else 0
        return tuple(item for item in rest[start:] if isinstance(item, int))

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
