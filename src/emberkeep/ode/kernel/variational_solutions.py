"""Linear systems of a Rosenbrock step, and their derivatives by each name.

A solution W u = b, with W = 1/γ - h J at the start of the step, has the derivative
W U = B + h (∂J/∂y S + ∂J/∂p) u. So it takes the factors of W, the solutions of the states' own
step, and how J and F bend there: ∂J/∂p is ∂F/∂y.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import REAL
from emberkeep.ode.kernel.linear.number import Number
from emberkeep.ode.kernel.step import Factoring, Implicit, SlopesInTime, Solution, Y
from emberkeep.ode.system.derivatives import jacobian

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emberkeep.ode.kernel.code import Code, LocalArray, Value
    from emberkeep.ode.kernel.equations import Equations
    from emberkeep.ode.kernel.implicit import ImplicitStages
    from emberkeep.ode.kernel.linear.factors import Factors
    from emberkeep.ode.kernel.step import At, Clock, ImplicitOperation, Stepper
    from emberkeep.ode.kernel.vectors import Vector
    from emberkeep.ode.system.reading import Read

    Place = tuple[int, int]


@final
class Bends:
    """How J and F change with states and with time, as values of the program.

    Args:
        read: the program of a system with sensitivities.
        equations: what is written of it.
        states: names of its own states.

    Attributes:
        jacobian: of J, by row, column and the state that it changes with.
        forcing: of F, by number of the name, row and that state.
        jacobian_in_time: of J, by row and column.
        forcing_in_time: of F, by number of the name and row.
    """

    def __init__(self, read: Read, equations: Equations, states: Sequence[str]) -> None:
        assert read.variational is not None
        entries = read.variational
        places = [*entries.jacobian]
        names = [(number, row) for row, number in entries.forcing]
        values = [*entries.jacobian.values(), *entries.forcing.values()]
        count = len(places)
        self.jacobian: dict[tuple[int, int, int], int] = {}
        self.forcing: dict[tuple[int, int, int], int] = {}
        for (place, state), value in jacobian(read.program, values, states).items():
            if place < count:
                self.jacobian[(*places[place], state)] = value
            else:
                self.forcing[(*names[place - count], state)] = value
        in_time = equations.in_time(values)
        moving = {i: v for i, v in enumerate(in_time) if read.program.literal(v) != 0}
        self.jacobian_in_time = {places[i]: v for i, v in moving.items() if i < count}
        self.forcing_in_time = {names[i - count]: v for i, v in moving.items() if i >= count}

    @property
    def values(self) -> list[int]:
        """All of them: those of J, then those of F."""
        of_jacobian = *self.jacobian.values(), *self.jacobian_in_time.values()
        return [*of_jacobian, *self.forcing.values(), *self.forcing_in_time.values()]

    @property
    def bent(self) -> list[Place]:
        """Numbers of names, and rows, in which F changes with some state."""
        return sorted({(number, row) for number, row, _ in self.forcing})

    def bent_by(self, values: Sequence[Value], solution: Vector, h: Value) -> list[Value]:
        """By how much, for each of these, a solution changes what it solves.

        Args:
            values: those of `values`.
            solution: of the states' step.
            h: length of the step, negative backwards.
        """
        first = len(self.jacobian) + len(self.jacobian_in_time)
        totals: dict[Place, Value] = {}
        for (number, row, state), value in zip(self.forcing, values[first:], strict=False):
            add(totals, (number, row), value * solution.get(state))
        return [h * totals[place] for place in self.bent]


@final
class Recorded(Implicit):
    """The implicit operations of the states' step, whose factors and solutions are kept.

    Args:
        code: what is written.
        own: what does them.
        size: how many states there are.
        count: how many solutions.
    """

    def __init__(self, code: Code, own: ImplicitStages, size: int, count: int) -> None:
        self._code, self._own, self._size = code, own, size
        self._factors: LocalArray | None = None
        self._solutions, self._found = code.array("solutions", REAL, size * count), 0

    def arrays(self) -> dict[str, LocalArray]:
        """Where they are kept: solutions one behind the other."""
        assert self._factors is not None
        return {"factors": self._factors, "solutions": self._solutions}

    def begin(self) -> None:
        """A step begins."""
        self._found = 0

    def take(self, operation: ImplicitOperation, stepper: Stepper, clock: Clock, h: Value) -> None:
        """Write one of them; see `Stepper.take`."""
        self._own.take(operation, stepper, clock, h)
        if isinstance(operation, Factoring):
            keys, number = self._own.factors.keys, self._own.factors.number
            if self._factors is None:
                self._factors = self._code.array("factors", REAL, len(keys))
            for place, key in enumerate(keys):
                self._factors.set(place, number(key).real)
        elif isinstance(operation, Solution):
            solution, first = stepper[operation.target], self._found * self._size
            for row in range(self._size):
                self._solutions.set(first + row, solution.get(row))
            self._found += 1

    def weighed(self, at: At, stepper: Stepper) -> At:
        """What the mass matrix makes of a vector that is given place by place."""
        return self._own.weighed(at, stepper)


@final
class Derivatives(Implicit):
    """The derivatives of these operations by one name.

    Args:
        bends: how J and F change at the start of the step.
        values: those of `bends` for J, in their order.
        forced: what is of this name alone, None for zero: what to add for each solution, by row;
            then how F changes in time.
        factors: those of W.
        kept: where numbers of the factors are, and the solutions of the states.
        size: how many states there are.
        count: how many solutions.
    """

    def __init__(
        self,
        bends: Bends,
        values: Sequence[Value],
        forced: Callable[[int], Value | None],
        factors: Factors,
        kept: tuple[LocalArray, LocalArray],
        size: int,
        count: int,
    ) -> None:
        self._bends, self._values, self._size, self._count = bends, values, size, count
        self._forced, self._factors = forced, factors
        self._numbers, self._solutions = kept
        self._places = {key: place for place, key in enumerate(factors.keys)}
        self._change: dict[Place, Value] = {}
        self._found = 0

    def take(self, operation: ImplicitOperation, stepper: Stepper, clock: Clock, h: Value) -> None:
        """Write one of them; see `Stepper.take`."""
        del clock
        if isinstance(operation, Factoring):
            self._bend(stepper)
        elif isinstance(operation, SlopesInTime):
            self._slopes_in_time(operation.target, stepper)
        else:
            assert isinstance(operation, Solution)
            self._solve(operation.target, stepper, h)

    def weighed(self, at: At, stepper: Stepper) -> At:
        """There is no mass matrix."""
        del stepper
        return at

    def _bend(self, stepper: Stepper) -> None:
        """How J changes with the states by this name, at the start of the step."""
        s = stepper[Y]
        for (row, column, state), value in zip(self._bends.jacobian, self._values, strict=False):
            add(self._change, (row, state), value * s.get(column))

    def _slopes_in_time(self, target: str, stepper: Stepper) -> None:
        s, result = stepper[Y], stepper[target]
        totals: dict[Place, Value] = {}
        values = self._values[len(self._bends.jacobian) :]
        for (row, column), value in zip(self._bends.jacobian_in_time, values, strict=False):
            add(totals, (row, 0), value * s.get(column))
        for row in range(self._size):
            alone = self._forced(self._count * self._size + row)
            if alone is not None:
                add(totals, (row, 0), alone)
            result.set(row, totals.get((row, 0), stepper.layout.code.value(0.0, REAL)))

    def _solve(self, target: str, stepper: Stepper, h: Value) -> None:
        right, first = stepper[target], self._found * self._size
        totals: dict[Place, Value] = {}
        for (row, state), value in self._change.items():
            add(totals, (row, 0), value * self._solutions.get(first + state))
        for row in range(self._size):
            alone, bent = self._forced(first + row), totals.get((row, 0))
            total = right.get(row)
            if alone is not None:
                total = total + alone
            right.set(row, total if bent is None else total + h * bent)
        self._factors.solve_by(lambda key: Number(self._numbers.get(self._places[key])), right)
        self._found += 1


def add(totals: dict[Place, Value], place: Place, value: Value) -> None:
    """Add to a total, or begin it."""
    totals[place] = totals[place] + value if place in totals else value
