"""Counts: one file a process, added up when asked, folded without counting twice."""

import os
import subprocess
import sys
import threading
import time

import pytest

from emberkeep.store import counts, no_follow
from emberkeep.store.counts import INCLUDES, Counts, fold, read_totals, zero

HIT = ("hit", "tables", "local")
MISS = ("miss", "tables", "absent")


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "keep"
    folder.mkdir()
    return str(folder)


def folder_of(root):
    return os.path.join(root, "statistics")


def count(root, *events, times=1):
    """What another process would have counted."""
    own = Counts(root)
    for event in events:
        for _ in range(times):
            own.add(*event, 0.5)
    own.flush()
    return own


def age(root, seconds=7200):
    """As if all of it had been written that long ago."""
    for name in os.listdir(folder_of(root)):
        then = time.time() - seconds
        os.utime(os.path.join(folder_of(root), name), (then, then))


def wait_for(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_counts_of_many_are_added_up(root):
    for _ in range(3):
        count(root, HIT, MISS, times=2)
    assert read_totals(root) == {HIT: (6, 3.0), MISS: (6, 3.0)}
    assert len(os.listdir(folder_of(root))) == 3


def test_own_counts_need_no_file():
    own = count(None, HIT, times=3)
    assert own.totals() == {HIT: (3, 1.5)}


def test_several_flushes_go_into_one_file(root):
    own = count(root, HIT)
    own.add(*HIT, 0.25)
    own.flush()
    own.flush()
    assert read_totals(root) == {HIT: (2, 0.75)}
    assert len(os.listdir(folder_of(root))) == 1
    assert own.totals() == read_totals(root)


def test_it_writes_by_itself_after_some_seconds(root, monkeypatch):
    own = Counts(root)
    own.add(*HIT, 0.0)
    assert read_totals(root) == {}
    now = time.monotonic()
    monkeypatch.setattr(counts.time, "monotonic", lambda: now + 6)
    own.add(*HIT, 0.0)
    assert read_totals(root) == {HIT: (2, 0.0)}


def test_where_nothing_was_kept_no_trace_is_left(tmp_path):
    count(str(tmp_path / "never"), HIT)
    assert not (tmp_path / "never").exists()
    assert read_totals(str(tmp_path / "never")) == {}
    assert fold(str(tmp_path / "never")) == 0
    assert zero(str(tmp_path / "never")) == 0


def test_a_folder_that_cannot_be_written_raises_nothing(root):
    with open(folder_of(root), "w") as file:
        file.write("in the way")
    own = count(root, HIT)
    assert own.totals() == {HIT: (1, 0.5)}


def test_files_are_private(root):
    count(root, HIT)
    (name,) = os.listdir(folder_of(root))
    assert os.stat(os.path.join(folder_of(root), name)).st_mode & 0o777 == 0o600


ODD = ["", "a\tb", "a\nb", "a\rb", "a\x0bb", "a\x1cb", "a\x85b", "a\u2028b", "\N{FIRE}", "\ud800"]


@pytest.mark.parametrize("kind", ODD)
def test_no_kind_tears_a_line(root, kind):
    count(root, ("hit", kind, kind), HIT)
    totals = read_totals(root)
    assert len(totals) == 2
    assert set(totals.values()) == {(1, 0.5)}


def test_torn_lines_are_left_out(root):
    count(root, HIT)
    lines = ["hit", "hit\ttables\tlocal", "hit\ttables\tlocal\t", "hit\ttables\tlocal\tx\t1.0"]
    lines += ["hit\ttables\tlocal\t1\t", "", "\0\0\0", "a\tb\tc\td\te\tf", "\ufffd"]
    with open(os.path.join(folder_of(root), "torn.tsv"), "wb") as file:
        file.write("\n".join(lines).encode() + b"\n\xff\xfe\n" + b"hit\ttables\tlocal\t2\t1.0\n")
        file.write(b"hit\ttables\tloc")
    assert read_totals(root) == {HIT: (3, 1.5)}


@pytest.mark.timeout(20)
def test_other_files_are_not_read(root):
    count(root, HIT)
    with open(os.path.join(folder_of(root), "notes.txt"), "w") as file:
        file.write("hit\ttables\tlocal\t100\t1.0\n")
    os.mkfifo(os.path.join(folder_of(root), "pipe.tsv"))
    os.mkdir(os.path.join(folder_of(root), "folder.tsv"))
    os.symlink("nowhere", os.path.join(folder_of(root), "link.tsv"))
    assert read_totals(root) == {HIT: (1, 0.5)}


PROGRAM = """
import sys
from emberkeep.store.counts import Counts
own = Counts(sys.argv[1])
for _ in range(200):
    own.add("hit", "tables", "local", 0.5)
    own.flush()
"""


def test_processes_count_at_the_same_time(root):
    command = [sys.executable, "-c", PROGRAM, root]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    assert read_totals(root) == {HIT: (800, 400.0)}
    assert len(os.listdir(folder_of(root))) == 4


def test_a_thread_that_counts_while_another_writes(root):
    """It had the counts in hand before they were taken away to be written."""
    own = Counts(root)
    counts = own._pending

    class Meanwhile(str):
        __slots__ = ()

        def __format__(self, how):
            counts["late", "tables", "local"] = (1, 0.0)
            return str(self)

    counts["hit", Meanwhile("tables"), "local"] = (1, 0.5)
    own.flush()
    assert read_totals(root) == {HIT: (1, 0.5)}


def test_threads_count_together(root):
    own, problems = Counts(root), []

    def work(number):
        try:
            for n in range(100):
                own.add("hit", f"kind {number} {n}", "local", 0.5)
                own.flush()
        except Exception as problem:  # noqa: BLE001 - compared below
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(own.totals()) == 300


# Forks ----------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # other threads: xdist's own
def test_a_forked_child_counts_for_itself(root):
    own = Counts(root)
    for _ in range(3):
        own.add(*HIT, 0.5)
    child = os.fork()
    if not child:
        status = 1
        try:
            own.add(*MISS, 0.5)
            own.flush()
            status = 0 if own.totals() == {MISS: (1, 0.5)} else 2
        finally:
            os._exit(status)
    assert wait_for(child) == 0
    assert read_totals(root) == {MISS: (1, 0.5)}
    own.flush()
    assert read_totals(root) == {MISS: (1, 0.5), HIT: (3, 1.5)}


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # other threads: xdist's own
def test_a_forked_child_that_only_exits_counts_nothing(root):
    """It has inherited the handler that writes at exit, and what its parent had not written."""
    own = Counts(root)
    own.add(*HIT, 0.5)
    child = os.fork()
    if not child:
        try:
            own.flush()
        finally:
            os._exit(0)
    assert wait_for(child) == 0
    assert read_totals(root) == {}
    own.flush()
    assert read_totals(root) == {HIT: (1, 0.5)}


# Folding --------------------------------------------------------------------------------------


def test_folding_changes_no_total(root):
    for _ in range(5):
        count(root, HIT, MISS)
    before = read_totals(root)
    age(root)
    assert fold(root) == 5
    assert len(os.listdir(folder_of(root))) == 1
    assert read_totals(root) == before


def test_folding_again_and_again(root):
    for n in range(1, 5):
        count(root, HIT)
        count(root, MISS)
        age(root)
        fold(root)
        assert len(os.listdir(folder_of(root))) == 1
        assert read_totals(root) == {HIT: (n, n / 2), MISS: (n, n / 2)}


def test_the_files_of_who_may_still_count_are_left(root):
    for _ in range(3):
        count(root, HIT)
    age(root)
    count(root, MISS)
    count(root, MISS)
    assert fold(root) == 3
    assert len(os.listdir(folder_of(root))) == 3
    assert read_totals(root) == {HIT: (3, 1.5), MISS: (2, 1.0)}


def test_one_file_is_folded_already(root):
    count(root, HIT)
    age(root)
    before = os.listdir(folder_of(root))
    assert fold(root) == 0
    assert os.listdir(folder_of(root)) == before


class Crash(Exception):
    pass


@pytest.mark.parametrize("removed", [0, 1, 2, 4])
def test_a_fold_that_is_interrupted_counts_nothing_twice(root, monkeypatch, removed):
    for _ in range(5):
        count(root, HIT)
    age(root)
    remove, calls = no_follow.remove_within, []

    def crash(root, path):
        if path.endswith(".tsv"):
            if len(calls) == removed:
                raise Crash
            calls.append(path)
        return remove(root, path)

    monkeypatch.setattr(no_follow, "remove_within", crash)
    with pytest.raises(Crash):
        fold(root)
    monkeypatch.undo()
    assert read_totals(root) == {HIT: (5, 2.5)}
    # The next fold finishes it, whether it comes soon or late.
    count(root, HIT)
    fold(root)
    assert read_totals(root) == {HIT: (6, 3.0)}
    age(root)
    fold(root)
    assert read_totals(root) == {HIT: (6, 3.0)}
    assert len(os.listdir(folder_of(root))) == 1


def test_a_fold_interrupted_before_it_is_written_loses_nothing(root, monkeypatch):
    for _ in range(2):
        count(root, HIT)
    age(root)

    def fail(*_):
        raise OSError("full")

    monkeypatch.setattr(no_follow, "write_within", fail)
    with pytest.raises(OSError, match="full"):
        fold(root)
    assert read_totals(root) == {HIT: (2, 1.0)}


def test_a_process_that_idled_while_its_file_was_folded_is_counted_on(root):
    """Its old name is among those that are counted already."""
    own = count(root, HIT)
    count(root, MISS)
    age(root)
    assert fold(root) == 2
    own.add(*HIT, 0.5)
    own.flush()
    own.add(*HIT, 0.5)
    own.flush()
    assert read_totals(root) == {HIT: (3, 1.5), MISS: (1, 0.5)}
    assert len(os.listdir(folder_of(root))) == 2


def test_two_who_fold_at_once_count_nothing_twice(root, monkeypatch):
    """One folds in the middle of the other, where both have read the same files."""
    for _ in range(3):
        count(root, HIT)
    age(root)
    write_within, inner = no_follow.write_within, []

    def meanwhile(*arguments):
        monkeypatch.undo()
        inner.append(fold(root))
        write_within(*arguments)

    monkeypatch.setattr(no_follow, "write_within", meanwhile)
    assert fold(root) == 3
    assert inner == [0]
    assert read_totals(root) == {HIT: (3, 1.5)}


def test_an_included_name_is_not_an_event(root):
    for _ in range(2):
        count(root, HIT)
    age(root)
    fold(root)
    assert {event for event, _, _ in read_totals(root)} == {"hit"}
    (name,) = os.listdir(folder_of(root))
    with open(os.path.join(folder_of(root), name)) as file:
        assert sum(line.startswith(INCLUDES) for line in file) == 2


def test_zero_forgets_all_and_counting_goes_on(root):
    own = count(root, HIT)
    count(root, MISS)
    assert zero(root) == 2
    assert read_totals(root) == {}
    own.add(*HIT, 0.5)
    own.flush()
    assert read_totals(root) == {HIT: (1, 0.5)}
