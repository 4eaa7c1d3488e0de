"""The Jacobian of a system in a kernel, and its mass matrix, as matrices are made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.linear.mass import MassMatrix
from emberkeep.ode.kernel.linear.matrix import matrix_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emberkeep.ode.kernel.code import Value
    from emberkeep.ode.kernel.equations import Equations
    from emberkeep.ode.kernel.linear.ordering import Place
    from emberkeep.ode.kernel.vectors import Layout, Vector


@final
class Jacobian:
    """The Jacobian, at one place at a time.

    Args:
        layout: where vectors lie.
        equations: whose it is.
        states: how many there are.
        slopes: what there is of it; all of it by default.
        is_kept: whether its numbers last from step to step.

    Attributes:
        matrix: what M - hJ consists of, and how it is taken apart.
        entries: the Jacobian's numbers where it was evaluated last.
    """

    def __init__(
        self,
        layout: Layout,
        equations: Equations,
        states: int,
        slopes: Mapping[Place, int] | None = None,
        *,
        is_kept: bool = False,
    ) -> None:
        slopes = equations.jacobian() if slopes is None else slopes
        mass, preferred = equations.mass(), equations.pivots()
        stages = layout.shares.stages if layout.shares else ()
        self.matrix = matrix_of(slopes, states, mass=mass, preferred=preferred, stages=stages)
        self._mass = MassMatrix(layout, self.matrix)
        self._evaluation = equations.evaluation("jacobian", self.matrix.values)
        lies = layout.kept if is_kept else layout.passing
        self.entries = lies("jacobian", len(self.matrix.values))

    def evaluate(self, at: Vector, inputs: Vector, time: Value, *, in_step: bool = True) -> None:
        """Write it at a place.

        Args:
            at: the states.
            inputs: parameters and constants.
            time: when.
            in_step: whether that is within a step, which is on one side of a jump.
        """
        self._evaluation.write(at, inputs, time, self.entries, in_step=in_step)

    def weigh(self, vector: Vector, result: Vector) -> None:
        """Write what the mass matrix makes of a vector, with the numbers evaluated last."""
        self._mass.write(vector, self.entries, result)
