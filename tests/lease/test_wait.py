"""Waiting: said, limited, and no circle is waited for."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from emberkeep import Keep, StoreWarning
from emberkeep.errors import BuildFailed, InvalidBuild
from emberkeep.lease import claims, wait
from emberkeep.lease.ancestry import is_within
from emberkeep.lease.protocol import Job
from emberkeep.lease.wait import Wait

ENDED_S = 20.0


def ask(keep, name, build=lambda: {"code": b"1"}):
    return keep.get_or_build("tables", name, {"n": name}, build)


@pytest.fixture(params=["rooted", "memory"])
def keep(request, tmp_path, monkeypatch):
    monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", str(tmp_path / "config"))
    root = tmp_path / "keep"
    if request.param == "memory":
        Keep(root)  # settles where its keys are
        return Keep(root, read_only=True)
    return Keep(root)


def run_all(*works):
    """Each in a thread of its own; what they return or raise."""
    results = [None] * len(works)

    def run(number, work):
        try:
            results[number] = work()
        except BaseException as problem:  # noqa: BLE001 - looked at by the test
            results[number] = problem

    threads = [threading.Thread(target=run, args=each, daemon=True) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(ENDED_S)
        assert not thread.is_alive(), "it waits for ever"
    return results


def test_threads_of_a_process_build_once(keep):
    builds = []

    def build():
        builds.append(1)
        time.sleep(0.2)
        return {"code": b"1"}

    answers = run_all(*[lambda: ask(keep, "a", build)] * 8)
    assert {answer.blobs["code"] for answer in answers} == {b"1"}
    assert len(builds) == 1


def test_threads_hear_of_a_failure(keep):
    begun = threading.Event()

    def fail():
        begun.set()
        time.sleep(0.2)
        raise ValueError("the table is empty")

    def wait():
        begun.wait()
        return ask(keep, "a")

    first, *others = run_all(lambda: ask(keep, "a", fail), wait, wait, wait)
    assert type(first) is ValueError
    for other in others:
        assert type(other) is BuildFailed
        assert f"Process {os.getpid()} was building" in str(other)
        assert "ValueError: the table is empty" in str(other)
    assert not ask(keep, "a").hit


@pytest.mark.parametrize("length", [2, 3, 5])
def test_a_circle_of_threads_is_broken_at_once(keep, length):
    barrier = threading.Barrier(length)

    def build(number):
        def work():
            barrier.wait()
            return dict(ask(keep, f"key{(number + 1) % length}").blobs)

        return work

    started = time.monotonic()
    with pytest.warns(StoreWarning, match="waits for what is done here"):
        answers = run_all(
            *[
                lambda number=number: ask(keep, f"key{number}", build(number))
                for number in range(length)
            ]
        )
    assert [answer.blobs for answer in answers] == [{"code": b"1"}] * length
    assert time.monotonic() - started < 5
    assert not claims._table.claims
    assert not claims._table.waiting


def join(work):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(work()))
    thread.start()
    thread.join()
    return answers[0]


def submit(work):
    with ThreadPoolExecutor(2) as pool:
        return pool.submit(work).result()


def map_over(work):
    with ThreadPoolExecutor(2) as pool:
        return next(iter(pool.map(lambda _: work(), [1])))


@pytest.mark.parametrize("run", [join, submit, map_over])
def test_a_build_that_waits_for_a_thread_that_waits_for_it_is_a_circle(keep, run):
    started = time.monotonic()
    with pytest.warns(StoreWarning, match="waits for what is done here"):
        answer = ask(keep, "a", lambda: dict(run(lambda: ask(keep, "a")).blobs))
    assert answer.blobs == {"code": b"1"}
    assert time.monotonic() - started < 5


def test_a_build_that_waits_for_another_thread_is_none(keep):
    """Who has nothing to do with it waits for the build."""
    begun, builds = threading.Event(), []

    def build():
        builds.append(1)
        begun.set()
        return submit(lambda: time.sleep(0.5) or {"code": b"1"})

    def wait():
        begun.wait()
        return ask(keep, "a", build)

    run_all(lambda: ask(keep, "a", build), wait, wait)
    assert len(builds) == 1


def test_what_is_no_circle_is_waited_for(keep):
    """A waits for B, and B for nobody."""
    begun = threading.Event()
    builds = []

    def slow():
        builds.append(1)
        begun.set()
        time.sleep(0.3)
        return {"code": b"2"}

    def outer():
        begun.wait()
        return dict(ask(keep, "b", slow).blobs)

    outer_answer, _ = run_all(lambda: ask(keep, "a", outer), lambda: ask(keep, "b", slow))
    assert outer_answer.blobs == {"code": b"2"}
    assert len(builds) == 1


def test_a_build_that_asks_for_itself_is_told_so(keep):
    with pytest.raises(InvalidBuild, match="asked for the artifact that it is building"):
        ask(keep, "a", lambda: ask(keep, "a").blobs)
    assert not claims._table.claims


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_forked_within_a_build_does_not_wait_for_it(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", str(tmp_path / "config"))
    keep = Keep(tmp_path / "keep")

    def build():
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with pytest.warns(StoreWarning, match="built around this process"):
                    answer = ask(keep, "a", lambda: {"code": b"child"})
                status = answer.blobs != {"code": b"child"}
            finally:
                os._exit(status)
        ends = time.monotonic() + ENDED_S
        while not (ended := os.waitpid(child, os.WNOHANG))[0]:
            if time.monotonic() > ends:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.01)
        assert ended[1] == 0
        return {"code": b"parent"}

    assert ask(keep, "a", build).blobs == {"code": b"parent"}


POOL = """
import sys, threading
from emberkeep import Keep
keep = Keep(sys.argv[1])
def ask(build):
    return keep.get_or_build("tables", "a", {"n": "a"}, build)
def build():
    answers, done = [], threading.Event()
    def work():
        answers.append(ask(lambda: {"code": b"1"}))
        done.set()
    threading.Thread(target=work).start()
    done.wait()  # for whom, nobody can tell
    return dict(answers[0].blobs)
print(ask(build).blobs)
"""

STOPPED = """
import sys, time
from emberkeep import Keep
def build():
    print("builds", flush=True)
    time.sleep(60)
Keep(sys.argv[1]).get_or_build("tables", "a", {"n": "a"}, build)
"""


@pytest.fixture
def environment(tmp_path):
    return {
        "PATH": os.environ["PATH"],
        "EMBERKEEP_CONFIG_DIR": str(tmp_path / "config"),
        "EMBERKEEP_NOTICES": "on",
        "EMBERKEEP_MAX_WAIT": "3",
    }


PROGRAM = """
import subprocess, sys, time
from emberkeep import Keep
def build():
    if sys.argv[2] == "0":
        return {"code": b"inner"}
    began = time.monotonic()
    subprocess.run([sys.executable, *sys.orig_argv[1:-1], str(int(sys.argv[2]) - 1)], check=True)
    assert time.monotonic() - began < 2.5, "it was waited for"
    return {"code": b"outer"}
got = Keep(sys.argv[1]).get_or_build("tables", "a", {"n": "a"}, build)
print(sys.argv[2], got.blobs, flush=True)
"""


def test_a_process_started_within_the_build_builds_at_once(tmp_path, environment):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path / "keep", "1"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    assert done.stdout == "0 {'code': b'inner'}\n1 {'code': b'outer'}\n", done.stderr
    assert "has started this one within the build. EMBERKEEP_MAX_WAIT says" in done.stderr


def test_a_process_that_was_started_before_the_build_is_none_within():
    parent = os.getppid()
    assert not is_within(parent, -1.0)
    assert is_within(parent, 1e9)
    assert not is_within(os.getpid(), 1e9)
    assert not is_within(2**22 + 1, 1e9)


def test_a_thread_of_the_build_waits_for_a_while_says_so_and_builds(tmp_path, environment):
    done = subprocess.run(
        [sys.executable, "-c", POOL, tmp_path / "keep"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    assert done.stdout == "{'code': b'1'}\n"
    said = "waiting for thread 'MainThread' of this process, to have built tables/a"
    assert done.stderr.count(said) == 1
    assert done.stderr.count("StoreWarning: tables/a is built here as well: after 3") == 1


def test_a_stopped_builder_is_waited_for_a_while(tmp_path, environment, monkeypatch, capfd):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(wait, "SAY_SO_AFTER_S", 0.3)
    monkeypatch.setenv("EMBERKEEP_MAX_WAIT", "0.8")
    keep = Keep(tmp_path / "keep")
    program = [sys.executable, "-c", STOPPED, tmp_path / "keep"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environment) as builder:
        try:
            assert builder.stdout.readline() == "builds\n"
            builder.send_signal(signal.SIGSTOP)
            with pytest.warns(
                StoreWarning, match=f"waiting for process {builder.pid}, which is st"
            ):
                assert not ask(keep, "a").hit
        finally:
            builder.kill()
    said = f"emberkeep: waiting for process {builder.pid}, which is stopped, to have built tables/a"
    assert capfd.readouterr().err.count(said) == 1
    assert ask(Keep(tmp_path / "keep"), "a").hit


def test_thousands_of_waiting_threads_do_not_look(keep, monkeypatch):
    """They are woken, one after the other; looking again and again is for those far away."""
    begun, looks = threading.Event(), []
    goes_on = Wait.goes_on
    monkeypatch.setattr(Wait, "goes_on", lambda *given: looks.append(1) or goes_on(*given))

    def slow():
        begun.set()
        time.sleep(1.0)
        return {"code": b"1"}

    def wait():
        begun.wait()
        return ask(keep, "a")

    answers = run_all(lambda: ask(keep, "a", slow), *[wait] * 60)
    assert {answer.blobs["code"] for answer in answers} == {b"1"}
    assert len(looks) < 6 * 60


FEW_DESCRIPTORS = """
import os, resource, sys, threading, time, warnings
from emberkeep import Keep
warnings.simplefilter("error")
builds, answers = [], []
keep = Keep(sys.argv[1])
keep.get_or_build("tables", "first", {}, lambda: {"code": b"1"})
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
begun = threading.Event()
def build():
    builds.append(1)
    begun.set()
    time.sleep(1.0)
    return {"code": b"1"}
def ask(waits):
    if waits:
        begun.wait()
    answers.append(keep.get_or_build("tables", "a", {"n": 1}, build).blobs)
threads = [threading.Thread(target=ask, args=(n > 0,)) for n in range(200)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(answers), len(builds))
"""


def test_two_hundred_threads_wait_with_sixty_four_descriptors(tmp_path, environment):
    done = subprocess.run(
        [sys.executable, "-c", FEW_DESCRIPTORS, tmp_path / "keep"],
        capture_output=True,
        text=True,
        env={**environment, "EMBERKEEP_NOTICES": "off"},
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("200 1\n", "")


def test_a_claim_whose_owner_has_closed_is_lost():
    first, second = Job(), Job()
    lost = claims.claim("name", owner=first, wait=Wait())
    assert lost.renew()
    first.close()
    assert not lost.renew()
    (taken,) = run_all(lambda: claims.claim("name", owner=second, wait=Wait()))
    lost.release(succeeded=True)
    assert taken.renew()
    taken.release(succeeded=True)
    assert not claims._table.claims
