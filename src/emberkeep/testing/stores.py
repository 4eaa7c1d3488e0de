"""What every store holds, as pytest tests to inherit."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import pytest

from emberkeep.errors import StoreProblem
from emberkeep.store.files import folder_name
from emberkeep.store.protocol import ABSENT, Kept, Miss
from emberkeep.testing.samples import kept, unsealed
from emberkeep.testing.samples import key as make_key
from emberkeep.testing.strategies import HOSTILE_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.store.protocol import Store

MEGABYTE = bytes(range(256)) * 4096
ROUNDS = 25


class StoreContract(ABC):
    """Inherit this in a test class and say how a store is made; pytest runs the rest.

    A store that holds little must hold at least some megabytes here. For one that is read-only,
    override `put`: how an artifact comes into the store by another way.
    """

    @abstractmethod
    def make_store(self) -> Store:
        """A fresh, empty store; called once in each test."""

    def reopen(self, store: Store) -> Store | None:  # noqa: ARG002 - for those that can
        """The same place opened anew, as another process would; None where nothing lasts."""
        return None

    def put(self, store: Store, artifact: Kept) -> None:
        """Bring an artifact into the store."""
        store.write(artifact)

    def seal(self, digest: str) -> str:
        """The seal that the store wants to see on documents."""
        return unsealed(digest)

    # Reading ------------------------------------------------------------------------------------

    def test_an_empty_store_has_nothing(self) -> None:
        """What was never kept is absent, and says so in words."""
        store = self.make_store()
        found = store.read(make_key())
        assert isinstance(found, Miss)
        assert found.reason == ABSENT
        assert found.detail
        assert list(store.entries()) == []

    def test_reading_never_raises(self) -> None:
        """Whatever is asked for: not there is an answer."""
        store = self.make_store()
        for name in HOSTILE_NAMES:
            for key in (make_key(kind=name), make_key(name=name)):
                found = store.read(key)
                assert isinstance(found, Miss)
                assert found.reason == ABSENT, name

    @pytest.mark.parametrize(
        "blobs",
        [
            {"code": b"bytes"},
            {},
            {"nothing": b""},
            {"large": MEGABYTE},
            {"b": b"2", "a": b"1", "c": b"3"},
            {"one": b"the same", "other": b"the same"},
            {"": b"no role", "../x": b"a path", "\N{FIRE}": b"fire", "nul\0": b"\0"},
        ],
        ids=["one", "none", "empty", "megabyte", "several", "alike", "odd roles"],
    )
    def test_what_is_kept_comes_back(self, blobs: dict[str, bytes]) -> None:
        """The same document, the same manifest, the same bytes."""
        store = self.make_store()
        layout = {"text": "\N{FIRE}\0", "numbers": [1, -0.5, 2**70, 1e-320], "nothing": None}
        artifact = kept(blobs=blobs, layout=layout, seal=self.seal)
        self.put(store, artifact)
        found = store.read(artifact.manifest.key)
        assert isinstance(found, Kept), found
        assert found.document == artifact.document
        assert found.manifest == artifact.manifest
        assert dict(found.blobs) == blobs
        assert {type(content) for content in found.blobs.values()} <= {bytes}

    def test_it_comes_back_each_time(self) -> None:
        """Reading uses nothing up."""
        store = self.make_store()
        artifact = kept(seal=self.seal)
        self.put(store, artifact)
        assert [store.read(artifact.manifest.key) for _ in range(3)] == [artifact] * 3

    # Keys ---------------------------------------------------------------------------------------

    def test_every_field_of_a_key_counts(self) -> None:
        """Keys that differ in one field are different keys."""
        store = self.make_store()
        one = kept(blobs={"code": b"one"}, seal=self.seal)
        others: list[dict[str, str]] = [
            {"kind": "other"},
            {"name": "other"},
            {"plan": "other"},
            {"build": "other"},
        ]
        self.put(store, one)
        for fields in others:
            assert isinstance(store.read(make_key(**fields)), Miss), fields
        for fields in others:
            blobs = {"code": str(fields).encode()}
            artifact = kept(**fields, blobs=blobs, seal=self.seal)
            self.put(store, artifact)
            assert store.read(artifact.manifest.key) == artifact
        assert store.read(one.manifest.key) == one

    @pytest.mark.parametrize("field", ["kind", "name"])
    def test_odd_names_stay_apart(self, field: str) -> None:
        """Names that look like paths, devices, folders of the store or each other are none."""
        store = self.make_store()
        # What the library itself would call a folder is a name like any other.
        names = {*HOSTILE_NAMES, *(folder_name(name) for name in HOSTILE_NAMES)}
        written = {
            name: kept(
                kind=name if field == "kind" else "tables",
                name=name if field == "name" else "sample",
                blobs={"code": name.encode("utf-8", "surrogatepass")},
                seal=self.seal,
            )
            for name in sorted(names)
        }
        for artifact in written.values():
            self.put(store, artifact)
        for name, artifact in written.items():
            assert store.read(artifact.manifest.key) == artifact, name
        assert len(list(store.entries())) == len(names)

    # Changing -----------------------------------------------------------------------------------

    def test_writing_again_replaces(self) -> None:
        """The last one counts, whatever its size, and there is one entry."""
        store = self.make_store()
        for blobs in ({"a": b"old", "b": MEGABYTE}, {"a": b"new"}, {}, {"a": MEGABYTE}):
            artifact = kept(blobs=blobs, layout=len(blobs), seal=self.seal)
            self.put(store, artifact)
            assert store.read(artifact.manifest.key) == artifact
        assert len(list(store.entries())) == 1

    def test_writing_the_same_again_changes_nothing(self) -> None:
        """Two builders of one thing do no harm."""
        store = self.make_store()
        artifact = kept(seal=self.seal)
        for _ in range(2):
            self.put(store, artifact)
        assert store.read(artifact.manifest.key) == artifact
        assert len(list(store.entries())) == 1

    def test_removing(self) -> None:
        """What is removed is gone, once; what shares its contents stays."""
        store = self._writable()
        one, other = (kept(name=name, seal=self.seal) for name in ("one", "other"))
        store.write(one)
        store.write(other)
        assert store.remove(one.manifest.key)
        assert not store.remove(one.manifest.key)
        found = store.read(one.manifest.key)
        assert isinstance(found, Miss)
        assert found.reason == ABSENT
        assert store.read(other.manifest.key) == other
        store.write(one)
        assert store.read(one.manifest.key) == one

    def test_removing_what_was_never_there(self) -> None:
        """No error, no effect."""
        store = self._writable()
        assert not store.remove(make_key())
        assert list(store.entries()) == []

    def test_a_read_only_store_says_so(self) -> None:
        """Writing and removing are refused, and change nothing."""
        store = self.make_store()
        if store.writable:
            pytest.skip("this store is writable")
        one, other = (kept(name=name, seal=self.seal) for name in ("one", "other"))
        self.put(store, one)
        with pytest.raises(StoreProblem):
            store.write(other)
        with pytest.raises(StoreProblem):
            store.remove(one.manifest.key)
        assert store.read(one.manifest.key) == one
        assert isinstance(store.read(other.manifest.key), Miss)
        assert len(list(store.entries())) == 1

    # Listing ------------------------------------------------------------------------------------

    def test_the_listing_is_exact(self) -> None:
        """Every key once, under the folders of its names, with a size and a time."""
        store = self.make_store()
        written = [
            kept(kind=kind, name=name, plan=plan, seal=self.seal)
            for kind in ("tables", "../x")
            for name in ("one", "TWO", "")
            for plan in ("a", "b")
        ]
        for artifact in written:
            self.put(store, artifact)
        entries = list(store.entries())
        expected = {
            (folder_name(key.kind), folder_name(key.name), str(key))
            for key in (artifact.manifest.key for artifact in written)
        }
        assert {(entry.kind, entry.name, entry.key) for entry in entries} == expected
        assert len(entries) == len(written)
        assert all(entry.size_bytes > 0 and entry.last_used > 0 for entry in entries)

    def test_builds_of_one_plan(self) -> None:
        """All build halves of a kind, name and plan; of no other."""
        store = self.make_store()
        assert list(store.builds("tables", "sample", make_key().plan)) == []
        wanted = [kept(build=build, seal=self.seal) for build in ("a", "b", "c")]
        others = [
            kept(kind="other", build="a", seal=self.seal),
            kept(name="other", build="a", seal=self.seal),
            kept(plan="other", build="d", seal=self.seal),
        ]
        for artifact in (*wanted, *others):
            self.put(store, artifact)
        found = list(store.builds("tables", "sample", make_key().plan))
        assert sorted(found) == sorted(artifact.manifest.key.build for artifact in wanted)
        for name in HOSTILE_NAMES:
            assert list(store.builds("tables", name, make_key().plan)) == []
            assert list(store.builds(name, "sample", make_key().plan)) == []

    def test_it_has_a_label(self) -> None:
        """Reports call it something."""
        assert self.make_store().label

    # Lasting and sharing ------------------------------------------------------------------------

    def test_what_is_kept_lasts(self) -> None:
        """Another opening of the same place finds the same."""
        store = self.make_store()
        artifact = kept(blobs={"code": MEGABYTE, "empty": b""}, seal=self.seal)
        self.put(store, artifact)
        again = self.reopen(store)
        if again is None:
            pytest.skip("this store does not last")
        assert again.read(artifact.manifest.key) == artifact
        assert len(list(again.entries())) == 1

    def test_threads_on_one_key(self) -> None:
        """A reader sees one version or another, whole; never a mixture, never nothing."""
        store = self.make_store()
        versions = [
            kept(blobs={"code": bytes([n]) * 5000, "tail": bytes([n])}, layout=n, seal=self.seal)
            for n in range(2)
        ]
        self.put(store, versions[0])
        found: list[Kept | Miss] = []

        def work(artifact: Kept) -> None:
            for _ in range(ROUNDS):
                self.put(store, artifact)
                found.append(store.read(artifact.manifest.key))

        _run_at_once([lambda artifact=artifact: work(artifact) for artifact in versions])
        assert len(found) == 2 * ROUNDS
        assert all(each in versions for each in found)

    def test_threads_on_different_keys(self) -> None:
        """Nobody finds or loses what is another's, though the contents are shared."""
        store = self.make_store()
        wrong: list[object] = []

        def work(number: int) -> None:
            for count in range(ROUNDS):
                artifact = kept(
                    plan=f"{number} {count}",
                    blobs={"code": b"shared", "own": b"%d" % number},
                    seal=self.seal,
                )
                self.put(store, artifact)
                found = store.read(artifact.manifest.key)
                if found != artifact:
                    wrong.append(found)

        _run_at_once([lambda number=number: work(number) for number in range(2)])
        assert wrong == []
        assert len(list(store.entries())) == 2 * ROUNDS

    def _writable(self) -> Store:
        store = self.make_store()
        if not store.writable:
            pytest.skip("this store is read-only")
        return store


def _run_at_once(works: list[Callable[[], None]]) -> None:
    """Run each in a thread of its own; what one raises is raised here."""
    barrier = threading.Barrier(len(works))
    problems: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            barrier.wait(timeout=60)
            work()
        except BaseException as problem:  # noqa: BLE001 - raised again below
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
