"""What manifests said is remembered: a hint, that counts for nothing where it may be wrong."""

import os

import pytest

from emberkeep.store import summaries
from emberkeep.store.directory import Directory
from emberkeep.store.eviction import Policy, collect
from emberkeep.store.layout import blob_name, entry_name, manifest_name
from emberkeep.store.object_store import Folder
from emberkeep.store.protocol import DAMAGED, UNTRUSTED, Notebook
from emberkeep.store.summaries import OK, holdings, manifest_names, survey
from emberkeep.testing import Dictionary, kept

MANY = summaries.FEW + 5


def mine(digest):
    return digest[::-1]


class Counted:
    """A place that counts what is read."""

    def __init__(self, inner):
        self.inner = inner
        self.read_names = []

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def read(self, name, limit):
        self.read_names.append(name)
        return self.inner.read(name, limit)

    def manifests_read(self):
        found = [name for name in self.read_names if name.endswith(".json")]
        self.read_names.clear()
        return len(found)


class Bench:
    def __init__(self, root, inner):
        self.root = root
        self.said = "nothing"
        self.problem = None
        self.place = Counted(inner)
        Directory(root, self.verify).write(kept(name="the user's own"))
        self.directory = self.open()
        for number in range(MANY):
            self.add(number)

    def verify(self, _manifest, _stamps):
        return self.problem

    def open(self, seal=mine, **options):
        notebook = Notebook(self.root, seal)
        return Directory(
            self.place, self.verify, standing=lambda: self.said, notebook=notebook, **options
        )

    def add(self, number, blob=b""):
        artifact = kept(kind="tables", name=f"n {number}", blobs={"x": blob or b"%d" % number * 9})
        self.directory.write(artifact)
        self.place.manifests_read()
        return artifact.manifest.key

    def look(self, directory=None):
        found = survey(directory or self.directory)
        return self.place.manifests_read(), found

    @property
    def notes(self):
        (name,) = os.listdir(os.path.join(self.root, "notes"))
        return os.path.join(self.root, "notes", name)


@pytest.fixture(params=[Folder, Dictionary])
def bench(request, tmp_path):
    inner = Folder(str(tmp_path / "place")) if request.param is Folder else Dictionary()
    return Bench(str(tmp_path / "own"), inner)


def plain(found):
    return sorted(
        (entry, said.state, said.name, said.cost_s, said.own, said.sizes, said.digests)
        for entry, said in ((str(entry), said) for entry, said in found)
    )


def test_a_second_look_reads_no_manifest_and_says_the_same(bench):
    read, first = bench.look()
    assert read == MANY
    read, second = bench.look()
    assert read == 0
    assert plain(second) == plain(first)
    assert {said.name for _, said in second} == {f"n {number}" for number in range(MANY)}
    assert all(said.sizes == [len(said.name[2:]) * 9] for _, said in second)


def test_another_process_uses_it_too(bench):
    bench.look()
    assert bench.look(bench.open())[0] == 0


def test_what_changed_is_read_again(bench):
    bench.look()
    key = bench.add(0, b"other")
    assert bench.look()[0] == 1
    bench.place.touch(manifest_name(key))
    assert bench.look()[0] == 1
    bench.place.write(manifest_name(key), b"damaged")
    read, found = bench.look()
    assert read >= 1
    assert [said.state for _, said in found].count(DAMAGED) == 1


def test_what_was_removed_is_not_there(bench):
    key = bench.add(0)
    bench.look()
    bench.directory.remove(key)
    assert len(bench.look()[1]) == MANY - 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda good: b"",
        lambda good: good[:-1],
        lambda good: good[:100] + b"X" + good[101:],
        lambda good: good.replace(b'"n 1"', b'"n 2"'),
        lambda good: b"\0" * len(good),
    ],
)
def test_damaged_notes_count_for_nothing_and_are_made_anew(bench, damage):
    _, good = bench.look()
    with open(bench.notes, "rb") as file:
        content = file.read()
    with open(bench.notes, "wb") as file:
        file.write(damage(content))
    read, found = bench.look()
    assert read == MANY
    assert plain(found) == plain(good)
    assert bench.look()[0] == 0


def test_notes_that_another_sealed_count_for_nothing(bench):
    bench.look(bench.open(seal=lambda digest: digest))
    assert bench.look()[0] == MANY


def test_what_was_judged_by_other_words_is_judged_again(bench):
    bench.look()
    bench.said, bench.problem = "somebody was revoked", "revoked"
    read, found = bench.look()
    assert read == MANY
    assert {said.state for _, said in found} == {UNTRUSTED}
    bench.problem = None
    assert {said.state for _, said in bench.look()[1]} == {OK}


def test_each_place_has_notes_of_its_own(bench):
    bench.look()
    other = Directory(Dictionary("elsewhere"), bench.verify, notebook=Notebook(bench.root, mine))
    other.write(kept(name="other"))
    assert len(survey(other)) == 1
    assert bench.look()[0] == 0


def test_nothing_is_noted_where_nothing_may_be(bench, tmp_path):
    for notebook in (None, Notebook(str(tmp_path / "nowhere"), mine)):
        directory = Directory(bench.place, bench.verify, notebook=notebook)
        assert [bench.look(directory)[0] for _ in range(2)] == [MANY, MANY]
    assert not os.path.exists(tmp_path / "nowhere")
    assert not os.path.exists(os.path.join(bench.root, "notes"))


def test_a_collection_goes_by_it_and_looks_at_what_it_removes(bench):
    bench.look()
    done = collect(bench.directory, Policy(max_size_bytes=0, grace_s=-60.0))
    assert bench.place.manifests_read() == 0
    assert (done.entries, done.blobs) == (MANY, MANY)
    assert list(bench.directory.entries()) == []


def test_few_new_ones_are_not_worth_writing_all_again(bench):
    bench.look()
    before = os.stat(bench.notes).st_ino
    bench.add(0, b"other")
    bench.look()
    assert os.stat(bench.notes).st_ino == before


def test_names_are_those_of_the_entries_and_of_nothing_else(bench):
    place = bench.directory.objects
    for odd in ("kind/one.json", "kind/one/.json", "kind/one/a/b.json", "leases/a/b.json"):
        place.write(odd, b"")
    assert sorted(manifest_names(bench.directory)) == sorted(
        map(entry_name, bench.directory.entries())
    )
    assert len(list(manifest_names(bench.directory))) == MANY


def test_what_is_held_is_told_from_notes_as_it_is_from_manifests(bench):
    first = holdings(bench.directory)
    assert len(first) == MANY
    assert bench.place.manifests_read() == MANY
    assert holdings(bench.open()) == first
    assert bench.place.manifests_read() == 0
    lame, touched, gone = sorted(first)[:3]
    manifests = {name: bench.directory.read_entry(entry)[0] for name, entry in _entries(bench)}
    bench.place.remove(blob_name(manifests[lame].blobs[0].digest))
    assert bench.place.touch(touched)
    bench.place.remove(gone)
    assert bench.place.manifests_read() == MANY
    without_it = {
        name for name, each in manifests.items() if each.blobs[0] != manifests[lame].blobs[0]
    }
    assert holdings(bench.open()) == without_it - {gone}
    assert bench.place.manifests_read() == 1


def _entries(bench):
    return [(entry_name(entry), entry) for entry in bench.directory.entries()]
