# pyright: basic
"""Observations of chains at given times, for many weights at once; and their gradient, in reverse.

What numba compiles: types are in the signatures, memory is given, nothing is allocated. XLA calls
these, with all that varies in arrays. Chains with the same edges and other weights go side by side,
8 at a time, with one rate λ for all eight. Arrays by chain have one row for each, or one for all.

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
LAST_POWER = 668.0  # e⁻⁶⁶⁸ is the smallest weight that anything begins with
EXACT = 16  # factorials below are exact, and Stirling's series is from there on

# What stands where in `counts`.
ROWS, EDGES, TIMES, DISCRETE, LEAST, MOST, DEPTH = 0, 1, 2, 3, 4, 5, 6
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
    power = k * math.log1p(apart / k) - apart - stirling
    return math.exp(power) / math.sqrt(2.0 * math.pi * k)


def _set_up(start, single, chains, counts, sources, rates, leaving, initial, watched, room):
    """Probabilities, and where chains begin; what `room` begins with. Gives the rate λ.

    p by edge, then by row: staying, watched, where they are, where they go; then a mark by lane,
    which is no number where weights are impossible.
    """
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
    if counts[DISCRETE] != 0 or highest == 0.0:
        highest = 1.0
    for at in range(edges * LANES):
        room[at] /= highest
    for at in range(edges * LANES, (edges + n) * LANES):
        room[at] = max(1.0 - room[at] / highest, 0.0)
    return highest


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
                if mean < 1.0:  # what is smaller than any number cannot be begun with
                    high = min(high, np.int64(LAST_POWER / max(-math.log(mean), 1.0)) + 1)
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
    """The probability that is left in some rows, of all lanes together."""
    left = same(0.0)
    for j in range(np.uint64(begin), np.uint64(end)):
        left = plus(left, load(room, here + place(j)))
    total = 0.0
    for b in range(LANES):
        total += left[b]
    return total


def _raised(counts, ends, room, here, there, floor):
    """The first row that is not empty for good; the number of rows where the chain has ended."""
    n = counts[ROWS]
    total = _left(room, here, floor, n)
    if total < GONE:
        return n
    while floor < n:
        end = np.int64(ends[floor])
        if _left(room, here, floor, end) > LOST * total:
            break
        for j in range(floor, end):
            store(room, here + place(j), same(0.0))
            store(room, there + place(j), same(0.0))
        floor = end
    return floor


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
    n, edges, many = counts[ROWS], counts[EDGES], counts[TIMES]
    chains, single = len(found), len(when) > 1
    apart = 1 if single else LANES
    room = rooms[worker]
    mark = place(edges + 4 * n)
    moments = room[(edges + 4 * n + 1) * LANES :]
    series = room[(edges + 4 * n + 1) * LANES + FIELDS * many :]
    sums = series[CHUNK * LANES :]
    inverse = sums[many * LANES :]
    for start in range(worker * apart, chains, apart * len(rooms)):
        rate = _set_up(
            start, single, chains, counts, sources, rates, leaving, initial, watched, room
        )
        steps = _windows(rate, counts, when[min(start, len(when) - 1)], moments)
        here, there = place(edges + 2 * n), place(edges + 3 * n)
        for i in range(many * LANES):
            sums[i] = 0.0
        floor = np.int64(0)
        for begin in range(0, steps, CHUNK):
            end = min(begin + CHUNK, steps)
            for k in range(end - begin):
                if k % LOOK == 0:
                    floor = _raised(counts, ends, room, here, there, floor)
                seen = _step(counts, starts, sources, room, here, there, floor)
                store(series, place(k), seen)
                here, there = there, here
                inverse[k] = 1.0 / (begin + k + 1)
            if floor == n:
                break
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
                total = load(sums, place(i))
                for k in range(first, last):
                    total = plus_product(total, same(weight), load(series, place(k - begin)))
                    weight *= mean * inverse[np.uint64(k - begin)]
                moments[at + np.uint64(WEIGHT)] = weight
                store(sums, place(i), total)
        for i in range(many):
            at = np.uint64(FIELDS * i)
            weight = 0.0
            if moments[at + np.uint64(HIGH)] == 0.0:
                weight = moments[at + np.uint64(WEIGHT)]  # no number where there is no answer
            for b in range(min(apart, chains - start)):
                lane = np.uint64(b)
                found[start + b, i] = sums[place(i) + lane] + weight + room[mark + lane]
        for i in range(many, found.shape[1]):
            for b in range(min(apart, chains - start)):
                found[start + b, i] = 0.0


def _note_steps(counts, starts, sources, ends, room, here, there, span, apart, notes, floors):
    """Walk on for a span of steps, noting where the chains are, and the first row, every so often.

    It begins and ends in the middle: where chains are is `here` before, and anywhere after.
    """
    n = counts[ROWS]
    floor = _raised(counts, ends, room, here, there, np.int64(0))
    for k in range(span):
        if k % LOOK == 0:
            floor = _raised(counts, ends, room, here, there, floor)
        if k % apart == 0:
            to = place(k // apart * n)
            for j in range(n):
                store(notes, to + place(j), load(room, here + place(j)))
            floors[k // apart] = floor
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
    """How much each observation from step `begin` to `end` counts, by lane."""
    for k in range((end - begin) * LANES):
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
        share = load(sought, place(i))
        if last == high and mean > 0.0:
            weight = poisson(high - 1, mean)
        back = 1.0 / mean if mean > 0.0 else 0.0
        for k in range(last - 1, first - 1, -1):
            to = place(k - begin)
            store(series, to, plus_product(load(series, to), same(weight), share))
            weight *= k * back
        moments[at + np.uint64(WEIGHT)] = weight


def _step_back(
    counts, starts, sources, room, back, notes, number, floor, counted, sums, here, there
):
    """From u_{k+1}, which is `here` in `back`, to u_k, `there`.

    By edge v u, and by row v u and s v, are added to `sums`, in this order.
    """
    n, edges = counts[ROWS], counts[EDGES]
    stay, watch = place(edges), place(edges + n)
    stayed, seen, noted = place(edges), place(edges + n), place(number * n)
    for j in range(np.uint64(floor), np.uint64(n)):
        at = place(j)
        u, v = load(back, here + at), load(notes, noted + at)
        store(sums, stayed + at, plus_product(load(sums, stayed + at), u, v))
        store(sums, seen + at, plus_product(load(sums, seen + at), counted, v))
        new = times(u, load(room, stay + at))
        store(back, there + at, plus_product(new, counted, load(room, watch + at)))
    e = np.uint64(starts[floor])
    for j in range(np.uint64(floor), np.uint64(n)):
        u = load(back, here + place(j))
        end = np.uint64(starts[j + np.uint64(1)])
        while e < end:
            at, of = place(e), place(sources[e])
            e += np.uint64(1)
            if of < place(floor):
                continue
            store(sums, at, plus_product(load(sums, at), u, load(notes, noted + of)))
            to = there + of
            store(back, to, plus_product(load(back, to), u, load(room, at)))


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
    chains, single = len(by_rate), len(when) > 1
    apart = 1 if single else LANES
    room = rooms[worker]
    mark = place(edges + 4 * n)
    moments = room[(edges + 4 * n + 1) * LANES :]
    series = moments[FIELDS * many :]
    shares = series[depth * LANES :]
    sums = shares[many * LANES :]
    far = sums[(edges + 2 * n) * LANES :]
    near, every = far[depth * n * LANES :], far[2 * depth * n * LANES :]
    back = far[3 * depth * n * LANES :]
    floors = back[2 * n * LANES :]
    for start in range(worker * apart, chains, apart * len(rooms)):
        rate = _set_up(
            start, single, chains, counts, sources, rates, leaving, initial, watched, room
        )
        steps = _windows(rate, counts, when[min(start, len(when) - 1)], moments)
        here, there = place(edges + 2 * n), place(edges + 3 * n)
        for i in range(many):
            for b in range(LANES):
                of = start if single else min(start + b, chains - 1)
                shares[i * LANES + b] = sought[min(of, len(sought) - 1), i]
        for i in range((edges + 2 * n) * LANES):
            sums[i] = 0.0
        if steps > depth * depth:
            _note_steps(
                counts, starts, sources, ends, room, here, there, steps, depth * depth, far, floors
            )
        else:
            for j in range(n * LANES):
                far[j] = room[here + np.uint64(j)]
        u, next_u = place(0), place(n)
        for i in range(2 * n * LANES):
            back[i] = 0.0
        for a in range((steps - 1) // (depth * depth) if steps > 0 else -1, -1, -1):
            from_a = a * depth * depth
            to_a = min(from_a + depth * depth, steps)
            _put(counts, far, a, room, here, there)
            _note_steps(
                counts, starts, sources, ends, room, here, there,
                to_a - from_a if to_a - from_a > depth else 1, depth, near, floors,
            )  # fmt: skip
            for b in range((to_a - from_a - 1) // depth, -1, -1):
                begin = from_a + b * depth
                end = min(begin + depth, to_a)
                _put(counts, near, b, room, here, there)
                _note_steps(
                    counts, starts, sources, ends, room, here, there, end - begin, 1, every, floors
                )
                _counting(counts, moments, shares, begin, end, series)
                for k in range(end - 1, begin - 1, -1):
                    _step_back(
                        counts, starts, sources, room, back, every, k - begin,
                        np.int64(floors[k - begin]), load(series, place(k - begin)), sums, u,
                        next_u,
                    )  # fmt: skip
                    u, next_u = next_u, u
        for b in range(min(apart, chains - start)):
            lane, i = np.uint64(b), start + b
            bad = room[mark + lane]
            for j in range(n):
                at = place(j) + lane
                by_leaving[i, j] = bad - sums[place(edges) + at] / rate
                by_watched[i, j] = bad + sums[place(edges + n) + at]
                by_initial[i, j] = bad + back[u + at]
            for e in range(edges):
                of = place(edges) + place(sources[e]) + lane
                by_rate[i, e] = bad + (sums[place(e) + lane] - sums[of]) / rate
            for j in range(n, by_leaving.shape[1]):
                by_leaving[i, j] = 0.0
                by_watched[i, j] = 0.0
                by_initial[i, j] = 0.0
            for e in range(edges, by_rate.shape[1]):
                by_rate[i, e] = 0.0
