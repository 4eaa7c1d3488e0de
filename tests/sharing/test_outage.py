"""A place that hangs is told to the next process, which then builds without waiting for it."""

import os
import time

import pytest

from emberkeep.cli import main
from emberkeep.sharing import deadline
from emberkeep.sharing.deadline import COOL_DOWN_S, FAILURES, PlaceHangs, PlaceShunned, guard
from emberkeep.sharing.outage import FOLDER, LASTS_S, Outages, all_outages
from emberkeep.store.files import RESERVED

PLACE = "the shared folder /mnt/dead"
SHORT_S = 0.05


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "keep"
    folder.mkdir()
    return str(folder)


@pytest.fixture
def next_process(monkeypatch):
    """Another process knows nothing of what this one has seen."""
    return lambda: monkeypatch.setattr(deadline, "_guards", {})


@pytest.fixture
def clock(monkeypatch):
    """A clock that can be put forward, for files too."""
    ahead = [0.0]
    monkeypatch.setattr(deadline, "monotonic", lambda: time.monotonic() + ahead[0])

    def put_forward(root, seconds):
        ahead[0] += seconds
        for outage in all_outages(root):
            os.utime(outage.path, (time.time() - seconds - outage.age_s,) * 2)

    return put_forward


def hang(place, times=1):
    for _ in range(times):
        with pytest.raises(PlaceHangs):
            place.call(lambda _: time.sleep(4 * SHORT_S))
    wait_until(lambda: not place.is_stuck())


def wait_until(holds):
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.001)


def open_place(root):
    return guard(PLACE, SHORT_S, root)


def test_all_keeps_of_a_process_have_one_breaker(root):
    assert open_place(root) is open_place(root)
    assert open_place(root) is not guard(PLACE, SHORT_S, None)
    assert open_place(root) is not guard("the shared folder /mnt/other", SHORT_S, root)


def test_the_next_process_does_not_wait(root, next_process):
    hang(open_place(root), FAILURES)
    next_process()
    with pytest.raises(PlaceShunned, match="3 calls in a row failed, the last with no answer"):
        open_place(root).call(pytest.fail)


def test_hangs_of_several_processes_count_together(root, next_process):
    for _ in range(FAILURES):
        next_process()
        hang(open_place(root))
    next_process()
    with pytest.raises(PlaceShunned):
        open_place(root).call(pytest.fail)


def test_after_a_minute_one_of_them_asks(root, next_process, clock):
    hang(open_place(root), FAILURES)
    clock(root, COOL_DOWN_S + 1)
    next_process()
    place = open_place(root)
    assert place.call(lambda _: "asked") == "asked"
    next_process()
    with pytest.raises(PlaceShunned):  # that one is under way
        open_place(root).call(pytest.fail)
    place.succeeded()
    next_process()
    assert open_place(root).call(lambda _: "asked") == "asked"
    assert not list(all_outages(root))


def test_after_an_hour_nobody_knows(root, next_process, clock):
    hang(open_place(root), FAILURES)
    clock(root, LASTS_S + 1)
    next_process()
    assert open_place(root)._failures == 0


def test_errors_that_cost_no_time_are_told_to_nobody(root):
    place = open_place(root)
    for _ in range(FAILURES):
        place.failed(OSError("not mounted"))
    assert not list(all_outages(root))


def test_one_breaker_says_nothing_of_another_place(root, next_process):
    hang(open_place(root), FAILURES)
    next_process()
    assert guard("the shared folder /mnt/other", SHORT_S, root).call(lambda _: 1) == 1
    assert guard(PLACE, SHORT_S, None).call(lambda _: 1) == 1, "commands ask in any case"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 100,
        b"emberkeep outage 2\n3\n%s\nno answer\n",
        b"emberkeep outage 1\n%s\n" % (b"9" * 5000),
        b"emberkeep outage 1\n-3\nthe shared folder /mnt/dead\nno answer\n",
        b"emberkeep outage 1\n3\nthe shared folder /mnt/else\nno answer\n",
        b"x" * 100_000,
    ],
)
def test_what_is_damaged_is_ignored_and_replaced(root, content):
    outages = Outages(root, PLACE)
    outages.note(3, "no answer")
    (path,) = [outage.path for outage in all_outages(root)]
    with open(path, "wb") as file:
        file.write(content)
    assert outages.known() is None
    outages.note(2, "no answer\nwithin 5 s")
    assert (outages.known().failures, outages.known().problem) == (2, "no answer within 5 s")


def test_a_time_of_the_future_and_what_is_no_file_are_ignored(root):
    outages = Outages(root, PLACE)
    outages.note(3, "no answer")
    path = outages.known().path
    os.utime(path, (time.time() + 7200,) * 2)
    assert outages.known() is None
    os.unlink(path)
    os.mkfifo(path)
    assert outages.known() is None
    assert not list(all_outages(root))


def test_where_nothing_is_kept_nothing_is_remembered(tmp_path):
    for root in (None, str(tmp_path / "missing")):
        outages = Outages(root, PLACE)
        outages.note(3, "no answer")
        assert outages.known() is None
        assert not outages.forget()
    assert not os.listdir(tmp_path)


def test_it_is_no_kind():
    assert FOLDER in RESERVED


def test_status_and_doctor_tell_of_it_and_doctor_clears_it(alice, capsys, monkeypatch):
    keep = alice.keep()
    keep.get_or_build("tables", "x", {}, lambda: {"code": b""})
    assert keep.flush()
    monkeypatch.setenv("EMBERKEEP_SHARED", str(alice.shared))
    Outages(alice.root, f"the shared folder {alice.shared}").note(3, "no answer within 5 s")
    main(["status"])
    assert "no answer within 5 s" in capsys.readouterr().out
    main(["doctor"])
    assert "It answers now, and that is forgotten" in capsys.readouterr().out
    main(["status"])
    assert "no answer" not in capsys.readouterr().out
