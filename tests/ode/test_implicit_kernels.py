"""Implicit steps, compiled: stiff systems are solved; what goes wrong is told, each by itself."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from emberkeep import InvalidSystem, SolveFailed, ode
from emberkeep.ode.status import (
    NO_JACOBIAN,
    NOT_CONVERGED,
    NOT_FINITE,
    SINGULAR,
    STEP_TOO_SMALL,
    SUCCESS,
    TOO_MANY_STEPS,
)

gpu = runpy.run_path(Path(__file__).parent / "gpu_on_host.py")
pytestmark = pytest.mark.filterwarnings("ignore::emberkeep.SolveWarning")

METHODS = ["rodas5p", "kvaerno5", "radau-iia-5", "bdf"]
MANY = 26  # states: more than are written out

ROBERTSON = ode.System(
    "dx = -k1*x + 1e4*y*z; dy = k1*x - 1e4*y*z - 3e7*y^2; dz = 3e7*y^2",
    {"x": 1.0, "y": 0.0, "z": 0.0},
    {"k1": 0.04},
    name="robertson",
)
FOLLOWER = ode.System("dx = -k*(x - cos(t))", {"x": 1.0}, {"k": 1.0}, name="follower")
DIFFUSION = ode.System(
    [f"dx{i} = d*(x{(i + 1) % MANY} - 2*x{i} + x{(i - 1) % MANY})" for i in range(MANY)],
    {f"x{i}": float(np.cos(2 * np.pi * i / MANY)) for i in range(MANY)},
    {"d": 1.0},
    name="diffusion",
)


def solver(keep, system, method="rodas5p", **more):
    return ode.Solver(system, method=method, target="cpu", keep=keep, **more)


# What is solved ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_robertson_over_eleven_decades(keep, method):
    """Against the end state of Hairer & Wanner, Solving ODEs II; what there is stays what it is."""
    found = solver(keep, ROBERTSON, method).solve(
        (0, 1e11), rtol=1e-8, atol=1e-15, outputs=["final", "steps"]
    )
    x, y, z = found.require_success().final[0]
    assert x == pytest.approx(0.2083340149701255e-07, rel=1e-5)
    assert y == pytest.approx(0.8333360770334713e-13, rel=1e-5)
    assert x + y + z == pytest.approx(1.0, abs=1e-12)
    assert found.steps.sum() < (2000 if method == "bdf" else 1500)


def followed(times, rate):
    """The solution of x' = -k(x - cos t) from 1, in closed form."""
    square = 1 + rate**2
    forced = (rate**2 * np.cos(times) + rate * np.sin(times)) / square
    return forced + (1 - rate**2 / square) * np.exp(-rate * times)


@pytest.mark.parametrize("method", METHODS)
def test_what_depends_on_time(keep, method):
    """Also where it is stiff beyond all measure, and between steps."""
    rates, times = 10.0 ** np.arange(-1, 9), np.linspace(0, 3, 31)
    found = solver(keep, FOLLOWER, method).solve(
        (0, 3), parameters={"k": rates}, save_at=times, rtol=1e-8, atol=1e-10
    )
    expected = followed(times, rates[:, None])
    found = found.require_success()["x"]
    np.testing.assert_allclose(found[:6], expected[:6], atol=1e-7)
    # Where all follows what is slow, steps are so long that an interpolant is less accurate.
    bound = 1e-7 if method == "kvaerno5" else 2e-4
    np.testing.assert_allclose(found, expected, atol=bound)
    ends = solver(keep, FOLLOWER, method).solve(
        (0, 3), parameters={"k": rates}, rtol=1e-8, atol=1e-10
    )
    np.testing.assert_allclose(ends["x"], expected[:, -1], atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_many_states(keep, method, precision):
    """A wave on a ring decays by one rate."""
    rates = np.array([0.1, 10.0, 1e4])
    found = solver(keep, DIFFUSION, method, precision=precision).solve(
        (0, 1), parameters={"d": rates}, rtol=1e-5, atol=1e-6
    )
    decay = rates * (2 - 2 * np.cos(2 * np.pi / MANY))
    expected = np.exp(-decay)[:, None] * np.cos(2 * np.pi * np.arange(MANY) / MANY)
    np.testing.assert_allclose(found.require_success().final, expected, atol=2e-5)


@pytest.mark.parametrize("method", METHODS)
def test_backwards(keep, method):
    growing = ode.System("dx = x*cos(t)", {"x": np.exp(np.sin(2.0))}, name="growing")
    found = solver(keep, growing, method).solve((2, 0), rtol=1e-9, atol=1e-11)
    assert found["x"] == pytest.approx(1.0, rel=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_jumps_in_time_are_seen(keep, method):
    """A pulse between steps, and slopes in time that are those of its own side."""
    pulsed = ode.System(
        "dx = -k*x + where(t < 1, t, where(t < 1.01, 100*k, 0))",
        {"x": 0.0},
        {"k": 2.0},
        name="pulsed",
    )
    found = solver(keep, pulsed, method).solve((0, 2), rtol=1e-9, atol=1e-11)
    k, ramp = 2.0, (1 / 2.0 - (1 - np.exp(-2.0)) / 4.0)
    after = 100 + (ramp - 100) * np.exp(-k * 0.01)
    assert found["x"] == pytest.approx(after * np.exp(-k * 0.99), rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_drivers_are_part_of_slopes_in_time(keep, method):
    driven = ode.System("dx = -k*(x - u)", {"x": 0.0}, {"k": 1e4}, drivers={"u": "cubic"})
    times = np.linspace(0, 3, 61)
    found = solver(keep, driven, method).solve(
        (0, 3), drivers={"u": ode.Driver(times, np.sin(times))}, rtol=1e-8, atol=1e-9
    )
    k = 1e4
    exact = (k**2 * np.sin(3.0) - k * np.cos(3.0)) / (1 + k**2)
    assert found["x"] == pytest.approx(exact, abs=1e-6)


# Each by itself ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_bits_do_not_depend_on_neighbours(keep, method):
    rates = 0.04 * 10 ** np.random.default_rng(0).uniform(-1, 1, 50)
    one = solver(keep, ROBERTSON, method, threads=2)
    options = {"rtol": 1e-6, "atol": 1e-10, "outputs": ["final", "steps"]}
    whole = one.solve((0, 1e4), parameters={"k1": rates}, **options)
    for begin, end in ((0, 1), (7, 9), (20, 50)):
        part = one.solve((0, 1e4), parameters={"k1": rates[begin:end]}, **options)
        np.testing.assert_array_equal(part.final, whole.final[begin:end])
        np.testing.assert_array_equal(part.steps, whole.steps[begin:end])


@pytest.mark.skipif(not gpu["HAS_COMPILER"], reason="there is no C++ compiler")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("system", [ROBERTSON, DIFFUSION], ids=["small", "large"])
def test_a_gpu_is_given_the_same(keep, method, system, monkeypatch, tmp_path):
    name = next(iter(system.parameters))
    values = {name: system.parameters[name] * np.geomspace(0.3, 3, 9)}
    one = solver(keep, system, method)
    options = {"parameters": values, "rtol": 1e-6, "atol": 1e-10, "outputs": ["final", "steps"]}
    expected = one.solve((0, 10), **options)
    monkeypatch.setattr(one, "_runner", gpu["Threads"](tmp_path))
    found = one.solve((0, 10), **options)
    np.testing.assert_allclose(found.final, expected.final, rtol=1e-6, atol=1e-11)
    assert np.abs(found.steps - expected.steps).max() <= 2


# What goes wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_an_infinite_slope_of_slopes_is_told(keep, method):
    """At zero, where it stays, a root's own derivative is infinite; neighbours are not touched."""
    root = ode.System("dx = a*(1 - sqrt(abs(x)))", {"x": 0.0}, {"a": 1.0}, name="root")
    starts, rates = np.array([1.0, 0.0, 4.0]), np.array([1.0, 0.0, 1.0])
    found = solver(keep, root, method).solve(
        (0, 1), initial={"x": starts}, parameters={"a": rates}, rtol=1e-6, atol=1e-8
    )
    assert found.status.tolist() == [SUCCESS, NO_JACOBIAN, SUCCESS]
    assert np.isnan(found["x"][1])
    assert found["x"][0] == pytest.approx(1.0)
    alone = solver(keep, root, method).solve((0, 1), initial={"x": 4.0}, rtol=1e-6, atol=1e-8)
    assert alone["x"] == found["x"][2]
    with pytest.raises(SolveFailed, match="Jacobian that is infinite or not-a-number"):
        found.require_success()


@pytest.mark.parametrize("method", METHODS)
def test_growth_without_bound_is_told(keep, method):
    blowing = ode.System("dx = x^2", {"x": 1.0}, name="blowing up")
    found = solver(keep, blowing, method).solve((0, 2), rtol=1e-6, atol=1e-8)
    assert found.status[0] in (STEP_TOO_SMALL, NOT_FINITE, NOT_CONVERGED)
    assert np.isnan(found["x"]).all()


def test_a_fixed_step_that_makes_the_matrix_singular_is_told(keep):
    """1/γ = hλ: there, and for that trajectory alone."""
    growing = ode.System("dx = r*x", {"x": 1.0}, {"r": 1.0}, name="growing")
    one = solver(keep, growing, "implicit-euler")
    found = one.solve((0, 1), parameters={"r": [8.0, 4.0, -4.0]}, dt=0.125)
    assert found.status.tolist() == [SINGULAR, SUCCESS, SUCCESS]
    np.testing.assert_allclose(found["x"][1:], [0.5**-8, 1.5**-8], rtol=1e-12)


def test_stages_that_do_not_converge_are_told(keep):
    """A slope that jumps with the state, across every way to go; neighbours converge."""
    jumping = ode.System("dx = where(x > 0, -k, k) + s*x", {"x": 0.3}, {"k": 1.0, "s": 1.0})
    one = solver(keep, jumping, "implicit-euler")
    found = one.solve((0, 1), parameters={"k": [1.0, 0.0]}, dt=0.25)
    assert found.status.tolist() == [NOT_CONVERGED, SUCCESS]
    assert found["x"][1] == pytest.approx(0.3 * 0.75**-4, rel=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_attempts_are_counted_out(keep, method):
    found = solver(keep, ROBERTSON, method).solve(
        (0, 1e5), max_steps=20, outputs=["final", "steps"], rtol=1e-6, atol=1e-10
    )
    assert found.status.tolist() == [TOO_MANY_STEPS]
    assert found.steps.sum() == 20


def test_what_is_not_followed_has_no_jacobian(keep):
    """And it is said before anything is compiled what can be done."""

    def steep(x):
        total = 0.0
        while total < x:
            total += 0.25
        return total

    unfollowed = ode.System("dx = -f(x)", {"x": 1.0}, functions={"f": steep}, name="unfollowed")
    with pytest.raises(InvalidSystem, match=r"no derivative of f.*needs no Jacobian"):
        solver(keep, unfollowed).solve((0, 1))


# Keys --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_no_number_of_a_solve_is_compiled_in(keep, method):
    one = solver(keep, ROBERTSON, method)
    one.solve((0, 1), rtol=1e-4, atol=1e-6)
    kernels = one._runner._kernels
    before = kernels.of(one.plan())
    one.solve((1, 7), rtol=1e-7, atol=[1e-6, 1e-9, 1e-6], dt=1e-3, parameters={"k1": 0.1})
    one.solve((7, 1), dt_max=0.5, max_steps=1000, controller="i", parameters={"k1": [0.0, 0.1]})
    assert len(kernels) == 1
    assert kernels.of(one.plan()) is before
