"""What a Rosenbrock method is: a table of numbers, in the form that multiplies with no Jacobian."""

from __future__ import annotations

from math import inf

from emberkeep.ode.methods.tableau import HERMITE_ORDER, Row
from emberkeep.startup_records import final, frozen


@final
@frozen
class RosenbrockTableau:
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
    def count(self) -> int:
        """How many stages a step has."""
        return len(self.nodes)

    @property
    def is_adaptive(self) -> bool:
        """Whether it estimates its error, so that steps can be chosen by it."""
        return bool(self.error)

    @property
    def has_interpolant(self) -> bool:
        """Whether it has dense output of its own; without, values are Hermite's."""
        return bool(self.interpolant)

    @property
    def dense_order(self) -> int:
        """To which order values within a step are right, by its interpolant or Hermite's."""
        return self.interpolant_order if self.interpolant else min(self.order, HERMITE_ORDER)

    @property
    def estimate_power(self) -> int:
        """The power of the step by which the estimate of the error grows; 0 without one."""
        return min(self.order, self.error_order) + 1 if self.error else 0

    @property
    def stability_limit(self) -> float:
        """None that would keep steps short: it is made for what decays fast."""
        return inf
