import os
import threading
import time

import numpy as np
import pytest

from emberkeep.targets.cpu.threads import default_threads, run_on_threads, start_on_threads


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 64, 1001])
def test_every_index_is_covered_exactly_once(threads, count):
    seen = []

    def run(begin, end):
        seen.append((begin, end))
        return 0

    assert run_on_threads(run, count, threads) == 0
    covered = sorted(index for begin, end in seen for index in range(begin, end))
    assert covered == list(range(count))


def test_several_threads_take_part():
    names = set()

    def run(begin, end):
        names.add(threading.get_ident())
        time.sleep(0.01)
        return 0

    run_on_threads(run, 64, 3)
    assert len(names) == 3


def test_a_status_stops_the_rest_and_is_returned():
    began = []

    def run(begin, end):
        began.append(begin)
        time.sleep(0.001)
        return 7 if begin else 0

    assert run_on_threads(run, 10_000, 2) == 7
    assert len(began) < 10


def test_an_exception_is_raised_by_the_call():
    def run(begin, end):
        raise ValueError("from a thread")

    with pytest.raises(ValueError, match="from a thread"):
        run_on_threads(run, 100, 2)
    assert run_on_threads(lambda begin, end: 0, 100, 2) == 0  # the pool lives on


def test_calls_from_many_threads_do_not_mix():
    failures = []

    def caller(number):
        for _ in range(50):
            seen = []
            run_on_threads(lambda b, e, seen=seen: seen.append(e - b) or 0, number, 3)
            if sum(seen) != number:
                failures.append((number, seen))

    callers = [threading.Thread(target=caller, args=(n,)) for n in (10, 100, 1000)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    assert not failures


def test_a_forked_child_has_threads_of_its_own():
    run_on_threads(lambda b, e: 0, 100, 2)
    child = os.fork()
    if child == 0:
        seen = []
        run_on_threads(lambda b, e: seen.append(e - b) or 0, 100, 2)
        os._exit(0 if sum(seen) == 100 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_helpers_that_come_late_find_nothing_to_do():
    for _ in range(2000):  # over before anybody wakes up
        assert run_on_threads(lambda b, e: 0, 2, 4) == 0


def test_there_is_a_thread_for_each_processor_that_may_be_used():
    assert default_threads() == len(os.sched_getaffinity(0))


def test_work_that_was_started_is_finished_once():
    """Helpers take part before the caller does; and what they raise, the caller gets."""
    covered, began = np.zeros(1000, int), threading.Event()

    def run(begin, end):
        began.set()
        covered[begin:end] += 1
        return 0

    started = start_on_threads(run, 1000, 3)
    assert began.wait(10)
    assert started.finish() == 0
    assert (covered == 1).all()
    assert start_on_threads(run, 0, 3).finish() == 0
    assert start_on_threads(run, 5, 1).finish() == 0

    def failing(begin, end):
        raise ValueError("in a helper")

    with pytest.raises(ValueError, match="in a helper"):
        start_on_threads(failing, 10, 3).finish()
