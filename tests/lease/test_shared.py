import errno
import logging
import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from emberkeep.errors import BuildFailed, InvalidBuild
from emberkeep.lease import failure, record, shared, wait
from emberkeep.lease.file_slot import FileSlot
from emberkeep.lease.liveness import Liveness
from emberkeep.lease.protocol import Job
from emberkeep.lease.shared import SharedLease, acquire_slot
from emberkeep.store import files

HEARTBEAT_S = 0.1
STALE_S = 0.5
NEVER_S = 3600.0
ENDED_S = 10.0  # what a loaded machine may take for what needs a moment
DEAD = "0" * record.TOKEN_DIGITS
A_WHILE_S = 3 * STALE_S


def complain(text):
    raise AssertionError(text)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "keep").mkdir()
    return str(tmp_path / "keep" / "leases")


def take(folder, name="key", owner="", on_problem=complain, stale_s=NEVER_S):
    slot = FileSlot(path_of(folder, name))
    return acquire_slot(slot, owner, on_problem, heartbeat_s=HEARTBEAT_S, stale_s=stale_s)


def path_of(folder, name="key"):
    return os.path.join(folder, f"{name}.lease")


def digest(owner):
    return files.sha256(owner.encode()).hexdigest()


def leave_behind(folder, owner="", token=DEAD):
    """The file of a holder that is dead."""
    left = record.compose(token, digest(owner), 7)
    assert record.create(path_of(folder), left)
    return left


def until(condition):
    """Wait for what comes by itself; whether it came."""
    ends = time.monotonic() + ENDED_S
    while not condition() and time.monotonic() < ends:
        time.sleep(0.005)
    return condition()


@pytest.fixture(autouse=True)
def quiet():
    """No lease, and so no heart, of one test reaches the next."""
    yield
    for lease in shared._heart.leases:
        shared._heart.drop(lease)
    assert until(lambda: not shared._heart._beats)


HOLDER = """
import os, sys, time
from emberkeep.lease.file_slot import FileSlot
from emberkeep.lease.shared import acquire_slot
def slot(name):
    return FileSlot(f"{sys.argv[1]}/{name}.lease")
lease = acquire_slot(slot("key"), "holder", print, heartbeat_s=0.1)
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


@pytest.fixture
def refuse(monkeypatch, folder):
    """Make an operation of `os` fail, a number of times, where it concerns the folder."""
    counts = {}

    def inject(operation, code, times=1_000_000, *, after=False):
        real = getattr(os, operation)
        counts[operation] = 0

        def refusing(place, *arguments, **options):
            concerned = not (isinstance(place, str) and os.path.isabs(place)) or (
                place.startswith(os.path.dirname(folder))
            )
            if not concerned or counts[operation] >= times:
                return real(place, *arguments, **options)
            counts[operation] += 1
            if after:
                real(place, *arguments, **options)
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, operation, refusing)
        return lambda: counts[operation]

    return inject


# One at a time ------------------------------------------------------------------------------------


def test_a_lease_leaves_no_file(folder):
    lease = take(folder)
    assert os.listdir(folder) == ["key.lease"]
    lease.release(succeeded=True)
    assert os.listdir(folder) == []
    assert not shared._heart.leases


def test_the_file_is_one_line_of_fixed_length_in_which_the_heartbeats_change(folder):
    lease = take(folder, owner="a host and its keep")
    first = record.look(lease.path)
    assert (first.token, first.owner) == (lease.token, digest("a host and its keep"))
    assert until(lambda: record.look(lease.path) != first)
    later = record.look(lease.path)
    assert len(later.content) == len(first.content)
    assert later.content[: record.HEARTBEAT_AT] == first.content[: record.HEARTBEAT_AT]
    assert later.content[record.HOLDER_AT :] == first.content[record.HOLDER_AT :]
    assert first.holder == f"process {os.getpid()} on {os.uname().nodename}"
    assert (later.token, later.owner) == (first.token, first.owner)
    lease.release(succeeded=True)


@pytest.mark.parametrize(
    "name",
    ["key", "a" * 200, "with spaces", "ünï ☃", ".hidden", "-rf", "key.lease", "%s{}\\n", "*"],
)
def test_any_plain_name_will_do(folder, name):
    lease = take(folder, name)
    assert os.listdir(folder) == [f"{name}.lease"]
    lease.release(succeeded=True)
    assert os.listdir(folder) == []


@pytest.mark.parametrize("name", ["a" * 300, "no/such/folder/key", "nul\0byte"])
def test_a_name_that_no_file_can_have_is_told(folder, name):
    told = []
    assert take(folder, name, on_problem=told.append) is None
    assert len(told) == 1


def test_leases_of_different_names_do_not_wait(folder):
    held = [take(folder, f"key{number}") for number in range(20)]
    assert len({lease.token for lease in held}) == 20
    for lease in held:
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


def test_another_thread_may_release_it(folder, in_thread):
    lease = take(folder)
    in_thread(lambda: lease.release(succeeded=True)).join()
    assert os.listdir(folder) == []
    take(folder).release(succeeded=True)


def test_the_same_thread_is_refused(folder):
    lease = take(folder)
    with pytest.raises(InvalidBuild, match="asked for the artifact that it is building"):
        take(folder)
    lease.release(succeeded=True)
    take(folder).release(succeeded=True)


def test_the_same_thread_waits_for_what_it_has_handed_over(folder, in_thread):
    lease = take(folder)
    lease.hand_over(Job())
    publisher = in_thread(lambda: (time.sleep(0.2), lease.release(succeeded=True)))
    again = take(folder)
    publisher.join()
    assert again.waited_s > 0.05
    again.release(succeeded=True)


def test_releasing_twice_is_releasing_once(folder, in_thread):
    lease = take(folder)
    lease.release(succeeded=True)
    second = take(folder)
    lease.release(succeeded=True)
    assert record.look(second.path).token == second.token
    waiter = in_thread(lambda: take(folder))
    assert waiter.waits
    second.release(succeeded=True)
    waiter.join().release(succeeded=True)


COUNTING = """
import os, sys, threading
from emberkeep.lease.file_slot import FileSlot
from emberkeep.lease.shared import acquire_slot
folder, counter, turns, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

def fail(text):
    print(text, flush=True)
    os._exit(1)

def work():
    for _ in range(turns):
        lease = acquire_slot(FileSlot(f"{folder}/key.lease"), "", fail, stale_s=3600.0)
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
    [pytest.param(4, 2, 15), pytest.param(8, 2, 200, marks=pytest.mark.soak)],
)
def test_one_at_a_time_in_processes_and_threads(
    folder, tmp_path, processes, threads, turns, report
):
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
    report(leases_taken_one_at_a_time=processes * threads * turns)


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
        assert f"Process {os.getpid()} on {os.uname().nodename} was building" in str(problem)
        assert "failed with ValueError: the table is empty. Call again" in str(problem)
    assert not shared._heart.leases


def test_later_callers_try_again_and_their_success_removes_the_failure(folder):
    lease = take(folder)
    lease.fail(ValueError("the table is empty"))
    lease.release(succeeded=False)
    assert os.listdir(folder) == ["key.lease.failed"]
    again = take(folder)
    assert isinstance(again, SharedLease)
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
    assert isinstance(theirs, SharedLease)
    theirs.release(succeeded=True)


def test_a_failure_is_heard_while_another_builds_already(folder, in_thread):
    first = take(folder)
    waiter = in_thread(lambda: take(folder))
    assert waiter.waits
    first.fail(ValueError("first"))
    # As after a release and another's turn, with no moment in between for the waiter to look.
    second = record.compose(DEAD, digest("second"), 0)
    record.replace(first.path, second.content)
    assert "first" in str(waiter.join())
    first.release(succeeded=False)
    assert record.look(first.path) == second, "the failed one removed another's lease"


def test_the_failure_of_a_holder_that_died_before_its_release_is_heard(folder, hold, in_thread):
    hold("time.sleep(0.3); lease.fail(KeyError('x')); os._exit(0)")
    problem = in_thread(lambda: take(folder, stale_s=STALE_S)).join()
    assert type(problem) is BuildFailed
    assert "KeyError: 'x'" in str(problem)
    assert os.listdir(folder) == ["key.lease.failed"]


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


def test_a_failure_that_cannot_be_written_lets_others_build(folder, refuse, in_thread):
    lease = take(folder)
    waiter = in_thread(lambda: take(folder))
    assert waiter.waits
    refused = refuse("replace", errno.ENOSPC)
    lease.fail(ValueError("untold"))
    assert refused() == 1
    assert os.listdir(folder) == ["key.lease"], "its temporary file was left"
    lease.release(succeeded=False)
    theirs = waiter.join()
    assert isinstance(theirs, SharedLease)
    theirs.release(succeeded=True)


def test_what_is_no_failure_is_none(folder):
    os.makedirs(folder)
    lease_path = path_of(folder)
    for content in (b"", b"\n", b"\n\n", b"x" * 70_000, b"other\nbuilder\nmessage"):
        record.replace(failure.path_for(lease_path), content)
        assert failure.heard(FileSlot(lease_path).told, {"token"}) is None
    os.unlink(failure.path_for(lease_path))
    os.mkfifo(failure.path_for(lease_path))
    assert failure.heard(FileSlot(lease_path).told, {"token"}) is None


# Death --------------------------------------------------------------------------------------------


def test_what_a_dead_holder_left_is_taken_over_once_it_is_stale(folder, hold, in_thread):
    holder = hold()
    waiter = in_thread(lambda: take(folder, stale_s=STALE_S))
    assert waiter.waits
    holder.kill()
    holder.wait()
    theirs = waiter.join()
    assert theirs.waited_s >= STALE_S
    theirs.release(succeeded=True)
    assert os.listdir(folder) == []


@pytest.mark.parametrize("then", ["os._exit(0)", "sys.exit(1)", "os.abort()"])
def test_however_the_holder_ends_its_lease_is_taken_over(folder, hold, then):
    hold(then).wait()
    assert os.listdir(folder) == ["key.lease"]
    lease = take(folder, stale_s=STALE_S)
    lease.release(succeeded=True)
    assert os.listdir(folder) == []


def test_a_holder_that_lives_is_waited_for_however_long(folder, hold, in_thread):
    holder = hold()
    waiter = in_thread(lambda: take(folder, stale_s=2.0))
    time.sleep(3.0)
    assert waiter.waits, "a living holder was taken for dead"
    holder.kill()
    waiter.join().release(succeeded=True)


def test_a_stopped_holder_is_taken_for_dead_and_does_no_harm_when_it_goes_on(folder, hold):
    holder = hold("time.sleep(1); lease.release(succeeded=True)")
    holder.send_signal(signal.SIGSTOP)
    lease = take(folder, stale_s=STALE_S)
    assert lease.waited_s >= STALE_S
    holder.send_signal(signal.SIGCONT)
    assert holder.wait(ENDED_S) == 0
    assert record.look(lease.path).token == lease.token
    beaten = record.look(lease.path)
    assert until(lambda: record.look(lease.path) != beaten), "the new holder's heart stopped"
    lease.release(succeeded=True)
    assert os.listdir(folder) == []


def test_a_holder_that_was_taken_for_dead_touches_nothing_of_the_others(folder):
    lease = take(folder)
    others = record.compose(DEAD, digest("other"), 3)
    record.replace(lease.path, others.content)
    beats = lease.next_beat
    assert until(lambda: lease.next_beat > beats), "its heart has not looked again"
    assert record.look(lease.path) == others
    lease.fail(ValueError("of ours"))
    lease.release(succeeded=False)
    assert record.look(lease.path) == others
    assert not shared._heart.leases


def test_a_holder_whose_file_is_gone_makes_no_other(folder):
    lease = take(folder)
    os.unlink(lease.path)
    beats = lease.next_beat
    assert until(lambda: lease.next_beat > beats)
    assert os.listdir(folder) == []
    lease.release(succeeded=True)


def test_a_file_that_was_away_for_a_moment_is_beaten_again(folder):
    """As between a taking away that was in error and its putting back."""
    lease = take(folder)
    os.rename(lease.path, f"{lease.path}.aside")
    beats = lease.next_beat
    assert until(lambda: lease.next_beat > beats)
    os.rename(f"{lease.path}.aside", lease.path)
    away = record.look(lease.path)
    assert until(lambda: record.look(lease.path) != away)
    lease.release(succeeded=True)
    assert os.listdir(folder) == []


def test_a_file_of_no_holder_at_all_is_taken_over(folder):
    os.makedirs(folder)
    for content in (b"", b"torn", b"\xff" * 300, b"from a later version " * 50):
        record.replace(path_of(folder), content)
        take(folder, stale_s=STALE_S).release(succeeded=True)
        assert os.listdir(folder) == []


# Owners -------------------------------------------------------------------------------------------


def test_what_our_own_dead_left_is_taken_over_at_once(folder):
    leave_behind(folder, "this host")
    lease = take(folder, owner="this host")
    assert record.look(lease.path).token == lease.token
    lease.release(succeeded=True)
    assert os.listdir(folder) == []


@pytest.mark.parametrize(("theirs", "ours"), [("", ""), ("that host", "this host"), ("", "this")])
def test_what_others_left_is_not(folder, in_thread, theirs, ours):
    left = leave_behind(folder, theirs)
    waiter = in_thread(lambda: take(folder, owner=ours))
    assert waiter.waits
    assert record.look(path_of(folder)) == left
    os.unlink(path_of(folder))
    waiter.join().release(succeeded=True)


def test_what_this_process_still_publishes_is_waited_for(folder, in_thread):
    lease = take(folder, owner="this host")
    lease.hand_over(Job())
    waiter = in_thread(lambda: take(folder, owner="this host"))
    assert waiter.waits
    assert record.look(lease.path).token == lease.token
    lease.release(succeeded=True)
    waiter.join().release(succeeded=True)


def test_what_this_process_released_but_could_not_remove_is_taken_over_at_once(folder, refuse):
    lease = take(folder, owner="this host")
    refused = refuse("rename", errno.EIO, times=1)
    lease.release(succeeded=True)
    assert refused() == 1
    assert record.look(lease.path).token == lease.token
    take(folder, owner="this host").release(succeeded=True)
    assert os.listdir(folder) == []


# The heart ----------------------------------------------------------------------------------------


def test_one_heart_beats_for_all_and_stops_with_the_last(folder):
    threads = len(os.listdir("/proc/self/task"))
    held = [take(folder, f"key{number}") for number in range(5)]
    first = [record.look(lease.path) for lease in held]
    assert until(lambda: all(record.look(lease.path) != was for lease, was in zip(held, first)))
    for lease in held[1:]:
        lease.release(succeeded=True)
    was = record.look(held[0].path)
    assert until(lambda: record.look(held[0].path) != was)
    assert until(lambda: len(os.listdir("/proc/self/task")) == threads + 1)
    held[0].release(succeeded=True)
    assert until(lambda: not shared._heart._beats)
    again = take(folder)
    was = record.look(again.path)
    assert until(lambda: record.look(again.path) != was), "it does not start again"
    again.release(succeeded=True)
    assert until(lambda: len(os.listdir("/proc/self/task")) == threads)


def test_a_slow_heartbeat_delays_no_faster_one(folder):
    slow = acquire_slot(FileSlot(path_of(folder, "slow")), "", complain, heartbeat_s=NEVER_S)
    time.sleep(0.05)  # the heart sleeps by now, for an hour
    fast = take(folder, "fast")
    was = record.look(fast.path)
    assert until(lambda: record.look(fast.path) != was)
    slow.release(succeeded=True)
    fast.release(succeeded=True)
    assert until(lambda: not shared._heart._beats)


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.ENOSPC, errno.EACCES])
def test_a_heartbeat_that_fails_is_followed_by_others(folder, refuse, code):
    lease = take(folder)
    was = record.look(lease.path)
    refused = refuse("pwrite", code, times=2)
    assert until(lambda: record.look(lease.path) != was)
    assert refused() == 2
    lease.release(succeeded=True)


def test_without_a_thread_to_be_had_there_is_a_lease_all_the_same(folder, monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(shared, "start_new_thread", refuse)
    lease = take(folder)
    monkeypatch.undo()
    second = take(folder, "second")  # the next one tries again, for both
    was = record.look(lease.path)
    assert until(lambda: record.look(lease.path) != was)
    lease.release(succeeded=True)
    second.release(succeeded=True)
    assert os.listdir(folder) == []


def test_leases_that_come_and_go_in_many_threads_leave_no_heart(folder, in_thread):
    def work(number):
        for turn in range(30):
            take(folder, f"key{number}-{turn}").release(succeeded=True)

    for worker in [in_thread(lambda number=number: work(number)) for number in range(6)]:
        assert worker.join() is None
    assert until(lambda: not shared._heart._beats)
    assert os.listdir(folder) == []


FORKED = """
import os, sys, time
from emberkeep.lease import record, shared
from emberkeep.lease.file_slot import FileSlot
folder = sys.argv[1]
def take(name):
    slot = FileSlot(f"{folder}/{name}.lease")
    return shared.acquire_slot(slot, "", print, heartbeat_s=0.05, stale_s=3600.0)
def beats(lease):
    was, ends = record.look(lease.path), time.monotonic() + 5
    while record.look(lease.path) == was and time.monotonic() < ends:
        time.sleep(0.01)
    return record.look(lease.path) != was
lease = take("key")
child = os.fork()
if child == 0:
    assert not shared._heart.leases
    assert len(os.listdir("/proc/self/task")) == 1
    lease.fail(ValueError("in the child"))
    lease.release(succeeded=False)
    assert os.listdir(folder) == ["key.lease"], os.listdir(folder)
    own = take("own")
    assert beats(own), "a child's own lease has no heart"
    own.release(succeeded=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert os.listdir(folder) == ["key.lease"]
assert beats(lease), "the parent's heart has stopped"
if os.fork() == 0:
    time.sleep(1)  # it lives longer than the lease
    os._exit(0)
lease.release(succeeded=True)
assert os.listdir(folder) == []
os.wait()
assert os.listdir(folder) == []
"""


def test_a_forked_child_owns_beats_and_removes_nothing(folder):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKED, folder],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


FORKING = """
import os, sys, threading
from emberkeep.lease.file_slot import FileSlot
from emberkeep.lease.shared import acquire_slot
folder, stop = sys.argv[1], []
def take(name):
    slot = FileSlot(f"{folder}/{name}.lease")
    return acquire_slot(slot, "", print, heartbeat_s=0.001, stale_s=3600.0)
def churn(number):
    while not stop:
        take(f"busy{number}").release(succeeded=True)
workers = [threading.Thread(target=churn, args=(number,)) for number in range(2)]
for worker in workers:
    worker.start()
for turn in range(int(sys.argv[2])):
    child = os.fork()
    if child == 0:
        take(f"child{turn}").release(succeeded=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop.append(True)
for worker in workers:
    worker.join()
assert os.listdir(folder) == [], os.listdir(folder)
"""


def test_a_child_forked_at_any_moment_takes_leases_of_its_own(folder):
    """A lock that was held at the fork would make it wait for ever."""
    done = subprocess.run(
        [sys.executable, "-c", FORKING, folder, "40"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def test_a_process_ends_at_once_and_in_silence_with_its_heart_beating(folder):
    program = HOLDER + "\nother = acquire_slot(slot('other'), '', print, heartbeat_s=0.001)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, folder, "pass"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "holds\n")


# Clocks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump_s", [-1e6, 1e6])
def test_the_time_of_day_does_not_matter(folder, hold, in_thread, monkeypatch, jump_s):
    hold()
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + jump_s)
    os.utime(path_of(folder), (now() + jump_s, now() + jump_s))
    waiter = in_thread(lambda: take(folder, stale_s=A_WHILE_S))
    assert waiter.waits
    os.unlink(path_of(folder))
    waiter.join().release(succeeded=True)


def test_a_waiter_that_was_away_for_an_hour_has_not_watched_for_an_hour(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(shared.time, "monotonic", lambda: clock[0])
    watch = Liveness(stale_s=10.0)
    same = record.compose(DEAD, digest(""), 0)
    assert not watch.is_stale(same)
    clock[0] += 3600.0
    assert not watch.is_stale(same)
    for _ in range(74):  # the hour counts as 2.5 s; 7.4 of 7.5 s more
        clock[0] += 0.1
        assert not watch.is_stale(same)
    clock[0] += 0.2
    assert watch.is_stale(same)


def test_every_heartbeat_begins_the_watch_anew(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(shared.time, "monotonic", lambda: clock[0])
    watch = Liveness(stale_s=1.0)
    for heartbeats in range(5):
        for _ in range(10):
            clock[0] += 0.095
            assert not watch.is_stale(record.compose(DEAD, digest(""), heartbeats))


def test_what_is_shown_again_of_the_past_is_no_sign_of_life(monkeypatch):
    """Or who watches a file system that shows now this, now that, would wait for ever."""
    clock = [0.0]
    monkeypatch.setattr(shared.time, "monotonic", lambda: clock[0])
    watch = Liveness(stale_s=1.0)
    shown = [
        record.compose("1" * 32, digest(""), 7),
        record.compose("2" * 32, digest(""), 3),
        record.compose("1" * 32, digest(""), 6),
        record.parse(b"torn"),
        record.parse(b"torn and more"[:4]),
    ]
    for found in shown:
        assert not watch.is_stale(found)
    judged = []
    for number in range(12):
        clock[0] += 0.095
        judged.append(watch.is_stale(shown[number % 5]))
    assert judged == [False] * 10 + [True] * 2


def test_looks_are_ever_rarer_up_to_a_bound(folder, monkeypatch):
    leave_behind(folder)
    clock, pauses = [0.0], []

    def sleep(pause_s):
        pauses.append(pause_s)
        clock[0] += pause_s
        if clock[0] > 100.0:
            os.unlink(path_of(folder))

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", sleep)
    lease = take(folder)
    monkeypatch.undo()
    lease.release(succeeded=True)
    assert 0.001 <= pauses[0] <= 0.002
    times = [sum(pauses[:count]) for count in range(len(pauses))]
    for at, pause in zip(times, pauses, strict=True):
        assert pause <= min(max(0.05, 0.1 * at + 0.01), 1.0)
    assert max(pauses) > 0.9
    assert len(pauses) < 300
    assert len(set(pauses[-20:])) > 5, "all who wait look at the same moments"


def test_who_waits_for_long_says_so_once(folder, caplog, monkeypatch, in_thread):
    caplog.set_level(logging.INFO, "emberkeep.lease")
    lease = take(folder)
    monkeypatch.setattr(wait, "SAY_SO_AFTER_S", 0.05)
    waiter = in_thread(lambda: take(folder))
    assert waiter.waits
    lease.release(succeeded=True)
    waiter.join().release(succeeded=True)
    (said,) = caplog.messages
    assert said == f"waiting for {lease.holder}, which holds {lease.path}"


# Races --------------------------------------------------------------------------------------------


def test_a_lease_that_came_in_between_is_put_back(folder):
    """Judged stale, taken over by another, and only then taken away: it is the other's."""
    judged = leave_behind(folder)
    record.give_back(path_of(folder), DEAD)
    lease = take(folder)
    record.take_away(lease.path, judged)
    assert record.look(lease.path).token == lease.token
    was = record.look(lease.path)
    assert until(lambda: record.look(lease.path) != was), "its heart has stopped"
    assert os.listdir(folder) == ["key.lease"]
    lease.release(succeeded=True)
    assert os.listdir(folder) == []


def test_a_holder_that_woke_up_in_between_is_put_back(folder):
    judged = leave_behind(folder)
    record.beat(path_of(folder), DEAD, 8)
    beaten = record.look(path_of(folder))
    record.take_away(path_of(folder), judged)
    assert record.look(path_of(folder)) == beaten
    assert os.listdir(folder) == ["key.lease"]


def test_who_is_stopped_in_the_midst_of_its_release_removes_nothing_of_the_others(
    folder, monkeypatch
):
    lease = take(folder)
    others = record.compose(DEAD, digest("other"), 3)
    rename = os.rename

    def stop_before(source, target, **folders):
        monkeypatch.setattr(os, "rename", rename)
        record.replace(lease.path, others.content)
        rename(source, target, **folders)

    monkeypatch.setattr(os, "rename", stop_before)
    lease.release(succeeded=True)
    assert record.look(lease.path) == others
    assert os.listdir(folder) == ["key.lease"]


@pytest.mark.parametrize("links", [True, False])
def test_nothing_is_put_back_over_a_third_ones_lease(folder, monkeypatch, refuse, links):
    judged = leave_behind(folder)
    record.replace(path_of(folder), record.compose("2" * 32, digest("second"), 0).content)
    third = record.compose("3" * 32, digest("third"), 0)
    rename = os.rename

    def rename_and_lose(source, target, **folders):
        rename(source, target, **folders)
        monkeypatch.setattr(os, "rename", rename)
        if not links:
            refuse("link", errno.EPERM)
        assert record.create(path_of(folder), third)

    monkeypatch.setattr(os, "rename", rename_and_lose)
    record.take_away(path_of(folder), judged)
    assert record.look(path_of(folder)) == third
    assert os.listdir(folder) == ["key.lease"]


def test_what_is_stale_is_taken_away_once(folder):
    judged = leave_behind(folder)
    record.take_away(path_of(folder), judged)
    record.take_away(path_of(folder), judged)
    assert os.listdir(folder) == []


def test_many_take_over_one_after_the_other(folder, in_thread):
    leave_behind(folder)
    builders, at_once = [], []

    def work():
        lease = take(folder, stale_s=A_WHILE_S)
        builders.append(lease)
        at_once.append(len(builders))
        time.sleep(0.01)
        builders.remove(lease)
        lease.release(succeeded=True)

    for waiter in [in_thread(work) for _ in range(6)]:
        assert waiter.join() is None
    assert len(at_once) == 6
    # Who takes over while another does sees to it that a third may come in: two, then, no more.
    assert max(at_once) <= 2
    assert os.listdir(folder) == []


# Permissions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("root", "of_folder", "of_file"),
    [
        (0o700, 0o700, 0o600),
        (0o750, 0o750, 0o640),
        (0o770, 0o770, 0o660),
        (0o2775, 0o2775, 0o664),
        (0o1777, 0o777, 0o666),  # sticky, nobody could take over what others left
    ],
)
def test_others_may_do_what_the_shared_root_permits(folder, root, of_folder, of_file):
    os.chmod(os.path.dirname(folder), root)
    before = os.umask(0o077)
    try:
        lease = take(folder)
        lease.fail(ValueError("told to all"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(folder).st_mode) == of_folder
    assert stat.S_IMODE(os.stat(lease.path).st_mode) == of_file
    assert stat.S_IMODE(os.stat(failure.path_for(lease.path)).st_mode) == of_file
    lease.release(succeeded=True)


def test_where_permissions_cannot_be_set_there_are_leases_all_the_same(folder, refuse):
    refused = refuse("chmod", errno.EPERM)
    take(folder).release(succeeded=True)
    assert refused() == 2


def test_a_folder_that_another_makes_at_the_same_time_will_do(folder, refuse):
    refused = refuse("mkdir", errno.EEXIST, times=1, after=True)
    take(folder).release(succeeded=True)
    assert refused() == 1


def test_a_folder_that_another_host_made_is_waited_for_until_it_is_seen(folder, monkeypatch):
    os.makedirs(folder)
    real, unseen = os.open, []

    def overlook(path, flags, *arguments, **options):
        if flags & os.O_CREAT and len(unseen) < 3:
            unseen.append(path)
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return real(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", overlook)
    take(folder).release(succeeded=True)
    assert len(unseen) == 3


def test_a_folder_that_is_never_seen_is_given_up(folder):
    os.symlink("nowhere", folder)
    told = []
    assert take(folder, on_problem=told.append) is None
    assert len(told) == 1


# File systems -------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["open", "write", "close", "link", "stat"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO, errno.EDQUOT])
def test_trouble_is_told_once_and_everybody_builds(folder, monkeypatch, refuse, operation, code):
    os.makedirs(folder)
    refused = refuse(operation, code)
    told = []
    lease = take(folder, on_problem=told.append)
    monkeypatch.undo()
    assert lease is None
    assert refused() >= 1
    (text,) = told
    assert folder in text
    assert os.strerror(code) in text
    assert "Several hosts may build the same thing" in text
    assert os.listdir(folder) == []
    assert not shared._heart.leases


def test_a_disk_that_says_only_at_closing_that_it_is_full_is_heard(folder, monkeypatch):
    """As network file systems do: what was written is sent when the file is closed."""
    os.makedirs(folder)
    close = os.close

    def complain_after(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        close(descriptor)
        if not is_folder:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "close", complain_after)
    told = []
    assert take(folder, on_problem=told.append) is None
    monkeypatch.undo()
    assert len(told) == 1
    assert os.listdir(folder) == []


def test_a_root_that_is_not_there_is_not_made(tmp_path):
    """It may be a mount that is missing."""
    told = []
    assert take(str(tmp_path / "unmounted" / "leases"), on_problem=told.append) is None
    assert len(told) == 1
    assert not (tmp_path / "unmounted").exists()


def test_a_place_that_is_no_folder_has_no_leases(tmp_path):
    (tmp_path / "file").write_text("mine")
    told = []
    assert take(str(tmp_path / "file"), on_problem=told.append) is None
    assert take(str(tmp_path / "file" / "leases"), on_problem=told.append) is None
    assert len(told) == 2


def test_no_link_is_followed(folder, tmp_path):
    os.makedirs(folder)
    (tmp_path / "mine").write_text("mine")
    os.symlink(tmp_path / "mine", path_of(folder))
    told = []
    assert take(folder, on_problem=told.append) is None
    assert len(told) == 1
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_told_and_left(folder, make):
    os.makedirs(folder)
    make(path_of(folder))
    told = []
    assert take(folder, on_problem=told.append, stale_s=STALE_S) is None
    assert len(told) == 1
    assert os.listdir(folder) == ["key.lease"]


@pytest.mark.parametrize("code", [errno.ESTALE, errno.EBUSY])
@pytest.mark.parametrize("operation", ["open", "link", "rename", "unlink", "stat"])
def test_what_passes_is_tried_again(folder, refuse, operation, code):
    left = leave_behind(folder, "dead")
    refused = refuse(operation, code, times=2)
    lease = take(folder, owner="dead")
    lease.release(succeeded=True)
    assert refused() == 2
    assert record.look(path_of(folder)) != left
    assert os.listdir(folder) == []


def test_what_does_not_pass_is_given_up(folder, refuse):
    os.makedirs(folder)
    refused = refuse("open", errno.ESTALE)
    told = []
    assert take(folder, on_problem=told.append) is None
    assert refused() == len(files.PAUSES_S) + 1
    assert len(told) == 1


@pytest.mark.parametrize("code", [errno.EEXIST, errno.ESTALE])
def test_a_lease_that_was_made_though_the_answer_was_lost_is_ours(folder, refuse, code):
    refused = refuse("link", code, times=1, after=True)
    lease = take(folder)
    assert refused() == 1
    assert record.look(lease.path).token == lease.token
    lease.release(succeeded=True)
    assert os.listdir(folder) == []


def test_a_taking_away_whose_answer_was_lost_is_one(folder, refuse):
    leave_behind(folder, "dead")
    refused = refuse("rename", errno.ESTALE, times=1, after=True)
    take(folder, owner="dead").release(succeeded=True)
    assert refused() == 1
    assert os.listdir(folder) == []


def test_a_file_that_was_made_though_the_answer_was_lost_is_written(folder, monkeypatch):
    os.makedirs(folder)
    real, lost = os.open, []

    def lose(path, flags, *arguments, **options):
        descriptor = real(path, flags, *arguments, **options)
        if flags & os.O_CREAT and not lost:
            lost.append(path)
            os.close(descriptor)
            raise OSError(errno.ESTALE, "Stale file handle")
        return descriptor

    monkeypatch.setattr(os, "open", lose)
    lease = take(folder)
    assert lost
    assert os.listdir(folder) == ["key.lease"]
    lease.release(succeeded=True)


@pytest.mark.parametrize("code", sorted(record.NO_LINKS))
def test_where_there_are_no_links_there_are_leases(folder, refuse, in_thread, code):
    refused = refuse("link", code)
    lease = take(folder)
    was = record.look(lease.path)
    record.take_away(lease.path, record.compose(DEAD, digest(""), 0))
    assert record.look(lease.path).token == lease.token, "it was not put back"
    assert until(lambda: record.look(lease.path) != was), "its heart has stopped"
    waiter = in_thread(lambda: take(folder))
    assert waiter.waits
    lease.release(succeeded=True)
    waiter.join().release(succeeded=True)
    assert refused() >= 3
    assert os.listdir(folder) == []


def test_a_disk_that_fills_up_where_there_are_no_links_leaves_nothing(folder, monkeypatch, refuse):
    os.makedirs(folder)
    refuse("link", errno.EPERM)
    write, written = os.write, []

    def fill_up(descriptor, content):
        if written:  # the temporary file was the last that had room
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(content)
        return write(descriptor, content)

    monkeypatch.setattr(os, "write", fill_up)
    told = []
    assert take(folder, on_problem=told.append) is None
    assert len(told) == 1
    assert os.listdir(folder) == []


def test_interrupting_a_waiter_leaves_nothing(folder, monkeypatch, in_thread):
    lease = take(folder)

    def interrupt(_):
        raise KeyboardInterrupt

    def wait_for_it():
        monkeypatch.setattr(time, "sleep", interrupt)
        try:
            take(folder)
        finally:
            monkeypatch.undo()

    assert type(in_thread(wait_for_it).join()) is KeyboardInterrupt
    assert os.listdir(folder) == ["key.lease"]
    lease.release(succeeded=True)
    assert os.listdir(folder) == []
