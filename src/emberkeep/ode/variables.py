"""All that came out of a solve, as variables of a dataset: their names, axes and units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import numpy as np

from emberkeep.ode.outputs import DERIVATIVE, EVENT, SUMMARIES, TIMES_OF
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from emberkeep.ode.result import Result

RUN = "run"
TAKEN = frozenset({RUN, "t", "status"})  # by what every table has
PARAMETER = "parameter"  # the axis of what sensitivities are by
OF_WINDOWS = frozenset({"window", "window_begin", "window_end"})  # and by what those with windows


@final
@frozen
class Variable:
    """What there is a number of for each trajectory, and for each place along further axes.

    Attributes:
        name: its label.
        axes: after those of the trajectories.
        values: with trajectories as their first axis.
        unit: of the values; None where nobody says.
    """

    name: str
    axes: tuple[str, ...]
    values: Any
    unit: str | None = None


def variables(result: Result) -> Iterator[Variable]:
    """All of them, each with a label of its own."""
    parts = (_values, _steps, _summaries, _peaks, _events, _sensitivities)
    found = [each for part in parts for each in part(result)]
    taken = {initial_label(name, result) for name in result.batch.varied} | {
        axis for each in found for axis in each.axes
    }
    taken |= _taken(result) - {"status"}
    for each in found:
        label = free_label(each.name, taken)
        taken.add(label)
        yield Variable(label, each.axes, each.values, each.unit)


def _values(result: Result) -> Iterator[Variable]:
    yield Variable("status", (), result.status)
    units = result.units
    if result.states is not None:
        along = "t" if result.t.ndim == 1 else "save"  # times of their own are no axis
        for name in result:
            yield Variable(state_label(name), (along,), result[name], units.get(name))
    if result.final is not None:
        for name in result:
            label = state_label(name) if result.states is None else f"{name}_final"
            yield Variable(label, (), result.at_end(name), units.get(name))


def _steps(result: Result) -> Iterator[Variable]:
    if result.steps is not None:
        for place, label in enumerate(("steps_taken", "steps_rejected")):
            yield Variable(label, (), result.steps[:, place])
    if result.reached is not None:
        yield Variable("reached", (), result.reached, result.units.get("t"))
    if "step_times" in result.records:
        yield Variable("step_time", ("step",), result.step_times, result.units.get("t"))


def _summaries(result: Result) -> Iterator[Variable]:
    windows = () if result.windows is None else ("window",)
    for kind, values in result.summaries.items():
        if kind in SUMMARIES:
            for name in result:
                summary = result.summary(kind, name)
                yield Variable(f"{name}_{kind}", windows, summary, _unit(result, name, kind))
        else:
            parts = (f"{kind}_part",) * (values.ndim - 1 - len(windows))
            yield Variable(kind, (*windows, *parts), values)


def _unit(result: Result, name: str, kind: str) -> str | None:
    """Of a summary."""
    own, time = result.units.get(name), result.units.get("t")
    if kind.removeprefix(DERIVATIVE) in TIMES_OF:
        return time
    if kind.startswith(DERIVATIVE):
        return f"{own}/{time}" if own and time else None
    return own


def _peaks(result: Result) -> Iterator[Variable]:
    own, time = result.units.get, result.units.get("t")
    for kind, found in (("peak", result.peaks), ("trough", result.troughs)):
        if f"{kind}s" in result.records:
            for name in result:
                each = found(name)
                yield Variable(f"{name}_{kind}", (kind,), each.values, own(name))
                yield Variable(f"{name}_{kind}_time", (kind,), each.times, time)
                yield Variable(f"{name}_{kind}_count", (), each.counts)


def _events(result: Result) -> Iterator[Variable]:
    if f"{EVENT}_times" not in result.records:
        return
    for event, found in result.events.items():
        yield Variable(f"{event}_time", (EVENT,), found.times, result.units.get("t"))
        yield Variable(f"{event}_count", (), found.counts)
        for name in result:
            yield Variable(f"{name}_{event}", (EVENT,), found[name], result.units.get(name))


def _sensitivities(result: Result) -> Iterator[Variable]:
    """Derivatives of all that has some, side by side for what they are by."""
    if not result.sensitivities:
        return
    first = next(iter(result.sensitivities.values()))
    for each in (*_values(first), *_summaries(first)):
        if each.name != "status":
            parts = [
                next(one.values for one in (*_values(by), *_summaries(by)) if one.name == each.name)
                for by in result.sensitivities.values()
            ]
            axes = (*each.axes, PARAMETER)
            yield Variable(f"{each.name}_sensitivity", axes, np.stack(parts, axis=-1))


def free_label(label: str, taken: Container[str]) -> str:
    """A label, or the like where it is taken."""
    while label in taken:
        label += "_"
    return label


def initial_label(name: str, result: Result) -> str:
    """What a varied quantity is called: an initial value must not be mistaken for its state."""
    if name in result.state_names:
        return free_label(f"{name}_initial", {*result.batch.varied, *result})
    return f"{name}_parameter" if name in _taken(result) else name


def _taken(result: Result) -> frozenset[str]:
    taken = TAKEN if result.windows is None else TAKEN | OF_WINDOWS
    return taken | {PARAMETER} if result.sensitivities else taken


def state_label(name: str) -> str:
    """What a state is called: a name that every table has is taken."""
    return f"{name}_state" if name in TAKEN else name
