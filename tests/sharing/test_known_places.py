"""A place that was a keep and is an empty folder now is not mounted, and is not laid out anew."""

import os
import shutil
import stat
import warnings

import pytest

from emberkeep.cli.parser import COMMANDS
from emberkeep.errors import StoreWarning

UNMOUNTED = "was a keep, and has none in it now. Mount it"


def unmount(user, aside):
    """What is left of a file system that is not mounted: an empty folder."""
    shutil.move(user.shared, aside)
    os.mkdir(user.shared)
    os.chmod(user.shared, 0o2777)


def mount(user, aside):
    os.rmdir(user.shared)
    shutil.move(aside, user.shared)


def get(user, keep, n=1):
    made = keep.get_or_build("tables", "sample", {"n": n}, lambda: {"code": b"it"})
    assert keep.flush()
    return made.hit


@pytest.mark.parametrize("same_process", [True, False])
def test_a_mount_point_without_its_file_system_is_left_empty(alice, tmp_path, same_process):
    keep = alice.keep(memory_size=0)
    assert not get(alice, keep)
    aside = tmp_path / "aside"
    unmount(alice, aside)
    if not same_process:
        keep = alice.keep(memory_size=0)
    with pytest.warns(StoreWarning, match=UNMOUNTED):
        assert not get(alice, keep, 2)
    assert os.listdir(alice.shared) == []
    mount(alice, aside)
    assert get(alice, alice.keep(strategy="shared"))


def test_whoever_has_only_read_there_knows_it_too(alice, bob, tmp_path):
    assert not get(alice, alice.keep())
    assert get(bob, bob.keep(strategy="shared"))
    unmount(bob, tmp_path / "aside")
    with pytest.warns(StoreWarning, match=UNMOUNTED):
        assert not get(bob, bob.keep(strategy="shared"))
    assert os.listdir(bob.shared) == []


@pytest.mark.parametrize(
    "words",
    [
        ["push"],
        ["pull"],
        ["sync"],
        ["push", "--dry-run"],
        *([name, "--layer", "shared"] for name in ("ls", "status", "verify", "gc")),
    ],
    ids=" ".join,
)
def test_commands_say_so(alice, tmp_path, capsys, words):
    assert not get(alice, alice.keep())
    unmount(alice, tmp_path / "aside")
    assert alice.run(*words) == 4
    out, err = capsys.readouterr()
    assert (out, UNMOUNTED in err) == ("", True)
    assert os.listdir(alice.shared) == []


def test_a_folder_that_was_emptied_on_purpose_is_founded_again(alice, tmp_path, capsys):
    assert not get(alice, alice.keep())
    unmount(alice, tmp_path / "aside")
    assert alice.run("init", alice.shared) == 0
    assert "is a keep now" in capsys.readouterr().out
    assert alice.run("push") == 0
    assert get(alice, alice.keep(strategy="shared"))


def test_an_empty_folder_that_nobody_has_seen_is_laid_out_by_the_first_who_writes(alice):
    assert alice.run("ls", "--layer", "shared") == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not get(alice, alice.keep())
    assert "format" in os.listdir(alice.shared)


def test_where_it_cannot_be_written_down_nothing_is_lost_but_that(alice, tmp_path):
    os.makedirs(alice.config, exist_ok=True)
    with open(os.path.join(alice.config, "places"), "w"):
        pass
    keep = alice.keep(strategy="shared")
    assert not get(alice, keep)
    assert get(alice, keep)


def test_a_shared_keep_is_founded_with_the_permissions_of_a_group(alice, tmp_path, capsys):
    path = str(tmp_path / "founded")
    mask = os.umask(0o077)
    try:
        assert alice.run("init", path) == 0
    finally:
        os.umask(mask)
    assert f"export EMBERKEEP_SHARED={path}" in capsys.readouterr().out
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o2775
    assert stat.S_IMODE(os.stat(os.path.join(path, "format")).st_mode) == 0o664
    assert alice.run("init", path) == 0
    assert "was a keep already" in capsys.readouterr().out


def test_a_folder_with_other_things_in_it_is_not_founded(alice, tmp_path, capsys):
    assert alice.run("init", str(tmp_path)) == 4
    assert "holds other things" in capsys.readouterr().err
    assert "format" not in os.listdir(tmp_path)
    assert alice.run("init", str(tmp_path / "no" / "parent")) == 4


LOOKING = {
    "show": ["x"],
    "why": ["x"],
    "pin": ["x"],
    "unpin": ["x"],
    "clear": ["--yes"],
    "export": ["x.ek", "--name", "x", "--version", "1"],
    **{name: [] for name in ("status", "ls", "verify", "repair", "gc", "push", "pull", "sync")},
}


@pytest.mark.parametrize("name", LOOKING)
def test_what_is_no_place_is_no_empty_keep(alice, tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "2026").mkdir(parents=True)
    for place, said in (("nowhere", "is not there"), ("photos", "is no keep")):
        if place == "photos" and name in ("push", "sync"):
            continue  # a disk may hold other things beside a keep
        code = alice.run(name, *LOOKING[name], "--layer", tmp_path / place)
        out, err = capsys.readouterr()
        assert (code, out) == (4, ""), place
        assert said in err
    assert sorted(os.listdir(tmp_path / "photos")) == ["2026"]
    assert name in COMMANDS
