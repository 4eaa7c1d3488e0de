"""Generated source: as it reads, and as Python runs it."""

import math
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from emberkeep import ode
from emberkeep.ode.batch import make_batch
from emberkeep.ode.codegen.generate import generate
from emberkeep.ode.codegen.wrapping import WIDTH, wrapped
from emberkeep.ode.plan import make_plan
from emberkeep.ode.times import make_intervals, make_times
from emberkeep.ode.tolerances import Numbers, kernel_numbers

GOLDEN = Path(__file__).parent / "golden"
CASES = {
    "lorenz-tsit5-cpu": ("lorenz", "tsit5", ("states", "final"), "float64", False),
    "lorenz-tsit5-cuda-single": ("lorenz", "tsit5", ("states",), "float32", True),
    "lorenz-rk4-cpu": ("lorenz", "rk4", ("final",), "float64", False),
    "lorenz-rk4-cuda": ("lorenz", "rk4", ("states", "final"), "float64", True),
    "ring-tsit5-cpu": ("ring", "tsit5", ("final",), "float64", False),
    "ring-rk4-cuda": ("ring", "rk4", ("final",), "float64", True),
}


def plan_of(system, name, outputs, precision):
    saves = "states" in outputs
    return make_plan(system, method_name=name, outputs=outputs, precision=precision, saves=saves)


@pytest.mark.parametrize("case", CASES)
def test_it_reads_as_agreed(case, request):
    """After a change on purpose: run with UPDATE_GOLDEN=1, and read the difference."""
    system, name, outputs, precision, on_device = CASES[case]
    plan = plan_of(request.getfixturevalue(system), name, outputs, precision)
    text = generate(plan, on_device=on_device).text
    path = GOLDEN / f"{case}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def as_python(plan, generated):
    """The generated function, run by Python itself; a GPU's means are stood in for."""
    cuda = SimpleNamespace(
        local=SimpleNamespace(array=np.zeros), ldcv=lambda array, place: array[place]
    )
    real = np.float32 if plan.precision == "float32" else np.float64
    space = {"math": math, "numpy": np, "real": real, "single": np.float32, "cuda": cuda}
    exec(generated.text, space)
    return space["integrate"]


def run_python(plan, on_device, t_span, save_at, parameters, **numbers):
    """What a runner does, with arrays of its own."""
    system, real = plan.system, np.dtype(plan.precision)
    given = {"dt": None, "dt_min": 0.0, "dt_max": math.inf, "max_steps": 10_000, **numbers}
    times = make_times(t_span, save_at)
    numbers = Numbers(given.pop("rtol", 1e-4), given.pop("atol", 1e-6), **given)
    laid = kernel_numbers(plan, times, numbers)
    batch = make_batch(system, parameters, None, "verbatim")
    values, sources = (
        np.empty(batch.chunk_size(batch.runs), real),
        np.empty(3 * len(batch.columns), int),
    )
    batch.fill(0, batch.runs, values, sources)
    generated = generate(plan, on_device=on_device)
    states, runs, saves = len(system.states), batch.runs, times.elapsed.astype(real)
    shape = (saves.size, states, runs) if on_device else (runs, saves.size, states)
    saved = np.full(shape, 77, real)
    ended = np.full((states, runs) if on_device else (runs, states), 77, real)
    status, stop = np.full(runs, -1, np.int8), np.zeros(1, int)
    kernel = as_python(plan, generated)
    adaptive = plan.tableau.is_adaptive
    lanes, work = (
        generated.notes["lanes"],
        np.full(generated.notes["work"], 1e300 if real == np.float64 else 1e30, real),
    )
    share = runs if adaptive else lanes
    if on_device:
        share = 1
    if adaptive:
        middle = [share, values, sources, saves, laid, numbers.max_steps, stop]
    else:
        intervals = make_intervals(times, numbers.dt)
        middle = [values, sources, intervals.counts, intervals.sizes.astype(real)]
        middle += [intervals.begins.astype(real), intervals.slots, laid, stop]
    room = [] if on_device else [work, np.zeros(generated.notes["places"], int)][: 1 + adaptive]
    with np.errstate(all="ignore"):
        for index in range(-(-runs // share)):
            block = 0 if not on_device else index
            kernel(block, 0, runs, *middle, *room, saved, ended, status)
    if on_device:
        return saved.transpose(2, 0, 1), ended.T, status
    return saved, ended, status


@pytest.mark.parametrize("on_device", [False, True], ids=["lanes", "threads"])
@pytest.mark.parametrize("system", ["oscillator", "ring"])
@pytest.mark.parametrize("name", ["rk4", "tsit5"])
def test_python_itself_gets_the_known_solution_from_it(name, system, on_device, request):
    system = request.getfixturevalue(system)
    plan = plan_of(system, name, ("states", "final"), "float64")
    varied = "w" if "w" in system.parameters else "d"
    values = np.array([1.0, 2.0, 3.0])
    saved, ended, status = run_python(
        plan, on_device, (0.5, 1.5), [0.5, 0.9, 1.5], {varied: values}, dt=0.05
    )
    assert status.tolist() == [0, 0, 0]
    for index, value in enumerate(values):
        for moment, t in enumerate([0.0, 0.4, 1.0]):
            if varied == "w":
                expected = [np.cos(value * t), -value * np.sin(value * t)]
            else:
                expected = request.getfixturevalue("ring_exact")(t, value)
            np.testing.assert_allclose(saved[index, moment], expected, atol=3e-4)
    np.testing.assert_array_equal(ended, saved[:, -1])


@pytest.mark.parametrize("on_device", [False, True], ids=["lanes", "threads"])
def test_failures_are_seen_in_python_too(on_device, blowup):
    plan = plan_of(blowup, "tsit5", ("states", "final"), "float64")
    given = {"x": np.array([0.1, 2.0, 0.5])}
    batch_plan = ode.System("dx = k*x^2", {"x": 1.0}, {"k": 1.0}, name="k")
    plan = plan_of(batch_plan, "tsit5", ("states", "final"), "float64")
    saved, ended, status = run_python(
        plan, on_device, (0, 1), [0.2, 0.8], {"k": given["x"]}, max_steps=2000
    )
    assert status.tolist() == [0, 1, 0]
    assert np.isnan(ended[1]).all()
    assert not np.isnan(saved[1, 0]).any()
    assert np.isnan(saved[1, 1]).all()
    np.testing.assert_allclose(ended[[0, 2], 0], [1 / 0.9, 1 / 0.5], rtol=1e-3)


def test_lines_are_short_enough_to_be_read(lorenz):
    plan = plan_of(lorenz, "tsit5", ("states",), "float64")
    lines = generate(plan, on_device=False).text.splitlines()
    assert sum(len(line) > WIDTH + 10 for line in lines) <= 2


def test_wrapping_changes_no_meaning():
    call = "f(" + ", ".join(f"name_{index} * (a + b{index})" for index in range(20)) + ")"
    text = wrapped(f"result = {call}\n")
    assert max(map(len, text.splitlines())) <= WIDTH
    assert compile(text, "a", "exec").co_code == compile(f"result = {call}\n", "a", "exec").co_code


def test_a_large_system_has_loops_and_a_small_one_none(lorenz, ring):
    for system, has_loops in ((lorenz, False), (ring, True)):
        text = generate(plan_of(system, "tsit5", ("final",), "float64"), on_device=True).text
        assert ("for i in range(count)" in text) is has_loops


def test_common_terms_are_computed_once():
    system = ode.System(
        "dx = exp(a*x)*y; dy = -exp(a*x)*y + y*exp(a*x)", {"x": 1.0, "y": 1.0}, {"a": 1.0}
    )
    text = generate(plan_of(system, "rk4", ("final",), "float64"), on_device=False).text
    assert text.count("math.exp(") == 1
