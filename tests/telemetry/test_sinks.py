import errno
import io
import json
import os
import sys
import threading
import warnings
from pathlib import Path

import pytest

from emberkeep.errors import EmberkeepWarning
from emberkeep.telemetry import (
    Category,
    ConsoleSink,
    JsonLinesSink,
    PerfettoSink,
    TimeLogger,
    span,
)
from emberkeep.telemetry.sinks.linefile import LineFile


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


class FullDisk:
    """A sink whose methods raise where they are told to."""

    def __init__(self, *failing):
        self.failing, self.calls = failing, []

    def _called(self, method):
        self.calls.append(method)
        if method in self.failing:
            raise OSError(errno.ENOSPC, "No space left on device")

    def started(self, record):
        self._called("started")

    def finished(self, record):
        self._called("finished")

    def close(self):
        self._called("close")


def quiet():
    """A console that keeps the report out of the test's output."""
    return ConsoleSink(io.StringIO())


def time_loads(sinks, number, verbosity="default"):
    """Time some loads and return the logger."""
    with TimeLogger(verbosity, sinks) as logger:
        for _ in range(number):
            with span("x", Category.LOAD):
                pass
    return logger


def in_threads(number, work):
    threads = [threading.Thread(target=work, args=(n,)) for n in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_json_lines_hold_all_of_a_span(tmp_path):
    path = tmp_path / "spans.jsonl"
    with TimeLogger("default", [JsonLinesSink(path), quiet()]) as logger:
        attributes = {"key": "ü", "n": 1, "x": 0.5, "none": None}
        outer = span("outer é \n", Category.BUILD, attributes)
        with outer, pytest.raises(RuntimeError), span("inner", Category.LOAD):
            raise RuntimeError
        # A line is there as soon as its span has ended.
        assert len(path.read_text().splitlines()) == 2
    inner, outer = (json.loads(line) for line in path.read_text().splitlines())
    assert (inner["name"], outer["name"]) == ("inner", "outer é \n")
    assert inner["parent_id"] == outer["span_id"]
    assert (inner["failed"], outer["failed"]) == (True, False)
    assert outer["attributes"] == {"key": "ü", "n": 1, "x": 0.5, "none": None}
    record = logger.records[1]
    for field in ("start_ns", "duration_ns", "process_id", "thread_id", "parent_id"):
        assert outer[field] == getattr(record, field)
    assert outer["category"] == "build"
    assert outer["start_unix_ns"] == record.start_unix_ns


def test_json_lines_are_appended(tmp_path):
    path = tmp_path / "spans.jsonl"
    for _ in range(2):
        with TimeLogger("default", [JsonLinesSink(path), quiet()]), span("x", Category.LOAD):
            pass
    assert len(path.read_text().splitlines()) == 2


@pytest.mark.parametrize("sink_type", [JsonLinesSink, PerfettoSink])
def test_numbers_that_json_lacks_become_text(tmp_path, sink_type):
    path = tmp_path / "out"
    attributes = {"a": float("nan"), "b": float("inf"), "c": float("-inf"), "d": 1.5}
    logger = TimeLogger("default", [sink_type(path), quiet()])
    with logger, span("x", Category.LOAD, attributes):
        pass

    def refuse(constant):
        raise AssertionError(constant)

    document = json.loads(path.read_text(), parse_constant=refuse)
    held = document["attributes"] if isinstance(document, dict) else document[-1]["args"]
    assert {key: held[key] for key in "abcd"} == {"a": "nan", "b": "inf", "c": "-inf", "d": 1.5}


def test_json_lines_stay_whole_among_threads(tmp_path):
    path = tmp_path / "spans.jsonl"
    barrier = threading.Barrier(8)

    def work(number):
        barrier.wait()
        for step in range(100):
            with span("x", Category.LOAD, {"who": f"{number}-{step}", "fill": "f" * 500}):
                pass

    with TimeLogger("default", [JsonLinesSink(path), quiet()]):
        in_threads(8, work)
    seen = [json.loads(line)["attributes"]["who"] for line in path.read_text().splitlines()]
    assert sorted(seen) == sorted(f"{n}-{s}" for n in range(8) for s in range(100))


def test_perfetto_trace_is_valid_and_complete(tmp_path):
    path = tmp_path / "trace.json"

    def work():
        with span("in thread", Category.RUNTIME):
            pass

    with TimeLogger("default", [PerfettoSink(path), quiet()]) as logger:
        with span("outer", Category.COMPILE, {"key": "k"}), span("inner", Category.LOAD):
            pass
        thread = threading.Thread(target=work, name="worker")
        thread.start()
        thread.join()
    events = json.loads(path.read_text())
    complete = {event["name"]: event for event in events if event["ph"] == "X"}
    assert set(complete) == {"outer", "inner", "in thread"}
    for record in logger.records:
        event = complete[record.name]
        assert event["cat"] == record.category.value
        assert event["ts"] == record.start_ns / 1000
        assert event["dur"] == record.duration_ns / 1000
        assert (event["pid"], event["tid"]) == (record.process_id, record.thread_id)
    assert complete["outer"]["args"]["key"] == "k"
    assert complete["inner"]["args"]["parent_id"] == complete["outer"]["args"]["span_id"]
    names = {
        event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"
    }
    assert names[complete["outer"]["tid"]] == "MainThread"
    assert names[complete["in thread"]["tid"]] == "worker"
    assert [event["name"] for event in events].count("thread_name") == 2
    assert events[0]["name"] == "process_name"


def test_a_perfetto_trace_that_was_not_closed_lacks_only_its_bracket(tmp_path):
    path = tmp_path / "trace.json"
    path.write_text("an older and longer trace\n" * 100)
    logger = TimeLogger("default", [PerfettoSink(path), quiet()])
    logger.install()
    with span("x", Category.LOAD):
        pass
    text = path.read_text()
    assert [event["ph"] for event in json.loads(text + "]")] == ["M", "M", "X"]
    logger.close()
    assert json.loads(path.read_text()) == json.loads(text + "]")


def test_an_empty_perfetto_trace_is_valid(tmp_path):
    sink = PerfettoSink(tmp_path / "trace.json")
    sink.close()
    sink.close()
    assert len(json.loads((tmp_path / "trace.json").read_text())) == 1


@pytest.mark.parametrize("sink_type", [JsonLinesSink, PerfettoSink])
def test_a_closed_file_sink_ignores_spans(tmp_path, sink_type):
    path = tmp_path / "out"
    sink = sink_type(path)
    with TimeLogger("default", [quiet()]) as logger, span("x", Category.LOAD):
        pass
    sink.close()
    before = path.read_bytes()
    sink.started(logger.records[0])
    sink.finished(logger.records[0])
    assert path.read_bytes() == before


@pytest.mark.parametrize("sink_type", [JsonLinesSink, PerfettoSink])
def test_a_wrong_path_shows_where_it_is_given(tmp_path, sink_type):
    with pytest.raises(FileNotFoundError):
        sink_type(tmp_path / "missing" / "out")


def test_a_line_is_written_whole_where_the_system_takes_it_in_parts(tmp_path):
    class Stingy(io.BytesIO):
        def write(self, data):
            return super().write(data[:3])

    lines = LineFile(tmp_path / "x", truncate=True)
    lines.close()
    lines._file = Stingy()
    lines.write("a longer line\n")
    assert lines._file.getvalue() == b"a longer line\n"


@pytest.mark.parametrize("failing", ["started", "finished", "close"])
def test_a_failing_sink_is_dropped_with_one_warning_and_the_work_goes_on(failing):
    broken, sound = FullDisk(failing), FullDisk()
    with pytest.warns(EmberkeepWarning) as caught:
        logger = time_loads([broken, sound, quiet()], 3)
    (warning,) = caught
    assert "FullDisk could not be written" in str(warning.message)
    assert "No space left" in str(warning.message)
    assert len(logger.records) == 3
    assert sound.calls == ["started", "finished"] * 3 + ["close"]
    assert broken.calls.count(failing) == (2 if failing == "close" else 1)
    assert broken.calls[-1] == "close"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_json_lines_on_a_full_disk_warn_once():
    with pytest.warns(EmberkeepWarning) as caught:
        logger = time_loads([JsonLinesSink("/dev/full"), quiet()], 3)
    (warning,) = caught
    assert "JsonLinesSink" in str(warning.message)
    assert len(logger.records) == 3


def test_a_sink_that_fails_in_many_threads_at_once_warns_once():
    barrier = threading.Barrier(8)

    class Broken(FullDisk):
        def finished(self, record):
            barrier.wait(timeout=30)
            super().finished(record)

    def work(_):
        with span("x", Category.LOAD):
            pass

    def work_in_threads():
        with TimeLogger("default", [Broken("finished"), quiet()]) as logger:
            in_threads(8, work)
        return logger

    with pytest.warns(EmberkeepWarning) as caught:
        logger = work_in_threads()
    assert len(caught) == 1
    assert len(logger.records) == 8


def test_where_warnings_are_errors_the_other_sinks_are_served_first():
    broken, sound = FullDisk("finished"), FullDisk()
    logger = TimeLogger("default", [broken, sound, quiet()])
    logger.install()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(EmberkeepWarning), span("x", Category.LOAD):
            pass
    with span("y", Category.LOAD):
        pass
    logger.close()
    assert sound.calls == ["started", "finished"] * 2 + ["close"]
    assert [record.parent_id for record in logger.records] == [None, None]


def test_a_reader_that_went_away_is_no_problem():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1) as stream:
        with pytest.warns(EmberkeepWarning) as caught:
            logger = time_loads([ConsoleSink(stream)], 1, "debug")
        assert len(logger.records) == 1
        # The pipe is broken for the live lines, and again for the report.
        assert [str(w.message).split(" could")[0] for w in caught] == [
            "ConsoleSink",
            "The report of times",
        ]
        # What the stream still holds would raise once more when it is flushed.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, writing)
        os.close(null)


def test_a_terminal_is_coloured_and_a_file_is_not(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal, plain = Terminal(), io.StringIO()
    sinks = [ConsoleSink(terminal), ConsoleSink(plain)]
    with TimeLogger("debug", sinks), span("[bold]x[/]", Category.COMPILE):
        pass
    assert "\x1b[33mcompile\x1b[0m  [bold]x[/]" in terminal.getvalue()
    assert "> compile  [bold]x[/]\n" in plain.getvalue()
    assert "\x1b" not in plain.getvalue()


def test_live_lines_are_indented_by_depth_and_threads_by_their_own():
    stream = io.StringIO()

    def work():
        with span("thread", Category.RUNTIME):
            pass

    with TimeLogger("default", [ConsoleSink(stream)]):
        with span("a", Category.BUILD), span("b", Category.BUILD), span("c", Category.BUILD):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        with span("d", Category.BUILD):
            pass
    began = [line for line in stream.getvalue().splitlines() if line.lstrip().startswith(">")]
    assert began == [
        "> build  a",
        "  > build  b",
        "    > build  c",
        "> runtime  thread",
        "> build  d",
    ]


def test_letters_that_a_stream_lacks_become_question_marks():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    with TimeLogger("debug", [ConsoleSink(stream)]), span("σ-step", Category.LOAD):
        pass
    assert b"> load  ?-step" in raw.getvalue()


def test_a_process_without_standard_error_warns_and_works(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with pytest.warns(EmberkeepWarning, match="report of times"):
        logger = time_loads([], 1)
    assert len(logger.records) == 1
