"""Going on from where an earlier solve ended."""

from __future__ import annotations

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.ode.batch import single
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from emberkeep.ode.result import Result
    from emberkeep.ode.system.system import System


@final
@frozen
class Beginning:
    """What trajectories begin with, by name.

    Attributes:
        initial: values of states.
        parameters: values of parameters.
    """

    initial: Mapping[str, Any]
    parameters: Mapping[str, Any]


def beginning_at(
    result: Result, system: System, parameters: Mapping[str, Any] | None, grid: str
) -> Beginning:
    """What a result ended with, as a beginning: a trajectory for each, with its parameters.

    Args:
        result: of the same states.
        system: what is integrated now.
        parameters: the user's, in place of the result's own.
        grid: must take the first of each, the second of each, ….

    Raises:
        InvalidPlan: the result does not say where it ended, or is of other states.
    """
    if tuple(system.states) != result.state_names:
        raise InvalidPlan(
            f"initial= is a result of {result.name} with the states "
            f"{', '.join(result.state_names)}, and {system.name} has {', '.join(system.states)}"
        )
    if grid != "verbatim":
        raise InvalidPlan(
            f"initial= is a result, whose trajectories go on one by one, and grid={grid!r} would "
            "combine them. Leave out grid="
        )
    last = ended(result)
    _require_unchanged(result, parameters)
    # Vectors and symbols go by other names than what they replace.
    replaced = single("parameter", parameters, system.parameters, system)
    own = {
        column.name: _of_each(result, column.name)
        for column in result.batch.columns
        if column.name in system.parameters and column.name not in replaced
    }
    initial = {name: last[:, place] for place, name in enumerate(system.states)}
    return Beginning(initial, {**own, **({} if parameters is None else dict(parameters.items()))})


def ended(result: Result) -> Any:
    """The states that a result ended with.

    Raises:
        InvalidPlan: it does not say.
    """
    if result.final is not None:
        return result.final
    if result.states is not None:
        times = np.atleast_2d(result.t)
        if (times[:, -1] == np.atleast_1d(result.t_span[1])).all():
            return result.states[:, -1]
    raise InvalidPlan(
        "initial= is a result that does not say where its trajectories ended. Solve with "
        "outputs=['final', …], or save at the end of the span too"
    )


def _require_unchanged(result: Result, parameters: Mapping[str, Any] | None) -> None:
    """What events have made of parameters is not known any more."""
    unknown = [name for name in result.changed if name not in (parameters or {})]
    if unknown:
        raise InvalidPlan(
            f"initial= is a result in which events have changed {', '.join(unknown)}, and it does "
            f"not have what became of them. Pass parameters={{{unknown[0]!r}: …}}; or make a state "
            f'of it, whose derivative is zero ("d{unknown[0]} = 0"), which goes on by itself'
        )


def _of_each(result: Result, name: str) -> Any:
    """A parameter: a number for all, or one for each trajectory."""
    varied = result.parameters()
    return varied[name] if name in varied else result.batch.coordinate(name)
