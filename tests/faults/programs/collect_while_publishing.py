"""A shared folder is collected at each moment of a publication, by a host whose clock is wrong.

At the N-th operation on files, for all N, everything else stops and a collection that leaves
nothing but what is young runs as a whole. What was being published must be there afterwards, and
what was unused for long must be gone.
"""

import os
import sys
import time

import injection
from workload import content, tell

from emberkeep.settings import Place
from emberkeep.sharing.folder import SharedFolder
from emberkeep.store.eviction import Policy, collect
from emberkeep.store.protocol import Miss
from emberkeep.testing import accept, kept

DAY_S = 86_400.0
SHIFTS_S = {"behind": -2 * DAY_S, "right": 0.0, "ahead": 2 * DAY_S}
AGO_S = 7200.0
OLD, KEYS = 0, 4
true_time = time.time


class Anybody:
    """Believes everything: here it is the folder that is tested."""

    verify = staticmethod(accept)

    def endorse(self, document):
        return document

    def can_endorse(self):
        return True

    def learn_revocations(self):
        pass

    def standing(self):
        pass


def artifact(number):
    blobs = {role: content(number, role) for role in ("code", "source")}
    return kept(name=f"sample{number}", blobs={**blobs, "common": content(0, "common")})


def open_folder(root):
    return SharedFolder(Place(root), Anybody())


def collect_elsewhere(root, shift_s):
    """What the command does on another host."""
    time.time = lambda: true_time() + shift_s
    try:
        return collect(open_folder(root).directory, Policy(max_size_bytes=0, max_age_s=0.0))
    finally:
        time.time = true_time


class Collecting:
    """Counts operations, and collects at one of them."""

    def __init__(self, root, shift_s):
        self.root, self.shift_s = root, shift_s
        self.at = None
        self.is_collecting = False

    def action(self, count, _name, operation, arguments):
        if count == self.at and not self.is_collecting:
            self.is_collecting = True
            collect_elsewhere(self.root, self.shift_s)
            self.is_collecting = False
        return operation(*arguments)


def publish(root, shift_s, at=None):
    """Publish while another host collects; how many operations it was, and what is missing."""
    os.mkdir(root)
    store = open_folder(root)
    for number in (OLD, 1):
        store.write(artifact(number))
    old = store.directory.manifest_path(artifact(OLD).manifest.key)
    os.utime(old, (true_time() - AGO_S,) * 2)
    lease = store.acquire("name", "", complain)
    collecting = Collecting(root, shift_s)
    counted = injection.install(collecting.action)
    collecting.at = at
    for number in range(2, KEYS):
        store.write(artifact(number))
    operations = counted[0]
    lost = sum(
        isinstance(open_folder(root).read(artifact(number).manifest.key), Miss)
        for number in range(1, KEYS)
    )
    assert os.path.exists(old) == (at is None)
    assert lease is not None
    lost += not os.path.exists(lease.path)
    lease.release(succeeded=True)
    return f"{operations} {lost}"


def complain(text):
    raise AssertionError(text)


def run(*arguments):
    status, told = injection.in_child(lambda: publish(*arguments))
    assert status == 0, told
    return [int(word) for word in told.split()]


def main(place, stride):
    facts = {}
    for name, shift_s in SHIFTS_S.items():
        operations, lost = run(os.path.join(place, name), shift_s)
        assert not lost
        moments = range(1, operations + 1, stride)
        facts[f"collections_by_a_clock_{name}"] = len(moments)
        facts[f"lost_by_a_clock_{name}"] = sum(
            run(os.path.join(place, f"{name}-{at}"), shift_s, at)[1] for at in moments
        )
    tell(**facts)


main(sys.argv[1], int(sys.argv[2]))
