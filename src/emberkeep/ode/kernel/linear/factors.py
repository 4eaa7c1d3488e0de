"""The factors of the matrix W = I/γ - hJ, for one trajectory, in the form that its size asks for.

Measured on CPUs: straight lines of values up to what is written out at all (`kernel/source.py`);
beyond, functions of straight lines on arrays; from some thousands of products on, loops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.linear.lines import Functions, Lines
from emberkeep.ode.kernel.linear.loops import Loops
from emberkeep.ode.kernel.linear.matrix import matrix_of

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import Value
    from emberkeep.ode.kernel.equations import Equations
    from emberkeep.ode.kernel.linear.lines import Key
    from emberkeep.ode.kernel.vectors import Layout, Vector

MOST_PRODUCTS = 1000  # of straight lines: compilers take more than linear time


@final
class Factors:
    """The factors of W for one trajectory.

    Args:
        layout: where vectors lie.
        equations: whose Jacobian it is.
        states: how many there are.
        gamma: γ.
    """

    def __init__(self, layout: Layout, equations: Equations, states: int, gamma: float) -> None:
        self._matrix = matrix_of(equations.jacobian(), states, gamma)
        self._jacobian = equations.evaluation("jacobian", self._matrix.values)
        self._entries = layout.passing("jacobian", len(self._matrix.values))
        self._lines = Lines(layout.code, self._matrix)
        self._numbers: dict[Key, Value] = {}
        self._trouble: Value | None = None
        self._functions: Functions | Loops | None = None
        if layout.large:
            is_long = self._matrix.products > MOST_PRODUCTS
            self._functions = (
                Loops(layout, self._matrix, len(self._matrix.values))
                if is_long
                else Functions(layout, self._matrix, self._lines)
            )

    @property
    def trouble(self) -> Value:
        """What is wrong with the factors; `status.RUNNING` for nothing."""
        assert self._trouble is not None, "not factored yet"
        return self._trouble

    def factor(self, at: Vector, inputs: Vector, time: Value, h: Value) -> None:
        """Write the factors at a place, for a step.

        Args:
            at: the states.
            inputs: parameters and constants.
            time: when.
            h: length of the step, negative backwards.
        """
        self._jacobian.write(at, inputs, time, self._entries)
        if self._functions is not None:
            self._trouble = self._functions.factor(self._entries, h)
        else:
            self._numbers, self._trouble = self._lines.factored(self._entries, h)

    def solve(self, right: Vector) -> None:
        """Write the solution, in place of the right-hand side."""
        if self._functions is not None:
            self._functions.solve(right)
        else:
            self._lines.solved(self._numbers.__getitem__, right)
