"""What a runner gives back, as the user's result."""

from __future__ import annotations

import numpy as np

from emberkeep.ode.outputs import COLUMN, EVENTS, PEAKS, REACHED, WINDOW, arrays_of
from emberkeep.ode.result import Result
from emberkeep.startup_records import final, frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from emberkeep.ode.running.job import Job, Outcome
    from emberkeep.ode.system.system import System

    Values = np.ndarray[Any, Any]

RECORDS = (
    "step_times",
    *(name + part for name in PEAKS for part in ("", "_times", "_counts")),
    *(array.name for array in arrays_of(EVENTS)),
)


def result_of(job: Job, outcome: Outcome) -> Result:
    """The result of a solve."""
    system, times, arrays = job.plan.system, job.times, outcome.results
    own = _Block(system, 0)
    result = Result(
        system.name,
        np.empty(0) if times.saves is None else times.saves,
        own.states(arrays.get("states")),
        own.states(arrays.get("final")),
        outcome.status,
        system.own_states,
        job.batch,
        times.shared,
        arrays.get("steps"),
        system.own_observables,
        own.observables(arrays.get("states")),
        own.observables(arrays.get("final")),
        own.summaries(job, arrays),
        job.windows.edges,
        {name: arrays[name] for name in RECORDS if name in arrays},
        system.units,
        arrays.get(REACHED),
        event_names=job.schedule.names,
        changed=job.schedule.changed,
        method=job.plan.tableau.name,
    )
    if system.sensitivities is None:
        return result
    names = enumerate(system.sensitivities.names, 1)
    found = {
        name: _derivatives(result, _Block(system, number), job, arrays) for number, name in names
    }
    return replace(result, {"sensitivities": found})


def _derivatives(result: Result, block: _Block, job: Job, arrays: Mapping[str, Values]) -> Result:
    """A result of derivatives by one name: of all that has some."""
    return replace(
        result,
        {
            "states": block.states(arrays.get("states")),
            "final": block.states(arrays.get("final")),
            "observables": block.observables(arrays.get("states")),
            "final_observables": block.observables(arrays.get("final")),
            "summaries": block.summaries(job, arrays),
            "steps": None,
            "records": {},
            "units": {},
            "reached": None,
        },
    )


@final
@frozen
class _Block:
    """Where values, or their derivatives by one name, lie among all.

    Attributes:
        system: whose.
        number: 0 for values; of the name, from 1 on.
    """

    system: System
    number: int

    def states(self, values: Values | None) -> Values | None:
        """The states among all columns."""
        count = len(self.system.own_states)
        return None if values is None else values[..., count * self.number :][..., :count]

    def observables(self, values: Values | None) -> Values | None:
        """The observables; None where there are none."""
        count = len(self.system.own_observables)
        if values is None or not count:
            return None
        return values[..., len(self.system.states) + count * self.number :][..., :count]

    def summaries(self, job: Job, arrays: Mapping[str, Values]) -> dict[str, Values]:
        """Summaries, of states and then observables."""
        found: dict[str, Values] = {}
        for output in job.plan.outputs:
            for array in arrays_of(output):
                has_block = COLUMN in array.axes
                if WINDOW in array.axes and (has_block or not self.number):
                    values = arrays[array.name]
                    if job.windows.edges is None:
                        values = values[:, 0]
                    name = output if isinstance(output, str) else output.name
                    found[name] = self._columns(values) if has_block else values
        return found

    def _columns(self, values: Values) -> Values:
        states, observables = self.states(values), self.observables(values)
        assert states is not None
        if self.system.sensitivities is None:
            return values
        return states if observables is None else np.concatenate([states, observables], -1)
