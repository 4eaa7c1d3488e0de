"""Stiff trajectories are told as such, and early; what is hard for other reasons is not."""

import math
import runpy
from pathlib import Path

import numpy as np
import pytest

from emberkeep import SolveFailed, ode
from emberkeep.ode.compilation import Compilation
from emberkeep.ode.control.presets import PRESETS
from emberkeep.ode.methods import FILES, numbers_of
from emberkeep.ode.plan import make_plan
from emberkeep.ode.status import STEP_TOO_SMALL, STIFF, SUCCESS, TOO_MANY_STEPS

gpu = runpy.run_path(Path(__file__).parent / "gpu_on_host.py")
pytestmark = pytest.mark.filterwarnings("ignore::emberkeep.SolveWarning")

EXPLICIT = [name for name in sorted(FILES) if math.isfinite(numbers_of(name).stability_limit)]
ADAPTIVE = [name for name in EXPLICIT if numbers_of(name).is_adaptive]
MANY = 26  # states: more than are written out
OUTPUTS = ["final", "steps"]

ROBERTSON = ode.System(
    "dx = -k1*x + k3*y*z; dy = k1*x - k3*y*z - k2*y^2; dz = k2*y^2",
    {"x": 1.0, "y": 0.0, "z": 0.0},
    {"k1": 0.04},
    constants={"k2": 3e7, "k3": 1e4},
    name="robertson",
)
VAN_DER_POL = ode.System(
    "dx = v; dv = mu*(1 - x^2)*v - x", {"x": 2.0, "v": 0.0}, {"mu": 1.0}, name="van der pol"
)
FOLLOWER = ode.System("dx = -k*(x - cos(t))", {"x": 1.0}, {"k": 1.0}, name="follower")
HEAT = ode.System(
    [f"dx{i} = d*(x{(i + 1) % MANY} - 2*x{i} + x{(i - 1) % MANY})" for i in range(MANY)],
    {f"x{i}": float(np.cos(2 * np.pi * i / MANY)) for i in range(MANY)},
    {"d": 1.0},
    name="heat",
)
LORENZ = ode.System(
    "dx = 10*(y - x); dy = x*(rho - z) - y; dz = x*y - 8/3*z",
    {"x": 1.0, "y": 1.0, "z": 1.0},
    {"rho": 28.0},
    name="lorenz",
)


def solver(keep, system, method="tsit5", **more):
    return ode.Solver(system, method=method, target="cpu", keep=keep, **{"threads": 1, **more})


def solved(keep, system, span, method="tsit5", **more):
    return solver(keep, system, method).solve(span, outputs=OUTPUTS, **more)


def attempts(result):
    return result.steps.sum(axis=1)


# The limit --------------------------------------------------------------------------------------

# Hairer & Wanner, Solving ODEs II, IV.2; of orders up to 4, Taylor's polynomials.
LIMITS = {
    "euler": 2, "heun": 2, "kutta3": 2.5127, "bosh3": 2.5127, "rk4": 2.7853, "dopri5": 3.3066,
    "ssprk104": 13.917,
}  # fmt: skip


@pytest.mark.parametrize(("method", "limit"), LIMITS.items())
def test_limits_are_those_of_the_literature(method, limit):
    assert numbers_of(method).stability_limit == pytest.approx(limit, rel=2e-5)


@pytest.mark.parametrize("method", EXPLICIT)
def test_beyond_the_limit_and_only_there_steps_grow(method):
    """By taking steps: x' = -x, from the numbers of the method alone."""
    tableau = numbers_of(method)

    def after(h):
        slopes = []
        for row in ((), *tableau.stages):
            slopes.append(-1 - h * sum(a * k for a, k in zip(row, slopes, strict=False)))
        return abs(1 + h * sum(b * k for b, k in zip(tableau.weights, slopes, strict=True)))

    limit = tableau.stability_limit
    assert after(limit * 1.0001) > 1
    assert max(after(h) for h in np.linspace(1e-3, limit * 0.9999, 500)) <= 1


# What is stiff ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ADAPTIVE)
def test_every_method_gives_up_what_is_hopeless(method, keep):
    found = solved(keep, ROBERTSON, (0, 1e5), method, max_steps=200_000)
    assert found.status.tolist() == [STIFF]
    assert attempts(found) < 200_000 / 8
    assert np.isnan(found.final).all()
    # What it costs in vain is not what explicit methods cannot do at all.
    assert solved(keep, ROBERTSON, (0, 1), method).status.tolist() == [SUCCESS]


@pytest.mark.parametrize("controller", [name for name in PRESETS if name != "fixed"])
def test_every_controller_does(controller, keep):
    for system, span, given in (
        (ROBERTSON, (0, 1e5), {}),
        (VAN_DER_POL, (0, 2e4), {"parameters": {"mu": 1e4}}),
    ):
        found = solved(keep, system, span, controller=controller, max_steps=200_000, **given)
        assert found.status.tolist() == [STIFF]
        assert attempts(found) <= 200_000 / 8


@pytest.mark.parametrize("mu", [1e4, 1e5, 1e6])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-10])
def test_relaxation_that_is_slow_beside_its_decay(mu, tolerance, keep):
    found = solved(
        keep, VAN_DER_POL, (0, 2 * mu), parameters={"mu": mu}, rtol=tolerance, atol=tolerance
    )
    assert found.status.tolist() == [STIFF]
    assert attempts(found) < 1_000_000 / 8


@pytest.mark.parametrize("method", ["tsit5", "vern7"])  # which begins with given slopes, or not
def test_large_systems(method, keep):
    found = solved(keep, HEAT, (0, 1e9), method, parameters={"d": [1.0, 1e-9, 2.0]})
    assert found.status.tolist() == [STIFF, SUCCESS, STIFF]
    assert (attempts(found) < 1_000_000 / 8).all()
    rate = 2 * (1 - np.cos(2 * np.pi / MANY))
    exact = np.cos(2 * np.pi * np.arange(MANY) / MANY) * np.exp(-rate)
    assert found.final[1] == pytest.approx(exact, abs=1e-5)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("span", [(0, 10), (10, 0)], ids=["forwards", "backwards"])
def test_in_either_precision_and_direction(precision, span, keep):
    k = 1e7 if span[0] == 0 else -1e7
    one = solver(keep, FOLLOWER, precision=precision)
    start = {"x": np.cos(span[0])}
    given = {"initial": start, "rtol": 1e-4, "atol": 1e-4, "outputs": OUTPUTS}
    found = one.solve(span, parameters={"k": k}, **given)
    assert found.status.tolist() == [STIFF]
    assert attempts(found) < 1_000_000 / 8
    assert one.solve(span, parameters={"k": 0.0}, **given).status.tolist() == [SUCCESS]


def test_before_and_behind_jumps(keep):
    system = ode.System(
        "dx = -1e6*(x - where(t < jump, 0, 1))", {"x": 0.0}, {"jump": 0.5}, name="jumping"
    )
    found = solved(keep, system, (0, 1e4), parameters={"jump": [0.02, 5e3]})
    assert found.status.tolist() == [STIFF, STIFF]
    assert (attempts(found) < 1_000_000 / 8).all()


def test_across_many_jumps(keep):
    """All of them are alike, and none is the last."""
    system = ode.System(
        "dx = -1e6*(x - where(mod(t, 0.01) < 0.005, 0, 1))", {"x": 0.0}, name="pulsed"
    )
    found = solved(keep, system, (0, 1e4))
    assert found.status.tolist() == [STIFF]
    assert (attempts(found) < 1_000_000 / 8).all()


@pytest.mark.parametrize("kind", ["linear", "cubic", "step"])
@pytest.mark.parametrize("large", [False, True])
def test_behind_drivers(kind, large, keep):
    more = {f"s{i}": 1.0 for i in range(MANY)} if large else {}
    equations = {"x": "-1e6*(x - u)", **{name: f"-{name}" for name in more}}
    system = ode.System(equations, {"x": 1.0, **more}, drivers={"u": kind}, name="driven")
    # Knots come late, or often; of cubic splines, steps end at few of them.
    for count in (3,) if kind == "cubic" else (3, 300_001):
        knots = np.linspace(0, 1e4, count)
        found = solved(keep, system, (0, 1e4), drivers={"u": (knots, 1.5 + np.cos(knots))})
        assert found.status.tolist() == [STIFF]
        assert attempts(found) < 1_000_000 / 8


def settled(x):
    """Nothing that can be written as formulas."""
    while x > 2:
        x *= 0.5
    return x


@pytest.mark.parametrize("large", [False, True])
def test_with_functions_of_the_users(large, keep):
    pytest.importorskip("numba")
    more = {f"s{i}": 1.0 for i in range(MANY)} if large else {}
    equations = {"x": "-1e6*(settled(x) - 1)", **{name: f"-{name}" for name in more}}
    system = ode.System(
        equations, {"x": 1.5, **more}, functions={"settled": settled}, name="settling"
    )
    assert solved(keep, system, (0, 1e4), max_steps=100_000).status.tolist() == [STIFF]


def test_what_only_runs_out_of_attempts(keep):
    one = solver(keep, ROBERTSON)
    for limit in (500, 1500, 5000, 30_000):
        held = one.solve((0, limit / 600), max_steps=limit, outputs=OUTPUTS)
        assert held.status.tolist() == [STIFF]
        assert 0.8 * limit < attempts(held)[0] <= limit
    free = one.solve((0, 8), outputs=OUTPUTS)
    assert free.status.tolist() == [SUCCESS]
    needed = int(attempts(free)[0])
    again = one.solve((0, 8), outputs=OUTPUTS, max_steps=needed)
    assert np.array_equal(again.final, free.final)
    assert one.solve((0, 8), max_steps=needed - 1).status.tolist() == [STIFF]


def test_what_needs_steps_below_the_shortest(keep):
    found = solved(keep, FOLLOWER, (0, 10), parameters={"k": [1.0, 1e6]}, dt_min=1e-3)
    assert found.status.tolist() == [SUCCESS, STIFF]


# What is not ------------------------------------------------------------------------------------

TOLERANCES = [1e-2, 1e-4, 1e-6, 1e-9, 1e-12]


@pytest.mark.parametrize("method", ["tsit5", "dopri5", "vern9", "dop853", "bs5"])
def test_chaos(method, keep):
    one = solver(keep, LORENZ, method)
    for tolerance in TOLERANCES:
        for limit in (300, 3000, 20_000):
            found = one.solve((0, 1e6), max_steps=limit, rtol=tolerance, atol=tolerance)
            assert found.status.tolist() == [TOO_MANY_STEPS], (tolerance, limit)


def test_oscillations_however_fast(keep, oscillator):
    one = solver(keep, oscillator)
    w = np.geomspace(1, 1e8, 9)
    for tolerance in TOLERANCES:
        for limit in (500, 20_000):
            found = one.solve(
                (0, 1e6), parameters={"w": w}, max_steps=limit, rtol=tolerance, atol=tolerance
            )
            assert (found.status == TOO_MANY_STEPS).all(), (tolerance, limit)


def pleiades():
    """Seven stars (Hairer, Nørsett & Wanner, Solving ODEs I, II.10)."""
    equations = {}
    for i in range(1, 8):
        others = [j for j in range(1, 8) if j != i]
        cubes = {j: f"((x{i} - x{j})^2 + (y{i} - y{j})^2)^1.5" for j in others}
        equations[f"x{i}"], equations[f"y{i}"] = f"u{i}", f"v{i}"
        for axis, speed in (("x", "u"), ("y", "v")):
            pulls = (f"{j}*({axis}{j} - {axis}{i})/{cubes[j]}" for j in others)
            equations[f"{speed}{i}"] = " + ".join(pulls)
    starts = {
        "x": [3, 3, -1, -3, 2, -2, 2], "y": [3, -3, 2, 0, 0, -4, 4],
        "u": [0, 0, 0, 0, 0, 1.75, -1.5], "v": [0, 0, 0, -1.25, 1, 0, 0],
    }  # fmt: skip
    states = {
        f"{name}{i}": float(value)
        for name, values in starts.items()
        for i, value in enumerate(values, 1)
    }
    return ode.System(equations, states, name="pleiades")


def test_stars_that_meet(keep):
    one = solver(keep, pleiades())
    assert one.solve((0, 3)).status.tolist() == [SUCCESS]
    for tolerance in TOLERANCES[1:]:
        for limit in range(20, 400, 20):
            found = one.solve((0, 3), max_steps=limit, rtol=tolerance, atol=tolerance)
            assert found.status[0] in (SUCCESS, TOO_MANY_STEPS), (tolerance, limit)


def test_singularities(keep, blowup):
    found = solved(keep, blowup, (0, 20), initial={"x": [0.01, 0.1, 1.0, 1e6]})
    assert found.status.tolist() == [SUCCESS] + [STEP_TOO_SMALL] * 3
    limited = solved(keep, blowup, (0, 20), initial={"x": [0.1, 1.0]}, max_steps=50)
    assert limited.status.tolist() == [TOO_MANY_STEPS] * 2


def test_jumps_that_follow_from_states(keep):
    """Where slopes change sides again and again, they have no slope of their own."""
    system = ode.System(
        "dx = where(x > 0, -1, 1) + 0.5*cos(t); dy = 1", {"x": 0.3, "y": 0.0}, name="sliding"
    )
    for limit in (300, 3000, 20_000):
        found = solved(keep, system, (0, 100), max_steps=limit)
        assert found.status[0] in (STEP_TOO_SMALL, TOO_MANY_STEPS), limit


def test_fast_beginnings_that_end(keep):
    """As it began, it would have been hopeless; but steps grow as what decays fast does so less."""
    system = ode.System("dx = -k*exp(-3*t)*(x - 2)", {"x": 1.0}, {"k": 1e6}, name="fading")
    found = solved(keep, system, (0, 20), max_steps=130_000, parameters={"k": [1.0, 1e6]})
    assert found.status.tolist() == [SUCCESS, SUCCESS]
    assert found.final[:, 0] == pytest.approx(2 - np.exp(-np.array([1.0, 1e6]) / 3), abs=1e-5)
    assert attempts(found)[1] > 80_000


def test_what_is_stiff_until_it_is_switched(keep):
    """It cannot be known what is behind a jump."""
    system = ode.System(
        "dx = -where(t < end, 1e5, 1)*(x - cos(t))", {"x": 1.0}, {"end": 2.0}, name="switched"
    )
    found = solved(keep, system, (0, 1000), parameters={"end": [0.0, 2.0, 200.0]}, max_steps=70_000)
    assert found.status.tolist() == [SUCCESS, SUCCESS, STIFF]
    assert attempts(found)[1] > 50_000
    assert attempts(found)[2] < 70_000 / 8


# Of each trajectory alone -----------------------------------------------------------------------


def test_neighbours_threads_and_batches_change_nothing(keep):
    rng = np.random.default_rng(3)
    k = rng.permutation(np.geomspace(0.1, 1e7, 70))
    given = {"max_steps": 70_000, "outputs": OUTPUTS}
    whole = solver(keep, FOLLOWER).solve((0, 100), parameters={"k": k}, **given)
    assert set(whole.status.tolist()) == {SUCCESS, STIFF}
    early = (whole.status == STIFF) & (attempts(whole) < 70_000)
    assert early.any()
    assert ((whole.status == STIFF) & ~early).any()
    # Whatever needs more attempts than there are is stiff, and nothing else.
    free = solver(keep, FOLLOWER).solve((0, 100), parameters={"k": k[k < 1e5]}, **given)
    assert np.array_equal(free.status == SUCCESS, whole.status[k < 1e5] == SUCCESS)
    for threads in (2, 3):
        again = solver(keep, FOLLOWER, threads=threads).solve(
            (0, 100), parameters={"k": k}, **given
        )
        assert again.final.tobytes() == whole.final.tobytes()
        assert np.array_equal(again.status, whole.status)
        assert np.array_equal(again.steps, whole.steps)
    for run in (*np.flatnonzero(early)[:3], *np.flatnonzero(whole.status == SUCCESS)[:3]):
        alone = solver(keep, FOLLOWER).solve((0, 100), parameters={"k": k[run]}, **given)
        assert alone.status[0] == whole.status[run]
        assert alone.final.tobytes() == whole.final[run].tobytes()
        assert np.array_equal(alone.steps[0], whole.steps[run])


def test_times_to_save_change_nothing(keep):
    given = {"max_steps": 100_000, "parameters": {"k1": [0.03, 0.05]}}
    plain = solved(keep, ROBERTSON, (0, 1e5), **given)
    saved = solver(keep, ROBERTSON).solve(
        (0, 1e5), save_at=[0, 1, 1e4], outputs=["states", "steps"], **given
    )
    assert np.array_equal(saved.steps, plain.steps)
    assert saved.status.tolist() == plain.status.tolist() == [STIFF, STIFF]
    assert np.isfinite(saved.states[:, :2]).all()
    assert np.isnan(saved.states[:, 2]).all()


# What is said -----------------------------------------------------------------------------------


def test_it_is_said_what_to_do(keep):
    result = solved(keep, ROBERTSON, (0, 1e5), max_steps=100_000)
    with pytest.raises(SolveFailed) as told:
        result.require_success()
    text = str(told.value)
    assert "Of 1 trajectories of robertson, 1 failed: 1 turned out stiff: what decays fast" in text
    assert "implicit method, such as method='rodas5p'" in text
    assert "raise max_steps many times" in text
    assert "turned out stiff" in repr(result)


def test_gpus_can_be_given_it():
    nvrtc = pytest.importorskip("emberkeep.targets.cuda.nvrtc")
    from emberkeep.targets.cuda.target import CudaTarget

    for system, method in ((ROBERTSON, "tsit5"), (HEAT, "vern7")):
        plan = make_plan(system, method_name=method, outputs=None, precision="float64", saves=False)
        source = Compilation(plan).source(CudaTarget("sm_90"))
        assert "volatile integer looks" in source.text
        assert nvrtc.compile_source(source, "sm_90")[0].startswith(b"\x7fELF")


@pytest.mark.skipif(not gpu["HAS_COMPILER"], reason="there is no g++")
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("method", ["tsit5", "vern7"])
def test_what_a_gpu_does(method, large, keep, tmp_path):
    """The same as a CPU, but for steps that are a little different."""
    more = {f"s{i}": 1.0 for i in range(MANY)} if large else {}
    equations = {"x": "-k*(x - cos(t))", **{name: f"-{name}" for name in more}}
    system = ode.System(equations, {"x": 1.0, **more}, {"k": 1.0}, name="follower")
    given = {
        "parameters": {"k": [1.0, 1e7, 300.0, 1e6, 4000.0]},
        "max_steps": 70_000,
        "outputs": ["final", "steps", "reached"],
    }
    here, there = solver(keep, system, method), solver(keep, system, method)
    there._runner = gpu["Threads"](tmp_path)
    one, other = here.solve((0, 100), **given), there.solve((0, 100), **given)
    assert one.status.tolist() == other.status.tolist() == [SUCCESS, STIFF, SUCCESS, STIFF, STIFF]
    assert (attempts(other)[[1, 3]] < 10_000).all()
    assert attempts(other) == pytest.approx(attempts(one), rel=0.3)
    assert other.reached == pytest.approx(one.reached, rel=0.3)
    good = one.status == SUCCESS
    assert (other.reached[good] == 100).all()
    assert other.final[good] == pytest.approx(one.final[good], rel=1e-4, abs=1e-5)
