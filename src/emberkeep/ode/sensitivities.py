"""Sensitivities as users ask for them, and what they begin with."""

from __future__ import annotations

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.ode.batch import Batch, Column, name_of
from emberkeep.ode.restart import ended
from emberkeep.ode.system.sensitivities import Sensitivities, label
from emberkeep.ode.vectors import names_of, shape_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from emberkeep.ode.result import Result
    from emberkeep.ode.system.system import System

STATES, ALL = ERROR_NORMS = ("states", "all")


def with_sensitivities(
    system: System, given: Any, error_norm: str, *, has_events: bool = False
) -> System:
    """A system with its derivatives by what is given; itself, where that is nothing.

    Args:
        system: the user's.
        given: names of parameters and states, of vectors and matrices too.
        error_norm: whose errors steps are chosen by: ``"states"`` or ``"all"``.
        has_events: whether something happens to trajectories that is no part of the equations.

    Raises:
        InvalidPlan: something cannot be differentiated by.
    """
    if error_norm not in ERROR_NORMS:
        raise InvalidPlan(
            f"error_norm={error_norm!r} is not known; expected 'states', whose errors choose the "
            "steps, or 'all', for those of sensitivities too"
        )
    names = _names(system, _listed(given))
    if not names:
        return system
    if system.has_mass and has_events:
        raise InvalidPlan(
            f"There are no sensitivities of {system.name} across events, as it has algebraic "
            "equations or a mass matrix. Leave out sensitivities= or events=, or solve algebraic "
            "equations by hand where that can be"
        )
    observables = system.observables
    made = Sensitivities(names, (*system.states,), observables, error_norm == ALL, has_events)
    further = (label(value, name) for name in names for value in observables)
    return system.differentiated(
        made, {**system.states, **made.initial()}, (*observables, *further)
    )


def _listed(given: Any) -> Iterable[Any]:
    if isinstance(given, str):
        return (given,)
    if isinstance(given, list | tuple | dict):
        return given  # pyright: ignore[reportUnknownVariableType]
    raise InvalidPlan(
        f"sensitivities={given!r} must be a list of names: of parameters, and of states for their "
        "initial values"
    )


def _names(system: System, given: Iterable[Any]) -> tuple[str, ...]:
    """Single names, each once; vectors and matrices as their parts."""
    known = (*system.parameters, *system.states)
    found: dict[str, None] = {}
    for each in given:
        name = name_of(each)
        parts = [name] if name in known else _parts(name, known)
        if not parts:
            raise _unknown(system, name, known)
        for part in parts:
            if part in found:
                raise InvalidPlan(f"sensitivities= has {part!r} twice. Leave out one")
            found[part] = None
    return (*found,)


def _parts(name: str, known: tuple[str, ...]) -> list[str]:
    shape = shape_of(name, known)
    return [] if shape is None else names_of(name, shape)


def _unknown(system: System, name: str, known: tuple[str, ...]) -> InvalidPlan:
    import difflib

    if name in system.constants:
        return InvalidPlan(
            f"sensitivities= has {name!r}, which is a constant. Declare it as a parameter to "
            "differentiate by it"
        )
    close = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return InvalidPlan(
        f"sensitivities= has {name!r}, which is no parameter and no state of {system.name}. "
        f"{hint}There are {', '.join(known)}; a state's name means its initial value"
    )


def beginning(batch: Batch, system: System, before: Result | None) -> Batch:
    """A batch of which sensitivities are integrated, too: each begins with a column of its own.

    Args:
        batch: of the user's system.
        system: the same with its sensitivities.
        before: a result that the batch goes on from.

    Raises:
        InvalidPlan: that result has derivatives by something else.
    """
    wanted = system.sensitivities
    assert wanted is not None
    given = wanted.initial() if before is None else _ended(before, system)
    further = [
        Column(name, np.atleast_1d(np.asarray(value, np.float64)), 0)
        for name, value in given.items()
    ]
    own = len(wanted.states)
    columns = (*batch.columns[:own], *further, *batch.columns[own:])
    return Batch(batch.runs, columns, batch.varied, batch.grid)


def _ended(before: Result, system: System) -> dict[str, Any]:
    """The derivatives that a result ended with; where it has none, those of a beginning."""
    wanted, there = system.sensitivities, before.sensitivities
    assert wanted is not None
    if not there:
        return {**wanted.initial()}
    missing = [name for name in wanted.names if name not in there]
    if missing:
        raise InvalidPlan(
            f"initial= is a result with derivatives by {', '.join(there)}, and none by "
            f"{', '.join(missing)}: these would begin anew in the middle. Leave them out of "
            "sensitivities=, or pass the states alone: initial={name: result.at_end(name), …}"
        )
    return {
        label(state, name): ended(there[name])[:, place]
        for name in wanted.names
        for place, state in enumerate(wanted.states)
    }
