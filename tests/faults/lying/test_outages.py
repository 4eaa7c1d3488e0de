"""A server that is stopped costs one process its deadlines, and the next ones nothing."""

import os
import signal
import subprocess
import sys
import time

import pytest
from users import User

from emberkeep.sharing.deadline import FAILURES
from emberkeep.sharing.outage import all_outages

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


def test_a_server_that_is_stopped_keeps_no_process_from_its_end(mount, alice, report):
    """Stopped as by Ctrl-Z: nothing is answered, and what is asked waits inside the kernel."""
    lying = mount()
    run(alice, lying.path, 2, "before")
    os.kill(lying._process.pid, signal.SIGSTOP)
    try:
        took = [run(alice, lying.path, 5, f"job {n}") for n in range(3)]
    finally:
        os.kill(lying._process.pid, signal.SIGCONT)
    assert max(took) < (FAILURES + 2) * DEADLINE_S + 2
    assert min(took[1:]) < took[0]
    report(first_ms=round(1000 * took[0]), later_ms=round(1000 * min(took[1:])))


def is_over(process):
    """Whether it has ended; Linux keeps what is left of it where FUSE has a request under way.

    A request that its server has read and does not answer lets nobody go, whatever signal comes;
    one that it has not read, and all of NFS, do.
    """
    if process.poll() is not None:
        return True
    with open(f"/proc/{process.pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize(
    "turns", [pytest.param(2, id="sample"), pytest.param(40, id="all", marks=pytest.mark.soak)]
)
def test_a_server_that_stops_in_the_midst_of_publications_keeps_nobody(mount, alice, report, turns):
    lying = mount()
    run(alice, lying.path, 2, "before")
    longest_s = 0.0
    for turn in range(turns):
        command = [sys.executable, "-c", JOB, alice.root, lying.path, str(DEADLINE_S)]
        process = subprocess.Popen([*command, "40", f"turn {turn}"], env=dict(os.environ))
        time.sleep(0.25 + 0.02 * (turn % 20))
        os.kill(lying._process.pid, signal.SIGSTOP)
        started = time.monotonic()
        try:
            while not is_over(process):
                assert time.monotonic() < started + 20, "it does not end"
                time.sleep(0.01)
            longest_s = max(longest_s, time.monotonic() - started)
        finally:
            os.kill(lying._process.pid, signal.SIGCONT)
            status = process.wait(20)
        assert status == 0
        for outage in all_outages(alice.root):
            os.unlink(outage.path)
    assert longest_s < (FAILURES + 2) * DEADLINE_S + 2
    report(turns=turns, longest_ms=round(1000 * longest_s))
