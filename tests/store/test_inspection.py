import os
import time
from hashlib import sha256

import pytest

from emberkeep.errors import StoreProblem
from emberkeep.keys import fingerprint_mapping
from emberkeep.store import inspection
from emberkeep.store.directory import Directory
from emberkeep.store.inspection import inspect, usage
from emberkeep.store.manifest import TRAILER
from emberkeep.store.manifest_writing import compose
from emberkeep.store.neighbours import compare, nearest
from emberkeep.store.pins import pin
from emberkeep.store.protocol import BlobRef, Kept, Key, Manifest, Miss
from emberkeep.store.repair import repair

GOOD_SEAL = "0" * 64


def verify(manifest, stamps):
    return None if stamps.seal == GOOD_SEAL else "sealed by somebody else"


def trees(**plan):
    build = {"target": plan.pop("target", "cpu")}
    return {
        "plan": fingerprint_mapping(plan, label="plan"),
        "build": fingerprint_mapping(build, label="build"),
    }


class Keep:
    def __init__(self, root):
        self.directory = Directory(str(root), verify)
        self.root = self.directory.root

    def add(self, *contents, kind="tables", name="a", seal=GOOD_SEAL, made_at=1000.0, **plan):
        halves = trees(**plan)
        key = Key(kind, name, halves["plan"].digest, halves["build"].digest)
        refs = [
            BlobRef(f"role{index}", sha256(content).hexdigest(), len(content))
            for index, content in enumerate(contents)
        ]
        manifest = Manifest(key, tuple(refs), None, 1.0, made_at, {})
        document = compose(manifest, halves, lambda digest: seal)
        blobs = {ref.role: content for ref, content in zip(refs, contents, strict=True)}
        self.directory.write(Kept(manifest, document, blobs))
        return key

    def blob(self, content):
        return self.directory.blob_path(sha256(content).hexdigest())

    def findings(self):
        return [(f.state, f.role) for f in inspect(self.directory)]

    def later(self, monkeypatch, seconds=7200.0):
        """Let the time pass that tells what is stray from what is being written."""
        now = time.time() + seconds
        monkeypatch.setattr(inspection.time, "time", lambda: now)


@pytest.fixture
def keep(tmp_path):
    return Keep(tmp_path / "keep")


def flip(path):
    with open(path, "r+b") as file:
        byte = file.read(1)
        file.seek(0)
        file.write(bytes([byte[0] ^ 1]))


# usage ------------------------------------------------------------------------------------------


def test_usage_counts_by_listing_alone(keep, monkeypatch):
    a = keep.add(b"shared", b"12345", kind="tables", x=1)
    keep.add(b"shared", kind="tables", x=2)
    keep.add(b"123", kind="xla", x=1)
    pin(keep.directory, next(e for e in keep.directory.entries() if e.key == str(a)))
    keep.directory.read_entry = None
    found = usage(keep.directory)
    assert {kind: its.entries for kind, its in found.kinds.items()} == {"tables": 2, "xla": 1}
    assert (found.entries, found.blobs, found.blobs_size_bytes) == (3, 3, 6 + 5 + 3)
    manifests = sum(entry.size_bytes for entry in keep.directory.entries())
    assert found.size_bytes == manifests + 14
    assert found.pinned == 1


def test_usage_of_nothing(keep):
    assert (usage(keep.directory).entries, usage(keep.directory).size_bytes) == (0, 0)


@pytest.mark.parametrize("look", [usage, repair, lambda directory: list(inspect(directory))])
def test_an_unknown_layout_is_not_read(keep, look):
    keep.add(b"1", x=1)
    with open(os.path.join(keep.root, "format"), "wb") as file:
        file.write(b"emberkeep 2\n")
    with pytest.raises(StoreProblem, match="laid out as"):
        look(keep.directory)


@pytest.mark.parametrize("look", [usage, repair, lambda directory: list(inspect(directory))])
def test_a_folder_that_is_no_keep_is_not_touched(keep, look):
    path = os.path.join(keep.root, "a", "b", "c.json")
    os.makedirs(os.path.dirname(path))
    with open(path, "wb"):
        pass
    look(keep.directory)
    assert os.path.exists(path)


# inspect ----------------------------------------------------------------------------------------


def test_entries_without_trouble_are_ok(keep):
    keep.add(b"1", b"2", x=1)
    keep.add(x=2)
    assert keep.findings() == [("ok", "manifest")] * 2


def test_a_damaged_manifest(keep):
    flip(keep.directory.manifest_path(keep.add(b"1", x=1)))
    assert keep.findings() == [("damaged", "manifest")]


def test_a_manifest_in_another_place_is_damaged(keep):
    path = keep.directory.manifest_path(keep.add(b"1", x=1))
    os.makedirs(os.path.join(keep.root, "tables", "elsewhere"))
    os.rename(path, os.path.join(keep.root, "tables", "elsewhere", os.path.basename(path)))
    assert keep.findings() == [("damaged", "manifest")]


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (flip, "does not have the digest"),
        (os.unlink, "is missing"),
        (lambda path: os.truncate(path, 2), "has 2 of its 6 bytes"),
        (lambda path: os.truncate(path, 10), "is larger than its 6 bytes"),
    ],
)
def test_a_damaged_blob_is_named_by_its_role(keep, harm, said):
    keep.add(b"fine", b"broken", x=1)
    harm(keep.blob(b"broken"))
    (finding,) = inspect(keep.directory)
    assert (finding.state, finding.role) == ("damaged", "role1")
    assert finding.detail.startswith("the blob 'role1'")
    assert said in finding.detail
    assert finding.path == keep.blob(b"broken")


def test_a_damaged_blob_is_found_for_each_entry_that_names_it(keep):
    keep.add(b"shared", x=1)
    keep.add(b"shared", x=2)
    flip(keep.blob(b"shared"))
    assert keep.findings() == [("damaged", "role0")] * 2


def test_an_untrusted_manifest(keep):
    keep.add(b"1", x=1, seal="f" * 64)
    assert keep.findings() == [("untrusted", "manifest")]


def add_newer_format(keep):
    lines = b'{"manifest":{"format":2},\n"ingredients":{},\n'
    path = os.path.join(keep.root, "tables", "a", "e" * 64 + "-" + "f" * 64 + ".json")
    with open(path, "wb") as file:
        file.write(lines + TRAILER % (sha256(lines).hexdigest().encode(), b"0" * 64))


def test_others_are_a_newer_format_and_files_that_are_no_manifests(keep):
    keep.add(b"1", x=1)
    add_newer_format(keep)
    with open(os.path.join(keep.root, "tables", "a", "notes.json"), "wb") as file:
        file.write(b"{}")
    assert sorted(keep.findings()) == [
        ("ok", "manifest"),
        ("other", "manifest"),
        ("other", "manifest"),
    ]


def test_orphans_are_counted_once_they_cannot_be_on_their_way(keep, monkeypatch):
    keep.directory.remove(keep.add(b"123", b"4567", x=1))
    keep.add(b"named", x=2)
    assert keep.findings() == [("ok", "manifest")]
    keep.later(monkeypatch)
    _, orphans = inspect(keep.directory)
    assert (orphans.state, orphans.role) == ("other", "orphans")
    assert orphans.detail.startswith("2 blobs (7 bytes)")


def test_blobs_of_an_untrusted_entry_are_no_orphans(keep, monkeypatch):
    keep.add(b"123", x=1, seal="f" * 64)
    keep.later(monkeypatch)
    assert keep.findings() == [("untrusted", "manifest")]


def test_nobody_knows_what_is_an_orphan_beside_a_newer_format(keep, monkeypatch):
    keep.directory.remove(keep.add(b"123", x=1))
    add_newer_format(keep)
    keep.later(monkeypatch)
    assert keep.findings() == [("other", "manifest")]


def test_stray_temporaries_are_counted(keep, monkeypatch):
    keep.add(x=1)
    with open(os.path.join(keep.root, "temporary", "1-abc"), "wb"):
        pass
    assert keep.findings() == [("ok", "manifest")]
    keep.later(monkeypatch)
    assert keep.findings() == [("ok", "manifest"), ("other", "temporary")]


def test_inspecting_changes_nothing(keep, monkeypatch):
    flip(keep.directory.manifest_path(keep.add(b"1", x=1)))
    keep.add(b"2", x=2)
    flip(keep.blob(b"2"))
    before = sorted(os.path.join(f, n) for f, _, names in os.walk(keep.root) for n in names)
    keep.findings()
    after = sorted(os.path.join(f, n) for f, _, names in os.walk(keep.root) for n in names)
    assert before == after


def test_an_entry_that_is_evicted_meanwhile_is_no_finding(keep, monkeypatch):
    key = keep.add(b"1", x=1)
    read = keep.directory.read_entry

    def read_and_evict(entry):
        found = read(entry)
        keep.directory.remove(key)
        os.unlink(keep.blob(b"1"))
        return found

    monkeypatch.setattr(keep.directory, "read_entry", read_and_evict)
    assert keep.findings() == []


# repair -----------------------------------------------------------------------------------------


def quarantined(keep):
    folder = os.path.join(keep.root, "quarantine")
    return len(os.listdir(folder)) if os.path.isdir(folder) else 0


def test_there_is_nothing_to_repair(keep):
    keep.add(b"1", x=1)
    keep.add(b"2", x=2, seal="f" * 64)
    add_newer_format(keep)
    before = keep.findings()
    assert repair(keep.directory) == ()
    assert keep.findings() == before


def test_a_damaged_manifest_goes_to_quarantine(keep):
    path = keep.directory.manifest_path(keep.add(b"1", x=1))
    flip(path)
    (done,) = repair(keep.directory)
    assert (done.action, done.path) == ("moved to quarantine", path)
    assert (quarantined(keep), os.path.exists(path)) == (1, False)
    assert repair(keep.directory) == ()


def test_a_damaged_blob_goes_to_quarantine_and_every_manifest_that_needs_it_is_removed(keep):
    keep.add(b"shared", x=1)
    keep.add(b"shared", x=2)
    keep.add(b"other", x=3)
    flip(keep.blob(b"shared"))
    done = repair(keep.directory)
    assert sorted(action.action for action in done) == ["moved to quarantine", "removed", "removed"]
    assert quarantined(keep) == 1
    assert keep.findings() == [("ok", "manifest")]


def test_a_manifest_whose_blob_is_missing_is_removed(keep):
    key = keep.add(b"1", b"2", x=1)
    os.unlink(keep.blob(b"2"))
    (done,) = repair(keep.directory)
    assert (done.action, done.path) == ("removed", keep.directory.manifest_path(key))
    assert isinstance(keep.directory.read(key), Miss)


def test_what_was_healed_meanwhile_is_put_back(keep, monkeypatch):
    key = keep.add(b"content", x=1)
    path = keep.directory.manifest_path(key)
    with open(path, "rb") as file:
        good = file.read()
    move = keep.directory.move_away

    def heal_and_move(name):
        with open(path, "wb") as file:
            file.write(good)
        with open(keep.blob(b"content"), "wb") as file:
            file.write(b"content")
        return move(name)

    monkeypatch.setattr(keep.directory, "move_away", heal_and_move)
    for harmed in (path, keep.blob(b"content")):
        flip(harmed)
        assert repair(keep.directory) == ()
        assert keep.findings() == [("ok", "manifest")]
    assert quarantined(keep) == 0


def test_what_cannot_be_moved_is_left_and_said(keep):
    flip(keep.directory.manifest_path(keep.add(b"1", x=1)))
    keep.add(b"2", x=2)
    flip(keep.blob(b"2"))
    only_reads = Directory(keep.root, verify, heals=False)
    assert [done.action for done in repair(only_reads)] == ["left alone", "left alone"]
    assert len(list(keep.directory.entries())) == 2


def test_old_temporaries_are_reaped(keep, monkeypatch):
    keep.add(x=1)
    path = os.path.join(keep.root, "temporary", "1-abc")
    with open(path, "wb"):
        pass
    assert repair(keep.directory) == ()
    keep.later(monkeypatch)
    (done,) = repair(keep.directory)
    assert done.action == "removed"
    assert not os.path.exists(path)


# nearest ----------------------------------------------------------------------------------------


def test_the_nearest_differs_in_the_fewest_leaves(keep):
    keep.add(x=1, y=1, z=1)
    near = keep.add(x=2, y=2, z=1)
    found = nearest(keep.directory, "tables", trees(x=2, y=2, z=2))
    assert found.entry.key == str(near)
    (difference,) = found.differences
    assert (difference.path, difference.left, difference.right) == ("plan.z", "1", "2")


def test_both_halves_are_compared(keep):
    keep.add(x=1, target="cpu")
    found = nearest(keep.directory, "tables", trees(x=1, target="cuda"))
    assert [d.path for d in found.differences] == ["build.target"]


def test_the_same_name_comes_first_however_much_others_resemble(keep):
    mine = keep.add(name="mine", x=1, y=1)
    other = keep.add(name="other", x=2, y=1)
    wanted = trees(x=2, y=2)
    assert nearest(keep.directory, "tables", wanted, name="mine").entry.key == str(mine)
    found = nearest(keep.directory, "tables", wanted, name="third")
    assert found.entry.key == str(other)
    assert [d.path for d in found.differences] == ["name", "plan.y"]


def test_other_kinds_and_newer_entries_are_not_looked_at(keep):
    keep.add(kind="xla", x=1)
    assert nearest(keep.directory, "tables", trees(x=2)) is None
    old = keep.add(x=1, y=1, made_at=500.0)
    keep.add(x=2, y=1, made_at=1500.0)
    found = nearest(keep.directory, "tables", trees(x=2, y=2), before=1000.0)
    assert found.entry.key == str(old)


def test_of_equally_near_ones_the_newest(keep):
    keep.add(x=1, made_at=500.0)
    newer = keep.add(x=2, made_at=600.0)
    keep.add(x=3, made_at=400.0)
    assert nearest(keep.directory, "tables", trees(x=9)).entry.key == str(newer)


def test_the_very_same_entry_is_no_neighbour(keep):
    keep.add(x=1)
    assert nearest(keep.directory, "tables", trees(x=1)) is None
    assert compare(trees(x=1), trees(x=1)) == ()


def test_damaged_and_untrusted_entries_are_no_neighbours(keep):
    flip(keep.directory.manifest_path(keep.add(x=1)))
    keep.add(x=2, seal="f" * 64)
    assert nearest(keep.directory, "tables", trees(x=3)) is None
