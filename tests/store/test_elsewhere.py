"""Everything that is done to a keep is done to one in any place: a folder, and a dictionary."""

import os
import time
from hashlib import sha256

import pytest

from emberkeep.errors import StoreProblem
from emberkeep.keys import fingerprint_mapping
from emberkeep.store.directory import Directory
from emberkeep.store.eviction import Policy, clear, collect
from emberkeep.store.inspection import DAMAGED, OK, OTHER, UNTRUSTED, inspect, usage
from emberkeep.store.layout import LAYOUT, blob_name, manifest_name
from emberkeep.store.manifest_writing import compose
from emberkeep.store.neighbours import nearest
from emberkeep.store.object_store import Folder
from emberkeep.store.pins import is_pinned, pin, pinned, unpin
from emberkeep.store.protocol import ABSENT, BlobRef, Kept, Key, Manifest, Miss
from emberkeep.store.repair import repair
from emberkeep.store.schedule import take_turn
from emberkeep.testing import Dictionary

HOUR_S, DAY_S = 3600.0, 86_400.0
SEAL, OF_OTHERS = "0" * 64, "1" * 64
BUILD = fingerprint_mapping({"target": "cpu"}, label="build")


def verify(_manifest, stamps):
    return None if stamps.seal == SEAL else "sealed by somebody else"


class Somewhere:
    """A keep in a place, whose clock can be moved back."""

    def __init__(self, objects):
        self.objects = objects
        self.directory = Directory(objects, verify, heals=False)

    def add(self, name, *contents, age=0.0, seal=SEAL, **plan):
        tree = fingerprint_mapping(plan or {"n": name}, label="plan")
        key = Key("tables", name, tree.digest, BUILD.digest)
        refs = [
            BlobRef(f"role{index}", sha256(content).hexdigest(), len(content))
            for index, content in enumerate(contents)
        ]
        manifest = Manifest(key, tuple(refs), None, 1.0, 1000.0, {})
        document = compose(manifest, {"plan": tree, "build": BUILD}, lambda _: seal)
        blobs = {ref.role: content for ref, content in zip(refs, contents, strict=True)}
        with self.back(age, manifest_name(key), *(blob_name(ref.digest) for ref in refs)):
            self.directory.write(Kept(manifest, document, blobs))
        return key

    def back(self, age, *names):
        return Back(self.objects, age, names)

    def entry(self, key):
        (found,) = (each for each in self.directory.entries() if each.key == str(key))
        return found

    def names(self):
        return {entry.name for entry in self.directory.entries()}

    def states(self):
        return sorted(finding.state for finding in inspect(self.directory))


class Back:
    """Within it, what is written is as old as is said."""

    def __init__(self, objects, age, names):
        self.objects, self.age, self.names = objects, age, names

    def __enter__(self):
        if isinstance(self.objects, Dictionary):
            self.objects.clock = lambda: time.time() - self.age

    def __exit__(self, *_):
        if isinstance(self.objects, Dictionary):
            self.objects.clock = time.time
        else:
            for name in self.names:
                then = time.time() - self.age
                os.utime(self.objects.address(name), (then, then))


@pytest.fixture(params=["folder", "dictionary"])
def place(request, tmp_path):
    return Somewhere(Folder(str(tmp_path)) if request.param == "folder" else Dictionary())


def test_what_is_there_is_counted_and_checked(place):
    assert usage(place.directory).entries == 0
    place.add("a", b"one", b"two")
    place.add("b", b"two")
    place.add("theirs", b"three", seal=OF_OTHERS)
    used = usage(place.directory)
    assert (used.entries, used.blobs, used.blobs_size_bytes) == (3, 3, 11)
    assert place.objects.read("format", 99)[0] == LAYOUT
    assert place.states() == [OK, OK, UNTRUSTED]


def test_damage_is_found_and_left_to_the_next_builder(place):
    key = place.add("a", b"one")
    place.add("b", b"two")
    name = blob_name(sha256(b"one").hexdigest())
    place.objects.write(name, b"0ne")
    assert place.states() == [DAMAGED, OK]
    assert isinstance(place.directory.read(key), Miss)
    (left,) = repair(place.directory)
    assert (left.action, left.path) == ("left alone", place.objects.address(name))
    place.add("a", b"one")
    assert place.states() == [OK, OK]
    place.objects.remove(manifest_name(key))
    assert place.directory.read(key).reason == ABSENT


def test_old_orphans_are_found_and_collected(place):
    place.add("a", b"one")
    with place.back(2 * DAY_S, "blobs/" + "a" * 2 + "/" + "b" * 62):
        place.objects.write("blobs/" + "a" * 2 + "/" + "b" * 62, b"orphan")
    if isinstance(place.objects, Folder):
        pytest.skip("a folder dates its files by the time of the change, too")
    assert place.states() == [OK, OTHER]
    assert collect(place.directory, Policy(dry_run=True)).blobs == 1
    assert collect(place.directory, Policy()).blobs == 1
    assert place.states() == [OK]


def test_the_least_recently_used_go_first_and_pins_stay(place):
    for number in range(5):
        place.add(f"n{number}", b"%d" % number * 100, age=(number + 2) * HOUR_S)
    oldest = place.entry(place.add("n5", b"5" * 100, age=9 * HOUR_S))
    pin(place.directory, oldest)
    assert is_pinned(place.directory, oldest)
    assert pinned(place.directory) == {("tables", "n5", oldest.key)}
    total = usage(place.directory).size_bytes
    done = collect(place.directory, Policy(max_size_bytes=total // 2))
    assert place.names() == {"n0", "n1", "n5"}
    assert (done.entries, done.kept_entries, done.pinned) == (3, 3, 1)
    assert unpin(place.directory, oldest)
    assert not unpin(place.directory, oldest)
    assert clear(place.directory, "tables", "n5").entries == 1
    assert place.names() == {"n0", "n1"}


def test_what_is_used_meanwhile_stays(place, monkeypatch):
    from emberkeep.store import eviction

    key = place.add("used", b"1", age=9 * HOUR_S)
    place.add("idle", b"2", age=8 * HOUR_S)

    def look_and_use(directory):
        records = read_records(directory)
        assert not isinstance(directory.read(key), Miss)
        place.objects.touch(manifest_name(key))
        return records

    read_records = eviction._read_records
    monkeypatch.setattr(eviction, "_read_records", look_and_use)
    collect(place.directory, Policy(max_size_bytes=0))
    assert place.names() == {"used"}


def test_a_collection_is_due_once_a_day(place):
    assert not take_turn(place.directory)
    place.add("a", b"1")
    with place.back(2 * DAY_S, "collected"):
        place.objects.write("collected", b"")
    assert take_turn(place.directory)
    assert not take_turn(place.directory)


def test_the_nearest_entry_is_found(place):
    place.add("a", b"1", n=1, m=1)
    place.add("a", b"2", n=2, m=2)
    trees = {"plan": fingerprint_mapping({"n": 2, "m": 3}, label="plan"), "build": BUILD}
    found = nearest(place.directory, "tables", trees)
    assert [(each.left, each.right) for each in found.differences] == [("2", "3")]


def test_another_layout_is_not_touched(place):
    kept = place.directory.read(place.add("a", b"1", age=9 * HOUR_S))
    place.objects.write("format", b"emberkeep 2\n")
    later = Directory(place.objects, verify, heals=False)
    for work in (lambda: collect(later, Policy(max_size_bytes=0)), lambda: list(later.entries())):
        with pytest.raises(StoreProblem, match="Upgrade emberkeep"):
            work()
    with pytest.raises(StoreProblem, match="Upgrade emberkeep"):
        later.write(kept)
