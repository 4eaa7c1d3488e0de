"""What a store holds: arrays with their names, axes and chunks, and what is said of all of them.

::

    runs.zarr/            a group of Zarr's third format
      zarr.json           attributes: the system, how it was solved, and whether it is complete
      run, t, rho, …      coordinates: numbers of trajectories, times, what was varied
      status              how each trajectory ended; -1 where nothing is written yet
      x, y, x_mean, …     what `Result.to_xarray` calls so

A grid's axes are axes of the arrays; else trajectories are one, `run`. The values of a trajectory
are written before its status is.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, final

import numpy as np

from emberkeep.ode.kernel.call import SETTINGS
from emberkeep.ode.labelled import axes_of_runs, coordinates
from emberkeep.ode.running.job import Outcome
from emberkeep.ode.running.results import result_of
from emberkeep.ode.status import RUNNING
from emberkeep.ode.stored.blocks import blocks
from emberkeep.ode.variables import free_label, variables
from emberkeep.startup_records import frozen
from emberkeep.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emberkeep.ode.running.job import Job

CHUNK_BYTES = 16 << 20  # what is read at once, before it is compressed
STATUS = "status"
FORMAT = 1  # of the attributes and names; another one is not read


@final
@frozen
class StoredArray:
    """One array of a store.

    Attributes:
        label: what it is called there.
        axes: names of its axes.
        shape: their lengths.
        chunks: lengths of what is read and written at once.
        kind: type of the numbers.
        fill: what it has where nothing is written.
        attributes: such as a unit.
        values: of a coordinate; None where they are yet to be computed.
    """

    label: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    kind: str
    fill: float
    attributes: Mapping[str, str]
    values: Any = None


def make_layout(job: Job, part_runs: int) -> tuple[StoredArray, ...]:
    """What is stored of a job that is computed in parts of so many trajectories.

    Coordinates come first, and the status last.
    """
    grid = job.batch.shape
    nothing = {
        name: np.empty((0, *space.shape), space.kind) for name, space in job.results().items()
    }
    result = result_of(job, Outcome(np.empty(0, np.int8), nothing))
    axes, known, made = axes_of_runs(result), coordinates(result), (*variables(result),)
    for name, values in (("t_start", job.times.starts), ("t_end", job.times.ends)):
        label = free_label(name, {*known, *(each.name for each in made)})
        if values.size > 1:
            known[label] = (axes, values.reshape(grid), {})
    found: list[StoredArray] = []
    for label, (along, values, said) in known.items():
        numbers = np.asarray(values)
        if numbers.dtype.kind == "U":  # Zarr has no settled form for text: it is an attribute
            continue
        kind, shape = numbers.dtype.name, numbers.shape
        # They are written at once, and not part by part: few trajectories may have many times.
        chunks = chunk_shape(shape, (), numbers.itemsize, numbers.size)
        found.append(StoredArray(label, along, shape, chunks, kind, _fill(kind), said, numbers))
    for each in sorted(made, key=lambda one: one.name == STATUS):
        behind, kind = each.values.shape[1:], each.values.dtype.name
        chunks = chunk_shape(grid, behind, each.values.itemsize, part_runs)
        said = {"units": each.unit} if each.unit else {}
        along = (*axes, *each.axes)
        found.append(
            StoredArray(each.name, along, (*grid, *behind), chunks, kind, _fill(kind), said)
        )
    return (*found,)


def _fill(kind: str) -> float:
    return math.nan if kind.startswith("float") else RUNNING


def chunk_shape(
    grid: tuple[int, ...], behind: tuple[int, ...], item: int, most: int
) -> tuple[int, ...]:
    """Lengths of chunks, over axes of trajectories and those behind.

    Args:
        grid: lengths of axes of trajectories.
        behind: what each trajectory has.
        item: bytes of a number.
        most: trajectories of a part.
    """
    each = item * math.prod(behind)
    if each <= CHUNK_BYTES:
        return (*blocks(grid, min(most, CHUNK_BYTES // max(each, 1))).box, *behind)
    rest = item * math.prod(behind[1:])
    return (*(1 for _ in grid), min(behind[0], max(CHUNK_BYTES // rest, 1)), *behind[1:])


def attributes(job: Job, layout: tuple[StoredArray, ...], target: str) -> dict[str, Any]:
    """What is said of all arrays, as text and numbers that other formats have, too."""
    plan, batch, times, system = job.plan, job.batch, job.times, job.plan.system
    single = {column.name: float(column.values[0]) for column in batch.columns if column.is_single}
    given = {
        "initial": {name: single[name] for name in system.own_states if name in single},
        "parameters": {name: single[name] for name in system.parameters if name in single},
        "constants": {name: single[name] for name in system.constants},
    }
    outputs = [each if isinstance(each, str) else each.name for each in plan.outputs]
    computed = [each.label for each in layout if each.values is None]
    others = [each.label for each in layout if each.values is not None]
    found: dict[str, Any] = {
        "system": system.name,
        "emberkeep": __version__,
        "emberkeep_format": FORMAT,
        "complete": 0,
        "trajectories": batch.runs,
        "states": list(system.own_states),
        "observables": list(system.own_observables),
        "outputs": outputs,
        "variables": sorted(computed, key=lambda label: label != STATUS),
        "method": plan.tableau.name,
        "precision": plan.precision,
        "stepping": plan.stepping,
        "target": target,
        "atol": [float(number) for number in job.atol],
        "rtol": float(job.settings[SETTINGS.index("rtol")]),
        "max_steps": job.max_steps,
        # By which xarray knows that they are no variables.
        "coordinates": " ".join(others),
        **{name: json.dumps(values) for name, values in given.items() if values},
    }
    if system.sensitivities is not None:
        found["sensitivities"] = list(system.sensitivities.names)
    if job.dt is not None:
        found["dt"] = float(job.dt)
    if times.starts.size == times.ends.size == 1:
        found["t_span"] = [float(times.starts[0]), float(times.ends[0])]
    return found
