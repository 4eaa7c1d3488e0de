"""Large blobs of shared places lie there compressed; whoever asks gets what they were."""

import os
import zlib
from hashlib import sha256

import pytest

from emberkeep.store.directory import Directory
from emberkeep.store.eviction import clear
from emberkeep.store.inspection import DAMAGED as IS_DAMAGED
from emberkeep.store.inspection import inspect, usage
from emberkeep.store.layout import blob_name
from emberkeep.store.object_store import Folder
from emberkeep.store.packed import PACKS_FROM, Packed
from emberkeep.store.protocol import DAMAGED, Miss
from emberkeep.store.summaries import holdings
from emberkeep.testing import Dictionary, ObjectStoreContract, StoreContract, accept, kept

LARGE = b"kernel " * PACKS_FROM
NOISE = os.urandom(PACKS_FROM)
NAME = blob_name(sha256(LARGE).hexdigest())
FORMS = (Folder, Dictionary)


class TestPackedFolder(ObjectStoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.root = str(tmp_path)

    def make_place(self):
        return Packed(Folder(self.root))


class TestPackedDictionary(ObjectStoreContract):
    def make_place(self):
        return Packed(Dictionary())


class TestDirectoryInPacked(StoreContract):
    def make_store(self):
        return Directory(Packed(Dictionary()), accept)

    def reopen(self, store):
        return Directory(Packed(store.objects.inner), accept)


@pytest.fixture(params=FORMS)
def inner(request, tmp_path):
    return Folder(str(tmp_path / "place")) if request.param is Folder else Dictionary()


@pytest.fixture(params=["the same", "another process"])
def place(request, inner):
    """A place with a large blob, seen by who wrote it and by who did not."""
    written = Packed(inner)
    written.write(NAME, LARGE)
    return written if request.param == "the same" else Packed(inner)


def names(inner):
    return [name for name, _ in inner.list("blobs/")]


def test_what_is_large_is_smaller_there_and_read_as_it_was(place, inner):
    (name,) = names(inner)
    assert name == f"{NAME}.z{len(LARGE)}"
    assert inner.facts(name).size_bytes < len(LARGE) / 10
    content, facts = place.read(NAME, len(LARGE))
    assert content == LARGE
    assert facts.size_bytes == place.facts(NAME).size_bytes == len(LARGE)
    assert place.read(NAME, 2 * len(LARGE))[0] == LARGE
    assert [(name, facts.size_bytes) for name, facts in place.list("blobs/")] == [
        (NAME, len(LARGE))
    ]
    assert place.holds(NAME, LARGE)
    assert not place.holds(NAME, LARGE[1:] + b"x")
    with pytest.raises(ValueError, match="larger"):
        place.read(NAME, len(LARGE) - 1)


def test_it_is_touched_and_removed_like_any_other(place, inner):
    seen = place.facts(NAME).version
    assert place.read(NAME, len(LARGE))
    assert place.touch(NAME)
    assert not place.remove(NAME, seen)
    assert place.remove(NAME, place.facts(NAME).version)
    assert names(inner) == []
    with pytest.raises(FileNotFoundError):
        place.facts(NAME)
    assert not place.remove(NAME)


@pytest.mark.parametrize(
    ("name", "content"), [(NAME, LARGE[: PACKS_FROM - 1]), (NAME, NOISE), ("kind/a/b.json", LARGE)]
)
def test_what_is_small_or_random_or_no_blob_lies_there_as_it_is(inner, name, content):
    Packed(inner).write(name, content)
    assert inner.read(name, len(content))[0] == content
    assert Packed(inner).read(name, len(content))[0] == content


def test_what_lies_there_as_it_is_is_read_too(inner):
    inner.write(NAME, LARGE)
    assert Packed(inner).read(NAME, len(LARGE))[0] == LARGE
    assert Packed(inner).holds(NAME, LARGE)


@pytest.mark.parametrize(
    "content",
    [b"", b"damaged", zlib.compress(LARGE)[:-9], zlib.compress(LARGE + b"x"), zlib.compress(b"")],
)
def test_damage_is_found_and_the_next_build_replaces_it(inner, content):
    artifact = kept(blobs={"code": LARGE})
    directory = Directory(Packed(inner), accept, heals=False)
    directory.write(artifact)
    (name,) = names(inner)
    inner.write(name, content)
    found = Directory(Packed(inner), accept, heals=False).read(artifact.manifest.key)
    assert isinstance(found, Miss)
    assert found.reason == DAMAGED
    assert [finding.state for finding in inspect(directory)] == [IS_DAMAGED]
    Directory(Packed(inner), accept, heals=False).write(artifact)
    assert directory.read(artifact.manifest.key).blobs["code"] == LARGE


def test_no_more_is_unpacked_than_the_manifest_says(inner, monkeypatch):
    inner.write(f"{NAME}.z{PACKS_FROM}", zlib.compress(bytes(1 << 24)))
    asked = []
    make = zlib.decompressobj

    class Watched:
        def __init__(self):
            self.inner = make()

        def decompress(self, data, limit):
            asked.append(limit)
            return self.inner.decompress(data, limit)

    monkeypatch.setattr(zlib, "decompressobj", Watched)
    with pytest.raises(ValueError, match="larger"):
        Packed(inner).read(NAME, PACKS_FROM)
    assert asked == [PACKS_FROM + 1]


def test_a_keep_in_such_a_place_is_listed_checked_and_collected(inner):
    directory = Directory(Packed(inner), accept, heals=False)
    artifacts = [kept(name=f"n{n}", blobs={"code": LARGE, "n": b"%d" % n}) for n in range(3)]
    for artifact in artifacts:
        directory.write(artifact)
    again = Directory(Packed(inner), accept, heals=False)
    assert usage(again).blobs == 4
    assert len(holdings(again)) == 3
    assert {finding.state for finding in inspect(again)} == {"ok"}
    assert all(again.has(entry) for entry in again.entries())
    assert again.read(artifacts[0].manifest.key) == artifacts[0]
    clear(again)
    assert list(again.entries()) == []


@pytest.mark.parametrize("size", [9, PACKS_FROM - 1, PACKS_FROM, len(LARGE)])
def test_nothing_is_listed_to_write_what_is_not_there(inner, size, monkeypatch):
    monkeypatch.setattr(type(inner), "list", lambda *_: pytest.fail("a shelf was listed"))
    directory = Directory(Packed(inner), accept, heals=False)
    for _ in range(2):
        directory.write(kept(blobs={"code": LARGE[:size]}))


@pytest.mark.parametrize("odd", ["", "x", "-1", "1_0", "\u0661", "9" * 16])
def test_odd_names_are_just_names(inner, odd):
    inner.write(f"{NAME}.z{odd}", b"odd")
    place = Packed(inner)
    assert [name for name, _ in place.list("blobs/")] == [f"{NAME}.z{odd}"]
    with pytest.raises(FileNotFoundError):
        place.read(NAME, len(LARGE))
