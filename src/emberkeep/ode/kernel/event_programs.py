"""Events in the terms of a system's program: what goes through zero, and what actions set."""

# A function may give anything.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

import numpy as np

from emberkeep.errors import InvalidPlan, InvalidSystem
from emberkeep.ode.events.planned import require_changeable
from emberkeep.ode.kernel.drivers import rate_of
from emberkeep.ode.system.derivatives import jacobian
from emberkeep.ode.system.equations import TIME
from emberkeep.ode.system.reading import read_beside
from emberkeep.ode.system.sensitivities import label
from emberkeep.startup_records import frozen, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emberkeep.ode.events.planned import PlannedEvent
    from emberkeep.ode.system.reading import Read
    from emberkeep.ode.system.system import System


@final
@frozen
class EventProgram:
    """One event.

    Attributes:
        planned: what is compiled of it.
        function: the program's value that goes through zero; None of other kinds.
        action: for each state or parameter that it changes, the program's value that it gets.
    """

    planned: PlannedEvent
    function: int | None
    action: Mapping[str, int]


def event_programs(
    events: Sequence[PlannedEvent], system: System, read: Read
) -> tuple[EventProgram, ...]:
    """Events, written into a system's program.

    Raises:
        InvalidPlan: a function cannot be followed; says why.
        InvalidSystem: points at what cannot be read.
    """
    found = [
        _event_program(each, f"events[{place}]", system, read) for place, each in enumerate(events)
    ]
    if system.sensitivities is None:
        return tuple(found)
    return tuple(
        replace(each, {"action": _with_derivatives(each, f"events[{place}]", system, read)})
        for place, each in enumerate(found)
    )


def _event_program(event: PlannedEvent, place: str, system: System, read: Read) -> EventProgram:
    names = (*system.states, *system.inputs)
    function: int | None = None
    if callable(event.when):
        followed = _followed(event.when, f"the function of {place}", system, read, _alone)
        if len(followed) != 1:
            raise InvalidPlan(
                f"The function of {place} gives {len(followed)} numbers; expected one, which goes "
                "through zero"
            )
        [function] = followed
    elif event.when is not None:
        [function] = read_beside([event.when], read, names, system.functions)
    action = event.action
    if callable(action):
        return EventProgram(event, function, _action(action, place, system, read))
    values = read_beside(action, read, names, system.functions)
    targets = (each.target for each in action)
    return EventProgram(event, function, dict(zip(targets, values, strict=True)))


def move_of(name: str) -> str:
    """What programs call the derivative of an event's time by a name."""
    return f"move by {name}"


def _with_derivatives(
    event: EventProgram, place: str, system: System, read: Read
) -> dict[str, int]:
    """An action, with what it makes of the derivatives of the states that it changes.

    Raises:
        InvalidSystem: it makes a parameter depend on what is differentiated by.
    """
    program, wanted, action = read.program, system.sensitivities, dict(event.action)
    assert wanted is not None
    states = wanted.states
    drivers = {name: program.name(rate_of(name)) for name in system.drivers}
    parameters = [name for name in wanted.names if name not in states]
    columns = [*states, *parameters, TIME, *drivers]
    slopes = jacobian(program, [*action.values()], columns)
    for row, (target, _) in enumerate(event.action.items()):
        by = {columns[column]: value for (r, column), value in slopes.items() if r == row}
        if target not in states:
            if target in wanted.names or by.keys() & {*states, *parameters}:
                raise InvalidSystem(
                    f"There are no sensitivities of {system.name}: the action of {place} makes "
                    f"the parameter {target!r} depend on what it is differentiated by. Make it a "
                    f"state, with the equation d{target} = 0"
                )
            continue
        for name in wanted.names:
            terms = [(value, label(state, name)) for state, value in by.items() if state in states]
            total = by.get(name, program.number(0.0)) if name in parameters else program.number(0.0)
            moving = [(by[each], rate) for each, rate in drivers.items() if each in by]
            in_time = by.get(TIME, program.number(0.0))
            for value, rate in moving:
                in_time = program.arithmetic("+", in_time, program.arithmetic("*", value, rate))
            if program.literal(in_time) != 0:
                move = program.name(move_of(name))
                total = program.arithmetic("+", total, program.arithmetic("*", in_time, move))
            for value, other in terms:
                product = program.arithmetic("*", value, program.name(other))
                total = program.arithmetic("+", total, product)
            action[label(target, name)] = total
    return action


def _action(action: Callable[..., Any], place: str, system: System, read: Read) -> dict[str, int]:
    """What a function ``f(t, y, p)`` changes."""
    targets: list[str] = []

    def collect(found: Any) -> Sequence[Any]:
        if not isinstance(found, Mapping) or not found:
            raise InvalidPlan(
                f"The action of {place} gives {found!r}; expected new values by name, such as "
                f"{{{next(iter(system.states))!r}: 0.0}}"
            )
        targets[:] = map(str, found)
        return [*found.values()]

    values = _followed(action, f"the action of {place}", system, read, collect)
    require_changeable(targets, system, place)
    return dict(zip(targets, values, strict=True))


def _followed(
    function: Callable[..., Any],
    what: str,
    system: System,
    read: Read,
    collect: Callable[[Any], Sequence[Any]],
) -> tuple[int, ...]:
    from emberkeep.ode.system.evaluate import record
    from emberkeep.ode.system.following import follow

    program, inputs = read.program, system.inputs
    observed = dict.fromkeys(system.own_observables, 1.0)
    states = {name: system.states[name] for name in system.own_states}
    values = {**states, **observed}

    def arrange(flat: Sequence[Any]) -> tuple[Any, ...]:
        time, *rest = flat
        y = record("Values", (*values,), rest[: len(values)])
        return time, y, record("Inputs", (*inputs,), rest[len(values) :])

    operands = [
        program.name(TIME),
        *map(program.name, states),
        *(read.definitions[name] for name in observed),
        *map(program.name, inputs),
    ]
    defaults = (0.0, *values.values(), *inputs.values())
    found = follow(function, program, operands, defaults, arrange=arrange, collect=collect)
    if isinstance(found, str):
        raise InvalidPlan(
            f"{what[0].upper()}{what[1:]} cannot be followed: {found}. Write it as f(t, y, p) with "
            "operators, functions of math and NumPy, and numpy.where for branches"
        )
    return found


def _alone(found: Any) -> Sequence[Any]:
    if isinstance(found, np.ndarray):
        return found.ravel().tolist()
    return [*found] if isinstance(found, tuple | list) else (found,)
