"""One step of a method, as operations on named vectors, and how they are written into code.

A family of methods (`families/`) turns its numbers into a `Step`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Protocol, final

from emberkeep.ode.kernel.code import REAL
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from emberkeep.ode.kernel.code import Operand, Value
    from emberkeep.ode.kernel.vectors import Layout, Vector

    Clock = Callable[[float], Value]
    At = Callable[[Operand], Value]

Terms = tuple[tuple[str, float], ...]

Y, NEW, FIRST, ERROR = "y", "new", "k1", "error"
AT_END = "slopes_at_end"  # where no stage of the step has them


@final
@frozen
class Slopes:
    """The derivatives at a place.

    Attributes:
        target: the vector that they go to.
        at: the states there.
        node: when, as a share of the step.
    """

    target: str
    at: str
    node: float


@final
@frozen
class Combination:
    """A vector, and a sum of slopes.

    Attributes:
        target: the vector that it goes to.
        base: what is added to; empty for nothing.
        terms: slopes with their weights.
        by_length: whether the sum is multiplied by the step's length.
        by_mass: whether by the mass matrix.
    """

    target: str
    base: str
    terms: Terms
    by_length: bool = True
    by_mass: bool = False


@final
@frozen
class Factoring:
    """The matrix W = M/γ - hJ at the start of the step, factored.

    Attributes:
        gamma: γ; a `Solution` is of this one.
        others: more γ, real or complex, of matrices with the same Jacobian.
    """

    gamma: complex
    others: tuple[complex, ...] = ()


@final
@frozen
class SlopesInTime:
    """The partial derivatives of the slopes by time, at the start of the step.

    Attributes:
        target: the vector that they go to.
    """

    target: str


@final
@frozen
class Solution:
    """The solution of a linear system with W.

    Attributes:
        target: the right-hand side, which the solution takes the place of.
    """

    target: str


@final
@frozen
class Iteration:
    """The slopes M k = f(base + h γ k) of an implicit stage, by Newton's method with W.

    Attributes:
        target: the vector that they go to.
        base: the states that a multiple of k is added to.
        guess: slopes that it begins with.
        node: when, as a share of the step.
        gamma: γ.
    """

    target: str
    base: str
    guess: Terms
    node: float
    gamma: float


@final
@frozen
class CoupledIteration:
    """All stages of a step at once, by Newton's method in coordinates in which they part.

    Attributes:
        targets: the vectors of unknowns; those of a pair follow one another.
        nodes: when each stage is, as a share of the step.
        states: what stages are away from the start, for each by unknowns, by the step's length.
        inverse: what makes unknowns of it.
        gammas: γ of each unknown, and complex of each pair.
        powers: for θ, θ², …, what a value within the step takes of the unknowns, by its length;
            empty where there is no such polynomial.
    """

    targets: tuple[str, ...]
    nodes: tuple[float, ...]
    states: tuple[tuple[float, ...], ...]
    inverse: tuple[tuple[float, ...], ...]
    gammas: tuple[complex, ...]
    powers: tuple[tuple[float, ...], ...] = ()


@final
@frozen
class Correction:
    """A step of a multistep method: from what its differences predict, by Newton's method.

    Of each order, from 1 on:

    Attributes:
        sums: γ, 1 + 1/2 + … + 1/k.
        leads: what the value sought is multiplied with in its formula.
        errors: what the local error takes of the difference of the next order.
    """

    sums: tuple[float, ...]
    leads: tuple[float, ...]
    errors: tuple[float, ...]


ImplicitOperation = Factoring | SlopesInTime | Solution | Iteration | CoupledIteration | Correction
Operation = Slopes | Combination | ImplicitOperation


@final
@frozen
class Step:
    """One step.

    Attributes:
        operations: in their order; they read `y` and leave the states after the step in `new`.
        begins: whether they begin by computing `k1`; else the step is given it.
        last: the slopes at the end of the step, where one of its stages lies there; else empty.
        error: weights of slopes in the estimate of the error; empty without one.
        second_error: those of another estimate, which the first is combined with; mostly empty.
        doubts: operations that find another estimate where one is not tolerated, ...
        doubted_error: ... which takes its place; mostly empty.
        extra: operations that only values within the step need, after it.
        interpolant: for slopes, the coefficients of θ, θ², … in their weight at the fraction θ;
            empty where values within a step are found from both ends alone.
    """

    operations: tuple[Operation, ...]
    begins: bool
    last: str
    error: Terms
    second_error: Terms = ()
    doubts: tuple[Operation, ...] = ()
    doubted_error: Terms = ()
    extra: tuple[Operation, ...] = ()
    interpolant: tuple[tuple[str, tuple[float, ...]], ...] = ()

    @property
    def is_implicit(self) -> bool:
        """Whether linear systems are solved."""
        solving = Factoring | Correction
        return any(isinstance(operation, solving) for operation in self.operations)

    @property
    def correction(self) -> Correction | None:
        """What a multistep method does; None of methods whose steps stand for themselves."""
        first = self.operations[0]
        return first if isinstance(first, Correction) else None

    @property
    def is_coupled(self) -> bool:
        """Whether all stages are found at once."""
        return any(isinstance(operation, CoupledIteration) for operation in self.operations)


def terms(row: Sequence[float]) -> Terms:
    """What a row of a tableau takes of each stage, without zeros."""
    return tuple((f"k{number}", value) for number, value in enumerate(row, 1) if value)


# Writing it -------------------------------------------------------------------------------------


class Implicit(ABC):
    """Writes the operations that only implicit methods have."""

    @abstractmethod
    def take(self, operation: ImplicitOperation, stepper: Stepper, clock: Clock, h: Value) -> None:
        """Write one of them; see `Stepper.take`."""

    @abstractmethod
    def weighed(self, at: At, stepper: Stepper) -> At:
        """What the mass matrix makes of a vector that is given place by place."""


class RightHandSide(Protocol):
    """What slopes are computed by."""

    def slopes(self, at: Vector, inputs: Vector, time: Value, result: Vector, /) -> None:
        """Write the derivatives at states, with inputs, at a time."""
        ...


@final
class Stepper:
    """Writes a step into code.

    Args:
        step: what is done.
        layout: where vectors lie.
        equations: the right-hand side.
        states: how many there are.
        vectors: those that exist already: `y`, and `k1` where the step is given it.
        inputs: parameters and constants.
        implicit: writes operations of implicit methods; None where there are none.
    """

    def __init__(
        self,
        step: Step,
        layout: Layout,
        equations: RightHandSide,
        states: int,
        vectors: Mapping[str, Vector],
        inputs: Vector,
        implicit: Implicit | None,
    ) -> None:
        self.step, self.layout, self.equations, self.states = step, layout, equations, states
        self.vectors, self.inputs, self._implicit = dict(vectors), inputs, implicit

    def __getitem__(self, name: str) -> Vector:
        """A vector of the step; states at stages, which are used at once, share their place."""
        if name not in self.vectors:
            place = "at" if name.startswith("at") else name
            if place not in self.vectors:
                self.vectors[place] = self.layout.passing(place, self.states)
            return self.vectors[place]
        return self.vectors[name]

    def changing(self, name: str) -> Vector:
        """A vector of the step that changes from turn to turn of a loop."""
        if name not in self.vectors:
            self.vectors[name] = self.layout.kept(name, self.states)
        return self.vectors[name]

    def take(self, operations: Sequence[Operation], clock: Clock, h: Value) -> None:
        """Write operations.

        Args:
            operations: of the step, or for values within it.
            clock: gives the time at a share of the step.
            h: its length, negative backwards.
        """
        for operation in operations:
            if isinstance(operation, Slopes):
                target = self[operation.target]
                when = clock(operation.node)
                self.equations.slopes(self[operation.at], self.inputs, when, target)
            elif isinstance(operation, Combination):
                self._combine(operation, h)
            else:
                assert self._implicit is not None
                self._implicit.take(operation, self, clock, h)

    def _combine(self, operation: Combination, h: Value) -> None:
        target = self[operation.target]
        scale = h if operation.by_length else self.layout.code.value(1.0, REAL)
        weighted: At = self.weighted(operation.terms, scale)
        if operation.by_mass and self._implicit is not None:
            weighted = self._implicit.weighed(weighted, self)
        if not operation.base:
            self.layout.each(self.states, lambda i: target.set(i, weighted(i)))
            return
        base = self[operation.base]
        self.layout.each(self.states, lambda i: target.set(i, base.get(i) + weighted(i)))

    def weighted(self, terms: Terms, scale: Value) -> Weighted:
        """A number, such as the step's length, times a sum of slopes, at each place."""
        return Weighted(self, terms, scale)


@final
class Weighted:
    """A number, mostly the step's length, times a weighted sum of slopes.

    A weight is taken out of the sum, so that its slopes need no product at each place: the largest;
    or, where several are alike, theirs, beginning with the last slopes. Which products are one
    instruction with a sum, and which sums stand by themselves, is said: left to them, a CPU's
    compiler and a GPU's choose differently, and round differently.
    """

    def __init__(self, stepper: Stepper, terms: Terms, scale: Value) -> None:
        self._code = stepper.layout.code
        self._share: Value | None = None
        if not terms:
            return
        alike = Counter(weight for _, weight in terms)
        most = max(alike.values())

        def worth(place: int) -> float:
            weight = terms[place][1]
            return abs(weight) if most == 1 else place if alike[weight] == most else -1

        chosen = max(range(len(terms)), key=worth)
        name, weight = terms[chosen]
        self._share = scale * weight
        self._first = stepper[name]
        rest = (term for place, term in enumerate(terms) if place != chosen)
        self._terms = [(stepper[other], value / weight) for other, value in rest]

    def __call__(self, index: Operand) -> Value:
        """The sum at a place."""
        if self._share is None:
            return self._code.value(0.0, REAL)
        total = self._first.get(index)
        for slopes, weight in self._terms:
            value = slopes.get(index)
            if weight == 1:
                total = self._code.call("apart", total, value)
            else:
                total = self._code.call("fmuladd", value, weight, total)
        return self._share * total
