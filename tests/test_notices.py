"""A line tells of what is built for long, and nothing else."""

import io
import sys
import threading
import time

import pytest

from emberkeep import Keep, TimeLogger
from emberkeep.keep import notices
from emberkeep.telemetry.progress import Progress, Silence


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(notices, "PATIENCE_S", 0.05)
    for name in notices.JOBS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ask(tmp_path, monkeypatch, capsys):
    def ask(setting="on", seconds=0.3, name="lorenz", **options):
        monkeypatch.setenv("EMBERKEEP_NOTICES", setting)
        keep = Keep(tmp_path / "keep", memory_size=0, **options)

        def build():
            time.sleep(seconds)
            return {"a": b"1"}

        keep.get_or_build("generated", name, {"x": 1}, build)
        return capsys.readouterr().err.splitlines()

    return ask


def test_a_long_build_is_told_when_it_begins_and_ends_and_a_hit_is_not(ask):
    first, last = ask()
    assert first == "emberkeep: building generated/lorenz for the first time …"
    assert last.startswith("emberkeep: generated/lorenz took 0.")
    assert ask() == []


def test_a_short_build_is_not_told(ask):
    assert ask(seconds=0.0) == []


@pytest.mark.parametrize("setting", ["off", "0", "false", "auto"])
def test_silence(ask, setting):
    assert ask(setting) == []


@pytest.mark.parametrize("name", notices.JOBS)
def test_batch_jobs_have_it_in_their_logs(ask, monkeypatch, name):
    monkeypatch.setenv(name, "1234")
    assert len(ask("auto")) == 2


def test_terminals_and_notebooks_have_it(ask, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "ipykernel", sys)
        assert len(ask("auto")) == 2
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    ask("auto", name="other")
    assert "generated/other took" in terminal.getvalue()


def test_nothing_is_told_beside_a_time_logger_or_a_bar(ask):
    logger = TimeLogger("default")
    logger.install()
    try:
        assert [line for line in ask() if line.startswith("emberkeep:")] == []
    finally:
        logger.remove()
    with Progress("work", 10, Silence()):
        assert ask(name="other") == []
    assert len(ask(name="third")) == 2


def test_without_caching_it_says_that_this_comes_again(ask):
    assert "and each time: caching is off" in ask(disabled=True)[0]


def test_a_failure_is_told(ask, tmp_path, capsys):
    assert len(ask()) == 2
    keep = Keep(tmp_path / "keep")

    def build():
        time.sleep(0.2)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        keep.get_or_build("generated", "bad", {}, build)
    assert "generated/bad failed after" in capsys.readouterr().err


def test_builds_within_builds_are_not_told_and_threads_tell_their_own(ask, tmp_path, capsys):
    assert len(ask()) == 2
    keep = Keep(tmp_path / "other")

    def slow():
        time.sleep(0.2)
        return {"a": b"1"}

    def outer():
        keep.get_or_build("generated", "inner", {"y": 1}, slow)
        return slow()

    threads = [
        threading.Thread(target=keep.get_or_build, args=("generated", name, {"n": name}, build))
        for name, build in (("one", outer), ("two", slow))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert not any("inner" in line for line in lines)


def test_a_closed_stream_fails_nothing(ask, monkeypatch):
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    ask()
    monkeypatch.setattr(sys, "stderr", None)
    ask(name="other")


def test_progress_leaves_compiling_out(tmp_path, monkeypatch, capsys):
    from emberkeep import ode
    from emberkeep.ode.running.cpu import CpuRunner

    seen = []
    prepare = CpuRunner.prepare

    def watched(self, plan):
        from emberkeep.telemetry.progress import is_drawing

        prepare(self, plan)
        seen.append(is_drawing())

    monkeypatch.setattr(CpuRunner, "prepare", watched)
    system = ode.System("dx = -x", {"x": 1.0})
    solver = ode.Solver(system, method="rk4", target="cpu", keep=Keep(tmp_path))
    solver.solve((0, 1), dt=0.1, progress=True)
    assert seen == [False]
    took = capsys.readouterr().err.splitlines()[-1]
    assert took.startswith("solve x  1/1  in ")
    number, unit = took.split()[-2:]
    seconds = float(number) * {"s": 1.0, "ms": 1e-3, "µs": 1e-6}[unit]
    assert seconds < 0.5, took  # compiling takes seconds


def test_without_a_thread_to_be_had_it_is_built_all_the_same(ask, monkeypatch):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as without:
        without.setattr(threading.Timer, "start", refuse)
        assert ask() == []
    assert len(ask(name="other")) == 2
