"""Pullbacks in a kernel: how a weighted sum of values changes with states and parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import REAL
from emberkeep.ode.kernel.equations import vector_place
from emberkeep.ode.kernel.vectors import Vector
from emberkeep.ode.system.pullback import pullback

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emberkeep.ode.kernel.code import Function, LocalArray, Value
    from emberkeep.ode.kernel.equations import Equations

WEIGHT, DIRECTION = "weight", "direction"


def named(vector: str, place: int) -> str:
    """What programs call a number of a vector that is given to them; no name of users' is so."""
    return f"{vector} {place}"


@final
class Pullback:
    """The derivatives of a weighted sum of values, written wherever they are needed.

    Of a large system it is a function, as other values of its program are.

    Args:
        equations: whose program.
        name: of the function.
        values: which are summed: the program's, each with a weight.
        by: names of parameters that there are derivatives by, beside all states.
        given: what values are of beside states, inputs and time: vectors, with their sizes.
    """

    def __init__(
        self,
        equations: Equations,
        name: str,
        values: Sequence[int],
        by: Sequence[str],
        given: Mapping[str, int] | None = None,
    ) -> None:
        self._equations, self._name = equations, name
        self._sizes = {WEIGHT: len(values), **(given or {})}
        program, states = equations.program, equations.states
        weights = [program.name(named(WEIGHT, place)) for place in range(len(values))]
        found = pullback(program, values, weights, [*states, *by])
        self._by_states = {place: found[each] for place, each in enumerate(states) if each in found}
        self._by_parameters = {place: found[each] for place, each in enumerate(by) if each in found}
        self._wanted = [*self._by_states.values(), *self._by_parameters.values()]
        self._used = program.names(self._wanted)
        self._driven_by = equations.drivers_among(self._wanted)
        self._function: Function | None = None
        self._driven: LocalArray | None = None
        if equations.layout.large and self._driven_by:
            self._driven = equations.layout.code.array(f"{name}_u", REAL, len(self._driven_by))

    def add(
        self,
        at: Vector,
        inputs: Vector,
        time: Value,
        given: Mapping[str, Vector],
        states: Vector,
        parameters: Vector,
    ) -> None:
        """Add the derivatives at a place.

        Args:
            at: the states.
            inputs: parameters and constants.
            time: when.
            given: the weights, and other vectors that values are of.
            states: what those by states are added to.
            parameters: likewise.
        """
        own = self._equations
        driven = own.drivers.values(self._driven_by, time)
        if own.time is None:
            self._add(at, inputs, time, {**driven, **self._named(given)}, states, parameters)
            return
        if not self._wanted:
            return
        own.time.set(0, time)
        if self._function is None:
            self._function = self._make(at.size, inputs.size, parameters.size)
        vectors = (at, inputs, *(given[name] for name in self._sizes), states, parameters)
        passed = [*map(vector_place, vectors), (own.time, 0)]
        if self._driven is not None:
            for place, value in enumerate(driven.values()):
                self._driven.set(place, value)
            passed.append((self._driven, 0))
        own.layout.code.invoke(self._function, *passed)

    def _make(self, states: int, inputs: int, parameters: int) -> Function:
        code = self._equations.layout.code
        names = ("y", "p", *self._sizes, "by_states", "by_parameters", "when")
        arrays = [code.parameter(name, REAL) for name in names]
        u = [code.parameter("u", REAL)] if self._driven_by else []

        def write() -> None:
            sizes = (states, inputs, *self._sizes.values(), states, parameters)
            vectors = [
                Vector(size, array=array) for size, array in zip(sizes, arrays, strict=False)
            ]
            at, given_inputs, *given, by_states, by_parameters = vectors
            driven = {
                name: each.get(place) for each in u for place, name in enumerate(self._driven_by)
            }
            further = self._named(dict(zip(self._sizes, given, strict=True)))
            when = arrays[-1].get(0)
            self._add(at, given_inputs, when, {**driven, **further}, by_states, by_parameters)

        return code.function(self._name, [*arrays, *u], write)

    def _named(self, given: Mapping[str, Vector]) -> dict[str, Value]:
        """Numbers of vectors by what the program calls them; those that it uses."""
        return {
            named(name, place): given[name].get(place)
            for name, size in self._sizes.items()
            for place in range(size)
            if named(name, place) in self._used
        }

    def _add(
        self,
        at: Vector,
        inputs: Vector,
        time: Value,
        further: Mapping[str, Value],
        states: Vector,
        parameters: Vector,
    ) -> None:
        found = iter(self._equations.values(self._wanted, at, inputs, time, further))
        for vector, places in ((states, self._by_states), (parameters, self._by_parameters)):
            for place in places:
                vector.set(place, vector.get(place) + next(found))


def of_slopes(equations: Equations, by: Sequence[str]) -> Pullback:
    """That of all slopes."""
    return Pullback(equations, "pulled_slopes", equations.derivatives, by)


def of_observables(equations: Equations, by: Sequence[str]) -> Pullback | None:
    """That of all observables; None where there are none."""
    wanted = equations.observed
    return Pullback(equations, "pulled_observables", wanted, by) if wanted else None


def of_slopes_in_time(equations: Equations, by: Sequence[str]) -> Pullback:
    """That of the partial derivatives of slopes by time."""
    return Pullback(equations, "pulled_slopes_in_time", equations.slopes_in_time(), by)


def of_directional_slopes(equations: Equations, by: Sequence[str]) -> Pullback:
    """That of J u, where u is a direction: weighted by z, of z J u."""
    program, size = equations.program, len(equations.states)
    rows = [program.number(0.0)] * size
    for (row, column), slope in equations.jacobian().items():
        part = program.arithmetic("*", slope, program.name(named(DIRECTION, column)))
        rows[row] = program.arithmetic("+", rows[row], part)
    return Pullback(equations, "pulled_directional_slopes", rows, by, {DIRECTION: size})
