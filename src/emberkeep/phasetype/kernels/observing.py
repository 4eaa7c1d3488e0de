# pyright: basic
"""Observations of chains at given times, for many weights at once.

XLA calls this, with all that varies in arrays. With c_k, what is observed after k steps, an
observation at time t is the sum of w_k(λt) c_k, w being the weights of a Poisson number; in
discrete time, there is one step and its weight is one.
"""

import numpy as np

from emberkeep.elimination.kernels.lanes import (
    LANES,
    place,
    store,
)
from emberkeep.phasetype.kernels.stepping import (
    CHUNK,
    EDGES,
    FAST,
    FIELDS,
    FOUR,
    HIGH,
    LOOK,
    LOW,
    MEAN,
    OWN,
    PARTS,
    ROWS,
    TIMES,
    WEIGHT,
    mix_four,
    mix_one,
    part_size,
    poisson,
    put_out,
    raised,
    set_up_all,
    step,
    windows,
)
from emberkeep.targets.kernel import kernel


@kernel(
    "int64[::1], int32[::1], int32[::1], int32[::1], float64[:, ::1], float64[:, ::1], "
    "float64[:, ::1], "
    "float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1]",
    fastmath=FAST,
    threads=1,
    straight_vectors=True,
    xla_results=2,
    name="observe",
    own=OWN,
)
def observe(
    worker,
    counts,
    starts,
    sources,
    ends,
    rates,
    leaving,
    initial,
    watched,
    when,
    found,
    rooms,
):
    """What is observed, by chain and time."""
    n, edges, many, parts = counts[ROWS], counts[EDGES], counts[TIMES], counts[PARTS]
    chains, single = len(found), len(when) > 1
    apart = 1 if single else LANES
    size = part_size(n, edges)
    room = rooms[worker]
    moments = room[parts * size :]
    series = moments[FIELDS * many :]
    sums = series[CHUNK * parts * LANES :]
    inverse = sums[many * parts * LANES :]
    floors = inverse[CHUNK:]
    for start in range(worker * apart * parts, chains, apart * parts * len(rooms)):
        busy = min(parts, (chains - start + apart - 1) // apart)
        rate = set_up_all(
            start, single, busy, chains, counts, sources, rates, leaving, initial, watched, room
        )
        steps = windows(rate, counts, when[min(start, len(when) - 1)], moments)
        for i in range(many * parts * LANES):
            sums[i] = 0.0
        for i in range(CHUNK * parts * LANES):
            series[i] = 0.0
        for part in range(parts):
            floors[part] = 0.0
        for begin in range(0, steps, CHUNK):
            end = min(begin + CHUNK, steps)
            over = True
            for k in range(end - begin):
                inverse[k] = 1.0 / (begin + k + 1)
            for part in range(busy):
                here, there = place(edges + 2 * n), place(edges + 3 * n)  # CHUNK is even
                own = room[part * size : (part + 1) * size]
                floor = np.int64(floors[part])
                for k in range(end - begin):
                    if k % LOOK == 0:
                        floor = raised(counts, ends, own, here, there, floor)
                    seen = step(counts, starts, sources, own, here, there, floor)
                    store(series, place(k * parts + part), seen)
                    here, there = there, here
                floors[part] = floor
                over = over and floor == n
            for i in range(many):
                at = np.uint64(FIELDS * i)
                low = np.int64(moments[at + np.uint64(LOW)])
                first = max(low, begin)
                last = min(np.int64(moments[at + np.uint64(HIGH)]), end)
                if first >= last:
                    continue
                mean = moments[at + np.uint64(MEAN)]
                weight = moments[at + np.uint64(WEIGHT)]
                if first == low and mean > 0.0:
                    weight = poisson(low, mean)
                if parts == FOUR:
                    weight = mix_four(first, last, begin, mean, weight, i, series, inverse, sums)
                else:
                    weight = mix_one(first, last, begin, mean, weight, i, series, inverse, sums)
                moments[at + np.uint64(WEIGHT)] = weight
            if over:
                break
        for i in range(many):
            at = np.uint64(FIELDS * i)
            if moments[at + np.uint64(HIGH)] != 0.0:
                moments[at + np.uint64(WEIGHT)] = 0.0  # what is left is no number: no answer
        for b in range(min(apart * parts, chains - start)):
            part, lane = b // LANES, np.uint64(b % LANES)
            mark = room[np.uint64(part * size) + place(edges + 4 * n) + lane]
            put_out(moments, sums, place(part) + lane, parts, mark, many, found[start + b])


def room_for(rows, edges, many, parts):
    """How many numbers `observe` needs to work in."""
    one = FIELDS * many + CHUNK + FOUR
    return parts * (part_size(rows, edges) + (CHUNK + many) * LANES) + one
