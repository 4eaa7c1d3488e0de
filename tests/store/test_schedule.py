"""Collection by itself: once a day, by one process, with the user's limits."""

import os
import time

import pytest

from emberkeep.store.directory import Directory
from emberkeep.store.schedule import EVERY_S, STAMP, collect, take_turn
from emberkeep.testing import kept


@pytest.fixture
def directory(tmp_path):
    return Directory(str(tmp_path / "keep"), lambda _digest, _seal: None)


def collect_if_due(directory, max_size_bytes, max_age_s):
    due = take_turn(directory)
    if due:
        collect(directory, max_size_bytes, max_age_s)
    return due


def _fill(directory, count, age_s):
    for index in range(count):
        item = kept(name=f"system{index}")
        directory.write(item)
        used = time.time() - age_s
        os.utime(directory.manifest_path(item.manifest.key), (used, used))


def _stamp_age(directory, age_s):
    then = time.time() - age_s
    os.utime(os.path.join(directory.root, STAMP), (then, then))


def test_a_new_keep_is_stamped_and_left_alone(directory):
    _fill(directory, 3, age_s=30 * EVERY_S)
    assert not collect_if_due(directory, max_size_bytes=0, max_age_s=0.0)
    assert len(list(directory.entries())) == 3
    assert os.path.exists(os.path.join(directory.root, STAMP))


def test_nothing_happens_within_a_day(directory):
    _fill(directory, 3, age_s=30 * EVERY_S)
    collect_if_due(directory, 0, 0.0)
    _stamp_age(directory, EVERY_S - 60)
    assert not collect_if_due(directory, 0, 0.0)
    assert len(list(directory.entries())) == 3


@pytest.mark.parametrize("age_s", [EVERY_S + 60, -2 * EVERY_S], ids=["a day ago", "in the future"])
def test_a_day_later_the_limits_hold_and_the_stamp_is_new(directory, age_s):
    _fill(directory, 3, age_s=30 * EVERY_S)
    collect_if_due(directory, 0, 0.0)
    _stamp_age(directory, age_s)
    assert collect_if_due(directory, max_size_bytes=1 << 30, max_age_s=20 * EVERY_S)
    assert list(directory.entries()) == []
    assert not collect_if_due(directory, 0, 0.0)


def test_what_is_within_the_limits_stays(directory):
    _fill(directory, 3, age_s=10 * EVERY_S)
    collect_if_due(directory, 0, 0.0)
    _stamp_age(directory, EVERY_S + 60)
    assert collect_if_due(directory, max_size_bytes=1 << 30, max_age_s=20 * EVERY_S)
    assert len(list(directory.entries())) == 3
