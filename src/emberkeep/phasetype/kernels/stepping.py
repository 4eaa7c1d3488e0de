# pyright: basic
"""What observing chains is made of: probabilities, Poisson weights, steps, empty rows, mixtures.

What numba compiles: types are in the signatures, memory is given, nothing is allocated.

Chains with the same edges and other weights go side by side, 8 at a time, and four times 8 with one
rate λ, so that Poisson weights are found once for all those. Arrays by chain have one row for each,
or one for all.

Rows go by component, along the edges. So those that come first are empty one day and stay so, and
steps need not look at them any more: fast states are often among them.
"""

import math

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

OWN = ("phasetype.kernels", "elimination.kernels")

# What cannot change which numbers are not finite: those are what tells of bad weights.
FAST = ("contract", "nsz")

CHUNK = 128  # steps between one mixture and the next
TAIL = 44.0  # of Poisson weights: e⁻⁴⁴ is left out
GONE = 1e-290  # probability below which a chain has ended
LOST = 1e-30  # the part of what is left below which states that are never entered again are empty
LOOK = 16  # steps between looks at that
SLACK = 1e-9  # how far probabilities may be over one, by rounding
LAST_POWER = -668.0  # e⁻⁶⁶⁸ is the smallest weight that anything begins with
FOUR = 4  # parts of 8 chains that have one rate
EXACT = 16  # factorials below are exact, and Stirling's series is from there on

# What stands where in `counts`.
ROWS, EDGES, TIMES, DISCRETE, LEAST, MOST, DEPTH, PARTS, FIXED = 0, 1, 2, 3, 4, 5, 6, 7, 8
# What stands where in `moments`, by time: a Poisson number's mean, its first and last value that
# counts, and the weight of the next one.
MEAN, LOW, HIGH, WEIGHT, FIELDS = 0, 1, 2, 3, 4


def poisson(k, mean):
    """The probability of k; to rounding, also far from the mean (Loader's form)."""
    if k == 0:
        return math.exp(-mean)
    if k < EXACT:
        factorial = 1.0
        for i in range(2, k + 1):
            factorial *= i
        return math.exp(k * math.log(mean) - mean) / factorial
    apart = mean - k
    r = 1.0 / (k * k)
    stirling = (1.0 / 12 - r * (1.0 / 360 - r * (1.0 / 1260 - r / 1680))) / k
    # Near the mean the first is precise, and far from it the second.
    ratio = math.log1p(apart / k) if 2.0 * mean > k else math.log(mean / k)
    power = k * ratio - apart - stirling
    return math.exp(power) / math.sqrt(2.0 * math.pi * k)


def part_size(rows, edges):
    """How many numbers 8 chains need.

    By edge p; by row, staying, watched, where they are, where they go; and a mark, which is no
    number where weights are impossible.
    """
    return (edges + 4 * rows + 1) * LANES


def _set_up(start, single, chains, counts, sources, rates, leaving, initial, watched, room):
    """Rates, and where chains begin; gives the largest rate of leaving."""
    n, edges = counts[ROWS], counts[EDGES]
    p, stay = place(0), place(edges)
    watch, here = place(edges + n), place(edges + 2 * n)
    mark = place(edges + 4 * n)
    highest = 0.0
    for b in range(LANES):
        i = start if single else min(start + b, chains - 1)
        bad = 0.0
        lane = np.uint64(b)
        of_rates, of_leaving = rates[min(i, len(rates) - 1)], leaving[min(i, len(leaving) - 1)]
        of_initial = initial[min(i, len(initial) - 1)]
        of_watched = watched[min(i, len(watched) - 1)]
        for j in range(n):
            at = place(j) + lane
            room[stay + at] = of_leaving[j]
            room[here + at] = of_initial[j]
            room[watch + at] = of_watched[j]
            if not 0.0 <= of_leaving[j] < np.inf:
                bad = np.nan
        for e in range(edges):
            rate = of_rates[e]
            if counts[DISCRETE] != 0 and -SLACK < rate < 0.0:
                rate = 0.0  # of staying, which is what is left
            room[p + place(e) + lane] = rate
            room[stay + place(sources[e]) + lane] += rate
            if not 0.0 <= rate < np.inf:
                bad = np.nan
        for j in range(n):
            out = room[stay + place(j) + lane]
            if highest < out < np.inf:
                highest = out
            if counts[DISCRETE] != 0 and out > 1.0 + SLACK:
                bad = np.nan
        room[mark + lane] = bad
    return highest


def set_up_all(
    start, single, parts, chains, counts, sources, rates, leaving, initial, watched, rooms
):
    """The same for all parts, and from rates to probabilities; gives the rate λ."""
    n, edges = counts[ROWS], counts[EDGES]
    size = part_size(n, edges)
    highest = 0.0
    for part in range(parts):
        room = rooms[part * size : (part + 1) * size]
        found = _set_up(
            start + part * LANES, single, chains, counts, sources, rates, leaving, initial, watched,
            room,
        )  # fmt: skip
        highest = max(highest, found)
    if counts[DISCRETE] != 0 or highest == 0.0:
        highest = 1.0
    for part in range(parts):
        room = rooms[part * size : (part + 1) * size]
        for at in range(edges * LANES):
            room[at] /= highest
        for at in range(edges * LANES, (edges + n) * LANES):
            room[at] = max(1.0 - room[at] / highest, 0.0)
    return highest


def _representable(high, mode, mean):
    """The end of what counts: a weight that is smaller than any number cannot be begun with."""
    low = mode + 1
    if high - low < 1 or _power(high - 1, mean) > LAST_POWER:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if _power(middle - 1, mean) > LAST_POWER:
            low = middle
        else:
            high = middle
    return low


def _power(k, mean):
    """About the logarithm of the probability of k."""
    return k * math.log(mean / k) + k - mean if k > 0 else -mean


def windows(rate, counts, when, moments):
    """For each time which steps count; how many steps that takes. None where there is no answer."""
    steps = np.int64(0)
    for i in range(counts[TIMES]):
        time = when[i]
        mean, low, high, weight = 0.0, np.int64(0), np.int64(0), 0.0
        if not time == time:  # noqa: PLR0124, SIM201 - no number
            weight = np.nan
        elif counts[DISCRETE] != 0:
            if time != math.floor(time):
                weight = np.nan
            elif 1.0 <= time <= counts[MOST]:
                low, high, weight = np.int64(time) - 1, np.int64(time), 1.0
            elif counts[MOST] < time < np.inf:
                weight = np.nan
        elif time == 0.0:
            high, weight = np.int64(1), 1.0
        elif 0.0 < time < np.inf:
            mean = rate * time
            if mean > counts[MOST]:
                weight = np.nan
            else:
                mode = np.int64(math.floor(mean))
                third = TAIL / 3.0
                far = mean + third + math.sqrt(third * third + 2.0 * TAIL * mean)
                high = max(np.int64(math.ceil(far)) + 1, counts[LEAST])
                low = max(np.int64(0), mode - (high - mode))
                high = _representable(high, mode, mean)
        at = place(0) + np.uint64(FIELDS * i)
        moments[at + np.uint64(MEAN)] = mean
        moments[at + np.uint64(LOW)] = low
        moments[at + np.uint64(HIGH)] = high
        moments[at + np.uint64(WEIGHT)] = weight
        steps = max(steps, high)
    return steps


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


def raised(counts, ends, room, here, there, floor):
    """The first row that is not empty for good; the number of rows where the chain has ended.

    Each chain is asked: one that has all but ended has its density beside one that has not.
    """
    n = counts[ROWS]
    total = left_in(room, here, floor, n)
    over = True
    for b in range(LANES):
        over = over and not total[b] >= GONE
    if over:
        return n
    while floor < n:
        end = np.int64(ends[floor])
        left = left_in(room, here, floor, end)
        empty = True
        for b in range(LANES):
            empty = empty and not left[b] > LOST * total[b]
        if not empty:
            break
        for j in range(floor, end):
            store(room, here + place(j), same(0.0))
            store(room, there + place(j), same(0.0))
        floor = end
    return floor


def put_out(moments, sums, first, parts, mark, many, out):
    """One chain's results, by time; no number where there is no answer."""
    for i in range(np.uint64(many)):
        missing = moments[np.uint64(FIELDS) * i + np.uint64(WEIGHT)]
        out[i] = sums[first + place(i) * np.uint64(parts)] + missing + mark
    for i in range(many, len(out)):
        out[i] = 0.0


def mix_one(first, last, begin, mean, weight, number, series, inverse, sums):
    """Add to the sums of one part; gives the next weight."""
    total = load(sums, place(number))
    for k in range(first, last):
        total = plus_product(total, same(weight), load(series, place(k - begin)))
        weight *= mean * inverse[np.uint64(k - begin)]
    store(sums, place(number), total)
    return weight


def mix_four(first, last, begin, mean, weight, number, series, inverse, sums):
    """Add to the sums of four parts; gives the next weight."""
    to = place(FOUR * number)
    one, two = load(sums, to), load(sums, to + place(1))
    three, four = load(sums, to + place(2)), load(sums, to + place(3))
    for k in range(first, last):
        at, w = place(FOUR * (k - begin)), same(weight)
        one = plus_product(one, w, load(series, at))
        two = plus_product(two, w, load(series, at + place(1)))
        three = plus_product(three, w, load(series, at + place(2)))
        four = plus_product(four, w, load(series, at + place(3)))
        weight *= mean * inverse[np.uint64(k - begin)]
    store(sums, to, one)
    store(sums, to + place(1), two)
    store(sums, to + place(2), three)
    store(sums, to + place(3), four)
    return weight
