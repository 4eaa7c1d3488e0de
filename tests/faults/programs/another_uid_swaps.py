"""Another user plants, swaps and rewrites at full speed what a victim loads meanwhile.

The folder can be written by all: a keep of one's own that somebody has left open, or a shared one.
The victim asks again and again, each time by a keep that remembers nothing.
"""

import os
import random
import shutil
import signal
import sys
import time

from workload import KIND, NAME, Heard, ask, tell

from emberkeep import Keep
from emberkeep.store.manifest import SIGNATURE_BYTES, TRAILER_BYTES, read_stamps
from emberkeep.store.manifest_writing import resealed, signed
from emberkeep.trust.edits import change_trust, with_entry
from emberkeep.trust.signatures import SigningKey, generate, manifest_message, public_half
from emberkeep.trust.trust_list import TrustedKey

NOBODY = 65534
NUMBERS = range(4)
ENOUGH = 10  # hits, and attacks that were met
EVIL = b"what the other user would have run"
EVE = SigningKey("eve", public_half("ee" * 32), "ee" * 32, 0.0)


# The other user -----------------------------------------------------------------------------------


class Attacker:
    """All that somebody can do who may write into a folder, chosen by chance."""

    def __init__(self, root, outside):
        self.root = root
        self.outside = outside
        self.within = os.path.join(root, "attackers")
        os.mkdir(self.within)
        self.good = {path: read(path) for path in files_below(root)}
        self.manifests = [path for path in self.good if path.endswith(".json")]
        self.blobs = [path for path in self.good if f"{os.sep}blobs{os.sep}" in path]
        self.forged = [forge(self.good[path]) for path in self.manifests]
        replace(os.path.join(root, "blobs", digest(EVIL)[:2], digest(EVIL)[2:]), EVIL)
        for name in ("temporary", "quarantine"):
            os.makedirs(os.path.join(root, name), exist_ok=True)

    def become_somebody_else(self):
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os.umask(0)
        self.chance = random.Random(os.getpid())

    def attack(self):
        """One thing, to one file; half the time what is right is put back, so that it is used."""
        path = self.chance.choice(self.manifests + self.blobs)
        if self.chance.random() < 0.5:
            self.restore(path)
            return "restored"
        attack = self.chance.choice(ATTACKS)
        attack(self, path)
        return attack.__name__

    def restore(self, path):
        try:
            replace(path, self.good[path])
        except OSError:  # the victim has made the folders anew, for itself alone
            inner = os.path.relpath(path, self.root)
            top = os.path.join(self.root, inner.partition(os.sep)[0])
            os.rename(top, unused(top))
            for each, content in self.good.items():
                if each.startswith(top + os.sep):
                    replace(each, content)

    def rewrite(self, path):
        """In place, under the eyes of whoever reads it."""
        content = bytearray(self.good[path])
        content[self.chance.randrange(len(content))] ^= 1
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(descriptor, content)
        finally:
            os.close(descriptor)

    def truncate(self, path):
        os.truncate(path, self.chance.choice([0, 10, len(self.good[path]) - 1, 1 << 30]))

    def forge(self, _path):
        manifest = self.chance.randrange(len(self.manifests))
        replace(self.manifests[manifest], self.chance.choice(self.forged[manifest]))

    def swap(self, path):
        """One file under the name of another."""
        others = self.manifests if path in self.manifests else self.blobs
        replace(path, self.good[self.chance.choice(others)])

    def exchange(self, path):
        """Two files, by names alone."""
        other = self.chance.choice(self.manifests if path in self.manifests else self.blobs)
        aside = unused(path)
        os.rename(path, aside)
        os.rename(other, path)
        os.rename(aside, other)

    def remove(self, path):
        os.unlink(path)

    def link(self, path):
        """To an endless file, to one that nobody may read here, to the right one elsewhere."""
        target = self.chance.choice(["/dev/zero", "/etc/shadow", self.outside, path])
        os.unlink(path)
        os.symlink(target, path)

    def pipe(self, path):
        os.unlink(path)
        os.mkfifo(path)

    def folder(self, path):
        os.unlink(path)
        os.mkdir(path)

    def move_folder(self, path):
        """The folder above becomes a link to another, in the root or outside, and comes back."""
        above = os.path.dirname(path)
        aside = unused(above)
        os.rename(above, aside)
        try:
            os.symlink(self.chance.choice([self.within, self.outside]), above)
            time.sleep(0.001)
        finally:
            os.rename(above, unused(above))  # the link, or the folder that the victim has made
            os.rename(aside, above)


ATTACKS = [
    Attacker.rewrite,
    Attacker.rewrite,
    Attacker.truncate,
    Attacker.forge,
    Attacker.forge,
    Attacker.forge,
    Attacker.swap,
    Attacker.swap,
    Attacker.exchange,
    Attacker.remove,
    Attacker.link,
    Attacker.pipe,
    Attacker.folder,
    Attacker.move_folder,
]


def forge(document):
    """What the attacker would have run, made out as what the victim asks for."""
    code = read_stamps(document)
    body = document[:-TRAILER_BYTES]
    if code.signers:
        body = body[:-SIGNATURE_BYTES]
    start = body.index(b'"digest":"') + len(b'"digest":"')
    evil = body[:start] + digest(EVIL).encode() + body[start + 64 :]
    size = evil.index(b'"size_bytes":', start) + len(b'"size_bytes":')
    evil = evil[:size] + b"%d" % len(EVIL) + evil[size:].lstrip(b"0123456789")
    unsigned = resealed(evil + document[-TRAILER_BYTES:])
    by_eve = signed(unsigned, EVE.public, lambda payload: EVE.sign(manifest_message(payload)))
    line = document[-TRAILER_BYTES - SIGNATURE_BYTES : -TRAILER_BYTES]
    pasted = resealed(evil + line + document[-TRAILER_BYTES:])
    with_seal = resealed(evil + document[-TRAILER_BYTES:], lambda _: code.seal)
    stripped = resealed(body + document[-TRAILER_BYTES:])
    return [unsigned, by_eve, pasted, with_seal, stripped]


def digest(content):
    from hashlib import sha256

    return sha256(content).hexdigest()


def unused(path):
    return f"{path}.{os.urandom(8).hex()}"


def read(path):
    with open(path, "rb") as file:
        return file.read()


def replace(path, content):
    """As publishers do it: whole, by a rename; also where a folder has come in the way."""
    aside = unused(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(aside, "xb") as file:
        file.write(content)
    os.chmod(aside, 0o666)
    try:
        os.rename(aside, path)
    except IsADirectoryError:
        os.rmdir(path)
        os.rename(aside, path)


def attack_until_stopped(attacker, pipe):
    """As fast as it goes; tells how much, of how many kinds, and how often somebody was faster."""
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    attacker.become_somebody_else()
    os.write(pipe, b"ready\n")
    counts, failed = {}, 0
    while not stopped:
        try:
            name = attacker.attack()
        except (OSError, ValueError):
            failed += 1
        else:
            counts[name] = counts.get(name, 0) + 1
    os.write(pipe, f"{sum(counts.values())} {len(counts)} {failed}\n".encode())


# The victim ---------------------------------------------------------------------------------------


def files_below(root):
    return sorted(
        os.path.join(folder, name)
        for folder, _, names in os.walk(root)
        for name in names
        if not folder.startswith(tuple(os.path.join(root, n) for n in ("leases", "statistics")))
    )


def listing(place, root):
    return sorted(
        (path, os.lstat(path).st_size)
        for folder, folders, names in os.walk(place)
        if not folder.startswith(root)
        for path in [os.path.join(folder, name) for name in (*folders, *names)]
        if path != root and not os.path.isdir(path)
    )


def open_to_all(root):
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            os.chmod(os.path.join(folder, name), 0o777 if name in folders else 0o666)
    os.chmod(root, 0o777)


def prepare(place, where):
    """A folder with good artifacts; what makes the victim's keep of it."""
    root = os.path.join(place, "root")
    if where == "local":
        for number in NUMBERS:
            ask(Keep(root, memory_size=0), number)
        return root, lambda: Keep(root, memory_size=0)
    os.mkdir(root)
    victim = os.environ["EMBERKEEP_CONFIG_DIR"]
    os.environ["EMBERKEEP_CONFIG_DIR"] = os.path.join(place, "alice")
    alice = generate(os.path.join(place, "alice"), "default", 0.0)
    publisher = Keep(os.path.join(place, "alice.keep"), shared=root)
    for number in NUMBERS:
        ask(publisher, number)
    assert publisher.flush()
    os.environ["EMBERKEEP_CONFIG_DIR"] = victim
    trusted = TrustedKey("alice", (f"{KIND}/{NAME}",), None, 0.0)
    change_trust(victim, lambda trust: with_entry(trust, "keys", alice.public, trusted))
    own = os.path.join(place, "victim.keep")
    count = iter(range(1 << 30))

    def make_keep():
        """Every other time with a keep of its own, so that what was fetched is used from there."""
        if next(count) % 2:
            return Keep(shared=f"{root}?read_only=true", strategy="shared", memory_size=0)
        shutil.rmtree(own, ignore_errors=True)
        return Keep(own, shared=f"{root}?read_only=true", memory_size=0)

    return root, make_keep


def main(place, where, seconds, attackers):
    os.chmod(place, 0o755)
    root, make_keep = prepare(place, where)
    outside = os.path.join(place, "outside")
    os.mkdir(outside, 0o755)
    with Heard():
        ask(make_keep(), 0)
    attacker = Attacker(root, outside)
    open_to_all(root)
    before = [each for each in listing(place, root) if "victim.keep" not in each[0]]
    reading, writing = os.pipe()
    signal.alarm(int(seconds) + 120)  # whoever waits for ever is ended, and that is a failure
    children = []
    for _ in range(attackers):
        child = os.fork()
        if not child:
            status = 1
            try:
                attack_until_stopped(attacker, writing)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    ready = b""
    while ready.count(b"ready") < attackers:
        ready += os.read(reading, 100)
    loads = hits = told = refused = 0
    until = time.monotonic() + seconds
    latest = until + 60  # on a busy machine, what has to happen takes longer
    chance = random.Random(1)
    while time.monotonic() < until or (min(hits, refused) < ENOUGH and time.monotonic() < latest):
        number = chance.choice(NUMBERS)
        with Heard() as heard:
            keep = make_keep()
            found = ask(keep, number)  # raises where a single byte is not the right one
            again = ask(keep, number)
        loads += 2
        hits += found.hit + again.hit
        told += bool(heard.count)
        refused += not found.hit
    attacks = kinds = failed = 0
    for child in children:
        os.kill(child, signal.SIGTERM)
        assert os.waitpid(child, 0)[1] == 0
    for line in os.read(reading, 4096).decode().splitlines():
        done, different, missed = map(int, line.split())
        attacks, kinds, failed = attacks + done, max(kinds, different), failed + missed
    after = [each for each in listing(place, root) if "victim.keep" not in each[0]]
    assert after == before, "something was written outside the root"
    tell(
        loads=loads,
        hits=hits,
        refused=refused,
        warned=told,
        attacks=attacks,
        kinds_of_attack=kinds,
        attacks_that_failed=failed,
    )


main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
