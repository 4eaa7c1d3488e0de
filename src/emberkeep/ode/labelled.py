"""Results with labels, for pandas and xarray."""

# Neither has types that agree with ours.
# pyright: basic, reportMissingImports=false, reportMissingModuleSource=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emberkeep.errors import EmberkeepError

if TYPE_CHECKING:
    from emberkeep.ode.result import Result


def optional(name: str, extra: str = "emberkeep[tables]") -> Any:
    """A library that is imported when it is asked for."""
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as problem:
        raise EmberkeepError(
            f"This needs {name}, which cannot be imported ({problem}). Install it: "
            f"pip install '{extra}'"
        ) from problem


def to_pandas(result: Result) -> Any:
    """A table: a row for each trajectory and time."""
    pandas = optional("pandas")
    times = result.t.shape[-1] if result.states is not None else 1
    runs = len(result)
    columns: dict[str, Any] = {"run": np.repeat(np.arange(runs), times)}
    for name, values in result.parameters().items():
        columns[_free(name, result)] = np.repeat(values, times)
    last = result.t_span[1]
    if result.states is None:
        columns["t"] = np.broadcast_to(last, runs)
    else:
        columns["t"] = np.broadcast_to(result.t, (runs, times)).reshape(-1)
    for name in result:
        columns[_state(name)] = result[name].reshape(-1)
    columns["status"] = np.repeat(result.status, times)
    return pandas.DataFrame(columns)


def to_xarray(result: Result) -> Any:
    """A dataset; a grid keeps its axes."""
    xarray = optional("xarray")
    batch = result.batch
    is_grid = len(batch.shape) > 1
    axes = [_free(name, result) for name in batch.varied] if is_grid else ["run"]
    coordinates: dict[str, Any] = {}
    if is_grid:
        coordinates |= {
            axis: batch.coordinate(name) for axis, name in zip(axes, batch.varied, strict=True)
        }
    else:
        coordinates["run"] = np.arange(len(result))
        for name, values in result.parameters().items():
            coordinates[_free(name, result)] = ("run", values)
    variables: dict[str, Any] = {"status": (axes, result.status.reshape(batch.shape))}
    if result.states is not None:
        along = "t" if result.t.ndim == 1 else "save"  # times of their own are no axis
        times = result.t.shape[-1]
        coordinates["t"] = result.t
        if along == "save":
            coordinates["t"] = ([*axes, along], result.t.reshape(*batch.shape, times))
        for name in result:
            shaped = result[name].reshape(*batch.shape, times)
            variables[_state(name)] = ([*axes, along], shaped)
    if result.final is not None:
        for name in result:
            label = _state(name) if result.states is None else f"{name}_final"
            variables[label] = (axes, result.at_end(name).reshape(batch.shape))
    return xarray.Dataset(variables, coordinates, {"system": result.name})


def _free(name: str, result: Result) -> str:
    """What a varied quantity is called: an initial value must not be mistaken for its state."""
    if name in result.state_names:
        label, others = f"{name}_initial", {*result.batch.varied, *result}
        while label in others:
            label += "_"
        return label
    return f"{name}_parameter" if name in TAKEN else name


TAKEN = frozenset({"run", "t", "status"})  # by what every table has


def _state(name: str) -> str:
    return f"{name}_state" if name in TAKEN else name
