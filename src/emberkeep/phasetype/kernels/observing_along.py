# pyright: basic
"""Observations of chains, and how fast they change along a direction of weights, in one walk.

For few parameters this is the gradient at a third of what going back costs.
"""

import numpy as np

from emberkeep.elimination.kernels.lanes import (
    LANES,
    load,
    place,
    plus,
    plus_product,
    same,
    store,
    times,
)
from emberkeep.phasetype.kernels.stepping import (
    CHUNK,
    EDGES,
    FAST,
    FIELDS,
    FOUR,
    GONE,
    HIGH,
    LOOK,
    LOST,
    LOW,
    MEAN,
    OWN,
    PARTS,
    ROWS,
    TIMES,
    WEIGHT,
    left_in,
    mix_four,
    mix_one,
    part_size,
    poisson,
    put_out,
    set_up_all,
    windows,
)
from emberkeep.targets.kernel import kernel


def _set_up_along(start, single, chains, counts, sources, rates, leaving, initial, watched, room):
    """How fast everything that `_set_up` puts down changes; not divided by λ yet."""
    n, edges = counts[ROWS], counts[EDGES]
    for b in range(LANES):
        i = start if single else min(start + b, chains - 1)
        lane = np.uint64(b)
        of_rates, of_leaving = rates[min(i, len(rates) - 1)], leaving[min(i, len(leaving) - 1)]
        of_initial = initial[min(i, len(initial) - 1)]
        of_watched = watched[min(i, len(watched) - 1)]
        for j in range(n):
            at = place(j) + lane
            room[place(edges) + at] = of_leaving[j]
            room[place(edges + n) + at] = of_watched[j]
            room[place(edges + 2 * n) + at] = of_initial[j]
        for e in range(edges):
            room[place(e) + lane] = of_rates[e]
            room[place(edges) + place(sources[e]) + lane] += of_rates[e]


def _step_along(counts, starts, sources, room, along, here, there, floor):
    """One step of all chains, and of how they change; gives what both observed before it."""
    n, edges = counts[ROWS], counts[EDGES]
    stay, watch = place(edges), place(edges + n)
    seen, changed = same(0.0), same(0.0)
    e = np.uint64(starts[floor])
    for j in range(np.uint64(floor), np.uint64(n)):
        at = place(j)
        v, c = load(room, here + at), load(along, here + at)
        w = load(room, watch + at)
        seen = plus_product(seen, v, w)
        changed = plus_product(plus_product(changed, c, w), v, load(along, watch + at))
        s = load(room, stay + at)
        total, change = times(v, s), plus_product(times(c, s), v, load(along, stay + at))
        end = np.uint64(starts[j + np.uint64(1)])
        while e < end:
            of = here + place(sources[e])
            p, v = load(room, place(e)), load(room, of)
            total = plus_product(total, p, v)
            change = plus_product(change, p, load(along, of))
            change = plus_product(change, load(along, place(e)), v)
            e += np.uint64(1)
        store(room, there + at, total)
        store(along, there + at, change)
    return seen, changed


def _left_along(along, here, begin, end):
    """By lane, how much changes in some rows."""
    left = same(0.0)
    for j in range(np.uint64(begin), np.uint64(end)):
        c = load(along, here + place(j))
        left = plus(
            left,
            (
                abs(c[0]), abs(c[1]), abs(c[2]), abs(c[3]), abs(c[4]), abs(c[5]), abs(c[6]),
                abs(c[7]),
            ),
        )  # fmt: skip
    return left


def _raised_along(counts, ends, room, along, here, there, floor):
    """As `_raised`; a row that nothing is in, and in which something changes, is not empty."""
    n = counts[ROWS]
    total, change = left_in(room, here, floor, n), _left_along(along, here, floor, n)
    over = True
    for b in range(LANES):
        over = over and not (total[b] >= GONE or change[b] >= GONE)
    if over:
        return n
    while floor < n:
        end = np.int64(ends[floor])
        left, changing = left_in(room, here, floor, end), _left_along(along, here, floor, end)
        empty = True
        for b in range(LANES):
            empty = empty and not left[b] > LOST * total[b]
            empty = empty and not changing[b] > LOST * (total[b] + change[b])
        if not empty:
            break
        for j in range(floor, end):
            for at in (here + place(j), there + place(j)):
                store(room, at, same(0.0))
                store(along, at, same(0.0))
        floor = end
    return floor


@kernel(
    "int64[::1], int32[::1], int32[::1], int32[::1], float64[:, ::1], float64[:, ::1], "
    "float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], "
    "float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1]",
    fastmath=FAST,
    threads=1,
    straight_vectors=True,
    xla_results=3,
    name="observe_along",
    own=OWN,
)
def observe_along(
    worker,
    counts,
    starts,
    sources,
    ends,
    rates,
    leaving,
    initial,
    watched,
    rates_along,
    leaving_along,
    initial_along,
    watched_along,
    when,
    found,
    slopes,
    rooms,
):
    """What is observed, and how fast it changes along a direction: both in one walk."""
    n, edges, many, parts = counts[ROWS], counts[EDGES], counts[TIMES], counts[PARTS]
    chains, single = len(found), len(when) > 1
    apart = 1 if single else LANES
    size = part_size(n, edges)
    room = rooms[worker]
    along = room[parts * size :]
    moments = along[parts * size :]
    series = moments[FIELDS * many :]
    changes = series[CHUNK * parts * LANES :]
    sums = changes[CHUNK * parts * LANES :]
    changed = sums[many * parts * LANES :]
    inverse = changed[many * parts * LANES :]
    floors = inverse[CHUNK:]
    for start in range(worker * apart * parts, chains, apart * parts * len(rooms)):
        busy = min(parts, (chains - start + apart - 1) // apart)
        rate = set_up_all(
            start, single, busy, chains, counts, sources, rates, leaving, initial, watched, room
        )
        for part in range(busy):
            own = along[part * size : (part + 1) * size]
            _set_up_along(
                start + part * LANES, single, chains, counts, sources, rates_along, leaving_along,
                initial_along, watched_along, own,
            )  # fmt: skip
            for at in range(edges * LANES):
                own[at] /= rate
            for at in range(edges * LANES, (edges + n) * LANES):
                own[at] /= -rate
        steps = windows(rate, counts, when[min(start, len(when) - 1)], moments)
        for i in range(many * parts * LANES):
            sums[i] = 0.0
            changed[i] = 0.0
        for i in range(CHUNK * parts * LANES):
            series[i] = 0.0
            changes[i] = 0.0
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
                beside = along[part * size : (part + 1) * size]
                floor = np.int64(floors[part])
                for k in range(end - begin):
                    if k % LOOK == 0:
                        floor = _raised_along(counts, ends, own, beside, here, there, floor)
                    seen, change = _step_along(
                        counts, starts, sources, own, beside, here, there, floor
                    )
                    store(series, place(k * parts + part), seen)
                    store(changes, place(k * parts + part), change)
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
                    mix_four(first, last, begin, mean, weight, i, changes, inverse, changed)
                    weight = mix_four(first, last, begin, mean, weight, i, series, inverse, sums)
                else:
                    mix_one(first, last, begin, mean, weight, i, changes, inverse, changed)
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
            put_out(moments, changed, place(part) + lane, parts, mark, many, slopes[start + b])


def room_for_along(rows, edges, many, parts):
    """How many numbers `observe_along` needs to work in."""
    one = FIELDS * many + CHUNK + FOUR
    return 2 * parts * (part_size(rows, edges) + (CHUNK + many) * LANES) + one
