"""What all one-step methods are asked, and what follows from numbers that they all have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

Row = tuple[float, ...]

HERMITE_ORDER = 3


class OneStepMethod(ABC):
    """A table of numbers that says how to take a step from one time to the next, by stages.

    What can be found out from the numbers is a property that does so; nothing is assumed of a
    method by its name.

    Attributes:
        name: what it is called.
        order: of the solution.
        nodes: where in a step each stage is, from 0 to 1.
        weights: what the solution takes of each stage.
        error: what the estimate of the local error takes of each stage; empty without one.
        error_order: of the solution that the estimate compares with; 0 without an estimate.
        interpolant: for each stage, the coefficients of θ, θ², … in its weight at the fraction θ of
            a step; empty where there is no dense output of its own.
        interpolant_order: to which values within a step are right.
    """

    name: str
    order: int
    nodes: Row
    weights: Row
    error: Row
    error_order: int
    interpolant: tuple[Row, ...]
    interpolant_order: int

    @property
    def count(self) -> int:
        """How many stages a step has."""
        return len(self.nodes)

    @property
    def is_adaptive(self) -> bool:
        """Whether it estimates its error, so that steps can be chosen by it."""
        return bool(self.error)

    @property
    def chooses_order(self) -> bool:
        """Whether the order of a step is chosen by errors, too."""
        return False

    @property
    def has_interpolant(self) -> bool:
        """Whether it has dense output of its own; without, values are Hermite's."""
        return bool(self.interpolant)

    @property
    def dense_order(self) -> int:
        """To which order values within a step are right, by its interpolant or Hermite's."""
        return self.interpolant_order if self.interpolant else min(self.order, HERMITE_ORDER)

    @property
    @abstractmethod
    def interpolates(self) -> bool:
        """Whether values within a step are as accurate; else steps end at times to save."""

    @property
    @abstractmethod
    def ends_with_solution(self) -> bool:
        """Whether the last stage lies at the solution, so that the next step begins with it."""

    @property
    @abstractmethod
    def estimate_power(self) -> int:
        """The power of the step by which the estimate of the error grows; 0 without one."""

    @property
    @abstractmethod
    def stability_limit(self) -> float:
        """The largest hλ with which steps of x' = -λx do not make x grow."""

    @abstractmethod
    def check(self) -> Self:
        """This very tableau, once its shape, nodes and orders are found to be as it says.

        Raises:
            InvalidPlan: names what is wrong.
        """


class StiffMethod(OneStepMethod):
    """One that is made for what decays fast: each of its steps solves equations."""

    @property
    def estimate_power(self) -> int:
        """The power of the step by which the estimate of the error grows; 0 without one."""
        return min(self.order, self.error_order) + 1 if self.error else 0

    @property
    def stability_limit(self) -> float:
        """None that would keep steps short."""
        return inf

    @property
    def has_accurate_interpolant(self) -> bool:
        """Whether its own dense output is as accurate as steps, where nothing decays fast.

        Hermite's cubic is not: it goes by slopes, in which a fast decay enlarges every error.
        """
        return self.has_interpolant and self.dense_order >= self.order - 1

    @property
    @abstractmethod
    def value_at_infinity(self) -> float:
        """What a step leaves of what decays at once; 0 with L-stable methods."""

    @property
    @abstractmethod
    def stability_angle(self) -> float:
        """α, in degrees, of its A(α)-stability; 90 is A-stability."""
