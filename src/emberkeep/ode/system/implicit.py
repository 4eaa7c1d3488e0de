"""Implicit equations: ``0 = …``, and left-hand sides in which there are derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.errors import InvalidSystem
from emberkeep.ode.system.derivatives import jacobian
from emberkeep.ode.system.equations import IMPLICIT, TIME, ZERO, Equation
from emberkeep.startup_records import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from emberkeep.ode.system.program import Program

    Parse = Callable[[Equation, Mapping[str, int]], int]

# What x' is called while a left-hand side is parsed; names of the user's begin with no underscore.
_SLOPE, PRIME = "_slope_of_", "'"


def read_rows(
    equations: Sequence[Equation], program: Program, states: Sequence[str], parse: Parse
) -> tuple[tuple[int, ...], dict[tuple[int, int], int]]:
    """Right-hand sides, and the entries of the mass matrix by row and column.

    Args:
        equations: of derivatives and implicit ones, as many as states. The former are in the rows
            of their states, the latter in the rows that are left, in their order.
        program: gets their instructions.
        states: names.
        parse: gives a right-hand side, with more names.

    Raises:
        InvalidSystem: a left-hand side is no sum of derivatives with constant factors.
    """
    places = {state: place for place, state in enumerate(states)}
    taken = {places[each.target] for each in equations if each.kind != IMPLICIT}
    free = iter(place for place in range(len(states)) if place not in taken)
    right: dict[int, int] = {}
    mass: dict[tuple[int, int], int] = {}
    for equation in equations:
        if equation.kind != IMPLICIT:
            row = places[equation.target]
            mass[row, row] = program.number(1.0)
            right[row] = parse(equation, {})
            continue
        row = next(free)
        right[row] = parse(equation, {})
        if equation.target != ZERO:
            factors, rest = _left_side(equation, program, states, parse)
            mass |= {(row, places[state]): factor for state, factor in factors.items()}
            right[row] = program.arithmetic("-", right[row], rest)
    return tuple(right[row] for row in range(len(states))), mass


def _left_side(
    equation: Equation, program: Program, states: Sequence[str], parse: Parse
) -> tuple[dict[str, int], int]:
    """The factor of each derivative, and what is added to them."""
    tokens: list[str] = []
    slopes: dict[str, str] = {}  # what the slope of each state is called
    for token in equation.target.split():
        if token == PRIME and tokens and tokens[-1] in states:
            state = tokens.pop()
            slopes[state] = f"{_SLOPE}{state}"
            tokens.append(slopes[state])
        else:
            tokens.append(token)
    if PRIME in tokens:
        of = tokens[tokens.index(PRIME) - 1]
        raise _refused(
            equation, f"has the derivative of {of!r}, which is no state", "Add it to states={…}"
        )
    left = replace(equation, {"tokens": tuple(tokens)})
    named = {name: program.name(name) for name in slopes.values()}
    value = parse(left, named)
    found = jacobian(program, [value], [*slopes.values()])
    factors = {state: found.get((0, place)) for place, state in enumerate(slopes)}
    changing = program.names(each for each in factors.values() if each is not None)
    if changing & {TIME, *states, *slopes.values()}:
        slope = sorted(changing & {*slopes.values()})
        what = (
            "a product of derivatives"
            if slope
            else f"what changes ({', '.join(sorted(changing & {TIME, *states}))})"
        )
        raise _refused(
            equation,
            f"multiplies a derivative by {what}",
            "Factors of derivatives are made of parameters and constants: divide by the factor, or "
            "give the derivative a state of its own",
        )
    rest = parse(left, dict.fromkeys(slopes.values(), program.number(0.0)))
    return {state: factor for state, factor in factors.items() if factor is not None}, rest


def _refused(equation: Equation, problem: str, remedy: str) -> InvalidSystem:
    return InvalidSystem(
        f"{equation.place}: the left-hand side {problem}:\n    {equation.text}\n{remedy}"
    )
