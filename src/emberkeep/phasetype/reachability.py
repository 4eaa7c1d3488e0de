"""What can be reached along edges."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.kernels.state_space import mark_reached

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]


def closure(inside: Values, sources: Values, targets: Values) -> Values:
    """All vertices that can be reached from some along edges."""
    count = len(inside)
    starts = np.zeros(count + 1, np.uint32)
    starts[1:] = np.cumsum(np.bincount(sources, minlength=count))
    order = np.argsort(sources, kind="stable")
    marked = np.ascontiguousarray(inside, np.uint8)
    mark_reached(
        starts, targets[order].astype(np.uint32), marked, np.empty(count, np.int64), count=1
    )
    return marked.astype(bool)
