"""Interrupts and errors at every moment after a build: a lease is given back, always."""

import fcntl
import os
import sys
import threading
import time

import pytest

from emberkeep import Keep, StoreWarning
from emberkeep.lease import claims, local, shared
from emberkeep.sharing import publisher

GIVEN_BACK_S = 10.0


def until(condition):
    ends = time.monotonic() + GIVEN_BACK_S
    while not condition() and time.monotonic() < ends:
        time.sleep(0.01)
    return condition()


class Interrupt:
    """Ctrl-C at the n-th moment after it was armed: at a call, or when a call of C comes back.

    At those moments, and only those, Python looks for signals.
    """

    def __init__(self, nth):
        self.count, self._nth = 0, nth

    def arm(self):
        sys.setprofile(self._at)

    def _at(self, _frame, event, _argument):
        if event in ("call", "c_return"):
            self.count += 1
            if self.count == self._nth:
                sys.setprofile(None)
                raise KeyboardInterrupt


def ask(keep, name, moment, problems, since="build"):
    """Ask for what nobody has, and be interrupted; whether it still came so far."""
    interrupt = Interrupt(moment)

    def build():
        interrupt.arm()
        return {"code": name.encode()}

    try:
        if since == "call":
            interrupt.arm()
        keep.get_or_build("tables", name, {"n": name}, build)
    except KeyboardInterrupt as problem:
        problems.append(problem)  # as a notebook does, with all frames and what they hold
    finally:
        sys.setprofile(None)
    return interrupt.count >= moment


def nothing_is_held(alice):
    leases = [
        name
        for folder in (f"{alice.shared}/leases", f"{alice.root}/leases")
        if os.path.isdir(folder)
        for name in os.listdir(folder)
        if name.endswith(".lease")
    ]
    held = [lease for lease in local._held if not lease.owner.closed]
    waited_for = [claim for claim in claims._table.claims.values() if not claim.owner.closed]
    return not leases and not held and not waited_for and not shared._heart.leases


def locks_in(folder):
    """Which lock files somebody holds: this process, by way of another descriptor, too."""
    for name in os.listdir(folder):
        descriptor = os.open(os.path.join(folder, name), os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield name
        finally:
            os.close(descriptor)


@pytest.mark.parametrize("every", [53, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("has_place", [True, False])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_interrupt_of_a_call_leaves_anything_behind(alice, has_place, every, report):
    """From its beginning: while leases are taken, too."""
    alice.become()
    keep = alice.keep() if has_place else Keep()
    problems, moment = [], 1
    ask(keep, "first", 10**9, problems)
    while ask(keep, f"during{moment}", moment, problems, "call"):
        moment += every
        assert len(problems) % 100 or keep.flush(GIVEN_BACK_S)
    assert keep.flush(GIVEN_BACK_S)
    assert until(lambda: nothing_is_held(alice)), "a lease is held by nobody"
    assert list(locks_in(f"{alice.root}/leases")) == []
    report(interrupts=len(problems), of=moment)


@pytest.mark.parametrize("every", [29, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_interrupt_after_a_build_leaves_a_lease_behind(alice, bob, every, report):
    keep, problems = alice.keep(), []
    ask(keep, "first", 10**9, problems)
    keep.flush()
    moment, last = 1, ""
    while ask(keep, last := f"after{moment}", moment, problems):
        moment += every
        assert len(problems) % 100 or keep.flush(GIVEN_BACK_S), "nothing is published any more"
    assert len(problems) > 5
    assert keep.flush(GIVEN_BACK_S), "nothing is published any more"
    assert until(lambda: nothing_is_held(alice)), "a lease is held by nobody"
    bob.make_key()  # or others need not be waited for
    others, started = bob.keep(), time.monotonic()
    found = others.get_or_build("tables", last, {"n": last}, lambda: pytest.fail("not published"))
    assert found.hit
    for moment in range(1, moment, 7 * every):
        name = f"after{moment}"
        others.get_or_build("tables", name, {"n": name}, lambda name=name: {"code": name.encode()})
    assert time.monotonic() - started < GIVEN_BACK_S, "the others wait"
    report(interrupts=len(problems), of=moment)


def test_without_a_thread_to_be_had_it_is_published_now(alice, bob, monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't start new thread")

    keep = alice.keep()
    with monkeypatch.context() as without:
        without.setattr(publisher, "start_new_thread", refuse)
        without.setattr(shared, "start_new_thread", refuse)
        keep.get_or_build("tables", "one", {"n": 1}, lambda: {"code": b"1"})
        assert nothing_is_held(alice)
    keep.get_or_build("tables", "two", {"n": 2}, lambda: {"code": b"2"})
    assert keep.flush()
    for n, name in ((1, "one"), (2, "two")):
        found = bob.keep().get_or_build("tables", name, {"n": n}, lambda: pytest.fail("not there"))
        assert found.hit


def test_a_publication_whose_thread_was_not_started_is_done_with_the_next(alice, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    keep = alice.keep()
    with monkeypatch.context() as interrupted:
        interrupted.setattr(publisher, "start_new_thread", interrupt)
        with pytest.raises(KeyboardInterrupt):
            keep.get_or_build("tables", "one", {"n": 1}, lambda: {"code": b"1"})
    assert keep.flush()
    assert os.path.isdir(f"{alice.shared}/tables/one")
    assert until(lambda: nothing_is_held(alice))


def test_an_error_while_a_lease_is_handed_over_gives_it_back(alice, monkeypatch):
    """Of an object store's lease, for one: whatever it raises."""

    def fail(*_):
        raise ValueError("no hand-over")

    monkeypatch.setattr(shared.SharedLease, "hand_over", fail)
    with pytest.warns(StoreWarning, match="no hand-over"):
        alice.keep().get_or_build("tables", "one", {"n": 1}, lambda: {"code": b"1"})
    assert until(lambda: nothing_is_held(alice))


def test_who_waits_in_the_same_process_takes_over_from_an_interrupted_one(alice):
    keep, begun, answers = alice.keep(), threading.Event(), []

    def wait():
        begun.wait()
        answers.append(keep.get_or_build("tables", "t", {"n": 1}, lambda: {"code": b"second"}))

    def build():
        begun.set()
        time.sleep(0.3)
        raise KeyboardInterrupt

    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    with pytest.raises(KeyboardInterrupt):
        keep.get_or_build("tables", "t", {"n": 1}, build)
    waiter.join(GIVEN_BACK_S)
    assert [answer.blobs for answer in answers] == [{"code": b"second"}]
