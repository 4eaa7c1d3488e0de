"""The numbers of events in a solve: what kernels and results are told of them."""

from __future__ import annotations

from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    import numpy as np

    Values = np.ndarray[Any, Any]


@final
@frozen
class Schedule:
    """What a kernel is told of events, beside what they are.

    Attributes:
        names: of the events, in their order.
        limits: at which of its occurrences each ends a trajectory.
        times: elapsed times of events that are known beforehand, in rows that end with infinity.
        places: of each such event: where its rows begin, and how far apart those of trajectories
            are (0 where all have the same).
        steady: of each steady state, ``rtol`` and ``atol``.
        changed: parameters that actions change.
        rows: by what to call them in messages: for how many trajectories times are, where for each.
    """

    names: tuple[str, ...] = ()
    limits: Values | None = None
    times: Values | None = None
    places: Values | None = None
    steady: Values | None = None
    changed: tuple[str, ...] = ()
    rows: Mapping[str, int] = {}


NO_EVENTS = Schedule()
