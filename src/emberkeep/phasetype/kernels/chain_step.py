# pyright: basic
"""What observing chains is made of: probabilities, Poisson weights, steps, empty rows, mixtures.

What numba compiles: types are in the signatures, memory is given, nothing is allocated.

Chains with the same edges and other weights go side by side, 8 at a time, or four times 8. Each has
a rate λ, Poisson numbers and empty rows of its own, and decides by itself when it is over, at steps
that do not depend on who is beside it: what comes out for a chain is the same, to the bit, whatever
its neighbours are. Arrays by chain have one row for each, or one for all.

Nothing underflows that counts. Weights, probabilities and what is watched are multiplied by powers
of two, which come off in the end; a Poisson number is summed over from the first weight that is no
less than e⁻⁷⁵⁰ to where what follows cannot change the last digit of the sum.

Rows go by component, along the edges. So those that come first are empty one day and stay so, and
steps need not look at them any more: fast states are often among them. What is left in a row then
is dropped, and noted: results in which it could be seen are done again with nothing dropped.
"""

import math

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

OWN = ("emberkeep.phasetype.kernels", "emberkeep.elimination.kernels")

# What cannot change which numbers are not finite: those are what tells of bad weights.
FAST = ("contract", "nsz")

CHUNK = 128  # steps between one mixture and the next; a multiple of LOOK, which is even
TAIL = 44.0  # of Poisson weights: e⁻⁴⁴ is beyond where sums are asked first whether they are done
FAINTEST = -750.0  # logarithm of the smallest weight that counts
LIFTED = 2.0**100  # what weights and probabilities are multiplied by, each
GONE = 1e-290  # such a probability below which nothing is left
FAINT = 1e-290  # and such a weight
LOST = 1e-30  # the part of what is left below which states that are never entered again are empty
LOOK = 16  # steps between looks at that
LOOKS = CHUNK // LOOK
LAST = 2.0**-57  # a part that no sum's last digit depends on
SLACK = 1e-9  # how far probabilities may be over one, by rounding
FOUR = 4  # parts of 8 chains that are walked together
EXACT = 16  # factorials below are exact, and Stirling's series is from there on

# What stands where in `counts`.
ROWS, EDGES, TIMES, DISCRETE, LEAST, MOST, DEPTH, PARTS, FIXED = 0, 1, 2, 3, 4, 5, 6, 7, 8
# What stands where in `moments`, by time, for each chain of all parts: a Poisson number's mean, its
# first value that counts and the one after the last, and the weight of the next one.
MEAN, LOW, HIGH, WEIGHT, FIELDS = 0, 1, 2, 3, 4
# What stands behind the rows of a part, for each chain: no number where weights are impossible; the
# rate; what is multiplied on what is watched; the first row that is not empty; what is left when
# a row is empty; what was dropped.
MARK, RATE, UNIT, FLOOR, LIMIT, DROPPED, SLOTS = 0, 1, 2, 3, 4, 5, 6


def poisson(k, mean):
    """The probability of k, lifted; to rounding, also far from the mean (Loader's form)."""
    if k < EXACT:
        factorial = 1.0
        for i in range(2, k + 1):
            factorial *= i
        half = math.exp(0.5 * (k * math.log(mean) - mean if k > 0 else -mean))
        return half * LIFTED * half / factorial
    apart = mean - k
    r = 1.0 / (k * k)
    stirling = (1.0 / 12 - r * (1.0 / 360 - r * (1.0 / 1260 - r / 1680))) / k
    # Near the mean the first is precise, and far from it the second.
    ratio = math.log1p(apart / k) if 2.0 * mean > k else math.log(mean / k)
    half = math.exp(0.5 * (k * ratio - apart - stirling))
    return half * LIFTED * half / math.sqrt(2.0 * math.pi * k)


def part_size(rows, edges):
    """How many numbers 8 chains need.

    By edge p; by row, staying, watched, where they are, where they go; and slots.
    """
    return (edges + 4 * rows + SLOTS) * LANES


def slot(counts, which):
    """Where one of the slots behind the rows is."""
    return place(counts[EDGES] + 4 * counts[ROWS] + which)


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


def _power(k, mean):
    """About the logarithm of the probability of k."""
    return k * math.log(mean / k) + k - mean if k > 0 else -mean


def _first(mean):
    """The first number whose weight counts."""
    if -mean > FAINTEST:
        return np.int64(0)
    low, high = np.int64(0), np.int64(math.floor(mean))  # too faint; not
    while high - low > 1:
        middle = (low + high) // 2
        if _power(middle, mean) > FAINTEST:
            high = middle
        else:
            low = middle
    return high


def representable(high, mean):
    """The end of what counts, where a weight beside it must not be too faint to begin with."""
    low = np.int64(math.floor(mean)) + 1
    if high - low < 1 or _power(high - 1, mean) > FAINTEST:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if _power(middle - 1, mean) > FAINTEST:
            low = middle
        else:
            high = middle
    return low


def window(time, rate, tail, counts):
    """The mean number of steps, the first that counts, and the one after those that do at least.

    Beyond the last there is e to the power of minus the tail. No step counts where there is no
    answer; then the last of what is given is no number.
    """
    if not time == time:  # noqa: PLR0124, SIM201 - no number
        return 0.0, 0.0, 0.0, np.nan
    if counts[DISCRETE] != 0:
        if time != math.floor(time) or counts[MOST] < time < np.inf:
            return 0.0, 0.0, 0.0, np.nan
        if 1.0 <= time <= counts[MOST]:
            return 0.0, time - 1.0, time, 0.0
        return 0.0, 0.0, 0.0, 0.0
    if time == 0.0:
        return 0.0, 0.0, 1.0, 0.0
    mean = rate * time
    if not 0.0 < time < np.inf:
        return 0.0, 0.0, 0.0, 0.0
    if not mean <= counts[MOST]:
        return 0.0, 0.0, 0.0, np.nan
    if mean == 0.0:
        return 0.0, 0.0, 1.0, 0.0
    third = tail / 3.0
    far = math.ceil(mean + third + math.sqrt(third * third + 2.0 * tail * mean)) + 1.0
    return mean, float(_first(mean)), far, 0.0


def windows(start, part, chains, counts, when, wanted, room, moments):
    """The windows of 8 chains at times that are wanted; gives how many steps they take so far."""
    width = counts[PARTS] * LANES
    steps = np.int64(0)
    for i in range(counts[TIMES]):
        for b in range(LANES):
            at = np.uint64(FIELDS * i * width + part * LANES + b)
            row = start + b
            if b > 0 and row >= chains:
                for field in range(FIELDS):
                    to = at + np.uint64(field * width)
                    moments[to] = moments[to - np.uint64(1)]
                continue
            rate = room[slot(counts, RATE) + np.uint64(b)]
            mean, low, high, weight = 0.0, 0.0, 0.0, 0.0
            if wanted[i * width + part * LANES + b] != 0.0:
                time = when[min(row, len(when) - 1), i]
                mean, low, high, weight = window(time, rate, TAIL, counts)
            if mean > 0.0:
                high = max(high, float(counts[LEAST]))
            moments[at] = mean
            moments[at + np.uint64(LOW * width)] = low
            moments[at + np.uint64(HIGH * width)] = high
            moments[at + np.uint64(WEIGHT * width)] = weight
            steps = max(steps, np.int64(high))
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


# Mixtures ---------------------------------------------------------------------------------------


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
