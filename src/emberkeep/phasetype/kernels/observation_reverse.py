# pyright: basic
"""The gradient of observations by all weights, in reverse.

With s_k, how much what is seen after k steps counts: u_k = P u_{k+1} + s_k · watched, which is
another series of steps. For that the chain's own steps are needed in reverse: some are noted, those
between are done again.
"""

import math

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
from emberkeep.phasetype.kernels.chain_step import (
    DEPTH,
    EDGES,
    FAINTEST,
    FAST,
    FIELDS,
    FIXED,
    FLOOR,
    FOUR,
    GONE,
    HIGH,
    LIFTED,
    LIMIT,
    LOOK,
    LOW,
    MARK,
    OWN,
    PARTS,
    RATE,
    ROWS,
    TAIL,
    TIMES,
    UNIT,
    WEIGHT,
    empty,
    left_in,
    lowest,
    part_size,
    poisson,
    representable,
    set_up,
    slot,
    step,
    unit,
    window,
)
from emberkeep.targets.kernel import kernel

TILE = 4  # steps back between one sum by edge and the next
LEFT = 1e-24  # the part of the smallest observation that may be left in a row that is dropped


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


def _windows(start, part, chains, counts, when, values, shares, room, moments):
    """The windows of 8 chains at all times that are asked for; gives how many steps they take.

    Known values say how much may be left out: of Poisson weights, and of what is left in a row.
    """
    width = counts[PARTS] * LANES
    steps = np.int64(0)
    for b in range(LANES):
        lane, row = np.uint64(b), min(start + b, chains - 1)
        rate, least = room[slot(counts, RATE) + lane], 1.0
        for i in range(counts[TIMES]):
            at = np.uint64(FIELDS * i * width + part * LANES + b)
            mean, low, high, weight = 0.0, 0.0, 0.0, 0.0
            if shares[i * width + part * LANES + b] != 0.0:
                value = values[min(row, len(values) - 1), i] * room[slot(counts, UNIT) + lane]
                tail = -FAINTEST
                if value > 0.0:
                    tail = min(TAIL + max(0.0, -math.log(value)), tail)
                    least = min(least, value)
                time = when[min(row, len(when) - 1), i]
                mean, low, high, weight = window(time, rate, tail, counts)
                if mean > 0.0:
                    high = float(representable(np.int64(high), mean))
            moments[at] = mean
            moments[at + np.uint64(LOW * width)] = low
            moments[at + np.uint64(HIGH * width)] = high
            moments[at + np.uint64(WEIGHT * width)] = weight
            steps = max(steps, np.int64(high))
            if high == 0.0 and not weight == weight:  # noqa: PLR0124, SIM201 - no number
                # There is no answer at a time that is asked for, so there is no gradient.
                room[slot(counts, MARK) + lane] = np.nan
        room[slot(counts, LIMIT) + lane] = max(GONE, least * LEFT * LIFTED)
    return steps


def _shares(start, part, chains, counts, sought, shares, units):
    """How much each observation of 8 chains counts, brought to one by a power of two."""
    width = counts[PARTS] * LANES
    for b in range(LANES):
        own, of, most = part * LANES + b, min(start + b, chains - 1), 0.0
        for i in range(counts[TIMES]):
            share = sought[min(of, len(sought) - 1), i]
            shares[i * width + own] = share
            most = max(most, abs(share))
        units[own] = unit(most)
        for i in range(counts[TIMES]):
            shares[i * width + own] *= units[own]


def _counting(counts, moments, sought, begin, end, series):
    """How much each observation from step `begin` to `end` counts, by part and lane."""
    parts = counts[PARTS]
    width = parts * LANES
    for k in range((end - begin) * width):
        series[k] = 0.0
    for i in range(counts[TIMES]):
        field = np.uint64(FIELDS * i * width)
        last = end
        while last > begin:
            first, counting = _cut(begin, last, field, width, moments)
            if counting:
                shares = sought[i * width : (i + 1) * width]
                if parts == FOUR:
                    _count_four(first, last, begin, field, moments, shares, series)
                else:
                    _count_one(first, last, begin, field, moments, shares, series)
            last = first


def _cut(first, last, field, width, moments):
    """As `cut`, on the way back from step `last`."""
    at_last, counting = float(last), False
    for b in range(width):
        at = field + np.uint64(b)
        low, high = moments[at + np.uint64(LOW * width)], moments[at + np.uint64(HIGH * width)]
        if high == 0.0:
            continue
        if high == at_last:
            mean = moments[at]
            weight = poisson(np.int64(high) - 1, mean) if mean > 0.0 else LIFTED
            moments[at + np.uint64(WEIGHT * width)] = weight
        if low == at_last:
            moments[at + np.uint64(WEIGHT * width)] = 0.0
        counting = counting or low < at_last <= high
        if low < at_last:
            first = max(first, np.int64(low))
        if high < at_last:
            first = max(first, np.int64(high))
    return first, counting


def _inverse(moments, at):
    """By lane, one over the mean; where there is none, nothing that does harm."""
    m = load(moments, at)
    return (
        1.0 / m[0] if m[0] > 0.0 else 0.0,
        1.0 / m[1] if m[1] > 0.0 else 0.0,
        1.0 / m[2] if m[2] > 0.0 else 0.0,
        1.0 / m[3] if m[3] > 0.0 else 0.0,
        1.0 / m[4] if m[4] > 0.0 else 0.0,
        1.0 / m[5] if m[5] > 0.0 else 0.0,
        1.0 / m[6] if m[6] > 0.0 else 0.0,
        1.0 / m[7] if m[7] > 0.0 else 0.0,
    )


def _count_one(first, last, begin, field, moments, shares, series):
    """Add to the series of one part, backward."""
    share, back = load(shares, place(0)), _inverse(moments, field)
    at = field + place(WEIGHT)
    weight = load(moments, at)
    for k in range(last - 1, first - 1, -1):
        to = place(k - begin)
        store(series, to, plus_product(load(series, to), weight, share))
        weight = times(weight, times(back, same(float(k))))
    store(moments, at, weight)


def _count_four(first, last, begin, field, moments, shares, series):
    """Add to the series of four parts, backward."""
    for part in range(FOUR):
        share, back = load(shares, place(part)), _inverse(moments, field + place(part))
        at = field + place(WEIGHT * FOUR + part)
        weight = load(moments, at)
        for k in range(last - 1, first - 1, -1):
            to = place(FOUR * (k - begin) + part)
            store(series, to, plus_product(load(series, to), weight, share))
            weight = times(weight, times(back, same(float(k))))
        store(moments, at, weight)


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
    width = parts * LANES
    size, sums_size, noted = part_size(n, edges), (edges + 2 * n) * LANES, depth * n * LANES
    back_size = (TILE + 1) * n * LANES
    room = rooms[worker]
    moments = room[parts * size :]
    series = moments[FIELDS * many * width :]
    shares = series[depth * width :]
    units = shares[many * width :]
    all_sums = units[width:]
    every = all_sums[parts * sums_size :]
    floors = every[noted:]
    all_backs = floors[depth:]
    all_far = all_backs[parts * back_size :]
    all_near = all_far[parts * noted :]
    for start in range(worker * width, chains, width * len(rooms)):
        busy = min(parts, (chains - start + LANES - 1) // LANES)
        here, there = place(edges + 2 * n), place(edges + 3 * n)
        steps = np.int64(0)
        for i in range(FIELDS * many * width):
            moments[i] = 0.0
        for i in range(many * width):
            shares[i] = 0.0
        for part in range(busy):
            own = room[part * size : (part + 1) * size]
            first = start + part * LANES
            set_up(first, chains, counts, sources, rates, leaving, initial, watched, own)
            _shares(first, part, chains, counts, sought, shares, units)
            more = _windows(first, part, chains, counts, when, values, shares, own, moments)
            steps = max(steps, more)
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
        for b in range(min(width, chains - start)):
            lane, i, part = np.uint64(b % LANES), start + b, b // LANES
            own = room[part * size : (part + 1) * size]
            sums = all_sums[part * sums_size : (part + 1) * sums_size]
            back = all_backs[part * back_size : (part + 1) * back_size]
            bad = own[slot(counts, MARK) + lane]
            rate, scale = own[slot(counts, RATE) + lane], own[slot(counts, UNIT) + lane]
            for j in range(n):
                at = place(j) + lane
                watched_sum = sums[place(edges + n) + at] / LIFTED / LIFTED
                by_leaving[i, j] = bad - _down(sums[place(edges) + at], scale, units[b]) / rate
                by_watched[i, j] = bad + watched_sum / units[b]
                by_initial[i, j] = bad + _down(back[at] * LIFTED, scale, units[b])
            for e in range(edges):
                of = place(edges) + place(sources[e]) + lane
                change = sums[place(e) + lane] - sums[of]
                by_rate[i, e] = bad + _down(change, scale, units[b]) / rate
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
    noted = depth * rows * LANES
    each = part_size(rows, edges) + (depth + (FIELDS + 1) * many + 1) * LANES
    each += (edges + 2 * rows) * LANES + (TILE + 1) * rows * LANES + 2 * noted
    return parts * each + noted + depth
