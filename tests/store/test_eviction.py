import os
import shutil
import time
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emberkeep.errors import StoreProblem
from emberkeep.store import files
from emberkeep.store.directory import Directory
from emberkeep.store.eviction import CLEAR_GRACE_S, QUARANTINE_S, Collected, Policy, clear, collect
from emberkeep.store.manifest import TRAILER
from emberkeep.store.manifest_writing import compose
from emberkeep.store.pins import pin, pinned
from emberkeep.store.protocol import BlobRef, Kept, Key, Manifest

HOUR = 3600.0
DAY = 24 * HOUR
# A file's ctime is now, whatever we do: in most tests, the collector's clock is half an hour on,
# and the grace period a few minutes.
AHEAD = HOUR / 2
GRACE = 600.0


def trust_all(digest, seal):
    return None


class Keep:
    """A keep to be filled with entries of a given age."""

    def __init__(self, root):
        self.start = time.time()
        self.now = self.start + AHEAD
        self.directory = Directory(str(root), trust_all)
        self.root = self.directory.root

    def add(self, label, *contents, age=DAY, kind="tables", name="a"):
        key = Key(kind, name, sha256(label.encode()).hexdigest(), sha256(b"build").hexdigest())
        refs = [
            BlobRef(str(index), sha256(content).hexdigest(), len(content))
            for index, content in enumerate(contents)
        ]
        manifest = Manifest(key, tuple(refs), None, 1.0, self.start, {})
        document = compose(manifest, {}, lambda digest: "0" * 64)
        blobs = {ref.role: content for ref, content in zip(refs, contents, strict=True)}
        self.directory.write(Kept(manifest, document, blobs))
        self.age(self.directory.manifest_path(key), age)
        return key

    def age(self, path, age_s):
        os.utime(path, (self.now - age_s,) * 2)

    def collect(self, **policy):
        policy = Policy(**{"grace_s": GRACE, **policy})
        return collect(self.directory, policy, now=self.now)

    def kept(self):
        return {entry.key for entry in self.directory.entries()}

    def entry(self, key):
        (found,) = (e for e in self.directory.entries() if e.key == str(key) and e.name == key.name)
        return found

    def blob(self, content):
        return self.directory.blob_path(sha256(content).hexdigest())

    def has_blob(self, content):
        return os.path.exists(self.blob(content))

    def put(self, *path, content=b"x"):
        path = os.path.join(self.root, *path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def put_newer_format(self, kind="tables", name="a"):
        """A manifest as a later emberkeep may write it."""
        lines = b'{"manifest":{"format":2,"parts":[]},\n"ingredients":{},\n'
        digest = sha256(lines).hexdigest().encode()
        key = "e" * 64 + "-" + "f" * 64
        path = self.put(kind, name, f"{key}.json", content=lines + TRAILER % (digest, b"0" * 64))
        self.age(path, 10 * DAY)
        return key

    def tree(self):
        return sorted(os.path.join(f, n) for f, _, names in os.walk(self.root) for n in names)


@pytest.fixture
def keep(tmp_path):
    return Keep(tmp_path / "keep")


# Age and size -----------------------------------------------------------------------------------


def test_without_limits_everything_stays(keep):
    keep.add("old", b"old", age=1000 * DAY)
    done = keep.collect()
    assert (done.entries, done.blobs, done.kept_entries) == (0, 0, 1)
    assert keep.has_blob(b"old")


def test_what_went_unused_for_too_long_goes_with_its_blobs(keep):
    old = keep.add("old", b"old", age=3 * DAY)
    new = keep.add("new", b"new", age=1 * DAY)
    size = os.path.getsize(keep.directory.manifest_path(old))
    done = keep.collect(max_age_s=2 * DAY)
    assert keep.kept() == {str(new)}
    assert (keep.has_blob(b"old"), keep.has_blob(b"new")) == (False, True)
    assert (done.entries, done.entries_size_bytes) == (1, size)
    assert (done.blobs, done.blobs_size_bytes) == (1, 3)
    left = os.path.getsize(keep.directory.manifest_path(new)) + 3
    assert (done.kept_entries, done.kept_size_bytes) == (1, left)


def test_the_least_recently_used_go_until_the_rest_fits(keep):
    ages = {"c": 3 * DAY, "a": 1 * DAY, "d": 4 * DAY, "b": 2 * DAY}
    keys = {label: keep.add(label, label.encode() * 1000, age=age) for label, age in ages.items()}
    each = os.path.getsize(keep.directory.manifest_path(keys["a"])) + 1000
    done = keep.collect(max_size_bytes=2 * each)
    assert keep.kept() == {str(keys["a"]), str(keys["b"])}
    assert done.kept_size_bytes == 2 * each
    keep.collect(max_size_bytes=2 * each - 1)
    assert keep.kept() == {str(keys["a"])}


def test_last_use_counts_not_when_it_was_made(keep):
    first = keep.add("first", b"1" * 1000, age=9 * DAY)
    second = keep.add("second", b"2" * 1000, age=5 * DAY)
    assert not hasattr(keep.directory.read(first), "reason")  # a hit notes the use
    keep.collect(max_age_s=2 * DAY)
    assert keep.kept() == {str(first)}
    assert str(second) not in keep.kept()


def test_a_last_use_in_the_future_counts_as_when_the_file_was_put_there(keep):
    future = keep.add("future", b"1", age=-365 * DAY)
    keep.collect(max_age_s=0.0)  # put there half an hour ago, by the collector's clock
    assert str(future) not in keep.kept()


def test_manifests_count_too(keep):
    keep.add("empty")
    assert keep.collect(max_size_bytes=10).entries == 1


def test_a_shared_blob_counts_once_and_stays_while_anybody_names_it(keep):
    shared = b"shared" * 1000
    keys = [keep.add(label, shared, age=age * DAY) for label, age in (("x", 3), ("y", 2), ("z", 1))]
    manifest = os.path.getsize(keep.directory.manifest_path(keys[0]))
    done = keep.collect(max_size_bytes=3 * manifest + len(shared))
    assert (done.entries, done.kept_size_bytes) == (0, 3 * manifest + len(shared))
    done = keep.collect(max_size_bytes=manifest + len(shared))
    assert (done.entries, done.blobs) == (2, 0)
    assert keep.has_blob(shared)
    assert keep.collect(max_size_bytes=0).blobs_size_bytes == len(shared)
    assert not keep.has_blob(shared)


# What must stay ---------------------------------------------------------------------------------


def test_pinned_entries_stay_with_their_blobs(keep):
    key = keep.add("pinned", b"pinned", age=99 * DAY)
    keep.add("other", b"other", age=1 * DAY)
    pin(keep.directory, keep.entry(key))
    done = keep.collect(max_size_bytes=0, max_age_s=0.0)
    assert keep.kept() == {str(key)}
    assert keep.has_blob(b"pinned")
    assert (done.pinned, done.entries, done.kept_entries) == (1, 1, 1)


def test_a_pin_holds_for_its_own_kind_and_name_only(keep):
    one = keep.add("same", b"1", name="a")
    keep.add("same", b"2", name="b")
    pin(keep.directory, keep.entry(one))
    keep.collect(max_size_bytes=0)
    assert [entry.name for entry in keep.directory.entries()] == ["a"]


@pytest.mark.parametrize("protected", ["pinned", "young"])
def test_what_must_stay_counts_in_the_total(keep, protected):
    stays = keep.add("stays", b"1" * 5000, age=1.0 if protected == "young" else 9 * DAY)
    keep.add("goes", b"2" * 1000)
    if protected == "pinned":
        pin(keep.directory, keep.entry(stays))
    keep.collect(max_size_bytes=5000)
    assert keep.kept() == {str(stays)}


def test_what_is_younger_than_the_grace_period_stays(keep):
    young = keep.add("young", b"young", age=GRACE - 1)
    keep.add("old", b"old", age=GRACE + 1)
    done = keep.collect(max_size_bytes=0, max_age_s=0.0)
    assert keep.kept() == {str(young)}
    assert (done.young, done.kept_entries) == (1, 1)


def test_an_entry_that_was_used_while_we_looked_stays(keep, monkeypatch):
    used = keep.add("used", b"used", age=5 * DAY)
    keep.add("idle", b"idle", age=6 * DAY)
    from emberkeep.store import eviction

    def look_and_use(directory):
        monkeypatch.undo()
        records = eviction._read_records(directory)
        keep.age(keep.directory.manifest_path(used), 0.0)
        return records

    monkeypatch.setattr(eviction, "_read_records", look_and_use)
    done = keep.collect(max_size_bytes=0)
    assert keep.kept() == {str(used)}
    assert keep.has_blob(b"used")
    assert done.entries == 1


def test_files_that_are_no_manifests_of_ours_stay(keep):
    keep.add("ours")
    path = keep.put("tables", "a", "settings.json", content=b"{}")
    keep.age(path, 99 * DAY)
    keep.collect(max_size_bytes=0, max_age_s=0.0)
    clear(keep.directory)
    assert os.path.exists(path)
    assert len(keep.kept()) == 1


@pytest.mark.parametrize("act", ["collect", "clear"])
def test_a_folder_that_is_no_keep_is_left_alone(keep, act):
    path = keep.put("tables", "a", "0" * 64 + "-" + "1" * 64 + ".json")
    os.makedirs(os.path.join(keep.root, "empty", "folder"))
    keep.age(path, 99 * DAY)
    done = keep.collect(max_size_bytes=0) if act == "collect" else clear(keep.directory)
    assert done == Collected()
    assert os.path.exists(path)
    assert os.path.exists(os.path.join(keep.root, "empty", "folder"))


@pytest.mark.parametrize("act", ["collect", "clear"])
def test_an_unknown_layout_is_left_alone(keep, act):
    keep.add("old", b"old", age=99 * DAY)  # which also makes the directory know its layout
    keep.put("format", content=b"emberkeep 2\n")
    before = keep.tree()
    with pytest.raises(StoreProblem, match="laid out as"):
        keep.collect(max_size_bytes=0) if act == "collect" else clear(keep.directory)
    assert keep.tree() == before


def test_a_keep_that_does_not_exist_is_empty_and_stays_so(keep):
    assert keep.collect(max_size_bytes=0) == Collected()
    assert clear(keep.directory) == Collected()
    assert not os.path.exists(keep.root)


# Namespaces -------------------------------------------------------------------------------------


def test_only_the_given_kind_goes_and_the_size_is_that_of_the_kind(keep):
    keep.add("1", b"1" * 5000, kind="tables", age=9 * DAY)
    first = keep.add("2", b"2" * 1000, kind="xla", age=2 * DAY)
    second = keep.add("3", b"3" * 1000, kind="xla", age=1 * DAY)
    each = os.path.getsize(keep.directory.manifest_path(first)) + 1000
    done = keep.collect(kind="xla", max_size_bytes=2 * each)
    assert (done.entries, done.kept_entries, done.kept_size_bytes) == (0, 2, 2 * each)
    done = keep.collect(kind="xla", max_size_bytes=each)
    assert (done.entries, done.kept_entries) == (1, 1)
    assert {(entry.kind, entry.key) for entry in keep.directory.entries()} == {
        ("tables", str(keep.add("1", b"1" * 5000, kind="tables", age=9 * DAY))),
        ("xla", str(second)),
    }


def test_only_the_given_name_goes_whatever_letters_it_has(keep):
    keep.add("1", b"1", name="a/b ü")
    keep.add("2", b"2", name="a")
    done = keep.collect(name="a/b ü", max_size_bytes=0)
    assert done.entries == 1
    assert [entry.name for entry in keep.directory.entries()] == ["a"]


def test_a_blob_that_another_kind_names_stays(keep):
    keep.add("1", b"both", kind="tables")
    keep.add("2", b"both", kind="xla")
    done = keep.collect(kind="xla", max_size_bytes=0)
    assert (done.entries, done.blobs) == (1, 0)
    assert keep.has_blob(b"both")


# Blobs ------------------------------------------------------------------------------------------


def test_blobs_that_nothing_names_go_even_when_no_entry_does(keep):
    key = keep.add("1", b"orphan")
    keep.directory.remove(key)
    done = keep.collect()
    assert (done.blobs, done.blobs_size_bytes) == (1, 6)


def test_a_blob_that_was_written_or_touched_within_the_grace_period_stays(keep):
    keep.directory.remove(keep.add("1", b"touched"))
    keep.age(keep.blob(b"touched"), GRACE - 60)
    assert keep.collect().blobs == 0
    keep.age(keep.blob(b"touched"), 5 * DAY)
    # By its time of modification it is old; put there (ctime) it was a moment ago.
    assert collect(keep.directory, Policy(grace_s=GRACE), now=keep.start).blobs == 0
    assert keep.collect().blobs == 1


def test_a_blob_that_is_touched_while_we_look_stays(keep, monkeypatch):
    keep.directory.remove(keep.add("1", b"again"))
    from emberkeep.store import eviction

    def look_and_publish(directory):
        monkeypatch.undo()
        records = eviction._read_records(directory)
        keep.age(keep.blob(b"again"), 0.0)
        return records

    monkeypatch.setattr(eviction, "_read_records", look_and_publish)
    assert keep.collect().blobs == 0


def test_an_untrusted_manifest_still_holds_its_blobs(keep):
    keep.add("1", b"theirs")
    keep.directory = Directory(keep.root, lambda digest, seal: "sealed by somebody else")
    done = keep.collect()
    assert (done.blobs, done.foreign) == (0, False)
    assert keep.has_blob(b"theirs")


def test_a_damaged_manifest_holds_no_blobs(keep):
    key = keep.add("1", b"content")
    with open(keep.directory.manifest_path(key), "r+b") as file:
        file.seek(20)
        file.write(b"X")
    done = keep.collect()
    assert (done.blobs, done.foreign) == (1, False)


def test_a_newer_format_keeps_every_blob_and_stays_itself(keep):
    keep.add("1", b"may be needed", age=9 * DAY)
    newer = keep.put_newer_format()
    done = keep.collect(max_size_bytes=0, max_age_s=0.0)
    assert keep.kept() == {newer}
    assert (done.foreign, done.entries, done.blobs) == (True, 1, 0)
    assert keep.has_blob(b"may be needed")


def test_a_whole_manifest_of_another_shape_keeps_every_blob_too(keep):
    keep.directory.remove(keep.add("1", b"may be needed"))
    lines = b'{"something":"else"}\n'
    digest = sha256(lines).hexdigest().encode()
    document = lines + TRAILER % (digest, b"0" * 64)
    keep.put("tables", "a", "0" * 64 + "-" + "1" * 64 + ".json", content=document)
    assert (keep.collect().foreign, keep.collect().blobs) == (True, 0)


def test_a_newer_format_in_another_kind_keeps_every_blob(keep):
    keep.directory.remove(keep.add("1", b"may be needed"))
    keep.put_newer_format(kind="future")
    done = keep.collect(kind="tables", max_size_bytes=0)
    assert (done.foreign, done.blobs) == (True, 0)


def test_a_manifest_that_cannot_be_read_keeps_every_blob(keep, monkeypatch):
    broken = keep.add("1", b"needed")
    keep.directory.remove(keep.add("2", b"orphan"))
    path, read = keep.directory.manifest_path(broken), files.read_with_facts

    def fail(name, limit):
        if name == path:
            raise PermissionError(13, "no")
        return read(name, limit)

    monkeypatch.setattr(files, "read_with_facts", fail)
    done = keep.collect(max_size_bytes=0)
    assert (done.foreign, done.entries, done.blobs) == (True, 0, 0)
    assert keep.has_blob(b"orphan")


def test_what_is_no_blob_by_its_name_stays(keep):
    keep.add("1", b"1")
    for name in ("README", "A" * 62, "0" * 61, "z" * 62):
        keep.put("blobs", "ab", name)
    assert keep.collect().blobs == 0


# Leftovers --------------------------------------------------------------------------------------


def test_temporaries_of_dead_writers_go_those_of_living_ones_stay(keep):
    keep.add("1")
    old = keep.put("temporary", "12-abc")
    young = keep.put("temporary", "13-abc")
    keep.age(young, 1.0)
    done = keep.collect()
    assert done.temporaries == 1
    assert (os.path.exists(old), os.path.exists(young)) == (False, True)


def test_leases_that_nobody_holds_go_and_one_that_is_held_stays(keep):
    import fcntl

    keep.add("1")
    dead, held = keep.put("leases", "1.lock"), keep.put("leases", "2.lock")
    failed = keep.put("leases", "1.lock.failed")
    young = keep.put("leases", "3.lock")
    keep.age(young, 1.0)
    with open(held) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert keep.collect().temporaries == 2
        assert [os.path.exists(p) for p in (dead, failed, held, young)] == [
            False,
            False,
            True,
            True,
        ]


def test_quarantine_is_emptied_after_a_week(keep):
    keep.add("1")
    path = keep.put("quarantine", "1-abc-x.json")
    keep.age(path, 99 * DAY)  # damaged long ago, and found just now
    assert keep.collect().quarantined == 0
    later = keep.start + QUARANTINE_S
    assert collect(keep.directory, Policy(), now=later - 60).quarantined == 0
    assert collect(keep.directory, Policy(), now=later + 60).quarantined == 1
    assert not os.path.exists(path)


def test_statistics_are_folded(keep):
    keep.add("1")
    for name in ("1-a.tsv", "2-b.tsv"):
        path = keep.put("statistics", name, content=b"hit\tk\tlocal\t1\t0.5\n")
        os.utime(path, (keep.start - DAY,) * 2)
    keep.collect(dry_run=True)
    assert len(os.listdir(os.path.join(keep.root, "statistics"))) == 2
    keep.collect()
    assert len(os.listdir(os.path.join(keep.root, "statistics"))) == 1


def test_empty_folders_go(keep):
    keep.add("1", b"1", kind="k", name="n")
    keep.add("2", b"2", kind="stays", name="n", age=0.0)
    keep.collect(max_size_bytes=0)
    assert not os.path.exists(os.path.join(keep.root, "k"))
    assert os.path.exists(os.path.join(keep.root, "stays", "n"))
    assert len(os.listdir(os.path.join(keep.root, "blobs"))) == 1


def test_a_dry_run_counts_the_same_and_changes_nothing(keep):
    keep.add("1", b"1", age=9 * DAY)
    keep.add("2", b"2", age=1 * DAY)
    keep.directory.remove(keep.add("3", b"3"))
    keep.put("temporary", "12-abc")
    before = keep.tree()
    planned = keep.collect(max_age_s=2 * DAY, dry_run=True)
    assert keep.tree() == before
    assert planned == keep.collect(max_age_s=2 * DAY)
    assert (planned.entries, planned.blobs, planned.temporaries) == (1, 2, 1)


# Others at work ---------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["list_blobs", "_read_records", "pinned", "_choose", "_sweep"])
def test_a_root_that_vanishes_is_no_error(keep, monkeypatch, moment):
    from emberkeep.store import eviction

    for index in range(5):
        keep.add(str(index), str(index).encode(), age=(index + 1) * DAY)
    original = getattr(eviction, moment)

    def vanish(*args, **keywords):
        shutil.rmtree(keep.root)
        return original(*args, **keywords)

    monkeypatch.setattr(eviction, moment, vanish)
    keep.collect(max_size_bytes=0)
    assert not os.path.exists(keep.root)


def test_a_manifest_that_vanishes_is_no_error(keep, monkeypatch):
    gone = keep.add("gone", b"gone")
    keep.add("there", b"there")
    read = files.read_with_facts

    def vanish(name, limit):
        if name == keep.directory.manifest_path(gone) and os.path.exists(name):
            os.unlink(name)
        return read(name, limit)

    monkeypatch.setattr(files, "read_with_facts", vanish)
    done = keep.collect()
    assert (done.kept_entries, done.foreign) == (1, False)


# Clearing ---------------------------------------------------------------------------------------


def test_clear_removes_a_namespace_whatever_its_age(keep):
    keep.add("1", b"1", kind="tables", name="a", age=0.0)
    keep.add("2", b"2", kind="tables", name="b", age=0.0)
    keep.add("3", b"3", kind="xla", name="a", age=0.0)
    assert clear(keep.directory, "tables", "a").entries == 1
    assert {(e.kind, e.name) for e in keep.directory.entries()} == {("tables", "b"), ("xla", "a")}
    assert clear(keep.directory, "tables").entries == 1
    assert {e.kind for e in keep.directory.entries()} == {"xla"}
    done = clear(keep.directory)
    assert (done.entries, done.kept_entries) == (1, 0)
    assert keep.kept() == set()


def test_clear_respects_pins_unless_told(keep):
    key = keep.add("1", b"1")
    keep.add("2", b"2")
    pin(keep.directory, keep.entry(key))
    done = clear(keep.directory)
    assert (done.entries, done.kept_entries, done.pinned) == (1, 1, 1)
    assert keep.kept() == {str(key)}
    done = clear(keep.directory, pinned=True)
    assert (done.entries, done.kept_entries, done.pinned) == (1, 0, 0)
    assert pinned(keep.directory) == set()


def test_clear_leaves_the_pins_of_other_namespaces(keep):
    key = keep.add("1", kind="xla")
    keep.add("2", kind="tables")
    pin(keep.directory, keep.entry(key))
    clear(keep.directory, "tables", pinned=True)
    assert len(pinned(keep.directory)) == 1


def test_clear_removes_blobs_unless_somebody_may_be_publishing_them(keep, monkeypatch):
    keep.add("1", b"1")
    assert clear(keep.directory).blobs == 0
    later = time.time() + CLEAR_GRACE_S + 1
    monkeypatch.setattr("emberkeep.store.eviction._clock_of", lambda _: later)
    assert clear(keep.directory).blobs == 1


def test_clear_keeps_the_blobs_of_a_newer_format_that_stays(keep, monkeypatch):
    keep.add("1", b"1", kind="tables")
    keep.put_newer_format(kind="future")
    later = time.time() + CLEAR_GRACE_S + 1
    monkeypatch.setattr("emberkeep.store.eviction._clock_of", lambda _: later)
    done = clear(keep.directory, "tables")
    assert (done.entries, done.blobs, done.foreign) == (1, 0, True)
    done = clear(keep.directory)
    assert (done.entries, done.blobs, done.foreign) == (0, 0, True), "it is not ours to remove"
    assert [entry.kind for entry in keep.directory.entries()] == ["future"]


# Against a model --------------------------------------------------------------------------------

CONTENTS = [bytes([65 + index]) * (index * 700 + 1) for index in range(5)]
ENTRIES = st.lists(
    st.fixed_dictionaries(
        {
            "contents": st.sets(st.sampled_from(range(5)), max_size=3),
            "age": st.sampled_from([0.0, 300.0, 900.0, DAY, 2 * DAY, 3 * DAY, 4 * DAY, 5 * DAY]),
            "kind": st.sampled_from(["tables", "xla"]),
            "name": st.sampled_from(["a", "b"]),
            "pinned": st.booleans(),
            "removed": st.booleans(),  # by its user: its blobs are orphans
        }
    ),
    max_size=8,
)
POLICIES = st.fixed_dictionaries(
    {
        "max_size_bytes": st.none() | st.integers(0, 12_000),
        "max_age_s": st.none() | st.sampled_from([0.0, 600.0, 1.5 * DAY, 3.5 * DAY]),
        "kind": st.sampled_from([None, "tables"]),
        "name": st.sampled_from([None, "a"]),
        "grace_s": st.sampled_from([0.0, GRACE, 1.5 * DAY]),
    }
)


def expected(entries, policy, keep):
    """The rules, read aloud: the entries and the blobs that must be left."""

    def weight(left):
        named = set().union(*(entry["contents"] for entry in left)) if left else set()
        return sum(entry["size"] for entry in left) + sum(len(CONTENTS[n]) for n in named)

    left = [entry for entry in entries if not entry["removed"]]
    in_question = [
        entry
        for entry in left
        if policy["kind"] in (None, entry["kind"]) and policy["name"] in (None, entry["name"])
    ]
    for victim in sorted(in_question, key=lambda entry: -entry["age"]):
        if victim["pinned"] or victim["age"] < policy["grace_s"]:
            continue
        present = [entry for entry in in_question if entry in left]
        too_old = policy["max_age_s"] is not None and victim["age"] > policy["max_age_s"]
        too_big = (
            policy["max_size_bytes"] is not None and weight(present) > policy["max_size_bytes"]
        )
        if too_old or too_big:
            left.remove(victim)
    named = set().union(*(entry["contents"] for entry in left)) if left else set()
    written = set().union(*(entry["contents"] for entry in entries)) if entries else set()
    if policy["grace_s"] > AHEAD:  # every blob was written within it
        return left, written
    return left, named


@settings(max_examples=150, deadline=None)
@given(ENTRIES, POLICIES)
def test_as_the_model_says(tmp_path_factory, entries, policy):
    root = tmp_path_factory.mktemp("model") / "keep"
    keep = Keep(root)
    for index, entry in enumerate(entries):
        entry["age"] += index / 8  # no two alike: who goes first is then one answer
        contents = [CONTENTS[number] for number in sorted(entry["contents"])]
        key = keep.add(
            str(index), *contents, age=entry["age"], kind=entry["kind"], name=entry["name"]
        )
        entry["key"] = str(key)
        entry["size"] = os.path.getsize(keep.directory.manifest_path(key))
        if entry["pinned"]:
            pin(keep.directory, keep.entry(key))
        if entry["removed"]:
            keep.directory.remove(key)
    left, blobs = expected(entries, policy, keep)
    planned = collect(keep.directory, Policy(**policy, dry_run=True), now=keep.now)
    done = collect(keep.directory, Policy(**policy), now=keep.now)
    assert planned == done
    assert keep.kept() == {entry["key"] for entry in left}
    assert {n for n, content in enumerate(CONTENTS) if keep.has_blob(content)} == blobs
    shutil.rmtree(root, ignore_errors=True)
