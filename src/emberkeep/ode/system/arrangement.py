"""Equations in their order: one for each state, and every name in them is known and used."""

from __future__ import annotations

from emberkeep.errors import InvalidSystem
from emberkeep.ode.system.declarations import require_name
from emberkeep.ode.system.equations import (
    CONSTANTS,
    FUNCTIONS,
    IMPLICIT,
    SPELLINGS,
    TIME,
    WHERE_FREE,
    Equation,
    find_name,
    in_order,
    looks_right,
    names_in,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def arranged(
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
        require_name("definition", target, known)
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
