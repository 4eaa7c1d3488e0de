"""Strongly connected components, in topological order."""

from __future__ import annotations

import numpy as np

from emberkeep.elimination.kernels.recording import find_components

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]


def components(starts: Values, targets: Values) -> Values:
    """The component of each vertex; edges between components go from lower to higher numbers."""
    count = len(starts) - 1
    found = np.empty(count + 1, np.int64)
    find_components(starts, targets, found, np.empty((5, max(count, 1)), np.int64), count=1)
    return found[-1] - 1 - found[:-1]
