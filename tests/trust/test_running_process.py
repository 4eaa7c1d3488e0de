"""What is revoked, expired or withdrawn is not given any more by a process that has had it."""

import time
import warnings

import pytest

from emberkeep.errors import StoreWarning
from emberkeep.store.manifest import read_stamps
from emberkeep.trust import seals
from emberkeep.trust.signatures import revocation_statement

MEMORY = pytest.mark.parametrize("memory_size", [0, "64MB"])


@pytest.fixture(autouse=True)
def at_once(request, monkeypatch):
    if "patience" not in request.fixturenames:
        monkeypatch.setattr(seals, "LOOK_EVERY_S", 0.0)


@pytest.fixture
def patience():
    """What a running process takes to hear of it."""
    return seals.LOOK_EVERY_S


def built_again(user, keep, **what):
    """Whether an artifact is not given any more, but built; which is said where it was refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StoreWarning)
        found = user.get(keep, **what)
        assert keep.flush()  # what cannot be shared any more is said by then
        return not found.hit


@MEMORY
@pytest.mark.parametrize("field", ["revoked_manifests", "revoked_toolchains"])
def test_what_this_user_built_and_revoked_is_not_given_any_more(
    alice, manifests, memory_size, field
):
    keep = alice.keep(memory_size=memory_size)
    made = alice.get(keep)
    assert alice.get(keep).hit
    assert keep.flush()
    plan, build = made.key.split("-")
    payload = read_stamps(manifests(alice.root).read()).payload
    alice.say(field, payload if field == "revoked_manifests" else build)
    assert built_again(alice, keep)


@MEMORY
def test_what_was_fetched_is_not_given_any_more_once_its_key_is_revoked(alice, bob, memory_size):
    alice.publish()
    public = alice.key.public
    keep = bob.keep(memory_size=memory_size)
    assert bob.get(keep).hit
    assert bob.get(keep).hit
    bob.say("revoked_keys", public)
    assert built_again(bob, keep)


@MEMORY
def test_nor_when_trust_has_expired_meanwhile(alice, bob, monkeypatch, memory_size):
    alice.publish()
    bob.trust(alice.key.public, expires=time.time() + 1000)
    keep = bob.keep(memory_size=memory_size)
    assert bob.get(keep).hit
    assert bob.get(keep).hit
    late = time.time() + 2000
    monkeypatch.setattr(time, "time", lambda: late)
    assert built_again(bob, keep)


@MEMORY
@pytest.mark.parametrize("policy", ["require", "warn", "off"])
@pytest.mark.filterwarnings("ignore:.*is used, though")
def test_nor_from_a_shared_place_alone_whatever_its_policy(
    alice, bob, manifests, memory_size, policy
):
    alice.publish()
    keep = bob.keep(f"?policy={policy}", memory_size=memory_size, strategy="shared")
    assert bob.get(keep).hit
    assert bob.get(keep).hit
    bob.say("revoked_manifests", read_stamps(manifests(alice.shared).read()).payload)
    assert built_again(bob, keep)


def test_what_nobody_has_spoken_of_stays_in_memory(alice):
    keep = alice.keep(memory_size="64MB")
    alice.get(keep)
    assert alice.get(keep).reason == "kept in memory"
    alice.say("revoked_manifests", "0" * 64)
    assert alice.get(keep).reason == "kept in local"
    assert alice.get(keep).reason == "kept in memory"


def test_an_owner_who_revokes_later_is_heard_by_those_who_have_asked_before(
    alice, bob, shared, monkeypatch
):
    alice.publish()
    alice.publish(n=2)
    keep = bob.keep(strategy="shared")
    assert bob.get(keep).hit
    (shared / "revoked").mkdir()
    (shared / "revoked" / alice.key.public).write_bytes(revocation_statement(alice.key))
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 61.0)
    assert built_again(bob, keep, n=2)


def test_a_judgement_that_was_made_before_is_not_remembered_as_one_made_after(alice, bob):
    """Revoked between the moment of judging and that of taking it into memory."""
    alice.publish()
    public = alice.key.public
    keep = bob.keep(memory_size="64MB")
    memory, local = keep._places.near
    write = memory.write

    def revoked_meanwhile(kept):
        bob.say("revoked_keys", public)
        write(kept)

    memory.write = revoked_meanwhile
    assert bob.get(keep).hit
    del memory.write
    assert built_again(bob, keep)


def test_a_process_that_hits_all_the_time_hears_of_it_within_a_moment(alice, bob, patience):
    alice.publish()
    keep = bob.keep(memory_size="64MB")
    assert bob.get(keep).hit
    assert bob.get(keep).hit
    bob.say("revoked_keys", alice.key.public)
    assert patience <= 0.2
    time.sleep(patience + 0.01)
    assert built_again(bob, keep)
