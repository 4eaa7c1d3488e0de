# pyright: basic
"""Observations of chains at given times, for many weights at once.

XLA calls this, with all that varies in arrays. With c_k, what is observed after k steps, an
observation at time t is the sum of w_k(λt) c_k, w being the weights of a Poisson number; in
discrete time, there is one step and its weight is one.
"""

import numpy as np

from emberkeep.elimination.kernels.lanes import LANES, place, store
from emberkeep.phasetype.kernels.chain_step import FAST, LOST, OWN, put_out, raised, set_up, step
from emberkeep.phasetype.kernels.layout import (
    CHUNK,
    EDGES,
    LOOK,
    PARTS,
    ROWS,
    TIMES,
    part_of,
    part_size,
    value_layout,
)
from emberkeep.phasetype.kernels.poisson_mixture import asked_again, mixed, unfinished
from emberkeep.phasetype.kernels.poisson_window import windows
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
    chains, width, size = len(found), parts * LANES, part_size(n, edges)
    room = rooms[worker]
    at, at_series, at_sums, at_looks, at_trouble, at_wanted, at_inverse, _ = value_layout(
        n, edges, many, parts
    )
    moments, series, sums, looks = room[at:], room[at_series:], room[at_sums:], room[at_looks:]
    trouble, wanted, inverse = room[at_trouble:], room[at_wanted:], room[at_inverse:]
    for start in range(worker * width, chains, width * len(rooms)):
        busy = min(parts, (chains - start + LANES - 1) // LANES)
        for i in range(many * width):
            wanted[i] = 1.0
        for lost in (LOST, 0.0):
            steps = np.int64(0)
            for i in range(at, at_wanted):
                room[i] = 0.0
            for part in range(busy):
                own, first = part_of(room, part, size), start + part * LANES
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
                    own = part_of(room, part, size)
                    floor = _walk(
                        counts, starts, sources, ends, own, lost, end - begin, part, series, looks
                    )
                    over = over and floor == n
                for i in range(many):
                    more = mixed(
                        begin, end, i, parts, moments, series, inverse, sums, looks, trouble
                    )
                    steps = max(steps, more)
                begin = end
            for part in range(busy):
                own, first = part_of(room, part, size), start + part * LANES
                unfinished(counts, part, begin, own, moments, sums, trouble)
                put_out(counts, first, part, chains, wanted, moments, sums, own, found)
            if not asked_again(many * width, trouble, wanted):
                break


def _walk(counts, starts, sources, ends, own, lost, steps, part, series, looks):
    """A chunk of steps of one part; gives the first row that is not empty in the end."""
    n, edges, parts = counts[ROWS], counts[EDGES], counts[PARTS]
    here, there = place(edges + 2 * n), place(edges + 3 * n)  # LOOK is even
    floor = np.int64(0)
    for k in range(steps):
        if k % LOOK == 0:
            at = place(k // LOOK * 2 * parts + part)
            floor = raised(counts, ends, own, here, there, lost, looks, at)
        seen = step(counts, starts, sources, own, here, there, floor)
        store(series, place(k * parts + part), seen)
        here, there = there, here
    return floor


def room_for(rows, edges, many, parts):
    """How many numbers `observe` needs to work in."""
    return value_layout(rows, edges, many, parts)[-1]
