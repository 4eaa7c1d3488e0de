"""A shared folder is collected by whoever owns it, by itself, and by nobody else."""

import json
import os
import time

import pytest

from emberkeep.settings import Place, parse_places
from emberkeep.sharing import folder as sharing_folder
from emberkeep.store.schedule import EVERY_S, STAMP
from emberkeep.testing import Dictionary

HOUR_S = 3600.0


def build(user, number, **limits):
    keep = user.keep(shared=Place(user.shared, **limits), memory_size=0)
    keep.get_or_build("tables", "lorenz", {"n": number}, lambda: {"code": b"%d" % number * 999})
    assert keep.flush()


def manifests(shared):
    folder = shared / "tables" / "lorenz"
    return [str(path) for path in folder.glob("*.json")] if folder.exists() else []


def grow_old(shared):
    """What is there was used some hours ago, and the last collection was a day ago."""
    for path in manifests(shared):
        os.utime(path, (time.time() - 5 * HOUR_S,) * 2)
    (shared / STAMP).touch()
    os.utime(shared / STAMP, (time.time() - EVERY_S - 1,) * 2)


@pytest.fixture
def stocked(alice, shared):
    for number in range(4):
        build(alice, number)
    grow_old(shared)
    return alice


def settle(shared, count):
    """Wait for the background, as long as it takes at most."""
    until = time.monotonic() + 10
    while len(manifests(shared)) > count and time.monotonic() < until:
        time.sleep(0.01)
    return len(manifests(shared))


def test_the_owner_makes_room_after_a_build_once_a_day(stocked, shared):
    build(stocked, 4, max_size_bytes=0)
    assert settle(shared, 1) == 1  # the new one is younger than an hour
    before = os.stat(shared / STAMP).st_mtime
    build(stocked, 5, max_size_bytes=0)
    assert os.stat(shared / STAMP).st_mtime == before


def test_by_age_too(stocked, shared):
    build(stocked, 4, max_age_s=4 * HOUR_S)
    assert settle(shared, 1) == 1


def test_without_limits_nobody_does(stocked, shared):
    build(stocked, 4)
    assert len(manifests(shared)) == 5
    assert os.stat(shared / STAMP).st_mtime < time.time() - EVERY_S


def test_who_does_not_own_it_leaves_it_to_the_owner(stocked, shared, monkeypatch):
    own = os.geteuid()
    monkeypatch.setattr(sharing_folder.SharedFolder, "_is_mine", lambda _: own + 1 == own)
    build(stocked, 4, max_size_bytes=0)
    assert len(manifests(shared)) == 5


def test_whose_it_is_is_told_by_the_folder(alice, shared):
    place = alice.keep()._places.shared[0].store
    assert place._is_mine()
    os.chown(shared, 12345, -1)
    assert not place._is_mine()
    assert not place.make_room()


def test_elsewhere_whoever_set_limits_does(alice, shared, monkeypatch):
    cloud = Dictionary(str(shared), clock=lambda: time.time() - 5 * HOUR_S)
    monkeypatch.setattr(sharing_folder, "open_objects", lambda _: cloud)
    for number in range(3):
        build(alice, number)
    cloud.clock = lambda: time.time() - 2 * EVERY_S
    cloud.write(STAMP, b"")
    cloud.clock = time.time
    build(alice, 3, max_size_bytes=0)
    until = time.monotonic() + 10
    while len(list(cloud.list("tables/"))) > 1 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(list(cloud.list("tables/"))) == 1


def test_gc_takes_the_limits_of_the_place(stocked, capsys, monkeypatch, shared):
    place = f"{stocked.shared}?max_size=0"
    stocked.shared = place
    capsys.readouterr()
    assert stocked.run("gc", "--layer", "shared", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["entries"] == 4
    assert manifests(shared) == []


def test_limits_are_read_and_written_as_text_tables_and_records():
    expected = (Place("/x", max_size_bytes=2000, max_age_s=86_400.0),)
    assert parse_places("/x?max_size=2KB&max_age=1d") == expected
    assert parse_places({"path": "/x", "max_size": "2KB", "max_age": 1}) == expected
    assert parse_places(expected) == expected
    with pytest.raises(ValueError, match="float"):
        parse_places("/x?max_size=lots")
