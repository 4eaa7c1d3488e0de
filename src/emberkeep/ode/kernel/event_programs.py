"""Events in the terms of a system's program: what goes through zero, and what actions set."""

# A function may give anything.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.ode.events.planned import require_changeable
from emberkeep.ode.system.equations import TIME
from emberkeep.ode.system.reading import read_beside
from emberkeep.startup_records import frozen

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
    return tuple(
        _event_program(each, f"events[{place}]", system, read) for place, each in enumerate(events)
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
    observed = dict.fromkeys(system.observables, 1.0)
    values = {**system.states, **observed}

    def arrange(flat: Sequence[Any]) -> tuple[Any, ...]:
        time, *rest = flat
        y = record("Values", (*values,), rest[: len(values)])
        return time, y, record("Inputs", (*inputs,), rest[len(values) :])

    operands = [
        program.name(TIME),
        *map(program.name, system.states),
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
