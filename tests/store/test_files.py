"""Whole files: capped reads, atomic writes, nothing left behind."""

import os
import threading

import pytest

from emberkeep.store import files


@pytest.fixture
def temporary(tmp_path):
    return str(tmp_path / "temporary")


@pytest.mark.parametrize("size", [0, 1, 9, 10])
def test_up_to_the_limit_all_is_read(tmp_path, size):
    (tmp_path / "f").write_bytes(b"x" * size)
    assert files.read_file(str(tmp_path / "f"), 10) == b"x" * size


@pytest.mark.parametrize("size", [11, 12, 100_000])
def test_beyond_the_limit_nothing_is_read(tmp_path, size):
    (tmp_path / "f").write_bytes(b"x" * size)
    with pytest.raises(ValueError, match="larger than the 10 bytes"):
        files.read_file(str(tmp_path / "f"), 10)


def test_a_limit_of_nothing(tmp_path):
    (tmp_path / "f").write_bytes(b"")
    assert files.read_file(str(tmp_path / "f"), 0) == b""
    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(ValueError, match="larger"):
        files.read_file(str(tmp_path / "f"), 0)


class Slow:
    """`os`, reading some bytes at a time and letting something happen in between."""

    def __init__(self, most, meanwhile):
        self.most, self.meanwhile = most, meanwhile

    def __getattr__(self, name):
        return getattr(os, name)

    def read(self, descriptor, count):
        chunk = os.read(descriptor, min(count, self.most))
        self.meanwhile()
        return chunk


@pytest.mark.parametrize("most", [1, 3, 7])
def test_a_read_that_comes_in_pieces(tmp_path, monkeypatch, most):
    (tmp_path / "f").write_bytes(b"0123456789")
    monkeypatch.setattr(files, "os", Slow(most, lambda: None))
    assert files.read_file(str(tmp_path / "f"), 100) == b"0123456789"


def test_a_file_that_grows_past_the_limit_while_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "f"
    path.write_bytes(b"0123456789")

    def grow():
        with path.open("ab") as file:
            file.write(b"more")

    monkeypatch.setattr(files, "os", Slow(4, grow))
    with pytest.raises(ValueError, match="larger"):
        files.read_file(str(path), 12)


def test_a_file_that_shrinks_while_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "f"
    path.write_bytes(b"0123456789")
    monkeypatch.setattr(files, "os", Slow(4, lambda: os.truncate(path, 5)))
    assert files.read_file(str(path), 100) == b"01234"


def test_missing_files_are_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.read_file(str(tmp_path / "f"), 10)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused_and_closed(tmp_path, make):
    path = str(tmp_path / "f")
    make(path)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(ValueError, match="no regular file"):
        files.read_file(path, 10)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_links_are_not_followed(tmp_path):
    (tmp_path / "f").write_bytes(b"secret")
    os.symlink(tmp_path / "f", tmp_path / "link")
    with pytest.raises(OSError, match="symbolic links"):
        files.read_file(str(tmp_path / "link"), 10)


def test_a_file_is_put_in_place_with_its_folders(tmp_path, temporary):
    path = str(tmp_path / "a" / "b" / "f")
    files.write_file(path, b"content", temporary)
    assert files.read_file(path, 10) == b"content"
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert os.listdir(temporary) == []


def test_a_link_is_replaced_not_followed(tmp_path, temporary):
    (tmp_path / "target").write_bytes(b"theirs")
    os.symlink(tmp_path / "target", tmp_path / "f")
    files.write_file(str(tmp_path / "f"), b"ours", temporary)
    assert (tmp_path / "target").read_bytes() == b"theirs"
    assert files.read_file(str(tmp_path / "f"), 10) == b"ours"


def test_a_write_in_pieces_is_whole(tmp_path, temporary, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, view: write(descriptor, view[:3]))
    files.write_file(str(tmp_path / "f"), b"0123456789", temporary)
    assert (tmp_path / "f").read_bytes() == b"0123456789"


@pytest.mark.parametrize("problem", [OSError("full"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_what_was_there(tmp_path, temporary, monkeypatch, problem):
    (tmp_path / "f").write_bytes(b"old")

    def fail(*_):
        raise problem

    descriptors = os.listdir("/proc/self/fd")
    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(type(problem)):
        files.write_file(str(tmp_path / "f"), b"new", temporary)
    monkeypatch.undo()
    assert (tmp_path / "f").read_bytes() == b"old"
    assert os.listdir(temporary) == []
    assert len(os.listdir("/proc/self/fd")) == len(descriptors)


def test_a_rename_that_fails_leaves_nothing_behind(tmp_path, temporary):
    (tmp_path / "folder" / "full").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        files.write_file(str(tmp_path / "folder"), b"new", temporary)
    assert os.listdir(temporary) == []


def test_a_reader_sees_one_content_or_another_whole(tmp_path, temporary):
    path = str(tmp_path / "f")
    contents = [bytes([n]) * 20_000 for n in range(2)]
    files.write_file(path, contents[0], temporary)
    done = threading.Event()

    def write():
        try:
            for n in range(200):
                files.write_file(path, contents[n % 2], temporary)
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        seen.add(files.read_file(path, 20_000))
    writer.join()
    seen.add(files.read_file(path, 20_000))
    assert seen <= set(contents)


def test_removing(tmp_path):
    (tmp_path / "f").write_bytes(b"")
    assert files.remove_file(str(tmp_path / "f"))
    assert not files.remove_file(str(tmp_path / "f"))
    assert not files.remove_file(str(tmp_path))


def test_names_are_unique_and_say_who():
    names = [files.unique_name() for _ in range(1000)]
    assert len(set(names)) == 1000
    assert all(name.startswith(f"{os.getpid()}-") for name in names)


def test_listing(tmp_path):
    (tmp_path / "one").write_bytes(b"")
    (tmp_path / "two").mkdir()
    assert {each.name for each in files.scan(str(tmp_path))} == {"one", "two"}
    assert list(files.scan(str(tmp_path / "absent"))) == []
    assert list(files.scan(str(tmp_path / "one"))) == []
