"""Numbers of sensitivities: what they begin with, what errors of theirs are tolerated."""

from __future__ import annotations

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.ode.batch import Batch, Column
from emberkeep.ode.system.sensitivities import label

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from emberkeep.ode.result import Result
    from emberkeep.ode.system.system import System

    Values = np.ndarray[Any, Any]


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
    from emberkeep.ode.restart import ended

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


def tolerated(system: System, given: Mapping[Any, Any], atol: Sequence[float]) -> list[float]:
    """The errors of sensitivities that are tolerated where they are small, in their order.

    That of a state over the size of the parameter, by its default: then both errors mean as much
    for what a change of the parameter by its own size does. A parameter that is zero by default,
    and an initial value, counts as one.

    Args:
        system: with its sensitivities.
        given: the user's own, by pairs of a state and a name.
        atol: of each state.
    """
    wanted = system.sensitivities
    assert wanted is not None
    by_state = dict(zip(wanted.states, atol, strict=True))
    sizes = {name: abs(system.parameters.get(name, 1.0)) or 1.0 for name in wanted.names}
    return [
        float(given.get((state, name), by_state[state] / sizes[name]))
        for state, name in wanted.pairs
    ]
