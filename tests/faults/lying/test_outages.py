"""A server that is stopped costs one process its deadlines, and the next ones nothing."""

import os
import subprocess
import sys
import time

import pytest
from users import User

from emberkeep.sharing.deadline import FAILURES

DEADLINE_S = 0.5
JOB = """
import sys, warnings
warnings.simplefilter("ignore")
from emberkeep import Keep
from emberkeep.settings import Place
keep = Keep(sys.argv[1], shared=Place(sys.argv[2], deadline_s=float(sys.argv[3])))
for n in range(int(sys.argv[4])):
    given = {"n": n, "job": sys.argv[5]}
    found = keep.get_or_build("tables", "x", given, lambda: {"code": b"right"})
    assert found.blobs == {"code": b"right"}
"""


@pytest.fixture
def alice(monkeypatch, tmp_path):
    user = User(monkeypatch, str(tmp_path), "alice")
    user.make_key()
    user.become()
    return user


def run(user, path, count, job):
    """A short job; how long it took, and none may be killed for that it does not end."""
    started = time.monotonic()
    command = [sys.executable, "-c", JOB, user.root, path, str(DEADLINE_S), str(count), job]
    done = subprocess.run(
        command, env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return time.monotonic() - started


def test_only_the_first_of_several_jobs_waits(mount, alice, report):
    lying = mount()
    run(alice, lying.path, 2, "before")
    lying.inject(hang=True)
    took = [run(alice, lying.path, 5, f"job {n}") for n in range(4)]
    hangs = lying.counts()["hang"]
    assert hangs == FAILURES, "later jobs have asked, too"
    assert min(took[1:]) < took[0]
    lying.clear()
    report(hangs=hangs, first_ms=round(1000 * took[0]), later_ms=round(1000 * min(took[1:])))


def test_a_process_that_is_caught_while_it_publishes_ends_within_the_deadline(mount, alice, report):
    lying = mount()
    run(alice, lying.path, 1, "before")
    usual_s = run(alice, lying.path, 5, "usual")
    lying.inject(hang=True, path="temporary*")
    took_s = run(alice, lying.path, 5, "caught")
    # The next one may have begun when the process ends; nobody waits for that.
    assert lying.counts()["hang"] <= 2
    assert took_s < usual_s + 3 * DEADLINE_S
    lying.clear()
    report(usual_ms=round(1000 * usual_s), caught_ms=round(1000 * took_s))
