"""A shared folder on a file system that lies: results are right, and nobody hangs or destroys.

Alice publishes, and Bob, who has no key, only reads what she has signed.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter

import pytest
from users import Heard, User, ask, contents

from emberkeep.sharing import deadline

ASKING = os.path.join(os.path.dirname(__file__), "asking.py")
WAIT_S = 60
OPERATIONS = (
    "open",
    "read",
    "write",
    "create",
    "rename",
    "link",
    "getattr",
    "unlink",
    "readdir",
    "mkdir",
    "utimens",
    "chmod",
)
TOPICS = 3  # of which a keep warns once each: looking up, coordinating or filling, publishing
AGO_S = 7200.0


@pytest.fixture
def make_user(monkeypatch, tmp_path):
    return lambda name: User(monkeypatch, str(tmp_path), name)


@pytest.fixture
def alice(make_user):
    user = make_user("alice")
    user.public = user.make_key()
    return user


@pytest.fixture
def bob(make_user, alice):
    user = make_user("bob")
    user.trust(alice.public)
    return user


@pytest.fixture
def quick(monkeypatch):
    """A place that has failed is tried again at once."""
    monkeypatch.setattr(deadline, "COOL_DOWN_S", 0.0)


def files_below(folder, end):
    return [path for path in contents(folder) if path.endswith(end)]


def grow_old(folder):
    """Have manifests look unused for long, so that a use is noted."""
    for path in files_below(folder, ".json"):
        os.utime(path, (time.time() - AGO_S,) * 2)


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [pytest.param(10), pytest.param(200, marks=pytest.mark.soak)])
@pytest.mark.parametrize("error", ["ESTALE", "EBUSY", "EIO", "ENOSPC"])
def test_errors_of_any_operation_cost_builds_at_most(
    mount, alice, bob, quick, report, error, count
):
    lying = mount()
    told, warned, refused, hits, number = 0, 0, 0, 0, 0
    for operation in OPERATIONS:
        alices, bobs = alice.keep(lying.path), bob.keep(lying.path)
        before = lying.counts(operation).get(error, 0)
        lying.inject(error, operation, probability=0.4, times=count)
        with Heard() as heard:
            while lying.counts(operation).get(error, 0) < before + count:
                number += 1
                ask(alices, number)
                assert alices.flush()
                grow_old(lying.backing)
                there = contents(lying.backing)
                hits += ask(bobs, number).hit
                if operation == "readdir":
                    assert bob.run(lying.path, "pull", "--dry-run") in (0, 4)
                assert contents(lying.backing) == there, "a reader has changed the folder"
        assert len(heard.texts) <= 2 * TOPICS, heard.texts
        lying.clear()
        for keep in (alices, bobs):
            refused += sum(
                times
                for (event, _, what), (times, _) in keep.totals().items()
                if event == "refused" and what.endswith(f"shared {lying.path}")
            )
        told += count
        warned += len(heard.texts)
        number += 1
        with Heard() as heard:  # the same keeps, as soon as it is over
            assert not ask(alices, number).hit
            assert alices.flush()
            assert ask(bobs, number).reason == f"kept in shared {lying.path}", operation
        assert heard.texts == []
    assert lying.counts() == {error: told}
    assert hits
    report(errors=told, asked=2 * number, hits=hits, refused=refused, warnings=warned)


# Processes of other hosts -------------------------------------------------------------------------


@pytest.fixture
def start(tmp_path):
    """Start a process that asks for numbers; see `asking.py`. All are waited for, or killed."""
    started = []

    def start(user, path, numbers, **orders):
        user.become()
        root = str(tmp_path / f"root{len(started)}")
        told = {"shared": str(path), "root": root, "numbers": list(numbers), **orders}
        process = subprocess.Popen(
            [sys.executable, ASKING, json.dumps(told)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def finish(process, within_s=WAIT_S):
    """What a process said, which must end within some time, and well."""
    said, complaints = process.communicate(timeout=within_s)
    assert process.returncode == 0, complaints
    assert "Traceback" not in complaints, complaints
    return json.loads(said)


def builds(log):
    with open(log) as file:
        return Counter(map(int, file))


def test_hangs(mount, alice, bob, start):
    lying = mount()
    keep = alice.keep(lying.path)
    ask(keep, 1)
    assert keep.flush()
    lying.inject(hang=True, path="leases*")
    p = start(alice, lying.path, [2], deadline_s=0.3, patience_s=1)
    print(finish(p, 20))
