"""A step's operations, transposed: from what its results weigh to what it was made of.

Of each vector of a step there is a *weight*: the derivative of what is differentiated by it. The
operations are gone through from the last to the first, and each hands the weight of what it made to
what it made it of. Lengths of steps are numbers that nothing is differentiated by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.adjoint.pullback import (
    DIRECTION,
    WEIGHT,
    of_directional_slopes,
    of_slopes,
    of_slopes_in_time,
)
from emberkeep.ode.kernel.code import REAL
from emberkeep.ode.kernel.interpolation import shares
from emberkeep.ode.kernel.step import (
    AT_END,
    FIRST,
    NEW,
    Combination,
    Correction,
    CoupledIteration,
    Factoring,
    Iteration,
    Slopes,
    SlopesInTime,
    Solution,
    Stepper,
    Y,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from emberkeep.ode.kernel.adjoint.pullback import Pullback
    from emberkeep.ode.kernel.code import Operand, Value
    from emberkeep.ode.kernel.equations import Equations
    from emberkeep.ode.kernel.step import At, Clock, Operation, Step, Terms
    from emberkeep.ode.kernel.trajectory import Trajectory
    from emberkeep.ode.kernel.vectors import Vector

FACTORS = "factors"  # no vector, but made and read as these are
SCALED = "scaled"  # a weight on its way


@final
class TransposedStep:
    """A step that is computed again, and its transpose.

    Args:
        trajectory: whose.
        by: names of parameters that there are derivatives by.
        parameters: what those are added to.
        has_values: whether values within the step weigh something, too.

    Attributes:
        stepper: what computes the step, each state at a stage in a place of its own.
    """

    def __init__(
        self, trajectory: Trajectory, by: Sequence[str], parameters: Vector, *, has_values: bool
    ) -> None:
        own = self._own = trajectory
        self._layout, self._by, self._parameters = own.layout, by, parameters
        step = own.step
        self._has_values = has_values
        self._operations = _needed(_all_operations(step), {NEW})
        within = _needed(_all_operations(step), _within(step)) if has_values else []
        self._within = [each for each in within if each not in self._operations]
        vectors = {Y: own.vectors[Y]}
        for operation in (*self._operations, *self._within):
            name = _made(operation)
            if name.startswith("at"):
                vectors[name] = own.layout.passing(name, own.states)
        self.stepper = Stepper(
            step, own.layout, own.equations, own.states, vectors, own.parameters, own.implicit
        )
        self._weights: dict[str, Vector] = {}
        self._begun: set[str] = set()  # weights that are not zero for sure
        self._pullbacks: dict[Callable[..., Pullback], Pullback] = {}
        self._stage = own.layout.passing("stage", own.states)  # states at an implicit one

    # Forwards -------------------------------------------------------------------------------------

    def compute(self, clock: Clock, h: Value) -> None:
        """Compute what the end of the step is made of."""
        self.stepper.take(self._operations, clock, h)

    def compute_within(self, clock: Clock, h: Value) -> None:
        """Compute what only values within it are made of."""
        self.stepper.take(self._within, clock, h)

    # Backwards ------------------------------------------------------------------------------------

    def begin(self, weight: Vector) -> None:
        """Nothing weighs but the end of the step."""
        self._begun.clear()
        self._add(weight.get, [(NEW, self._one())])

    def begin_values(self) -> None:
        """What values in the step are made of may weigh something from here on."""
        if self._has_values:
            used = {Y, *_within(self._own.step), *_read(self._within)}
            self._begin(used - {*map(_made, self._within)})

    def begin_within(self) -> None:
        """The same of what is computed for them alone."""
        self._begin(map(_made, self._within))

    def weigh_value(self, weight: Vector, theta: Value, h: Value, within: Value) -> None:
        """A value weighs something: at the fraction theta within the step, or at its end."""
        code = self._layout.code
        if not self._has_values:
            self._add(weight.get, [(NEW, self._one())])
            return
        at_end = code.where(within, 0.0, self._one())
        found = {
            name: code.where(within, share, 0.0) for name, share in shares(self._own.step, theta, h)
        }
        found[NEW] = found[NEW] + at_end if NEW in found else at_end
        self._add(weight.get, [*found.items()])

    def transpose_within(self, clock: Clock, h: Value) -> None:
        """Hand on what weighs of `compute_within`."""
        self._transpose(self._within, clock, h)

    def transpose(self, clock: Clock, h: Value) -> Vector:
        """Hand on what weighs of `compute`; the weight of the states at the start of the step."""
        self._transpose(self._operations, clock, h)
        return self._weight(Y)

    def _transpose(self, operations: Sequence[Operation], clock: Clock, h: Value) -> None:
        for operation in reversed(operations):
            made = _made(operation)
            if made not in self._begun:
                continue
            if isinstance(operation, Combination):
                self._hand_on(operation, h)
            elif isinstance(operation, Solution):
                self._solve(operation, clock, h)
            else:
                if isinstance(operation, Slopes):
                    self._pull(operation, clock)
                elif isinstance(operation, SlopesInTime):
                    self._pull_in_time(operation, clock)
                elif isinstance(operation, Iteration):
                    self._find(operation, clock, h)
                self._begun.discard(made)

    def _hand_on(self, operation: Combination, h: Value) -> None:
        scale = h if operation.by_length else self._one()
        found = [(name, scale * weight) for name, weight in operation.terms]
        is_in_place = operation.base == operation.target
        if operation.base and not is_in_place:
            found.append((operation.base, self._one()))
        self._add(self._weight(operation.target).get, found)
        if not is_in_place:
            self._begun.discard(operation.target)

    def _pull(self, operation: Slopes, clock: Clock) -> None:
        at = self.stepper[operation.at]
        weights = {WEIGHT: self._weight(operation.target)}
        self._add_pulled(of_slopes, at, operation.at, clock(operation.node), weights)

    def _pull_in_time(self, operation: SlopesInTime, clock: Clock) -> None:
        weights = {WEIGHT: self._weight(operation.target)}
        self._add_pulled(of_slopes_in_time, self.stepper[Y], Y, clock(0.0), weights)

    def _solve(self, operation: Solution, clock: Clock, h: Value) -> None:
        """Of u = W⁻¹ b: z = W⁻ᵀ u̅ is the weight of b, and what h zᵀJu changes by that of J's."""
        assert self._own.implicit is not None
        z, scaled = self._weight(operation.target), self._weight(SCALED)
        self._own.implicit.solve_transposed(z)
        self._layout.each(z.size, lambda i: scaled.set(i, h * z.get(i)))
        given = {WEIGHT: scaled, DIRECTION: self.stepper[operation.target]}
        self._add_pulled(of_directional_slopes, self.stepper[Y], Y, clock(0.0), given)

    def _find(self, operation: Iteration, clock: Clock, h: Value) -> None:
        """Of k = f(b + hγk): (1 - hγJ)⁻ᵀ k̅ weighs the slopes there, whose states are b's."""
        assert self._own.implicit is not None
        at, scaled = self._stage, self._weight(SCALED)
        base, k = self.stepper[operation.base], self.stepper[operation.target]
        weight, reach = self._weight(operation.target), h * operation.gamma
        self._layout.each(at.size, lambda i: at.set(i, base.get(i) + reach * k.get(i)))
        time = clock(operation.node)
        self._own.implicit.factor_at(operation.gamma, at, time, h)
        self._layout.each(at.size, lambda i: scaled.set(i, weight.get(i) * (1 / operation.gamma)))
        self._own.implicit.solve_transposed(scaled)
        self._add_pulled(of_slopes, at, operation.base, time, {WEIGHT: scaled})

    def _add_pulled(
        self,
        make: Callable[[Equations, Sequence[str]], Pullback],
        at: Vector,
        states: str,
        time: Value,
        given: Mapping[str, Vector],
    ) -> None:
        """Add what some values hand on to states and parameters.

        Args:
            make: makes their pullback.
            at: where they are.
            states: the vector whose weight they add to.
            time: when.
            given: what weighs them, and what else they are of.
        """
        own = self._own
        if make not in self._pullbacks:
            self._pullbacks[make] = make(own.equations, self._by)
        self._begin([states])
        into = self._weight(states)
        self._pullbacks[make].add(at, own.parameters, time, given, into, self._parameters)

    def _one(self) -> Value:
        return self._layout.code.value(1.0, REAL)

    def _weight(self, name: str) -> Vector:
        """The weight of a vector."""
        if name not in self._weights:
            self._weights[name] = self._layout.kept(f"{name}_weight_", self._own.states)
        return self._weights[name]

    def _begin(self, names: Iterable[str]) -> None:
        zero = self._layout.code.value(0.0, REAL)
        for name in sorted({*names} - self._begun):
            weight = self._weight(name)
            self._layout.each(weight.size, lambda i, weight=weight: weight.set(i, zero))
            self._begun.add(name)

    def _add(self, weight: At, shares: Sequence[tuple[str, Value]]) -> None:
        """Add shares of a weight to those of some vectors."""
        targets = [(self._weight(name), share, name in self._begun) for name, share in shares]

        def hand(index: Operand) -> None:
            whole = weight(index)
            for target, share, is_there in targets:
                part = share * whole
                target.set(index, target.get(index) + part if is_there else part)

        self._layout.each(self._own.states, hand)
        self._begun.update(name for name, _ in shares)


def _all_operations(step: Step) -> list[Operation]:
    """All that may be computed of a step, whose first slopes nobody gives it."""
    first = [] if step.begins else [Slopes(FIRST, Y, 0.0)]
    more: list[Operation] = [*step.extra]
    if not step.interpolant and not step.last:
        more.append(Slopes(AT_END, NEW, 1.0))
    return [*first, *step.operations, *more]


def _within(step: Step) -> set[str]:
    """What values within a step are made of, beside both ends."""
    if step.interpolant:
        return {name for name, _ in step.interpolant}
    return {FIRST, step.last or AT_END}


def _needed(operations: Sequence[Operation], wanted: set[str]) -> list[Operation]:
    """Those of some operations that vectors are made by."""
    found: list[Operation] = []
    wanted = {*wanted}
    for operation in reversed(operations):
        if _made(operation) in wanted:
            found.append(operation)
            wanted |= _read([operation])
    return found[::-1]


def _made(operation: Operation) -> str:
    """The vector that an operation makes."""
    if isinstance(operation, Factoring):
        return FACTORS
    assert not isinstance(operation, CoupledIteration | Correction), "refused beforehand"
    return operation.target


def _read(operations: Iterable[Operation]) -> set[str]:
    """What operations read."""
    found: set[str] = set()
    for operation in operations:
        if isinstance(operation, Slopes):
            found.add(operation.at)
        elif isinstance(operation, Combination):
            found |= {*_names(operation.terms), operation.base} - {""}
        elif isinstance(operation, Solution):
            found |= {FACTORS, operation.target}
        elif isinstance(operation, Iteration):
            found |= {FACTORS, operation.base, *_names(operation.guess)}
        else:
            found.add(Y)
    return found


def _names(terms: Terms) -> set[str]:
    return {name for name, _ in terms}
