"""What comes out of a solve on a GPU, beside the same on the CPU; and jumps in single precision."""

import numpy as np
import pytest

from emberkeep import ode

pytestmark = pytest.mark.gpu

RUNS = 1000
# Not chaotic: rounding stays what it is.
DRIVEN = ode.System(
    "dx = v; dv = -k*x - 0.1*v + cos(3*t); energy = v^2/2 + k*x^2/2",
    {"x": 1.0, "v": 0.0},
    {"k": 1.0},
    observables=["energy"],
    name="driven of outputs",
)
N = 30
RING = ode.System(
    [
        *(f"dx{i} = d*(x{(i + 1) % N} - 2*x{i} + x{(i - 1) % N}) + cos(3*t)" for i in range(N)),
        "first = x0*x1",
    ],
    {f"x{i}": float(np.cos(2 * np.pi * i / N)) for i in range(N)},
    {"d": 1.0},
    observables=["first"],
    name="ring of outputs",
)
SYSTEMS = {"small": (DRIVEN, "k"), "large": (RING, "d")}
crossings = ode.Summary(
    "crossings",
    (0.0, 0.0),
    lambda held, t, y, p: (y.v, held[1] + np.where(held[0] * y.v < 0, 1, 0)),
    lambda held: held[1],
)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("method", ["tsit5", "rk4"])
@pytest.mark.parametrize("size", SYSTEMS)
def test_all_outputs_are_those_of_the_cpu(size, method, precision, keep):
    system, name = SYSTEMS[size]
    values = np.linspace(0.5, 3, RUNS)
    outputs = ["states", "steps", "mean", "std", "max", "time_of_max", "derivative_max", "peaks"]
    outputs += [crossings] if size == "small" else []
    options = {"dt": 0.01} if method == "rk4" else {"rtol": 1e-5}
    there, here = (
        ode.Solver(system, target=target, method=method, precision=precision, keep=keep).solve(
            (0, 8), parameters={name: values}, save_at=0.1, windows=[1, 4, 8], outputs=outputs,
            most_records=6, **options,
        )
        for target in ("cuda", "cpu")
    )  # fmt: skip
    # Where a step is just accepted by one of them and not by the other, they differ by its error.
    tolerance = 1e-5 if precision == "float64" else 2e-3
    np.testing.assert_allclose(there.states, here.states, rtol=tolerance, atol=tolerance)
    for kind in ("mean", "std", "max", "derivative_max"):
        np.testing.assert_allclose(
            there.summaries[kind], here.summaries[kind], rtol=10 * tolerance, atol=10 * tolerance
        )
    # Of its own values, what a GPU says of them is exact.
    edges = (there.t > 1 - 1e-9) & (there.t < 4 - 1e-9), there.t > 4 - 1e-9
    for window, inside in enumerate(edges):
        for state in there:
            values = there[state][:, inside]
            found = there.summary("max", state)[:, window]
            np.testing.assert_array_equal(found, values.max(-1))
            when = there.t[inside][values.argmax(-1)]
            np.testing.assert_array_equal(there.summary("time_of_max", state)[:, window], when)
    first = there.peaks(next(iter(system.states)))
    known = ~np.isnan(first.times)
    places = np.searchsorted(there.t, first.times[known] - 1e-9)
    run = np.nonzero(known)[0]
    own = there[next(iter(system.states))]
    np.testing.assert_array_equal(first.values[known], own[run, places])
    np.testing.assert_array_equal(np.minimum(first.counts, 6), known.sum(-1))


def test_times_of_steps(keep):
    result = ode.Solver(DRIVEN, target="cuda", keep=keep).solve(
        (1, 5), parameters={"k": np.linspace(0.5, 3, RUNS)}, outputs=["steps", "step_times"]
    )
    times, taken = result.step_times, result.steps[:, 0]
    np.testing.assert_array_equal((~np.isnan(times)).sum(-1), np.minimum(taken, 100))
    assert (taken < 100).all()
    assert (np.nanmax(times, axis=-1) == 5).all()
    assert (np.diff(np.nan_to_num(times, nan=9.0), axis=-1) >= 0).all()


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_short_pulse_is_not_stepped_over(precision, keep):
    system = ode.System(
        "dx = where(t < begin, 0, where(t < begin + 0.01, 100, 0)) - 0.1*x",
        {"x": 0.0},
        {"begin": 3.0},
        name="pulse",
    )
    begins = np.linspace(0.5, 18, RUNS)
    result = ode.Solver(system, target="cuda", precision=precision, keep=keep).solve(
        (0, 20), parameters={"begin": begins}
    )
    exact = 1000 * (1 - np.exp(-0.001)) * np.exp(-0.1 * (20 - begins - 0.01))
    tolerance = 1e-6 if precision == "float64" else 1e-2  # the pulse's length is rounded as well
    np.testing.assert_allclose(result["x"], exact, rtol=tolerance)
