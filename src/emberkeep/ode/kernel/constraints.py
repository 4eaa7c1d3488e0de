"""What is known of M y' = f(t, y) beside its steps: derivatives, and values that are consistent.

Rows of M are independent of each other, or zero, where an equation 0 = g(t, y) is algebraic. With
the slopes of these in place of zeros,

    A = [M; -∂g/∂y],    A y' = [f; ∂g/∂t],    A Δ = [0; g]

give the derivatives of all states, and Newton's changes of y that leave M y as it is. Where A can
be solved with, the index is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.errors import InvalidSystem
from emberkeep.ode import status
from emberkeep.ode.kernel.code import BOOL, REAL
from emberkeep.ode.kernel.linear.factors import Factors
from emberkeep.ode.kernel.linear.jacobian import Jacobian
from emberkeep.ode.kernel.linear.ordering import StructurallySingular, ordering
from emberkeep.ode.kernel.vectors import Vector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from emberkeep.ode.kernel.code import Operand, Value
    from emberkeep.ode.kernel.equations import Equations
    from emberkeep.ode.kernel.linear.ordering import Place
    from emberkeep.ode.kernel.vectors import Layout
    from emberkeep.ode.system.reading import Read
    from emberkeep.ode.system.system import System

# Values are consistent when the next change would be so much of what is tolerated, ...
SHARE = 0.01
# ... or the last one was within it, and is no longer followed by smaller ones.
MOST_TURNS = 100
LEAST_DAMPING = 2.0**-20


@final
class Constraints:
    """The algebraic equations of a system, and its mass matrix.

    Args:
        system: whose.
        read: its equations.
        layout: where vectors lie.
        equations: what is written of them.
        inputs: parameters and constants.
        tolerated: what error is tolerated in a state of some size.

    Attributes:
        missed: whether the values of a trajectory could not be made consistent.

    Raises:
        InvalidSystem: whatever the numbers are, algebraic equations do not determine what has no
            derivative.
    """

    def __init__(
        self,
        system: System,
        read: Read,
        layout: Layout,
        equations: Equations,
        inputs: Vector,
        tolerated: Callable[[Value, Operand], Value],
    ) -> None:
        self._layout, self._code, self._states = layout, layout.code, len(system.states)
        self._judged, self._own = system.judged, len(system.own_states)
        self._equations, self._inputs, self._tolerated = equations, inputs, tolerated
        algebraic = set(read.algebraic)
        slopes, mass = equations.constraints(), equations.mass() or {}
        try:
            ordering(self._own, _within({*slopes, *mass}, self._own))
        except StructurallySingular as problem:
            raise _unsolvable(system, read, equations, problem) from None
        self._jacobian = Jacobian(layout, equations, self._states, slopes)
        self._factors = Factors(layout, self._jacobian, 1.0)
        in_time, zero = equations.slopes_in_time(), read.program.number(0.0)
        rows = range(self._states)
        moving = [in_time[row] if row in algebraic else read.derivatives[row] for row in rows]
        failing = [read.derivatives[row] if row in algebraic else zero for row in rows]
        self._moving = equations.evaluation("moving", moving)
        self._failing = equations.evaluation("failing", failing)
        self.missed = self._code.variable("inconsistent", BOOL)
        held = self._code.array("held", REAL, self._states, is_rare=True)
        self._held = Vector(self._states, array=held)

    def derivatives(
        self, at: Vector, time: Value, result: Vector, *, anew: bool = True, in_step: bool = True
    ) -> None:
        """Write the derivatives of all states.

        Args:
            at: the states.
            time: when.
            result: where they go.
            anew: whether the matrix is that of this place; else it is the one before.
            in_step: whether that is within a step, which is on one side of a jump.
        """
        if anew:
            self._factor(at, time, in_step=in_step)
        self._moving.write(at, self._inputs, time, result, in_step=in_step)
        self._factors.solve(result)

    def settle(self, y: Vector, time: Value, where: Value, work: tuple[Vector, Vector]) -> None:
        """Write consistent values of the states, by Newton's method.

        It is damped where a change, by the same matrix, calls for another that is no smaller
        (Deuflhard, Newton Methods for Nonlinear Problems, 3.3).

        Args:
            y: the states, which it begins with.
            time: when.
            where: the condition under which a trajectory begins.
            work: two vectors to work with.
        """
        code, layout, states = self._code, self._layout, self._states
        change, more = work
        damping = code.variable("damping", REAL, 1.0)
        is_open = code.variable("is_inconsistent", BOOL, where)
        self.missed.set(where | self.missed.get())
        with code.count_up("turn", MOST_TURNS):
            going, share = is_open.get(), damping.get()
            self._factor(y, time)
            is_sound = self._factors.trouble.equals(status.RUNNING)
            self._correct(y, time, change)

            def go(index: Operand) -> None:
                self._held.set(index, y.get(index))
                y.set(index, y.get(index) + share * change.get(index))

            layout.each(states, go)
            self._correct(y, time, more)
            # Not-a-number is not smaller.
            size, left = (self._size(each, self._larger_of(y)) for each in work)
            is_better = is_sound & (left <= size * (1.0 - share * 0.25))
            next_one = self._size(more, y.get)
            is_found = is_sound & code.where(is_better, next_one <= SHARE, size <= 1.0)
            taken = going & is_better

            def keep(index: Operand) -> None:
                ahead = y.get(index) + code.where(is_found, more.get(index), 0.0)
                y.set(index, code.where(taken, ahead, self._held.get(index)))

            layout.each(states, keep)
            damped = code.where(is_better, code.smaller(share * 2.0, 1.0), share * 0.5)
            damping.set(damped)
            self.missed.set(self.missed.get() & ~(going & is_found))
            is_open.set(going & ~is_found & (damped > LEAST_DAMPING))
            code.leave(~code.any(is_open.get()))
        if self._states > self._own:
            self._settle_derivatives(y, time, where, change)

    def _settle_derivatives(self, y: Vector, time: Value, where: Value, change: Vector) -> None:
        """Make sensitivities consistent, for which the equations are linear where states are."""
        self._factor(y, time)
        self._correct(y, time, change)

        def go(index: Operand) -> None:
            y.set(index, y.get(index) + self._code.where(where, change.get(index), 0.0))

        if self._layout.has_arrays:
            with self._code.count_up("i", self._states - self._own) as i:
                go(i + self._own)
        else:
            for index in range(self._own, self._states):
                go(index)

    def _factor(self, at: Vector, time: Value, *, in_step: bool = True) -> None:
        self._jacobian.evaluate(at, self._inputs, time, in_step=in_step)
        self._factors.factor(self._code.value(1.0, REAL))

    def _correct(self, y: Vector, time: Value, correction: Vector) -> None:
        """Write the change that the last factors call for."""
        self._failing.write(y, self._inputs, time, correction)
        self._factors.solve(correction)

    def _larger_of(self, y: Vector) -> Callable[[Operand], Value]:
        """The larger of states before and after a change: units that both are measured in."""
        code, held = self._code, self._held
        return lambda i: code.larger(code.call("fabs", y.get(i)), code.call("fabs", held.get(i)))

    def _size(self, change: Vector, at: Callable[[Operand], Value]) -> Value:
        """The size of a change, in units of what is tolerated in states of some size."""

        def square(total: Value, index: Operand) -> Value:
            ratio = change.get(index) / self._tolerated(at(index), index)
            return total + ratio * ratio

        mean = self._layout.fold(self._judged, 0.0, square) * (1 / self._judged)
        return self._code.call("sqrt", mean)


def _within(places: Iterable[Place], size: int) -> set[Place]:
    """Those among the first rows and columns: sensitivities have the same again."""
    return {(row, column) for row, column in places if max(row, column) < size}


def _unsolvable(
    system: System, read: Read, equations: Equations, problem: StructurallySingular
) -> InvalidSystem:
    """Why algebraic equations do not determine what has no derivative."""
    names, labels = system.own_states, system.row_labels()
    slopes = _within(equations.jacobian(), len(names))
    mass = _within(equations.mass() or {}, len(names))
    rows = [row for row in problem.rows if row in read.algebraic]
    listed = "\n".join(f"    {labels[row]}" for row in rows)
    try:
        ordering(len(names), {*slopes, *mass})
    except StructurallySingular as worse:
        rows = [*worse.rows]
        columns = {column for row, column in {*slopes, *mass} if row in rows}
        found = ", ".join(names[column] for column in sorted(columns)) or "none"
        listed = "\n".join(f"    {labels[row]}" for row in rows)
        return InvalidSystem(
            f"{len(rows)} equations of {system.name} have only {len(columns)} states in them "
            f"({found}), so some are redundant, or contradict each other:\n{listed}\nReplace one "
            "of them by an equation for the states that are left"
        )
    columns = {column for row, column in slopes if row in rows}
    found = ", ".join(names[column] for column in sorted(columns)) or "no state"
    free = [name for column, name in enumerate(names) if column not in {c for _, c in mass}]
    return InvalidSystem(
        f"The algebraic equations of {system.name} do not determine {', '.join(free)} where the "
        f"other states are given, so its index is higher than 1: these contain only {found}:\n"
        f"{listed}\nReplace one by its derivative in time, with the right-hand sides of other "
        "equations in place of derivatives"
    )
