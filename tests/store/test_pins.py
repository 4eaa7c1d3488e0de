import os

import pytest

from emberkeep.errors import StoreProblem
from emberkeep.store.directory import Directory
from emberkeep.store.layout import LAYOUT
from emberkeep.store.pins import pin, pinned, unpin
from emberkeep.store.protocol import Entry

ENTRY = Entry("tables", "a", "0" * 64 + "-" + "1" * 64, 0.0, 0)


@pytest.fixture
def directory(tmp_path):
    root = tmp_path / "keep"
    root.mkdir()
    (root / "format").write_bytes(LAYOUT)
    return Directory(str(root), lambda digest, seal: None)


def test_a_pin_is_an_empty_file_named_by_kind_name_and_key(directory):
    pin(directory, ENTRY)
    path = os.path.join(directory.root, "pins", ENTRY.kind, ENTRY.name, ENTRY.key)
    assert os.path.getsize(path) == 0
    assert pinned(directory) == {(ENTRY.kind, ENTRY.name, ENTRY.key)}


def test_pinning_twice_is_once(directory):
    pin(directory, ENTRY)
    pin(directory, ENTRY)
    assert len(pinned(directory)) == 1
    assert unpin(directory, ENTRY)
    assert pinned(directory) == set()


def test_unpinning_says_whether_it_was_pinned_and_leaves_no_folders(directory):
    assert not unpin(directory, ENTRY)
    other = Entry("tables", "b", ENTRY.key, 0.0, 0)
    pin(directory, ENTRY)
    pin(directory, other)
    assert unpin(directory, ENTRY)
    assert os.listdir(os.path.join(directory.root, "pins", "tables")) == ["b"]
    assert unpin(directory, other)
    assert os.listdir(os.path.join(directory.root, "pins")) == []


def test_a_keep_without_pins_has_none(tmp_path):
    assert pinned(Directory(str(tmp_path / "nowhere"), lambda digest, seal: None)) == set()


@pytest.mark.parametrize(
    "act",
    [pinned, lambda d: pin(d, ENTRY), lambda d: unpin(d, ENTRY)],
    ids=["list", "pin", "unpin"],
)
def test_an_unknown_layout_is_left_alone(directory, act):
    with open(os.path.join(directory.root, "format"), "wb") as file:
        file.write(b"emberkeep 2\n")
    with pytest.raises(StoreProblem, match="laid out as"):
        act(directory)
    assert os.listdir(directory.root) == ["format"]


def test_a_pin_that_cannot_be_written_is_a_store_problem(directory):
    with open(os.path.join(directory.root, "pins"), "wb"):
        pass  # a file where the folder should be
    with pytest.raises(StoreProblem, match="cannot be pinned"):
        pin(directory, ENTRY)
    with pytest.raises(StoreProblem, match="cannot be unpinned"):
        unpin(directory, ENTRY)
