"""Another user, who may write into a keep, swaps links for folders: nobody is led out.

Each step of what is done to a keep is a call of `os`. Before each of them in turn the folder, or
the file, gives way to a link into a victim's own keep, where the same names are.
"""

import contextlib
import os
import shutil
import stat

import pytest

from emberkeep.errors import StoreProblem
from emberkeep.lease import acquire, failure, record, shared
from emberkeep.lease.file_slot import FileSlot
from emberkeep.lease.shared import acquire_slot
from emberkeep.store import files
from emberkeep.store.counts import Counts
from emberkeep.store.directory import Directory
from emberkeep.store.eviction import Policy, collect
from emberkeep.store.pins import pin, unpin
from emberkeep.store.repair import repair
from emberkeep.store.schedule import STAMP, take_turn
from emberkeep.testing import samples

OLD_S = 100 * 86_400.0

CALLS = [
    *("chmod", "link", "listdir", "lstat", "mkdir", "open", "pwrite", "read", "rename", "replace"),
    *("rmdir", "scandir", "stat", "truncate", "unlink", "utime", "write"),
]

CHANGES = ["chmod", "link", "mkdir", "rename", "replace", "rmdir", "unlink", "utime"]


def ignore(_):
    """Told of trouble, as whoever is attacked may be."""


def use_shared(root):
    slot = FileSlot(f"{root}/leases/key.lease")
    lease = acquire_slot(slot, "", ignore, heartbeat_s=3600.0, stale_s=0.2)
    if lease is not None:
        lease.next_beat = 0.0
        lease.beat()
        lease.fail(ValueError("it is empty"))
        lease.release(succeeded=True)
        shared._heart.drop(lease)


def take_over_shared(root):
    judged = record.look(f"{root}/leases/dead.lease")
    if judged is not None:
        record.take_away(f"{root}/leases/dead.lease", judged)


def hear_shared(root):
    slot = FileSlot(f"{root}/leases/dead.lease")
    failure.heard(slot.told, {"0" * record.TOKEN_DIGITS})


def use_local(root):
    lease = acquire(f"{root}/leases", "key", ignore)
    if lease is not None:
        lease.fail(ValueError("it is empty"))
        lease.release(succeeded=True)


def facts_of(folder):
    """All that could change there, but for times of reading."""
    facts = {}
    for place, folders, names in os.walk(folder):
        for path in (place, *(os.path.join(place, name) for name in (*folders, *names))):
            found = os.lstat(path)
            content = b""
            if stat.S_ISREG(found.st_mode):
                with open(path, "rb") as file:
                    content = file.read()
            facts[path] = found.st_mode, found.st_mtime_ns, found.st_nlink, content
    return facts


class Attacker:
    """Puts a link in the place of a folder, before the n-th call; perhaps for that call only."""

    def __init__(self, monkeypatch, place, target, nth, *, briefly, calls=CALLS):
        self.count = 0
        self._place, self._target, self._nth, self._briefly = place, target, nth, briefly
        self._real = {name: getattr(os, name) for name in CALLS}
        for name in calls:
            monkeypatch.setattr(os, name, self._calling(name))

    def _calling(self, name):
        def call(*arguments, **options):
            self.count += 1
            if self.count == self._nth:
                self._swap()
            try:
                return self._real[name](*arguments, **options)
            finally:
                if self.count == self._nth and self._briefly:
                    self._swap_back()

        return call

    def _swap(self):
        with contextlib.suppress(FileNotFoundError):
            self._real["rename"](self._place, f"{self._place} aside")
        os.symlink(self._target, self._place)

    def _swap_back(self):
        self._real["unlink"](self._place)
        with contextlib.suppress(FileNotFoundError):
            self._real["rename"](f"{self._place} aside", self._place)


@pytest.mark.parametrize("briefly", [True, False])
@pytest.mark.parametrize(
    ("swapped", "has_folder"),
    [("leases", False), ("leases", True), ("leases/key.lease", True), ("leases/key.lock", True)],
)
@pytest.mark.parametrize("use", [use_shared, take_over_shared, hear_shared, use_local])
def test_no_swap_before_any_step_leads_out(
    tmp_path, monkeypatch, use, swapped, has_folder, briefly
):
    monkeypatch.setattr(files, "PAUSES_S", ())
    home = tmp_path / "home"
    (home / "leases").mkdir(parents=True, mode=0o700)
    left = record.compose("0" * record.TOKEN_DIGITS, "0" * record.OWNER_DIGITS, 7)
    for name in ("key.lease", "key.lock", "key.lease.failed", "dead.lease"):
        (home / "leases" / name).write_bytes(left.content)
    before = facts_of(home)
    nth = 0
    while True:
        nth += 1
        root = tmp_path / str(nth)
        root.mkdir()
        root.chmod(0o2777)
        if has_folder:
            (root / "leases").mkdir()
            (root / "leases" / "dead.lease").write_bytes(left.content)
        target = home / swapped
        with monkeypatch.context() as attacked:
            attacker = Attacker(attacked, str(root / swapped), target, nth, briefly=briefly)
            with contextlib.suppress(OSError):  # the lease may be lost: others test that
                use(str(root))
        assert facts_of(home) == before, f"before step {nth}"
        shutil.rmtree(root)
        if attacker.count < nth:
            break
    assert nth > 1


def test_a_folder_swapped_for_a_link_keeps_its_permissions(tmp_path, monkeypatch):
    """The folder is made, a link put in its place, and only then is it opened to all."""
    home, root = tmp_path / "home", tmp_path / "root"
    home.mkdir(mode=0o700)
    root.mkdir()
    root.chmod(0o2777)
    mkdir = os.mkdir

    def swap_after(path, *arguments, **options):
        mkdir(path, *arguments, **options)
        (root / "leases").rename(root / "aside")
        (root / "leases").symlink_to(home)

    told = []
    monkeypatch.setattr(os, "mkdir", swap_after)
    assert acquire_slot(FileSlot(str(root / "leases/key.lease")), "", told.append) is None
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert os.listdir(home) == []
    assert "a link or a file; a folder was expected" in told[0]


# What is kept -------------------------------------------------------------------------------------

KEPT = samples.kept(blobs={"first": b"1", "second": b"2"})
NEW = samples.kept(plan="new", blobs={"first": b"1", "third": b"3"})


def opened(root):
    return Directory(root, samples.accept)


def publish(root):
    opened(root).write(NEW)


def publish_again(root):
    opened(root).write(KEPT)


def read(root):
    opened(root).read(KEPT.manifest.key)


def forget(root):
    opened(root).remove(KEPT.manifest.key)


def collect_all(root):
    collect(opened(root), Policy(max_size_bytes=0, max_age_s=1.0, grace_s=0.0))


def note_a_collection(root):
    take_turn(opened(root))


def mend(root):
    repair(opened(root))


def pin_and_unpin(root):
    (entry, *_) = opened(root).entries()
    unpin(opened(root), entry)
    pin(opened(root), entry)


def count(root):
    own = Counts(root)
    own.add("hit", "tables", "local", 1.0)
    own.flush()


USES = [
    *(publish, publish_again, read, forget, collect_all, note_a_collection),
    *(mend, pin_and_unpin),
]


def lay_out(root):
    """A keep with something of everything, all of it old."""
    directory = opened(str(root))
    directory.write(KEPT)
    other = samples.kept(plan="other", name="other", blobs={"first": b"4"})
    directory.write(other)
    (entry, *_) = directory.entries()
    pin(directory, entry)
    with open(directory.blob_path(other.manifest.blobs[0].digest), "wb") as file:
        file.write(b"damaged")
    for path in ("quarantine/old", "temporary/old", "leases/old.lock", STAMP, "statistics/1.tsv"):
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_bytes(b"")
    for place, _, names in os.walk(root):
        for name in names:
            os.utime(os.path.join(place, name), (1e9, 1e9))


def swappable(root):
    """Every folder of a keep, and a file of each."""
    for place, folders, names in os.walk(root):
        for name in (*folders, *names[:1]):
            yield os.path.relpath(os.path.join(place, name), root)


@pytest.mark.parametrize(
    ("use", "calls"),
    [
        *((use, CHANGES) for use in USES),
        (count, CALLS),
        *(pytest.param(use, CALLS, marks=pytest.mark.soak) for use in (*USES, count)),
    ],
)
def test_no_swap_before_any_step_leads_out_of_what_is_kept(tmp_path, monkeypatch, use, calls):
    home, root = tmp_path / "home", tmp_path / "root"
    home.mkdir()
    lay_out(home)
    before = facts_of(home)
    swaps = 0
    for swapped in sorted(swappable(home)):
        nth = 0
        while True:
            nth += 1
            shutil.copytree(home, root)
            with monkeypatch.context() as attacked:
                attacker = Attacker(
                    attacked,
                    str(root / swapped),
                    home / swapped,
                    nth,
                    briefly=calls is CALLS and bool(nth % 2),
                    calls=calls,
                )
                with contextlib.suppress(OSError, StoreProblem, ValueError):
                    use(str(root))
            assert facts_of(home) == before, f"{swapped}, before step {nth}"
            shutil.rmtree(root)
            if attacker.count < nth:
                break
            swaps += 1
    assert swaps
