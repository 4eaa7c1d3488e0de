"""A system of ordinary differential equations, as its user writes it."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping

from emberkeep.errors import InvalidSystem
from emberkeep.ode.system.equations import (
    CONSTANTS,
    FUNCTIONS,
    IMPLICIT,
    SECOND,
    SPELLINGS,
    TIME,
    WHERE_FREE,
    WORDS,
    ZERO,
    Equation,
    definition_of,
    equation_of,
    find_name,
    in_order,
    is_name,
    looks_right,
    names_in,
    read_equation,
    split_equations,
)
from emberkeep.startup_records import as_dict, final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from emberkeep.ode.system.reading import Read
    from emberkeep.ode.system.sensitivities import Sensitivities

    Values = Mapping[str, float]
    Row = tuple[str, tuple[tuple[str, str], ...]]  # of a matrix: entries other than zero

# What is no longer than this is parsed at once, so that every mistake shows where it was made.
PARSED_AT_ONCE = 2000
LONGEST_NAME = 60
LINEAR, CUBIC, STEP = DRIVER_KINDS = ("linear", "cubic", "step")


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
        self._set("states", _values("state", states, known, shapes))
        self._set("parameters", _values("parameter", _given(parameters), known, shapes))
        self._set("constants", _values("constant", _given(constants), known, shapes))
        self._set("drivers", _drivers(_given(drivers), known))
        self._set("functions", _functions(_given(functions), known))
        self._set("observables", _observables(observables))
        if not self.states:
            raise InvalidSystem("A system needs states: states={'x': 1.0, …}")
        self._set("name", str(name) if name else "_".join(self.states)[:LONGEST_NAME])
        self._set("units", _units(_given(units), (*known, *self.observables)))
        self._set("mass", () if mass is None else self._mass_rows(mass, shapes))
        if callable(equations):
            if self.functions:
                raise InvalidSystem(
                    "A system that is a Python function calls other functions by itself; leave out "
                    "functions="
                )
            for observable in self.observables:
                _require_name("observable", observable, known)
            self._set("function", equations)
            self._set("equations", ())
        else:
            self._set("function", None)
            written = _read(equations, self.states, self.observables, shapes)
            if any(equation.kind == SECOND for equation in written):
                written = self._add_velocities(written, known)
            self._set("equations", _arranged(written, self.states, self.observables, known))
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
                _require_name("state", name, known)
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
        constants = _values("constant", {**self.constants, **values}, {}, {})
        return _restored({**given, "constants": constants})

    def differentiated(
        self, wanted: Sensitivities, states: Values, observables: tuple[str, ...]
    ) -> System:
        """The same equations with derivatives as further states; see `with_sensitivities`."""
        given = {name: getattr(self, name) for name in System.__slots__}
        return _restored(
            {**given, "sensitivities": wanted, "states": states, "observables": observables}
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


def _units(given: Any, known: Sequence[str]) -> dict[str, str]:
    """Texts by name; of vectors and matrices, by the names of these or of their parts."""
    units: dict[str, str] = {}
    for name, unit in _pairs(given):
        label = _name(name)
        if not isinstance(unit, str):
            raise InvalidSystem(f"The unit of {label!r} must be a text; it is {unit!r}")
        parts = [each for each in known if _is_part(each, label)]
        if label != TIME and label not in known and not parts:
            raise InvalidSystem(
                f"There is a unit for {label!r}, which is no name of this system: states, "
                f"observables, parameters and constants are {', '.join(known)}, and time is 't'"
            )
        units |= dict.fromkeys([label] if label == TIME or label in known else parts, unit)
    return units


def _observables(given: Any) -> tuple[str, ...]:
    """Names of observables; one alone may be given as text."""
    listed: Any = (given,) if isinstance(given, str) else given
    if isinstance(listed, list | tuple) and all(isinstance(name, str) for name in listed):  # pyright: ignore[reportUnknownVariableType]
        return (*listed,)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    raise InvalidSystem(f"observables must be a list of names, not {given!r}")


def _is_part(name: str, of: str) -> bool:
    """Whether a name is that of a part, such as ``x_1_2`` of ``x``; ``x_bar`` is none."""
    return name.startswith(f"{of}_") and name[len(of) + 1 :].replace("_", "").isdecimal()


def _drivers(given: Any, known: dict[str, str]) -> dict[str, str]:
    """Kinds of drivers by name; straight lines where names alone are given."""
    listed: Any = (given,) if isinstance(given, str) else given
    pairs: Iterable[tuple[object, Any]]
    if isinstance(listed, Mapping):
        pairs = _pairs(listed)
    elif isinstance(listed, list | tuple):
        pairs = [(name, LINEAR) for name in _names(listed)]
    else:
        raise InvalidSystem(
            "drivers must be a list of names, or names with a kind: {'light': 'linear'}, not "
            f"{given!r}"
        )
    checked: dict[str, str] = {}
    for key, kind in pairs:
        name = _name(key)
        _require_name("driver", name, known)
        known[name] = "driver"
        if not isinstance(kind, str) or kind not in DRIVER_KINDS:
            raise InvalidSystem(
                f"The driver {name!r} is {kind!r}; expected {', '.join(map(repr, DRIVER_KINDS))}. "
                "Its samples are passed to solve: drivers={…: ode.Driver(times, values)}"
            )
        checked[name] = kind
    return checked


def _values(
    kind: str, given: Any, known: dict[str, str], shapes: dict[str, tuple[int, ...]]
) -> dict[str, float]:
    """Names and default values, checked; vectors as their parts."""
    if not isinstance(given, Mapping):
        listed: list[Any] = [*given] if isinstance(given, list | tuple | set | str) else []
        names = [name for name in listed if isinstance(name, str)] or [f"a {kind}"]
        example = ", ".join(f"{name!r}: 0.0" for name in names)
        raise InvalidSystem(
            f"The {kind}s must be names with default values: {{{example}}}, not {given!r}"
        )
    checked: dict[str, float] = {}
    for name, value in _pairs(given):
        text = _name(name)
        _require_name(kind, text, known)
        if isinstance(value, list | tuple) or getattr(value, "ndim", 0):
            from emberkeep.ode.system.notation import parts_of

            parts, shapes[text] = parts_of(kind, text, value)
            checked |= _values(kind, parts, known, {})
            continue
        known[text] = kind
        try:
            checked[text] = float(value)
        except (TypeError, ValueError, OverflowError):
            has_unit = isinstance(value, str) and value[:1].isdigit()
            units = ". Numbers have no units here" if has_unit else ""
            raise InvalidSystem(
                f"The default of the {kind} {text!r} must be a number; it is {value!r}{units}"
            ) from None
    return checked


def _name(given: object) -> str:
    """A name as text; SymPy's symbols are taken by theirs, and Greek letters in one form each."""
    text = str(given)
    if text.isascii():
        return text
    from emberkeep.ode.system.notation import plain_name

    return plain_name(text)


def _names(given: Any) -> Iterable[object]:
    return given


def _pairs(given: Any) -> Iterable[tuple[object, Any]]:
    return given.items()


def _require_name(kind: str, name: str, known: Mapping[str, str]) -> None:
    if name in known:
        raise InvalidSystem(
            f"The name {name!r} is used twice: for a {known[name]} and for a {kind}. Rename one"
        )
    if not is_name(name) or name.startswith("_"):
        raise InvalidSystem(
            f"{name!r} cannot be the name of a {kind}: names are letters, digits and underscores, "
            "and begin with a letter"
        )
    if name == TIME or name in CONSTANTS or name in WORDS or keyword.iskeyword(name):
        reason = {TIME: "time"}.get(name, "a word with a meaning of its own")
        raise InvalidSystem(
            f"{name!r} cannot be the name of a {kind}: it is {reason}. Call it {name + '_'!r}"
        )


def _functions(given: Any, known: dict[str, str]) -> dict[str, Callable[..., float]]:
    if not isinstance(given, Mapping):
        raise InvalidSystem(
            f"The functions must be given by name: functions={{'f': f}}, not {given!r}"
        )
    functions = {_name(name): function for name, function in _pairs(given)}
    for name, function in functions.items():
        _require_name("function", name, known)
        known[name] = "function"
        if not callable(function):
            raise InvalidSystem(
                f"The function {name!r} is a {type(function).__qualname__}; pass a Python function"
            )
    return functions


def _read(
    given: Any,
    states: Mapping[str, float],
    observables: Sequence[str],
    shapes: Mapping[str, tuple[int, ...]],
) -> list[Equation]:
    """Equations of any form, as text."""
    if isinstance(given, str):
        given = (given,)
    if isinstance(given, bytes):
        raise InvalidSystem("Equations are text, and these are bytes: pass equations.decode()")
    if isinstance(given, Mapping):
        return [
            _of_name(_name(target), right, observables, f"equation {number}")
            for number, (target, right) in enumerate(_pairs(given), 1)
        ]
    try:
        items: Sequence[Any] = list(given)
    except TypeError:
        raise InvalidSystem(
            f"Equations are text, a list of texts, a mapping from state to right-hand side or a "
            f"function f(t, y, p), not a {type(given).__name__}"
        ) from None
    read: list[Equation] = []
    items = [part for item in items for part in (_split(item) if isinstance(item, str) else [item])]
    expand = _expansion(items, shapes) if shapes else None  # else brackets are a mistake
    for number, item in enumerate(items, 1):
        place = f"equation {number}"
        if isinstance(item, str):
            texts = expand(item, place) if expand and "[" in item else (item,)
            read += [read_equation(text, place, states) for text in texts]
        elif _is_sympy(item):
            from emberkeep.ode.system.from_sympy import sides

            read.append(sides(item, place))
        else:
            raise InvalidSystem(
                f"{place} is {item!r}, a {type(item).__qualname__}; expected text such as "
                '"dx = -x", or SymPy\'s Eq(Derivative(x(t), t), …)'
            )
    return read


def _split(text: str) -> list[str]:
    return split_equations(text if text.isascii() else plain_text(text))


def plain_text(text: str) -> str:
    """A text with its Greek letters and signs in one form each."""
    from emberkeep.ode.system.notation import plain

    return plain(text)


def _expansion(
    items: Iterable[Any], shapes: Mapping[str, tuple[int, ...]]
) -> Callable[[str, str], Iterable[str]]:
    """What makes of an equation of vectors those of their parts."""
    from emberkeep.ode.system.notation import defined, expanded

    taken = {*shapes, *(f"d{name}" for name in shapes)}  # dx[i] = … is a derivative
    free = defined([item for item in items if isinstance(item, str)]) - taken
    return lambda text, place: expanded(text, place, shapes, free)


def _of_name(target: str, right: Any, observables: Sequence[str], place: str) -> Equation:
    """An item of a mapping: the derivative of a state, or the definition of an observable."""
    text = text_of(right, f"the equation of {target}")
    text = text if text.isascii() else plain_text(text)
    if target in observables:
        return definition_of(target, text, place)
    if target.endswith("'"):
        return read_equation(f"{target} = {text}", place, ())
    return equation_of(target, text, place)


def _is_sympy(value: object) -> bool:
    # Of functions of time such as x(t), only the classes above are SymPy's.
    return any(str(base.__module__).partition(".")[0] == "sympy" for base in type(value).__mro__)


def text_of(right: Any, place: str) -> str:
    """A right-hand side as text: a number, or a SymPy expression, too.

    Raises:
        InvalidSystem: it is something else.
    """
    if isinstance(right, str):
        return right
    if _is_sympy(right):
        from emberkeep.ode.system import from_sympy

        return from_sympy.text_of(right, place)
    try:
        return repr(float(right))
    except (TypeError, ValueError, OverflowError):
        raise InvalidSystem(
            f"{place} is {right!r}, a {type(right).__qualname__}; expected text, a number or a "
            "SymPy expression"
        ) from None


def _arranged(
    written: Sequence[Equation],
    states: Mapping[str, float],
    observables: Sequence[str],
    known: Mapping[str, str],
) -> tuple[Equation, ...]:
    """Equations in the order of the states, then definitions; every name in them known."""
    derivatives: dict[str, Equation] = {}
    definitions: dict[str, Equation] = {}
    implicit: dict[tuple[str, str], Equation] = {}
    for equation in written:
        place, target = equation.place, equation.target
        if equation.is_derivative and target not in states:
            raise InvalidSystem(
                f"{place} gives the derivative of {target!r}, which is no state:\n"
                f"    {equation.text}\nAdd it to states={{…}}; there are {', '.join(states)}"
            )
        if equation.kind == IMPLICIT:
            same = implicit.setdefault((target, equation.canonical), equation)
            if same is not equation:
                raise InvalidSystem(f"{place} and {same.place} are the same. Keep one of them")
            continue
        if not equation.is_derivative:
            _require_definable(equation, known)
        group = derivatives if equation.is_derivative else definitions
        if target in group:
            raise InvalidSystem(
                f"{place} and {group[target].place} are both for {target!r}. Keep one of them"
            )
        group[target] = equation
    _require_as_many(states, derivatives, implicit.values())
    # In whatever order they were written, they are the same system.
    others = [implicit[key] for key in sorted(implicit)]
    given = (*(derivatives[state] for state in states if state in derivatives), *others)
    require_known_names((*given, *definitions.values()), definitions, known)
    _require_used(states, given, definitions, observables)
    return (*given, *in_order(list(definitions.values())))


def _require_as_many(
    states: Mapping[str, float], derivatives: Mapping[str, Equation], implicit: Iterable[Equation]
) -> None:
    """Each state has an equation for its derivative, or there is an implicit one in its place."""
    missing, others = [state for state in states if state not in derivatives], [*implicit]
    if not others and missing:
        raise InvalidSystem(
            f"There is no equation for {', '.join(map(repr, missing))}. Every state needs one: "
            f'"d{missing[0]} = …"; what has none is a parameter or a constant. An algebraic '
            'equation reads "0 = …"'
        )
    if len(missing) != len(others):
        raise InvalidSystem(
            f"There must be one equation for each state. Of {len(states)} states, {len(missing)} "
            f"have none for their derivative ({', '.join(missing) or 'all have one'}), and there "
            f"are {len(others)} implicit equations: {'; '.join(each.text for each in others)}. "
            "Add one, or leave one out"
        )


def _require_definable(equation: Equation, known: Mapping[str, str]) -> None:
    target = equation.target
    if target not in known:
        _require_name("definition", target, known)
        return
    remedy = (
        f'Write "d{target} = …" for its derivative, or "0 = … - {target}" if it is algebraic'
        if known[target] == "state"
        else "Rename one"
    )
    raise InvalidSystem(
        f"{equation.place} defines {target!r}, which is a {known[target]} already:\n"
        f"    {equation.text}\n{remedy}"
    )


def require_known_names(
    equations: Iterable[Equation], definitions: Mapping[str, Equation], known: Mapping[str, str]
) -> None:
    """Refuse equations that use a name nobody declared, or cannot be read.

    Args:
        equations: what is looked at.
        definitions: of what they may use beside.
        known: what kind each declared name is of.

    Raises:
        InvalidSystem: points at what is wrong.
    """
    names = {*known, *definitions, TIME, *CONSTANTS, *WHERE_FREE, *FUNCTIONS, *SPELLINGS}
    for equation in equations:
        if not equation.text.isascii() or "'" in equation.tokens:
            _require_plain(equation)
        unknown = names_in(equation) - names
        if unknown:
            from emberkeep.ode.system.mistakes import unknown_name

            first = min(unknown, key=lambda name: find_name(equation, name))
            raise unknown_name(equation, first, {*known, *definitions})
        if not looks_right(equation):
            _explain(equation, definitions, known)


def _require_plain(equation: Equation) -> None:
    from emberkeep.ode.system.mistakes import derivative_on_the_right, strange_letter

    problem = strange_letter(equation) or derivative_on_the_right(equation)
    if problem is not None:
        raise problem


def _explain(
    equation: Equation, definitions: Mapping[str, Equation], known: Mapping[str, str]
) -> None:
    """Parse what does not look right, for an error that says why; it may be right after all."""
    from emberkeep.ode.system.parsing import parse_equation
    from emberkeep.ode.system.program import Program

    program = Program()
    functions = {name: float for name, kind in known.items() if kind == "function"}
    names = {*definitions, *known, TIME} - functions.keys()
    parse_equation(equation, program, {name: program.name(name) for name in names}, functions)


def _require_used(
    states: Mapping[str, float],
    given: Iterable[Equation],
    definitions: Mapping[str, Equation],
    observables: Sequence[str],
) -> None:
    """A definition that nobody uses is a derivative with a slip of the pen."""
    for name in observables:
        if name in states:
            raise InvalidSystem(
                f"The observable {name!r} is a state, which results have anyway. Leave it out"
            )
        if name not in definitions:
            raise InvalidSystem(f'The observable {name!r} has no equation. Add one: "{name} = …"')
    used = set(observables)
    for equation in (*given, *definitions.values()):
        used |= names_in(equation)
    for name, equation in definitions.items():
        if name not in used:
            raise InvalidSystem(
                f"{equation.place} defines {name!r}, which nothing uses:\n    {equation.text}\n"
                "If it is of interest, list it in observables=[…]; if it is a derivative, its "
                "state is missing in states={…}"
            )
