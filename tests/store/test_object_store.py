"""Places hold the shipped contract; a folder is left by way of no link."""

import os
import threading

import pytest

from emberkeep.store import no_follow
from emberkeep.store.object_store import Folder
from emberkeep.testing import Dictionary, ObjectStoreContract


class TestFolder(ObjectStoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.root = str(tmp_path / "keep")

    def make_place(self):
        os.mkdir(self.root)
        return Folder(self.root)

    def test_its_addresses_are_paths(self):
        place = self.make_place()
        place.write("a/b", b"1")
        with open(place.address("a/b"), "rb") as file:
            assert file.read() == b"1"

    def test_a_folder_that_is_not_there_is_made_by_the_first_write(self):
        place = Folder(self.root)
        assert not place.is_there()
        place.write("a/b", b"1")
        assert place.is_there()

    def test_links_are_neither_listed_into_nor_removed_through(self, tmp_path):
        place = self.make_place()
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "file").write_bytes(b"mine")
        place.write("a/b", b"1")
        os.symlink(outside, f"{self.root}/a/link")
        os.symlink(outside, f"{self.root}/linked")
        assert {name for name, _ in place.list("")} == {"a/b", "a/link", "linked"}
        assert place.groups("") == ["a"] or sorted(place.groups("")) == ["a", "temporary"]
        assert not place.remove("linked/file")
        version = Folder(str(outside)).facts("file").version
        assert not place.remove("linked/file", version)
        assert (outside / "file").read_bytes() == b"mine"

    def test_what_is_touched_at_the_very_moment_stays(self, monkeypatch):
        place = self.make_place()
        place.write("a/1", b"1")
        seen = place.facts("a/1").version
        move, pending = no_follow.move_within, [True]

        def touch_and_move(root, path, target, access=None):
            if pending:
                pending.pop()
                os.utime(path)
            move(root, path, target, access)

        monkeypatch.setattr(no_follow, "move_within", touch_and_move)
        assert not place.remove("a/1", seen)
        assert place.read("a/1", 1)[0] == b"1"
        assert os.listdir(place.temporary) == []


class TestDictionary(ObjectStoreContract):
    def make_place(self):
        return Dictionary()


class Hasty:
    """A place with a bug: two who put at once both believe that they were first."""

    def __init__(self):
        self.inner = Dictionary()
        self.meeting = threading.Barrier(2)

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def write(self, name, content, *, replaces=True):
        if not replaces and name not in [each for each, _ in self.inner.list("")]:
            try:
                self.meeting.wait(0.2)
            except threading.BrokenBarrierError:
                self.meeting.reset()
            replaces = True
        self.inner.write(name, content, replaces=replaces)


def test_the_contract_finds_a_bug():
    class Broken(ObjectStoreContract):
        def make_place(self):
            return Hasty()

    with pytest.raises(AssertionError):
        Broken().test_of_many_who_put_at_once_one_wins()
