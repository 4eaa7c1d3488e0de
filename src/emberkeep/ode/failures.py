"""What is said of trajectories that failed."""

from __future__ import annotations

import warnings

import numpy as np

from emberkeep.keep.reports import depth_of_caller
from emberkeep.ode.errors import SolveFailed, SolveWarning
from emberkeep.ode.status import MEANINGS, REMEDIES, has_failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]


def solve_failed(name: str, status: Values, time: float | None = None) -> SolveFailed:
    """An error that says how many trajectories of a system failed, why, and which was the first.

    Args:
        name: the system's.
        status: by trajectory.
        time: when the first of them failed, where that is known.
    """
    return SolveFailed(f"{_failures(name, status, time)}. {_remedies(status)}")


def warn_of_failures(name: str, status: Values, time: float | None = None) -> None:
    """One warning that says the same, and how to be rid of it."""
    text = (
        f"{_failures(name, status, time)}, in result.failed; their values are NaN from there on. "
        f"{_remedies(status)} result.require_success() makes this an error; "
        "warnings.simplefilter('ignore', emberkeep.SolveWarning) silences it"
    )
    warnings.warn(text, SolveWarning, stacklevel=depth_of_caller())


def _failures(name: str, status: Values, time: float | None) -> str:
    failed = np.flatnonzero(has_failed(status))
    codes, counts = np.unique(status[failed], return_counts=True)  # sorted: of a million, 40 ms
    reasons = "; ".join(
        f"{count:,} {MEANINGS.get(code, 'stopped')}"
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True)
    )
    when = "" if time is None else f", at t = {time:.6g}"
    return (
        f"Of {status.size:,} trajectories of {name}, {failed.size:,} failed: {reasons}. The "
        f"first is number {failed[0]}{when}"
    )


def _remedies(status: Values) -> str:
    found = np.unique(status[has_failed(status)]).tolist()
    return " ".join(REMEDIES[code] for code in found if code in REMEDIES)
