"""What every place holds, as pytest tests to inherit; and the smallest place there is."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, final

import pytest

from emberkeep.store.object_store import Facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emberkeep.store.object_store import ObjectStore

LARGE = bytes(range(256)) * 4096
RACERS = 16
A_DAY_S = 86_400.0


@final
class Dictionary:
    """A place in memory: what a bucket can do, in forty lines.

    Args:
        label: what messages call it.
        clock: tells the time by which it dates what is written.
    """

    def __init__(self, label: str = "memory", clock: Callable[[], float] = time.time) -> None:
        self.label = label
        self.folder = None
        self.clock = clock
        self._held: dict[str, tuple[bytes, Facts]] = {}
        self._writes = 0
        self._lock = threading.Lock()

    def address(self, name: str) -> str:
        """The place and the name."""
        return f"{self.label}/{name}"

    def is_there(self) -> bool:
        """It is."""
        return True

    def read(self, name: str, limit: int) -> tuple[bytes, Facts]:
        """What is held under a name."""
        content, facts = self._find(name)
        if len(content) > limit:
            raise ValueError(f"{name} is larger than the {limit} bytes it can have")
        return content, facts

    def holds(self, name: str, content: bytes) -> bool:
        """Whether an object has just these bytes."""
        return self.read(name, len(content) + 1)[0] == content

    def facts(self, name: str) -> Facts:
        """What is known of it."""
        return self._find(name)[1]

    def list(self, prefix: str) -> Iterator[tuple[str, Facts]]:
        """All that is held under names that begin so."""
        with self._lock:
            held = list(self._held.items())
        return ((name, facts) for name, (_, facts) in held if name.startswith(prefix))

    def names(self, prefix: str) -> Iterator[str]:
        """Their names alone."""
        return (name for name, _ in self.list(prefix))

    def groups(self, prefix: str) -> list[str]:
        """What follows a prefix, up to the next slash."""
        rests = [name[len(prefix) :].split("/") for name, _ in self.list(prefix)]
        return list(dict.fromkeys(rest[0] for rest in rests if len(rest) > 1))

    def write(self, name: str, content: bytes, *, replaces: bool = True) -> None:
        """Hold some bytes."""
        with self._lock:
            if not replaces and name in self._held:
                raise FileExistsError(f"{name} is there already")
            self._put(name, bytes(content))

    def touch(self, name: str) -> bool:
        """Date it now."""
        with self._lock:
            if name not in self._held:
                return False
            self._put(name, self._held[name][0])
            return True

    def remove(self, name: str, version: str = "") -> bool:
        """Hold it no more."""
        with self._lock:
            held = self._held.get(name)
            if held is None or (version and held[1].version != version):
                return False
            del self._held[name]
            return True

    def _find(self, name: str) -> tuple[bytes, Facts]:
        with self._lock:
            if name not in self._held:
                raise FileNotFoundError(f"{self.address(name)} is not there")
            return self._held[name]

    def _put(self, name: str, content: bytes) -> None:
        self._writes += 1
        now = self.clock()
        self._held[name] = content, Facts(len(content), now, now, (self._writes,))


class ObjectStoreContract(ABC):
    """Inherit this in a test class and say how a place is made; pytest runs the rest."""

    @abstractmethod
    def make_place(self) -> ObjectStore:
        """A fresh, empty place; called once in each test."""

    # Reading and writing ------------------------------------------------------------------------

    def test_an_empty_place_has_nothing(self) -> None:
        """What is not there is no file, in the words of the operating system."""
        place = self.make_place()
        assert list(place.list("")) == []
        assert not any(map(self._holds(place), place.groups("")))
        with pytest.raises(FileNotFoundError):
            place.facts("a/b")
        with pytest.raises(FileNotFoundError):
            place.read("a/b", 9)
        assert not place.touch("a/b")
        assert not place.remove("a/b")

    @pytest.mark.parametrize("name", ["format", "a/b", "blobs/ab/cd-e.f_g", "a/b/c/d.json"])
    @pytest.mark.parametrize("content", [b"", b"\0\xff", LARGE], ids=["empty", "two", "large"])
    def test_what_was_written_is_read(self, name: str, content: bytes) -> None:
        """Byte for byte, with its size."""
        place = self.make_place()
        place.write(name, content)
        read, facts = place.read(name, len(content))
        assert read == content
        assert (facts.size_bytes, place.facts(name).size_bytes) == (len(content), len(content))
        assert facts.version == place.facts(name).version
        assert place.is_there()

    @pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 8192])
    def test_whether_it_holds_some_bytes(self, content: bytes) -> None:
        """It says yes to the same bytes alone; there is nothing where nothing was put."""
        place = self.make_place()
        place.write("a/b", content)
        assert place.holds("a/b", content)
        others = {content + b"\0", content[:-1], content[:-1] + b"?", b"?" + content[1:]}
        for other in others - {content}:
            assert not place.holds("a/b", other)
        with pytest.raises(FileNotFoundError):
            place.holds("a/c", content)

    def test_what_is_larger_than_the_limit_is_not_read(self) -> None:
        """A limit is one: nobody's memory is filled."""
        place = self.make_place()
        place.write("a/b", b"12345")
        assert place.read("a/b", 5)[0] == b"12345"
        with pytest.raises(ValueError, match="larger"):
            place.read("a/b", 4)

    def test_a_write_replaces_unless_it_must_not(self) -> None:
        """A conditional put leaves what is there."""
        place = self.make_place()
        place.write("a", b"1", replaces=False)
        with pytest.raises(FileExistsError):
            place.write("a", b"2", replaces=False)
        assert place.read("a", 9)[0] == b"1"
        place.write("a", b"3")
        assert place.read("a", 9)[0] == b"3"

    def test_of_many_who_put_at_once_one_wins(self) -> None:
        """And what is there is the winner's."""
        place = self.make_place()
        place.write("other", b"")
        start, won = threading.Barrier(RACERS), list[bytes]()

        def put(number: int) -> None:
            start.wait()
            try:
                place.write("a/lease", b"%d" % number, replaces=False)
            except FileExistsError:
                return
            won.append(b"%d" % number)

        threads = [threading.Thread(target=put, args=(number,)) for number in range(RACERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert won == [place.read("a/lease", 9)[0]]

    # Listing ------------------------------------------------------------------------------------

    def test_the_listing_is_exact(self) -> None:
        """By prefix, with facts; groups are what lies between slashes."""
        place = self.make_place()
        names = {"format", "kind/one/a", "kind/one/b", "kind/two/a", "other/x", "kindred/y"}
        for name in names:
            place.write(name, name.encode())
        assert {name for name, _ in place.list("")} == names
        assert {name for name, _ in place.list("kind/one/")} == {"kind/one/a", "kind/one/b"}
        assert {name for name, _ in place.list("kind/")} == {n for n in names if n[:5] == "kind/"}
        assert list(place.list("nothing/")) == []
        for prefix in ("", "kind/one/", "kind/", "nothing/"):
            assert sorted(place.names(prefix)) == sorted(name for name, _ in place.list(prefix))
        assert sorted(filter(self._holds(place), place.groups(""))) == ["kind", "kindred", "other"]
        assert sorted(place.groups("kind/")) == ["one", "two"]
        assert place.groups("kind/one/") == []
        for name, facts in place.list(""):
            assert facts.size_bytes == len(name)
            assert facts.version == place.facts(name).version

    def _holds(self, place: ObjectStore) -> Callable[[str], bool]:
        """Whether a group has objects: a folder may be left over, empty."""
        return lambda group: any(place.list(f"{group}/"))

    def test_what_is_removed_while_it_is_listed_is_no_trouble(self) -> None:
        """Everybody lists and removes at the same time."""
        place = self.make_place()
        for number in range(20):
            place.write(f"a/{number}", b"")
        for name, _ in place.list("a/"):
            for number in range(20):
                place.remove(f"a/{number}")
            assert name.startswith("a/")
        assert list(place.list("")) == []

    # Times, versions, removal -------------------------------------------------------------------

    def test_times_are_those_of_the_write(self) -> None:
        """By a clock that is right to a day; a touch is later than what it touches."""
        place = self.make_place()
        place.write("a", b"1")
        before = place.facts("a")
        assert abs(before.modified - time.time()) < A_DAY_S
        assert abs(before.changed - time.time()) < A_DAY_S
        assert place.touch("a")
        assert place.facts("a").modified >= before.modified
        assert place.read("a", 1)[0] == b"1"

    def test_a_version_is_new_after_every_write_and_touch(self) -> None:
        """Also after one that writes the same."""
        place = self.make_place()
        place.write("a", b"1")
        versions = [place.facts("a").version]
        for work in (lambda: place.write("a", b"1"), lambda: place.touch("a")):
            time.sleep(0.02)  # clocks have grains
            work()
            versions.append(place.facts("a").version)
        assert len(set(versions)) == len(versions)
        assert all(versions)

    def test_what_is_removed_is_gone(self) -> None:
        """Once; others stay."""
        place = self.make_place()
        place.write("a/1", b"1")
        place.write("a/2", b"2")
        assert place.remove("a/1")
        assert not place.remove("a/1")
        assert [name for name, _ in place.list("")] == ["a/2"]

    def test_only_the_version_that_is_meant_is_removed(self) -> None:
        """What was written or touched since stays, whole."""
        place = self.make_place()
        for change in (lambda: place.write("a/1", b"1"), lambda: place.touch("a/1")):
            place.write("a/1", b"1")
            seen = place.facts("a/1").version
            time.sleep(0.02)
            change()
            assert not place.remove("a/1", seen)
            assert place.read("a/1", 9)[0] == b"1"
        assert place.remove("a/1", place.facts("a/1").version)
        assert not place.remove("a/1", seen)
        assert list(place.list("")) == []
