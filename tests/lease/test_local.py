import errno
import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest

from emberkeep.errors import BuildFailed, InvalidBuild
from emberkeep.lease import LocalLease, acquire, local
from emberkeep.store import files

AT_ONCE_S = 5.0  # what a loaded machine may take for what needs 50 ms


def complain(text):
    raise AssertionError(text)


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "keep" / "leases")


def take(folder, name="key", on_problem=complain):
    return acquire(folder, name, on_problem)


HOLDER = """
import os, sys, time
from emberkeep.lease import acquire
lease = acquire(sys.argv[1], "key", print)
print("holds", flush=True)
exec(sys.argv[2])
"""


@pytest.fixture
def hold(folder):
    """A process that holds the lease and then does something, for ever unless told otherwise."""
    holders = []

    def start(then="time.sleep(60)"):
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, folder, then],
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"]},
        )
        holders.append(holder)
        assert holder.stdout.readline() == "holds\n"
        return holder

    yield start
    for holder in holders:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_a_lease_leaves_no_file(folder):
    lease = take(folder)
    assert os.listdir(folder) == ["key.lock"]
    lease.release(succeeded=True)
    assert os.listdir(folder) == []
    assert not local._held


def test_leases_of_different_keys_do_not_wait(folder):
    held = [take(folder, f"key{number}") for number in range(3)]
    assert all(lease.waited_s < AT_ONCE_S for lease in held)
    for lease in held:
        lease.release(succeeded=True)


def test_the_folder_and_the_file_are_private(folder):
    lease = take(folder)
    assert os.stat(folder).st_mode & 0o077 == 0
    assert os.stat(os.path.dirname(folder)).st_mode & 0o077 == 0
    assert os.stat(lease.path).st_mode & 0o077 == 0
    lease.release(succeeded=True)


def test_another_thread_waits_until_the_release(folder, in_thread):
    lease = take(folder)
    waiter = in_thread(lambda: take(folder))
    assert waiter.waits
    lease.release(succeeded=True)
    theirs = waiter.join()
    assert theirs.waited_s >= 0.1
    theirs.release(succeeded=True)
    assert os.listdir(folder) == []


def test_the_same_thread_is_refused(folder):
    lease = take(folder)
    with pytest.raises(InvalidBuild, match="asked for the artifact that it is building"):
        take(folder)
    lease.release(succeeded=True)
    take(folder).release(succeeded=True)


def test_releasing_twice_is_releasing_once(folder, in_thread):
    lease = take(folder)
    lease.release(succeeded=True)
    second = take(folder)
    lease.release(succeeded=True)
    assert os.path.exists(second.path)
    waiter = in_thread(lambda: take(folder))
    assert waiter.waits
    second.release(succeeded=True)
    waiter.join().release(succeeded=True)


# Failures -----------------------------------------------------------------------------------------


def test_who_waits_on_a_lease_hears_of_its_failure(folder, in_thread):
    lease = take(folder)
    waiters = [in_thread(lambda: take(folder)) for _ in range(4)]
    assert all(waiter.waits for waiter in waiters)
    lease.fail(ValueError("the table is empty"))
    lease.release(succeeded=False)
    for waiter in waiters:
        problem = waiter.join()
        assert type(problem) is BuildFailed
        assert f"Process {os.getpid()} " in str(problem)
        assert "failed with ValueError: the table is empty. Call again" in str(problem)
    assert not local._held


def test_later_callers_try_again(folder):
    lease = take(folder)
    lease.fail(ValueError("the table is empty"))
    lease.release(succeeded=False)
    again = take(folder)
    assert isinstance(again, LocalLease)
    again.release(succeeded=True)
    assert os.listdir(folder) == []


def test_who_waits_on_a_later_lease_hears_nothing_of_an_earlier_failure(folder, in_thread):
    first = take(folder)
    first.fail(ValueError("long ago"))
    first.release(succeeded=False)
    second = take(folder)
    waiter = in_thread(lambda: take(folder))
    assert waiter.waits
    second.release(succeeded=False)
    theirs = waiter.join()
    assert isinstance(theirs, LocalLease)
    theirs.release(succeeded=True)
    assert os.listdir(folder) == []


def test_a_failure_is_heard_while_another_builds_already(folder, in_thread):
    """Who waited on the first lease must not wait for the second build, to fail after that."""
    first = take(folder)
    waiter = in_thread(lambda: take(folder))
    assert waiter.waits
    first.fail(ValueError("first"))
    files.remove_file(first.path)  # the next one comes between, as after a release
    second = in_thread(lambda: take(folder)).join()
    assert "first" in str(waiter.join())
    second.release(succeeded=True)
    first.release(succeeded=False)


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (ValueError(), "failed with ValueError"),
        (ValueError("\ud800 ünï"), "ValueError: \\ud800 ünï"),
        (ValueError("x" * 200_000), "ValueError: xxx"),
        (ValueError("two\nlines"), "ValueError: two\nlines"),
        (type("Mute", (Exception,), {"__str__": lambda _: 1 / 0})(), "failed with Mute"),
    ],
)
def test_any_error_can_be_told(folder, problem, told, in_thread):
    lease = take(folder)
    waiter = in_thread(lambda: take(folder))
    assert waiter.waits
    lease.fail(problem)
    lease.release(succeeded=False)
    heard = waiter.join()
    assert type(heard) is BuildFailed
    assert told in str(heard)
    assert len(str(heard)) < 70_000


def test_a_failure_that_cannot_be_written_lets_others_build(folder, monkeypatch, in_thread):
    lease = take(folder)
    waiter = in_thread(lambda: take(folder))
    assert waiter.waits

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(local, "write_within", refuse)
    lease.fail(ValueError("untold"))
    lease.release(succeeded=False)
    theirs = waiter.join()
    assert isinstance(theirs, LocalLease)
    theirs.release(succeeded=True)


# Death --------------------------------------------------------------------------------------------


def test_the_death_of_the_holder_lets_another_in_at_once(folder, hold, in_thread):
    holder = hold()
    waiter = in_thread(lambda: take(folder))
    assert waiter.waits
    killed = time.monotonic()
    holder.send_signal(signal.SIGKILL)
    theirs = waiter.join()
    assert time.monotonic() - killed < AT_ONCE_S
    assert isinstance(theirs, LocalLease)
    theirs.release(succeeded=True)
    assert os.listdir(folder) == []


def test_what_a_dead_holder_left_is_taken_over(folder, hold):
    holder = hold()
    holder.kill()
    holder.wait()
    assert os.listdir(folder) == ["key.lock"]
    lease = take(folder)
    assert lease.waited_s < 1
    lease.release(succeeded=True)
    assert os.listdir(folder) == []


def test_a_holder_that_stops_is_waited_for(folder, hold, in_thread):
    """A debugger, a suspended laptop: it lives, so nobody builds the same."""
    holder = hold()
    holder.send_signal(signal.SIGSTOP)
    waiter = in_thread(lambda: take(folder))
    assert waiter.waits
    holder.send_signal(signal.SIGCONT)
    assert waiter.waits
    holder.kill()
    waiter.join().release(succeeded=True)


@pytest.mark.parametrize(
    "then",
    [
        "os._exit(0)",
        "sys.exit(1)",
        "os.abort()",
        "os.execv('/bin/sleep', ['sleep', '20'])",  # the lock is not inherited
        "import subprocess as s; s.Popen(['sleep', '5'], stdout=-3, close_fds=False); os._exit(0)",
    ],
)
def test_however_the_holder_ends_the_lease_is_free(folder, hold, then):
    hold(then)
    started = time.monotonic()
    take(folder).release(succeeded=True)
    assert time.monotonic() - started < 4


def test_a_failed_holder_in_another_process_is_heard(folder, hold):
    holder = hold(
        "import time; time.sleep(0.5); lease.fail(KeyError('x')); lease.release(succeeded=False)"
    )
    with pytest.raises(BuildFailed, match=f"Process {holder.pid} .*KeyError: 'x'"):
        take(folder)


FORKED = """
import os, sys, time
from emberkeep.lease import acquire
folder = sys.argv[1]
lease = acquire(folder, "key", print)
child = os.fork()
if child == 0:
    lease.fail(ValueError("in the child"))
    lease.release(succeeded=False)
    assert os.listdir(folder) == ["key.lock"], os.listdir(folder)
    if os.fork() == 0:
        time.sleep(5)  # it lives longer than the lease
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert os.listdir(folder) == ["key.lock"]
print("holds", flush=True)
sys.stdin.readline()
os.kill(os.getpid(), 9)
"""


def test_a_forked_child_neither_releases_nor_holds(folder, in_thread):
    holder = subprocess.Popen(
        [sys.executable, "-c", FORKED, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout.readline() == "holds\n"
        waiter = in_thread(lambda: take(folder))
        assert waiter.waits, "the child released it"
        holder.stdin.write("\n")
        holder.stdin.flush()
        killed = time.monotonic()
        waiter.join().release(succeeded=True)
        assert time.monotonic() - killed < 4, "the child held it"
        holder.stdout.close()


# Races --------------------------------------------------------------------------------------------

COUNTING = """
import os, sys, threading
from emberkeep.lease import acquire
folder, counter, turns, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

def fail(text):
    print(text, flush=True)
    os._exit(1)

def work():
    for _ in range(turns):
        lease = acquire(folder, "key", fail)
        with open(counter) as file:
            count = int(file.read())
        with open(counter, "w") as file:
            file.write(str(count + 1))
        lease.release(succeeded=True)

workers = [threading.Thread(target=work) for _ in range(threads)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
"""


@pytest.mark.parametrize(
    ("processes", "threads", "turns"),
    [pytest.param(4, 2, 40), pytest.param(16, 2, 400, marks=pytest.mark.soak)],
)
def test_one_at_a_time_while_lock_files_come_and_go(
    folder, tmp_path, processes, threads, turns, record_property
):
    """A lock on a file that its last holder has removed is worth nothing."""
    counter = tmp_path / "counter"
    counter.write_text("0")
    running = [
        subprocess.Popen(
            [sys.executable, "-c", COUNTING, folder, counter, str(turns), str(threads)]
        )
        for _ in range(processes)
    ]
    assert [process.wait() for process in running] == [0] * processes
    assert int(counter.read_text()) == processes * threads * turns
    assert os.listdir(folder) == []
    record_property("leases", processes * threads * turns)
    sys.stderr.write(f"\n{processes * threads * turns} leases taken, one at a time\n")


def test_a_lock_file_removed_by_somebody_else_harms_nobody(folder, in_thread):
    lease = take(folder)
    os.unlink(lease.path)
    other = in_thread(lambda: take(folder)).join()
    lease.release(succeeded=True)
    assert other.renew(), "the first has removed the file of the second"
    other.release(succeeded=True)
    assert os.listdir(folder) == []


# File systems -------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EIO])
def test_without_flock_everybody_builds(folder, monkeypatch, code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    told = []
    assert take(folder, on_problem=told.append) is None
    (text,) = told
    assert folder in text
    assert os.strerror(code) in text
    assert os.listdir(folder) == [], "a lock file was left for a key"


def test_a_place_that_cannot_be_written_has_no_leases(tmp_path):
    (tmp_path / "file").write_text("mine")
    told = []
    assert take(str(tmp_path / "file" / "leases"), on_problem=told.append) is None
    assert len(told) == 1


def test_no_link_is_followed(folder, tmp_path):
    os.makedirs(folder)
    (tmp_path / "mine").write_text("mine")
    os.symlink(tmp_path / "mine", os.path.join(folder, "key.lock"))
    told = []
    assert take(folder, on_problem=told.append) is None
    assert len(told) == 1
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_full_disk_leases_all_the_same(folder, monkeypatch, in_thread):
    """The lock needs no room; only who failed cannot be told."""

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", refuse)
    lease = take(folder)
    waiter = in_thread(lambda: take(folder))
    assert waiter.waits
    lease.fail(ValueError("untold"))
    lease.release(succeeded=False)
    waiter.join().release(succeeded=True)


def test_an_error_at_closing_is_no_error_of_the_build(folder, monkeypatch):
    lease = take(folder)
    close = os.close

    def complain_after(descriptor):
        close(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "close", complain_after)
    lease.release(succeeded=True)
    monkeypatch.undo()
    take(folder).release(succeeded=True)


def test_interrupting_a_waiter_leaves_nothing(folder, monkeypatch, in_thread):
    lease = take(folder)

    def interrupt(_):
        raise KeyboardInterrupt

    def wait():
        monkeypatch.setattr(time, "sleep", interrupt)
        try:
            take(folder)
        finally:
            monkeypatch.undo()

    before = len(os.listdir("/proc/self/fd"))
    assert type(in_thread(wait).join()) is KeyboardInterrupt
    assert len(os.listdir("/proc/self/fd")) == before
    lease.release(succeeded=True)
    assert os.listdir(folder) == []
