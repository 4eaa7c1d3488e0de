"""Times at which a right-hand side jumps or has a corner, found in its program.

A step across a jump is wrong without a sign of it, so steps end there. A comparison changes where
the difference of its sides is zero; where that is a straight line in time, or in a sawtooth or a
wave of time, the zeros are values of parameters and constants alone, and are written into the
program. So are the jumps of ``floor``, ``mod`` and the like, and the corners of ``abs``, ``min``
and ``max``. What depends on a state as well has no times that are known beforehand.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, final

from emberkeep.ode.system import lowering
from emberkeep.ode.system.equations import TIME
from emberkeep.ode.system.program import COMPARISONS
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from emberkeep.ode.system.program import Program

# Functions that jump where their argument is a whole number, or, for rint, halfway between.
_STEPS = {"floor": 0.0, "ceil": 0.0, "trunc": 0.0, "rint": 0.5}
MOST_PIECES = 16  # that one value is followed through


@final
@frozen
class Breakpoints:
    """Values of a program that need parameters and constants only.

    One that is infinite or not-a-number is a time that never comes.

    Attributes:
        times: single times.
        periodic: for each, some time and the (possibly negative) distance to the next.
        unsolved: conditions and steps that depend on time alone in a way that is not solved; a
            maximal step is needed to see them.
    """

    times: tuple[int, ...]
    periodic: tuple[tuple[int, int], ...]
    unsolved: tuple[int, ...]


@final
@frozen
class _Line:
    """slope · w + offset, where w is time, or a wave: ``(function, argument, period)``.

    Of a value that has steps, the offset is not known, but constant between times that are noted.
    """

    slope: int
    offset: int
    wave: tuple[str, int, int] | None
    has_steps: bool = False


def breakpoints(program: Program, results: Sequence[int], states: Collection[str]) -> Breakpoints:
    """Where results of a program may jump, or have a corner.

    Args:
        program: gets the values that say when.
        results: what jumps.
        states: names whose values are not known beforehand.
    """
    return _Search(program, results, states).found()


class _Search:
    """Walks a program once, in its order."""

    def __init__(self, program: Program, results: Sequence[int], states: Collection[str]) -> None:
        self._program, self._needed = program, program.needed(results)
        self._timed: set[int] = set()  # depend on time
        self._unknown: set[int] = set()  # depend on a state
        self._known: dict[int, Sequence[_Line] | None] = {}
        self._times: dict[int, None] = {}
        self._periodic: dict[tuple[int, int], None] = {}
        self._unsolved: dict[int, None] = {}
        for value in self._needed:
            operation, *rest = program.instructions[value]
            operands = program.operands(value)
            if (operation == "name" and rest[0] == TIME) or self._timed.intersection(operands):
                self._timed.add(value)
            if (operation == "name" and rest[0] in states) or self._unknown.intersection(operands):
                self._unknown.add(value)

    def found(self) -> Breakpoints:
        for value in self._needed:
            if value in self._timed:
                self._look(value)
        return Breakpoints((*self._times,), (*self._periodic,), (*self._unsolved,))

    def _look(self, value: int) -> None:
        program = self._program
        operation, *rest = program.instructions[value]
        operands = program.operands(value)
        if not self._timed.intersection(operands) or self._unknown.intersection(operands):
            return
        function = rest[0] if operation == "call" else None
        one, zero = program.number(1.0), program.number(0.0)
        solved = True
        if operation in COMPARISONS:
            solved = operands[0] == operands[1] or self._zeros(self._difference(*operands))
        elif function in ("min", "max"):
            self._zeros(self._difference(*operands))
        elif function == "abs":
            self._zeros(self._lines(operands[0]))
        elif function in _STEPS:
            half = program.number(_STEPS[str(function)])
            solved = self._repeats(half, ("fmod", operands[0], one))
        elif function == "fmod":
            solved = self._repeats(zero, ("fmod", operands[0], operands[1]))
        if not solved:
            self._unsolved[value] = None

    # Zeros ----------------------------------------------------------------------------------------

    def _zeros(self, lines: Sequence[_Line] | None) -> bool:
        """Note where each line is zero; False where that is not known."""
        return lines is not None and False not in {self._zero(line) for line in lines}

    def _zero(self, line: _Line) -> bool:
        program = self._program
        if program.literal(line.slope) == 0:
            return True
        if line.has_steps:
            return False
        zero = program.arithmetic("/", program.negative(line.offset), line.slope)
        if line.wave is not None:
            return self._repeats(zero, line.wave)
        self._times[zero] = None
        return True

    def _repeats(self, level: int, wave: tuple[str, int, int]) -> bool:
        """Note where a wave has a level; False where that is not known."""
        function, argument, period = wave
        lines = self._lines(argument)
        if lines is None or period in self._timed | self._unknown:
            return False
        return False not in {self._repeats_along(line, function, level, period) for line in lines}

    def _repeats_along(self, line: _Line, function: str, level: int, period: int) -> bool:
        program = self._program
        if program.literal(line.slope) == 0:
            return True
        if line.wave is not None or line.has_steps:
            return False
        for start in self._arguments(function, level):
            shifted = program.arithmetic("-", start, line.offset)
            first = program.arithmetic("/", shifted, line.slope)
            self._periodic[first, program.arithmetic("/", period, line.slope)] = None
        return True

    def _arguments(self, function: str, level: int) -> list[int]:
        """Where, within a period, a wave has a level."""
        if function == "fmod":
            return [level]
        program = self._program
        angle = program.call("asin" if function == "sin" else "acos", level)
        if function == "sin":
            return [angle, program.arithmetic("-", program.number(math.pi), angle)]
        return [angle, program.negative(angle)]

    # Lines ----------------------------------------------------------------------------------------

    def _lines(self, value: int) -> Sequence[_Line] | None:
        """Lines of which a value is always one; None where it may be another curve."""
        if value not in self._known:
            self._known[value] = None
            found = self._pieces(value)
            if found is not None and len(found) <= MOST_PIECES:
                self._known[value] = found
        return self._known[value]

    def _pieces(self, value: int) -> Sequence[_Line] | None:
        program = self._program
        zero, one = program.number(0.0), program.number(1.0)
        if value in self._unknown:
            return None
        if value not in self._timed:
            return [_Line(zero, value, None)]
        operation, *rest = program.instructions[value]
        operands = program.operands(value)
        if operation == "name":
            return [_Line(one, zero, None)]
        wave = self._wave(value, operation, rest, operands)
        if wave is not None:
            return [_Line(one, zero, wave)]
        if rest[0] in _STEPS or self._are_steps(operands):
            return [_Line(zero, value, None, has_steps=True)]
        if operation == "-x":
            return self._combined("-", [_Line(zero, zero, None)], self._lines(operands[0]))
        if operation in ("+", "-"):
            return self._combined(str(operation), *map(self._lines, operands))
        if operation in ("*", "/"):
            return self._product(str(operation), *operands)
        return self._union(operation if operation == "choose" else rest[0], operands)

    def _are_steps(self, operands: Sequence[int]) -> bool:
        """Whether values are all constant between times that are noted."""
        for operand in operands:
            if self._program.is_condition(operand):
                continue  # where it changes is noted, or it is listed as unsolved
            for line in self._lines(operand) or [None]:
                if line is None or self._program.literal(line.slope) != 0:
                    return False
        return True

    def _union(self, choice: object, operands: Sequence[int]) -> Sequence[_Line] | None:
        """Lines of what is one of several values."""
        first, second = (self._lines(operands[0]), self._lines(operands[-1]))
        if choice == "abs":
            nothing = self._program.number(0.0)
            second = self._combined("-", [_Line(nothing, nothing, None)], first)
        elif choice == "choose":
            first = self._lines(operands[1])
        elif choice not in ("min", "max"):
            return None
        return None if first is None or second is None else [*first, *second]

    def _difference(self, first: int, second: int) -> Sequence[_Line] | None:
        return self._combined("-", self._lines(first), self._lines(second))

    def _combined(
        self, sign: str, first: Sequence[_Line] | None, second: Sequence[_Line] | None
    ) -> Sequence[_Line] | None:
        program = self._program
        found: list[_Line] = []
        for one in first or ():
            for other in second or ():
                flat = [program.literal(line.slope) == 0 for line in (one, other)]
                if one.wave != other.wave and not any(flat):
                    return None
                line = _Line(
                    program.arithmetic(sign, one.slope, other.slope),
                    program.arithmetic(sign, one.offset, other.offset),
                    other.wave if flat[0] else one.wave,
                    one.has_steps or other.has_steps,
                )
                found.append(line)
        return found or None

    def _product(self, operation: str, first: int, second: int) -> Sequence[_Line] | None:
        if operation == "*" and second in self._timed:
            first, second = second, first
        lines = self._lines(first)
        if lines is None or second in self._timed or second in self._unknown:
            return None
        program = self._program
        return [
            _Line(
                program.arithmetic(operation, line.slope, second),
                program.arithmetic(operation, line.offset, second),
                line.wave,
                line.has_steps,
            )
            for line in lines
        ]

    def _wave(
        self, value: int, operation: object, rest: Sequence[object], operands: Sequence[int]
    ) -> tuple[str, int, int] | None:
        """What a value is a wave of, if it is one."""
        program = self._program
        if operation == "call" and rest[0] in ("sin", "cos"):
            return (str(rest[0]), operands[0], program.number(2 * math.pi))
        if operation == "call" and rest[0] == "fmod":
            return ("fmod", operands[0], operands[1])
        # A remainder with the divisor's sign is a choice between two; the same again is the same.
        if operation == "choose" and program.instructions[operands[2]][:2] == ("call", "fmod"):
            dividend, divisor = program.operands(operands[2])
            if lowering.modulo(program, dividend, divisor) == value:
                return ("fmod", dividend, divisor)
        return None
