"""Writing, moving and removing within a root: whole, and by way of no link."""

import contextlib
import os
import shutil
import stat
import threading

import pytest

from emberkeep.store.files import ALONE, Access, read_file
from emberkeep.store.no_follow import (
    MOST_OPEN,
    OpenFolders,
    move_within,
    remove_folder_within,
    remove_within,
    touch_within,
    write_within,
)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    folder.mkdir()
    return str(folder)


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "thesis").write_bytes(b"years of work")
    return folder


def names_in(folder):
    return sorted(os.path.join(f, name) for f, _, names in os.walk(folder) for name in names)


def test_a_file_is_put_in_place_with_its_folders(root):
    path = f"{root}/a/b/f"
    write_within(root, path, b"content")
    assert read_file(path, 10) == b"content"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(f"{root}/a/b").st_mode) == 0o700
    assert os.listdir(f"{root}/temporary") == []


def test_the_root_is_made_too_and_may_itself_be_a_link(tmp_path):
    write_within(str(tmp_path / "new"), str(tmp_path / "new" / "f"), b"1")
    os.symlink(tmp_path / "new", tmp_path / "link")
    write_within(str(tmp_path / "link"), str(tmp_path / "link" / "g"), b"2")
    assert (tmp_path / "new" / "g").read_bytes() == b"2"


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_permissions_are_those_that_were_asked_for(root, umask):
    before = os.umask(umask)
    try:
        write_within(root, f"{root}/a/f", b"1", Access(0o664, 0o2775))
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(f"{root}/a/f").st_mode) == 0o664
    assert stat.S_IMODE(os.stat(f"{root}/a").st_mode) == 0o2775


@pytest.mark.parametrize("place", ["a", "a/b", "temporary"])
def test_no_link_leads_out_while_writing(root, outside, place):
    os.makedirs(os.path.dirname(f"{root}/{place}"), exist_ok=True)
    os.symlink(outside, f"{root}/{place}")
    before = names_in(outside)
    with pytest.raises(OSError, match="a folder was expected"):
        write_within(root, f"{root}/a/b/f", b"1")
    assert names_in(outside) == before


def test_no_link_leads_out_while_removing(root, outside):
    os.symlink(outside, f"{root}/temporary")
    assert not remove_within(root, f"{root}/temporary/thesis")
    assert (outside / "thesis").exists()


def test_only_empty_folders_are_removed(root):
    os.makedirs(f"{root}/full/empty")
    assert not remove_folder_within(root, f"{root}/full")
    assert remove_folder_within(root, f"{root}/full/empty")
    assert remove_folder_within(root, f"{root}/full")
    assert not remove_folder_within(root, f"{root}/full")


def test_no_link_leads_out_while_removing_folders(root, outside):
    (outside / "empty").mkdir()
    os.symlink(outside, f"{root}/kind")
    assert not remove_folder_within(root, f"{root}/kind/empty")
    assert not remove_folder_within(root, f"{root}/kind")
    assert (outside / "empty").is_dir()


def test_no_link_leads_out_while_touching(root, outside):
    os.utime(outside / "thesis", (1, 1))
    os.symlink(outside, f"{root}/link")
    assert not touch_within(root, f"{root}/link/thesis")
    os.symlink(outside / "thesis", f"{root}/f")
    assert touch_within(root, f"{root}/f")  # the link itself
    assert os.stat(outside / "thesis").st_mtime == 1
    write_within(root, f"{root}/g", b"1")
    os.utime(f"{root}/g", (1, 1))
    assert touch_within(root, f"{root}/g")
    assert os.stat(f"{root}/g").st_mtime > 1


def test_no_link_leads_out_while_moving(root, outside):
    write_within(root, f"{root}/f", b"damaged")
    os.symlink(outside, f"{root}/quarantine")
    with pytest.raises(OSError, match="a folder was expected"):
        move_within(root, f"{root}/f", f"{root}/quarantine/f")
    assert names_in(outside) == [str(outside / "thesis")]
    os.symlink(outside, f"{root}/link")
    with pytest.raises(OSError, match="a folder was expected"):
        move_within(root, f"{root}/link/thesis", f"{root}/g")
    assert (outside / "thesis").exists()


def test_a_link_in_the_place_of_the_file_is_replaced_or_removed_itself(root, outside):
    os.symlink(outside / "thesis", f"{root}/f")
    write_within(root, f"{root}/f", b"ours")
    assert (outside / "thesis").read_bytes() == b"years of work"
    assert read_file(f"{root}/f", 10) == b"ours"
    os.symlink(outside / "thesis", f"{root}/g")
    assert remove_within(root, f"{root}/g")
    assert (outside / "thesis").exists()


def test_folders_that_change_places_with_links_at_full_speed_lead_nobody_out(root, outside):
    """As another user would do it who can write there."""
    for name in ("real", "a"):
        os.makedirs(f"{root}/{name}", exist_ok=True)
    done = threading.Event()

    def swap():
        n = 0
        while not done.is_set():
            n += 1
            for step in (
                lambda: os.rename(f"{root}/a", f"{root}/a {n}"),
                lambda: os.symlink(outside, f"{root}/a"),
                lambda: os.unlink(f"{root}/a"),
                lambda: os.rename(f"{root}/a {n}", f"{root}/a"),
            ):
                with contextlib.suppress(OSError):  # the writer makes what it misses
                    step()

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for n in range(2000):
            with contextlib.suppress(OSError):
                write_within(root, f"{root}/a/{n}", b"1")
            remove_within(root, f"{root}/a/thesis")
    finally:
        done.set()
        swapping.join()
    assert names_in(outside) == [str(outside / "thesis")]


@pytest.mark.parametrize("path", ["/elsewhere/f", "{root}/../f", "{root}", "{root}f"])
def test_what_does_not_lie_within_is_refused(root, path):
    with pytest.raises(ValueError, match="does not lie within"):
        write_within(root, path.format(root=root), b"1")


@pytest.mark.parametrize("problem", [OSError("full"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_what_was_there(root, monkeypatch, problem):
    write_within(root, f"{root}/f", b"old")

    def fail(*_):
        raise problem

    descriptors = os.listdir("/proc/self/fd")
    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(type(problem)):
        write_within(root, f"{root}/f", b"new")
    monkeypatch.undo()
    assert read_file(f"{root}/f", 10) == b"old"
    assert os.listdir(f"{root}/temporary") == []
    assert len(os.listdir("/proc/self/fd")) == len(descriptors)


def test_a_write_in_pieces_is_whole(root, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, view: write(descriptor, view[:3]))
    write_within(root, f"{root}/f", b"0123456789")
    assert read_file(f"{root}/f", 10) == b"0123456789"


def test_a_folder_that_is_taken_away_while_it_is_empty_is_made_again(root, monkeypatch):
    replace, taken = os.replace, []

    def take_away(*arguments, **named):
        if not taken:
            taken.append(1)
            os.rmdir(f"{root}/a")
        return replace(*arguments, **named)

    monkeypatch.setattr(os, "replace", take_away)
    write_within(root, f"{root}/a/f", b"1")
    assert read_file(f"{root}/a/f", 10) == b"1"
    assert taken


def test_removing_says_whether_it_was_there(root):
    assert not remove_within(root, f"{root}/a/f")
    write_within(root, f"{root}/a/f", b"1")
    assert remove_within(root, f"{root}/a/f")
    assert not remove_within(root, f"{root}/a/f")


def test_a_name_that_is_taken_is_not_taken_again(root, monkeypatch):
    write_within(root, f"{root}/f", b"1", replaces=False)
    with pytest.raises(FileExistsError):
        write_within(root, f"{root}/f", b"2", replaces=False)

    def no_links(*_, **__):
        raise PermissionError("no links")

    monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(FileExistsError):
        write_within(root, f"{root}/f", b"3", replaces=False)
    write_within(root, f"{root}/g", b"4", replaces=False)
    assert (read_file(f"{root}/f", 10), read_file(f"{root}/g", 10)) == (b"1", b"4")
    assert os.listdir(f"{root}/temporary") == []


# Several files ----------------------------------------------------------------------------------


def test_folders_stay_open_while_several_files_are_written(root):
    before = len(os.listdir("/proc/self/fd"))
    with OpenFolders(root, ALONE) as folders:
        for number in range(5 * MOST_OPEN):
            path = f"{root}/a{number % 40}/b/{number}"
            write_within(root, path, b"%d" % number, folders=folders)
            assert len(os.listdir("/proc/self/fd")) <= before + MOST_OPEN + 4
    assert len(os.listdir("/proc/self/fd")) == before
    for number in range(5 * MOST_OPEN):
        with open(f"{root}/a{number % 40}/b/{number}", "rb") as file:
            assert file.read() == b"%d" % number
    assert os.listdir(f"{root}/temporary") == []


@pytest.mark.parametrize("taken", ["a", "temporary", "a/b"])
def test_a_folder_that_is_taken_away_while_it_is_open_is_made_again(root, taken):
    with OpenFolders(root, ALONE) as folders:
        write_within(root, f"{root}/a/b/1", b"1", folders=folders)
        shutil.rmtree(f"{root}/{taken}")
        write_within(root, f"{root}/a/b/2", b"2", folders=folders)
    with open(f"{root}/a/b/2", "rb") as file:
        assert file.read() == b"2"


def test_a_link_in_the_place_of_a_folder_is_not_followed_by_the_next_file(root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    with OpenFolders(root, ALONE) as folders:
        write_within(root, f"{root}/a/1", b"1", folders=folders)
        os.symlink(outside, f"{root}/b")
        with pytest.raises(OSError, match="link"):
            write_within(root, f"{root}/b/2", b"2", folders=folders)
    assert list(outside.iterdir()) == []
    assert os.listdir(f"{root}/temporary") == []
