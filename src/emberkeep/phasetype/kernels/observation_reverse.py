# pyright: basic
"""The gradient of observations by all weights, in reverse.

With s_k, how much what is seen after k steps counts: u_k = P u_{k+1} + s_k · watched, which is
another series of steps. For that the chain's own steps are needed in reverse, by checkpointing: far
notes every depth² steps, near ones every depth steps between two of those, and every step of a
block between two near ones; the rest is done again.
"""

import numpy as np

from emberkeep.elimination.kernels.lanes import (
    LANES,
    load,
    place,
    plus_product,
    same,
    store,
    times,
)
from emberkeep.phasetype.kernels.chain_step import FAST, OWN, empty, left_in, lowest, set_up, step
from emberkeep.phasetype.kernels.layout import (
    DEPTH,
    EDGES,
    FIELDS,
    FIXED,
    FLOOR,
    LOOK,
    MARK,
    PARTS,
    RATE,
    ROWS,
    TILE,
    TIMES,
    UNIT,
    back_size,
    notes_size,
    part_of,
    part_size,
    reverse_layout,
    slot,
    sums_size,
)
from emberkeep.phasetype.kernels.poisson_window import LIFTED
from emberkeep.phasetype.kernels.reverse_mixture import counting, shares_of, windows_back
from emberkeep.targets.kernel import kernel


def _note_steps(counts, starts, sources, ends, room, here, there, span, apart, notes, floors):
    """Walk on for a span of steps, noting where the chains are, and the first row, every so often.

    It begins and ends in the middle: where chains are is `here` before, and anywhere after. Where
    the beginning is not fixed, what would come of beginning in an empty row is asked for too.

    The first row is noted as it was one look before: what comes of staying in a row counts as long
    as there was something to stay.
    """
    n = counts[ROWS]
    floor, before = np.int64(0), np.int64(0)
    store(room, slot(counts, FLOOR), same(0.0))
    for k in range(span):
        if k % LOOK == 0 and counts[FIXED] != 0:
            before = floor
            total = left_in(room, here, floor, n)
            for b in range(LANES):
                empty(counts, ends, room, here, there, b, 0.0, total[b])
            floor = lowest(counts, room)
        if k % apart == 0:
            to = place(k // apart * n)
            for j in range(n):
                store(notes, to + place(j), load(room, here + place(j)))
            floors[k // apart] = before
        if k + 1 < span:
            step(counts, starts, sources, room, here, there, floor)
            here, there = there, here


def _put(counts, notes, number, room, here, there):
    """Go to where the chains were."""
    n = counts[ROWS]
    at = place(number * n)
    for j in range(n):
        store(room, here + place(j), load(notes, at + place(j)))
        store(room, there + place(j), same(0.0))


def _step_back(counts, starts, sources, room, back, floor, counted, here, there):
    """From u_{k+1}, which is `here` in `back`, to u_k, `there`."""
    n, edges = counts[ROWS], counts[EDGES]
    stay, watch = place(edges), place(edges + n)
    for j in range(np.uint64(floor), np.uint64(n)):
        at = place(j)
        new = times(load(back, here + at), load(room, stay + at))
        store(back, there + at, plus_product(new, counted, load(room, watch + at)))
    e = np.uint64(starts[floor])
    for j in range(np.uint64(floor), np.uint64(n)):
        u = load(back, here + place(j))
        end = np.uint64(starts[j + np.uint64(1)])
        while e < end:
            of = place(sources[e])
            if of >= place(floor):
                to = there + of
                store(back, to, plus_product(load(back, to), u, load(room, place(e))))
            e += np.uint64(1)


def _add_up(counts, starts, sources, notes, number, many, back, floor, sums):
    """Add, over steps, by edge v u, and by row v u: those in `notes`, and those in `back`.

    The step that is `number` in `notes` has its u_{k+1} first in `back`; of earlier ones it is
    further on.
    """
    n, edges = counts[ROWS], counts[EDGES]
    stayed = place(edges)
    e = np.uint64(starts[floor])
    for j in range(np.uint64(floor), np.uint64(n)):
        total = load(sums, stayed + place(j))
        for k in range(many):
            u, v = load(back, place(k * n + j)), load(notes, place((number - k) * n + j))
            total = plus_product(total, u, v)
        store(sums, stayed + place(j), total)
        end = np.uint64(starts[j + np.uint64(1)])
        while e < end:
            of = place(sources[e])
            total = load(sums, place(e))
            for k in range(many):
                u, v = load(back, place(k * n + j)), load(notes, place((number - k) * n) + of)
                total = plus_product(total, u, v)
            store(sums, place(e), total)
            e += np.uint64(1)


def _see(counts, notes, number, floor, counted, sums):
    """Add, by row, s v."""
    n, edges = counts[ROWS], counts[EDGES]
    for j in range(np.uint64(floor), np.uint64(n)):
        at = place(edges + n) + place(j)
        v = load(notes, place(number * n) + place(j))
        store(sums, at, plus_product(load(sums, at), counted, v))


def _go_back(counts, starts, sources, room, notes, many, floors, series, part, back, sums):
    """From u after a span of steps to u before it; it is the first in `back`, before and after."""
    n, parts = counts[ROWS], counts[PARTS]
    last = many - 1
    while last >= 0:
        tile = min(TILE, last + 1)
        floor = np.int64(floors[last - tile + 1])  # of the earliest: it has most rows
        for k in range(tile):
            at = last - k
            counted = load(series, place(at * parts + part))
            own = np.int64(floors[at])
            for j in range(floor, own):  # empty then: what is there does not count
                store(back, place((k + 1) * n + j), load(back, place(k * n + j)))
            _see(counts, notes, at, own, counted, sums)
            _step_back(
                counts, starts, sources, room, back, own, counted, place(k * n), place((k + 1) * n)
            )
        _add_up(counts, starts, sources, notes, last, tile, back, floor, sums)
        for j in range(n):
            store(back, place(j), load(back, place(tile * n + j)))
        last -= tile


@kernel(
    "int64[::1], int32[::1], int32[::1], int32[::1], float64[:, ::1], float64[:, ::1], "
    "float64[:, ::1], "
    "float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], "
    "float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1]",
    fastmath=FAST,
    threads=1,
    straight_vectors=True,
    xla_results=5,
    name="observe_reverse",
    own=OWN,
)
def observe_reverse(
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
    values,
    sought,
    by_rate,
    by_leaving,
    by_initial,
    by_watched,
    rooms,
):
    """The gradient of the observations' sum, with the weights `sought`, by all but times.

    `values` are the observations.
    """
    n, edges, many, depth = counts[ROWS], counts[EDGES], counts[TIMES], counts[DEPTH]
    chains, parts = len(by_rate), counts[PARTS]
    width, size = parts * LANES, part_size(n, edges)
    room = rooms[worker]
    at, _, at_shares, at_units, at_sums, at_every, _, at_backs, at_far, _, _ = reverse_layout(
        n, edges, many, parts, depth
    )
    moments, shares, units = room[at:], room[at_shares:], room[at_units:]
    sums, backs = room[at_sums:], room[at_backs:]
    for start in range(worker * width, chains, width * len(rooms)):
        busy = min(parts, (chains - start + LANES - 1) // LANES)
        steps = np.int64(0)
        for i in range(FIELDS * many * width):
            moments[i] = 0.0
        for i in range(many * width):
            shares[i] = 0.0
        for part in range(busy):
            own, first = part_of(room, part, size), start + part * LANES
            set_up(first, chains, counts, sources, rates, leaving, initial, watched, own)
            shares_of(first, part, chains, counts, sought, shares, units)
            more = windows_back(first, part, chains, counts, when, values, shares, own, moments)
            steps = max(steps, more)
        for i in range(at_sums, at_every):
            room[i] = 0.0
        for i in range(at_backs, at_far):
            room[i] = 0.0
        _back_through(counts, starts, sources, ends, room, busy, steps)
        for b in range(min(width, chains - start)):
            part = b // LANES
            _put_gradient(
                counts, sources, start + b, b % LANES, units[b], part_of(room, part, size),
                part_of(sums, part, sums_size(n, edges)),
                part_of(backs, part, back_size(n)),
                by_rate, by_leaving, by_initial, by_watched,
            )  # fmt: skip


def _back_through(counts, starts, sources, ends, room, busy, steps):
    """From the last step to the first, with checkpoints at two levels; see above."""
    n, edges, depth = counts[ROWS], counts[EDGES], counts[DEPTH]
    size, noted = part_size(n, edges), notes_size(n, depth)
    at, at_series, at_shares, _, at_sums, at_every, at_floors, at_backs, at_far, at_near, _ = (
        reverse_layout(n, edges, counts[TIMES], counts[PARTS], depth)
    )
    moments, shares, series = room[at:], room[at_shares:], room[at_series:]
    every, floors, all_far, all_near = (
        room[at_every:], room[at_floors:], room[at_far:], room[at_near:],
    )  # fmt: skip
    backs, sums = room[at_backs:], room[at_sums:]
    here, there = place(edges + 2 * n), place(edges + 3 * n)
    for part in range(busy):
        own, far = part_of(room, part, size), part_of(all_far, part, noted)
        if steps > depth * depth:
            _note_steps(
                counts, starts, sources, ends, own, here, there, steps, depth * depth, far, floors
            )
        else:
            for j in range(n * LANES):
                far[j] = own[here + np.uint64(j)]
    for a in range((steps - 1) // (depth * depth) if steps > 0 else -1, -1, -1):
        from_a = a * depth * depth
        to_a = min(from_a + depth * depth, steps)
        for part in range(busy):
            own, far = part_of(room, part, size), part_of(all_far, part, noted)
            _put(counts, far, a, own, here, there)
            _note_steps(
                counts, starts, sources, ends, own, here, there,
                to_a - from_a if to_a - from_a > depth else 1, depth,
                part_of(all_near, part, noted), floors,
            )  # fmt: skip
        for b in range((to_a - from_a - 1) // depth, -1, -1):
            begin = from_a + b * depth
            end = min(begin + depth, to_a)
            counting(counts, moments, shares, begin, end, series)
            for part in range(busy):
                own, near = part_of(room, part, size), part_of(all_near, part, noted)
                _put(counts, near, b, own, here, there)
                _note_steps(
                    counts, starts, sources, ends, own, here, there, end - begin, 1, every, floors
                )
                _go_back(
                    counts, starts, sources, own, every, end - begin, floors, series, part,
                    part_of(backs, part, back_size(n)), part_of(sums, part, sums_size(n, edges)),
                )  # fmt: skip


def _put_gradient(
    counts, sources, i, b, share, own, sums, back, by_rate, by_leaving, by_initial, by_watched
):  # fmt: skip
    """The results of one chain: lane `b` of its part."""
    n, edges, lane = counts[ROWS], counts[EDGES], np.uint64(b)
    bad = own[slot(counts, MARK) + lane]
    rate, scale = own[slot(counts, RATE) + lane], own[slot(counts, UNIT) + lane]
    for j in range(n):
        at = place(j) + lane
        watched_sum = sums[place(edges + n) + at] / LIFTED / LIFTED
        by_leaving[i, j] = bad - _down(sums[place(edges) + at], scale, share) / rate
        by_watched[i, j] = bad + watched_sum / share
        by_initial[i, j] = bad + _down(back[at] * LIFTED, scale, share)
    for e in range(edges):
        of = place(edges) + place(sources[e]) + lane
        change = sums[place(e) + lane] - sums[of]
        by_rate[i, e] = bad + _down(change, scale, share) / rate
    for j in range(n, by_leaving.shape[1]):
        by_leaving[i, j] = 0.0
        by_watched[i, j] = 0.0
        by_initial[i, j] = 0.0
    for e in range(edges, by_rate.shape[1]):
        by_rate[i, e] = 0.0


def _down(value, scale, share):
    """A result as it would be had nothing been lifted."""
    return value / LIFTED / scale / share / LIFTED


def room_for_reverse(rows, edges, many, parts, depth):
    """How many numbers `observe_reverse` needs to work in."""
    return reverse_layout(rows, edges, many, parts, depth)[-1]
