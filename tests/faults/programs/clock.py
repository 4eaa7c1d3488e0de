"""Clocks that are wrong, between processes and within one: nothing depends on them."""

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


def use(root, shifts, wanted):
    with Heard() as heard:
        for seconds in shifts:
            shift(seconds)
            keep = fresh(root)
            assert all(ask(keep, number).hit is wanted for number in range(KEYS))
            wanted = True
    assert not heard.count, heard.texts
    return "done"


def main(place):
    asked = 0
    for written in SHIFTS_S:
        root = os.path.join(place, str(written))
        for shifts, wanted in (([written], False), ([0.0], True), (SHIFTS_S, True)):
            status, told = in_child(lambda: use(root, shifts, wanted))
            assert status == 0, told
            asked += len(shifts) * KEYS
    tell(clocks=len(SHIFTS_S), asked=asked)


main(sys.argv[1])
