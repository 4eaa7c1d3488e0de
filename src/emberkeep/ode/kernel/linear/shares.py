"""Which thread of a team computes which states: those that are eliminated together.

Where few states part all others into halves, as in one dimension of space, these few come last, and
each thread has what lies between (nested dissection: George, SIAM J. Numer. Anal. 10, 1973). Else
each has branches of the elimination tree: what is eliminated with nothing of another's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.ode.kernel.vectors import Shares

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from emberkeep.ode.kernel.linear.matrix import Matrix
    from emberkeep.ode.kernel.linear.ordering import Place

# What a state costs: its part of stages and norm, and of each solution an entry's product.
OF_A_STATE, OF_AN_ENTRY = 60, 8
# A branch is taken apart while it is more than so much of a thread's share.
LARGE_BRANCH = 0.6
# A part is no less than one in so many states, and at most one in so many part them.
LEAST_PART, LEAST_PARTED = 3, 5


def dissected(pattern: Collection[Place], states: int, size: int) -> Shares | None:
    """Share the states of a system out by what few of them part.

    Args:
        pattern: rows and columns of the Jacobian's entries.
        states: how many there are.
        size: how many threads: a power of two.

    Returns:
        None where those that part others would be too many.
    """
    near: list[set[int]] = [set() for _ in range(states)]
    for row, column in pattern:
        near[row].add(column)
        near[column].add(row)
    owners, stages = [0] * states, [0] * states
    waiting: list[tuple[list[int], int, int]] = [([*range(states)], 0, size)]
    while waiting:
        members, first, threads = waiting.pop()
        for state in members:
            owners[state] = first
        if threads == 1:
            continue
        found = _parted(members, near)
        if found is None:
            return None
        few, one, other = found
        for state in few:
            owners[state], stages[state] = first, threads
        waiting += [(one, first, threads // 2), (other, first + threads // 2, threads // 2)]
    return Shares(size, (*owners,), (*stages,))


def _parted(
    members: list[int], near: Sequence[Collection[int]]
) -> tuple[list[int], list[int], list[int]] | None:
    """States that part others, and both parts; None where there are no few."""
    layers = _layers(members, near, _layers(members, near, members[0])[-1][0])
    found: list[tuple[list[int], list[int], list[int]]] = []
    for place in range(1, len(layers) - 1):
        before = [state for layer in layers[:place] for state in layer]
        inside = {state for layer in layers[: place + 1] for state in layer}
        after = [state for state in members if state not in inside]
        is_even = min(len(before), len(after)) * LEAST_PART >= len(members)
        if is_even and len(layers[place]) * LEAST_PARTED <= len(members):
            found.append((layers[place], before, after))
    return min(found, key=lambda one: (len(one[0]), abs(len(one[1]) - len(one[2]))), default=None)


def _layers(members: list[int], near: Sequence[Collection[int]], start: int) -> list[list[int]]:
    """States by their distance from one; those that are not reached come first of all."""
    left = {*members} - {start}
    layers = [[start]]
    while layers[-1]:
        reached = sorted({other for state in layers[-1] for other in near[state]} & left)
        left -= {*reached}
        layers.append(reached)
    layers.pop()
    layers[0] += sorted(left)
    return layers


def branched(matrix: Matrix, size: int) -> Shares:
    """Share the states of a system out by branches of the elimination tree.

    Args:
        matrix: of its implicit steps.
        size: how many threads there are.
    """
    parents, entries = _tree(matrix)
    children: dict[int, list[int]] = {}
    for child, parent in parents.items():
        children.setdefault(parent, []).append(child)
    own = {state: OF_A_STATE + OF_AN_ENTRY * count for state, count in entries.items()}
    below: dict[int, int] = {}  # the work of a branch
    for state in parents:  # children come first
        below[state] = own[state] + sum(below[child] for child in children.get(state, ()))
    branches, trunk = children[-1][:], list[int]()
    most = sum(own.values()) / size * LARGE_BRANCH
    while True:
        largest = max(branches, key=below.__getitem__)
        if below[largest] <= most or largest not in children:
            break
        branches.remove(largest)
        trunk.append(largest)
        branches += children[largest]
    loads, owners = [0] * size, dict[int, int]()
    for branch in sorted(branches, key=below.__getitem__, reverse=True):
        thread = loads.index(min(loads))
        loads[thread] += below[branch]
        waiting = [branch]
        while waiting:
            state = waiting.pop()
            owners[state] = thread
            waiting += children.get(state, ())
    for state in reversed(trunk):
        thread = loads.index(min(loads))
        loads[thread] += own[state]
        owners[state] = thread
    states = range(matrix.size)
    return Shares(size, tuple(owners[state] for state in states), tuple(0 for _ in states))


def _tree(matrix: Matrix) -> tuple[dict[int, int], dict[int, int]]:
    """The elimination tree.

    Returns:
        For each state, in the order of elimination, the first of those that wait for it; -1 for
        none. And how many entries there are in its row and column.
    """
    parents: dict[int, int] = {}
    entries: dict[int, int] = {}
    for block, number in zip(matrix.blocks, matrix.shape_of, strict=True):
        shape = matrix.shapes[number]
        columns = [column for _, column in block.pivots]
        for place, column in enumerate(columns):
            later = sorted({*shape.below[place], *shape.right[place]})
            parents[column] = columns[later[0]] if later else -1
            entries[column] = 1 + len(shape.below[place]) + len(shape.right[place])
    return parents, entries
