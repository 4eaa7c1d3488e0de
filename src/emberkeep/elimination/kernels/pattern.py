# pyright: basic
"""Looking at a graph: its components, an order of elimination, and what fills in.

What numba compiles: types are in the signatures, memory is given, nothing is allocated.
"""

import numpy as np

from emberkeep.targets.kernel import kernel

OWN = ("emberkeep.elimination",)


@kernel(
    "uint32[::1], uint32[::1], int64[::1], int64[:, ::1]",
    threads=1,
    name="components",
    own=OWN,
)
def find_components(_, starts, targets, component, work):
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


def _unlink(v, degree, head, following, previous):
    """Take a variable out of the list of its degree."""
    if previous[v] >= 0:
        following[previous[v]] = following[v]
    else:
        head[degree[v]] = following[v]
    if following[v] >= 0:
        previous[following[v]] = previous[v]


def _link(v, degree, head, following, previous):
    """Put a variable first into the list of its degree."""
    first = head[degree[v]]
    following[v], previous[v] = first, -1
    if first >= 0:
        previous[first] = v
    head[degree[v]] = v


def _compact(made, order, begin, size, alive, members):
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
    own=OWN,
)
def find_order(_, starts, neighbours, order, work, members):
    """Find the order. `neighbours` is symmetric, without the vertices themselves; overwritten.

    Of a variable's stretch of `neighbours`, the first `elements` entries are elements, those up to
    `length` variables. It never grows: with each new element goes what it takes the place of.
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
            degree[v] = max(0, min(left - 1, degree[v] + size[pivot] - 1, bound))
            _link(v, degree, head, following, previous)
            least = min(least, degree[v])
        stamp += count + 1


@kernel(
    "int64, int64, uint32[::1], uint32[::1], uint32[::1], uint32[::1], uint32[::1], uint32[::1], "
    "uint32[::1], uint32[::1], int64[::1], int64[:, ::1]",
    threads=1,
    name="factor_patterns",
    own=OWN,
)
def find_patterns(
    _,
    count,
    eliminated,
    block_end,
    edge_begin,
    edge_end,
    column,
    lower_starts,
    lower,
    upper_starts,
    upper,
    state,
    work,
):
    """Row by row, which columns its factors have: all that it reaches by way of earlier rows.

    It stops where an array is full, with the row in `state`, and goes on from there.
    """
    mark, open_, found = work[0], work[1], work[2]
    for r in range(state[0], count):
        lowest = lower_starts[r]
        depth, many = 0, 0
        mark[r] = r
        for e in range(edge_begin[r], edge_end[r]):
            c = np.int64(column[e])
            if c < block_end[r] and mark[c] != r:
                mark[c] = r
                open_[depth] = c
                depth += 1
        while depth > 0:
            depth -= 1
            c = open_[depth]
            found[many] = c
            many += 1
            if c < r and c < eliminated:
                for s in range(upper_starts[c], upper_starts[c + 1]):
                    w = np.int64(upper[s])
                    if mark[w] != r:
                        mark[w] = r
                        open_[depth] = w
                        depth += 1
        low, high = np.int64(lowest), np.int64(upper_starts[r])
        for k in range(many):
            c = found[k]
            if c < r and c < eliminated:
                low += 1
            else:
                high += 1
        if low > len(lower) or high > len(upper):
            for k in range(many):
                mark[found[k]] = -1
            mark[r] = -1
            state[0] = r
            return
        low, high = np.int64(lowest), np.int64(upper_starts[r])
        for k in range(many):
            c = found[k]
            if c < r and c < eliminated:
                lower[low] = c
                low += 1
            else:
                upper[high] = c
                high += 1
        _sort(lower, np.int64(lowest), low)
        _sort(upper, np.int64(upper_starts[r]), high)
        lower_starts[r + 1], upper_starts[r + 1] = low, high
    state[0] = count


def _sort(values, begin, end):
    """Shell's sort: rows are short, and memory is not to be had here."""
    gap = 1
    while 3 * gap < end - begin:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(begin + gap, end):
            moved, j = values[i], i
            while j >= begin + gap and values[j - gap] > moved:
                values[j] = values[j - gap]
                j -= gap
            values[j] = moved
        gap //= 3
