"""A trajectory: what it begins with, how its step is taken and judged, and where results go."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.call import SETTINGS, arguments, stride_places
from emberkeep.ode.kernel.code import BOOL, INT, REAL, TIME, Code, Variable
from emberkeep.ode.kernel.constraints import Constraints
from emberkeep.ode.kernel.drivers import Drivers
from emberkeep.ode.kernel.equations import Equations, driving
from emberkeep.ode.kernel.error_norm import Measure, mean_square
from emberkeep.ode.kernel.event_programs import event_programs
from emberkeep.ode.kernel.families import step_of
from emberkeep.ode.kernel.implicit import ImplicitStages
from emberkeep.ode.kernel.interpolation import interpolated
from emberkeep.ode.kernel.linear.jacobian import Jacobian
from emberkeep.ode.kernel.linear.shares import branched, dissected
from emberkeep.ode.kernel.newton import LEAST_TOLERATED
from emberkeep.ode.kernel.step import AT_END, FIRST, NEW, Slopes, Stepper, Y
from emberkeep.ode.kernel.teams import spread
from emberkeep.ode.kernel.variational_step import VariationalStep, follows
from emberkeep.ode.kernel.vectors import Layout, Vector
from emberkeep.startup_records import frozen, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from emberkeep.ode.kernel.code import Argument, Operand, Value
    from emberkeep.ode.kernel.step import Clock, Terms
    from emberkeep.ode.kernel.teams import Team
    from emberkeep.ode.plan import Plan
    from emberkeep.ode.system.reading import Read
    from emberkeep.ode.system.system import System

# A step of fewer units in the last place of a time would change nothing.
LEAST_UNITS = 16
EPSILON = 2.0**-52
# How kinds of arguments are called in code.
_KINDS = {"real": REAL, "float64": TIME, "int64": INT, "int8": "byte"}


@final
class Trajectory:
    """What the loops of all methods have in common.

    Args:
        code: what is written.
        plan: what is compiled.
        read: the system's equations.
        large: whether the system is so large that loops stand for what is done for each state.
        named: how many states are done one by one where only the sensitivities are so many.
    """

    def __init__(
        self, code: Code, plan: Plan, read: Read, *, large: bool, named: int | None = None
    ) -> None:
        self.code, self._plan, self.read = code, plan, read
        self.changing = (*plan.system.states, *plan.system.drivers)  # names of what changes
        self.layout = Layout(code, large=large, named=named)
        self.states = len(plan.system.states)
        self.judged = plan.system.judged  # of these, the first choose the steps
        self.inputs = len(plan.system.parameters) + len(plan.system.constants)
        self.observables = len(plan.system.observables)
        # What is no sensitivity comes first; each name has a block of all of these behind it.
        self.own_states = len(plan.system.own_states)
        self.own_observables = len(plan.system.own_observables)
        self.names = self.states // self.own_states - 1
        self.samples = plan.is_sampled
        self._arguments = {
            passed.name: code.argument(passed.name, _KINDS[passed.kind], is_array=passed.is_array)
            for passed in arguments(plan)
        }
        self._settings = {
            name: self.argument("settings").get(place) for place, name in enumerate(SETTINGS)
        }
        self._real_settings = {
            name: code.value(value, REAL) for name, value in self._settings.items()
        }
        self.run = code.variable("run", INT, -1)
        self.start = code.variable("start", TIME, 0.0)
        self.span = code.variable("span", TIME, 0.0)
        self.floor = code.variable("floor", REAL, 0.0)
        self.estimate_power = plan.tableau.estimate_power
        self.interpolates = plan.interpolates
        self.stability_limit = plan.tableau.stability_limit
        self.events = event_programs(plan.events, plan.system, read) if plan.events else ()
        functions = (each.function for each in self.events)
        self.looked_at = tuple(value for value in functions if value is not None)
        # Where steps are chosen, they end where what drives derivatives, or events, is not smooth.
        driven = (*read.derivatives, *self.looked_at)
        bounding = driving(plan.system, read, driven) if plan.is_adaptive else ()
        self.drivers = Drivers(code, plan.system.drivers, self.argument, self.start, bounding)
        self.equations = Equations(plan.system, read, self.layout, self.drivers)
        self.step = step_of(plan.tableau, self.equations.move_in_time, is_judged=plan.is_adaptive)
        self.vectors = {Y: self.layout.kept(Y, self.states)}
        # Sensitivities follow steps where they can, and are part of them where not.
        is_apart = (
            follows(plan) and self.layout.has_arrays and not (large and self.step.is_implicit)
        )
        self.stepped = self.own_states if is_apart else self.states
        if not self.step.begins:
            self.vectors[FIRST] = self.layout.kept(FIRST, self.stepped)
        self.parameters = self.layout.kept("p", self.inputs)
        for vector in (*self.vectors.values(), self.parameters):
            self._clear(vector)
        self.implicit: ImplicitStages | None = None
        if self.step.is_implicit:
            self.implicit = ImplicitStages(
                self.step,
                self.layout,
                self._stepped_equations(),
                self.parameters,
                Measure(self.stepped, self.judged, self._tolerated_at_least, self.setting),
                is_adaptive=plan.is_adaptive,
            )
        self.multistep = None if self.implicit is None else self.implicit.multistep
        self.constraints: Constraints | None = None
        precision = "float32" if code.is_single else "float64"
        if self.equations.has_mass:
            self.constraints = Constraints(
                plan.system,
                read,
                self.layout,
                self.equations,
                self.parameters,
                lambda size, index: self._tolerated_at_least(
                    size, index, LEAST_TOLERATED[precision]
                ),
            )
        following = self.variational = self._following()
        self.stepper = Stepper(
            self.step,
            self.layout,
            self.equations if following is None else following.places,
            self.stepped,
            self.vectors if following is None else {**self.vectors, **following.vectors()},
            self.parameters,
            self.implicit
            if following is None or not self.implicit
            else following.recorded(self.implicit),
        )
        self._stride_places = stride_places(plan)
        atol = self.argument("atol")
        self._atol = None if large else [atol.get(index) for index in range(self.states)]

    def _stepped_equations(self) -> Equations:
        """Those of what steps are taken of."""
        if self.stepped == self.states:
            return self.equations
        own = self.read.derivatives[: self.own_states]
        read = replace(self.read, {"derivatives": own, "variational": None})
        system = self.system.without_sensitivities()
        return Equations(system, read, self.layout, self.drivers)

    def _following(self) -> VariationalStep | None:
        """What sensitivities follow steps by; None where they are part of these."""
        if self.stepped == self.states:
            return None
        vectors = self.vectors[Y], self.parameters
        return VariationalStep(
            self._plan, self.read, self.layout, self.equations, self.step, *vectors
        )

    def share_out(self, threads: int, most_products: int) -> bool:
        """Have several threads of a GPU work on a trajectory, each for states of its own.

        Args:
            threads: how many.
            most_products: that factors may take.

        Returns:
            Whether they may.
        """
        layout, equations = self.layout, self.equations
        shares = dissected(equations.jacobian(), self.states, threads)
        layout.shares = shares
        matrix = Jacobian(layout, equations, self.states).matrix
        if shares is None:
            layout.shares = branched(matrix, threads)
        self.code.is_shared = True
        return matrix.products <= most_products

    def team(self) -> Team | None:
        """Spread what is written by now over the threads that states are shared out to.

        None where that is no straight line.
        """
        shares = self.layout.shares
        assert shares is not None
        states = [cell for cell in self.vectors[Y].cells or () if isinstance(cell, Variable)]
        return spread(self.code, states, shares.owners, shares.size)

    @property
    def system(self) -> System:
        """What is integrated."""
        return self._plan.system

    def kept_states(self, name: str, kind: str) -> Vector:
        """Numbers for each state, which last from step to step."""
        return self.layout.kept(name, self.states, kind)

    def kept_observed(self, name: str, kind: str) -> Vector:
        """Numbers for each observable, likewise."""
        return self.layout.named(f"{name}o", self.observables, kind)

    def each_sensitivity(self, do: Callable[[Operand, Operand], None]) -> None:
        """What is done for the derivative of each state: the state's place, and its own."""
        own, each = self.own_states, self.layout.each
        if not self.layout.has_arrays:
            for place in range(own, self.states):
                do(place % own, place)
        elif self.names:
            with self.code.count_up("name", self.names) as name:
                each(own, lambda i: do(i, (name + 1) * own + i))

    def _clear(self, vector: Vector) -> None:
        zero = self.code.value(0.0, REAL)
        self.layout.each(vector.size, lambda i: vector.set(i, zero))

    def argument(self, name: str) -> Argument:
        """Something that the kernel is passed."""
        return self._arguments[name]

    def setting(self, name: str) -> Value:
        """A number that controls steps, in double precision."""
        return self._settings[name]

    def real_setting(self, name: str) -> Value:
        """A number that controls steps, in the plan's precision."""
        return self._real_settings[name]

    # Beginning --------------------------------------------------------------------------------

    def take(self, run: Value) -> None:
        """Read what a trajectory begins with; lane by lane."""
        self.run.set(run)
        self._begin_constraints()
        self.drivers.take(run)
        y, p = self.vectors[Y], self.parameters
        self.layout.each(self.states, lambda i: y.set(i, self._fetch(i, run)))
        self.layout.each(self.inputs, lambda i: p.set(i, self._fetch(i + self.states, run)))
        spans = self.argument("spans")
        place = self.number() * self.argument("span_step").get()
        start, end = spans.get(place), spans.get(place + 1)
        self.start.set(start)
        self.span.set(self.code.call("fabs", end - start))
        # What has elapsed, or the time, is half the start at least: no shorter step is counted.
        least = self.code.call("fabs", start) * (LEAST_UNITS * EPSILON / 2)
        self.floor.set(
            self.code.larger(self.code.value(least, REAL), self.real_setting("least step"))
        )

    def given_end(self) -> Value:
        """The end of the span as it is passed; lane by lane."""
        place = self.number() * self.argument("span_step").get()
        return self.argument("spans").get(place + 1)

    def number(self) -> Value:
        """The trajectory's number among all of the batch; lane by lane."""
        return self.argument("first").get() + self.run.get()

    def _fetch(self, index: Operand, run: Value) -> Value:
        """An initial value or parameter: one for all, one for each, or from a grid's axis."""
        code, sources = self.code, self.argument("sources")
        row = code.value(index, INT) * 4
        offset, step, stride, length = (sources.get(row + part) for part in range(4))
        place = code.variable("place", INT, offset + step * run)
        with code.when(stride > 0):
            number = self.argument("first").get() + run
            axis = code.remainder(code.quotient(number, stride), length)
            place.set(offset + axis)
        return self.argument("values").get(place.get())

    def rest(self) -> None:
        """Numbers that a lane without a trajectory can go along with."""
        for vector in self.vectors.values():
            self._clear(vector)
        self.start.set(0.0)
        self.floor.set(0.0)
        if self.multistep is not None:
            self.multistep.rest()
        self._begin_constraints()

    def _begin_constraints(self) -> None:
        if self.constraints is not None:
            self.constraints.missed.set(self.code.value(False, BOOL))  # noqa: FBT003 - a literal

    def named_inputs(self, used: Collection[str] | None = None) -> dict[str, Value]:
        """Parameters and constants by their names; those that are used, or all."""
        system = self._plan.system
        names = enumerate((*system.parameters, *system.constants))
        wanted = [(index, name) for index, name in names if used is None or name in used]
        return {name: self.parameters.get(index) for index, name in wanted}

    def slopes(
        self,
        at: Vector,
        result: Vector,
        time: Value,
        *,
        in_step: bool = True,
        is_near: bool = False,
    ) -> None:
        """The derivatives at states and a time, as a step sees them, or anybody.

        Args:
            at: the states.
            result: where they go.
            time: when.
            in_step: whether a step sees them.
            is_near: whether they are as little other than the last ones as states and time are, so
                that a mass matrix and what goes with it need not be seen to again.
        """
        if self.constraints is None:
            self.equations.slopes(at, self.parameters, time, result, in_step=in_step)
        else:
            self.constraints.derivatives(at, time, result, anew=not is_near, in_step=in_step)

    def stepped_slopes(self, at: Vector, result: Vector, time: Value) -> None:
        """The derivatives of what steps are taken of, as a step sees them."""
        if self.variational is None:
            self.slopes(at, result, time)
        else:
            self.own_slopes(at, result, time)

    def settle(self, time: Value, where: Value | None, work: tuple[Vector, Vector]) -> None:
        """Make the states consistent with algebraic equations, where a trajectory begins.

        Args:
            time: when.
            where: the condition; None for all that is written for.
            work: two vectors to work with.
        """
        if self.constraints is not None:
            everywhere = self.code.value(True, BOOL)  # noqa: FBT003 - a literal
            where = everywhere if where is None else where
            self.constraints.settle(self.vectors[Y], time, where, work)

    def or_missed(self, condition: Value) -> Value:
        """A condition, or that values could not be made consistent."""
        return condition if self.constraints is None else condition | self.constraints.missed.get()

    def unless_missed(self, condition: Value) -> Value:
        """A condition, and that values could be made consistent."""
        return condition if self.constraints is None else condition & ~self.constraints.missed.get()

    def judged_slopes(self, at: Vector, result: Vector, time: Value) -> None:
        """The derivatives of what steps are chosen by, as a step sees them."""
        if self.probed == self.states:
            self.slopes(at, result, time, is_near=True)
        else:
            self.own_slopes(at, result, time)

    @property
    def probed(self) -> int:
        """How many states `judged_slopes` are to be given: with a mass matrix, all of them."""
        return self.judged if self.constraints is None else self.states

    def own_slopes(self, at: Vector, result: Vector, time: Value) -> None:
        """The derivatives of the system's own states alone, likewise."""
        self.equations.own_slopes(at, self.parameters, time, result)

    # Judging ----------------------------------------------------------------------------------

    def scale(self, size: Value, index: Operand, rtol: Value) -> Value:
        """What error is tolerated in a state of this size."""
        atol = self._tolerated(index)
        return atol + rtol * self.code.call("fabs", size)

    def _tolerated_at_least(self, size: Value, index: Operand, share: float) -> Value:
        """The same, but no less than a share of the state."""
        return self.scale(size, index, self.code.larger(self.real_setting("rtol"), share))

    def _tolerated(self, index: Operand) -> Value:
        if self._atol is None or not isinstance(index, int):
            return self.argument("atol").get(index)
        return self._atol[index]

    def square(self, clock: Clock, h: Value) -> Value:
        """The mean of squared errors, each in units of what is tolerated.

        Where there are two estimates, the first squared over the root of both (Hairer).
        """
        if self.multistep is not None:
            return self.multistep.square()
        mean = self._mean_square(self.step.error, h)
        if self.step.doubts:
            return self._doubted(mean, clock, h)
        if not self.step.second_error:
            return mean
        other = self._mean_square(self.step.second_error, h)
        both = mean + other * 0.01
        return self.code.where(both > 0, mean * mean / both, mean)

    def _doubted(self, mean: Value, clock: Clock, h: Value) -> Value:
        """The same by another estimate, in lanes where this one is not tolerated."""
        code = self.code
        square = code.variable("doubted_square", REAL, mean)
        is_doubtful = ~(mean <= 1.0)
        with code.when(code.any(is_doubtful)):
            self.stepper.take(self.step.doubts, clock, h)
            again = self._mean_square(self.step.doubted_error, h)
            square.set(code.where(is_doubtful, again, mean))
        return square.get()

    def _mean_square(self, terms: Terms, h: Value) -> Value:
        code = self.code
        y, new, rtol = self.vectors[Y], self.stepper[NEW], self.real_setting("rtol")

        def scale(index: Operand) -> Value:
            larger = code.larger(code.call("fabs", y.get(index)), code.call("fabs", new.get(index)))
            return self._tolerated(index) + rtol * larger

        return mean_square(self.layout, self.judged, self.stepper.weighted(terms, h), scale)

    def take_step(self, clock: Clock, h: Value) -> None:
        """Compute where a step ends, by a length, negative backwards."""
        if self.variational is not None:
            self.variational.begin(clock)
        self.stepper.take(self.step.operations, clock, h)

    def accept(self, accepted: Value, h: Value) -> None:
        """Go to the end of the step, where it is accepted."""
        code, y, new = self.code, self.vectors[Y], self.stepper[NEW]
        if self.variational is not None:
            self.variational.take(accepted, h)
        last = self.stepper[self.step.last] if self.step.last else None

        def go(index: Operand) -> None:
            y.set(index, code.where(accepted, new.get(index), y.get(index)))
            if last is not None:
                first = self.vectors[FIRST]
                first.set(index, code.where(accepted, last.get(index), first.get(index)))

        self.layout.each(self.stepped, go)
        if self.multistep is not None:
            self.multistep.follow(accepted)

    # Results ----------------------------------------------------------------------------------

    def due(self, saved: Value) -> Value:
        """The time of what is to be saved next; infinity after all."""
        times = self.argument("save_times")
        return times.get(self.number() * self.argument("save_step").get() + saved)

    def time(self, elapsed: Value) -> Value:
        """When so much has elapsed."""
        return self.start.get() + self.setting("direction") * elapsed

    def observe(self, at: Vector, time: Value) -> Vector:
        """The observables where the states are these."""
        values = self.equations.observables(at, self.parameters, time)
        return Vector(len(values), [*values])

    def rates(self, at: Vector, time: Value, slopes: Vector) -> Vector:
        """The derivatives of the observables there, where those of the states are these."""
        given = slopes if self.equations.has_mass else None
        values = self.equations.rates(at, self.parameters, time, given)
        return Vector(len(values), [*values])

    def evaluate(
        self,
        wanted: Sequence[int],
        at: Vector,
        time: Value,
        slopes: Vector | None = None,
        named: Mapping[str, Value] | None = None,
    ) -> list[Value]:
        """Values of the system's program there; of slopes, and of others, where these are given."""
        return self.equations.values_at(wanted, at, self.parameters, time, slopes, named)

    def rates_by_slopes(self, wanted: Sequence[int]) -> list[int]:
        """The program's values that are derivatives of others by time, as slopes are."""
        return self.equations.rates_by_slopes(wanted)

    def place_of(self, name: str) -> tuple[Vector, int]:
        """Where a state or parameter is held."""
        states = (*self.system.states,)
        if name in states:
            return self.vectors[Y], states.index(name)
        return self.parameters, (*self.system.parameters,).index(name)

    def row(self, name: str, run: Value, *indices: Value) -> Row:
        """Where a trajectory's numbers in an array of results lie, but for the last axis."""
        strides, place = self.argument("strides"), self._stride_places[name]
        base = run * strides.get(place)
        for axis, index in enumerate(indices, place + 1):
            base = base + index * strides.get(axis)
        return Row(self.argument(name), base, strides.get(place + 1 + len(indices)))

    def write(self, name: str, run: Value, number: Value) -> None:
        """Write the only number of a trajectory in an array of results."""
        stride = self.argument("strides").get(self._stride_places[name])
        self.argument(name).set(run * stride, number)

    # Values within a step ---------------------------------------------------------------------

    def prepare_values(self, clock: Clock, h: Value) -> None:
        """Compute what only values within the step need."""
        stepper, step = self.stepper, self.step
        stepper.take(step.extra, clock, h)
        is_cubic = not step.interpolant and self.multistep is None
        if is_cubic and not step.last:
            stepper.take((Slopes(AT_END, NEW, 1.0),), clock, h)
        if self.variational is not None:
            self.variational.keep(h)

    def values_within(self, theta: Value, h: Value, within: Value) -> Vector:
        """States at the fraction theta of the step; at its end, its own result."""
        code, stepper, following = self.code, self.stepper, self.variational
        y, new = self.vectors[Y], stepper[NEW]
        values = self.layout.passing("within", self.states)
        if self.multistep is not None:
            gain = self.multistep.gain_within(theta)
            self.layout.each(
                self.states,
                lambda i: values.set(i, code.where(within, y.get(i) + gain(i), new.get(i))),
            )
            return values
        value = interpolated(self.step, theta, h)
        own = value(stepper.__getitem__)
        self.layout.each(
            self.stepped, lambda i: values.set(i, code.where(within, own(i), new.get(i)))
        )
        if following is not None:
            others, ends = value(following.within), following.within(NEW)
            with code.count_up("i", self.states - self.stepped) as i:
                here = code.where(within, others(i), ends.get(i))
                values.set(self.stepped + i, here)
        return values

    def polynomial(self, place: int, h: Value) -> list[Value]:
        """What a state gains within the step, as coefficients of θ, θ², …; see `values_within`."""
        stepper = self.stepper
        if self.multistep is not None:
            return self.multistep.polynomial(place)
        if self.step.interpolant:
            size = max(len(row) for _, row in self.step.interpolant)
            sums: list[Value | None] = [None] * size
            for name, row in self.step.interpolant:
                slope = stepper[name].get(place)
                for power, weight in enumerate(row):
                    if weight:
                        term, total = slope * weight, sums[power]
                        sums[power] = term if total is None else total + term
            return [self.code.value(0.0, REAL) if each is None else h * each for each in sums]
        change = stepper[NEW].get(place) - self.vectors[Y].get(place)
        first = h * stepper[FIRST].get(place)
        last = h * stepper[self.step.last or AT_END].get(place)
        return [first, change * 3.0 - first * 2.0 - last, first + last - change * 2.0]


@final
@frozen
class Row:
    """Numbers of a trajectory that lie along an axis of an array of results."""

    argument: Argument
    base: Value
    stride: Value

    def set(self, index: Value, value: Operand) -> None:
        """Write a number at a place."""
        self.argument.set(self.base + index * self.stride, value)
