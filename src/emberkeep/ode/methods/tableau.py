"""What a Runge-Kutta method is: a table of numbers."""

from __future__ import annotations

from emberkeep.ode.methods.one_step import OneStepMethod, Row
from emberkeep.startup_records import final, frozen


@final
@frozen
class Tableau(OneStepMethod):
    """An explicit Runge-Kutta method as Butcher writes it.

    Attributes:
        name: what it is called.
        order: of the solution.
        nodes: where in a step each stage is, from 0 to 1; the first is 0.
        stages: for each stage after the first, what it takes of those before.
        weights: what the solution takes of each stage.
        error: what the estimate of the local error takes of each stage; empty without one.
        interpolant: for each stage, then each extra one, the coefficients of θ, θ², … in its weight
            at the fraction θ of a step; empty where there is no dense output of its own.
        error_order: of the solution that the estimate compares with; 0 without an estimate.
        second_error: a second estimate, two orders lower. Where there is one, the error is
            ``first² / sqrt(first² + 0.01 second²)`` of their norms (Hairer).
        extra_nodes: where the stages are that only dense output needs.
        extra_stages: what each of those takes of all stages before it.
        interpolant_order: to which values within a step are right.
    """

    name: str
    order: int
    nodes: Row
    stages: tuple[Row, ...]
    weights: Row
    error: Row = ()
    interpolant: tuple[Row, ...] = ()
    error_order: int = 0
    second_error: Row = ()
    extra_nodes: Row = ()
    extra_stages: tuple[Row, ...] = ()
    interpolant_order: int = 0

    @property
    def ends_with_solution(self) -> bool:
        """Whether the last stage lies at the solution, so that the next step begins with it."""
        last = self.stages[-1] if self.stages else ()
        return self.nodes[-1] == 1 and padded(last, self.count) == self.weights

    @property
    def extra_ends(self) -> int | None:
        """Which extra stage, from 0, lies at the solution: its slope begins the next step."""
        solution = padded(self.weights, self.count + len(self.extra_stages))
        for place, row in enumerate(self.extra_stages):
            if self.extra_nodes[place] == 1 and padded(row, len(solution)) == solution:
                return place
        return None

    @property
    def interpolates(self) -> bool:
        """Whether values within a step are as accurate as steps; else these end at times to save.

        Their error is that of one step, which does not add up: one order less is enough.
        """
        return self.dense_order >= self.order - 1

    @property
    def estimate_power(self) -> int:
        """The power of the step by which the estimate of the error grows; 0 without one.

        Hairer's combination of two estimates is made to grow by the order of the solution.
        """
        if not self.error:
            return 0
        return self.order if self.second_error else min(self.order, self.error_order) + 1

    @property
    def stability_limit(self) -> float:
        """The largest hλ with which steps of x' = -λx do not make x grow."""
        from emberkeep.ode.methods.stability import real_limit

        return real_limit(self.stages, self.weights)

    def check(self) -> Tableau:
        """This very tableau, once its shape, nodes and orders are found to be as it says.

        Raises:
            InvalidPlan: names what is wrong.
        """
        from emberkeep.ode.methods.explicit_checks import check

        check(self)
        return self


def padded(row: Row, size: int) -> Row:
    """A row with zeros for the stages that it does not reach."""
    return (*row, *[0] * (size - len(row)))
