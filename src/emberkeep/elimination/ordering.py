"""Minimum degree: an order of elimination in which few new edges appear.

Eliminating a vertex connects all its neighbours. In place of those edges, the eliminated vertex
stays as an *element* whose members are its neighbours; a vertex is next to variables and to
elements, and what it would be next to is counted approximately, from above (Amestoy, Davis and
Duff, SIAM J. Matrix Anal. Appl. 17, 1996).
"""

from __future__ import annotations

import numpy as np

from emberkeep.elimination.kernels.recording import find_order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]

ROWS = 11


def minimum_degree(sources: Values, targets: Values, count: int) -> Values:
    """An order of elimination for a pattern of edges, in which direction does not count."""
    there = sources != targets
    first = np.concatenate([sources[there], targets[there]]).astype(np.int64)
    second = np.concatenate([targets[there], sources[there]]).astype(np.int64)
    pairs = np.unique(first * count + second)
    rows, neighbours = pairs // max(count, 1), pairs % max(count, 1)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=count))])
    order = np.empty(count, np.int64)
    work = np.empty((ROWS, max(count, 1)), np.int64)
    members = np.empty(len(neighbours) + count + 1, np.int64)
    find_order(starts, np.ascontiguousarray(neighbours), order, work, members, count=1)
    return order
