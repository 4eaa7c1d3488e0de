"""What a Rosenbrock method is: a table of numbers, in the form that multiplies with no Jacobian."""

from __future__ import annotations

from emberkeep.ode.methods.one_step import Row, StiffMethod
from emberkeep.ode.methods.tableau import padded
from emberkeep.startup_records import final, frozen

# Numbers that were published with some digits, or transformed, are alike up to so much.
ALIKE = 1e-12


@final
@frozen
class RosenbrockTableau(StiffMethod):
    """A Rosenbrock method: one linear system a stage, all with the same matrix.

    With the Jacobian J and its slope in time at the start of a step, stage i is k_i of

        (I/γ - hJ) k_i = f(t + c_i h, y + h Σ a_ij k_j) + Σ C_ij k_j + h d_i ∂f/∂t

    and the step ends at y + h Σ m_i k_i (Hairer & Wanner, Solving ODEs II, IV.7, with k for u/h).

    Attributes:
        name: what it is called.
        order: of the solution.
        gamma: γ.
        nodes: c, where in a step each stage is; the first is 0.
        time_weights: d, of the slope in time.
        stages: a, for each stage after the first: what it takes of those before.
        couplings: C, likewise.
        weights: m, what the solution takes of each stage.
        error: what the estimate of the local error takes of each stage; empty without one.
        error_order: of the solution that the estimate compares with; 0 without an estimate.
        interpolant: for each stage, the coefficients of θ, θ², … in its weight at the fraction θ
            of a step; empty where there is no dense output of its own.
        interpolant_order: to which values within a step are right.
    """

    name: str
    order: int
    gamma: float
    nodes: Row
    time_weights: Row
    stages: tuple[Row, ...]
    couplings: tuple[Row, ...]
    weights: Row
    error: Row = ()
    error_order: int = 0
    interpolant: tuple[Row, ...] = ()
    interpolant_order: int = 0

    @property
    def interpolates(self) -> bool:
        """Whether values within a step are as accurate as steps; else these end at times to save.

        An interpolant is not whose errors are not estimated where decay is fast.
        """
        return self.has_accurate_interpolant and self.sees_inside

    @property
    def sees_inside(self) -> bool:
        """Whether the estimate says by what the inside of a step is wrong where decay is fast.

        The end of a step may be right there whatever is between: an estimate that is of the end
        alone lets steps grow as long as the span.
        """
        from emberkeep.ode.methods.stability import estimates_at_once

        powers = range(2, self.interpolant_order + 2)
        return any(abs(estimates_at_once(self, power)) > ALIKE for power in powers)

    @property
    def ends_with_solution(self) -> bool:
        """Whether the last stage looks at the solution, so that the next step begins with it."""
        last = padded(self.stages[-1] if self.stages else (), self.count)
        return _are_alike((*last, self.nodes[-1]), (*self.weights, 1.0))

    @property
    def is_stiffly_accurate(self) -> bool:
        """Whether the solution is the last stage's state and its k, at the end of the step.

        Then what decays at once is where it should be, and algebraic equations hold.
        """
        last = (*padded(self.stages[-1] if self.stages else (), self.count - 1), 1.0)
        place = (self.nodes[-1], self.time_weights[-1])
        return _are_alike(place, (1.0, 0.0)) and _are_alike(last, self.weights)

    @property
    def matrix_order(self) -> int:
        """The order that it keeps with any matrix in place of the Jacobian, as a W-method."""
        from emberkeep.ode.methods.checks import TOLERANCE
        from emberkeep.ode.methods.order_conditions import matrix_order

        return matrix_order(self, TOLERANCE)

    @property
    def value_at_infinity(self) -> float:
        """What a step leaves of what decays at once; 0 with L-stable methods."""
        from emberkeep.ode.methods.stability import rosenbrock_at_infinity

        return rosenbrock_at_infinity(self)

    @property
    def stability_angle(self) -> float:
        """α, in degrees, of its A(α)-stability; 90 is A-stability."""
        from emberkeep.ode.methods.stability import angle, of_rosenbrock

        return angle(of_rosenbrock(self))

    def check(self) -> RosenbrockTableau:
        """This very tableau, once its shape, nodes and orders are found to be as it says.

        Raises:
            InvalidPlan: names what is wrong.
        """
        from emberkeep.ode.methods.rosenbrock_checks import check

        check(self)
        return self


def _are_alike(one: Row, other: Row) -> bool:
    """Whether two rows of one length are the same numbers."""
    return all(abs(x - y) <= ALIKE * (1 + abs(x)) for x, y in zip(one, other, strict=True))
