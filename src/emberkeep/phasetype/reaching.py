"""What can be reached along edges."""

from __future__ import annotations

import numpy as np

from emberkeep.targets.kernel import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]


@kernel("uint32[::1], uint32[::1], uint8[::1], int64[::1]", threads=1, name="reach")
def _reach(_, starts, targets, inside, path):  # noqa: ANN001, ANN202 - types are in the signature
    """Mark everything that can be reached from what is marked."""
    depth = 0
    for v in range(len(starts) - 1):
        if inside[v] != 0:
            path[depth] = v
            depth += 1
    while depth > 0:
        depth -= 1
        v = path[depth]
        for e in range(starts[v], starts[v + 1]):
            w = targets[e]
            if inside[w] == 0:
                inside[w] = 1
                path[depth] = w
                depth += 1


def reach(starts: Values, targets: Values, inside: Values) -> Values:
    """All vertices that can be reached from some."""
    marked = np.ascontiguousarray(inside, np.uint8)
    _reach(starts, targets, marked, np.empty(len(inside), np.int64), count=1)
    return marked.astype(bool)
