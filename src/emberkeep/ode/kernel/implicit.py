"""What implicit steps do beside explicit ones: factors of W = M/γ - hJ, and Newton's method."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode import status
from emberkeep.ode.kernel.code import INT, REAL
from emberkeep.ode.kernel.coupled import CoupledStages
from emberkeep.ode.kernel.linear.factors import Factors
from emberkeep.ode.kernel.linear.jacobian import Jacobian
from emberkeep.ode.kernel.multistep import Multistep
from emberkeep.ode.kernel.newton import (
    LEAST_TOLERATED,
    MOST_TURNS,
    MOST_TURNS_OF_CORRECTION,
    MOST_TURNS_OF_FIXED,
    Newton,
)
from emberkeep.ode.kernel.predictor import Predictor
from emberkeep.ode.kernel.step import (
    Correction,
    Factoring,
    Implicit,
    Iteration,
    SlopesInTime,
    Solution,
    Y,
)

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import Operand, Value
    from emberkeep.ode.kernel.equations import Equations
    from emberkeep.ode.kernel.error_norm import Measure
    from emberkeep.ode.kernel.step import (
        At,
        Clock,
        CoupledIteration,
        ImplicitOperation,
        Step,
        Stepper,
    )
    from emberkeep.ode.kernel.vectors import Layout, Vector


@final
class ImplicitStages(Implicit):
    """The implicit operations of a step.

    Args:
        step: whose they are.
        layout: where vectors lie.
        equations: the right-hand side.
        inputs: parameters and constants.
        measure: by what steps are judged.
        is_adaptive: whether a step can be tried again as a shorter one.
    """

    def __init__(
        self,
        step: Step,
        layout: Layout,
        equations: Equations,
        inputs: Vector,
        measure: Measure,
        *,
        is_adaptive: bool,
    ) -> None:
        self._layout, self._code = layout, layout.code
        self._equations, self._inputs, self._measure = equations, inputs, measure
        self._jacobian: Jacobian | None = None
        self._by_gamma: dict[complex, Factors] = {}
        self._factors: Factors | None = None
        self.trouble = layout.code.variable("trouble", INT, status.RUNNING)
        most = MOST_TURNS if is_adaptive else MOST_TURNS_OF_FIXED
        if step.correction is not None:
            most = MOST_TURNS_OF_CORRECTION
        self._predictor = Predictor(layout.code) if step.is_coupled else None
        self._newton = Newton(layout.code, most)
        self.multistep: Multistep | None = None
        if step.correction is not None:
            self.multistep = Multistep(
                step.correction, layout, equations, inputs, measure, self._newton, self.trouble
            )
            self._jacobian = self.multistep.jacobian

    @property
    def products(self) -> int:
        """How many products the factors of a matrix take; once its steps are written."""
        return 0 if self._jacobian is None else self._jacobian.matrix.products

    @property
    def factors(self) -> Factors:
        """What was factored last."""
        assert self._factors is not None
        return self._factors

    def forget(self) -> None:
        """What was before tells nothing of what comes: a start, or what is behind a jump."""
        if self._predictor is not None:
            self._predictor.forget()

    def begin(self) -> None:
        """Nothing is wrong with a new attempt of a step."""
        self.trouble.set(status.RUNNING)

    def end(self, h: Value, accepted: Value) -> None:
        """An attempt of a step is over."""
        if self._predictor is not None:
            is_found = self.trouble.get().equals(status.RUNNING)
            self._predictor.remember(self._code.where(is_found, h, 0.0), accepted)

    def take(self, operation: ImplicitOperation, stepper: Stepper, clock: Clock, h: Value) -> None:
        """Write one operation; see `Stepper.take`."""
        if isinstance(operation, Factoring):
            self._factor(operation, stepper, clock, h)
        elif isinstance(operation, SlopesInTime):
            self._slope_in_time(stepper, operation.target, clock)
        elif isinstance(operation, Solution):
            assert self._factors is not None
            self._factors.solve(stepper[operation.target])
        elif isinstance(operation, Correction):
            assert self.multistep is not None
            self.multistep.correct(stepper, clock, h, lambda at: self.weighed(at, stepper))
        elif isinstance(operation, Iteration):
            self._iterate(operation, stepper, clock, h)
        else:
            self._iterate_together(operation, stepper, clock, h)

    def weighed(self, at: At, stepper: Stepper) -> At:
        """What the mass matrix makes of a vector that is given place by place."""
        if not self._equations.has_mass:
            return at
        assert self._jacobian is not None
        layout, states = self._layout, stepper.states
        vector, result = layout.passing("weighed", states), layout.passing("weight", states)
        if layout.large:
            vector, result = stepper["weighed"], stepper["weight"]
        layout.each(states, lambda i: vector.set(i, at(i)))
        self._jacobian.weigh(vector, result)
        return result.get

    def factor_at(self, gamma: complex, at: Vector, time: Value, h: Value) -> None:
        """Factor W of other states."""
        self._factors = self._factored(gamma, self._evaluated(at, time), h)

    def solve_transposed(self, right: Vector) -> None:
        """Solve with the transpose of what was factored last."""
        assert self._factors is not None
        self._factors.solve_transposed(right)

    def note(self, trouble: Value) -> None:
        """Remember what is wrong first."""
        is_new = self.trouble.get().equals(status.RUNNING)
        self.trouble.set(self._code.where(is_new, trouble, self.trouble.get()))

    def _factor(self, operation: Factoring, stepper: Stepper, clock: Clock, h: Value) -> None:
        jacobian = self._evaluated(stepper[Y], clock(0.0))
        for gamma in (operation.gamma, *operation.others):
            factors = self._factored(gamma, jacobian, h)
            self.note(factors.trouble)
        self._factors = self._by_gamma[operation.gamma]
        self._newton.begin()

    def _evaluated(self, at: Vector, time: Value) -> Jacobian:
        if self._jacobian is None:
            self._jacobian = Jacobian(self._layout, self._equations, at.size)
        self._jacobian.evaluate(at, self._inputs, time)
        return self._jacobian

    def _factored(self, gamma: complex, jacobian: Jacobian, h: Value) -> Factors:
        factors = self._by_gamma.get(gamma)
        if factors is None:
            factors = self._by_gamma[gamma] = Factors(self._layout, jacobian, gamma)
        factors.factor(h)
        return factors

    def _slope_in_time(self, stepper: Stepper, target: str, clock: Clock) -> None:
        slopes = self._equations.slopes_in_time()
        evaluation = self._equations.evaluation("slopes_in_time", slopes)
        evaluation.write(stepper[Y], self._inputs, clock(0.0), stepper[target])

    def _iterate(self, stage: Iteration, stepper: Stepper, clock: Clock, h: Value) -> None:
        """Newton's method: in each lane until its own stage is found."""
        code, layout, states = self._code, self._layout, stepper.states
        k, base, y = stepper.changing(stage.target), stepper[stage.base], stepper[Y]
        guess = stepper.weighted(stage.guess, code.value(1.0, REAL))
        layout.each(states, lambda i: k.set(i, guess(i)))
        time, reach = clock(stage.node), h * stage.gamma

        def turn(going: Value) -> Value:
            change = self._change(k, base, time, reach, stage.gamma, stepper)

            def square(total: Value, index: Operand) -> Value:
                allowed = self._allowed(y.get(index), index)
                ratio = reach * change.get(index) / allowed
                return total + ratio * ratio

            size = code.call("sqrt", layout.fold(states, 0.0, square) * (1 / states))
            layout.each(
                states,
                lambda i: k.set(i, code.where(going, k.get(i) + change.get(i), k.get(i))),
            )
            return size

        self._note_missed(self._newton.seek(turn))

    def _iterate_together(
        self, iteration: CoupledIteration, stepper: Stepper, clock: Clock, h: Value
    ) -> None:
        stages = CoupledStages(
            iteration, stepper, clock, h, self._by_gamma, self._allowed, self.weighed
        )
        assert self._predictor is not None
        self._predictor.predict(iteration, stages.unknowns, self._layout, h)
        self._note_missed(self._newton.seek(stages.turn))

    def _note_missed(self, is_found: Value) -> None:
        found = self._code.value(status.RUNNING, INT)
        self.note(self._code.where(is_found, found, status.NOT_CONVERGED))

    def _allowed(self, size: Value, index: Operand) -> Value:
        precision = "float32" if self._code.is_single else "float64"
        return self._measure.tolerated(size, index, LEAST_TOLERATED[precision])

    def _change(
        self, k: Vector, base: Vector, time: Value, reach: Value, gamma: float, stepper: Stepper
    ) -> Vector:
        """By how much slopes are to change."""
        layout, states = self._layout, stepper.states
        at, change = layout.passing("at", states), layout.passing("change", states)
        if layout.large:
            at, change = stepper["at"], stepper["change"]
        layout.each(states, lambda i: at.set(i, base.get(i) + reach * k.get(i)))
        self._equations.slopes(at, self._inputs, time, change)
        weighed = self.weighed(k.get, stepper)
        layout.each(states, lambda i: change.set(i, (change.get(i) - weighed(i)) * (1 / gamma)))
        assert self._factors is not None
        self._factors.solve(change)
        return change
