# pyright: basic
"""Replaying a tape: its values for many parameter vectors, and the gradient in reverse.

What numba compiles: types are in the signatures, memory is given, nothing is allocated. XLA calls
these, with all that varies in arrays. Parameter vectors go side by side, 8 at a time; what runs at
once has a row of `room`, which has the tape's slots for them, and one more: of no number where a
leaf that parameters decide about, which is a weight, is negative or infinite.
"""

import numpy as np

from emberkeep.elimination.kernels.lanes import (
    LANES,
    load,
    minus_product,
    over,
    place,
    plus,
    plus_product,
    store,
)
from emberkeep.elimination.layout import DIVIDE
from emberkeep.targets.kernel import kernel

OWN = ("emberkeep.elimination",)

# What cannot change which numbers are not finite: those are what tells of bad parameters.
FAST = ("contract", "nsz", "reassoc")

# What stands where in `counts`.
LEAVES, SLOTS, SEGMENTS, LINEAR, OUTPUTS = 0, 1, 2, 3, 4


def _forward(f, start, counts, segments, operations, leaves, linear, coefficients, theta):
    """Values of all slots, for 8 parameter vectors from `start` on."""
    vectors = len(theta)
    for i in range(counts[LEAVES]):
        for b in range(LANES):
            f[i * LANES + b] = leaves[i]
    for i in range(counts[LEAVES] * LANES, counts[SLOTS] * LANES):
        f[i] = 0.0
    for i in range(counts[LINEAR]):
        t, p, c = np.int64(linear[0, i]) * LANES, np.int64(linear[1, i]), coefficients[i]
        for b in range(LANES):
            f[t + b] += c * theta[min(start + b, vectors - 1), p]
    mark = counts[SLOTS] * LANES
    for b in range(LANES):
        f[mark + b] = 0.0
    for i in range(counts[LINEAR]):
        t = np.int64(linear[0, i]) * LANES
        for b in range(LANES):
            if not 0.0 <= f[t + b] < np.inf:
                f[mark + b] = np.nan
    for s in range(counts[SEGMENTS]):
        begin, end = np.int64(segments[1, s]), np.int64(segments[2, s])
        if segments[0, s] == DIVIDE:
            for i in range(np.uint64(begin), np.uint64(end)):
                t = place(operations[0, i])
                x = place(operations[1, i])
                y = place(operations[2, i])
                store(f, t, plus(load(f, t), over(load(f, x), load(f, y))))
        else:
            for i in range(np.uint64(begin), np.uint64(end)):
                t = place(operations[0, i])
                x = place(operations[1, i])
                y = place(operations[2, i])
                store(f, t, plus_product(load(f, t), load(f, x), load(f, y)))


@kernel(
    "int64[::1], int32[:, ::1], int32[:, ::1], float64[::1], int32[:, ::1], float64[::1], "
    "int32[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1]",
    fastmath=FAST,
    threads=1,
    straight_vectors=True,
    xla_results=2,
    name="replay",
    own=OWN,
)
def replay(
    worker,
    counts,
    segments,
    operations,
    leaves,
    linear,
    coefficients,
    outputs,
    theta,
    values,
    room,
):
    """What the tape gives, by parameter vector and output."""
    vectors, f = len(theta), room[worker]
    mark = counts[SLOTS] * LANES
    for start in range(worker * LANES, vectors, LANES * len(room)):
        _forward(f, start, counts, segments, operations, leaves, linear, coefficients, theta)
        for b in range(min(LANES, vectors - start)):
            for q in range(counts[OUTPUTS]):
                values[start + b, q] = f[np.int64(outputs[q]) * LANES + b] + f[mark + b]
            for q in range(counts[OUTPUTS], values.shape[1]):
                values[start + b, q] = 0.0


@kernel(
    "int64[::1], int32[:, ::1], int32[:, ::1], float64[::1], int32[:, ::1], float64[::1], "
    "int32[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1]",
    fastmath=FAST,
    threads=1,
    straight_vectors=True,
    xla_results=2,
    name="replay_reverse",
    own=OWN,
)
def replay_reverse(
    worker,
    counts,
    segments,
    operations,
    leaves,
    linear,
    coefficients,
    outputs,
    theta,
    sought,
    gradient,
    room,
):
    """The gradient by parameters of the outputs' sum, with the weights `sought`."""
    vectors, parameters = len(theta), theta.shape[1]
    size = room.shape[1] // 2
    f, g = room[worker, :size], room[worker, size:]
    for start in range(worker * LANES, vectors, LANES * len(room)):
        _forward(f, start, counts, segments, operations, leaves, linear, coefficients, theta)
        for i in range(counts[SLOTS] * LANES):
            g[i] = 0.0
        for q in range(counts[OUTPUTS]):
            t = np.int64(outputs[q]) * LANES
            for b in range(LANES):
                g[t + b] += sought[min(start + b, vectors - 1), q]
        for s in range(counts[SEGMENTS] - 1, -1, -1):
            begin, end = np.int64(segments[1, s]), np.int64(segments[2, s])
            last = np.uint64(begin + end - 1)
            if segments[0, s] == DIVIDE:
                for j in range(np.uint64(begin), np.uint64(end)):
                    i = last - j
                    t = place(operations[0, i])
                    x = place(operations[1, i])
                    y = place(operations[2, i])
                    share = over(load(g, t), load(f, y))
                    store(g, x, plus(load(g, x), share))
                    store(g, y, minus_product(load(g, y), share, load(f, t)))
            else:
                for j in range(np.uint64(begin), np.uint64(end)):
                    i = last - j
                    t = place(operations[0, i])
                    x = place(operations[1, i])
                    y = place(operations[2, i])
                    sought_here = load(g, t)
                    store(g, x, plus_product(load(g, x), sought_here, load(f, y)))
                    store(g, y, plus_product(load(g, y), sought_here, load(f, x)))
        for b in range(min(LANES, vectors - start)):
            for p in range(parameters):
                gradient[start + b, p] = f[counts[SLOTS] * LANES + b]
        for i in range(counts[LINEAR]):
            t, p, c = np.int64(linear[0, i]) * LANES, np.int64(linear[1, i]), coefficients[i]
            for b in range(min(LANES, vectors - start)):
                gradient[start + b, p] += c * g[t + b]


@kernel(
    "int64[::1], int32[:, ::1], int32[:, ::1], float64[::1], int32[:, ::1], float64[::1], "
    "int32[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], "
    "float64[:, ::1]",
    fastmath=FAST,
    threads=1,
    straight_vectors=True,
    xla_results=3,
    name="replay_along",
    own=OWN,
)
def replay_along(
    worker,
    counts,
    segments,
    operations,
    leaves,
    linear,
    coefficients,
    outputs,
    theta,
    direction,
    values,
    slopes,
    room,
):
    """What the tape gives, and how fast that changes along a direction of parameters."""
    vectors = len(theta)
    size = room.shape[1] // 2
    f, g = room[worker, :size], room[worker, size:]
    mark = counts[SLOTS] * LANES
    for start in range(worker * LANES, vectors, LANES * len(room)):
        _forward(f, start, counts, segments, operations, leaves, linear, coefficients, theta)
        for i in range(counts[SLOTS] * LANES):
            g[i] = 0.0
        for i in range(counts[LINEAR]):
            t, p, c = np.int64(linear[0, i]) * LANES, np.int64(linear[1, i]), coefficients[i]
            for b in range(LANES):
                g[t + b] += c * direction[min(start + b, vectors - 1), p]
        for s in range(counts[SEGMENTS]):
            begin, end = np.int64(segments[1, s]), np.int64(segments[2, s])
            divides = segments[0, s] == DIVIDE
            for i in range(np.uint64(begin), np.uint64(end)):
                t = place(operations[0, i])
                x = place(operations[1, i])
                y = place(operations[2, i])
                if divides:
                    change = minus_product(load(g, x), load(f, t), load(g, y))
                    store(g, t, plus(load(g, t), over(change, load(f, y))))
                else:
                    change = plus_product(load(g, t), load(g, x), load(f, y))
                    store(g, t, plus_product(change, load(f, x), load(g, y)))
        for b in range(min(LANES, vectors - start)):
            bad = f[mark + b]
            for q in range(counts[OUTPUTS]):
                at = np.int64(outputs[q]) * LANES + b
                values[start + b, q] = f[at] + bad
                slopes[start + b, q] = g[at] + bad
            for q in range(counts[OUTPUTS], values.shape[1]):
                values[start + b, q] = 0.0
                slopes[start + b, q] = 0.0
