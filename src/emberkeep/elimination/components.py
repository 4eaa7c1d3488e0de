"""Strongly connected components, in topological order."""

from __future__ import annotations

import numpy as np

from emberkeep.targets.kernel import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]


@kernel("uint32[::1], uint32[::1], int64[::1], int64[:, ::1]", threads=1, name="components")
def _components(_, starts, targets, component, work):  # noqa: ANN001, ANN202 - see the signature
    """Tarjan's walk without recursion: components are numbered as they are left, last ones first.

    In `work` by row: when a vertex was met, the earliest that it reaches, the vertices of open
    components, the path, and the next edge of each vertex on it. The last entry of `component`
    takes how many there are.
    """
    count = len(starts) - 1
    met, earliest, opened, path, edge = work[0], work[1], work[2], work[3], work[4]
    for v in range(count):
        met[v] = 0
        component[v] = -1
    clock, found, height, depth = 1, 0, 0, 0
    for root in range(count):
        if met[root] != 0:
            continue
        path[0], depth = root, 1
        met[root] = earliest[root] = clock
        clock += 1
        edge[root] = starts[root]
        opened[height] = root
        height += 1
        while depth > 0:
            v = path[depth - 1]
            if edge[v] < starts[v + 1]:
                w = np.int64(targets[edge[v]])
                edge[v] += 1
                if met[w] == 0:
                    met[w] = earliest[w] = clock
                    clock += 1
                    edge[w] = starts[w]
                    opened[height] = w
                    height += 1
                    path[depth] = w
                    depth += 1
                elif component[w] < 0:
                    earliest[v] = min(earliest[v], met[w])
                continue
            depth -= 1
            if depth > 0:
                earliest[path[depth - 1]] = min(earliest[path[depth - 1]], earliest[v])
            if earliest[v] == met[v]:
                while True:
                    height -= 1
                    w = opened[height]
                    component[w] = found
                    if w == v:
                        break
                found += 1
    component[count] = found


def components(starts: Values, targets: Values) -> Values:
    """The component of each vertex; edges between components go from lower to higher numbers."""
    count = len(starts) - 1
    found = np.empty(count + 1, np.int64)
    _components(starts, targets, found, np.empty((5, max(count, 1)), np.int64), count=1)
    return found[-1] - 1 - found[:-1]
