"""What comes out beside states: summaries, in windows and of derivatives, peaks, steps, and own."""

import math
import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import find_peaks

from emberkeep import InvalidPlan, ode
from emberkeep.errors import InvalidSystem
from emberkeep.keys import fingerprint
from emberkeep.ode.compilation import Compilation
from emberkeep.ode.outputs import OUTPUTS, SUMMARIES
from emberkeep.targets.cuda.target import CudaTarget

gpu = runpy.run_path(Path(__file__).parent / "gpu_on_host.py")
RUNS = 23
METHODS = {"tsit5": {}, "rk4": {"dt": 0.01}}
RATES = {"rho": np.linspace(20, 30, RUNS)}

LORENZ = ode.System(
    "dx = 10*(y - x); dy = x*(rho - z) - y; dz = x*y - 8/3*z; e = x^2 + sin(t)",
    {"x": 1.0, "y": 1.0, "z": 1.0},
    {"rho": 28.0},
    observables=["e"],
    name="lorenz of outputs",
)
N = 26
RING = ode.System(
    [
        *(f"dx{i} = d*(x{(i + 1) % N} - 2*x{i} + x{(i - 1) % N}) + cos(3*t)" for i in range(N)),
        "e = x0*x1",
    ],
    {f"x{i}": float(np.cos(2 * np.pi * i / N)) for i in range(N)},
    {"d": 1.0},
    observables=["e"],
    name="ring of outputs",
)
SYSTEMS = {"small": (LORENZ, RATES), "large": (RING, {"d": np.linspace(0.5, 2, RUNS)})}
# What each is of the values at the times to save, by NumPy.
REDUCE = {
    "mean": lambda v, _: v.mean(-1),
    "std": lambda v, _: v.std(-1),
    "rms": lambda v, _: np.sqrt((v * v).mean(-1)),
    "min": lambda v, _: v.min(-1),
    "max": lambda v, _: v.max(-1),
    "max_abs": lambda v, _: np.abs(v).max(-1),
    "time_of_min": lambda v, t: t[v.argmin(-1)],
    "time_of_max": lambda v, t: t[v.argmax(-1)],
}
product = ode.Summary("product", 0.0, lambda held, t, y, p: held + y.x * y.e * p.rho + t)


def largest(held, t, y, p):
    return held[0] + 1, np.where(y.x > held[1], y.x, held[1])


of_two = ode.Summary("of_two", (0.0, -1e9), largest, lambda held: (held[1], held[0], held[1] / 2))


def solver_of(system, keep, method="tsit5", precision="float64"):
    return ode.Solver(system, method=method, precision=precision, target="cpu", keep=keep)


def derivatives(result, system, parameters):
    """By name: what the equations say of the values that were saved."""
    states = {name: result[name] for name in system.states}
    if system is LORENZ:
        x, y, z = states.values()
        rho = parameters["rho"][:, None]
        slopes = {"x": 10 * (y - x), "y": x * (rho - z) - y, "z": x * y - 8 / 3 * z}
        return {**slopes, "e": 2 * x * slopes["x"] + np.cos(result.t)}
    x = np.stack([*states.values()])
    around = np.roll(x, -1, 0) - 2 * x + np.roll(x, 1, 0)
    slopes = parameters["d"][:, None] * around + np.cos(3 * result.t)
    rate = slopes[0] * x[1] + x[0] * slopes[1]
    return {**dict(zip(states, slopes, strict=True)), "e": rate}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", SYSTEMS)
def test_summaries_are_numpys_of_what_is_saved(size, method, keep):
    system, parameters = SYSTEMS[size]
    names = [name for name in SUMMARIES if size == "small" or "m" in name[-4:]]
    one = solver_of(system, keep, method)
    given = {"parameters": parameters, "save_at": 0.05, **METHODS[method]}
    result = one.solve((0, 4), outputs=["states", *names], **given)
    slopes = derivatives(result, system, parameters)
    for name in names:
        kind = name.removeprefix("derivative_")
        for column in result:
            values = slopes[column] if name != kind else result[column]
            expected = REDUCE[kind](values, result.t)
            found = result.summary(name, column)
            if kind.startswith("time"):  # of two that are alike to rounding, either
                places = np.searchsorted(result.t, found - 1e-9)
                reached = values[np.arange(RUNS), places]
                best = values.min(-1) if kind.endswith("min") else values.max(-1)
                np.testing.assert_allclose(reached, best, rtol=1e-9, atol=1e-12)
                continue
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11, err_msg=name)


def test_summaries_in_single_precision(keep):
    one = solver_of(LORENZ, keep, precision="float32")
    outputs = ["states", "mean", "time_of_max", "peaks"]
    result = one.solve((0, 4), parameters=RATES, save_at=0.05, rtol=1e-4, outputs=outputs)
    assert result.summaries["mean"].dtype == np.float32
    assert result.summaries["time_of_max"].dtype == np.float64
    np.testing.assert_allclose(result.summary("mean", "z"), result["z"].mean(-1), rtol=1e-5)
    np.testing.assert_array_equal(
        result.summary("time_of_max", "z"), result.t[result["z"].argmax(-1)]
    )
    assert np.isin(result.peaks("z").times[:, 0], result.t).all()


def test_means_of_many_values_in_single_precision(keep):
    """What each adds is less than a sum in single precision can tell; as with NumPy's sums."""
    system = ode.System("dx = 0.1", {"x": 1.0}, name="slow rise")
    result = solver_of(system, keep, precision="float32").solve(
        (0, 1), save_at=1e-5, outputs=["mean", "std", "rms"], rtol=1e-6
    )
    values = 1 + 0.1 * np.linspace(0, 1, 100_001)
    for name, found in result.summaries.items():
        assert found.dtype == np.float32
        np.testing.assert_allclose(found[0, 0], REDUCE[name](values, None), rtol=1e-5)


def test_squares_beyond_single_precision(keep):
    system = ode.System("dx = 0*x", {"x": 1e25}, name="still and large")
    result = solver_of(system, keep, precision="float32").solve(
        (0, 1), initial={"x": [1e25, 1e-25]}, save_at=0.1, outputs=["rms"]
    )
    np.testing.assert_allclose(result.summary("rms", "x"), [1e25, 1e-25], rtol=1e-6)


# Windows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_windows(method, keep):
    """From an edge on, up to the next one; the last one belongs to the last window."""
    edges = [0.5, 1.0, 2.5, 4.0]
    outputs = ["states", "mean", "max", of_two]
    result = solver_of(LORENZ, keep, method).solve(
        (0, 4), parameters=RATES, save_at=0.05, windows=edges, outputs=outputs, **METHODS[method]
    )
    np.testing.assert_array_equal(result.windows, edges)
    assert result.summaries["mean"].shape == (RUNS, 3, 4)
    for window, (begin, end) in enumerate(zip(edges, [*edges[1:-1], 5], strict=False)):
        there = (result.t > begin - 1e-9) & (result.t < end - 1e-9)
        for column in result:
            values = result[column][:, there]
            mean = result.summary("mean", column)[:, window]
            np.testing.assert_allclose(mean, values.mean(-1), rtol=1e-10, atol=1e-12)
            found = result.summary("max", column)[:, window]
            np.testing.assert_array_equal(found, values.max(-1))
        own = result.summaries["of_two"][:, window]
        np.testing.assert_array_equal(own[:, 0], result["x"][:, there].max(-1))
        assert (own[:, 1] == there.sum()).all()


def test_windows_of_one_length(keep):
    one = solver_of(LORENZ, keep)
    given = {"parameters": RATES, "save_at": 0.1, "outputs": ["states", "mean"]}
    result = one.solve((0, 1), windows=0.3, **given)
    np.testing.assert_allclose(result.windows, [0, 0.3, 0.6, 0.9, 1.0])
    last = result["z"][:, 9:].mean(-1)  # what is left is a shorter one
    np.testing.assert_allclose(result.summary("mean", "z")[:, 3], last)
    whole = one.solve((0, 1), **given).summary("mean", "z")
    assert whole.shape == (RUNS,)
    np.testing.assert_array_equal(
        one.solve((0, 1), windows=1.0, **given).summary("mean", "z")[:, 0], whole
    )


def test_windows_backwards(keep):
    result = solver_of(LORENZ, keep).solve(
        (1, 0),
        parameters=RATES,
        save_at=0.1,
        windows=[1, 0.45, 0],
        outputs=["states", "mean"],
        initial={"x": 8.0, "y": 8.0, "z": 20.0},
    )
    there = result.t > 0.45
    found = result.summary("mean", "x")
    np.testing.assert_allclose(found[:, 0], result["x"][:, there].mean(-1))
    np.testing.assert_allclose(found[:, 1], result["x"][:, ~there].mean(-1))


@pytest.mark.parametrize("method", METHODS)
def test_windows_where_each_has_times_of_its_own(method, keep):
    starts = np.linspace(0, 2, RUNS)
    saves = starts[:, None] + np.sort(np.random.default_rng(1).uniform(0, 1, (RUNS, 40)))
    result = solver_of(LORENZ, keep, method).solve(
        (starts, starts + 1), parameters=RATES, save_at=saves, windows=0.25,
        outputs=["states", "mean"], **METHODS[method],
    )  # fmt: skip
    assert result.windows.shape == (RUNS, 5)
    for run in range(RUNS):
        places = np.minimum(((saves[run] - starts[run]) / 0.25).astype(int), 3)
        expected = [result["y"][run, places == window].mean() for window in range(4)]
        np.testing.assert_allclose(result.summary("mean", "y")[run], expected)
    data = result.to_xarray()
    assert data["window_begin"].dims == ("run", "window")
    assert data["y_mean"].dims == ("run", "window")


def test_windows_of_a_trajectory_that_fails(keep):
    """What was complete before it failed is given, and nothing else."""
    system = ode.System("dx = x^2", {"x": 1.0}, name="singular of outputs")
    with pytest.warns(ode.errors.SolveWarning):
        result = solver_of(system, keep).solve(
            (0, 2), initial={"x": [0.25, 1.0]}, save_at=0.1, windows=[0, 0.5, 1.5, 2],
            outputs=["states", "max", "peaks"],
        )  # fmt: skip
    found = result.summary("max", "x")
    assert np.isfinite(found[0]).all()
    assert found[1, 0] == pytest.approx(1 / (1 - 0.4), rel=1e-5)
    assert np.isnan(found[1, 1:]).all()


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        (5.0, "longer than the span, 4"),
        (0.0, "must be a positive length"),
        (np.nan, "must be a positive length"),
        ("day", "must be a length, or a list of edges"),
        ([1.0], "at least two edges"),
        ([[0, 1], [1, 2]], "at least two edges"),
        ([0, 2, 1], "each later than the one before"),
        ([0, 5], "none outside"),
        ([-1, 2], "none outside"),
        ([0.11, 0.14, 1], r"The window from 0.11 to 0.14 has no time in save_at"),
        (1e-9, "windows; choose a longer one"),
    ],
)
def test_windows_that_cannot_be(windows, message, keep):
    with pytest.raises(InvalidPlan, match=message):
        solver_of(LORENZ, keep).solve((0, 4), save_at=0.1, windows=windows, outputs="mean")


def test_windows_need_times_to_save(keep):
    with pytest.raises(InvalidPlan, match="pass save_at="):
        solver_of(LORENZ, keep).solve((0, 4), windows=1.0)
    spans = ([0.0, 0.0], [1.0, 2.0])
    with pytest.raises(InvalidPlan, match="spans of different lengths"):
        solver_of(LORENZ, keep).solve(spans, save_at=[0.5, 0.9], windows=0.5, outputs="mean")


def counted(span, save_at, windows, keep):
    """How many times to save are in each window."""
    system = ode.System("dx = 1", {"x": 0.0}, name="of times alone")
    count = ode.Summary("count", 0.0, lambda held, t, y, p: held + 1)
    result = solver_of(system, keep).solve(span, save_at=save_at, windows=windows, outputs=count)
    return result.summaries["count"].tolist()


def test_edges_that_are_times_to_save_but_for_rounding(keep):
    saves, edges = np.arange(10) * 0.1, [0, 0.1 * 3, 0.6, 0.9]
    assert counted((0, 0.9), saves, edges, keep) == [[3, 3, 4]]
    for late in (1e6, 1e9, -1e9):
        begin, end = late, late + 0.9
        moved = late + saves
        assert counted((begin, end), moved, [late + edge for edge in edges], keep) == [[3, 3, 4]]
        assert counted((begin, end), 0.1, 0.3, keep) == [[3, 3, 4]]
    past = np.nextafter(1e9 + 0.9, 2e9)
    assert counted((1e9, 1e9 + 0.9), 0.1, [1e9, past], keep) == [[10]]


def test_times_that_are_dense_in_a_long_span(keep):
    """What is next to nothing in one span is all of another."""
    saves, edges = np.linspace(0, 1, 11), [0, 0.3, 0.6, 1.0]
    for ends in (1e10, [1.0, 1e10], [1e10, 1.0]):
        rows = saves if np.ndim(ends) == 0 else [saves, saves]
        for found in counted((0, ends), rows, edges, keep):
            assert found == [3, 3, 5]


# Peaks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_peaks_and_troughs_are_scipys(method, keep):
    result = solver_of(LORENZ, keep, method).solve(
        (0, 10), parameters=RATES, save_at=0.02, outputs=["states", "peaks", "troughs"],
        **METHODS[method],
    )  # fmt: skip
    for column in result:
        for sign, found in ((1, result.peaks(column)), (-1, result.troughs(column))):
            for run in range(RUNS):
                places, _ = find_peaks(sign * result[column][run])
                assert found.counts[run] == places.size
                expected = result.t[places], result[column][run][places]
                np.testing.assert_array_equal(found.times[run, : places.size], expected[0])
                np.testing.assert_array_equal(found.values[run, : places.size], expected[1])
                assert np.isnan(found.times[run, places.size :]).all()
                assert np.isnan(found.values[run, places.size :]).all()


def test_there_is_room_for_as_many_peaks_as_asked_for(keep):
    one = solver_of(ode.System("dx = w*cos(w*t)", {"x": 0.0}, {"w": 1.0}, name="wave"), keep)
    given = {"parameters": {"w": [2.0, 20.0]}, "save_at": 0.01, "outputs": ["peaks"]}
    some, many = (one.solve((0, 10), most_records=most, **given) for most in (3, 50))
    assert some.peaks("x").times.shape == (2, 3)
    assert some.peaks("x").counts.tolist() == many.peaks("x").counts.tolist() == [3, 32]
    np.testing.assert_array_equal(some.peaks("x").times, many.peaks("x").times[:, :3])
    quarter = (np.arange(3) + 0.25) * np.pi
    np.testing.assert_allclose(some.peaks("x").times[0], quarter, atol=0.01)


def test_a_flat_top_counts_once_where_it_begins(keep):
    system = ode.System(
        "dx = 1; top = floor(3*sin(x))", {"x": 0.0}, observables=["top"], name="flat"
    )
    result = solver_of(system, keep).solve((0, 12), save_at=0.01, outputs=["states", "peaks"])
    top, found = result["top"][0], result.peaks("top")
    rises = np.flatnonzero((np.diff(top) > 0) & (top[1:] == 2)) + 1
    assert found.counts[0] == rises.size == 2
    np.testing.assert_array_equal(found.times[0, :2], result.t[rises])


GAPS = ode.System(
    """
    dx = 1
    gap = where(abs(x - 4) < 0.1, 0/(x - x), sin(x))
    infinite = 1/(x - x)
    around = where(abs(x - pi/2) < 0.1, 0/(x - x), sin(x))
    """,
    {"x": 0.0},
    observables=["gap", "infinite", "around"],
    name="gaps",
)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_a_number_is_an_extreme_as_numpys(method, keep):
    names = ["min", "max", "time_of_min", "time_of_max"]
    result = solver_of(GAPS, keep, method).solve(
        (0, 8), save_at=0.5, outputs=["states", *names], **METHODS[method]
    )
    for name in names:
        for column in result:
            expected = REDUCE[name](result[column], result.t)
            np.testing.assert_array_equal(result.summary(name, column), expected, err_msg=name)


def test_peaks_are_not_looked_for_across_what_is_not_a_number(keep):
    """Of a top that is hidden, what comes behind it is not taken for the top, with an old time."""
    result = solver_of(GAPS, keep).solve((0, 8), save_at=0.05, outputs=["states", "peaks"])
    assert np.isnan(result["around"]).any()
    for column in ("gap", "around"):
        places, _ = find_peaks(result[column][0])
        found = result.peaks(column)
        assert found.counts[0] == places.size
        np.testing.assert_array_equal(found.times[0, : places.size], result.t[places])
        np.testing.assert_array_equal(found.values[0, : places.size], result[column][0][places])


# Steps --------------------------------------------------------------------------------------------


def test_times_of_steps(keep):
    result = solver_of(LORENZ, keep).solve(
        (1, 3), parameters=RATES, outputs=["steps", "step_times", "final"], most_records=500
    )
    times, taken = result.step_times, result.steps[:, 0]
    np.testing.assert_array_equal((~np.isnan(times)).sum(-1), taken)
    for run in range(RUNS):
        own = times[run, : taken[run]]
        assert own[0] > 1
        assert (np.diff(own) > 0).all()
        assert own[-1] == 3
    few = solver_of(LORENZ, keep).solve(
        (1, 3), parameters=RATES, outputs=["step_times", "final"], most_records=5
    )
    np.testing.assert_array_equal(few.step_times, times[:, :5])


def test_steps_of_fixed_length_have_no_times(keep):
    with pytest.raises(InvalidPlan, match="fixed length"):
        solver_of(LORENZ, keep, "rk4").solve((0, 1), dt=0.1, outputs=["step_times"])


# The user's own -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_summary_of_ones_own(method, keep):
    result = solver_of(LORENZ, keep, method).solve(
        (0, 2), parameters=RATES, save_at=0.05, outputs=["states", product, of_two],
        **METHODS[method],
    )  # fmt: skip
    x, e, rho = result["x"], result["e"], RATES["rho"][:, None]
    expected = (x * e * rho + result.t).sum(-1)
    np.testing.assert_allclose(result.summaries["product"], expected, rtol=1e-12)
    assert result.summaries["of_two"].shape == (RUNS, 3)
    np.testing.assert_array_equal(result.summaries["of_two"][:, 2], x.max(-1) / 2)
    with pytest.raises(KeyError, match="of no single state"):
        result.summary("product", "x")


def test_a_summary_of_ones_own_in_a_large_system(keep):
    total = ode.Summary("total", 0.0, lambda held, t, y, p: held + sum(y[:N]) * p.d)
    result = solver_of(RING, keep).solve(
        (0, 1), save_at=0.1, outputs=["states", total], parameters={"d": [1.0, 2.0]}
    )
    expected = result.states.sum((1, 2)) * [1.0, 2.0]
    np.testing.assert_allclose(result.summaries["total"], expected, rtol=1e-10)


def test_what_a_summary_does_is_in_the_key(lorenz):
    def key(summary):
        plan = solver_of(lorenz, None).plan(outputs=[summary])
        return fingerprint(dict(Compilation(plan).ingredients())).digest

    factor = 2.0
    made = [
        ode.Summary("s", 0.0, lambda h, t, y, p: h + y.x),
        ode.Summary("s", 0.0, lambda h, t, y, p: h + y.y),
        ode.Summary("s", 1.0, lambda h, t, y, p: h + y.x),
        ode.Summary("r", 0.0, lambda h, t, y, p: h + y.x),
        ode.Summary("s", 0.0, lambda h, t, y, p: h + y.x, lambda h: h * 2),
        ode.Summary("s", 0.0, lambda h, t, y, p: h + factor * y.x),
    ]
    assert len({key(summary) for summary in made}) == len(made)
    assert key(made[0]) == key(ode.Summary("s", 0.0, lambda h, t, y, p: h + y.x))


def test_a_summary_that_changes_is_compiled_again(keep):
    scale = {"by": 1.0}
    summary = ode.Summary("scaled", 0.0, lambda h, t, y, p: h + scale["by"] * y.x)
    one = solver_of(LORENZ, keep)
    first = one.solve((0, 1), save_at=0.1, outputs=[summary]).summaries["scaled"]
    scale["by"] = 3.0
    second = one.solve((0, 1), save_at=0.1, outputs=[summary]).summaries["scaled"]
    np.testing.assert_allclose(second, 3 * first)


@pytest.mark.parametrize(
    "name", ["status", "strides", "first", "own", "begin", "x", "größe", "float", "s_place", "t"]
)
def test_a_summary_may_have_any_name(name, keep):
    """Also one that generated code has for something else."""
    pair = [ode.Summary(each, 0.0, lambda h, t, y, p: h + y.x) for each in (name, "s")]
    result = solver_of(LORENZ, keep).solve((0, 1), save_at=0.1, outputs=["states", *pair])
    np.testing.assert_allclose(result.summaries[name], result["x"].sum(-1), rtol=1e-12)


def test_names_of_summaries_in_cuda():
    pytest.importorskip("cuda.bindings.nvrtc")
    names = ("status", "größe", "float", "s_place", "s")
    outputs = [ode.Summary(name, 0.0, lambda h, t, y, p: h + y.x) for name in names]
    solver = ode.Solver(LORENZ, target=CudaTarget("sm_80"))
    compilation = Compilation(solver.plan(outputs=outputs))
    assert CudaTarget("sm_80").compile(compilation.source(solver.target))


@pytest.mark.parametrize("windows", [None, 0.5])
@pytest.mark.parametrize("name", ["x", "rho", "t", "run", "window", "window_begin", "window_end"])
def test_a_summary_beside_columns_of_its_name(name, windows, keep):
    """Neither takes the other's place in tables and datasets."""
    fold = ode.Summary(name, (0.0, 0.0), lambda h, t, y, p: (h[0] + y.x, h[1] + 1))
    result = solver_of(LORENZ, keep).solve(
        (0, 1), parameters=RATES, save_at=0.1, windows=windows, outputs=["final", "mean", fold]
    )
    own = result.summaries[name]
    data = result.to_xarray()
    there = [label for label in data.data_vars if label.startswith(name) and "_part" in
             "".join(map(str, data[label].dims))]  # fmt: skip
    assert len(there) == 1
    np.testing.assert_array_equal(data[there[0]].values, own)
    np.testing.assert_array_equal(data["x_mean"].values, result.summary("mean", "x"))
    np.testing.assert_array_equal(data["rho"].values, RATES["rho"])
    table = result.to_pandas("runs" if windows is None else "windows")
    np.testing.assert_array_equal(table[f"{there[0]}_1"], own[..., 1].ravel())
    if windows is not None:
        np.testing.assert_array_equal(table["window"], [0, 1] * RUNS)
        np.testing.assert_array_equal(table["window_end"], [0.5, 1] * RUNS)


def test_parts_of_summaries_beside_columns_of_their_names(keep):
    """A vector's parts, and other summaries, are called as the parts of a summary are."""
    system = ode.System("x[i]' = -x[i] for i in 1..2", {"x": [1.0, 2.0]}, name="of parts")
    pair = ode.Summary("x", (0.0, 0.0), lambda h, t, y, p: (h[0] + y.x_1, h[1] + 1))
    ones = ode.Summary("x_0", 0.0, lambda h, t, y, p: h + 2)
    result = solver_of(system, keep).solve((0, 1), save_at=0.5, outputs=["final", pair, ones])
    (row,) = result.to_pandas("runs").to_dict("records")
    assert (row["x_1"], row["x_2"]) == (result.final[0, 0], result.final[0, 1])
    assert list(result.summaries["x"][0]) == [row["x_0"], row["x_1_"]]
    assert row["x_0_"] == 6


def test_a_parameter_beside_windows_of_its_name(keep):
    system = ode.System("dx = -window*x", {"x": 1.0}, {"window": 1.0}, name="of a window")
    result = solver_of(system, keep).solve(
        (0, 1), parameters={"window": [1.0, 2.0]}, save_at=0.1, windows=0.5, outputs=["mean"]
    )
    table = result.to_pandas()
    assert table["window_parameter"].tolist() == [1, 1, 2, 2]
    assert table["window"].tolist() == [0, 1, 0, 1]
    assert result.to_xarray()["window_parameter"].values.tolist() == [1, 2]


@pytest.mark.parametrize("start", [0, np.float32(0), np.array(0.0), False])
def test_what_a_summary_holds_may_be_any_number(start, keep):
    total = ode.Summary("total", start, lambda h, t, y, p: h + y.x)
    result = solver_of(LORENZ, keep).solve((0, 1), save_at=0.1, outputs=["states", total])
    np.testing.assert_allclose(result.summaries["total"], result["x"].sum(-1), rtol=1e-12)


def test_summaries_of_lists_and_arrays(keep):
    """Means by the logarithm: undefined at the start, where nothing was folded in."""
    fold = ode.Summary(
        "logarithmic",
        [0, 0],
        lambda held, t, y, p: np.array(held) + np.array([np.log(y.x), 1.0]),
        lambda held: np.array([math.exp(held[0] / held[1]), 1 / (held[1] - 1)]),
    )
    result = solver_of(LORENZ, keep).solve((0, 0.5), save_at=0.1, outputs=["states", fold])
    found = result.summaries["logarithmic"]
    np.testing.assert_allclose(found[:, 0], np.exp(np.log(result["x"]).mean(-1)), rtol=1e-12)
    np.testing.assert_array_equal(found[:, 1], 1 / 5)


def test_a_summary_begins_at_zero_of_either_sign(keep):
    """The two are equal, and what becomes of them is not."""
    one = solver_of(LORENZ, keep)

    def fold(held, t, y, p):
        return held * y.z

    def result(held):
        return np.copysign(1.0, held)

    for zero in (0.0, -0.0, 0.0):
        solved = one.solve((0, 1), save_at=0.1, outputs=[ode.Summary("sign", zero, fold, result)])
        assert solved.summaries["sign"][0] == np.copysign(1.0, zero)


class Weighed:
    """A function that is equal to another one until either changes; so it has no hash."""

    def __init__(self, weight):
        self.weight = weight

    def __eq__(self, other):
        return True

    __hash__ = None

    def __call__(self, held, t, y, p):
        return held + self.weight * y.x


def test_functions_of_summaries_are_never_taken_for_others(keep):
    one = solver_of(LORENZ, keep)
    found = [
        one.solve(
            (0, 1), save_at=0.1, outputs=[ode.Summary("weighed", 0.0, Weighed(weight))]
        ).summaries["weighed"]
        for weight in (1.0, 3.0)
    ]
    np.testing.assert_allclose(found[1], 3 * found[0])


def test_functions_that_are_defined_anew_do_not_pile_up(keep, monkeypatch):
    """Each is a plan of its own, and its kernel was kept as long as the solver lived."""
    monkeypatch.setattr("emberkeep.ode.running.kernels.MOST", 3)
    one = solver_of(LORENZ, keep)
    for _ in range(4):
        fresh = ode.Summary("fresh", 0.0, lambda h, t, y, p: h + y.x)
        result = one.solve((0, 1), save_at=0.1, outputs=["states", fresh])
        np.testing.assert_allclose(result.summaries["fresh"], result["x"].sum(-1), rtol=1e-12)
        named = one.solve((0, 1), save_at=0.1, outputs=["states", "mean"])
        np.testing.assert_allclose(named.summary("mean", "x"), result["x"].mean(-1), rtol=1e-12)
        assert len(one._runner._kernels) <= 3


@pytest.mark.parametrize(
    ("summary", "message"),
    [
        (ode.Summary("s", "1", lambda h, t, y, p: h), "expected a number or a tuple"),
        (ode.Summary("s", ((0.0, 1.0), 2.0), lambda h, t, y, p: h), "a number or a tuple"),
        (ode.Summary("s", 0.0, lambda h, t, y, p: h, lambda h: ()), "gives nothing"),
        (ode.Summary("mean", 0.0, lambda h, t, y, p: h), "is an output already"),
        (ode.Summary("a b", 0.0, lambda h, t, y, p: h), "expected letters"),
        (ode.Summary("s", "x", lambda h, t, y, p: h), "expected a number or a tuple"),
        (ode.Summary("s", (), lambda h, t, y, p: h), "expected a number or a tuple"),
        (ode.Summary("s", 0.0, 3), "expected functions"),
        (ode.Summary("s", 0.0, lambda h, t, y, p: h if y.x > 0 else 0.0), "cannot be followed"),
        (ode.Summary("s", 0.0, lambda h, t, y, p: (h, h)), "gives 2 numbers, and 1"),
        (ode.Summary("s", 0.0, lambda h, t, y, p: h + y.nowhere), "nowhere"),
        (ode.Summary("s", 0.0, lambda h, t, y, p: h, lambda h: 1 / "x"), "result"),
    ],
)
def test_summaries_that_cannot_be(summary, message, keep):
    with pytest.raises(InvalidPlan, match=message):
        solver_of(LORENZ, keep).solve((0, 1), save_at=0.1, outputs=[summary])


def test_two_summaries_of_one_name(keep):
    pair = [ode.Summary("s", 0.0, lambda h, t, y, p: h + i * y.x) for i in (1.0, 2.0)]
    with pytest.raises(InvalidPlan, match="two summaries called 's'"):
        solver_of(LORENZ, keep).solve((0, 1), save_at=0.1, outputs=pair)


def test_derivatives_of_observables_that_are_not_followed(keep):
    def branched(x):
        return x if x > 0 else -x

    system = ode.System(
        "dx = -x; size = branched(x)", {"x": 1.0}, observables=["size"],
        functions={"branched": branched}, name="opaque",
    )  # fmt: skip
    with pytest.raises(InvalidSystem, match="no derivative of branched"):
        solver_of(system, keep).solve((0, 1), save_at=0.1, outputs=["derivative_max"])


# All of them --------------------------------------------------------------------------------------


def test_results_do_not_depend_on_the_batch(keep):
    outputs = ["states", "steps", "std", "derivative_mean", "time_of_min", "troughs", of_two]
    one = solver_of(LORENZ, keep)
    given = {"save_at": 0.05, "windows": 1.0, "outputs": outputs}
    together = one.solve((0, 3), parameters=RATES, **given)
    for run in (0, 7, RUNS - 1):
        alone = one.solve((0, 3), parameters={"rho": RATES["rho"][run]}, **given)
        for kind, values in (*together.summaries.items(), *together.records.items()):
            found = {**alone.summaries, **alone.records}[kind]
            np.testing.assert_array_equal(found[0], values[run], err_msg=kind)


def test_numbers_of_windows_and_records_compile_nothing(keep):
    one = solver_of(LORENZ, keep)
    given = {"parameters": RATES, "outputs": ["mean", "peaks"]}
    one.solve((0, 3), save_at=0.1, **given)
    assert len(one._runner._kernels) == 1
    one.solve((0, 2), save_at=0.05, windows=0.5, most_records=7, **given)
    assert len(one._runner._kernels) == 1


@pytest.mark.parametrize("size", SYSTEMS)
@pytest.mark.parametrize("method", METHODS)
def test_cuda_compiles_all_outputs(size, method):
    pytest.importorskip("cuda.bindings.nvrtc")
    system, _ = SYSTEMS[size]
    own = [product, of_two] if size == "small" else []
    names = [name for name in OUTPUTS if method == "tsit5" or name != "step_times"]
    names.remove("events")
    for precision in ("float64", "float32"):
        one = ode.Solver(system, method=method, target=CudaTarget("sm_90"), precision=precision)
        source = Compilation(one.plan(outputs=[*names, *own])).source(one.target)
        assert CudaTarget("sm_90").compile(source)


@pytest.mark.skipif(not gpu["HAS_COMPILER"], reason="there is no g++")
@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("size", SYSTEMS)
def test_what_a_gpu_makes_of_all_outputs(size, precision, keep, tmp_path):
    """What a CPU does, in chunks; of fixed steps, in which rounding alone differs."""
    system, parameters = SYSTEMS[size]
    own = [product, of_two] if size == "small" else []
    names = [name for name in OUTPUTS if name not in ("step_times", "peaks", "troughs", "events")]
    given = {"parameters": parameters, "save_at": 0.05, "windows": 0.5, "dt": 0.01}
    one = solver_of(system, keep, "rk4", precision)
    there = solver_of(system, keep, "rk4", precision)
    there._runner = gpu["Threads"](tmp_path)
    known, found = (each.solve((0, 1), outputs=[*names, *own], **given) for each in (one, there))
    close = {"rtol": 1e-9, "atol": 1e-10} if precision == "float64" else {"rtol": 1e-3}
    np.testing.assert_allclose(found.states, known.states, **close)
    np.testing.assert_array_equal(found.reached, known.reached)
    assert found.summaries.keys() == known.summaries.keys()
    for name, values in known.summaries.items():
        if "time_of" in name:  # of two that are alike to rounding, either
            assert np.isin(found.summaries[name], known.t).all()
        else:
            limit = {**close, "atol": np.abs(values).max() * close["rtol"]}
            np.testing.assert_allclose(found.summaries[name], values, err_msg=name, **limit)


# With labels --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def everything(test_keep):
    system = ode.System(
        "dx = v; dv = -k*x; energy = v^2/2 + k*x^2/2",
        {"x": 1.0, "v": 0.0},
        {"k": 1.0},
        observables=["energy"],
        units={"x": "m", "v": "m/s", "energy": "J", "k": "1/s^2", "t": "s"},
        name="labelled",
    )
    total = ode.Summary("total", (0.0, 0.0), lambda h, t, y, p: (h[0] + y.x, h[1] + y.v))
    return ode.Solver(system, target="cpu", keep=test_keep.keep).solve(
        (0, 10), parameters={"k": [1.0, 4.0]}, initial={"x": [1.0, 2.0, 3.0]}, save_at=0.1,
        grid="combinations", windows=5.0, most_records=4,
        outputs=[
            "final", "steps", "step_times", "mean", "derivative_max", "time_of_max", "peaks", total
        ],
    )  # fmt: skip


def test_a_dataset_has_all_of_it(everything):
    data = everything.to_xarray()
    assert data["x_mean"].dims == ("k", "x_initial", "window")
    assert data["x_peak"].dims == ("k", "x_initial", "peak")
    assert data["total"].dims == ("k", "x_initial", "window", "total_part")
    assert data["step_time"].dims == ("k", "x_initial", "step")
    assert data["steps_taken"].shape == (2, 3)
    assert data["window_end"].values.tolist() == [5.0, 10.0]
    chosen = data.sel(k=4.0, x_initial=2.0)
    np.testing.assert_allclose(chosen["x_peak"][:2], 2.0, atol=1e-2)
    np.testing.assert_allclose(chosen["x_peak_time"][:2], np.pi * np.array([1, 2]), atol=0.06)
    assert chosen["x_peak_count"] == 3
    units = {"x": "m", "x_mean": "m", "x_derivative_max": "m/s", "x_time_of_max": "s"}
    units |= {"x_peak": "m", "x_peak_time": "s", "k": "1/s^2", "x_initial": "m", "window_end": "s"}
    assert {name: data[name].attrs["units"] for name in units} == units


def test_tables_have_all_of_it(everything):
    windows = everything.to_pandas()
    assert len(windows) == 12
    assert windows["window_begin"].tolist() == [0.0, 5.0] * 6
    np.testing.assert_array_equal(windows["x_mean"], everything.summary("mean", "x").ravel())
    np.testing.assert_array_equal(windows["total_1"], everything.summaries["total"][..., 1].ravel())
    assert windows.attrs["units"]["energy_mean"] == "J"
    runs = everything.to_pandas("runs")
    assert len(runs) == 6
    assert {"x", "v", "steps_taken", "x_peak_count"} <= {*runs.columns}
    peaks = everything.to_pandas("peaks")
    counts = sum(np.minimum(everything.peaks(name).counts, 4).sum() for name in everything)
    assert len(peaks) == counts
    assert peaks["value"][(peaks["of"] == "x") & (peaks["run"] == 4)].max() <= 2
    with pytest.raises(InvalidPlan, match="windows, runs, peaks"):
        everything.to_pandas("states")


def test_labels_that_clash_lose_nothing(keep):
    system = ode.System("dx = -x; dx_mean = 1", {"x": 1.0, "x_mean": 0.0}, name="clash of labels")
    result = solver_of(system, keep).solve((0, 1), save_at=0.5, outputs=["states", "mean"])
    data = result.to_xarray()
    np.testing.assert_array_equal(data["x_mean"], result["x_mean"])
    np.testing.assert_array_equal(data["x_mean_"], result.summary("mean", "x"))


def test_a_result_without_states_says_what_there_is(keep):
    result = solver_of(LORENZ, keep).solve((0, 1), save_at=0.5, outputs=["mean"])
    with pytest.raises(KeyError, match=r"result.summary\('mean', 'x'\)"):
        result["x"]
    with pytest.raises(KeyError, match=r"outputs=\['peaks'\]"):
        result.peaks("x")
    assert ".mean" in repr(result)


def test_units_are_checked():
    with pytest.raises(InvalidSystem, match="no name of this system"):
        ode.System("dx = -x", {"x": 1.0}, units={"y": "m"})
    with pytest.raises(InvalidSystem, match="must be a text"):
        ode.System("dx = -x", {"x": 1.0}, units={"x": 1})
    with pytest.raises(InvalidSystem, match="no name of this system"):
        ode.System("dx_bar = -x_bar", {"x_bar": 1.0}, units={"x": "m"})
    vector = ode.System("x[i]' = -x[i] for i in 1..2", {"x": [1.0, 2.0]}, units={"x": "m"})
    assert vector.units == {"x_1": "m", "x_2": "m"}


def test_units_are_no_part_of_what_is_compiled():
    with_units = ode.System("dx = -x", {"x": 1.0}, units={"x": "m"})
    without = ode.System("dx = -x", {"x": 1.0})
    assert with_units.ingredients() == without.ingredients()
    assert with_units != without
