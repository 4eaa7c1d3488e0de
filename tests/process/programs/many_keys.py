"""Processes that all want all keys, each in its own order: one build per key, nothing mixed."""

import os
import random
import sys
import time
from collections import Counter

from workload import Heard, ask, fresh, tell


def want(root, builds, number_of_keys, seed):
    descriptor = os.open(builds, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    numbers = list(range(number_of_keys))
    random.Random(seed).shuffle(numbers)
    with Heard() as heard:
        keep = fresh(root)
        for number in numbers:
            ask(keep, number, on_build=lambda n: os.write(descriptor, b"%d\n" % n))
    assert not heard.count, heard.texts


def in_processes(count, work):
    """Fork them all before any starts; whether every one ended well."""
    source, target = os.pipe()
    children = []
    for index in range(count):
        child = os.fork()
        if child == 0:
            os.close(target)
            os.read(source, 1)  # returns when the parent closes its end
            try:
                work(index)
            except BaseException as problem:  # noqa: BLE001 - told by the status
                sys.stderr.write(f"process {index}: {problem!r}\n")
                os._exit(1)
            os._exit(0)
        children.append(child)
    os.close(source)
    os.close(target)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    return not any(statuses)


def main(place, processes, keys, rounds):
    started = time.monotonic()
    builds_in_all = 0
    for turn in range(rounds):
        root = os.path.join(place, f"keep-{turn}")
        builds = os.path.join(place, f"builds-{turn}")
        assert in_processes(
            processes, lambda index: want(root, builds, keys, turn * processes + index)
        )
        with open(builds) as file:
            counted = Counter(map(int, file))
        repeated = {number: count for number, count in counted.items() if count != 1}
        assert not repeated, f"built more than once: {repeated}"
        assert sorted(counted) == list(range(keys))
        assert not os.listdir(os.path.join(root, "leases"))
        assert not os.listdir(os.path.join(root, "temporary"))
        builds_in_all += len(counted)
    tell(
        asked=processes * keys * rounds,
        builds=builds_in_all,
        seconds=round(time.monotonic() - started, 1),
    )


main(sys.argv[1], *map(int, sys.argv[2:]))
