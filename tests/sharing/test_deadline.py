"""Calls with a deadline: what hangs is left alone, what fails is not asked again for a while."""

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import weakref
from contextvars import ContextVar

import pytest

from emberkeep.sharing import deadline
from emberkeep.sharing.deadline import (
    COOL_DOWN_S,
    FAILURES,
    Deadline,
    Guarded,
    PlaceHangs,
    PlaceShunned,
)

SHORT_S = 0.05  # a deadline of what hangs
LONG_S = 20.0  # one that is never reached


class Gate:
    """Work that hangs until it is let go; counts how often it was begun."""

    def __init__(self):
        self._open = threading.Event()
        self._lock = threading.Lock()
        self.begun = 0
        self.problem = None

    def __call__(self, _):
        with self._lock:
            self.begun += 1
        self._open.wait()
        if self.problem is not None:
            raise self.problem
        return "late"

    def let_go(self):
        """Let all go that hang, and wait until the place has taken note of it."""
        self._open.set()
        wait_until(lambda: not deadline._pool.inside)


def wait_until(holds):
    end = time.monotonic() + LONG_S
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.001)


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.let_go()


@pytest.fixture
def clock(monkeypatch):
    """A clock that can be put forward."""
    ahead = [0.0]
    monkeypatch.setattr(deadline, "monotonic", lambda: time.monotonic() + ahead[0])

    def put_forward(seconds):
        ahead[0] += seconds

    return put_forward


def answer(_):
    return 42


def hang(place, gate, times=1):
    """Let calls hang; only they have a deadline that can be reached."""
    place._deadline_s = SHORT_S
    for _ in range(times):
        with pytest.raises(PlaceHangs):
            place.call(gate)
    place._deadline_s = LONG_S


def fail(place, times=FAILURES):
    for number in range(times):
        place.failed(OSError(f"trouble {number}"))


def is_open(place):
    try:
        place.call(answer)
    except PlaceShunned:
        return True
    return False


def on_threads(count, work):
    """Run on so many threads at once; what each returned or raised."""
    results = []

    def run():
        try:
            results.append(work())
        except BaseException as problem:  # noqa: BLE001 - it is what is looked at
            results.append(problem)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    assert len(results) == count
    return results


def run_python(program, *, status=0):
    """Run a program in a process of its own; what it printed. Nothing may go to its stderr."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, "")
    return done.stdout, time.monotonic() - started


# What a call is -----------------------------------------------------------------------------------


def test_a_call_returns_what_the_work_returns_from_another_thread():
    place = Guarded("a place", LONG_S)
    assert place.call(answer) == 42
    assert place.call(lambda _: threading.get_ident()) != threading.get_ident()


def test_calls_one_after_the_other_use_one_thread():
    place, other = Guarded("a place", LONG_S), Guarded("another", LONG_S)
    seen = {
        at.call(lambda _: threading.get_native_id()) for _ in range(50) for at in (place, other)
    }
    assert len(seen) == 1


def test_an_error_of_the_work_is_raised_with_its_traceback():
    def broken(_):
        raise ZeroDivisionError("of the work")

    with pytest.raises(ZeroDivisionError, match="of the work") as caught:
        Guarded("a place", LONG_S).call(broken)
    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert frames[0] == "test_an_error_of_the_work_is_raised_with_its_traceback"
    assert frames[-1] == "broken"


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError])
def test_even_errors_that_end_threads_are_raised_where_the_call_was_made(kind):
    def broken(_):
        raise kind

    place = Guarded("a place", LONG_S)
    with pytest.raises(kind):
        place.call(broken)
    assert place.call(answer) == 42


def test_an_error_counts_only_when_it_is_reported():
    def broken(_):
        raise PermissionError("not for you")

    place = Guarded("a place", LONG_S)
    for _ in range(2 * FAILURES):
        with pytest.raises(PermissionError):
            place.call(broken)
    assert not is_open(place)


def test_the_work_sees_the_callers_context():
    variable = ContextVar("variable", default="nobody's")
    variable.set("the caller's")
    place = Guarded("a place", LONG_S)
    assert place.call(lambda _: variable.get()) == "the caller's"
    place.call(lambda _: variable.set("the work's"))
    assert variable.get() == "the caller's"


def test_work_that_makes_a_call_makes_it_directly():
    place, other = Guarded("a place", LONG_S), Guarded("another", LONG_S)

    def nested(outer):
        direct = lambda inner: (threading.get_ident(), inner is outer)
        return [at.call(direct) for at in (place, other)] == [(threading.get_ident(), True)] * 2

    assert place.call(nested)


def test_results_and_errors_are_not_kept_alive():
    class Thing(Exception):
        def __init__(self):
            watched.append(weakref.ref(self))

    def broken(_):
        raise Thing

    watched = []
    place = Guarded("a place", LONG_S)
    gc.disable()
    try:
        place.call(lambda _: Thing())
        with contextlib.suppress(Thing):
            place.call(broken)
        wait_until(lambda: [thing() for thing in watched] == [None, None])
    finally:
        gc.enable()


def test_what_comes_too_late_is_not_kept_alive_either():
    class Thing:
        pass

    def late(limit):
        gate(limit)
        thing = Thing()
        watched.append(weakref.ref(thing))
        return thing

    place, gate, watched = Guarded("a place", LONG_S), Gate(), []
    hang(place, late)
    gate.let_go()
    wait_until(lambda: watched[0]() is None)


def test_nothing_slow_is_imported():
    slow = "{'threading', 'queue', 'concurrent', 'asyncio', 'logging', 'typing'}"
    told, _ = run_python(
        "import sys; before = set(sys.modules); from emberkeep.sharing.deadline import Guarded\n"
        f"print(Guarded('a place').call(lambda _: sorted({slow} & set(sys.modules) - before)))"
    )
    assert told == "[]\n"


# Deadlines ----------------------------------------------------------------------------------------


def test_a_call_that_hangs_is_given_up_at_its_deadline(gate):
    place = Guarded("the folder /mnt/dead", SHORT_S)
    started = time.monotonic()
    with pytest.raises(PlaceHangs, match="/mnt/dead has given no answer within 0.05 s") as caught:
        place.call(gate)
    assert SHORT_S <= time.monotonic() - started < LONG_S
    assert isinstance(caught.value, OSError)


def test_work_may_ask_for_the_time_that_its_bytes_take():
    def large(limit):
        limit.extend(deadline.RATE * 100)  # a hundred seconds
        time.sleep(0.7)
        return limit.remaining_s()

    assert 50 < Guarded("a place", 0.5).call(large) < 100


def test_more_time_helps_a_caller_that_waits_already():
    def large(limit):
        time.sleep(0.2)
        limit.extend(deadline.RATE * 100)
        time.sleep(0.5)
        return "done"

    assert Guarded("a place", 0.5).call(large) == "done"


def test_what_is_done_after_the_deadline_reaches_nobody(gate):
    place = Guarded("a place", LONG_S)
    hang(place, gate)
    assert [place.call(answer) for _ in range(3)] == [42] * 3
    gate.let_go()
    assert [place.call(answer) for _ in range(3)] == [42] * 3


def test_ctrl_c_ends_the_wait_and_drops_the_result():
    place, gate = Guarded("a place", LONG_S), Gate()

    def interrupted(limit):
        time.sleep(0.2)  # the caller waits by then; a moment before, it would notice it late
        os.kill(os.getpid(), signal.SIGINT)
        return gate(limit)

    with pytest.raises(KeyboardInterrupt):
        place.call(interrupted)
    assert [call.left for call in place._running] == [True]
    assert place.call(answer) == 42
    gate.let_go()
    assert place.call(answer) == 42
    assert place._running == []


# The breaker --------------------------------------------------------------------------------------


def test_three_calls_that_hang_open_the_breaker(gate):
    place = Guarded("the folder /mnt/dead", LONG_S)
    hang(place, gate, FAILURES - 1)
    assert not is_open(place)
    hang(place, gate)
    with pytest.raises(PlaceShunned, match="/mnt/dead has been left alone") as caught:
        place.call(answer)
    message = str(caught.value)
    assert "3 calls in a row failed, the last with no answer within 0.05 s" in message
    assert "Check that it can be reached" in message
    assert isinstance(caught.value, OSError)


def test_three_reported_errors_open_the_breaker(clock):
    place = Guarded("a place", LONG_S)
    fail(place, FAILURES - 1)
    assert not is_open(place)
    fail(place, 1)
    clock(7)
    with pytest.raises(PlaceShunned, match=r"for 7 s.*OSError: trouble 0.*again in 53 s"):
        place.call(answer)


def test_hangs_and_errors_count_together(gate):
    place = Guarded("a place", LONG_S)
    hang(place, gate)
    fail(place, FAILURES - 2)
    assert not is_open(place)
    hang(place, gate)
    assert is_open(place)


def test_a_success_begins_the_count_anew(gate):
    place = Guarded("a place", LONG_S)
    for _ in range(3):
        fail(place, FAILURES - 1)
        place.succeeded()
    assert not is_open(place)


def test_a_file_that_is_not_there_is_no_failure():
    place = Guarded("a place", LONG_S)
    for _ in range(2 * FAILURES):
        place.failed(FileNotFoundError("no such file"))
    assert not is_open(place)


def test_reporting_a_hang_does_not_count_it_twice(gate):
    place = Guarded("a place", SHORT_S)
    for _ in range(FAILURES - 1):
        try:
            place.call(gate)
        except OSError as problem:
            place.failed(problem)
    assert not is_open(place)


def test_one_place_that_fails_leaves_others_alone(gate):
    dead, alive = Guarded("dead", LONG_S), Guarded("alive", LONG_S)
    hang(dead, gate, FAILURES)
    assert is_open(dead)
    assert not is_open(alive)


def test_a_stuck_call_that_comes_back_closes_the_breaker(gate):
    place = Guarded("a place", LONG_S)
    hang(place, gate, FAILURES)
    assert is_open(place)
    gate.let_go()
    assert [place.call(answer) for _ in range(3)] == [42] * 3


def test_a_stuck_call_that_comes_back_with_an_error_does_not_close_it(gate, clock):
    gate.problem = OSError("the server does not respond")
    place = Guarded("a place", LONG_S)
    hang(place, gate, FAILURES)
    gate.let_go()
    assert is_open(place)
    clock(COOL_DOWN_S)
    assert not is_open(place)


def test_a_place_that_is_always_too_slow_does_not_cost_a_deadline_at_each_call():
    place = Guarded("a place", SHORT_S)
    hung = 0
    for _ in range(20):
        gate = Gate()
        try:
            place.call(gate)
        except PlaceShunned:
            pass
        except PlaceHangs:
            hung += 1
        gate.let_go()
    assert hung <= FAILURES + 1


def test_after_a_while_one_call_tries_whether_the_place_is_back(clock):
    place = Guarded("a place", LONG_S)
    fail(place)
    clock(COOL_DOWN_S - 1)
    assert is_open(place)
    clock(1)

    def tries(_):
        others = on_threads(3, lambda: place.call(answer))
        return [type(other) for other in others]

    assert place.call(tries) == [PlaceShunned] * 3
    place.succeeded()
    assert on_threads(3, lambda: place.call(answer)) == [42] * 3


def test_a_trial_that_fails_opens_it_again(clock, gate):
    place = Guarded("a place", LONG_S)
    fail(place)
    clock(COOL_DOWN_S)
    assert place.call(answer) == 42
    fail(place, 1)
    assert is_open(place)
    clock(COOL_DOWN_S)
    hang(place, gate)
    assert is_open(place)


def test_it_is_said_since_when_a_place_is_left_alone(clock, gate):
    place = Guarded("a place", LONG_S)
    fail(place)
    clock(COOL_DOWN_S + 40)
    hang(place, gate)
    with pytest.raises(PlaceShunned, match="left alone for 100 s"):
        place.call(answer)


def test_there_is_no_trial_while_a_call_is_stuck(clock, gate):
    place = Guarded("a place", LONG_S)
    hang(place, gate)
    fail(place, FAILURES - 1)
    clock(10 * COOL_DOWN_S)
    with pytest.raises(PlaceShunned, match="once a call comes back, of which 1 are stuck"):
        place.call(answer)
    gate.let_go()
    assert not is_open(place)


# Threads ------------------------------------------------------------------------------------------


def test_no_more_than_three_threads_are_ever_stuck(gate):
    place = Guarded("a place", SHORT_S)
    for _ in range(2):
        results = on_threads(12, lambda: place.call(gate))
        assert {type(result) for result in results} <= {PlaceHangs, PlaceShunned}
        place.succeeded()  # so that it is the number of stuck calls that counts
    assert gate.begun == 3
    with pytest.raises(PlaceShunned, match="left alone. It is tried again once .* 3 are stuck"):
        place.call(answer)


def test_a_call_that_found_no_thread_in_time_says_so_and_counts_for_nothing():
    place, gate = Guarded("a place", LONG_S), Gate()
    threads = [threading.Thread(target=place.call, args=(gate,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: gate.begun == 3)
    hang(place, gate, 2 * FAILURES)
    assert (gate.begun, place._failures, place._waiting) == (3, 0, [])
    gate.let_go()
    for thread in threads:
        thread.join(LONG_S)
    assert place.call(answer) == 42


def test_many_callers_take_turns():
    place = Guarded("a place", LONG_S)
    lock, at_once, most = threading.Lock(), [0], [0]

    def work(_):
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        time.sleep(0.002)
        with lock:
            at_once[0] -= 1
        return "done"

    results = on_threads(8, lambda: [place.call(work) for _ in range(10)])
    assert results == [["done"] * 10] * 8
    assert most[0] == deadline.MOST_CALLS
    assert (place._running, place._waiting) == ([], [])


def test_few_threads_stay_when_there_is_nothing_to_do():
    places = [Guarded(f"place {number}", LONG_S) for number in range(6)]
    together = threading.Barrier(12)
    turns = iter(range(12))
    results = on_threads(
        12, lambda: places[next(turns) // 2].call(lambda _: together.wait(LONG_S) >= 0)
    )
    assert results == [True] * 12
    wait_until(lambda: not deadline._pool.inside)
    assert len(deadline._pool.idle) == deadline.MOST_IDLE


def test_where_no_thread_can_be_started_the_place_is_not_asked(monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't start new thread")

    place = Guarded("a place", LONG_S)
    with monkeypatch.context() as patched:
        patched.setattr(deadline, "start_new_thread", refuse)
        patched.setattr(deadline._pool, "idle", [])
        for _ in range(5):
            with pytest.raises(PlaceShunned, match="No thread could be started"):
                place.call(answer)
    assert place.call(answer) == 42


# Processes ----------------------------------------------------------------------------------------

FORKING = """
import os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks with threads
from emberkeep.sharing import deadline
from emberkeep.sharing.deadline import Guarded, PlaceHangs, PlaceShunned

def answer(_): return 42
def hang(_): time.sleep(1000)

def stick(place, times):
    usual, place._deadline_s = place._deadline_s, 0.05
    for _ in range(times):
        try: place.call(hang)
        except PlaceHangs: pass
    place._deadline_s = usual

def in_child(work):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            assert work()
        except BaseException as problem:
            os.write(2, repr(problem).encode())
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


def test_a_forked_child_has_threads_of_its_own():
    run_python(
        FORKING
        + """
place = Guarded("a place", 15)
place.call(answer)
stick(place, 2)
in_child(lambda: place.call(answer) == 42 and not any(call.left for call in place._running))
in_child(lambda: len({place.call(lambda _: os.getpid()), os.getpid()}) == 1)
assert place.call(answer) == 42
"""
    )


def test_a_forked_child_remembers_that_a_place_is_dead():
    run_python(
        FORKING
        + """
place = Guarded("a place", 15)
stick(place, 3)
def shunned():
    try: place.call(answer)
    except PlaceShunned: return True
in_child(shunned)
"""
    )


def test_a_fork_at_a_bad_moment_leaves_no_lock_held():
    run_python(
        FORKING
        + """
place = Guarded("a place", 15)
place.call(answer)
stop = threading.Event()
def busy():
    while not stop.is_set(): place.call(answer)
threads = [threading.Thread(target=busy) for _ in range(4)]
for thread in threads: thread.start()
for _ in range(40): in_child(lambda: place.call(answer) == 42)
with deadline._pool.lock: in_child(lambda: place.call(answer) == 42)
stop.set()
for thread in threads: thread.join()
"""
    )


def test_work_that_forks_ends_in_the_child_too():
    run_python(
        FORKING
        + """
def forks(_):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        return None  # and so the only thread of the child ends
    return os.waitpid(child, 0)[1]
assert Guarded("a place", 15).call(forks) == 0
"""
    )


def test_work_that_forks_has_deadlines_in_the_child():
    run_python(
        FORKING
        + """
place = Guarded("a place", 15)
threads = lambda: {threading.get_ident(), place.call(lambda _: threading.get_ident())}
place.call(lambda _: in_child(lambda: len(threads()) == 2))
assert place.call(lambda _: len(threads())) == 1
"""
    )


def test_work_that_forks_leaves_what_waits_to_the_parent():
    run_python(
        FORKING
        + """
place, go_on = Guarded("a place", 15), threading.Event()
source, target = os.pipe()

def forks(_):
    while not place._waiting: time.sleep(0.01)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        return
    assert os.waitpid(child, 0)[1] == 0
    go_on.set()

def wait(_): go_on.wait()
def tell(_): os.write(target, f"{os.getpid()} ".encode())
threads = [threading.Thread(target=place.call, args=(work,)) for work in (wait, wait, forks)]
for thread in threads: thread.start()
while len(place._running) < 3: time.sleep(0.01)
place.call(tell)
for thread in threads: thread.join()
assert os.read(source, 100) == f"{os.getpid()} ".encode()
"""
    )


def test_a_stuck_thread_does_not_keep_the_process_from_ending():
    told, took = run_python(FORKING + 'stick(Guarded("a place", 15), 3); print("bye")')
    assert told == "bye\n"
    assert took < 30  # the thread sleeps for a thousand


@pytest.mark.parametrize("stuck", [0, 2])
def test_calls_while_python_shuts_down_are_answered_or_refused(stuck):
    program = f"""
import atexit
class Late:
    def __init__(self): self.place, self.refused = Guarded("a place", 15), PlaceShunned
    def __call__(self):
        try: assert self.place.call(lambda _: 42) == 42
        except self.refused: pass
    __del__ = __call__
late = Late()
stick(late.place, {stuck})
atexit.register(late)
sys.modules["kept to the end"] = late
"""
    _, took = run_python(FORKING + program)
    assert took < 30


def test_a_call_on_a_fifo_that_nobody_writes_hangs_as_a_dead_file_system_does(tmp_path):
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    place = Guarded("a place", SHORT_S)
    for _ in range(FAILURES):
        with pytest.raises(PlaceHangs):
            place.call(lambda _: os.open(path, os.O_RDONLY))
    assert is_open(place)
    os.close(os.open(path, os.O_WRONLY))  # lets all readers go
    wait_until(lambda: not deadline._pool.inside)
    assert not is_open(place)


def test_a_deadline_that_is_renewed_allows_so_much_from_now_and_takes_nothing_away():
    deadline = Deadline(0.2)
    deadline.renew(0.1)
    assert deadline.allowed_s == 0.2
    time.sleep(0.15)
    deadline.renew(0.2)
    assert 0.34 < deadline.allowed_s < 1.0
    assert 0.1 < deadline.remaining_s() <= 0.2
