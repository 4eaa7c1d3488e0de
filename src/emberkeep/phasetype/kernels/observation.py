# pyright: basic
"""Observations of chains at given times, for many weights at once.

XLA calls this, with all that varies in arrays. With c_k, what is observed after k steps, an
observation at time t is the sum of w_k(λt) c_k, w being the weights of a Poisson number; in
discrete time, there is one step and its weight is one.
"""

import numpy as np

from emberkeep.elimination.kernels.lanes import LANES, place, store
from emberkeep.phasetype.kernels.chain_step import (
    CHUNK,
    EDGES,
    FAST,
    FIELDS,
    LOOK,
    LOOKS,
    LOST,
    OWN,
    PARTS,
    ROWS,
    TIMES,
    mixed,
    part_size,
    put_out,
    raised,
    set_up,
    step,
    unfinished,
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
    chains, width = len(found), parts * LANES
    size = part_size(n, edges)
    room = rooms[worker]
    moments = room[parts * size :]
    series = moments[FIELDS * many * width :]
    sums = series[CHUNK * width :]
    looks = sums[many * width :]
    trouble = looks[2 * LOOKS * width :]
    wanted = trouble[many * width :]  # whose results
    inverse = wanted[many * width :]
    for start in range(worker * width, chains, width * len(rooms)):
        busy = min(parts, (chains - start + LANES - 1) // LANES)
        for i in range(many * width):
            wanted[i] = 1.0
        for lost in (LOST, 0.0):
            steps = np.int64(0)
            for i in range((FIELDS + 2) * many * width + (CHUNK + 2 * LOOKS) * width):
                moments[i] = 0.0  # and all up to `wanted`
            for part in range(busy):
                own = room[part * size : (part + 1) * size]
                first = start + part * LANES
                set_up(first, chains, counts, sources, rates, leaving, initial, watched, own)
                more = windows(first, part, chains, counts, when, wanted, own, moments)
                steps = max(steps, more)
            begin, over = np.int64(0), False
            while begin < steps and not over:
                end = min(begin + CHUNK, (steps + LOOK - 1) // LOOK * LOOK)
                over = True
                for k in range(end - begin):
                    inverse[k] = 1.0 / (begin + k + 1)
                for part in range(busy):
                    here, there = place(edges + 2 * n), place(edges + 3 * n)  # LOOK is even
                    own = room[part * size : (part + 1) * size]
                    floor = np.int64(0)
                    for k in range(end - begin):
                        if k % LOOK == 0:
                            at = place(k // LOOK * 2 * parts + part)
                            floor = raised(counts, ends, own, here, there, lost, looks, at)
                        seen = step(counts, starts, sources, own, here, there, floor)
                        store(series, place(k * parts + part), seen)
                        here, there = there, here
                    over = over and floor == n
                for i in range(many):
                    more = mixed(
                        begin, end, i, parts, moments, series, inverse, sums, looks, trouble
                    )
                    steps = max(steps, more)
                begin = end
            for part in range(busy):
                own = room[part * size : (part + 1) * size]
                first = start + part * LANES
                unfinished(counts, part, begin, own, moments, sums, trouble)
                put_out(counts, first, part, chains, wanted, moments, sums, own, found)
            again = False
            for i in range(many * width):
                wanted[i] = trouble[i]
                again = again or trouble[i] != 0.0
            if not again:
                break


def room_for(rows, edges, many, parts):
    """How many numbers `observe` needs to work in."""
    each = part_size(rows, edges) + ((FIELDS + 3) * many + CHUNK + 2 * LOOKS) * LANES
    return parts * each + CHUNK
