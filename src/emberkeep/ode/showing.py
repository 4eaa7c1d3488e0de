"""Results for people: in terminals and notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emberkeep.ode.status import MEANINGS, SUCCESS

if TYPE_CHECKING:
    from emberkeep.ode.result import Result

MOST_NAMES = 12


def _facts(result: Result) -> list[tuple[str, str]]:
    runs = len(result)
    good = runs - result.failed.size
    start, end = result.t_span
    facts = [("trajectories", f"{runs:,}, {good:,} of them succeeded")]
    codes = sorted({int(code) for code in np.unique(result.status)} - {SUCCESS})
    facts += [
        ("", f"{int(np.sum(result.status == code)):,} {MEANINGS.get(code, 'stopped')}")
        for code in codes
    ]
    facts.append(("time", f"{np.min(start):g} to {np.max(end):g}"))
    if result.states is not None:
        facts.append(("saved at", f"{result.t.shape[-1]:,} times, {_extremes(result.t)}"))
    names = result.state_names
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    facts.append(("states", ", ".join(names[:MOST_NAMES]) + more))
    if result.observable_names:
        facts.append(("observables", ", ".join(result.observable_names[:MOST_NAMES])))
    if result.sensitivities:
        names = ", ".join([*result.sensitivities][:MOST_NAMES])
        facts.append(("derivatives", f"by {names}"))
    for name in result.batch.varied:
        values = result.batch.coordinate(name)
        facts.append(
            ("varied", f"{name}: {values.size:,} from {values.min():g} to {values.max():g}")
        )
    if result.windows is not None:
        count = result.windows.shape[-1] - 1
        facts.append(("windows", f"{count:,}, {_extremes(result.windows)}"))
    arrays = {name: getattr(result, name) for name in ("states", "final", "steps", "reached")}
    for label, array in (*arrays.items(), *result.summaries.items(), *result.records.items()):
        if array is not None:
            sizes = " by ".join(f"{size:,}" for size in array.shape)
            facts.append((f".{label}", f"{sizes} {array.dtype}, {_size(array.nbytes)}"))
    return facts


def _extremes(times: Any) -> str:
    return f"{times.flat[0]:g} to {times.flat[-1]:g}"


def _size(size_bytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size_bytes < 1000:  # noqa: PLR2004 - what the next unit is worth
            return f"{size_bytes:.3g} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:,.1f} GB"


def as_text(result: Result) -> str:
    """A few lines."""
    facts = _facts(result)
    width = max(len(label) for label, _ in facts)
    lines = [f"  {label:<{width}}  {text}" for label, text in facts]
    return "\n".join([f"<Result of {result.name}", *lines, ">"])


def as_html(result: Result) -> str:
    """A small table."""
    from html import escape

    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(label)}</th>"
        f"<td style='text-align:left'>{escape(text)}</td></tr>"
        for label, text in _facts(result)
    )
    return f"<table><caption>{escape(result.name)}</caption>{rows}</table>"
