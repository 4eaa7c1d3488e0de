import io
import threading

import pytest

from emberkeep.errors import EmberkeepWarning
from emberkeep.telemetry import Category, ConsoleSink, TimeLogger, span, spans


@pytest.fixture
def clock(monkeypatch):
    """A clock in ns that stands still until a test moves it."""

    class Clock:
        now = 0

        def wait(self, seconds):
            self.now += round(seconds * 1e9)

    ours = Clock()
    monkeypatch.setattr(spans, "perf_counter_ns", lambda: ours.now)
    return ours


def compile_some(logger, clock):
    """A kernel of 3 s, in it two device functions of 0.5 s and a load of 0.25 s."""
    for name in ("kernel", "dxdt", "step"):
        logger.register_compile(name)
    logger.start_event("compile_kernel")
    for name in ("compile_dxdt", "compile_step"):
        logger.start_event(name)
        clock.wait(0.5)
        logger.stop_event(name)
    with span("read", Category.LOAD):
        clock.wait(0.25)
    clock.wait(1.75)
    logger.stop_event("compile_kernel")


def fail_after(clock, seconds):
    clock.wait(seconds)
    raise RuntimeError


@pytest.mark.parametrize("wrong", ["loud", "", "Default", 1, True])
def test_an_unknown_verbosity_names_the_known_ones(wrong):
    with pytest.raises(ValueError, match="None or one of 'default', 'verbose', 'debug'"):
        TimeLogger(wrong)


def test_registering_the_same_again_is_fine_and_another_shows_both():
    logger = TimeLogger()
    logger.register_event("e", "compile", "the first")
    logger.register_event("e", Category.COMPILE, "the first")
    with pytest.raises(ValueError, match=r"'compile', 'the first'.*'compile', 'the second'"):
        logger.register_event("e", "compile", "the second")
    with pytest.raises(ValueError, match=r"'compile', 'the first'.*'load', 'the first'"):
        logger.register_event("e", "load", "the first")
    with pytest.raises(ValueError, match=r"'linking'.*'codegen'"):
        logger.register_event("f", "linking", "no such category")


@pytest.mark.parametrize("verbosity", [None, "default"])
def test_an_unregistered_event_is_refused_at_any_verbosity(verbosity):
    logger = TimeLogger(verbosity)
    logger.register_event("known", "load", "d")
    for call in (logger.start_event, logger.stop_event):
        with pytest.raises(ValueError, match=r"'e' is not registered.*'known'.*register_event"):
            call("e")


def test_stopping_what_is_not_started_is_refused():
    logger = TimeLogger("default")
    logger.register_event("e", "load", "d")
    with pytest.raises(ValueError, match=r"'e' was stopped but is not started.*no other thread"):
        logger.stop_event("e")
    logger.start_event("e")
    logger.stop_event("e")
    with pytest.raises(ValueError, match="not started"):
        logger.stop_event("e")


def test_register_compile_names_and_describes_the_event():
    logger = TimeLogger("default")
    assert logger.register_compile("dxdt") == "compile_dxdt"
    assert logger.register_compile("dxdt") == "compile_dxdt"
    logger.start_event("compile_dxdt")
    logger.stop_event("compile_dxdt")
    (record,) = logger.records
    assert record.category is Category.COMPILE
    assert record.attributes["description"] == "Compilation time for dxdt"


def test_an_event_recurs_as_a_stack(clock):
    logger = TimeLogger("default")
    logger.register_event("e", "build", "recursive")
    logger.start_event("e")
    clock.wait(1)
    logger.start_event("e")
    clock.wait(2)
    logger.stop_event("e")
    clock.wait(4)
    logger.stop_event("e")
    inner, outer = logger.records
    assert inner.parent_id == outer.span_id
    assert (inner.duration_ns, outer.duration_ns) == (2 * 10**9, 7 * 10**9)
    assert logger.aggregate() == {Category.BUILD: pytest.approx(7)}


def test_events_may_overlap_in_one_thread(clock):
    logger = TimeLogger("default")
    logger.register_event("a", "build", "d")
    logger.register_event("b", "load", "d")
    logger.start_event("a")
    clock.wait(1)
    logger.start_event("b")
    clock.wait(2)
    logger.stop_event("a")
    clock.wait(4)
    logger.stop_event("b")
    assert logger.aggregate() == pytest.approx({"build": 3, "load": 6})
    assert logger.aggregate(exclusive=True) == pytest.approx({"build": 1, "load": 6})
    assert logger.wall_s == pytest.approx(7)


def test_each_thread_has_its_own_open_events():
    logger = TimeLogger("default")
    logger.register_event("e", "load", "d")
    logger.start_event("e")
    problems = []

    def work():
        try:
            logger.stop_event("e")
        except ValueError as problem:
            problems.append(str(problem))
        logger.start_event("e")
        logger.stop_event("e")

    thread = threading.Thread(target=work, name="worker")
    thread.start()
    thread.join()
    logger.stop_event("e")
    (problem,) = problems
    assert "not started in thread 'worker'" in problem
    assert "open in ['MainThread']" in problem
    first, second = logger.records
    assert first.thread_id != second.thread_id
    assert first.parent_id is second.parent_id is None


def test_none_records_and_prints_nothing(capsys):
    console = io.StringIO()
    with TimeLogger(None, [ConsoleSink(console)]) as logger:
        logger.register_event("e", "load", "d")
        logger.start_event("e")
        assert span("x", Category.LOAD) is span("y", Category.LOAD)
        with logger.progress("long", 2) as progress:
            progress.advance(2)
        assert list(logger.progress("iterated", 3)) == [0, 1, 2]
        logger.stop_event("e")
    assert (logger.records, logger.report(), logger.tree()) == ((), "", ())
    assert (logger.aggregate(), logger.wall_s) == ({}, 0)
    assert console.getvalue() == ""
    assert capsys.readouterr() == ("", "")


def test_library_spans_flow_in_while_installed(capsys):
    logger = TimeLogger("default")
    with span("before", Category.LOAD):
        pass
    logger.install()
    logger.install()
    with span("during", Category.LOAD):
        pass
    logger.remove()
    logger.remove()
    with span("after", Category.LOAD):
        pass
    logger.install()
    with span("again", Category.LOAD):
        pass
    logger.remove()
    assert [record.name for record in logger.records] == ["during", "again"]
    assert capsys.readouterr() == ("", "")
    logger.close()
    logger.close()
    assert capsys.readouterr().err.count("\n") == 1


def test_events_and_library_spans_nest_in_each_other(clock):
    with TimeLogger("default", [ConsoleSink(io.StringIO())]) as logger:
        logger.register_event("e", "runtime", "d")
        with span("library", Category.BUILD):
            logger.start_event("e")
            with span("inner", Category.LOAD):
                clock.wait(1)
            logger.stop_event("e")
    inner, event, library = logger.records
    assert (inner.parent_id, event.parent_id) == (event.span_id, library.span_id)


def test_two_loggers_hear_the_same_tree():
    stream = io.StringIO()
    with (
        TimeLogger("default", [ConsoleSink(stream)]) as first,
        TimeLogger("default", [ConsoleSink(stream)]) as second,
    ):
        second.register_event("e", "runtime", "d")
        second.start_event("e")
        with span("inner", Category.LOAD):
            pass
        second.stop_event("e")
    assert first.records == second.records
    assert [record.name for record in first.records] == ["inner", "e"]


def test_a_closed_logger_records_no_more(capsys):
    logger = TimeLogger("default")
    logger.register_event("e", "load", "d")
    logger.install()
    late = span("late", Category.LOAD)
    with late:
        logger.close()
    assert logger.records == ()
    with pytest.raises(ValueError, match=r"start the event 'e'.*closed"):
        logger.start_event("e")
    with pytest.raises(ValueError, match="install.*closed"):
        logger.install()
    assert "no time was recorded" in capsys.readouterr().err


def test_closing_with_open_events_warns_and_names_them(capsys):
    logger = TimeLogger("default")
    logger.register_event("e", "load", "d")
    logger.start_event("e")
    with pytest.warns(EmberkeepWarning, match="'e' in thread 'MainThread'.*stop_event"):
        logger.close()
    logger.stop_event("e")
    assert logger.records == ()


def test_leaving_by_an_exception_lets_it_through_and_reports(capsys):
    with (
        pytest.raises(RuntimeError, match="boom"),
        TimeLogger("verbose"),
        span("bad", Category.BUILD),
    ):
        raise RuntimeError("boom")
    assert "1 failed" in capsys.readouterr().err


def test_the_default_report_is_a_line_per_category(clock, capsys):
    with TimeLogger("default") as logger:
        compile_some(logger, clock)
    expected = "compile  3.000 s  (3 functions)\nload     0.250 s  (1 load)"
    assert logger.report() == expected
    assert capsys.readouterr() == ("", expected + "\n")


def test_short_times_keep_their_digits(clock):
    logger = TimeLogger("default")
    logger.register_event("e", "runtime", "d")
    for _ in range(2):
        logger.start_event("e")
        clock.wait(0.0000171)
        logger.stop_event("e")
    assert logger.report() == "runtime  0.034 ms  (2 runs)"


def test_the_verbose_report_is_a_tree(clock, capsys):
    with TimeLogger("verbose") as logger:
        compile_some(logger, clock)
    heading, kernel, dxdt, step, read, wall = logger.report().splitlines()
    assert heading.split() == ["component", "category", "inclusive", "exclusive", "count"]
    assert kernel.split()[:7] == ["compile_kernel", "compile", "3.000", "s", "1.750", "s", "1"]
    assert dxdt.startswith("  compile_dxdt ")
    assert dxdt.endswith("Compilation time for dxdt")
    assert step.split()[:6] == ["compile_step", "compile", "0.500", "s", "0.500", "s"]
    assert read.split() == ["read", "load", "0.250", "s", "0.250", "s", "1"]
    assert wall == "wall clock 3.000 s, added up over threads 3.000 s"
    assert capsys.readouterr().err == logger.report() + "\n"


def test_debug_prints_live_and_the_tree_at_the_end(clock, capsys):
    with TimeLogger("debug") as logger:
        logger.register_event("outer", "build", "d")
        logger.start_event("outer")
        assert capsys.readouterr().err == "> build  outer\n"
        with pytest.raises(RuntimeError), span("inner", Category.LOAD):
            fail_after(clock, 0.5)
        assert capsys.readouterr().err == "  > load  inner\n  < load  inner  0.500 s, failed\n"
        logger.stop_event("outer")
        assert capsys.readouterr().err == "< build  outer  0.500 s\n"
    assert capsys.readouterr().err == logger.report() + "\n"
    assert logger.report().startswith("component")


def test_debug_uses_the_console_that_is_given(capsys):
    stream = io.StringIO()
    with TimeLogger("debug", [ConsoleSink(stream)]), span("x", Category.LOAD):
        pass
    text = stream.getvalue()
    assert text.count("> load  x") == text.count("< load  x") == 1
    assert "component" in text
    assert capsys.readouterr() == ("", "")


def test_a_report_that_cannot_be_printed_warns():
    stream = io.StringIO()
    logger = TimeLogger("default", [ConsoleSink(stream)])
    stream.close()
    with pytest.warns(EmberkeepWarning, match="report of times.*the stream is closed"):
        logger.close()


def test_aggregate_is_keyed_by_category_and_by_its_value(clock):
    logger = TimeLogger("default")
    logger.install()
    compile_some(logger, clock)
    logger.remove()
    assert logger.aggregate() == pytest.approx({"compile": 3, "load": 0.25})
    exclusive = logger.aggregate(exclusive=True)
    assert exclusive["compile"] == exclusive[Category.COMPILE] == pytest.approx(2.75)
    assert sum(exclusive.values()) == pytest.approx(logger.wall_s)
