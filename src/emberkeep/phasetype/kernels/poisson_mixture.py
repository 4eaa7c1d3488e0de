# pyright: basic
"""Poisson mixtures: what is observed at a time, from what is observed after each step."""

import numpy as np

from emberkeep.elimination.kernels.lanes import LANES, load, place, plus_product, same, store, times
from emberkeep.phasetype.kernels.accuracy import LAST
from emberkeep.phasetype.kernels.layout import (
    DROPPED,
    FIELDS,
    FOUR,
    HIGH,
    LOOK,
    LOW,
    PARTS,
    TIMES,
    WEIGHT,
    slot,
)
from emberkeep.phasetype.kernels.poisson_window import LIFTED, poisson

FAINT = 1e-290  # a weight below which what follows does not count


def cut(first, last, field, width, moments):
    """Begin what begins at step `first`; where the next begins or ends; whether any counts here."""
    at_first, counting = float(first), False
    for b in range(width):
        at = field + np.uint64(b)
        low, high = moments[at + np.uint64(LOW * width)], moments[at + np.uint64(HIGH * width)]
        if high == 0.0:
            continue
        if low == at_first:
            mean = moments[at]
            weight = poisson(np.int64(low), mean) if mean > 0.0 else LIFTED
            moments[at + np.uint64(WEIGHT * width)] = weight
        counting = counting or low <= at_first < high
        if at_first < low:
            last = min(last, np.int64(low))
        if at_first < high:
            last = min(last, np.int64(high))
    return last, counting


def ended(step_, begin, field, width, moments, sums, looks, trouble):
    """Decide which of those whose window ends go on, by what may follow; gives their end."""
    farthest = np.int64(0)
    look = np.uint64(((step_ - 1 - begin) // LOOK) * 2 * width)
    for b in range(width):
        lane = np.uint64(b)
        at = field + lane
        if moments[at + np.uint64(HIGH * width)] != float(step_):
            continue
        mean, weight = moments[at], moments[at + np.uint64(WEIGHT * width)]
        most = LAST * abs(sums[lane])
        left, dropped = looks[look + lane], looks[look + np.uint64(width) + lane]
        over = mean == 0.0 or weight < FAINT
        if over or not weight * left > most * (1.0 - mean / step_):
            moments[at + np.uint64(WEIGHT * width)] = 0.0
            if dropped * LIFTED > most:
                trouble[lane] = 1.0
        else:
            end = step_ + LOOK + (step_ - np.int64(mean)) // 4
            moments[at + np.uint64(HIGH * width)] = end
            farthest = max(farthest, end)
    return farthest


def unfinished(counts, part, step_, room, moments, all_sums, trouble):
    """The same at the end of all chains, of windows that would go on."""
    width = counts[PARTS] * LANES
    for i in range(counts[TIMES]):
        for b in range(LANES):
            own = part * LANES + b
            high = moments[np.uint64((FIELDS * i + HIGH) * width + own)]
            dropped = room[slot(counts, DROPPED) + np.uint64(b)]
            if high > step_ and dropped * LIFTED > LAST * abs(all_sums[i * width + own]):
                trouble[i * width + own] = 1.0


def asked_again(count, trouble, wanted):
    """Whether results are to be done again with nothing dropped: those are what is wanted then."""
    again = False
    for i in range(count):
        wanted[i] = trouble[i]
        again = again or trouble[i] != 0.0
    return again


def mixed(begin, end, number, parts, moments, series, inverse, all_sums, looks, troubles):
    """Add a stretch of steps to what is observed at one time; gives the end of further windows."""
    width = parts * LANES
    field = np.uint64(FIELDS * number * width)
    sums = all_sums[number * width : (number + 1) * width]
    trouble = troubles[number * width : (number + 1) * width]
    weights = moments[(FIELDS * number + WEIGHT) * width :]
    first, farthest = begin, np.int64(0)
    while first < end:
        last, counting = cut(first, end, field, width, moments)
        if counting:
            mix(parts, first, last, begin, field, moments, series, inverse, sums, weights)
            more = ended(last, begin, field, width, moments, sums, looks, trouble)
            farthest = max(farthest, more)
        first = last
    return farthest


def mix(parts, first, last, begin, field, moments, series, inverse, sums, weights):
    """Add to the sums; the next weights come into `weights`."""
    if parts == FOUR:
        _mix_four(first, last, begin, field, moments, series, inverse, sums, weights)
    else:
        _mix_one(first, last, begin, field, moments, series, inverse, sums, weights)


def _mix_one(first, last, begin, field, moments, series, inverse, sums, weights):
    mean, weight = load(moments, field), load(moments, field + place(WEIGHT))
    total = load(sums, place(0))
    for k in range(first, last):
        total = plus_product(total, weight, load(series, place(k - begin)))
        weight = times(weight, times(mean, same(inverse[np.uint64(k - begin)])))
    store(sums, place(0), total)
    store(weights, place(0), weight)


def _mix_four(first, last, begin, field, moments, series, inverse, sums, weights):
    at = field + place(WEIGHT * FOUR)
    m1, m2 = load(moments, field), load(moments, field + place(1))
    m3, m4 = load(moments, field + place(2)), load(moments, field + place(3))
    w1, w2 = load(moments, at), load(moments, at + place(1))
    w3, w4 = load(moments, at + place(2)), load(moments, at + place(3))
    one, two = load(sums, place(0)), load(sums, place(1))
    three, four = load(sums, place(2)), load(sums, place(3))
    for k in range(first, last):
        to, back = place(FOUR * (k - begin)), same(inverse[np.uint64(k - begin)])
        one = plus_product(one, w1, load(series, to))
        two = plus_product(two, w2, load(series, to + place(1)))
        three = plus_product(three, w3, load(series, to + place(2)))
        four = plus_product(four, w4, load(series, to + place(3)))
        w1, w2 = times(w1, times(m1, back)), times(w2, times(m2, back))
        w3, w4 = times(w3, times(m3, back)), times(w4, times(m4, back))
    store(sums, place(0), one)
    store(sums, place(1), two)
    store(sums, place(2), three)
    store(sums, place(3), four)
    store(weights, place(0), w1)
    store(weights, place(1), w2)
    store(weights, place(2), w3)
    store(weights, place(3), w4)
