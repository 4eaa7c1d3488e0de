"""What a runner gives back, as the user's result."""

from __future__ import annotations

import numpy as np

from emberkeep.ode.outputs import PEAKS, REACHED, WINDOW, arrays_of
from emberkeep.ode.result import Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.ode.running.job import Job, Outcome

    Values = np.ndarray[Any, Any]

RECORDS = ("step_times", *(name + part for name in PEAKS for part in ("", "_times", "_counts")))


def result_of(job: Job, outcome: Outcome) -> Result:
    """The result of a solve."""
    system, times, arrays = job.plan.system, job.times, dict(outcome.results)
    count, names = len(system.states), system.observables

    def parted(name: str) -> tuple[Values | None, Values | None]:
        """States and observables, which lie side by side."""
        both = arrays.get(name)
        if both is None:
            return None, None
        return both[..., :count], both[..., count:] if names else None

    states, observables = parted("states")
    ended, observables_at_end = parted("final")
    summaries = {
        output if isinstance(output, str) else output.name: arrays[array.name]
        if job.windows.edges is not None
        else arrays[array.name][:, 0]
        for output in job.plan.outputs
        for array in arrays_of(output)
        if WINDOW in array.axes
    }
    return Result(
        system.name,
        np.empty(0) if times.saves is None else times.saves,
        states,
        ended,
        outcome.status,
        (*system.states,),
        job.batch,
        times.shared,
        arrays.get("steps"),
        names,
        observables,
        observables_at_end,
        summaries,
        job.windows.edges,
        {name: arrays[name] for name in RECORDS if name in arrays},
        system.units,
        arrays.get(REACHED),
    )
