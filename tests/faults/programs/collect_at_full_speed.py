"""Publishers, readers and collectors on one shared folder, all at full speed for some seconds.

Nothing bad is read, nobody fails, and what is younger than the grace period stays. A reader who is
held up between a manifest and its blob may find that gone, and builds: that is counted.
"""

import os
import random
import sys
import time

import injection
from workload import Heard, content, layout, tell

from emberkeep import Keep
from emberkeep.cli import main as command
from emberkeep.settings import Place
from emberkeep.trust.edits import change_trust, with_entry
from emberkeep.trust.signatures import generate
from emberkeep.trust.trust_list import TrustedKey

KINDS = ("tables", "traces")
NUMBERS = 60
GROUPS = 5  # of numbers that have a blob in common
GRACE_S = 2.0
ROOM = "40KB"  # of some 200 that all would take
PUBLISHERS, READERS, COLLECTORS = 2, 2, 2


class Asker:
    """Asks for numbers, of the shared folder alone."""

    def __init__(self, shared, *, only_reads=False):
        self.place = Place(shared, read_only=only_reads)
        self.keep = self.open()
        self.hits = self.built = self.kept = 0

    def open(self):
        return Keep(shared=self.place, strategy="shared", memory_size=0)

    def told(self):
        counts = self.keep.totals().items()
        damaged = sum(count for (_, _, what), (count, _) in counts if what.startswith("damaged in"))
        return f"{self.hits} {self.built} {self.kept} {damaged}"

    def ask(self, number, keep=None):
        def build():
            return {
                "code": content(number, "code"),
                "common": content(number % GROUPS, "common"),
                "layout": layout(number),
            }

        keep = self.keep if keep is None else keep
        kind = KINDS[number % len(KINDS)]
        found = keep.get_or_build(kind, f"sample{number}", {"number": number}, build)
        right = {role: made for role, made in build().items() if role != "layout"}
        assert dict(found.blobs) == right, f"bad read: {number}"
        assert found.layout == layout(number), f"bad read: {number}"
        return found

    def read(self):
        found = self.ask(random.randrange(NUMBERS))
        self.hits += found.hit
        self.built += not found.hit

    def publish(self):
        """Ask; and where it had to be built, look whether it stays while it is young."""
        began = time.monotonic()
        number = random.randrange(NUMBERS)
        if self.ask(number).hit:
            self.hits += 1
            return
        assert self.keep.flush()
        found = self.ask(number, self.open())
        if time.monotonic() - began < GRACE_S / 2:  # else this process was held up
            assert found.hit, f"{number} was collected while it was young: {found.reason}"
            self.kept += 1
        self.built += 1


def use(work, until):
    with Heard() as heard:
        while time.monotonic() < until:
            work()
    assert all("is missing" in text for text in heard.texts), heard.texts


def publish(shared, until):
    asker = Asker(shared)
    use(asker.publish, until)
    return asker.told()


def read(shared, until):
    asker = Asker(shared, only_reads=True)
    use(asker.read, until)
    return asker.told()


def collect(shared, until):
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the end of this process
    words = ["--layer", shared, "gc", "--max-size", ROOM, "--grace", f"{GRACE_S}s"]
    runs = 0
    while time.monotonic() < until:
        assert command(words) == 0
        runs += 1
    return f"{runs} 0 0 0"


def become(place, user):
    os.environ["EMBERKEEP_CONFIG_DIR"] = os.path.join(place, user)
    random.seed(os.getpid())


def make_users(place):
    public = generate(os.path.join(place, "alice"), "default", 0.0).public
    key = TrustedKey("alice", (), None, 0.0)
    change_trust(os.path.join(place, "bob"), lambda trust: with_entry(trust, "keys", public, key))


def side_by_side(jobs):
    """Run each in a process of its own; what each told."""
    started = []
    for place, user, work, arguments in jobs:
        source, target = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(source)
            become(place, user)
            status, told = injection.in_child(lambda w=work, a=arguments: w(*a))
            os.write(target, f"{status} {told}".encode())
            os._exit(0)
        os.close(target)
        started.append((process, source))
    told = []
    for process, source in started:
        with os.fdopen(source, "rb") as file:
            status, _, text = file.read().decode().partition(" ")
        os.waitpid(process, 0)
        assert status == "0", text
        told.append([int(word) for word in text.split()])
    return told


def main(place, seconds):
    shared = os.path.join(place, "shared")
    os.mkdir(shared)
    make_users(place)
    arguments = (shared, time.monotonic() + seconds)
    told = side_by_side(
        [(place, "alice", publish, arguments)] * PUBLISHERS
        + [(place, "bob", read, arguments)] * READERS
        + [(place, "alice", collect, arguments)] * COLLECTORS
    )
    publishers, rest = told[:PUBLISHERS], told[PUBLISHERS:]
    readers, collectors = rest[:READERS], rest[READERS:]
    tell(
        collections=sum(runs for runs, _, _, _ in collectors),
        published=sum(built for _, built, _, _ in publishers),
        stayed_while_young=sum(kept for _, _, kept, _ in publishers),
        reads=sum(hits + built for hits, built, _, _ in readers),
        hits=sum(hits for hits, _, _, _ in readers),
        came_too_late=sum(damaged for _, _, _, damaged in told),
    )


main(sys.argv[1], float(sys.argv[2]))
