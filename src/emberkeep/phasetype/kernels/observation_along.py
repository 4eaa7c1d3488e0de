# pyright: basic
"""Observations of chains, and how fast they change along a direction of weights: forward mode.

Both in one walk. For few parameters this is the gradient at a third of what going back costs.
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
from emberkeep.elimination.kernels.lanes import (
    over as divided,
)
from emberkeep.phasetype.kernels.chain_step import (
    FAST,
    LOST,
    OWN,
    left_in,
    lowest,
    put_out,
    set_up,
)
from emberkeep.phasetype.kernels.layout import (
    CHUNK,
    DROPPED,
    EDGES,
    FIELDS,
    FLOOR,
    LIMIT,
    LOOK,
    PARTS,
    RATE,
    ROWS,
    TIMES,
    UNIT,
    WEIGHT,
    along_layout,
    part_of,
    part_size,
    slot,
)
from emberkeep.phasetype.kernels.poisson_mixture import asked_again, cut, ended, mix, unfinished
from emberkeep.phasetype.kernels.poisson_window import LIFTED, windows
from emberkeep.targets.kernel import kernel


def _set_up_along(start, chains, counts, sources, rates, leaving, initial, watched, known, room):
    """How fast everything that `set_up` puts down in `known` changes."""
    n, edges = counts[ROWS], counts[EDGES]
    stay = place(edges)
    for b in range(LANES):
        i = min(start + b, chains - 1)
        lane = np.uint64(b)
        of_rates, of_leaving = rates[min(i, len(rates) - 1)], leaving[min(i, len(leaving) - 1)]
        of_initial = initial[min(i, len(initial) - 1)]
        of_watched = watched[min(i, len(watched) - 1)]
        unit = known[slot(counts, UNIT) + lane]
        for j in range(n):
            at = place(j) + lane
            room[stay + at] = of_leaving[j]
            room[place(edges + n) + at] = of_watched[j] * unit
            room[place(edges + 2 * n) + at] = of_initial[j] * LIFTED
        for e in range(edges):
            room[place(e) + lane] = of_rates[e]
            room[stay + place(sources[e]) + lane] += of_rates[e]
    rates_of = load(known, slot(counts, RATE))
    for e in range(edges):
        store(room, place(e), divided(load(room, place(e)), rates_of))
    for j in range(n):
        at = stay + place(j)
        left = divided(load(room, at), rates_of)
        for b in range(LANES):
            room[at + np.uint64(b)] = -left[b]


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


def _raised_along(counts, ends, room, along, here, there, lost, looks, at):
    """As `raised`; a row that nothing is in, and in which something changes, is not empty."""
    n = counts[ROWS]
    floor = lowest(counts, room)
    total, change = left_in(room, here, floor, n), _left_along(along, here, floor, n)
    for b in range(LANES):
        _empty_along(counts, ends, room, along, here, there, b, lost, total[b], change[b])
    store(looks, at, plus(total, change))
    store(looks, at + place(counts[PARTS]), load(room, slot(counts, DROPPED)))
    return lowest(counts, room)


def _empty_along(counts, ends, room, along, here, there, b, lost, total, change):
    """As `empty`."""
    n, lane = counts[ROWS], np.uint64(b)
    floor = np.int64(room[slot(counts, FLOOR) + lane])
    limit = room[slot(counts, LIMIT) + lane]
    over = not total + change > limit
    while floor < n:
        end = np.int64(ends[floor])
        left, changing = 0.0, 0.0
        for j in range(floor, end):
            left += room[here + place(j) + lane]
            changing += abs(along[here + place(j) + lane])
        stays = left > limit and left > lost * total
        changes = changing > limit and changing > lost * (total + change)
        if not over and (stays or changes):
            break
        for j in range(floor, end):
            for at in (here + place(j) + lane, there + place(j) + lane):
                room[at] = 0.0
                along[at] = 0.0
        if left + changing > 0.0:
            left += changing * (total / (total + change))
        room[slot(counts, DROPPED) + lane] += left
        floor = end
    room[slot(counts, FLOOR) + lane] = floor


def _mixed(
    begin, end, number, parts, moments, series, changes, inverse, all_sums, all_changed, spare,
    looks, troubles,
):  # fmt: skip
    """As `mixed`, of both."""
    width = parts * LANES
    field = np.uint64(FIELDS * number * width)
    sums = all_sums[number * width : (number + 1) * width]
    changed = all_changed[number * width : (number + 1) * width]
    trouble = troubles[number * width : (number + 1) * width]
    weights = moments[(FIELDS * number + WEIGHT) * width :]
    first, farthest = begin, np.int64(0)
    while first < end:
        last, counting = cut(first, end, field, width, moments)
        if counting:
            mix(parts, first, last, begin, field, moments, changes, inverse, changed, spare)
            mix(parts, first, last, begin, field, moments, series, inverse, sums, weights)
            more = ended(last, begin, field, width, moments, sums, looks, trouble)
            farthest = max(farthest, more)
        first = last
    return farthest


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
    """What is observed, and how fast it changes along a direction."""
    n, edges, many, parts = counts[ROWS], counts[EDGES], counts[TIMES], counts[PARTS]
    chains, width, size = len(found), parts * LANES, part_size(n, edges)
    room = rooms[worker]
    (
        at_along, at, at_sums, at_changed, at_series, at_changes, at_looks, at_trouble, at_wanted,
        at_spare, at_inverse, _,
    ) = along_layout(n, edges, many, parts)  # fmt: skip
    along, moments = room[at_along:], room[at:]
    sums, changed, series = room[at_sums:], room[at_changed:], room[at_series:]
    changes, looks, trouble = room[at_changes:], room[at_looks:], room[at_trouble:]
    wanted, spare, inverse = room[at_wanted:], room[at_spare:], room[at_inverse:]
    for start in range(worker * width, chains, width * len(rooms)):
        busy = min(parts, (chains - start + LANES - 1) // LANES)
        for i in range(many * width):
            wanted[i] = 1.0
        for lost in (LOST, 0.0):
            steps = np.int64(0)
            for i in range(at, at_wanted):
                room[i] = 0.0
            for part in range(busy):
                own, beside = part_of(room, part, size), part_of(along, part, size)
                first = start + part * LANES
                set_up(first, chains, counts, sources, rates, leaving, initial, watched, own)
                _set_up_along(
                    first, chains, counts, sources, rates_along, leaving_along, initial_along,
                    watched_along, own, beside,
                )  # fmt: skip
                more = windows(first, part, chains, counts, when, wanted, own, moments)
                steps = max(steps, more)
            begin, over = np.int64(0), False
            while begin < steps and not over:
                end = min(begin + CHUNK, (steps + LOOK - 1) // LOOK * LOOK)
                over = True
                for k in range(end - begin):
                    inverse[k] = 1.0 / (begin + k + 1)
                for part in range(busy):
                    own, beside = part_of(room, part, size), part_of(along, part, size)
                    floor = _walk(
                        counts, starts, sources, ends, own, beside, lost, end - begin, part,
                        series, changes, looks,
                    )  # fmt: skip
                    over = over and floor == n
                for i in range(many):
                    more = _mixed(
                        begin, end, i, parts, moments, series, changes, inverse, sums, changed,
                        spare, looks, trouble,
                    )  # fmt: skip
                    steps = max(steps, more)
                begin = end
            for part in range(busy):
                own, first = part_of(room, part, size), start + part * LANES
                unfinished(counts, part, begin, own, moments, sums, trouble)
                put_out(counts, first, part, chains, wanted, moments, sums, own, found)
                put_out(counts, first, part, chains, wanted, moments, changed, own, slopes)
            if not asked_again(many * width, trouble, wanted):
                break


def _walk(
    counts, starts, sources, ends, own, beside, lost, steps, part, series, changes, looks
):  # fmt: skip
    """A chunk of steps of one part; gives the first row that is not empty in the end."""
    n, edges, parts = counts[ROWS], counts[EDGES], counts[PARTS]
    here, there = place(edges + 2 * n), place(edges + 3 * n)  # LOOK is even
    floor = np.int64(0)
    for k in range(steps):
        if k % LOOK == 0:
            at = place(k // LOOK * 2 * parts + part)
            floor = _raised_along(counts, ends, own, beside, here, there, lost, looks, at)
        seen, change = _step_along(counts, starts, sources, own, beside, here, there, floor)
        store(series, place(k * parts + part), seen)
        store(changes, place(k * parts + part), change)
        here, there = there, here
    return floor


def room_for_along(rows, edges, many, parts):
    """How many numbers `observe_along` needs to work in."""
    return along_layout(rows, edges, many, parts)[-1]
