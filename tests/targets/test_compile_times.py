"""A span for each function that is compiled, on both targets, with nothing compiled for it."""

import math
import threading

import pytest

import emberkeep
from emberkeep.errors import InvalidKernel
from emberkeep.targets.compile_times import compile_spans, function_times
from emberkeep.targets.cpu.target import CpuTarget
from emberkeep.targets.cuda.target import CudaTarget
from emberkeep.telemetry import TimeLogger


def inner(x):
    return math.sin(x) * 2


def outer(x):
    return inner(x) + 1


def both(x, n):
    return inner(x) + outer(n)


def counting(n):
    return 0 if n < 1 else 1 + counting(n - 1)


@emberkeep.kernel("float64[::1]")
def model(i, x):
    x[i] = both(x[i], 2)


@emberkeep.kernel("int64[::1]")
def recursive(i, x):
    x[i] = counting(x[i])


@emberkeep.kernel("float64[::1]")
def broken(i, x):
    x[i] = outer(x[i]) + unknown(x)  # noqa: F821 - that is what is wrong with it


TARGETS = [
    pytest.param(lambda: CpuTarget("x86-64-v2"), id="cpu"),
    pytest.param(lambda: CudaTarget("sm_90"), id="cuda"),
]


@pytest.mark.parametrize("target", TARGETS)
def test_every_function_has_its_time_under_its_caller(target):
    with TimeLogger("default") as log:
        target().compile(model._source(model._declared[0]))
    compiled = [span for span in log.records if "function" in span.attributes]
    names = {span.span_id: span.attributes["function"] for span in compiled}
    under = {(span.attributes["function"], names.get(span.parent_id)) for span in compiled}
    assert {
        ("model_kernel", None),
        ("model", "model_kernel"),
        ("both", "model"),
        ("inner", "both"),
        ("outer", "both"),
        ("inner", "outer"),  # for an integer
    } == under
    assert {span.name for span in compiled} == {f"compile_{name}" for name in names.values()}
    times = function_times(log.records)
    (whole,) = [time for time in times if time.name == "model_kernel"]
    assert math.isclose(sum(time.exclusive_s for time in times), whole.inclusive_s, rel_tol=1e-6)
    assert all(0 < time.exclusive_s <= time.inclusive_s for time in times)
    parts = {span.attributes["part"] for span in log.records if "part" in span.attributes}
    assert "link" in parts


@pytest.mark.parametrize("target", TARGETS)
def test_a_function_that_calls_itself_has_one_time(target):
    names = [time.name for time in recursive.compile_times(target())]
    assert names == ["recursive_kernel", "recursive", "counting"]


@pytest.mark.parametrize("target", TARGETS)
def test_an_error_ends_every_span_as_failed(target):
    with TimeLogger("default") as log:
        with pytest.raises(InvalidKernel, match="unknown"):
            target().compile(broken._source(broken._declared[0]))
        model.build(target(), keep=emberkeep.Keep(disabled=True))
    failed = {
        span.attributes["function"]
        for span in log.records
        if span.failed and "function" in span.attributes
    }
    assert "broken" in failed
    fine = [span for span in log.records if span.attributes.get("function") == "model_kernel"]
    assert [span.failed for span in fine] == [False]
    assert len({span.parent_id for span in fine}) == 1


@pytest.mark.parametrize("target", TARGETS)
def test_each_function_can_be_compiled_alone(target):
    times = model.compile_times(target(), isolate=True)
    found = sorted((time.name, time.signature) for time in times)
    assert [name for name, _ in found] == ["both", "inner", "inner", "model", "outer"]
    assert all(time.inclusive_s > 0 for time in times)


def test_one_line_says_the_total_and_the_number_of_functions():
    log = TimeLogger("default")
    with log:
        CpuTarget("x86-64-v2").compile(model._source(model._declared[0]))
    (line,) = [line for line in log.report().splitlines() if line.startswith("compile")]
    assert line.endswith("(6 functions)")


def test_a_hit_is_loaded_and_not_compiled(tmp_path):
    categories = []
    for _ in range(2):
        keep = emberkeep.Keep(tmp_path, memory_size=0)
        with TimeLogger("default") as log:
            model.build(keep=keep)
        categories.append({str(span.category) for span in log.records})
    assert "compile" in categories[0]
    assert categories[1] == {"load"}


def test_nothing_listens_where_nobody_records():
    from numba.core import event

    before = len(event._registered["numba:compile"])
    with compile_spans("cpu"):
        assert len(event._registered["numba:compile"]) == before
    with TimeLogger("default"), compile_spans("cpu"):
        assert len(event._registered["numba:compile"]) == before + 1
    assert len(event._registered["numba:compile"]) == before


def test_what_another_thread_compiles_is_not_taken_for_ours():
    import numba

    def elsewhere():
        @numba.njit
        def stranger(x):
            return x + 1

        stranger(1.0)

    with TimeLogger("default") as log, compile_spans("cpu"):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert function_times(log.records) == ()
