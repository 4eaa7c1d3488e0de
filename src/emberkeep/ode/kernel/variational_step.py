"""What an explicit step makes of sensitivities: its derivative, once it is accepted.

The derivative of a step whose length is held is the same step of S' = J S + F, with J and F where
the stages of the states are. So states go first, and where they are is kept; then one name goes
after the other, with no more numbers at hand than states need. J and F are computed once for all
names, and none of it for what is rejected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import BOOL, REAL
from emberkeep.ode.kernel.step import AT_END, FIRST, NEW, Slopes, Solution, Y
from emberkeep.ode.kernel.variational_columns import Columns, stages_of
from emberkeep.ode.kernel.variational_solutions import Recorded
from emberkeep.ode.kernel.vectors import Vector
from emberkeep.ode.methods.rosenbrock import RosenbrockTableau
from emberkeep.ode.methods.tableau import Tableau

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emberkeep.ode.kernel.code import Function, LocalArray, Operand, Value
    from emberkeep.ode.kernel.equations import Equations
    from emberkeep.ode.kernel.implicit import ImplicitStages
    from emberkeep.ode.kernel.step import Clock, Implicit, Operation, Step
    from emberkeep.ode.kernel.vectors import Layout
    from emberkeep.ode.plan import Plan
    from emberkeep.ode.system.reading import Read


def follows(plan: Plan) -> bool:
    """Whether sensitivities may follow steps of the states alone.

    That is where nothing but these depends on them, and what a step does is not found by turns.
    """
    system, method = plan.system, plan.tableau
    is_apart = system.judged < len(system.states) and not plan.events and not system.has_mass
    return is_apart and isinstance(method, Tableau | RosenbrockTableau)


def has_values_within(plan: Plan) -> bool:
    """Whether values are wanted of steps before it is known whether trajectories go there."""
    return plan.is_sampled and plan.is_adaptive


@final
class Places:
    """The right-hand side of states, which keeps where it was asked for.

    Args:
        layout: where vectors lie.
        equations: whose.
        size: how many states there are.
        states: where places are kept, one behind the other; not of more than there is room for.
    """

    def __init__(self, layout: Layout, equations: Equations, size: int, states: LocalArray) -> None:
        self._layout, self._equations, self._size, self._states = layout, equations, size, states
        self.times: list[Value] = []

    def slopes(self, at: Vector, inputs: Vector, time: Value, result: Vector) -> None:
        """The derivatives of the system's own states."""
        self.keep(at, time)
        self._equations.own_slopes(at, inputs, time, result)

    def keep(self, at: Vector, time: Value) -> None:
        """Keep a place; unless it is there already."""
        states, first = self._states, len(self.times) * self._size
        self.times.append(time)
        if at.array is not states and first < states.size:
            self._layout.each(self._size, lambda i: states.set(i + first, at.get(i)))


@final
class VariationalStep:
    """The derivative of a step by all names.

    Args:
        plan: whose.
        read: the program of its system.
        layout: where vectors lie.
        equations: what is written of the program.
        step: of the states.
        states: their vector, sensitivities behind them.
        inputs: parameters and constants.

    Attributes:
        places: the right-hand side that the states' step is to be taken with.
    """

    def __init__(
        self,
        plan: Plan,
        read: Read,
        layout: Layout,
        equations: Equations,
        step: Step,
        states: Vector,
        inputs: Vector,
    ) -> None:
        code, system, keeps = layout.code, plan.system, has_values_within(plan)
        self._code = code
        self._layout, self._equations, self._step = layout, equations, step
        self._states, self._inputs = states, inputs
        self._implicit: ImplicitStages | None = None
        self._recorded: Recorded | None = None
        self._own = own = len(system.own_states)
        self._size = len(system.states) - own
        self._taking, self._keeping = _operations(step)
        self._most = most = stages_of(self._keeping if keeps else self._taking)
        self._columns = Columns(code, system, read, equations, step, most, is_large=layout.large)
        self._functions: dict[bool, Function] = {}
        self._arrays = {
            name: code.array(f"stage_{name}", REAL, size)
            for name, size in self._columns.sizes().items()
        }
        self.places = Places(layout, equations, own, self._arrays["states"])
        self._within: dict[str, Vector] = {}
        self._is_kept = code.variable("is_kept", BOOL, uniform=True) if keeps else None
        if keeps:
            self._keep_numbers()

    def _keep_numbers(self) -> None:
        """What values within steps are made of, by its name."""
        code, size, step, y = self._code, self._size, self._step, self._states
        names = [name for name, _ in step.interpolant] or [FIRST, step.last or AT_END]
        slopes = code.array("kept_slopes", REAL, size * len(names))
        assert y.array is not None
        self._within = {
            **{
                name: Vector(size, array=slopes, offset=size * place)
                for place, name in enumerate(names)
            },
            Y: Vector(size, array=y.array, offset=y.offset + self._own),
            NEW: Vector(size, array=code.array("kept_ends", REAL, size)),
        }

    def vectors(self) -> Mapping[str, Vector]:
        """Those of the states' step that are to be where stages are kept."""
        y = self._states
        own = Vector(self._own, y.cells, y.array if self._layout.large else None, y.offset)
        if not self._layout.large:
            return {Y: own}
        at = [operation.at for operation in self._keeping if isinstance(operation, Slopes)]
        states = self._arrays["states"]
        kept = {
            name: Vector(self._own, array=states, offset=self._own * place)
            for place, name in enumerate(at[: self._most])
            if name not in (Y, NEW)
        }
        return {**kept, Y: own}

    def recorded(self, implicit: ImplicitStages) -> Implicit:
        """What the states' step is to have its implicit operations done by."""
        size = sum(isinstance(operation, Solution) for operation in self._taking)
        self._implicit = implicit
        self._recorded = Recorded(self._code, implicit, self._own, size)
        return self._recorded

    # In each step -----------------------------------------------------------------------------

    def begin(self, clock: Clock) -> None:
        """A step begins, whose times a clock gives at shares of it."""
        self.places.times.clear()
        if self._recorded is not None:
            self._recorded.begin()
        if not self._step.begins:
            self.places.keep(self._states, clock(0.0))

    def take(self, accepted: Value | None, h: Value) -> None:
        """Go to the end of a step.

        Args:
            accepted: in which lanes; None for all.
            h: its length, negative backwards.
        """
        code = self._code
        is_open = code.value(True, BOOL) if accepted is None else code.any(accepted)  # noqa: FBT003
        if self._is_kept is not None and accepted is not None:
            is_kept, (y, new) = self._is_kept.get(), (self._within[name] for name in (Y, NEW))
            with code.when(is_kept), code.count_up("i", self._size) as i:
                y.set(i, code.where(accepted, new.get(i), y.get(i)))
            self._is_kept.set(code.value(False, BOOL))  # noqa: FBT003 - a literal
            is_open = is_open & ~is_kept
        with code.when(is_open):
            self._call(accepted, h, keeps=False)

    def keep(self, h: Value) -> None:
        """Compute what values within the step need, and its end, in all lanes."""
        assert self._is_kept is not None
        self._call(None, h, keeps=True)
        self._is_kept.set(self._code.value(True, BOOL))  # noqa: FBT003 - a literal

    def within(self, name: str) -> Vector:
        """What values within the step are made of, by the name of the states' own."""
        return self._within[name]

    def _call(self, accepted: Value | None, h: Value, *, keeps: bool) -> None:
        code, arrays = self._code, self._arrays
        operations = self._keeping if keeps else self._taking
        self._columns.pass_on(arrays, self._inputs, self.places.times[: stages_of(operations)])
        arrays["step"].set(0, h)
        taken = 1.0 if accepted is None else code.where(accepted, code.value(1.0, REAL), 0.0)
        arrays["step"].set(1, taken)
        given: dict[str, tuple[LocalArray, Operand]] = {
            name: (array, 0) for name, array in arrays.items()
        }
        if self._recorded is not None:
            given |= {name: (array, 0) for name, array in self._recorded.arrays().items()}
        if self._layout.large and self._inputs.array is not None:
            given["p"] = (self._inputs.array, 0)
        y = self._states
        assert y.array is not None
        given["s"] = (y.array, y.offset + self._own)
        if keeps:
            kept = [vector for name, vector in self._within.items() if name not in (Y, NEW)]
            for name, vector in (("kept", kept[0]), ("ends", self._within[NEW])):
                assert vector.array is not None
                given[name] = (vector.array, 0)
        if keeps not in self._functions:
            names = [name for name in self._within if keeps and name not in (Y, NEW)]
            factors = None if self._implicit is None else self._implicit.factors
            function = self._columns.function([*given], operations, names, factors)
            self._functions[keeps] = function
        code.invoke(self._functions[keeps], *given.values())


def _operations(step: Step) -> tuple[tuple[Operation, ...], tuple[Operation, ...]]:
    """What makes the end of a step, and all that values within it are made of, too."""
    first = () if step.begins else (Slopes(FIRST, Y, 0.0),)
    ending = step.operations[:-1] if step.last else step.operations
    more = () if step.interpolant or step.last else (Slopes(AT_END, NEW, 1.0),)
    return (*first, *ending), (*first, *step.operations, *step.extra, *more)
