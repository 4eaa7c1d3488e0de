import asyncio
import contextvars
import json
import os
import subprocess
import sys
import threading
import time
import warnings

import pytest

from emberkeep.telemetry import Category, TimeLogger, span
from emberkeep.telemetry.spans import add_recorder, remove_recorder


class Ears:
    """A recorder that keeps all it hears."""

    def __init__(self):
        self.began, self.ended = [], []

    def started(self, record):
        self.began.append(record)

    def finished(self, record):
        self.ended.append(record)

    def named(self, name):
        (record,) = (each for each in self.ended if each.name == name)
        return record

    def parent_name(self, name):
        parent = self.named(name).parent_id
        return next((each.name for each in self.began if each.span_id == parent), None)


@pytest.fixture
def ears():
    listener = Ears()
    add_recorder(listener)
    yield listener
    remove_recorder(listener)


def test_unheard_spans_are_one_shared_object_that_takes_attributes():
    first, second = span("a", Category.LOAD), span("b", Category.RUNTIME, {"x": 1})
    assert first is second
    with first as inner:
        assert inner is first
        inner.set("key", "value")
    with pytest.raises(KeyError), first:
        raise KeyError


@pytest.mark.parametrize("heard", [False, True])
def test_unknown_category_is_refused_whether_heard_or_not(heard):
    listener = Ears()
    if heard:
        add_recorder(listener)
    try:
        with pytest.raises(ValueError, match="'linking'.*'codegen'.*'compile'.*'runtime'"):
            span("x", "linking")
    finally:
        remove_recorder(listener)


def test_a_category_may_be_given_by_its_value(ears):
    with span("x", "compile"):
        pass
    assert ears.named("x").category is Category.COMPILE


def test_record_holds_what_was_timed(ears):
    before = time.perf_counter_ns(), time.time_ns()
    with span("outer", Category.BUILD, {"key": "k", "size": 3}) as outer:
        outer.set("hit", value=True)
        with span("inner", Category.COMPILE):
            time.sleep(0.002)
    after = time.perf_counter_ns(), time.time_ns()
    outer, inner = ears.named("outer"), ears.named("inner")
    assert dict(outer.attributes) == {"key": "k", "size": 3, "hit": True}
    assert inner.parent_id == outer.span_id
    assert outer.parent_id is None
    assert outer.span_id < inner.span_id
    assert (outer.process_id, outer.thread_id) == (os.getpid(), threading.get_native_id())
    assert inner.duration_ns >= 2_000_000
    assert before[0] <= outer.start_ns <= inner.start_ns
    assert inner.end_ns <= outer.end_ns <= after[0]
    # Wall clocks are stepped now and then; a second is far more than the anchor drifts here.
    assert before[1] - 10**9 <= outer.start_unix_ns <= after[1] + 10**9
    assert not outer.failed


def test_started_is_heard_before_the_body_without_a_duration(ears):
    with span("x", Category.LOAD, {"a": 1}):
        (began,) = ears.began
        assert ears.ended == []
    assert (began.name, began.duration_ns, dict(began.attributes)) == ("x", 0, {"a": 1})
    assert began.span_id == ears.named("x").span_id


def test_records_are_immutable(ears):
    with span("x", Category.LOAD, {"a": 1}) as open_span:
        pass
    record = ears.named("x")
    with pytest.raises(AttributeError):
        record.name = "y"
    with pytest.raises(AttributeError):
        record.other = 1
    with pytest.raises(TypeError):
        record.attributes["a"] = 2
    open_span.set("a", 3)
    assert record.attributes["a"] == 1


def test_attributes_that_are_no_scalars_become_text(ears):
    with span("x", Category.LOAD, {"shape": (2, 3), "none": None}):
        pass
    assert dict(ears.named("x").attributes) == {"shape": "(2, 3)", "none": None}


def test_the_callers_mapping_is_copied(ears):
    given = {"a": 1}
    with span("x", Category.LOAD, given) as open_span:
        given["a"] = 2
        open_span.set("b", 3)
    assert dict(ears.named("x").attributes) == {"a": 1, "b": 3}
    assert given == {"a": 2}


def test_exceptions_mark_the_span_and_propagate(ears):
    with (
        pytest.raises(RuntimeError, match="boom"),
        span("outer", Category.BUILD),
        span("bad", Category.LOAD),
    ):
        raise RuntimeError("boom")
    with span("after", Category.LOAD):
        pass
    assert ears.named("bad").failed
    assert ears.named("outer").failed
    assert not ears.named("after").failed
    assert ears.parent_name("after") is None


def test_a_new_thread_starts_a_root_and_a_copied_context_does_not(ears):
    def work(name):
        with span(name, Category.RUNTIME):
            pass

    with span("outer", Category.RUNTIME):
        copied = contextvars.copy_context()
        threads = [
            threading.Thread(target=work, args=("fresh",)),
            threading.Thread(target=copied.run, args=(work, "copied")),
        ]
        for thread in threads:
            thread.start()
            thread.join()
    assert ears.parent_name("fresh") is None
    assert ears.parent_name("copied") == "outer"
    assert ears.named("copied").thread_id != ears.named("outer").thread_id


def test_threads_do_not_mix_their_parents(ears):
    barrier = threading.Barrier(4)

    def work(number):
        for _ in range(50):
            barrier.wait()
            with span(f"outer{number}", Category.BUILD), span(f"inner{number}", Category.LOAD):
                pass

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outers = {each.span_id: each for each in ears.ended if each.name.startswith("outer")}
    inners = [each for each in ears.ended if each.name.startswith("inner")]
    assert (len(outers), len(inners)) == (200, 200)
    for inner in inners:
        assert outers[inner.parent_id].name[-1] == inner.name[-1]
        assert outers[inner.parent_id].thread_id == inner.thread_id


def test_asyncio_tasks_nest_in_their_own_spans(ears):
    async def work(name):
        with span(f"task-{name}", Category.RUNTIME):
            await asyncio.sleep(0)
            with span(f"step-{name}", Category.LOAD):
                await asyncio.sleep(0)

    async def main():
        with span("main", Category.RUNTIME):
            await asyncio.gather(work("a"), work("b"))

    asyncio.run(main())
    for name in "ab":
        assert ears.parent_name(f"step-{name}") == f"task-{name}"
        assert ears.parent_name(f"task-{name}") == "main"


def test_a_task_that_outlives_the_span_it_was_made_in_does_not_nest_in_it(ears):
    async def late(gate):
        await gate.wait()
        with span("late", Category.LOAD):
            pass

    async def main():
        gate = asyncio.Event()
        with span("outer", Category.RUNTIME):
            with span("short", Category.RUNTIME):
                task = asyncio.create_task(late(gate))
            gate.set()
            await task

    asyncio.run(main())
    assert ears.parent_name("late") == "outer"


def test_a_generator_that_ends_after_its_consumer_leaves_no_stale_parent(ears):
    def numbers():
        with span("generator", Category.LOAD):
            yield 1
            with span("within", Category.LOAD):
                pass
            yield 2

    source = numbers()
    with span("outer", Category.RUNTIME):
        next(source)
        with span("consumer", Category.RUNTIME):
            pass
    next(source)
    source.close()
    with span("after", Category.RUNTIME):
        pass
    assert ears.parent_name("generator") == "outer"
    assert ears.parent_name("consumer") == "generator"
    assert ears.parent_name("within") == "generator"
    assert ears.parent_name("after") is None
    assert not ears.named("generator").failed


def test_a_generator_may_be_finished_in_another_context(ears):
    def numbers():
        with span("generator", Category.LOAD):
            yield 1

    source = numbers()
    next(source)
    contextvars.Context().run(source.close)
    with span("after", Category.RUNTIME):
        pass
    assert ears.parent_name("after") is None


def test_a_recorder_that_raises_leaves_no_stale_parent(ears):
    class Broken:
        def started(self, record):
            raise RuntimeError("broken recorder")

        def finished(self, record):
            pass

    broken = Broken()
    add_recorder(broken)
    with pytest.raises(RuntimeError, match="broken recorder"):
        span("x", Category.LOAD).__enter__()
    remove_recorder(broken)
    with span("after", Category.LOAD):
        pass
    assert ears.named("after").parent_id is None


def test_recorders_hear_of_spans_that_begin_after_they_came():
    first, second = Ears(), Ears()
    add_recorder(first)
    with span("a", Category.LOAD):
        add_recorder(second)
        add_recorder(second)
        with span("b", Category.LOAD):
            remove_recorder(first)
    remove_recorder(second)
    remove_recorder(second)
    assert [each.name for each in first.ended] == ["b", "a"]
    assert [each.name for each in second.ended] == ["b"]
    assert span("c", Category.LOAD) is span("d", Category.LOAD)


def _in_child(work):
    """Fork, run `work` in the child and return the JSON value that it returns."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 and later warn of every fork beside threads; that is what is tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_records_under_its_own_id_and_as_a_root(ears):
    def child():
        ears.ended.clear()
        with span("in child", Category.LOAD):
            pass
        outer.__exit__(None, None, None)
        record = ears.named("in child")
        return [record.process_id, os.getpid(), record.parent_id, len(ears.ended)]

    outer = span("outer", Category.RUNTIME)
    with outer:
        process_id, pid, parent_id, ended = _in_child(child)
    assert process_id == pid != os.getpid()
    assert parent_id is None
    # The span that was open at the fork is reported by the parent alone.
    assert ended == 1
    assert ears.named("outer").process_id == os.getpid()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forking_amid_busy_threads_does_not_deadlock(tmp_path):
    from emberkeep.telemetry import JsonLinesSink, PerfettoSink

    path = tmp_path / "spans.jsonl"
    stop = threading.Event()
    sinks = [JsonLinesSink(path), PerfettoSink(tmp_path / "trace.json")]
    with TimeLogger("default", sinks) as logger:
        logger.register_event("e", "load", "an event")
        progress = logger.progress("busy", 10**9)

        def busy():
            while not stop.is_set():
                logger.start_event("e")
                progress.advance()
                with span("busy", Category.LOAD):
                    pass
                logger.stop_event("e")

        def child():
            logger.start_event("e")
            progress.advance()
            with span("child", Category.LOAD):
                pass
            logger.stop_event("e")
            return os.getpid()

        threads = [threading.Thread(target=busy) for _ in range(3)]
        for thread in threads:
            thread.start()
        children = [_in_child(child) for _ in range(20)]
        stop.set()
        for thread in threads:
            thread.join()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["process_id"] for line in lines if line["name"] == "child"] == children
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert {event["pid"] for event in trace} == {os.getpid()}


def test_importing_telemetry_is_light():
    code = (
        "import sys; before = set(sys.modules); import emberkeep.telemetry;"
        "print(*sorted(set(sys.modules) - before))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(result.stdout.split())
    assert "emberkeep.telemetry.spans" in loaded
    heavy = {"rich", "numpy", "json", "logging", "dataclasses", "inspect", "threading", "asyncio"}
    assert loaded & heavy == set()
    ours = {name for name in loaded if name.startswith("emberkeep")}
    spans = {"emberkeep.telemetry", "emberkeep.telemetry.spans"}
    assert ours == {"emberkeep", "emberkeep.startup_records", *spans}


def test_rich_is_not_imported_where_nothing_is_drawn():
    code = (
        "import sys\n"
        "from emberkeep.telemetry import TimeLogger\n"
        "with TimeLogger('debug') as logger:\n"
        "    logger.register_compile('f'); logger.start_event('compile_f')\n"
        "    logger.stop_event('compile_f')\n"
        "print('rich' in sys.modules, 'numpy' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["False", "False"]
    assert "compile_f" in result.stderr


def test_public_names_exist_and_others_do_not():
    import emberkeep.telemetry as telemetry

    for name in telemetry.__all__:
        assert getattr(telemetry, name) is not None
    assert set(telemetry.__all__) <= set(dir(telemetry))
    with pytest.raises(AttributeError, match="no attribute 'Stopwatch'"):
        telemetry.Stopwatch
