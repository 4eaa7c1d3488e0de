"""A step of a multistep method: predicted by differences, corrected by Newton's method.

One matrix, and its factors, serve many steps: those of a trajectory are made anew where the formula
asks for another one, where they are old, and where Newton's method does not find what it seeks.

To factor in one lane takes as long as in all of them. So trajectories choose orders and steps, and
get new factors, only in some of their attempts, and begin at such times that these go together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode import status
from emberkeep.ode.kernel.code import BOOL, INT, REAL
from emberkeep.ode.kernel.differences import Differences
from emberkeep.ode.kernel.linear.factors import Factors
from emberkeep.ode.kernel.linear.jacobian import Jacobian
from emberkeep.ode.kernel.newton import LEAST_TOLERATED
from emberkeep.ode.kernel.orders import Orders
from emberkeep.ode.kernel.step import NEW, Y

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emberkeep.ode.kernel.code import Operand, Value, Variable
    from emberkeep.ode.kernel.equations import Equations
    from emberkeep.ode.kernel.error_norm import Measure
    from emberkeep.ode.kernel.newton import Newton
    from emberkeep.ode.kernel.step import At, Clock, Correction, Stepper
    from emberkeep.ode.kernel.vectors import Layout, Vector

# Of a trajectory's attempts, the first of so many is for new factors, and the last for a choice.
PERIOD = 4
# Factors are those of M - cJ for a c that is not farther from the formula's than by this share; ...
NEAR = 0.3
FAR = 1.0  # ... nor, where there are no new ones yet, than by this
MOST_AGE = 50  # attempts with the same factors
SHORTENED = 0.5  # a step whose correction was not found


@final
class Multistep:
    """What a trajectory does in a step.

    Args:
        what: the formulas.
        layout: where vectors lie.
        equations: the right-hand side.
        inputs: parameters and constants.
        measure: by what steps are judged.
        newton: seeks the correction.
        trouble: what is wrong with the attempt.
    """

    def __init__(
        self,
        what: Correction,
        layout: Layout,
        equations: Equations,
        inputs: Vector,
        measure: Measure,
        newton: Newton,
        trouble: Variable,
    ) -> None:
        code = self._code = layout.code
        self._what, self._layout, self._states = what, layout, measure.states
        self._equations, self._inputs, self._measure = equations, inputs, measure
        self._newton, self._trouble = newton, trouble
        # Of a change, less is not told from rounding, however little is tolerated.
        least = LEAST_TOLERATED["float32" if code.is_single else "float64"]
        rtol = code.value(measure.setting("rtol"), REAL)
        self._told = rtol / code.larger(rtol, least)
        self.differences = Differences(layout, measure.states, len(what.sums))
        self._orders = Orders(code, self.differences, len(what.sums), measure.setting)
        self.jacobian = Jacobian(layout, equations, measure.states, is_kept=equations.has_mass)
        self._factors = Factors(layout, self.jacobian, 1.0)
        self._unit = layout.passing("unit", measure.states)  # 1 over what is tolerated
        self._correction = layout.kept("correction", measure.states)
        self._reach = code.variable("factored_reach", REAL, 0.0)  # c; zero without factors
        self._age = code.variable("factors_age", INT, 0)
        self._number = code.variable("attempt_number", INT, 0, uniform=True)  # of its attempts
        self._is_new = code.variable("factors_are_new", BOOL)

    def rest(self) -> None:
        """What a lane without a trajectory can go along with."""
        self.differences.rest()
        self._reach.set(0.0)

    def begin(self, slopes: Vector, size: Value, signed: Value, where: Value | None) -> None:
        """Know nothing of steps before; see `Differences.begin`."""
        self.differences.begin(slopes, size, signed, where)
        reach = self._reach.get()
        self._reach.set(0.0 if where is None else self._code.where(where, 0.0, reach))

    def may_begin(self) -> Value:
        """Whether the next attempt is one with which a trajectory begins: alike in all lanes."""
        return self._code.is_multiple(self._number.get(), PERIOD)

    def _are_due(self, accepted: Value) -> Value:
        """Where the step that is now attempted is followed by a choice, if it is accepted."""
        is_last = self._code.is_multiple(self._number.get() + 1, PERIOD)
        return self._orders.are_due(accepted) & is_last

    # One attempt ------------------------------------------------------------------------------

    def correct(self, stepper: Stepper, clock: Clock, h: Value, weigh: Callable[[At], At]) -> None:
        """Find the states at the end of a step.

        Args:
            stepper: the step's vectors.
            clock: gives the time at a share of the step.
            h: its length, negative backwards.
            weigh: what the mass matrix makes of a vector.
        """
        code, layout, differences, what = self._code, self._layout, self.differences, self._what
        measure = self._measure
        differences.space(code.call("fabs", h))
        share = differences.by_order([1 / lead for lead in what.leads])
        sums = differences.up_to_order(what.sums)
        y, new, known = stepper[Y], stepper.changing(NEW), stepper["known"]
        predicted = differences.predict([each * share for each in sums])

        def begin(index: Operand) -> None:
            before = y.get(index)
            change, total = predicted(index)
            new.set(index, before + change)
            known.set(index, total)
            self._correction.set(index, code.value(0.0, REAL))
            sizes = (code.call("fabs", each) for each in (before, new.get(index)))
            self._unit.set(index, 1.0 / measure.tolerated(code.larger(*sizes), index, 0.0))

        layout.each(self._states, begin)
        reach = code.named("reach", h * share)
        self._renew(new, clock, reach)
        factored = self._reach.get()
        scale = factored * 2.0 / (factored + reach)  # of a change, for the c that was not factored
        self._newton.expect(code.call("fabs", 1.0 - scale))
        change, time = stepper["change"], clock(1.0)

        def turn(going: Value) -> Value:
            self._equations.slopes(new, self._inputs, time, change)
            weighed = weigh(lambda i: known.get(i) + self._correction.get(i))
            layout.each(self._states, lambda i: change.set(i, reach * change.get(i) - weighed(i)))
            self._factors.solve(change)
            return self._go(new, change, scale, going)

        is_found = self._newton.seek(turn)
        self._note(code.where(is_found, code.value(status.RUNNING, INT), status.NOT_CONVERGED))

    def _note(self, trouble: Value) -> None:
        """Remember what is wrong first."""
        is_new = self._trouble.get().equals(status.RUNNING)
        self._trouble.set(self._code.where(is_new, trouble, self._trouble.get()))

    def _renew(self, at: Vector, clock: Clock, reach: Value) -> None:
        """Factor the matrix at a place, in lanes where that is called for."""
        code, factored = self._code, self._reach.get()
        distance, size = code.call("fabs", reach - factored), code.call("fabs", factored)
        is_old = reach.differs(0.0) & (self._age.get() >= MOST_AGE)
        is_wanted = (~(distance <= size * NEAR) | is_old) & self.may_begin()
        is_wanted |= ~(distance <= size * FAR)
        self._is_new.set(is_wanted)
        with code.when(code.any(is_wanted)):
            self.jacobian.evaluate(at, self._inputs, clock(1.0))
            self._factors.factor(reach, is_wanted)
            self._note(code.where(is_wanted, self._factors.trouble, status.RUNNING))
            self._reach.set(code.where(is_wanted, reach, factored))
            self._newton.begin(is_wanted)
        self._age.set(code.where(is_wanted, 0, self._age.get()) + 1)

    def _go(self, new: Vector, change: Vector, scale: Value, going: Value) -> Value:
        """Follow a change where Newton's method goes on; the size of it."""
        code = self._code

        def follow(total: Value, index: Operand) -> Value:
            step = change.get(index) * scale
            for vector in (new, self._correction):
                before = vector.get(index)
                vector.set(index, code.where(going, before + step, before))
            ratio = step * self._unit.get(index)
            return code.call("fmuladd", ratio, ratio, total)

        total = self._layout.fold(self._states, 0.0, follow)
        return code.call("sqrt", total * (1 / self._states)) * self._told

    def square(self) -> Value:
        """The mean of squared errors of the last attempt, in units of what is tolerated."""
        return self._of_order(self._what.errors, self._correction.get)

    def _of_order(self, shares: Sequence[float], at: At) -> Value:
        """The same, where an error is such a share of a difference, by the order."""
        code, share = self._code, self.differences.by_order(shares)

        def add(total: Value, index: Operand) -> Value:
            ratio = at(index) * self._unit.get(index)
            return code.call("fmuladd", ratio, ratio, total)

        total = self._layout.fold(self._measure.judged, 0.0, add)
        return total * (share * share * (1 / self._measure.judged))

    def follow(self, accepted: Value) -> None:
        """Go to the end of the step, where it is accepted, and see what other orders would do."""
        code, differences, errors = self._code, self.differences, self._what.errors
        due = self._are_due(accepted)
        with code.when(code.any(due)):
            *rows, last = differences.rows
            order = differences.order.get()
            own = [
                code.where(order.equals(number), 1.0, 0.0) for number in range(1, len(errors) + 1)
            ]
            own = [code.value(each, REAL) for each in own]

            def below(index: Operand) -> Value:
                total = self._correction.get(index)
                for row, one in zip(rows, own, strict=True):
                    total = code.call("fmuladd", one, row.get(index), total)
                return total

            def above(index: Operand) -> Value:
                return self._correction.get(index) - last.get(index)

            lower = self._of_order([0.0, *errors[:-1]], below)
            self._orders.compare(lower, self._of_order([*errors[1:], 0.0], above))
        differences.follow(self._correction, accepted)

    def factor(self, square: Value, accepted: Value) -> Value:
        """What the size of the step is multiplied with for the next one.

        Where a correction was not found by old factors, the same step is tried with new ones.
        """
        code, is_new = self._code, self._is_new.get()
        factor = self._orders.factor(square, accepted, self._are_due(accepted))
        missed = self._trouble.get().differs(status.RUNNING)
        self._reach.set(code.where(missed & ~is_new, 0.0, self._reach.get()))
        self._number.set(self._number.get() + 1)
        return code.where(missed, code.where(is_new, SHORTENED, 1.0), factor)

    # Within a step, before it is followed -----------------------------------------------------

    def gain_within(self, theta: Value) -> At:
        """What states gain up to the fraction θ of the step."""
        weights, of_correction = self.differences.weights_within(theta)

        def gain(index: Operand) -> Value:
            total = of_correction * self._correction.get(index)
            for row, weight in zip(self.differences.rows, weights, strict=False):
                total = self._code.call("fmuladd", weight, row.get(index), total)
            return total

        return gain

    def polynomial(self, place: int) -> list[Value]:
        """What a state gains within the step, as coefficients of θ, θ², …."""
        return self.differences.polynomial(place, self._correction)
