# pyright: basic
"""Poisson mixtures on the way back: how much what is seen after each step counts."""

import math

import numpy as np

from emberkeep.elimination.kernels.lanes import LANES, load, place, plus_product, same, store, times
from emberkeep.phasetype.kernels.accuracy import FAINTEST, GONE, TAIL
from emberkeep.phasetype.kernels.chain_step import unit
from emberkeep.phasetype.kernels.layout import (
    FIELDS,
    FOUR,
    HIGH,
    LIMIT,
    LOW,
    MARK,
    PARTS,
    RATE,
    TIMES,
    UNIT,
    WEIGHT,
    slot,
)
from emberkeep.phasetype.kernels.poisson_window import (
    LIFTED,
    poisson,
    put_window,
    representable,
    window,
)

LEFT = 1e-24  # the part of the smallest observation that may be left in a row that is dropped


def windows_back(start, part, chains, counts, when, values, shares, room, moments):
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
                tail = FAINTEST
                if value > 0.0:
                    tail = min(TAIL + max(0.0, -math.log(value)), tail)
                    least = min(least, value)
                time = when[min(row, len(when) - 1), i]
                mean, low, high, weight = window(time, rate, tail, counts)
                if mean > 0.0:
                    high = float(representable(np.int64(high), mean))
            put_window(moments, at, width, mean, low, high, weight)
            steps = max(steps, np.int64(high))
            if high == 0.0 and not weight == weight:  # noqa: PLR0124, SIM201 - no number
                # There is no answer at a time that is asked for, so there is no gradient.
                room[slot(counts, MARK) + lane] = np.nan
        room[slot(counts, LIMIT) + lane] = max(GONE, least * LEFT * LIFTED)
    return steps


def shares_of(start, part, chains, counts, sought, shares, units):
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


def counting(counts, moments, sought, begin, end, series):
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
