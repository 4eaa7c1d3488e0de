"""What an implicit Runge-Kutta method is: a table of numbers."""

from __future__ import annotations

from emberkeep.ode.methods.one_step import Row, StiffMethod
from emberkeep.startup_records import final, frozen


@final
@frozen
class ImplicitTableau(StiffMethod):
    """An implicit Runge-Kutta method as Butcher writes it: diagonally implicit, or fully.

    Attributes:
        name: what it is called.
        order: of the solution.
        nodes: where in a step each stage is.
        matrix: for each stage, what it takes of each.
        weights: what the solution takes of each stage.
        error: what the estimate of the local error takes of each stage; empty without one.
        error_at_start: what it takes of the slopes at the start, which fully implicit methods
            compare with: -γ₀, where (I - hγ₀J)⁻¹ of the sum is the estimate (Hairer & Wanner,
            Solving ODEs II, IV.8); 0 where all is in `error`.
        error_order: of the solution that the estimate compares with; 0 without an estimate.
        interpolant: for each stage, the coefficients of θ, θ², … in its weight at the fraction θ
            of a step; empty where there is no dense output of its own.
        interpolant_order: to which values within a step are right.
    """

    name: str
    order: int
    nodes: Row
    matrix: tuple[Row, ...]
    weights: Row
    error: Row = ()
    error_at_start: float = 0.0
    error_order: int = 0
    interpolant: tuple[Row, ...] = ()
    interpolant_order: int = 0

    @property
    def is_diagonal(self) -> bool:
        """Whether each stage takes only of those before and of itself."""
        return all(not any(row[place + 1 :]) for place, row in enumerate(self.matrix))

    @property
    def begins_explicitly(self) -> bool:
        """Whether the first stage is the start of the step."""
        return not any(self.matrix[0])

    @property
    def ends_with_solution(self) -> bool:
        """Whether the last stage lies at the solution (stiff accuracy)."""
        return self.nodes[-1] == 1 and self.matrix[-1] == self.weights

    @property
    def gamma(self) -> float:
        """The diagonal of all implicit stages; 0 where they differ, or all depend on all."""
        diagonal = {row[place] for place, row in enumerate(self.matrix)} - {0.0}
        return diagonal.pop() if self.is_diagonal and len(diagonal) == 1 else 0.0

    @property
    def interpolates(self) -> bool:
        """Whether values within a step are as accurate as steps; else these end at times to save.

        An interpolant is not where the estimate is filtered: with what is stiff in it, it loses by
        what the inside of a step is wrong where decay is fast.
        """
        return self.has_accurate_interpolant and not self.error_at_start

    @property
    def value_at_infinity(self) -> float:
        """What a step leaves of what decays at once; 0 with L-stable methods."""
        from emberkeep.ode.methods.stability import implicit_at_infinity

        return implicit_at_infinity(self)

    @property
    def stability_angle(self) -> float:
        """α, in degrees, of its A(α)-stability; 90 is A-stability."""
        from emberkeep.ode.methods.stability import angle, of_implicit

        return angle(of_implicit(self))

    def check(self) -> ImplicitTableau:
        """This very tableau, once its shape, nodes and orders are found to be as it says.

        Raises:
            InvalidPlan: names what is wrong.
        """
        from emberkeep.ode.methods.implicit_checks import check

        check(self)
        return self
