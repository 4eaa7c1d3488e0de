import errno
import io
import os
import signal
import threading
import warnings

import pytest

from emberkeep.errors import EmberkeepWarning
from emberkeep.telemetry import ConsoleSink, TimeLogger, progress


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


class Gone(Terminal):
    def write(self, text):
        raise OSError(errno.EIO, "the terminal hung up")


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    ours = Clock()
    monkeypatch.setattr(progress, "monotonic", lambda: ours.now)
    return ours


def logger_on(stream):
    return TimeLogger("default", [ConsoleSink(stream)])


def test_lines_come_at_intervals_and_at_the_end(clock):
    stream = io.StringIO()
    with logger_on(stream).progress("solve", 10) as long:
        for _ in range(10):
            clock.now += 2
            long.advance()
    assert stream.getvalue().splitlines() == [
        "solve  3/10  6.000 s, about 14.000 s left",
        "solve  6/10  12.000 s, about 8.000 s left",
        "solve  9/10  18.000 s, about 2.000 s left",
        "solve  10/10  in 20.000 s",
    ]


def test_iterating_advances_and_stops_with_the_loop(clock):
    stream = io.StringIO()
    steps = logger_on(stream).progress("chunks", 4)
    seen = []
    for step in steps:
        clock.now += 1
        seen.append((step, steps.done))
    assert seen == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert stream.getvalue() == "chunks  4/4  in 4.000 s\n"


def test_work_that_fails_says_where_it_stopped(clock):
    stream = io.StringIO()

    def work(long):
        long.advance(3)
        clock.now += 1
        raise RuntimeError

    with pytest.raises(RuntimeError), logger_on(stream).progress("sweep", 8) as long:
        work(long)
    assert stream.getvalue() == "sweep  3/8  stopped after 1.000 s\n"


def test_a_terminal_gets_a_bar_that_is_drawn_in_place(clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    with logger_on(stream).progress("solve", 4) as long:
        for _ in range(4):
            clock.now += 0.06
            long.advance()
    text = stream.getvalue()
    # Four steps in 0.24 s at most every 0.1 s: two drawings and the last.
    assert text.count("\r") == text.count("\x1b[K") == 3
    assert text.count("\n") == 1
    assert text.endswith("4/4  in 0.240 s\x1b[K\n")
    assert "━" in text
    assert "2/4  0.120 s, about 0.120 s left" in text


def test_a_terminal_that_hangs_up_warns_once_and_the_work_goes_on(clock):
    long = logger_on(Gone()).progress("solve", 4)

    def work():
        with long:
            for _ in range(4):
                clock.now += 1
                long.advance()

    with pytest.warns(EmberkeepWarning, match="progress of 'solve'.*hung up") as caught:
        work()
    assert len(caught) == 1
    assert long.done == 4


def test_threads_advance_together():
    with logger_on(io.StringIO()).progress("solve", 4000) as long:

        def work():
            for _ in range(1000):
                long.advance()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert long.done == 4000


def test_impossible_numbers_are_refused():
    logger = logger_on(io.StringIO())
    with pytest.raises(ValueError, match="'p' is -1; expected 0 or more"):
        logger.progress("p", -1)
    with pytest.raises(ValueError, match="advanced by -2 steps; expected 0 or more"):
        logger.progress("p", 3).advance(-2)


def test_work_without_steps_is_done(clock):
    stream = io.StringIO()
    assert list(logger_on(stream).progress("nothing", 0)) == []
    assert stream.getvalue() == "nothing  0/0  in 0.000 s\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_forked_while_another_thread_draws_stays_silent_and_is_not_blocked():
    stream = io.StringIO()
    long = logger_on(stream).progress("solve", 4)
    # As if another thread were drawing at this moment.
    long._lock.acquire()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        signal.alarm(20)
        with long:
            long.advance()
        os._exit(1 if stream.getvalue() else 0)
    long._lock.release()
    assert os.waitpid(child, 0)[1] == 0
