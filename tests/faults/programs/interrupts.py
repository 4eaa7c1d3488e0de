"""Interrupt somebody who asks, at random moments: the next one gets what is right, at once."""

import fcntl
import os
import random
import signal
import sys
import time

from workload import Heard, ask, tell

from emberkeep import Keep
from emberkeep.trust.signatures import generate

WINDOW_S = 0.04  # a few publications long
PATIENCE_S = 5.0  # far below the time after which a lease is stale


def interrupt(*_):
    raise KeyboardInterrupt


def open_keep(place):
    return Keep(os.path.join(place, "keep"), shared=os.path.join(place, "shared"), memory_size=0)


def held(place):
    """Leases that somebody holds; the file of one that nobody holds is only litter."""
    return [
        *(path for path in _files(os.path.join(place, "keep", "leases")) if _is_locked(path)),
        *(
            path
            for path in _files(os.path.join(place, "shared", "leases"))
            if path.endswith(".lease")
        ),
    ]


def _is_locked(path):
    with open(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _files(folder):
    return (
        [os.path.join(folder, name) for name in os.listdir(folder)] if os.path.isdir(folder) else []
    )


def ask_until_interrupted(keep, number, window_s):
    """Whether it was interrupted, before it had what it asked for or after."""
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-4, window_s))
        try:
            ask(keep, number)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        return True
    return False


def main(place, wanted):
    random.seed(wanted)
    os.makedirs(os.path.join(place, "shared"))
    generate(os.environ["EMBERKEEP_CONFIG_DIR"], "default", 0.0)
    signal.signal(signal.SIGALRM, interrupt)
    keep = open_keep(place)
    ask(keep, 0)
    assert keep.flush()
    interrupted = number = rebuilt = 0
    longest_s = 0.0
    with Heard():
        while interrupted < wanted:
            number += 1
            assert number < 20 * wanted, "hardly any interrupt came in time"
            if not ask_until_interrupted(keep, number, WINDOW_S):
                continue
            interrupted += 1
            started = time.monotonic()
            other = open_keep(place)
            rebuilt += not ask(other, number).hit
            longest_s = max(longest_s, time.monotonic() - started)
            assert longest_s < PATIENCE_S, f"{number} is held by nobody, and was waited for"
            assert other.flush()
            assert keep.flush()
    left = held(place)
    assert not left, f"leases that nobody gives back: {left}"
    with Heard() as heard:
        for each in range(number):
            ask(open_keep(place), each)
    assert not heard.count, heard.texts
    tell(
        interrupts=interrupted,
        asked=number,
        rebuilt=rebuilt,
        longest_wait_ms=round(1000 * longest_s),
    )


main(sys.argv[1], int(sys.argv[2]))
