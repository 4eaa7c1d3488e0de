"""A system of ordinary differential equations, as its user writes it."""

from __future__ import annotations

from emberkeep.errors import InvalidSystem
from emberkeep.ode.system.arrangement import arranged
from emberkeep.ode.system.declarations import (
    declared_drivers,
    declared_functions,
    declared_observables,
    declared_units,
    declared_values,
    require_name,
)
from emberkeep.ode.system.equations import IMPLICIT, SECOND, ZERO
from emberkeep.ode.system.written_equations import written_equations
from emberkeep.startup_records import as_dict, final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from emberkeep.ode.system.equations import Equation
    from emberkeep.ode.system.reading import Read
    from emberkeep.ode.system.sensitivities import Sensitivities

    Values = Mapping[str, float]
    Row = tuple[str, tuple[tuple[str, str], ...]]  # of a matrix: entries other than zero

# What is no longer than this is parsed at once, so that every mistake shows where it was made.
PARSED_AT_ONCE = 2000
LONGEST_NAME = 60


@final
class System:
    """Equations, names and default values; frozen.

    Args:
        equations: text (``"dx = s*(y - x)"``, ``"x' = …"``, ``"d(x)/dt = …"``; one a line), a list
            of such texts, a mapping from state to right-hand side (text or SymPy), a list of
            SymPy's ``Eq(Derivative(x(t), t), …)``, or a Python function ``f(t, y, p)``. Equations
            may be algebraic (``"0 = x + y - 1"``), and have several derivatives on their left-hand
            sides (``"C*(x' - y') = …"``).
        states: names and default initial values, in the order in which results have them.
        parameters: names and default values of what may differ between trajectories.
        constants: names and values of what is the same for all; see `with_constants`.
        observables: names of intermediate values that are of interest by themselves.
        functions: Python functions that equations call, by the names they have there.
        drivers: names of what is sampled over time, with how it goes from sample to sample:
            ``"linear"`` (also where names alone are listed), ``"cubic"`` or ``"step"``. Samples
            are passed to `solve`.
        name: what it is called in the keep; made of the states where none is given.
        units: of states, observables, parameters, constants and ``"t"``, as texts, which tables and
            pictures show. Nothing is converted.
        mass: what a function or mapping gives M y' of, in place of y': numbers, or expressions of
            parameters and constants. By state (``{"y": 0}``, the rest of the diagonal being one, or
            a row, ``{"y": {"x": 1, "y": -1}}``), as a list of the diagonal, or as a matrix.

    Raises:
        InvalidSystem: says what is wrong, and where.
    """

    __slots__ = (
        "constants",
        "drivers",
        "equations",
        "function",
        "functions",
        "mass",
        "name",
        "observables",
        "parameters",
        "sensitivities",
        "states",
        "units",
    )

    name: str
    states: Mapping[str, float]
    parameters: Mapping[str, float]
    constants: Mapping[str, float]
    observables: tuple[str, ...]
    functions: Mapping[str, Callable[..., float]]
    drivers: Mapping[str, str]
    equations: tuple[Equation, ...]  # of states in their order, implicit ones, then definitions
    mass: tuple[Row, ...]  # of M, those that are not just a one on the diagonal
    function: Callable[..., Any] | None
    units: Mapping[str, str]
    sensitivities: Sensitivities | None  # of what a solver makes of the user's system

    def __init__(  # noqa: PLR0913 - what a system is, all of it by name
        self,
        equations: Any,
        states: Values,
        parameters: Values | None = None,
        *,
        constants: Values | None = None,
        observables: Iterable[str] = (),
        functions: Mapping[str, Callable[..., float]] | None = None,
        drivers: Mapping[str, str] | Iterable[str] | None = None,
        name: str | None = None,
        units: Mapping[str, str] | None = None,
        mass: Any = None,
    ) -> None:
        known: dict[str, str] = {}
        shapes: dict[str, tuple[int, ...]] = {}
        self._set("sensitivities", None)
        self._set("states", declared_values("state", states, known, shapes))
        self._set("parameters", declared_values("parameter", _given(parameters), known, shapes))
        self._set("constants", declared_values("constant", _given(constants), known, shapes))
        self._set("drivers", declared_drivers(_given(drivers), known))
        self._set("functions", declared_functions(_given(functions), known))
        self._set("observables", declared_observables(observables))
        if not self.states:
            raise InvalidSystem("A system needs states: states={'x': 1.0, …}")
        self._set("name", str(name) if name else "_".join(self.states)[:LONGEST_NAME])
        self._set("units", declared_units(_given(units), (*known, *self.observables)))
        self._set("mass", () if mass is None else self._mass_rows(mass, shapes))
        if callable(equations):
            if self.functions:
                raise InvalidSystem(
                    "A system that is a Python function calls other functions by itself; leave out "
                    "functions="
                )
            for observable in self.observables:
                require_name("observable", observable, known)
            self._set("function", equations)
            self._set("equations", ())
        else:
            self._set("function", None)
            written = written_equations(equations, self.states, self.observables, shapes)
            if any(equation.kind == SECOND for equation in written):
                written = self._add_velocities(written, known)
            self._set("equations", arranged(written, self.states, self.observables, known))
            if self.mass and any(equation.kind == IMPLICIT for equation in self.equations):
                raise InvalidSystem(
                    "Some equations are implicit, and mass= is given. Write all of it on left-hand "
                    "sides, as in \"C*(x' - y') = …\", or leave it to mass="
                )
            if sum(len(equation.tokens) for equation in self.equations) <= PARSED_AT_ONCE:
                self.check()

    def _add_velocities(
        self, written: Sequence[Equation], known: dict[str, str]
    ) -> Sequence[Equation]:
        """Second derivatives as two equations; the states that this adds begin at zero."""
        from emberkeep.ode.system.notation import first_order, velocity

        states = {**self.states}
        for equation in written:
            name = velocity(equation.target)
            if equation.kind == SECOND and equation.target in states and name not in states:
                require_name("state", name, known)
                known[name], states[name] = "state", 0.0
        self._set("states", states)
        return first_order(written)

    def _mass_rows(self, given: Any, shapes: Mapping[str, tuple[int, ...]]) -> tuple[Row, ...]:
        from emberkeep.ode.system.mass import mass_rows

        return mass_rows(given, (*self.states,), (*self.parameters, *self.constants), shapes)

    @property
    def has_mass(self) -> bool:
        """Whether equations give M y', with a matrix that may be singular, in place of y'."""
        return bool(self.mass) or any(equation.kind == IMPLICIT for equation in self.equations)

    def row_labels(self) -> list[str]:
        """How the equation in each row of the mass matrix is called in messages."""
        if self.function is not None:
            return [f"that of {state}, from the function" for state in self.own_states]
        given = {each.target: each.text for each in self.equations if each.is_derivative}
        others = iter([each.text for each in self.equations if each.kind == IMPLICIT])
        return [given.get(state) or next(others) for state in self.own_states]

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(
            f"A system is frozen: {name!r} cannot change. Make a new one, or use with_constants()"
        )

    def __repr__(self) -> str:
        parts = [f"states {', '.join(self.states)}"]
        for label, names in (
            ("parameters", self.parameters),
            ("constants", self.constants),
            ("drivers", self.drivers),
            ("observables", self.observables),
        ):
            if names:
                parts.append(f"{label} {', '.join(names)}")
        if self.has_mass:
            count = sum(equation.target == ZERO for equation in self.equations)
            algebraic = f"{count} algebraic equation{'s' * (count > 1)}"
            parts.append(algebraic if count else "a mass matrix")
        text = "; ".join(parts)
        return f"<System {self.name}: {text if len(text) < 400 else text[:400] + '…'}>"  # noqa: PLR2004

    def with_constants(self, **values: float) -> System:
        """The same system with other values of some constants; nothing is compiled anew."""
        unknown = values.keys() - self.constants.keys()
        if unknown:
            raise InvalidSystem(
                f"{sorted(unknown)} are no constants of {self.name}; it has "
                f"{sorted(self.constants) or 'none'}"
            )
        given = {name: getattr(self, name) for name in System.__slots__}
        constants = declared_values("constant", {**self.constants, **values}, {}, {})
        return _restored({**given, "constants": constants})

    def differentiated(
        self, wanted: Sensitivities, states: Values, observables: tuple[str, ...]
    ) -> System:
        """The same equations with derivatives as further states; see `with_sensitivities`."""
        given = {name: getattr(self, name) for name in System.__slots__}
        return _restored(
            {**given, "sensitivities": wanted, "states": states, "observables": observables}
        )

    def without_sensitivities(self) -> System:
        """The user's own."""
        if self.sensitivities is None:
            return self
        given = {name: getattr(self, name) for name in System.__slots__}
        own = {name: self.states[name] for name in self.own_states}
        observables = self.own_observables
        return _restored(
            {**given, "sensitivities": None, "states": own, "observables": observables}
        )

    @property
    def own_states(self) -> tuple[str, ...]:
        """Names of states, without those that are derivatives of others."""
        return (*self.states,) if self.sensitivities is None else self.sensitivities.states

    @property
    def own_observables(self) -> tuple[str, ...]:
        """Likewise of observables."""
        return self.observables if self.sensitivities is None else self.sensitivities.observables

    @property
    def judged(self) -> int:
        """How many of the states, from the first on, choose steps by their errors."""
        if self.sensitivities is None or self.sensitivities.are_judged:
            return len(self.states)
        return len(self.sensitivities.states)

    def __eq__(self, other: object) -> bool:
        """Whether all that was given is the same: names, values in their order, and equations."""
        if not isinstance(other, System):
            return NotImplemented
        return self is other or self._definition() == other._definition()

    def __hash__(self) -> int:
        return hash((self.name, *self.states, *self.parameters))

    def _definition(self) -> tuple[object, ...]:
        values = (self.states, self.parameters, self.constants)
        units = sorted(self.units.items())
        return (self.name, *(tuple(each.items()) for each in values), units, self.ingredients())

    def __copy__(self) -> System:
        return self

    def __deepcopy__(self, _: object) -> System:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        from emberkeep.targets.references import require_reference

        called = {} if self.function is None else {"": self.function}
        for function in (called | {**self.functions}).values():
            require_reference(_named(function), f"The system {self.name}")
        return _restored, ({name: getattr(self, name) for name in System.__slots__},)

    @property
    def inputs(self) -> dict[str, float]:
        """What Python functions are given as `p`, with likely values; one for each driver."""
        return {**self.parameters, **self.constants, **dict.fromkeys(self.drivers, 1.0)}

    def read(self) -> Read:
        """All of it as one program; functions in Python are run for it.

        Raises:
            InvalidSystem: points at what cannot be read.
        """
        own = {name: self.states[name] for name in self.own_states}
        if self.function is not None:
            from emberkeep.ode.system.from_python import read_function

            read = read_function(self.function, own, self.inputs, self.own_observables, self.name)
        else:
            from emberkeep.ode.system.reading import read_equations

            names = (*own, *self.inputs)
            read = read_equations(self.equations, names, self.functions, follow=True)
        if self.has_mass:
            from emberkeep.ode.system.mass import separated, with_rows

            numbers = {**self.parameters, **self.constants}
            read = separated(with_rows(read, self.mass, (*own,)), numbers, self.functions)
        if self.sensitivities is None:
            return read
        from emberkeep.ode.system.variational import differentiated

        return differentiated(read, self.sensitivities)

    def check(self) -> None:
        """Parse every equation; large systems are parsed only when they are compiled.

        Raises:
            InvalidSystem: points at what cannot be read.
        """
        from emberkeep.ode.system.reading import read_equations

        if self.function is None:
            names = (*self.states, *self.inputs)
            read_equations(self.equations, names, self.functions)

    def ingredients(self) -> dict[str, object]:
        """All of it that can change compiled code: names and equations, and no number."""
        return {
            "states": tuple(self.states),
            "parameters": tuple(self.parameters),
            "constants": tuple(self.constants),
            "drivers": tuple(self.drivers.items()),
            "observables": self.observables,
            "equations": self.function
            or tuple((equation.target, equation.canonical) for equation in self.equations),
            "functions": {name: self.functions[name] for name in sorted(self.functions)},
            "sensitivities": None if self.sensitivities is None else as_dict(self.sensitivities),
            "mass": self.mass,
        }


def _restored(given: Mapping[str, object]) -> System:
    """A system from its parts, which were checked when it was first made."""
    system = object.__new__(System)
    for name, value in given.items():
        object.__setattr__(system, name, value)
    return system


def _named(function: Any) -> Any:
    """What a pickle of a callable goes by the name of: a function, or an object's class."""
    import functools
    import types

    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, types.MethodType):
        function = function.__self__
    plain = isinstance(function, type | types.FunctionType | types.BuiltinFunctionType)
    return function if plain else type(function)


def _given(values: Any) -> Any:
    return {} if values is None else values
