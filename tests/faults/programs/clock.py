"""Clocks that are wrong, between processes and within one: no result depends on them."""

import os
import sys
import time

from injection import in_child
from workload import Heard, ask, fresh, tell

DAY_S = 86_400.0
SHIFTS_S = (-DAY_S, DAY_S, -50 * 365 * DAY_S, 100 * 365 * DAY_S)
KEYS = 5
true_time, true_time_ns = time.time, time.time_ns


def shift(seconds):
    time.time = lambda: true_time() + seconds
    time.time_ns = lambda: true_time_ns() + int(seconds * 1e9)


def use(root, shifts, *, kept):
    """The right results always; and hits, while the clock is not so far off that all seems old."""
    with Heard() as heard:
        for seconds in shifts:
            shift(seconds)
            keep = fresh(root)
            hits = [ask(keep, number).hit for number in range(KEYS)]
            assert all(hits) or not kept, f"a clock that is {seconds} s off costs builds"
            kept = kept or abs(seconds) == DAY_S
    assert not heard.count, heard.texts
    return "done"


def main(place):
    asked = 0
    for written in SHIFTS_S:
        root = os.path.join(place, str(written))
        near = abs(written) == DAY_S
        for shifts, kept in (([written], False), ([0.0], near), (SHIFTS_S, near)):
            status, told = in_child(lambda: use(root, shifts, kept=kept))
            assert status == 0, told
            asked += len(shifts) * KEYS
    tell(clocks=len(SHIFTS_S), asked=asked)


main(sys.argv[1])
