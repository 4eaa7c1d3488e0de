# pyright: basic
"""Observations of chains at given times, for many weights at once; and their gradient, in reverse.

What numba compiles: types are in the signatures, memory is given, nothing is allocated. XLA calls
these, with all that varies in arrays. Chains with the same edges and other weights go side by side,
8 at a time, and four times 8 with one rate λ, so that Poisson weights are found once for all those.
Arrays by chain have one row for each, or one for all.

With c_k, what is observed after k steps, an observation at time t is the sum of w_k(λt) c_k, w
being the weights of a Poisson number; in discrete time, there is one step and its weight is one.
Backward, with s_k, how much c_k counts: u_k = P u_{k+1} + s_k · watched, which is another series of
steps. For that the chain's own steps are needed in reverse: some are noted, those between are done
again.

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
from emberkeep.targets.kernel import kernel

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
TILE = 4  # steps back between one sum by edge and the next
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


def _set_up_all(
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


def _windows(rate, counts, when, moments):
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


def _step(counts, starts, sources, room, here, there, floor):
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


def _left(room, here, begin, end):
    """By lane, the probability that is left in some rows."""
    left = same(0.0)
    for j in range(np.uint64(begin), np.uint64(end)):
        left = plus(left, load(room, here + place(j)))
    return left


def _raised(counts, ends, room, here, there, floor):
    """The first row that is not empty for good; the number of rows where the chain has ended.

    Each chain is asked: one that has all but ended has its density beside one that has not.
    """
    n = counts[ROWS]
    total = _left(room, here, floor, n)
    over = True
    for b in range(LANES):
        over = over and not total[b] >= GONE
    if over:
        return n
    while floor < n:
        end = np.int64(ends[floor])
        left = _left(room, here, floor, end)
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


def _put_out(moments, sums, first, parts, mark, many, out):
    """One chain's results, by time; no number where there is no answer."""
    for i in range(np.uint64(many)):
        missing = moments[np.uint64(FIELDS) * i + np.uint64(WEIGHT)]
        out[i] = sums[first + place(i) * np.uint64(parts)] + missing + mark
    for i in range(many, len(out)):
        out[i] = 0.0


def _mix_one(first, last, begin, mean, weight, number, series, inverse, sums):
    """Add to the sums of one part; gives the next weight."""
    total = load(sums, place(number))
    for k in range(first, last):
        total = plus_product(total, same(weight), load(series, place(k - begin)))
        weight *= mean * inverse[np.uint64(k - begin)]
    store(sums, place(number), total)
    return weight


def _mix_four(first, last, begin, mean, weight, number, series, inverse, sums):
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


@kernel(
    "int64[::1], int32[::1], int32[::1], int32[::1], float64[:, ::1], float64[:, ::1], "
    "float64[:, ::1], "
    "float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1]",
    fastmath=FAST,
    threads=1,
    straight_vectors=True,
    xla_results=2,
    name="observe",
    own=OWN,
)
def observe(
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
    found,
    rooms,
):
    """What is observed, by chain and time."""
    n, edges, many, parts = counts[ROWS], counts[EDGES], counts[TIMES], counts[PARTS]
    chains, single = len(found), len(when) > 1
    apart = 1 if single else LANES
    size = part_size(n, edges)
    room = rooms[worker]
    moments = room[parts * size :]
    series = moments[FIELDS * many :]
    sums = series[CHUNK * parts * LANES :]
    inverse = sums[many * parts * LANES :]
    floors = inverse[CHUNK:]
    for start in range(worker * apart * parts, chains, apart * parts * len(rooms)):
        busy = min(parts, (chains - start + apart - 1) // apart)
        rate = _set_up_all(
            start, single, busy, chains, counts, sources, rates, leaving, initial, watched, room
        )
        steps = _windows(rate, counts, when[min(start, len(when) - 1)], moments)
        for i in range(many * parts * LANES):
            sums[i] = 0.0
        for i in range(CHUNK * parts * LANES):
            series[i] = 0.0
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
                floor = np.int64(floors[part])
                for k in range(end - begin):
                    if k % LOOK == 0:
                        floor = _raised(counts, ends, own, here, there, floor)
                    seen = _step(counts, starts, sources, own, here, there, floor)
                    store(series, place(k * parts + part), seen)
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
                    weight = _mix_four(first, last, begin, mean, weight, i, series, inverse, sums)
                else:
                    weight = _mix_one(first, last, begin, mean, weight, i, series, inverse, sums)
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
            _put_out(moments, sums, place(part) + lane, parts, mark, many, found[start + b])


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
    total, change = _left(room, here, floor, n), _left_along(along, here, floor, n)
    over = True
    for b in range(LANES):
        over = over and not (total[b] >= GONE or change[b] >= GONE)
    if over:
        return n
    while floor < n:
        end = np.int64(ends[floor])
        left, changing = _left(room, here, floor, end), _left_along(along, here, floor, end)
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
        rate = _set_up_all(
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
        steps = _windows(rate, counts, when[min(start, len(when) - 1)], moments)
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
                    _mix_four(first, last, begin, mean, weight, i, changes, inverse, changed)
                    weight = _mix_four(first, last, begin, mean, weight, i, series, inverse, sums)
                else:
                    _mix_one(first, last, begin, mean, weight, i, changes, inverse, changed)
                    weight = _mix_one(first, last, begin, mean, weight, i, series, inverse, sums)
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
            _put_out(moments, sums, place(part) + lane, parts, mark, many, found[start + b])
            _put_out(moments, changed, place(part) + lane, parts, mark, many, slopes[start + b])


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
            floor = _raised(counts, ends, room, here, there, floor)
        if k % apart == 0:
            to = place(k // apart * n)
            for j in range(n):
                store(notes, to + place(j), load(room, here + place(j)))
            floors[k // apart] = before
        if k + 1 < span:
            _step(counts, starts, sources, room, here, there, floor)
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
        rate = _set_up_all(
            start, single, busy, chains, counts, sources, rates, leaving, initial, watched, room
        )
        steps = _windows(rate, counts, when[min(start, len(when) - 1)], moments)
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


def room_for(rows, edges, many, parts):
    """How many numbers `observe` needs to work in."""
    one = FIELDS * many + CHUNK + FOUR
    return parts * (part_size(rows, edges) + (CHUNK + many) * LANES) + one


def room_for_along(rows, edges, many, parts):
    """How many numbers `observe_along` needs to work in."""
    one = FIELDS * many + CHUNK + FOUR
    return 2 * parts * (part_size(rows, edges) + (CHUNK + many) * LANES) + one


def room_for_reverse(rows, edges, many, parts, depth):
    """How many numbers `observe_reverse` needs to work in."""
    noted = depth * rows * LANES
    each = part_size(rows, edges) + (depth + many) * LANES + (edges + 2 * rows) * LANES
    each += (TILE + 1) * rows * LANES + 2 * noted
    return parts * each + FIELDS * many + noted + depth
