"""What can be reached along edges."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.kernels.exploring import mark_reached

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]


def reach(starts: Values, targets: Values, inside: Values) -> Values:
    """All vertices that can be reached from some."""
    marked = np.ascontiguousarray(inside, np.uint8)
    mark_reached(starts, targets, marked, np.empty(len(inside), np.int64), count=1)
    return marked.astype(bool)
