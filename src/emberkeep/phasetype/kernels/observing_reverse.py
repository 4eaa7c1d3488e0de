# pyright: basic
"""The gradient of observations by all weights, in reverse.

With s_k, how much what is seen after k steps counts: u_k = P u_{k+1} + s_k · watched, which is
another series of steps. For that the chain's own steps are needed in reverse: some are noted, those
between are done again.
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
from emberkeep.phasetype.kernels.stepping import (
    DEPTH,
    EDGES,
    FAST,
    FIELDS,
    FIXED,
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
    part_size,
    poisson,
    raised,
    set_up_all,
    step,
    windows,
)
from emberkeep.targets.kernel import kernel

TILE = 4  # steps back between one sum by edge and the next


def _note_steps(counts, starts, sources, ends, room, here, there, span, apart, notes, floors):
    """Walk on for a span of steps, noting where the chains are, and the first row, every so often.

    It begins and ends in the middle: where chains are is `here` before, and anywhere after. Where
    the beginning is not fixed, what would come of beginning in an empty row is asked for too.

    The first row is noted as it was one look before: what comes of staying in a row counts as long
    as there was something to stay.
    """
    n = counts[ROWS]
    floor, before = np.int64(0), np.int64(0)
    for k in range(span):
        if k % LOOK == 0 and counts[FIXED] != 0:
            before = floor
            floor = raised(counts, ends, room, here, there, floor)
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


def _counting(counts, moments, sought, begin, end, series):
    """How much each observation from step `begin` to `end` counts, by part and lane."""
    parts = counts[PARTS]
    for k in range((end - begin) * parts * LANES):
        series[k] = 0.0
    for i in range(counts[TIMES]):
        at = np.uint64(FIELDS * i)
        first = max(np.int64(moments[at + np.uint64(LOW)]), begin)
        high = np.int64(moments[at + np.uint64(HIGH)])
        last = min(high, end)
        if first >= last:
            continue
        mean = moments[at + np.uint64(MEAN)]
        weight = moments[at + np.uint64(WEIGHT)]
        if last == high and mean > 0.0:
            weight = poisson(high - 1, mean)
        back = 1.0 / mean if mean > 0.0 else 0.0
        if parts == FOUR:
            weight = _count_four(first, last, begin, back, weight, i, sought, series)
        else:
            weight = _count_one(first, last, begin, back, weight, i, sought, series)
        moments[at + np.uint64(WEIGHT)] = weight


def _mark_lost(counts, moments, sought, busy, size, room):
    """Where there is no answer at a time, and it is asked for, there is no gradient either."""
    parts, mark = counts[PARTS], place(counts[EDGES] + 4 * counts[ROWS])
    for i in range(counts[TIMES]):
        at = np.uint64(FIELDS * i)
        weight = moments[at + np.uint64(WEIGHT)]
        if moments[at + np.uint64(HIGH)] == 0.0 and not weight == weight:  # noqa: PLR0124, SIM201
            for part in range(busy):
                for b in range(LANES):
                    lane = np.uint64(b)
                    if sought[place(i * parts + part) + lane] != 0.0:
                        room[np.uint64(part * size) + mark + lane] = np.nan


def _count_one(first, last, begin, back, weight, number, sought, series):
    """Add to the series of one part, backward; gives the next weight."""
    share = load(sought, place(number))
    for k in range(last - 1, first - 1, -1):
        to = place(k - begin)
        store(series, to, plus_product(load(series, to), same(weight), share))
        weight *= k * back
    return weight


def _count_four(first, last, begin, back, weight, number, sought, series):
    """Add to the series of four parts, backward; gives the next weight."""
    at = place(FOUR * number)
    one, two = load(sought, at), load(sought, at + place(1))
    three, four = load(sought, at + place(2)), load(sought, at + place(3))
    for k in range(last - 1, first - 1, -1):
        to, w = place(FOUR * (k - begin)), same(weight)
        store(series, to, plus_product(load(series, to), w, one))
        to += place(1)
        store(series, to, plus_product(load(series, to), w, two))
        to += place(1)
        store(series, to, plus_product(load(series, to), w, three))
        to += place(1)
        store(series, to, plus_product(load(series, to), w, four))
        weight *= k * back
    return weight


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
    "float64[:, ::1], float64[:, ::1], float64[:, ::1]",
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
    sought,
    by_rate,
    by_leaving,
    by_initial,
    by_watched,
    rooms,
):
    """The gradient of the observations' sum, with the weights `sought`, by all but times."""
    n, edges, many, depth = counts[ROWS], counts[EDGES], counts[TIMES], counts[DEPTH]
    chains, single, parts = len(by_rate), len(when) > 1, counts[PARTS]
    apart = 1 if single else LANES
    size, sums_size, noted = part_size(n, edges), (edges + 2 * n) * LANES, depth * n * LANES
    back_size = (TILE + 1) * n * LANES
    room = rooms[worker]
    moments = room[parts * size :]
    series = moments[FIELDS * many :]
    shares = series[depth * parts * LANES :]
    all_sums = shares[many * parts * LANES :]
    every = all_sums[parts * sums_size :]
    floors = every[noted:]
    all_backs = floors[depth:]
    all_far = all_backs[parts * back_size :]
    all_near = all_far[parts * noted :]
    for start in range(worker * apart * parts, chains, apart * parts * len(rooms)):
        busy = min(parts, (chains - start + apart - 1) // apart)
        rate = set_up_all(
            start, single, busy, chains, counts, sources, rates, leaving, initial, watched, room
        )
        steps = windows(rate, counts, when[min(start, len(when) - 1)], moments)
        here, there = place(edges + 2 * n), place(edges + 3 * n)
        for i in range(many):
            for b in range(parts * LANES):
                of = start if single else min(start + b, chains - 1)
                shares[i * parts * LANES + b] = sought[min(of, len(sought) - 1), i]
        _mark_lost(counts, moments, shares, busy, size, room)
        for i in range(parts * sums_size):
            all_sums[i] = 0.0
        for i in range(parts * back_size):
            all_backs[i] = 0.0
        for part in range(busy):
            own = room[part * size : (part + 1) * size]
            far = all_far[part * noted : (part + 1) * noted]
            if steps > depth * depth:
                _note_steps(
                    counts, starts, sources, ends, own, here, there, steps, depth * depth, far,
                    floors,
                )  # fmt: skip
            else:
                for j in range(n * LANES):
                    far[j] = own[here + np.uint64(j)]
        for a in range((steps - 1) // (depth * depth) if steps > 0 else -1, -1, -1):
            from_a = a * depth * depth
            to_a = min(from_a + depth * depth, steps)
            for part in range(busy):
                own = room[part * size : (part + 1) * size]
                _put(counts, all_far[part * noted : (part + 1) * noted], a, own, here, there)
                _note_steps(
                    counts, starts, sources, ends, own, here, there,
                    to_a - from_a if to_a - from_a > depth else 1, depth,
                    all_near[part * noted : (part + 1) * noted], floors,
                )  # fmt: skip
            for b in range((to_a - from_a - 1) // depth, -1, -1):
                begin = from_a + b * depth
                end = min(begin + depth, to_a)
                _counting(counts, moments, shares, begin, end, series)
                for part in range(busy):
                    own = room[part * size : (part + 1) * size]
                    _put(counts, all_near[part * noted : (part + 1) * noted], b, own, here, there)
                    _note_steps(
                        counts, starts, sources, ends, own, here, there, end - begin, 1, every,
                        floors,
                    )  # fmt: skip
                    _go_back(
                        counts, starts, sources, own, every, end - begin, floors, series, part,
                        all_backs[part * back_size : (part + 1) * back_size],
                        all_sums[part * sums_size : (part + 1) * sums_size],
                    )  # fmt: skip
        for b in range(min(apart * parts, chains - start)):
            lane, i, part = np.uint64(b % LANES), start + b, b // LANES
            sums = all_sums[part * sums_size : (part + 1) * sums_size]
            back = all_backs[part * back_size : (part + 1) * back_size]
            bad = room[np.uint64(part * size) + place(edges + 4 * n) + lane]
            for j in range(n):
                at = place(j) + lane
                by_leaving[i, j] = bad - sums[place(edges) + at] / rate
                by_watched[i, j] = bad + sums[place(edges + n) + at]
                by_initial[i, j] = bad + back[at]
            for e in range(edges):
                of = place(edges) + place(sources[e]) + lane
                by_rate[i, e] = bad + (sums[place(e) + lane] - sums[of]) / rate
            for j in range(n, by_leaving.shape[1]):
                by_leaving[i, j] = 0.0
                by_watched[i, j] = 0.0
                by_initial[i, j] = 0.0
            for e in range(edges, by_rate.shape[1]):
                by_rate[i, e] = 0.0


def room_for_reverse(rows, edges, many, parts, depth):
    """How many numbers `observe_reverse` needs to work in."""
    noted = depth * rows * LANES
    each = part_size(rows, edges) + (depth + many) * LANES + (edges + 2 * rows) * LANES
    each += (TILE + 1) * rows * LANES + 2 * noted
    return parts * each + FIELDS * many + noted + depth
