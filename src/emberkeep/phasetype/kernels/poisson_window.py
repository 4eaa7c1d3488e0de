# pyright: basic
"""Poisson windows: over which numbers of steps an observation is summed, and with which weights.

A window goes from the first number whose probability is no less than e⁻⁷⁵⁰ to where what follows
cannot change the last digit of the sum. Weights are lifted: multiplied by a power of two.
"""

import math

import numpy as np

from emberkeep.elimination.kernels.lanes import LANES
from emberkeep.phasetype.kernels.accuracy import EXACT, FAINTEST, TAIL, steps_for, stirling
from emberkeep.phasetype.kernels.layout import (
    DISCRETE,
    FIELDS,
    HIGH,
    LEAST,
    LOW,
    MOST,
    PARTS,
    RATE,
    TIMES,
    WEIGHT,
    slot,
)

LIFTED = 2.0**100  # what weights and probabilities are multiplied by, each


def poisson(k, mean):
    """The probability of k, lifted; to rounding, also far from the mean (Loader's form)."""
    if k < EXACT:
        factorial = 1.0
        for i in range(2, k + 1):
            factorial *= i
        half = math.exp(0.5 * (k * math.log(mean) - mean if k > 0 else -mean))
        return half * LIFTED * half / factorial
    apart = mean - k
    # Near the mean the first is precise, and far from it the second.
    ratio = math.log1p(apart / k) if 2.0 * mean > k else math.log(mean / k)
    half = math.exp(0.5 * (k * ratio - apart - stirling(k)))
    return half * LIFTED * half / math.sqrt(2.0 * math.pi * k)


def _power(k, mean):
    """About the logarithm of the probability of k."""
    return k * math.log(mean / k) + k - mean if k > 0 else -mean


def _first(mean):
    """The first number whose weight counts."""
    if -mean > -FAINTEST:
        return np.int64(0)
    low, high = np.int64(0), np.int64(math.floor(mean))  # too faint; not
    while high - low > 1:
        middle = (low + high) // 2
        if _power(middle, mean) > -FAINTEST:
            high = middle
        else:
            low = middle
    return high


def representable(high, mean):
    """The end of what counts, where a weight beside it must not be too faint to begin with."""
    low = np.int64(math.floor(mean)) + 1
    if high - low < 1 or _power(high - 1, mean) > -FAINTEST:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if _power(middle - 1, mean) > -FAINTEST:
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
    return mean, float(_first(mean)), float(steps_for(mean, tail)), 0.0


def put_window(moments, at, width, mean, low, high, weight):
    """Put down what is known of one window."""
    moments[at] = mean
    moments[at + np.uint64(LOW * width)] = low
    moments[at + np.uint64(HIGH * width)] = high
    moments[at + np.uint64(WEIGHT * width)] = weight


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
            put_window(moments, at, width, mean, low, high, weight)
            steps = max(steps, np.int64(high))
    return steps
