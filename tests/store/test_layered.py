"""Several stores as one: who serves, who is filled, and whose trouble is whose."""

import pytest

from emberkeep.errors import StoreProblem
from emberkeep.store.directory import Directory
from emberkeep.store.layers import Layered, Memory, ReadOnly
from emberkeep.store.protocol import (
    ABSENT,
    BY_WEIGHT,
    DAMAGED,
    NEWER_FORMAT,
    UNREADABLE,
    UNTRUSTED,
    Entry,
    Miss,
)
from emberkeep.testing import accept, kept

ARTIFACT = kept()
KEY = ARTIFACT.manifest.key


class Fake:
    """A store that answers as told, and remembers what it was asked."""

    def __init__(self, label, *, answer=None, writable=True, problem=None):
        self.label, self.writable = label, writable
        self.answer = Miss(ABSENT, f"not in {label}") if answer is None else answer
        self.problem = problem
        self.asked = []

    def read(self, key):
        self.asked.append(("read", key))
        return self.answer

    def write(self, artifact):
        self.asked.append(("write", artifact))
        if self.problem is not None:
            raise self.problem
        self.answer = artifact

    def remove(self, key):
        self.asked.append(("remove", key))
        if self.problem is not None:
            raise self.problem
        had, self.answer = not isinstance(self.answer, Miss), Miss(ABSENT, "removed")
        return had

    def entries(self):
        if not isinstance(self.answer, Miss):
            yield Entry("tables", "sample", str(KEY), 1.0, 1)


def layered(*layers):
    told = []
    return Layered(layers, told.append), told


def test_the_nearest_serves_and_the_others_are_not_asked():
    near, far = Fake("near", answer=ARTIFACT), Fake("far", answer=ARTIFACT)
    store, _ = layered(near, far)
    assert store.locate(KEY) == (ARTIFACT, "near")
    assert far.asked == []


def test_a_hit_fills_all_layers_above_and_none_below():
    layers = [Fake("a"), Fake("b"), Fake("c", answer=ARTIFACT), Fake("d")]
    store, told = layered(*layers)
    assert store.locate(KEY) == (ARTIFACT, "c")
    assert [layer.asked[1:] for layer in layers] == [[("write", ARTIFACT)]] * 2 + [[], []]
    assert layers[3].asked == []
    assert store.locate(KEY) == (ARTIFACT, "a")
    assert told == []


def test_a_layer_that_is_only_read_is_not_filled():
    near, far = Fake("near", writable=False), Fake("far", answer=ARTIFACT)
    store, told = layered(near, far)
    assert store.read(KEY) == ARTIFACT
    assert near.asked == [("read", KEY)]
    assert told == []


def test_a_layer_above_that_fails_harms_nobody():
    problem = StoreProblem("the disk is full")
    near, middle = Fake("near", problem=problem), Fake("middle")
    store, told = layered(near, middle, Fake("far", answer=ARTIFACT))
    assert store.locate(KEY) == (ARTIFACT, "far")
    assert middle.answer == ARTIFACT
    assert told == [problem]


def test_what_a_layer_above_holds_damaged_is_filled_anew(tmp_path):
    near, far = (Directory(str(tmp_path / name), accept, label=name) for name in ("near", "far"))
    store, told = layered(near, far)
    store.write(ARTIFACT)
    with open(near.manifest_path(KEY), "wb") as file:
        file.write(b"damage")
    assert store.locate(KEY) == (ARTIFACT, "far")
    assert store.locate(KEY) == (ARTIFACT, "near")
    assert told == []


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("one", "other"),
    [(BY_WEIGHT[n], worse) for n in range(len(BY_WEIGHT)) for worse in BY_WEIGHT[n + 1 :]],
)
def test_the_most_telling_miss_is_reported(one, other, order):
    layers = [Fake(reason, answer=Miss(reason, f"why {reason}")) for reason in (one, other)]
    store, _ = layered(*layers[::order])
    expected = other if BY_WEIGHT.index(other) >= BY_WEIGHT.index(ABSENT) else ABSENT
    found, label = store.locate(KEY)
    assert found.reason == expected
    if other != ABSENT or one in (ABSENT, other):
        assert (found.detail, label) == (f"why {expected}", expected)


def test_the_weights_are_these():
    """A damaged entry tells more than one that is not trusted, that more than a newer one, …"""
    assert BY_WEIGHT.index(DAMAGED) > BY_WEIGHT.index(UNTRUSTED) > BY_WEIGHT.index(NEWER_FORMAT)
    assert BY_WEIGHT.index(NEWER_FORMAT) > BY_WEIGHT.index(UNREADABLE) > BY_WEIGHT.index(ABSENT)


def test_of_equal_misses_the_farthest_is_reported():
    store, _ = layered(Fake("near"), Fake("far"))
    assert store.locate(KEY) == (Miss(ABSENT, "not in far"), "far")


def test_without_layers_there_is_nothing():
    store, _ = layered()
    assert store.read(KEY).reason == ABSENT
    assert list(store.entries()) == []
    assert not store.writable
    assert not store.remove(KEY)


@pytest.mark.parametrize("method", ["write", "remove"])
def test_a_layer_that_fails_stops_no_other(method):
    first, second = StoreProblem("first"), StoreProblem("second")
    layers = [
        Fake("a", answer=ARTIFACT, problem=first),
        Fake("b", answer=ARTIFACT),
        Fake("c", answer=ARTIFACT, problem=second),
        Fake("d", answer=ARTIFACT, writable=False),
    ]
    store, told = layered(*layers)
    argument = ARTIFACT if method == "write" else KEY
    with pytest.raises(StoreProblem, match="first"):
        getattr(store, method)(argument)
    assert [layer.asked for layer in layers] == [[(method, argument)]] * 3 + [[]]
    assert told == []


def test_removing_tells_whether_any_had_it():
    store, _ = layered(Fake("a"), Fake("b", answer=ARTIFACT), Fake("c"))
    assert store.remove(KEY)
    assert not store.remove(KEY)


def test_it_is_writable_where_any_layer_is():
    assert layered(Fake("a", writable=False), Fake("b"))[0].writable
    assert not layered(Fake("a", writable=False))[0].writable


def test_an_entry_in_several_layers_is_listed_once(tmp_path):
    near, far = Memory(1 << 20), Directory(str(tmp_path / "keep"), accept)
    store, _ = layered(near, far)
    store.write(ARTIFACT)
    far.write(kept(name="far"))
    near.write(kept(name="near"))
    assert sorted(entry.name for entry in store.entries()) == ["far", "near", "sample"]


def test_a_read_only_layer_below_stays_as_it_is(tmp_path):
    below = Directory(str(tmp_path / "keep"), accept, heals=False)
    below.write(ARTIFACT)
    store, _ = layered(Memory(1 << 20), ReadOnly(below))
    other = kept(name="other")
    store.write(other)
    assert store.locate(other.manifest.key) == (other, "memory")
    assert store.locate(KEY) == (ARTIFACT, "local (read-only)")
    assert store.locate(KEY) == (ARTIFACT, "memory")
    assert [entry.name for entry in below.entries()] == ["sample"]
    assert store.remove(KEY)
    assert store.read(KEY) == ARTIFACT


class Broken:
    """A store of somebody else's whose library raises what it likes."""

    label, writable = "broken", True

    def read(self, key):
        raise RuntimeError("no credentials")

    def write(self, kept):
        raise ConnectionError("no route")

    def remove(self, key):
        return False

    def entries(self):
        return iter(())


def test_what_a_foreign_store_raises_is_a_miss_or_a_problem():
    told = []
    artifact = kept()
    layers = Layered((Broken(), Memory(1 << 20)), told.append)
    found = layers.read(artifact.manifest.key)
    assert (found.reason, found.detail) == (
        UNREADABLE,
        "broken raised RuntimeError: no credentials",
    )
    with pytest.raises(StoreProblem, match="broken raised ConnectionError: no route"):
        layers.write(artifact)
    assert layers.read(artifact.manifest.key) == artifact, "the other layer has it all the same"
    assert [str(problem) for problem in told] == ["broken raised ConnectionError: no route"]
