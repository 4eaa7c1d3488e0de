# pyright: basic
"""Steps of uniformised chains, side by side: probabilities, steps, empty rows, results.

What numba compiles: types are in the signatures, memory is given, nothing is allocated.

Chains with the same edges and other weights go side by side, 8 at a time, or four times 8. Each has
a rate λ, Poisson numbers and empty rows of its own, and decides by itself when it is over, at steps
that do not depend on who is beside it: what comes out for a chain is the same, to the bit, whatever
its neighbours are. Arrays by chain have one row for each, or one for all.

Nothing underflows that counts: weights, probabilities and what is watched are multiplied by powers
of two, which come off in the end.

Rows go by component, along the edges. So those that come first are empty one day and stay so, and
steps need not look at them any more: fast states are often among them. What is left in a row then
is dropped, and noted: results in which it could be seen are done again with nothing dropped.
"""

import numpy as np

from emberkeep.elimination.kernels.lanes import (
    LANES,
    load,
    over,
    place,
    plus,
    plus_product,
    same,
    store,
    times,
)
from emberkeep.phasetype.kernels.accuracy import GONE, SLACK
from emberkeep.phasetype.kernels.layout import (
    DISCRETE,
    DROPPED,
    EDGES,
    FIELDS,
    FLOOR,
    HIGH,
    LIMIT,
    MARK,
    PARTS,
    RATE,
    ROWS,
    TIMES,
    UNIT,
    WEIGHT,
    slot,
)
from emberkeep.phasetype.kernels.poisson_window import LIFTED

OWN = ("emberkeep.phasetype.kernels", "emberkeep.elimination.kernels")

# What cannot change which numbers are not finite: those are what tells of bad weights.
FAST = ("contract", "nsz")

LOST = 1e-30  # the part of what is left below which states that are never entered again are empty


def unit(most):
    """A power of two that brings the largest number to between a half and one."""
    found = 1.0
    for factor in (2.0**32, 2.0):
        while 1.0 < most * found < np.inf:
            found /= factor
        while 0.0 < most * found * factor <= 1.0:
            found *= factor
    return found


def set_up(start, chains, counts, sources, rates, leaving, initial, watched, room):
    """Probabilities, where 8 chains begin, and what is watched of them; nothing is empty yet."""
    n, edges = counts[ROWS], counts[EDGES]
    stay, watch, here = place(edges), place(edges + n), place(edges + 2 * n)
    for b in range(LANES):
        i = min(start + b, chains - 1)
        bad, most, highest = 0.0, 0.0, 0.0
        lane = np.uint64(b)
        of_rates, of_leaving = rates[min(i, len(rates) - 1)], leaving[min(i, len(leaving) - 1)]
        of_initial = initial[min(i, len(initial) - 1)]
        of_watched = watched[min(i, len(watched) - 1)]
        for j in range(n):
            at = place(j) + lane
            room[stay + at] = of_leaving[j]
            room[here + at] = of_initial[j] * LIFTED
            room[watch + at] = of_watched[j]
            most = max(most, abs(of_watched[j]))
            if not 0.0 <= of_leaving[j] < np.inf or not abs(of_initial[j]) < np.inf:
                bad = np.nan
        for e in range(edges):
            rate = of_rates[e]
            if counts[DISCRETE] != 0 and -SLACK < rate < 0.0:
                rate = 0.0  # of staying, which is what is left
            room[place(e) + lane] = rate
            room[stay + place(sources[e]) + lane] += rate
            if not 0.0 <= rate < np.inf:
                bad = np.nan
        for j in range(n):
            out = room[stay + place(j) + lane]
            highest = max(highest, out)
            if not out < np.inf or (counts[DISCRETE] != 0 and out > 1.0 + SLACK):
                bad = np.nan
        room[slot(counts, MARK) + lane] = bad
        fixed = counts[DISCRETE] != 0 or highest == 0.0
        room[slot(counts, RATE) + lane] = 1.0 if fixed else highest
        room[slot(counts, UNIT) + lane] = unit(most)
        room[slot(counts, FLOOR) + lane] = 0.0
        room[slot(counts, LIMIT) + lane] = GONE
        room[slot(counts, DROPPED) + lane] = 0.0
    rates_of, units = load(room, slot(counts, RATE)), load(room, slot(counts, UNIT))
    for e in range(edges):
        store(room, place(e), over(load(room, place(e)), rates_of))
    for j in range(n):
        at = stay + place(j)
        left = over(load(room, at), rates_of)
        for b in range(LANES):
            room[at + np.uint64(b)] = max(1.0 - left[b], 0.0)
        store(room, watch + place(j), times(load(room, watch + place(j)), units))


def step(counts, starts, sources, room, here, there, floor):
    """One step of all chains; gives what was observed before it."""
    n, edges = counts[ROWS], counts[EDGES]
    stay, watch = place(edges), place(edges + n)
    seen = same(0.0)
    e = np.uint64(starts[floor])
    for j in range(np.uint64(floor), np.uint64(n)):
        at = place(j)
        v = load(room, here + at)
        seen = plus_product(seen, v, load(room, watch + at))
        total = times(v, load(room, stay + at))
        end = np.uint64(starts[j + np.uint64(1)])
        while e < end:
            total = plus_product(total, load(room, place(e)), load(room, here + place(sources[e])))
            e += np.uint64(1)
        store(room, there + at, total)
    return seen


def left_in(room, here, begin, end):
    """By lane, the probability that is left in some rows."""
    left = same(0.0)
    for j in range(np.uint64(begin), np.uint64(end)):
        left = plus(left, load(room, here + place(j)))
    return left


def raised(counts, ends, room, here, there, lost, looks, at):
    """The first row that is not empty for good in any chain; the number of rows where all ended.

    Each chain is asked for itself, and its rows are emptied for itself. What is left of each, and
    what was dropped, comes into `looks`.
    """
    n = counts[ROWS]
    total = left_in(room, here, lowest(counts, room), n)
    for b in range(LANES):
        empty(counts, ends, room, here, there, b, lost * total[b], total[b])
    store(looks, at, total)
    store(looks, at + place(counts[PARTS]), load(room, slot(counts, DROPPED)))
    return lowest(counts, room)


def lowest(counts, room):
    """The first row that is not empty in some chain."""
    floor = counts[ROWS]
    for b in range(LANES):
        floor = min(floor, np.int64(room[slot(counts, FLOOR) + np.uint64(b)]))
    return floor


def empty(counts, ends, room, here, there, b, lost, total):
    """Empty rows of one chain from its first on, as long as little is in them."""
    n, lane = counts[ROWS], np.uint64(b)
    floor = np.int64(room[slot(counts, FLOOR) + lane])
    limit = room[slot(counts, LIMIT) + lane]
    over = not total > limit
    while floor < n:
        end = np.int64(ends[floor])
        left = 0.0
        for j in range(floor, end):
            left += room[here + place(j) + lane]
        if not over and left > limit and left > lost:
            break
        for j in range(floor, end):
            room[here + place(j) + lane] = 0.0
            room[there + place(j) + lane] = 0.0
        room[slot(counts, DROPPED) + lane] += left
        floor = end
    room[slot(counts, FLOOR) + lane] = floor


def put_out(counts, start, part, chains, wanted, moments, sums, room, out):
    """Results of 8 chains, by time; no number where there is no answer."""
    many, width = counts[TIMES], counts[PARTS] * LANES
    for b in range(min(LANES, chains - start)):
        lane, own = np.uint64(b), part * LANES + b
        mark = room[slot(counts, MARK) + lane]
        scale = LIFTED**-2 / room[slot(counts, UNIT) + lane]
        for i in range(many):
            if wanted[i * width + own] == 0.0:
                continue
            at = np.uint64(FIELDS * i * width + own)
            missing = 0.0
            if moments[at + np.uint64(HIGH * width)] == 0.0:
                missing = moments[at + np.uint64(WEIGHT * width)]
            out[start + b, i] = sums[np.uint64(i * width + own)] * scale + missing + mark
        for i in range(many, out.shape[1]):
            out[start + b, i] = 0.0
