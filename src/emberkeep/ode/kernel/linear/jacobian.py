"""The Jacobian of a system in a kernel, as the matrices of a step are made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.linear.matrix import matrix_of

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import Value
    from emberkeep.ode.kernel.equations import Equations
    from emberkeep.ode.kernel.vectors import Layout, Vector


@final
class Jacobian:
    """The Jacobian, at one place at a time.

    Args:
        layout: where vectors lie.
        equations: whose it is.
        states: how many there are.

    Attributes:
        matrix: what I - hJ consists of, and how it is taken apart.
        entries: the Jacobian's numbers where it was evaluated last.
    """

    def __init__(self, layout: Layout, equations: Equations, states: int) -> None:
        self.matrix = matrix_of(equations.jacobian(), states)
        self._evaluation = equations.evaluation("jacobian", self.matrix.values)
        self.entries = layout.passing("jacobian", len(self.matrix.values))

    def evaluate(self, at: Vector, inputs: Vector, time: Value) -> None:
        """Write it at a place.

        Args:
            at: the states.
            inputs: parameters and constants.
            time: when.
        """
        self._evaluation.write(at, inputs, time, self.entries)
