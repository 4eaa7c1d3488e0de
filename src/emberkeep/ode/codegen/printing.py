"""A program as Python statements, as a careful person would write them."""

from __future__ import annotations

import keyword
import math
from collections import Counter
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from emberkeep.ode.system.program import Program

# A longer expression is split by naming its parts.
LONGEST = 76

# Binding strength of operations; what is higher needs no brackets within what is lower.
_STRENGTHS = {"choose": 0, "|": 1, "&": 2, "not": 3, "<": 4, "+": 6, "*": 7, "-x": 8, "atom": 9}
_LEVELS = {
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), "<"),
    **dict.fromkeys(("+", "-"), "+"),
    **dict.fromkeys(("*", "/"), "*"),
    "and": "&",
    "or": "|",
}
_WRITTEN = {"and": "&", "or": "|"}

# Those of `math` give whole numbers of another type, or are missing: each target has its own.
TARGETS_OWN = ("cbrt", "ceil", "floor", "fmod", "log2", "rint", "trunc")
_PLAIN = frozenset({"abs", "min", "max", *TARGETS_OWN})

# Names that the generated code uses for itself.
RESERVED = frozenset(
    {"math", "numpy", "real", "single", "not_a_number", "lane", "rows", "equations", "States"}
    | {"range", "len", "Parameters", "LANES", "TIME", "NEW", "LAST", "P", "right_hand_side"}
    | {*_PLAIN, *keyword.kwlist}
)

# How the user's functions are called there: nothing else begins like this.
USERS = "user_"


@final
class Names:
    """Names for the user's own in generated code, changed only where they would clash."""

    def __init__(self, users: Iterable[str]) -> None:
        self._taken: set[str] = set(RESERVED)
        self._given: dict[str, str] = {}
        for name in users:
            self._given[name] = self.new(name)

    def of(self, name: str) -> str:
        """What one of the user's names is called."""
        return self._given[name]

    def new(self, wanted: str) -> str:
        """A name that nothing else has."""
        # Literals of single precision have names such as n0p5.
        if wanted.startswith(USERS) or (wanted[0] == "n" and wanted[1:2].isdigit()):
            wanted = f"the_{wanted}"
        while wanted in self._taken:
            wanted += "_"
        self._taken.add(wanted)
        return wanted


@final
class Literals:
    """Numbers in the code: as they are in double precision, else named constants of the type.

    In single precision, a plain literal would make the compiler compute in double.
    """

    def __init__(self, precision: str) -> None:
        self._precision = precision
        self.named: dict[str, str] = {}

    def text(self, value: float) -> str:
        """How a number is written in the code."""
        plain = repr(float(value))
        if self._precision == "float64":
            return plain
        name = "n" + plain.removesuffix(".0").replace(".", "p").replace("-", "m").replace("+", "")
        self.named[name] = plain
        return name

    def definitions(self) -> str:
        """The constants, to stand above the code."""
        return "".join(f"{name} = real({value})\n" for name, value in self.named.items())


@final
class Printer:
    """Writes values of a program as statements.

    Args:
        program: what is written.
        names: of time, states, parameters and whatever else the program names → as they are read.
        literals: how numbers are written.
        unused: gives names that nothing else has.
    """

    def __init__(
        self,
        program: Program,
        names: Mapping[str, str],
        literals: Literals,
        unused: Names,
    ) -> None:
        self._program, self._names = program, names
        self._literals, self._unused = literals, unused
        self._written: dict[int, str] = {}
        self.lines: list[str] = []

    def write(self, results: Sequence[tuple[str, int]]) -> None:
        """Assign values to names; what several of them need is computed once, before."""
        needed = self._program.needed(value for _, value in results)
        uses = Counter(item for value in needed for item in self._program.operands(value))
        uses.update(value for _, value in results)
        targets = {value for _, value in results}
        for value in needed:
            if self._program.instructions[value][0] in ("number", "name"):
                continue
            is_long = value not in targets and len(self._expression(value)) > LONGEST
            if uses[value] > 1 or is_long:
                self._assign(self._unused.new(f"v{len(self._written) + 1}"), value)
        for target, value in results:
            self.lines.append(f"{target} = {self._text(value, 0)}")

    def _assign(self, name: str, value: int) -> None:
        self.lines.append(f"{name} = {self._expression(value)}")
        self._written[value] = name

    def _text(self, value: int, strength: int) -> str:
        """A value within an expression that binds with a certain strength."""
        if value in self._written:
            return self._written[value]
        text = self._expression(value)
        return f"({text})" if self._strength(value) < strength else text

    def _strength(self, value: int) -> int:
        operation = str(self._program.instructions[value][0])
        if operation == "number":
            literal = self._program.literal(value)
            return _STRENGTHS["-x" if literal is not None and literal < 0 else "atom"]
        level = _LEVELS.get(operation, operation)
        return _STRENGTHS.get(level, _STRENGTHS["atom"])

    def _expression(self, value: int) -> str:
        operation, *rest = self._program.instructions[value]
        if operation == "number":
            literal = self._program.literal(value)
            assert literal is not None
            if not math.isfinite(literal):
                return (
                    "not_a_number"
                    if math.isnan(literal)
                    else f"real({literal!r})".replace("inf", "math.inf")
                )
            negative = math.copysign(1, literal) < 0
            return ("-" if negative else "") + self._literals.text(abs(literal))
        if operation == "name":
            return self._names[str(rest[0])]
        if operation == "call":
            return self._call(str(rest[0]), self._program.operands(value))
        terms = self._program.operands(value)
        own = self._strength(value)
        if operation == "-x":
            return f"-{self._text(terms[0], own)}"
        if operation == "not":
            return f"not {self._text(terms[0], own)}"
        if operation == "choose":
            condition, then, otherwise = terms
            choice, other = self._text(then, 1), self._text(otherwise, 1)
            return f"{choice} if {self._text(condition, 1)} else {other}"
        # Conditions are joined by operators that bind more strongly than comparisons.
        tight = own + 4 if operation in _WRITTEN else own
        sign = _WRITTEN.get(str(operation), str(operation))
        left = self._text(
            terms[0], tight + (operation in _LEVELS and _LEVELS[str(operation)] == "<")
        )
        # a + (b + c) is not (a + b) + c: the right side keeps its brackets.
        return f"{left} {sign} {self._text(terms[1], tight + 1)}"

    def _call(self, function: str, arguments: Sequence[int]) -> str:
        listed = ", ".join(self._text(argument, 0) for argument in arguments)
        if function.startswith("user "):
            # Its own literals are of double precision.
            return f"real({USERS}{function.removeprefix('user ')}({listed}))"
        return f"{function}({listed})" if function in _PLAIN else f"math.{function}({listed})"
