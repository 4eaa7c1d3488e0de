"""What a Runge-Kutta method is: a table of numbers."""

from __future__ import annotations

from emberkeep.startup_records import final, frozen

Row = tuple[float, ...]


@final
@frozen
class Tableau:
    """An explicit Runge-Kutta method as Butcher writes it.

    Attributes:
        name: what it is called.
        order: of the solution.
        nodes: where in a step each stage is, from 0 to 1; the first is 0.
        stages: for each stage after the first, what it takes of those before.
        weights: what the solution takes of each stage.
        error: what the estimate of the local error takes of each stage; empty without one.
        interpolant: for each stage, the coefficients of θ, θ², … in its weight at the fraction θ of
            a step; empty where there is no dense output.
    """

    name: str
    order: int
    nodes: Row
    stages: tuple[Row, ...]
    weights: Row
    error: Row = ()
    interpolant: tuple[Row, ...] = ()

    @property
    def count(self) -> int:
        """How many stages there are."""
        return len(self.nodes)

    @property
    def is_adaptive(self) -> bool:
        """Whether it estimates its error, so that steps can be chosen by it."""
        return bool(self.error)

    @property
    def ends_with_solution(self) -> bool:
        """Whether the last stage lies at the solution, so that the next step begins with it."""
        padded = (*self.stages[-1], *[0.0] * (self.count - len(self.stages[-1])))
        return self.nodes[-1] == 1 and padded == self.weights
