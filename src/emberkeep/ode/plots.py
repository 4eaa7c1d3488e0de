"""Results as pictures, by matplotlib; each gives its Axes, and draws into others' where told to."""

# matplotlib has no types that agree with ours.
# pyright: basic, reportMissingImports=false, reportMissingModuleSource=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.ode.batch import COMBINATIONS
from emberkeep.ode.labelled import optional
from emberkeep.ode.vectors import names_of, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emberkeep.ode.result import Result

    Values = np.ndarray[Any, Any]

MOST_LINES = 100  # trajectories that are drawn; more are a blot
FAINTEST = 0.15
DARKEST = 0.6  # of bands, from the outermost inwards


def plot_trajectories(result: Result, names: Sequence[str], ax: Any, most: int) -> Any:
    """States over time, a colour for each."""
    _require_times(result, "plot")
    ax, drawn = _axes(ax), _thinned(result, most)
    times = result.t if result.t.ndim == 1 else result.t[drawn].T
    for place, name in enumerate(_single(result, names) or result.keys()):
        lines = ax.plot(times, result[name][drawn].T, color=f"C{place % 10}", alpha=_alpha(drawn))
        lines[0].set_label(name)
    ax.set_xlabel(_label(result, "t"))
    if len(names) == 1:
        ax.set_ylabel(_label(result, names[0]))
    else:
        _legend(ax)
    ax.set_title(_title(result, drawn))
    return ax


def plot_phase(result: Result, x: str, y: str, ax: Any, most: int) -> Any:
    """One state against another; a dot where each trajectory begins."""
    _require_times(result, "plot_phase")
    ax, drawn = _axes(ax), _thinned(result, most)
    across, up = result[x][drawn].T, result[y][drawn].T
    ax.plot(across, up, color="C0", alpha=_alpha(drawn))
    ax.plot(across[0], up[0], ".", color="C1")
    ax.set(xlabel=_label(result, x), ylabel=_label(result, y), title=_title(result, drawn))
    return ax


def plot_map(
    result: Result,
    name: str,
    over: tuple[str, str] | None,
    at: Mapping[str, float] | None,
    summary: str | None,
    ax: Any,
) -> Any:
    """What a state is at the end, or a summary of it, by the two parameters of a grid."""
    across, up = _pair(result, over)
    varied, given = result.batch.varied, {**(at or {})}
    unknown = given.keys() - {*varied, "t"} | given.keys() & {across, up}
    if unknown:
        raise InvalidPlan(
            f"at= names {', '.join(map(repr, sorted(unknown)))}, and may name what else was varied "
            f"than {across!r} and {up!r}, and the time: "
            f"{', '.join(each for each in (*varied, 't') if each not in (across, up))}"
        )
    values, told = _mapped(result, name, given, summary)
    others = [each for each in varied if each not in (across, up)]
    places = {each: _place(each, result.batch.coordinate(each), given) for each in others}
    values = values[tuple(places.get(each, slice(None)) for each in varied)]
    told += [f"{each} = {given[each]:g}" for each in others]
    if varied.index(across) < varied.index(up):
        values = values.T
    ax = _axes(ax)
    xs, ys = result.batch.coordinate(across), result.batch.coordinate(up)
    columns, rows = np.argsort(xs), np.argsort(ys)
    mesh = ax.pcolormesh(
        xs[columns], ys[rows], values[np.ix_(rows, columns)], shading="nearest", rasterized=True
    )
    label = _label(result, name) if summary is None else f"{summary} of {name}"
    ax.figure.colorbar(mesh, ax=ax, label=label)
    ax.set(
        xlabel=_label(result, across),
        ylabel=_label(result, up),
        title=", ".join([result.name, *told]),
    )
    return ax


def plot_quantiles(result: Result, name: str, quantiles: Sequence[float], ax: Any) -> Any:
    """Between which values trajectories are, as bands over time; a line for the middle one."""
    _require_times(result, "plot_quantiles")
    if result.t.ndim > 1:
        raise InvalidPlan(
            "Each trajectory has times of its own, and quantiles are of values at the same time. "
            "Solve with times to save for all: save_at=[…]"
        )
    levels = _levels(quantiles)
    bounds = _quantiles(result[name], levels)
    ax, half = _axes(ax), len(levels) // 2
    for place in range(half):
        ax.fill_between(
            result.t,
            bounds[place],
            bounds[-1 - place],
            color="C0",
            alpha=DARKEST * (place + 1) / (half + 1),
            linewidth=0,
            label=f"{levels[place]:g} to {levels[-1 - place]:g}",
        )
    if len(levels) % 2:
        ax.plot(result.t, bounds[half], color="C0", label=f"{levels[half]:g}")
    ax.legend()
    failed = result.failed.size
    without = f", {failed:,} failed and count until they do" if failed else ""
    ax.set(xlabel=_label(result, "t"), ylabel=_label(result, name))
    ax.set(title=f"{result.name}: {len(result):,} trajectories{without}")
    return ax


# What is drawn -----------------------------------------------------------------------------------


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    return optional("matplotlib.pyplot", "emberkeep[plots]").subplots(layout="constrained")[1]


def _single(result: Result, names: Sequence[str]) -> list[str]:
    """The names, with vectors as their parts."""
    shapes = {name: shape_of(name, result.keys()) for name in names if name not in result}
    return [each for name in names for each in names_of(name, shapes.get(name) or ())]


def _legend(ax: Any) -> None:
    for handle in ax.legend().legend_handles:
        handle.set_alpha(1.0)  # of one line among many little is seen


def _thinned(result: Result, most: int) -> Values:
    """Numbers of the trajectories that are drawn, from the first to the last."""
    runs = len(result)
    if not isinstance(most, int | np.integer) or most < 1:
        raise InvalidPlan(f"most={most!r} must be a whole number of trajectories, at least 1")
    if runs <= most:
        return np.arange(runs)
    return np.linspace(0, runs - 1, int(most)).round().astype(np.int64)


def _alpha(drawn: Values) -> float:
    return max(FAINTEST, 1 / np.sqrt(drawn.size))


def _title(result: Result, drawn: Values) -> str:
    runs = len(result)
    if runs == 1:
        return result.name
    some = "" if drawn.size == runs else f"{drawn.size:,} of "
    return f"{result.name}: {some}{runs:,} trajectories"


def _label(result: Result, name: str) -> str:
    """A name for an axis, with its unit."""
    return f"{name} [{result.units[name]}]" if name in result.units else name


def _require_times(result: Result, what: str) -> None:
    if result.states is None:
        raise InvalidPlan(
            f"{what} draws states over time, and this result has none. Solve with times to save "
            "them at: save_at=0.1"
        )


# Maps --------------------------------------------------------------------------------------------


def _pair(result: Result, over: tuple[str, str] | None) -> tuple[str, str]:
    batch, varied = result.batch, result.batch.varied
    listed = ", ".join(varied) or "nothing"
    if batch.grid != COMBINATIONS or len(varied) < 2:  # noqa: PLR2004 - a map has two axes
        raise InvalidPlan(
            "A map is over two that are varied and combined each with each: solve with "
            "parameters={'a': [...], 'b': [...]}, grid='combinations'. This result is "
            f"grid={batch.grid!r}, and varied {listed}"
        )
    names = varied[:2] if over is None and len(varied) == 2 else over  # noqa: PLR2004 - likewise
    named: tuple[Any, ...] = tuple(names) if isinstance(names, tuple | list) else (names,)
    if len({*named} & {*varied}) != 2 or len(named) != 2:  # noqa: PLR2004 - likewise
        raise InvalidPlan(f"over={over!r} must be two names of what was varied: {listed}")
    return named[0], named[1]


def _mapped(
    result: Result, name: str, at: Mapping[str, float], summary: str | None
) -> tuple[Values, list[str]]:
    """One number for each trajectory, on the axes of the grid; and what it is."""
    time = at.get("t")
    told: list[str] = []
    if summary is not None:
        values = result.summary(summary, name)
        if result.windows is not None:
            values = _only_window(values)
    elif time is None and result.final is not None:
        values, told = result.at_end(name), _told_time(result.t_span[1])
    elif result.states is None:
        raise InvalidPlan(
            "A map is of states at a time, and this result has none. Solve with outputs=['final'] "
            "or save_at=…, or pass summary='mean' for one that was asked for"
        )
    else:
        place = -1 if time is None else _place("t", result.t, at)
        values = result[name][:, place]
        told = _told_time(result.t[..., place])
    return values.reshape(result.batch.shape), told


def _only_window(values: Values) -> Values:
    if values.shape[1] > 1:
        raise InvalidPlan(
            f"There are {values.shape[1]} windows, and a map is of one number for each trajectory. "
            "Solve without windows=, or with one: windows=[start, end]"
        )
    return values[:, 0]


def _told_time(time: Any) -> list[str]:
    return [f"t = {time:g}"] if np.ndim(time) == 0 else []


def _place(name: str, values: Values, at: Mapping[str, Any]) -> int:
    if name not in at:
        raise InvalidPlan(
            f"{name!r} is varied too: say at which value the map is, such as "
            f"at={{{name!r}: {values[0]:g}}}"
        )
    if values.ndim > 1:
        raise InvalidPlan("Each trajectory has times of its own; a map can be at none of them")
    place = int(np.abs(values - at[name]).argmin())
    if not np.isclose(values[place], at[name], rtol=1e-6):
        raise InvalidPlan(
            f"{name!r} is never {at[name]!r} in this result; the nearest is {values[place]:g}"
        )
    return place


# Quantiles ---------------------------------------------------------------------------------------


def _levels(given: Any) -> list[float]:
    try:
        levels = sorted(float(level) for level in given)
    except (TypeError, ValueError):
        levels = []
    if not levels or not 0 <= levels[0] <= levels[-1] <= 1:
        raise InvalidPlan(
            f"quantiles={given!r} must be numbers from 0 to 1, such as [0.05, 0.5, 0.95]"
        )
    return levels


def _quantiles(values: Values, levels: Sequence[float]) -> Values:
    """By level and time, of those that have not failed by then."""
    missing = np.isnan(values)
    if not missing.any():
        return np.quantile(values, levels, axis=0)
    found = np.full((len(levels), values.shape[1]), np.nan)
    some = ~missing.all(axis=0)
    found[:, some] = np.nanquantile(values[:, some], levels, axis=0)
    return found
