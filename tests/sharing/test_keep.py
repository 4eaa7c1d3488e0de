"""Keeps that share a folder: who builds, who fetches, what goes where, and when it has gone."""

import os
import subprocess
import sys
import time

import pytest

from emberkeep import InvalidBuild, Keep, StoreWarning
from emberkeep.settings import Place

CONTENT = os.urandom(2000)


def build():
    return {"code": CONTENT, "layout": {"n": 1}}


def refuse():
    pytest.fail("this should be kept")


def get(keep, build=build, **ingredients):
    return keep.get_or_build("tables", "sample", {"n": 1, **ingredients}, build)


def files_in(folder):
    return sorted(os.path.join(f, n) for f, _, names in os.walk(folder) for n in names)


def contents_of(folder):
    for path in files_in(folder):
        with open(path, "rb") as file:
            yield file.read()


def test_what_one_builds_the_other_fetches_once(alice, bob):
    keep = alice.keep()
    assert not get(keep).hit
    assert keep.flush()
    found = get(bob.keep(), refuse)
    assert (found.hit, dict(found.blobs), found.layout) == (True, {"code": CONTENT}, {"n": 1})
    assert found.reason == f"kept in shared {alice.shared}"
    os.rename(alice.shared, f"{alice.shared} is gone")
    again = get(bob.keep(), refuse)
    assert again.reason == "kept in local"


def test_within_a_process_it_is_in_memory_afterwards(alice, bob):
    keep = alice.keep()
    get(keep)
    keep.flush()
    bobs = bob.keep()
    assert "shared" in get(bobs, refuse).reason
    assert get(bobs, refuse).reason == "kept in memory"


def test_alone_nothing_of_sharing_is_loaded(alice, bob):
    keep = alice.keep()
    get(keep)
    keep.flush()
    get(bob.keep(), refuse)
    program = f"""
import sys
from emberkeep import Keep
found = Keep(shared={bob.shared!r}).get_or_build("tables", "sample", {{"n": 1}}, None)
assert found.reason == "kept in local", found.reason
print(" ".join(sys.modules))
"""
    bob.become()
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    loaded = set(ran.stdout.split())
    assert "cryptography" not in loaded
    assert not [
        name for name in loaded if name.startswith(("emberkeep.sharing", "emberkeep.lease"))
    ]


def test_strategy_local_leaves_the_shared_place_alone(alice, shared):
    keep = alice.keep(strategy="local")
    get(keep)
    keep.flush()
    assert files_in(shared) == []


def test_strategy_shared_keeps_nothing_here(alice, bob):
    keep = alice.keep(strategy="shared")
    assert not get(keep).hit
    assert keep.flush()
    assert not os.path.exists(alice.root)
    assert get(bob.keep(strategy="shared"), refuse).hit
    assert not os.path.exists(bob.root)


def test_settings_come_from_the_config_file_and_the_environment(alice, bob, monkeypatch, shared):
    with open(os.path.join(alice.config, "config.toml"), "w") as file:
        file.write(f"strategy = 'layered'\n[[shared]]\npath = '{shared}'\nread_only = false\n")
    alice.become()
    keep = Keep()
    get(keep)
    keep.flush()
    bob.become()
    monkeypatch.setenv("EMBERKEEP_SHARED", f"{shared}?read_only=1")
    assert get(Keep(), refuse).hit


def test_a_read_only_place_is_read_and_not_written(alice, bob):
    keep = alice.keep()
    get(keep)
    keep.flush()
    before = files_in(alice.shared)
    keep = alice.keep(Place(alice.shared, read_only=True))
    get(keep, n=2)
    keep.flush()
    assert files_in(alice.shared) == before


def test_a_read_only_keep_writes_nowhere(alice, bob):
    keep = alice.keep()
    get(keep)
    keep.flush()
    before = files_in(bob.shared)
    keep = bob.keep(read_only=True)
    assert get(keep, refuse).hit
    assert not get(keep, n=2).hit
    keep.flush()
    assert files_in(bob.shared) == before
    assert not os.path.exists(bob.root)


def test_without_a_key_nothing_is_shared_and_the_remedy_is_told(bob):
    keep = bob.keep()

    def use():
        assert not get(keep).hit
        keep.flush()

    with pytest.warns(StoreWarning, match="emberkeep key generate"):
        use()
    assert not [path for path in files_in(bob.shared) if path.endswith(".json")]
    assert get(bob.keep(), refuse).hit


def test_a_place_that_is_not_there_costs_a_build_and_one_warning(alice, tmp_path):
    keep = alice.keep(str(tmp_path / "not mounted"))

    def use():
        assert dict(get(keep).blobs) == {"code": CONTENT}
        assert not get(keep, n=2).hit
        keep.flush()

    with pytest.warns(StoreWarning, match="not there") as told:
        use()
    assert len(told) <= 3  # reading, coordinating, publishing: each once
    assert get(alice.keep(str(tmp_path / "not mounted")), refuse).hit


def test_two_places_are_asked_in_their_order(alice, bob, tmp_path):
    near, far = tmp_path / "near", tmp_path / "far"
    near.mkdir()
    far.mkdir()
    keep = alice.keep([str(far)])
    get(keep)
    keep.flush()
    bobs = bob.keep([str(near), str(far)])
    assert get(bobs, refuse).reason == f"kept in shared {far}"


def test_what_was_shared_without_details_says_nothing_of_the_ingredients(alice, bob):
    secret = "a captured value"
    keep = alice.keep(Place(alice.shared, details=False))
    keep.get_or_build("tables", "sample", {"n": secret}, lambda: {**build(), "source": secret})
    keep.flush()
    assert any(secret.encode() in content for content in contents_of(alice.root))
    assert not any(secret.encode() in content for content in contents_of(alice.shared))
    assert bob.keep().get_or_build("tables", "sample", {"n": secret}, refuse).hit


def test_a_failed_build_is_told_to_nobody_else(alice, bob):
    def fail():
        raise RuntimeError("no compiler")

    keep = alice.keep()
    with pytest.raises(RuntimeError, match="no compiler"):
        get(keep, fail)
    assert not get(keep).hit
    keep.flush()
    assert os.listdir(os.path.join(alice.shared, "leases")) == []


def test_a_build_that_asks_for_itself_is_refused(alice):
    keep = alice.keep(strategy="shared")
    with pytest.raises(InvalidBuild, match="asked for the artifact that it is building"):
        get(keep, lambda: dict(get(keep).blobs))


def test_a_build_may_ask_for_others(alice, bob):
    keep = alice.keep()
    get(keep, lambda: dict(get(keep, n=2).blobs))
    keep.flush()
    assert get(bob.keep(), refuse).hit
    assert get(bob.keep(), refuse, n=2).hit


# Ends of processes -----------------------------------------------------------------------------

PRELUDE = """
import os, sys, time
from emberkeep import Keep
keep = Keep(shared={shared!r})
def get(n):
    return keep.get_or_build("tables", "sample", {{"n": n}}, lambda: {{"code": b"%d" % n}})
"""


def run(user, program, timeout=60):
    user.become()
    text = PRELUDE.format(shared=user.shared) + program
    ran = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=timeout
    )
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.stdout


def shared_count(user):
    return len([path for path in files_in(user.shared) if path.endswith(".json")])


def no_leases(user):
    folder = os.path.join(user.shared, "leases")
    return not os.path.isdir(folder) or os.listdir(folder) == []


def test_at_exit_everything_has_been_published(alice):
    run(alice, "for n in range(20): get(n)")
    assert shared_count(alice) == 20
    assert no_leases(alice)


def test_a_forked_child_publishes_its_own_and_leaves_the_parents(alice):
    run(
        alice,
        """
for n in range(5): get(n)
child = os.fork()
if not child:
    get(100)
    keep.flush()
    os._exit(0)
os.waitpid(child, 0)
get(5)
""",
    )
    assert shared_count(alice) == 7
    assert no_leases(alice)


def test_children_of_multiprocessing_publish_too(alice):
    run(
        alice,
        """
import multiprocessing
context = multiprocessing.get_context("fork")
get(0)
children = [context.Process(target=get, args=(n,)) for n in range(1, 5)]
for child in children: child.start()
for child in children: child.join()
""",
    )
    assert shared_count(alice) == 5
    assert no_leases(alice)


@pytest.mark.parametrize(
    "end", ["os._exit(0)", "os.execv(sys.executable, [sys.executable, '-c', ''])"]
)
def test_whoever_ends_in_haste_has_it_here_and_harms_nobody(alice, bob, end):
    run(alice, f"for n in range(30): get(n)\n{end}")
    published = shared_count(alice)
    keep = alice.keep()
    for n in range(30):
        found = keep.get_or_build("tables", "sample", {"n": n}, refuse)
        assert dict(found.blobs) == {"code": b"%d" % n}
    bobs = bob.keep()
    fetched = 0
    for n in range(30):
        if n == published:
            break
        found = bobs.get_or_build("tables", "sample", {"n": n}, refuse)
        fetched += found.hit
    assert fetched == published
    assert alice.run("push") == 0
    assert shared_count(alice) == 30


def test_a_place_that_hangs_at_exit_does_not_keep_the_process(alice, monkeypatch):
    started = time.monotonic()
    out = run(
        alice,
        """
import emberkeep.sharing.publisher as publisher
publisher.EXIT_PATIENCE_S = 0.5
from emberkeep.sharing.folder import SharedFolder
SharedFolder.write = lambda self, kept: time.sleep(1000)
get(1)
print("built")
""",
    )
    assert "built" in out
    assert time.monotonic() - started < 30
