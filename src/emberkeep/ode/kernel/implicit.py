"""What implicit steps do beside explicit ones: factors of W = I/γ - hJ, and Newton's method."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode import status
from emberkeep.ode.kernel.code import BOOL, INFINITY, INT, REAL
from emberkeep.ode.kernel.linear.factors import Factors
from emberkeep.ode.kernel.step import Factoring, Implicit, SlopesInTime, Solution, Y

if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.ode.kernel.code import Operand, Value
    from emberkeep.ode.kernel.equations import Equations
    from emberkeep.ode.kernel.step import Clock, ImplicitOperation, Iteration, Stepper
    from emberkeep.ode.kernel.vectors import Layout, Vector

# A stage is found when what is left of its error is this share of what a step may be wrong by.
SHARE = 0.01
MOST_TURNS = 8
# Changes that grow by this from turn to turn never end.
DIVERGING = 2.0
# What counts as tolerated is no less than so much of a state: less is not told from rounding.
LEAST_TOLERATED = {"float32": 2.0**-14, "float64": 2.0**-42}


@final
class ImplicitStages(Implicit):
    """The implicit operations of a step.

    Args:
        layout: where vectors lie.
        equations: the right-hand side.
        inputs: parameters and constants.
        tolerated: what error is tolerated in a state of some size, at least a share of it.
    """

    def __init__(
        self,
        layout: Layout,
        equations: Equations,
        inputs: Vector,
        tolerated: Callable[[Value, Operand, float], Value],
    ) -> None:
        self._layout, self._code = layout, layout.code
        self._equations, self._inputs, self._tolerated = equations, inputs, tolerated
        self._by_gamma: dict[float, Factors] = {}
        self._factors: Factors | None = None
        self.trouble = layout.code.variable("trouble", INT, status.RUNNING)
        self._rate = layout.code.variable("newton_rate", REAL)

    def begin(self) -> None:
        """Nothing is wrong with a new attempt of a step."""
        self.trouble.set(status.RUNNING)

    def take(self, operation: ImplicitOperation, stepper: Stepper, clock: Clock, h: Value) -> None:
        """Write one operation; see `Stepper.take`."""
        if isinstance(operation, Factoring):
            self._factor(operation.gamma, stepper, clock, h)
        elif isinstance(operation, SlopesInTime):
            self._slope_in_time(stepper, operation.target, clock)
        elif isinstance(operation, Solution):
            assert self._factors is not None
            self._factors.solve(stepper[operation.target])
        else:
            self._iterate(operation, stepper, clock, h)

    def _note(self, trouble: Value) -> None:
        """Remember what is wrong first."""
        is_new = self.trouble.get().equals(status.RUNNING)
        self.trouble.set(self._code.where(is_new, trouble, self.trouble.get()))

    def _factor(self, gamma: float, stepper: Stepper, clock: Clock, h: Value) -> None:
        factors = self._by_gamma.get(gamma)
        if factors is None:
            factors = Factors(self._layout, self._equations, stepper.states, gamma)
            self._by_gamma[gamma] = factors
        factors.factor(stepper[Y], self._inputs, clock(0.0), h)
        self._note(factors.trouble)
        self._factors = factors
        self._rate.set(1.0)

    def _slope_in_time(self, stepper: Stepper, target: str, clock: Clock) -> None:
        slopes = self._equations.slopes_in_time()
        evaluation = self._equations.evaluation("slopes_in_time", slopes)
        evaluation.write(stepper[Y], self._inputs, clock(0.0), stepper[target])

    def _iterate(self, stage: Iteration, stepper: Stepper, clock: Clock, h: Value) -> None:
        """Newton's method: in each lane until its own stage is found.

        How fast it converges is told by two changes after one another; before there are two, by
        the stage before (Hairer & Wanner, Solving ODEs II, IV.8).
        """
        code, layout, states = self._code, self._layout, stepper.states
        k, base, y = stepper.changing(stage.target), stepper[stage.base], stepper[Y]
        guess = stepper.weighted(stage.guess, code.value(1.0, REAL))
        layout.each(states, lambda i: k.set(i, guess(i)))
        time, reach = clock(stage.node), h * stage.gamma
        is_open = code.variable("is_open", BOOL, code.value(True, BOOL))  # noqa: FBT003
        is_found = code.variable("is_found", BOOL, code.value(False, BOOL))  # noqa: FBT003
        before = code.variable("change_before", REAL, INFINITY)
        turns = code.variable("turns", INT, 0, uniform=True)
        with code.loop():
            change = self._change(k, base, time, reach, stage.gamma, stepper)

            def square(total: Value, index: Operand) -> Value:
                allowed = self._allowed(y.get(index), index)
                ratio = reach * change.get(index) / allowed
                return total + ratio * ratio

            size = code.call("sqrt", layout.fold(states, 0.0, square) * (1 / states))
            going = is_open.get()
            layout.each(
                states,
                lambda i: k.set(i, code.where(going, k.get(i) + change.get(i), k.get(i))),
            )
            ratio = size / before.get()  # zero in the first turn
            rate = code.where(ratio < 1.0, ratio / (1.0 - ratio), INFINITY)
            rate = code.where(turns.get() > 0, rate, self._rate.get())
            found = going & (rate * size <= SHARE)
            # Not-a-number is not less.
            goes_on = going & ~found & (size < before.get() * DIVERGING)
            self._rate.set(code.where(going & (ratio < 1.0), rate, self._rate.get()))
            before.set(size)
            is_found.set(is_found.get() | found)
            is_open.set(goes_on)
            turns.set(turns.get() + 1)
            code.leave(~code.any(goes_on) | (turns.get() >= MOST_TURNS))
        missed = code.where(is_found.get(), code.value(status.RUNNING, INT), status.NOT_CONVERGED)
        self._note(missed)

    def _allowed(self, size: Value, index: Operand) -> Value:
        precision = "float32" if self._code.is_single else "float64"
        return self._tolerated(size, index, LEAST_TOLERATED[precision])

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
        layout.each(states, lambda i: change.set(i, (change.get(i) - k.get(i)) * (1 / gamma)))
        assert self._factors is not None
        self._factors.solve(change)
        return change
