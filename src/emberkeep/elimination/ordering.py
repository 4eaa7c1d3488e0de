"""Minimum degree: an order of elimination in which few new edges appear.

Eliminating a vertex connects all its neighbours. In place of those edges, the eliminated vertex
stays as an *element* whose members are its neighbours; a vertex is next to variables and to
elements, and what it would be next to is counted approximately, from above (Amestoy, Davis and
Duff, SIAM J. Matrix Anal. Appl. 17, 1996).
"""

from __future__ import annotations

import numpy as np

from emberkeep.targets.kernel import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]

ROWS = 11


def _unlink(v, degree, head, following, previous):  # noqa: ANN001, ANN202 - compiled
    """Take a variable out of the list of its degree."""
    if previous[v] >= 0:
        following[previous[v]] = following[v]
    else:
        head[degree[v]] = following[v]
    if following[v] >= 0:
        previous[following[v]] = previous[v]


def _link(v, degree, head, following, previous):  # noqa: ANN001, ANN202 - compiled
    """Put a variable first into the list of its degree."""
    first = head[degree[v]]
    following[v], previous[v] = first, -1
    if first >= 0:
        previous[first] = v
    head[degree[v]] = v


def _compact(made, order, begin, size, alive, members):  # noqa: ANN001, ANN202 - compiled
    """Move the members of living elements together; where free space begins then."""
    free = 0
    for k in range(made):
        e = order[k]
        if alive[e] == 1:
            for j in range(size[e]):
                members[free + j] = members[begin[e] + j]
            begin[e] = free
            free += size[e]
    return free


@kernel(
    "int64[::1], int64[::1], int64[::1], int64[:, ::1], int64[::1]",
    threads=1,
    name="minimum_degree",
)
def _minimum_degree(_, starts, neighbours, order, work, members):  # noqa: ANN001, ANN202, C901, PLR0912, PLR0915
    """Find the order. `neighbours` is symmetric, without the vertices themselves; overwritten.

    Of a variable's stretch of `neighbours`, the first `elements` entries are elements, the following
    up to `length` variables. It never grows: with each new element goes what it takes the place of.
    """
    count = len(starts) - 1
    degree, head, following, previous = work[0], work[1], work[2], work[3]
    elements, length, begin, size = work[4], work[5], work[6], work[7]
    alive, mark, outside = work[8], work[9], work[10]
    for d in range(count):
        head[d] = -1
    for v in range(count):
        elements[v], length[v] = 0, starts[v + 1] - starts[v]
        degree[v] = length[v]
        alive[v], mark[v], outside[v] = 2, -1, 0  # 2 a variable, 1 an element, 0 neither
    for v in range(count - 1, -1, -1):
        _link(v, degree, head, following, previous)
    free, least, stamp = 0, 0, 1
    for step in range(count):
        while head[least] < 0:
            least += 1
        pivot = head[least]
        _unlink(pivot, degree, head, following, previous)
        order[step] = pivot
        # The new element's members.
        need = length[pivot] - elements[pivot]
        for j in range(starts[pivot], starts[pivot] + elements[pivot]):
            need += size[neighbours[j]]
        if free + min(need, count - step) > len(members):
            free = _compact(step, order, begin, size, alive, members)
        mark[pivot] = pivot
        begin[pivot] = free
        for j in range(starts[pivot], starts[pivot] + length[pivot]):
            other = neighbours[j]
            if j >= starts[pivot] + elements[pivot]:
                if alive[other] == 2 and mark[other] != pivot:
                    mark[other] = pivot
                    members[free] = other
                    free += 1
                continue
            if alive[other] != 1:
                continue
            for k in range(begin[other], begin[other] + size[other]):
                v = members[k]
                if alive[v] == 2 and mark[v] != pivot:
                    mark[v] = pivot
                    members[free] = v
                    free += 1
            alive[other] = 0  # all its members are among the new element's
        size[pivot] = free - begin[pivot]
        alive[pivot] = 1
        # How much of each element is outside of the new one.
        for k in range(begin[pivot], free):
            v = members[k]
            for j in range(starts[v], starts[v] + elements[v]):
                e = neighbours[j]
                if alive[e] == 1:
                    if outside[e] < stamp:
                        outside[e] = stamp + size[e]
                    outside[e] -= 1
        left = count - step - 1
        for k in range(begin[pivot], free):
            v = members[k]
            _unlink(v, degree, head, following, previous)
            bound, kept = size[pivot] - 1, starts[v]
            last = starts[v] + length[v]
            split = starts[v] + elements[v]
            for j in range(starts[v], split):
                e = neighbours[j]
                if alive[e] == 1 and outside[e] > stamp:
                    neighbours[kept] = e
                    kept += 1
                    bound += outside[e] - stamp
                elif alive[e] == 1:
                    alive[e] = 0  # it is a part of the new one
            # Variables that are no members stay. There is room for the new element: of what led
            # here, the pivot or an element that has been absorbed, at least one is gone.
            others = kept
            for j in range(split, last):
                w = neighbours[j]
                if alive[w] == 2 and mark[w] != pivot:
                    neighbours[others] = w
                    others += 1
            elements[v] = kept - starts[v] + 1
            bound += others - kept
            if others > kept:
                neighbours[others] = neighbours[kept]
            neighbours[kept] = pivot
            length[v] = others + 1 - starts[v]
            degree[v] = max(0, min(left - 1, min(degree[v] + size[pivot] - 1, bound)))
            _link(v, degree, head, following, previous)
            least = min(least, degree[v])
        stamp += count + 1


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
    _minimum_degree(starts, np.ascontiguousarray(neighbours), order, work, members, count=1)
    return order
