"""What every lease does, whoever gives it; an object store's will be one more of them."""

import os
import threading
import time

import pytest

from emberkeep.errors import BuildFailed, InvalidBuild
from emberkeep.lease import claims, local, record, shared
from emberkeep.lease.file_slot import FileSlot
from emberkeep.lease.object_slot import ObjectSlot
from emberkeep.lease.protocol import open_owner
from emberkeep.lease.wait import Wait
from emberkeep.store.object_store import Folder
from emberkeep.testing import Dictionary

ENDED_S = 10.0


class DictionarySlot:
    """A slot in a dictionary, as an object store has it: each step a request, on condition."""

    def __init__(self, objects, label):
        self.label = label
        self._objects = objects
        self._failure = f"{label}.failed"
        self._lock = objects.setdefault("lock", threading.Lock())

    def look(self):
        return self._objects.get(self.label)

    def create(self, ours):
        return self._objects.setdefault(self.label, ours) == ours

    def take_away(self, judged):
        self._remove(lambda found: found == judged)

    def beat(self, token, heartbeats):
        with self._lock:
            found = self._objects.get(self.label)
            if found is None or found.token != token:
                return False
            ours = record.compose(token, found.owner, heartbeats, found.holder)
            self._objects[self.label] = ours
            return True

    def give_back(self, token):
        self._remove(lambda found: found.token == token)

    def _remove(self, is_it):
        with self._lock:
            found = self._objects.get(self.label)
            if found is not None and is_it(found):
                del self._objects[self.label]

    def tell(self, message):
        self._objects[self._failure] = message

    def told(self):
        try:
            return self._objects[self._failure]
        except KeyError:
            raise FileNotFoundError(self._failure) from None

    def forget(self):
        self._objects.pop(self._failure, None)


def complain(text):
    raise AssertionError(text)


class Threads:
    """Leases of this process alone."""

    owner = staticmethod(open_owner)

    def acquire(self, name, owner, wait):
        return claims.claim(name, owner=owner, wait=wait)


class Files:
    """Leases of the processes of a host."""

    owner = staticmethod(local.open_lock)

    def __init__(self, folder):
        self._folder = str(folder / "leases")

    def acquire(self, name, owner, wait):
        return local.acquire(self._folder, name, complain, owner=owner, wait=wait)


class Shared:
    """Leases of all hosts that share a folder."""

    owner = staticmethod(open_owner)

    def __init__(self, folder):
        self._folder = str(folder / "leases")

    def acquire(self, name, owner, wait):
        slot = FileSlot(f"{self._folder}/{name}.lease")
        return shared.acquire_slot(slot, "", complain, owner=owner, wait=wait, heartbeat_s=0.05)


class Objects:
    """Leases in a dictionary."""

    owner = staticmethod(open_owner)

    def __init__(self, _):
        self._objects = {}

    def acquire(self, name, owner, wait):
        slot = DictionarySlot(self._objects, name)
        return shared.acquire_slot(slot, "", complain, owner=owner, wait=wait, heartbeat_s=0.05)


class Bucket:
    """Leases in a place that holds bytes by name."""

    owner = staticmethod(open_owner)

    def __init__(self, _):
        self._place = Dictionary("bucket")

    def acquire(self, name, owner, wait):
        slot = ObjectSlot(self._place, f"leases/{name}.lease")
        return shared.acquire_slot(slot, "", complain, owner=owner, wait=wait, heartbeat_s=0.05)


@pytest.fixture(params=[Threads, Files, Shared, Objects, Bucket])
def leases(request, tmp_path):
    yield Threads() if request.param is Threads else request.param(tmp_path)
    assert until(lambda: not claims._table.claims)
    assert until(lambda: not shared._heart.leases)


def until(condition):
    ends = time.monotonic() + ENDED_S
    while not condition() and time.monotonic() < ends:
        time.sleep(0.005)
    return condition()


def test_one_at_a_time(leases, in_thread):
    with leases.owner() as owner, leases.owner() as second:
        lease = leases.acquire("key", owner, Wait())
        waiter = in_thread(lambda: leases.acquire("key", second, Wait()))
        assert waiter.waits
        lease.release(succeeded=True)
        theirs = waiter.join()
        assert theirs.owner is second
        theirs.release(succeeded=True)


def test_other_keys_are_not_waited_for(leases):
    with leases.owner() as owner, leases.owner() as second:
        held = [leases.acquire("a", owner, Wait()), leases.acquire("b", second, Wait())]
        for lease in held:
            lease.release(succeeded=True)


def test_the_same_thread_is_refused(leases):
    with leases.owner() as owner, leases.owner() as second:
        lease = leases.acquire("key", owner, Wait())
        with pytest.raises(InvalidBuild):
            leases.acquire("key", second, Wait())
        lease.release(succeeded=True)


def test_who_waited_hears_of_a_failure_and_who_comes_later_does_not(leases, in_thread):
    with leases.owner() as owner, leases.owner() as second, leases.owner() as third:
        lease = leases.acquire("key", owner, Wait())
        waiter = in_thread(lambda: leases.acquire("key", second, Wait()))
        assert waiter.waits
        lease.fail(ValueError("the table is empty"))
        lease.release(succeeded=False)
        problem = waiter.join()
        assert type(problem) is BuildFailed
        assert "ValueError: the table is empty" in str(problem)
        leases.acquire("key", third, Wait()).release(succeeded=True)


def test_a_lease_whose_owner_closes_is_given_back(leases, in_thread):
    """However that came: nobody has released it."""
    with leases.owner() as second:
        with leases.owner() as owner:
            lease = leases.acquire("key", owner, Wait())
            waiter = in_thread(lambda: leases.acquire("key", second, Wait()))
            assert waiter.waits
            assert lease.renew()
        theirs = waiter.join()
        assert not lease.renew()
        lease.release(succeeded=True)
        assert theirs.renew(), "the one that was lost has released another's"
        theirs.release(succeeded=True)


def test_a_second_release_is_none(leases):
    with leases.owner() as owner, leases.owner() as second:
        lease = leases.acquire("key", owner, Wait())
        lease.release(succeeded=True)
        again = leases.acquire("key", second, Wait())
        lease.release(succeeded=True)
        assert again.renew()
        again.release(succeeded=True)
        assert not again.renew()


def test_waiting_is_said_once_with_who_holds_it_and_has_a_limit(leases, in_thread, monkeypatch):
    monkeypatch.setattr("emberkeep.lease.wait.SAY_SO_AFTER_S", 0.05)
    told = []
    with leases.owner() as owner, leases.owner() as second:
        lease = leases.acquire("key", owner, Wait())
        wait = Wait(0.3, told.append)
        assert in_thread(lambda: leases.acquire("key", second, wait)).join() is None
        assert "after 0.3" in wait.given_up
        assert len(told) == 1
        assert lease.holder in told[0]
        assert str(os.getpid()) in lease.holder or "thread" in lease.holder
        lease.release(succeeded=True)


def test_an_interrupted_waiter_leaves_nothing(leases, in_thread, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with leases.owner() as owner, leases.owner() as second, leases.owner() as third:
        lease = leases.acquire("key", owner, Wait())

        def wait():
            with monkeypatch.context() as interrupted:
                interrupted.setattr(Wait, "goes_on", interrupt)
                return leases.acquire("key", second, Wait())

        assert type(in_thread(wait).join()) is KeyboardInterrupt
        lease.release(succeeded=True)
        leases.acquire("key", third, Wait()).release(succeeded=True)


@pytest.mark.parametrize("leases", [Shared, Objects, Bucket], indirect=True)
def test_what_is_handed_over_outlives_its_first_owner(leases, in_thread):
    with leases.owner() as second, leases.owner() as third:
        with leases.owner() as owner:
            lease = leases.acquire("key", owner, Wait())
            lease.hand_over(second)
        assert lease.owner is second
        waiter = in_thread(lambda: leases.acquire("key", third, Wait()))
        assert waiter.waits
        assert lease.renew()
        second.close()
        waiter.join().release(succeeded=True)


# Slots --------------------------------------------------------------------------------------------


@pytest.fixture(params=["file", "dictionary", "bucket", "folder as a bucket"])
def make_slot(request, tmp_path):
    """Makes further views of one slot, as several hosts have them."""
    os.mkdir(tmp_path / "place")
    objects, bucket, folder = {}, Dictionary("bucket"), Folder(str(tmp_path / "place"))
    return {
        "file": lambda: FileSlot(str(tmp_path / "place" / "leases" / "key.lease")),
        "dictionary": lambda: DictionarySlot(objects, "key"),
        "bucket": lambda: ObjectSlot(bucket, "leases/key.lease"),
        "folder as a bucket": lambda: ObjectSlot(folder, "leases/key.lease"),
    }[request.param]


OURS = record.compose("1" * record.TOKEN_DIGITS, "0" * record.OWNER_DIGITS, 0, "we")
THEIRS = record.compose("2" * record.TOKEN_DIGITS, "0" * record.OWNER_DIGITS, 0, "they")


def test_a_slot_holds_one_record(make_slot):
    ours, theirs = make_slot(), make_slot()
    assert ours.look() is None
    assert ours.create(OURS)
    assert not theirs.create(THEIRS)
    found = theirs.look()
    assert (found.token, found.owner, found.holder) == (OURS.token, OURS.owner, "we")
    assert ours.label == theirs.label


def test_only_its_own_is_given_back_or_beaten(make_slot):
    ours, theirs = make_slot(), make_slot()
    assert ours.create(OURS)
    theirs.give_back(THEIRS.token)
    assert not theirs.beat(THEIRS.token, 1)
    assert ours.look().token == OURS.token
    ours.give_back(OURS.token)
    assert theirs.look() is None


def test_heartbeats_grow_for_whoever_watches(make_slot):
    ours, theirs = make_slot(), make_slot()
    assert ours.create(OURS)
    seen = [theirs.look().heartbeats]
    for beat in range(1, 4):
        time.sleep(0.02)  # as far apart as a file system's clock can tell
        assert ours.beat(OURS.token, beat)
        seen.append(theirs.look().heartbeats)
    assert seen == sorted(set(seen))


def test_what_was_judged_is_taken_away_unless_it_has_beaten_since(make_slot):
    ours, theirs = make_slot(), make_slot()
    assert ours.create(OURS)
    judged = theirs.look()
    time.sleep(0.02)
    assert ours.beat(OURS.token, 1)
    theirs.take_away(judged)
    found = theirs.look()
    assert found.token == OURS.token
    theirs.take_away(found)
    assert theirs.look() is None
    assert not ours.beat(OURS.token, 2)


def test_messages_outlive_the_lease(make_slot):
    ours, theirs = make_slot(), make_slot()
    with pytest.raises(FileNotFoundError):
        theirs.told()
    assert ours.create(OURS)
    ours.tell(b"why")
    ours.give_back(OURS.token)
    assert theirs.told() == b"why"
    theirs.forget()
    theirs.forget()
    with pytest.raises(FileNotFoundError):
        ours.told()


@pytest.mark.parametrize("make_slot", ["dictionary", "bucket"], indirect=True)
def test_what_the_dead_left_is_taken_over_wherever_it_lies(make_slot):
    assert make_slot().create(THEIRS)
    with open_owner() as owner:
        lease = shared.acquire_slot(
            make_slot(), "", complain, owner=owner, heartbeat_s=0.05, stale_s=0.3
        )
        assert lease.waited_s >= 0.3
        lease.release(succeeded=True)
    assert make_slot().look() is None
