"""Sensitivities across jumps of the right-hand side at times that parameters move.

Where a right-hand side jumps from f₁ to f₂ at a time T, a change of T by dT changes the states
behind it by (f₁ - f₂) dT. So S = ∂y/∂p jumps by (f₁ - f₂) ∂T/∂p.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import REAL, TIME
from emberkeep.ode.kernel.equations import write_program
from emberkeep.ode.kernel.step import Y
from emberkeep.ode.system.derivatives import jacobian

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emberkeep.ode.kernel.code import Operand, Value
    from emberkeep.ode.kernel.trajectory import Trajectory
    from emberkeep.ode.system.breakpoints import Breakpoints

Slopes = dict[int, int]  # by number of the name: a value of the program


@final
class Moves:
    """How the next jump moves with each name: ∂T/∂p of the time T at which it is.

    Args:
        trajectory: whose.
        found: its jumps.
    """

    def __init__(self, trajectory: Trajectory, found: Breakpoints) -> None:
        self._own, self._code = trajectory, trajectory.code
        wanted = trajectory.system.sensitivities
        self._names = () if wanted is None else wanted.names
        periodic = [value for pair in found.periodic for value in pair]
        slopes = jacobian(trajectory.read.program, [*found.times, *periodic], self._names)
        self._slopes: dict[int, Slopes] = {}  # of the values, in the order of these
        for (row, number), slope in slopes.items():
            self._slopes.setdefault(row, {})[number] = slope
        self._count = len(found.times)
        numbers = sorted({number for row in self._slopes.values() for number in row})
        self._next = {n: self._code.variable(f"moves{n}", REAL) for n in numbers}
        self._found: list[Mapping[int, Value]] = []
        self._first: list[Operand] = []

    def __bool__(self) -> bool:
        return bool(self._next)

    def begin(self) -> None:
        """Compute how all of them move; lane by lane."""
        rows = [self._slopes.get(row, {}) for row in range(self._count)]
        flat = [value for row in self._slopes.values() for value in row.values()]
        names = self._own.named_inputs()
        values = iter(write_program(self._code, self._own.read.program, flat, names))
        known = {
            row: {number: next(values) for number in slopes}
            for row, slopes in self._slopes.items()
        }
        self._found = [known.get(row, {}) for row in range(len(rows))]
        self._known = known

    def of_time(self, place: int) -> Mapping[int, Value]:
        """How a single time moves."""
        return self._known.get(place, {})

    def of_period(self, place: int, turns: Value) -> Mapping[int, Value]:
        """How a time moves that is so many distances behind the first of its kind."""
        first = self._count + 2 * place
        start, distance = self._known.get(first, {}), self._known.get(first + 1, {})
        return {
            number: start.get(number, zero) + turns * distance.get(number, zero)
            for zero in (self._code.value(0.0, REAL),)
            for number in {**start, **distance}
        }

    def take(self, where: Value, moves: Mapping[int, Value]) -> None:
        """A jump is the next, where a condition holds; lane by lane."""
        for number, variable in self._next.items():
            move = moves.get(number, self._code.value(0.0, REAL))
            variable.set(self._code.where(where, move, variable.get()))
