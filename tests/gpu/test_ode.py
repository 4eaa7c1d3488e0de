"""The ODE engine on a GPU: against the CPU, in chunks, when trajectories fail, when interrupted."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from emberkeep import ode
from emberkeep.ode.running import cuda as running
from emberkeep.ode.status import NOT_FINITE, STEP_TOO_SMALL, STIFF, SUCCESS, TOO_MANY_STEPS

pytestmark = pytest.mark.gpu


LORENZ = ode.System(
    "dx = sigma*(y - x); dy = x*(rho - z) - y; dz = x*y - beta*z",
    states={"x": 1.0, "y": 1.0, "z": 1.0},
    parameters={"sigma": 10.0, "rho": 28.0},
    constants={"beta": 8 / 3},
    name="lorenz",
)
FORCED = ode.System("dx = k*cos(t) + sin(t) - x", {"x": 1.0}, {"k": 1.0}, name="forced")
N = 24
RING = ode.System(
    [f"dx{i} = d*(x{(i + 1) % N} - 2*x{i} + x{(i - 1) % N})" for i in range(N)],
    {f"x{i}": float(np.cos(2 * np.pi * i / N)) for i in range(N)},
    {"d": 1.0},
    name="ring",
)
GROWER = ode.System("dx = k*x^2 + sqrt(s)", {"x": 1.0}, {"k": 0.1, "s": 0.0}, name="grower")
OPTIONS = {"rk4": {"dt": 1e-2}, "tsit5": {}}


def both(system, keep, method, precision="float64", **given):
    results = []
    for target in ("cuda", "cpu"):
        solver = ode.Solver(system, target=target, method=method, precision=precision, keep=keep)
        results.append(solver.solve((0, 1), **OPTIONS[method], **given))
    return results


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("method", OPTIONS)
@pytest.mark.parametrize("system", [LORENZ, RING], ids=["lorenz", "ring"])
def test_it_agrees_with_the_cpu(system, method, precision, keep):
    """Bit for bit with fixed steps of products and sums; else as far as rounding is amplified."""
    name = next(iter(system.parameters))
    values = np.linspace(0.8, 1.2, 1000) * system.parameters[name]
    for extra in ({}, {"save_at": 0.125, "outputs": ["states", "final"]}):
        there, here = both(system, keep, method, precision, parameters={name: values}, **extra)
        assert there.status.tolist() == here.status.tolist() == [SUCCESS] * 1000
        if method == "rk4":
            np.testing.assert_array_equal(there.final, here.final)
        tolerance = 1e-9 if precision == "float64" else 2e-4
        np.testing.assert_allclose(there.final, here.final, rtol=tolerance, atol=tolerance)
        if extra:
            np.testing.assert_allclose(
                there.states, here.states, rtol=1e-7 + tolerance, atol=tolerance
            )
            np.testing.assert_array_equal(there.states[:, -1], there.final)


@pytest.mark.parametrize("method", OPTIONS)
def test_functions_of_mathematics_differ_by_rounding_alone(method, keep):
    values = np.linspace(0.5, 1.5, 500)
    there, here = both(FORCED, keep, method, parameters={"k": values})
    np.testing.assert_allclose(there.final, here.final, rtol=1e-9 if method == "tsit5" else 1e-13)


def test_all_functions_compile_for_a_gpu(keep):
    terms = [
        "exp(-u)", "log(u)", "log10(u)", "log1p(u)", "expm1(u)", "sqrt(u)", "cbrt(-u)", "sin(u)",
        "cos(u)", "tan(u)", "asin(u)", "acos(u)", "atan(u)", "sinh(u)", "cosh(u)", "tanh(u)",
        "asinh(u)", "acosh(2*u)", "atanh(u)", "abs(-u)", "sign(-u)", "floor(-u)", "ceil(u)",
        "erf(u)", "erfc(u)", "gamma(u)", "lgamma(u)", "atan2(u, -1)", "hypot(u, 2)", "pow(u, 1.3)",
        "mod(-u, 0.5)", "min(u, 2, -1)", "max(u, 2, -1)", "heaviside(u)", "where(u > 1, 5, 6)",
        "u**2.5", "3 if u > 0 and not u > 1 else 4", "1 if t < 5 else 2",
    ]  # fmt: skip
    system = ode.System(
        [f"dx{index} = {term}" for index, term in enumerate(terms)],
        {f"x{index}": 0.0 for index in range(len(terms))}, {"u": 0.7}, name="functions",
    )  # fmt: skip
    found = []
    for target in ("cuda", "cpu"):
        solver = ode.Solver(system, target=target, method="rk4", keep=keep)
        found.append(solver.solve((0, 1), dt=1.0).final[0])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-13)


def saturating(x, half):
    if x <= 0:
        return 0.0
    return 2.0 * x / (half + x)


def slope(t, y, p):
    return (p.a * saturating(y.x, 0.5) - y.x,)


def test_users_functions_run_there(keep):
    for system in (
        ode.System("dx = a*f(x, 0.5) - x", {"x": 1.0}, {"a": 1.0}, functions={"f": saturating}),
        ode.System(slope, {"x": 1.0}, {"a": 1.0}),
    ):
        there, here = both(system, keep, "tsit5", parameters={"a": np.linspace(0.5, 2, 100)})
        np.testing.assert_allclose(there.final, here.final, rtol=1e-9)


@pytest.mark.filterwarnings("ignore::emberkeep.SolveWarning")
@pytest.mark.parametrize("method", OPTIONS)
def test_failures_are_told_apart_and_neighbours_are_untouched(method, keep):
    k, s = np.full(5000, 0.1), np.zeros(5000)
    k[[7, 4000]], s[63] = 2.0, -1.0
    given = {"save_at": [0, 0.25, 0.75], "outputs": ["states", "final"]}
    solver = ode.Solver(GROWER, target="cuda", method=method, keep=keep)
    sick = solver.solve((0, 1), parameters={"k": k, "s": s}, **given, **OPTIONS[method])
    well = solver.solve((0, 1), parameters={"k": np.full(5000, 0.1)}, **given, **OPTIONS[method])
    blown = NOT_FINITE if method == "rk4" else STEP_TOO_SMALL
    assert {int(run): int(sick.status[run]) for run in sick.failed} == {
        7: blown,
        63: NOT_FINITE,
        4000: blown,
    }
    good = np.delete(np.arange(5000), [7, 63, 4000])
    np.testing.assert_array_equal(sick.final[good], well.final[good])
    np.testing.assert_array_equal(sick.states[good], well.states[good])
    assert np.isnan(sick.final[[7, 63, 4000]]).all()
    assert np.isnan(sick.states[7, 2:]).all()
    np.testing.assert_allclose(sick.states[7, 1], 2, rtol=1e-4)
    if method == "rk4":
        return
    limited = solver.solve((0, 1), parameters={"k": 0.999999}, max_steps=20, **OPTIONS[method])
    assert limited.status.tolist() == [TOO_MANY_STEPS]


@pytest.mark.filterwarnings("ignore::emberkeep.SolveWarning")
@pytest.mark.parametrize("method", ["tsit5", "vern7"])
@pytest.mark.parametrize("large", [False, True])
def test_stiff_trajectories_end_early(large, method, keep):
    more = {f"s{index}": 1.0 for index in range(26)} if large else {}
    system = ode.System(
        {"x": "-k*(x - cos(t))", **{name: f"-{name}" for name in more}},
        {"x": 1.0, **more},
        {"k": 1.0},
        name="follower",
    )
    k = np.random.default_rng(3).permutation(np.geomspace(0.1, 1e7, 500))
    given = {"parameters": {"k": k}, "max_steps": 70_000, "outputs": ["final", "steps", "reached"]}
    there, here = (
        ode.Solver(system, target=target, method=method, keep=keep).solve((0, 100), **given)
        for target in ("cuda", "cpu")
    )
    assert set(there.status.tolist()) == {SUCCESS, STIFF}
    # What decides is steps that rounding changes: at the borders, they may differ.
    assert (there.status == here.status).mean() > 0.98
    good = (there.status == SUCCESS) & (here.status == SUCCESS)
    np.testing.assert_allclose(there.final[good], here.final[good], rtol=1e-4, atol=1e-5)
    hopeless = k > 1e6
    assert (there.status[hopeless] == STIFF).all()
    assert (there.steps[hopeless].sum(axis=1) < 10_000).all()
    assert (there.reached[there.status == SUCCESS] == 100).all()
    np.testing.assert_allclose(there.reached[hopeless], here.reached[hopeless], rtol=0.3)


@pytest.mark.filterwarnings("ignore::emberkeep.SolveWarning")
@pytest.mark.parametrize("method", OPTIONS)
def test_times_that_are_reached(method, keep):
    x = np.linspace(0.1, 4, 1000)
    system = ode.System("dx = x^2", {"x": 1.0}, name="squared")
    found = ode.Solver(system, target="cuda", method=method, keep=keep).solve(
        (0, 1), initial={"x": x}, save_at=0.125, outputs=["states", "reached"], **OPTIONS[method]
    )
    assert (found.reached[x < 0.99] == 1).all()
    late = x > 1.3
    if method == "tsit5":
        np.testing.assert_allclose(found.reached[late], 1 / x[late], rtol=1e-4)
    else:
        last = np.isfinite(found.states[..., 0]).sum(axis=1) - 1
        np.testing.assert_array_equal(found.reached, found.t[last])


@pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "by way of stages"])
@pytest.mark.parametrize("method", OPTIONS)
def test_chunks_change_nothing(method, pinned, keep, monkeypatch):
    """Chunks of odd sizes, through all slots several times, with results of either kind."""
    rho = np.linspace(20, 28, 10_001)
    solver = ode.Solver(LORENZ, target="cuda", method=method, keep=keep)
    given = {"save_at": 0.25, "outputs": ["states", "final"], **OPTIONS[method]}
    whole = solver.solve((0, 1), parameters={"rho": rho}, **given)
    monkeypatch.setattr(running, "LEAST_CHUNK", 1 << 10)
    monkeypatch.setattr(running, "MOST_PINNED_BYTES", 1 << 40 if pinned else 0)
    for chunks in (3, 8):
        monkeypatch.setattr(running, "CHUNKS", chunks)
        again = ode.Solver(LORENZ, target="cuda", method=method, keep=keep).solve(
            (0, 1), parameters={"rho": rho}, **given
        )
        np.testing.assert_array_equal(again.final, whole.final)
        np.testing.assert_array_equal(again.states, whole.states)
        np.testing.assert_array_equal(again.status, whole.status)


def test_a_grid_needs_no_array_of_all_combinations(keep, monkeypatch):
    monkeypatch.setattr(running, "LEAST_CHUNK", 1 << 10)
    given = {"parameters": {"rho": np.linspace(20, 28, 101), "sigma": np.linspace(9, 11, 53)}}
    given |= {"grid": "combinations", "initial": {"x": np.array([1.0, 2.0])}}
    there, here = both(LORENZ, keep, "rk4", **given)
    assert there.final.shape == (101 * 53 * 2, 3)
    np.testing.assert_array_equal(there.final, here.final)


def test_outputs_change_between_chunked_solves_of_one_solver(keep, monkeypatch):
    """What hung the peer: buffers of one set of outputs, used for another."""
    monkeypatch.setattr(running, "LEAST_CHUNK", 1 << 10)
    solver = ode.Solver(LORENZ, target="cuda", keep=keep)
    expected = {}
    for turn in range(3):
        for outputs, save_at, runs in (
            (("final",), None, 9000), (("states",), 0.1, 5000), (("states", "final"), 0.05, 12_000),
            (("final",), None, 100),
        ):  # fmt: skip
            rho = np.linspace(20, 28, runs)
            result = solver.solve((0, 1), parameters={"rho": rho}, outputs=outputs, save_at=save_at)
            found = [one for one in (result.states, result.final) if one is not None]
            known = expected.setdefault((outputs, runs), [one.copy() for one in found])
            for one, other in zip(found, known, strict=True):
                np.testing.assert_array_equal(one, other, err_msg=str(turn))


def test_results_keep_their_memory_and_give_it_back(keep):
    solver = ode.Solver(LORENZ, target="cuda", keep=keep)
    rho = np.linspace(20, 28, 4096)
    first = solver.solve((0, 1), parameters={"rho": rho})
    values, kept = first.final[:, 1], first.final.copy()
    address = first.final.__array_interface__["data"][0]
    second = solver.solve((0, 1), parameters={"rho": rho + 1})
    assert second.final.__array_interface__["data"][0] != address
    np.testing.assert_array_equal(first.final, kept)
    del first
    third = solver.solve((0, 1), parameters={"rho": rho + 2})
    np.testing.assert_array_equal(values, kept[:, 1])  # a view holds it as well
    assert third.final.__array_interface__["data"][0] != address
    del values
    fourth = solver.solve((0, 1), parameters={"rho": rho})
    assert fourth.final.__array_interface__["data"][0] == address
    np.testing.assert_array_equal(fourth.final, kept)


ENDLESS = """
import sys, time
import numpy as np
from emberkeep import Keep, ode
solver = ode.Solver(
    ode.System("dx = -k*x", {"x": 1.0}, {"k": 1.0}, name="decay"), target="cuda",
    method=sys.argv[2], keep=Keep(sys.argv[1]),
)
solver.solve((0, 1), dt=0.1)
print("ready", flush=True)
try:
    solver.solve((0, 1e6), dt=1e-7, dt_max=1e-7, max_steps=10**15, parameters={"k": np.ones(5000)})
except KeyboardInterrupt:
    print("interrupted", flush=True)
    print(solver.solve((0, 1), dt=0.1).failed.size, flush=True)
"""


@pytest.mark.parametrize("method", OPTIONS)
def test_ctrl_c_ends_a_long_solve_and_the_device_works_on(method, tmp_path):
    command = [sys.executable, "-c", ENDLESS, tmp_path, method]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(1)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert time.monotonic() - sent < 1
        assert process.stdout.readline() == "0\n"
        assert process.wait(20) == 0


def test_auto_takes_the_gpu(keep):
    assert ode.Solver(LORENZ, keep=keep).target.name == "cuda"


def test_a_kept_solve_on_the_gpu_imports_no_compiler(tmp_path):
    program = (
        "import sys, numpy\n"
        "from emberkeep import Keep, ode\n"
        "system = ode.System('dx = -x', {'x': 1.0}, name='d')\n"
        "solver = ode.Solver(system, target='cuda', keep=Keep(sys.argv[1]))\n"
        "found = solver.solve((0, 1)).final[0, 0]\n"
        "compilers = ('cuda.bindings.nvrtc', 'numba', 'sympy', 'llvmlite')\n"
        "print(found, *[name for name in compilers if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", program, tmp_path]
    cold, warm = (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    )
    assert cold[1:] == ["cuda.bindings.nvrtc"]
    assert warm == cold[:1]


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("method", OPTIONS)
@pytest.mark.parametrize("states", [1, 30])
def test_drivers_run_there(states, method, precision, keep, monkeypatch):
    """Of each kind, for all or for each, in chunks that have their own."""
    monkeypatch.setattr(running, "LEAST_CHUNK", 1 << 10)
    driven = ode.System(
        [f"dx{i} = a + b*c - x{i}" for i in range(states)] + ["seen = a*b*c"],
        {f"x{i}": 0.0 for i in range(states)},
        drivers={"a": "linear", "b": "step", "c": "cubic"},
        observables=["seen"],
        name="driven",
    )
    random = np.random.default_rng(0)
    runs, at = 5001, np.sort(random.uniform(-0.1, 1.1, 40))
    at[[0, -1]] = -0.1, 1.1
    each = random.normal(size=(runs, 40))
    drivers = {
        "a": ode.Driver(at, each),
        "b": ode.Driver(np.linspace(0.1, 0.4, 7), [1, 2, 3, 4, 3, 2, 1], "periodic"),
        "c": ode.Driver(np.linspace(0.2, 0.9, 30), random.normal(size=30), "hold"),
    }
    given = {
        "drivers": drivers,
        "save_at": np.linspace(0.01, 0.99, 9),
        "outputs": ["states", "final"],
    }
    if precision == "float64":
        given |= {"rtol": 1e-10, "atol": 1e-11}
    there, here = both(driven, keep, method, precision, **given)
    error = 1e-8 if precision == "float64" else 2e-3
    np.testing.assert_allclose(there["seen"], here["seen"], rtol=error, atol=error)
    np.testing.assert_allclose(there.final, here.final, rtol=error, atol=error)
    expected = np.array([np.interp(there.t, at, row) for row in each[::1000]])
    b = np.array([1, 2, 3, 4, 3, 2])[((there.t - 0.1) % 0.3 / 0.05 + 1e-9).astype(int)]
    # The third one is the same for all.
    c = np.median(here["seen"][::1000] / (expected * b), axis=0)
    np.testing.assert_allclose(here["seen"][::1000], expected * b * c, rtol=error, atol=error)
