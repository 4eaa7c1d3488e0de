"""Something is published again at each moment of a collection that finds its blobs unused.

At the N-th operation on files of the collector, for all N, everything else stops and the whole
publication is done. It must be there afterwards: its blobs have just been touched or written.
"""

import os
import sys
import time

import injection
from workload import content, tell

from emberkeep.store.directory import Directory
from emberkeep.store.eviction import Policy, collect
from emberkeep.store.protocol import Miss
from emberkeep.testing import accept, kept

GRACE_S = 0.02
LEFT = kept(name="left", blobs={role: content(0, role) for role in ("code", "source")})


def publish_at(root, at):
    """How many operations the collection was, and whether what was published is lost."""
    directory = Directory(root, accept)
    directory.write(LEFT)
    directory.remove(LEFT.manifest.key)  # as another collection has done just now
    time.sleep(2 * GRACE_S)
    publishing = []

    def action(count, _name, operation, arguments):
        if count == at and not publishing:
            publishing.append(at)
            Directory(root, accept).write(LEFT)
        return operation(*arguments)

    counted = injection.install(action)
    collected = collect(directory, Policy(max_size_bytes=0, grace_s=GRACE_S))
    operations = counted[0]
    found = Directory(root, accept).read(LEFT.manifest.key)
    assert isinstance(found, Miss) or dict(found.blobs) == dict(LEFT.blobs)
    assert at or collected.blobs == len(LEFT.blobs)
    return f"{operations} {int(isinstance(found, Miss))}"


def run(root, at):
    status, told = injection.in_child(lambda: publish_at(root, at))
    assert status == 0, told
    return [int(word) for word in told.split()]


def main(place):
    operations, lost = run(os.path.join(place, "never"), 0)
    assert lost, "nobody has published anything"
    lost = [at for at in range(1, operations + 1) if run(os.path.join(place, str(at)), at)[1]]
    tell(published=operations, lost=len(lost), lost_at=lost)


main(sys.argv[1])
