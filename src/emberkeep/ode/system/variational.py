"""The variational equations of a system with sensitivities, as further values of its program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.ode.system.derivatives import jacobian
from emberkeep.ode.system.sensitivities import Variational, label
from emberkeep.startup_records import replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emberkeep.ode.system.program import Program
    from emberkeep.ode.system.reading import Read
    from emberkeep.ode.system.sensitivities import Sensitivities

# Functions that jump; of the last one, only with its second argument.
JUMPING = ("floor", "ceil", "trunc", "rint", "fmod", "copysign")


def differentiated(read: Read, wanted: Sensitivities) -> Read:
    """A system's program with the derivatives of what it has.

    Raises:
        InvalidSystem: something goes by way of a function that is not followed; names it.
    """
    program, own = read.program, read.derivatives
    equations = _split(program, own, wanted)
    is_there = _reached(program, own, equations, wanted)
    more = _products(program, equations, is_there, len(own), wanted)
    observed = [read.definitions[name] for name in wanted.observables]
    rows = _products(program, _split(program, observed, wanted), is_there, len(observed), wanted)
    labels = (label(value, name) for name in wanted.names for value in wanted.observables)
    return replace(
        read,
        {
            "derivatives": (*own, *more),
            "definitions": {**read.definitions, **dict(zip(labels, rows, strict=True))},
            "variational": equations,
            "mass": _repeated(read.mass, len(own), 1 + len(wanted.names)),
        },
    )


def _repeated(
    mass: Mapping[tuple[int, int], int] | None, size: int, times: int
) -> Mapping[tuple[int, int], int] | None:
    """A mass matrix that does not depend on what is wanted: M S' = J S + F for each name."""
    if mass is None:
        return None
    return {
        (row + first, column + first): value
        for first in range(0, size * times, size)
        for (row, column), value in mass.items()
    }


def _split(program: Program, values: Sequence[int], wanted: Sensitivities) -> Variational:
    """The derivatives of values by states, and by what is wanted and no state."""
    states = wanted.states
    parameters = [name for name in wanted.names if name not in states]
    found = jacobian(program, values, [*states, *parameters])
    count = len(states)
    numbers = [wanted.names.index(name) for name in parameters]
    return Variational(
        {place: value for place, value in found.items() if place[1] < count},
        {
            (row, numbers[column - count]): value
            for (row, column), value in found.items()
            if column >= count
        },
    )


def _reached(
    program: Program, own: Sequence[int], equations: Variational, wanted: Sensitivities
) -> set[tuple[int, int]]:
    """Derivatives of states, by state and number of the name, that are not zero for ever."""
    moving = {*wanted.names} if wanted.may_jump else _moving(program, own)
    users: dict[int, list[int]] = {}
    for row, column in equations.jacobian:
        users.setdefault(column, []).append(row)
    states = wanted.states
    waiting = [
        *equations.forcing,
        *((states.index(name), k) for k, name in enumerate(wanted.names) if name in states),
        *(
            (row, k)
            for k, name in enumerate(wanted.names)
            if name in moving
            for row in range(len(own))
        ),
    ]
    found: set[tuple[int, int]] = set()
    while waiting:
        place = waiting.pop()
        if place not in found:
            found.add(place)
            waiting += [(row, place[1]) for row in users.get(place[0], ())]
    return found


def _moving(program: Program, own: Sequence[int]) -> set[str]:
    """What may move a jump, at which all derivatives may change."""
    found: set[str] = set()
    for value in program.needed(own):
        operation, *rest = program.instructions[value]
        if program.is_condition(value) or (operation == "call" and rest[0] in JUMPING):
            found |= program.names(program.operands(value))
    return found


def _products(
    program: Program,
    equations: Variational,
    is_there: set[tuple[int, int]],
    rows: int,
    wanted: Sensitivities,
) -> list[int]:
    """J S + F, name by name."""
    columns: dict[int, list[tuple[int, int]]] = {}
    for (row, column), value in equations.jacobian.items():
        columns.setdefault(row, []).append((column, value))
    found: list[int] = []
    for number, name in enumerate(wanted.names):
        for row in range(rows):
            total = equations.forcing.get((row, number), program.number(0.0))
            for column, slope in columns.get(row, ()):
                if (column, number) in is_there:
                    by = program.name(label(wanted.states[column], name))
                    product = program.arithmetic("*", slope, by)
                    total = program.arithmetic("+", total, product)
            found.append(total)
    return found
