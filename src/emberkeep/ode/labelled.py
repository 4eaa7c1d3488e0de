"""Results with labels, for pandas and xarray."""

# Neither has types that agree with ours.
# pyright: basic, reportMissingImports=false, reportMissingModuleSource=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emberkeep.errors import EmberkeepError, InvalidPlan
from emberkeep.ode.outputs import EVENTS, PEAKS
from emberkeep.ode.variables import (
    PARAMETER,
    RUN,
    free_label,
    initial_label,
    state_label,
    variables,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emberkeep.ode.result import Result
    from emberkeep.ode.variables import Variable


def optional(name: str, extra: str = "emberkeep[tables]", what: str = "This needs") -> Any:
    """A library that is imported when it is asked for."""
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as problem:
        raise EmberkeepError(
            f"{what} {name}, which cannot be imported ({problem}). Install it: "
            f"pip install '{extra}'"
        ) from problem


def to_pandas(result: Result, table: str | None) -> Any:
    """One of the result's tables."""
    made = {
        "states": _states,
        "runs": _runs,
        "windows": _windows,
        "peaks": _peaks,
        EVENTS: _events,
    }
    there = [
        name
        for name, is_there in (
            ("states", result.states is not None),
            ("windows", result.windows is not None),
            ("runs", True),
            ("peaks", any(name in result.records for name in PEAKS)),
            (EVENTS, "event_times" in result.records),
        )
        if is_there
    ]
    if table is not None and table not in there:
        raise InvalidPlan(f"table={table!r} is none of this result's, which are {', '.join(there)}")
    frame = optional("pandas").DataFrame(made[table or there[0]](result))
    units = {each.name: each.unit for each in variables(result) if each.unit} | _units(result)
    if units:
        frame.attrs["units"] = {name: units[name] for name in frame.columns if name in units}
    return frame


def _units(result: Result) -> dict[str, str]:
    """Units of what was varied, and of times."""
    units, time = result.units, result.units.get("t")
    found = {
        initial_label(name, result): units[name] for name in result.batch.varied if name in units
    }
    if time is not None:
        found |= dict.fromkeys(("t", "window_begin", "window_end"), time)
    return found


def _varied(result: Result, repeats: int) -> dict[str, Any]:
    """The first columns: which trajectory, and what was varied."""
    columns: dict[str, Any] = {"run": np.repeat(np.arange(len(result)), repeats)}
    for name, values in result.parameters().items():
        columns[initial_label(name, result)] = np.repeat(values, repeats)
    return columns


def _states(result: Result) -> dict[str, Any]:
    """A row for each trajectory and time."""
    runs, times = len(result), result.t.shape[-1]
    columns = _varied(result, times)
    columns["t"] = np.broadcast_to(result.t, (runs, times)).reshape(-1)
    columns |= {state_label(name): result[name].reshape(-1) for name in result}
    for by, derivatives in result.sensitivities.items():
        for name in result:
            columns[free_label(f"{name}_by_{by}", columns)] = derivatives[name].reshape(-1)
    return {**columns, "status": np.repeat(result.status, times)}


def _runs(result: Result) -> dict[str, Any]:
    """A row for each trajectory: what there is one number of."""
    columns = _varied(result, 1)
    columns["t"] = np.broadcast_to(result.t_span[1], len(result))
    for each in variables(result):
        if not each.axes or (len(each.axes) == 1 and _has_parts(each)):
            columns |= _parts(result, each, len(result), columns)
    status = columns.pop("status")
    return {**columns, "status": status}  # the last one


def _windows(result: Result) -> dict[str, Any]:
    """A row for each trajectory and window."""
    assert result.windows is not None
    runs, count = len(result), result.windows.shape[-1] - 1
    columns = {**_varied(result, count), "window": np.tile(np.arange(count), runs)}
    for label, edges in (("begin", result.windows[..., :-1]), ("end", result.windows[..., 1:])):
        columns[f"window_{label}"] = np.broadcast_to(edges, (runs, count)).reshape(-1)
    for each in variables(result):
        if each.axes[:1] == ("window",):
            columns |= _parts(result, each, runs * count, columns)
    return {**columns, "status": np.repeat(result.status, count)}


def _has_parts(variable: Variable) -> bool:
    """Whether there are several columns of it."""
    return bool(variable.axes) and variable.axes[-1].endswith(("_part", PARAMETER))


def _parts(
    result: Result, variable: Variable, rows: int, columns: Mapping[str, Any]
) -> dict[str, Any]:
    """A variable as more columns: one, or one for each of its parts."""
    flat = variable.values.reshape(rows, -1)
    if not _has_parts(variable):
        return {free_label(variable.name, columns): flat[:, 0]}
    parts = [f"{variable.name}_{part}" for part in range(flat.shape[1])]
    if variable.axes[-1] == PARAMETER:
        of = variable.name.removesuffix("_sensitivity")
        parts = [f"{of}_by_{name}" for name in result.sensitivities]
    labels = (free_label(part, columns) for part in parts)
    return {label: flat[:, part] for part, label in enumerate(labels)}


def _peaks(result: Result) -> dict[str, Any]:
    """A row for each peak or trough."""
    columns: dict[str, list[Any]] = {
        name: [] for name in ("run", "of", "kind", "number", "t", "value")
    }
    for kind in PEAKS:
        if kind not in result.records:
            continue
        for name in result:
            found = result.peaks(name) if kind == "peaks" else result.troughs(name)
            run, number = np.nonzero(~np.isnan(found.times))
            for column, values in (
                ("run", run),
                ("of", np.full(run.size, name)),
                ("kind", np.full(run.size, kind.removesuffix("s"))),
                ("number", number),
                ("t", found.times[run, number]),
                ("value", found.values[run, number]),
            ):
                columns[column].append(values)
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def _events(result: Result) -> dict[str, Any]:
    """A row for each occurrence of an event, with states and observables there."""
    names = ("run", "event", "number", "t", *map(state_label, result))
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for event, found in result.events.items():
        run, number = np.nonzero(~np.isnan(found.times))
        there = (run, np.full(run.size, event), number, found.times[run, number])
        for name, values in zip(names, there, strict=False):
            columns[name].append(values)
        for name in result:
            columns[state_label(name)].append(found[name][run, number])
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def to_xarray(result: Result) -> Any:
    """A dataset; a grid keeps its axes."""
    xarray, shape, axes = optional("xarray"), result.batch.shape, axes_of_runs(result)
    named: dict[str, Any] = {}
    for each in variables(result):
        shaped = each.values.reshape(*shape, *each.values.shape[1:])
        units = {"units": each.unit} if each.unit else {}
        named[each.name] = ((*axes, *each.axes), shaped, units)
    return xarray.Dataset(named, coordinates(result), {"system": result.name})


def axes_of_runs(result: Result) -> tuple[str, ...]:
    """Axes of the trajectories: of a grid, what is varied."""
    varied = result.batch.varied if len(result.batch.shape) > 1 else ()
    return tuple(initial_label(name, result) for name in varied) or (RUN,)


def coordinates(result: Result) -> dict[str, tuple[tuple[str, ...], Any, dict[str, str]]]:
    """What belongs to axes, by label: its axes, values and attributes."""
    batch, axes, found = result.batch, axes_of_runs(result), {}
    if axes == (RUN,):
        found[RUN] = (axes, np.arange(batch.runs))
    for name in batch.varied:
        label = initial_label(name, result)
        found[label] = (axes if axes == (RUN,) else (label,), batch.coordinate(name))
    for (label, along), values in _edges(result).items():
        if values.ndim > 1:  # each trajectory has its own
            rows = np.broadcast_to(values, (batch.runs, values.shape[-1]))
            found[label] = ((*axes, along), rows.reshape(*batch.shape, -1))
        else:
            found[label] = ((along,), values)
    units = _units(result)
    return {
        label: (*given, {"units": units[label]} if label in units else {})
        for label, given in found.items()
    }


def _edges(result: Result) -> dict[tuple[str, str], Any]:
    """Times that belong to an axis, with their names: of all trajectories, or a row for each."""
    found: dict[tuple[str, str], Any] = {}
    if result.states is not None:
        along = "t" if result.t.ndim == 1 else "save"  # times of their own are no axis
        found["t", along] = result.t
    if result.windows is not None:
        found["window_begin", "window"] = result.windows[..., :-1]
        found["window_end", "window"] = result.windows[..., 1:]
    if result.sensitivities:
        found[PARAMETER, PARAMETER] = np.array([*result.sensitivities])
    return found
