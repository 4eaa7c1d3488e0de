"""Sampled forcing: against NumPy's and SciPy's interpolation, closed forms and SciPy's solvers."""

import copy
import math
import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline

from emberkeep import ode
from emberkeep.errors import InvalidPlan, InvalidSystem
from emberkeep.ode.compilation import Compilation
from emberkeep.ode.drivers import make_tables
from emberkeep.ode.splines import coefficients
from emberkeep.ode.times import make_times

gpu = runpy.run_path(Path(__file__).parent / "gpu_on_host.py")
KINDS = ("linear", "cubic", "step")
METHODS = {"tsit5": {}, "bosh3": {}, "rk4": {"dt": 0.02}}


def relaxing(kind):
    """Follows its driver, which is an observable too."""
    text = "dx = k*(u - x); seen = u"
    return ode.System(
        text, {"x": 0.5}, {"k": 1.0}, drivers={"u": kind}, observables=["seen"], name="relaxing"
    )


def solver(keep, system, method="tsit5", precision="float64", threads=1):
    return ode.Solver(
        system, method=method, target="cpu", keep=keep, precision=precision, threads=threads
    )


def knots(form, count, seed=0):
    """From -2 to 6: equally far apart, at random, or with distances of all sizes."""
    random = np.random.default_rng(seed)
    if form == "regular":
        return np.linspace(-2, 6, count)
    distances = (
        random.uniform(size=count) if form == "random" else 10 ** random.uniform(-3, 2, count)
    )
    times = np.cumsum(distances)
    times = -2 + 8 * (times - times[0]) / (times[-1] - times[0])
    times[-1] = 6.0
    return times


def samples(count, seed=0):
    values = np.random.default_rng(seed + 100).normal(size=count)
    values[-1] = values[0]
    return values


def interpolated(kind, at, values, times, outside="refuse"):
    """What a driver is, by NumPy and SciPy."""
    if outside == "periodic":
        times = at[0] + np.mod(times - at[0], at[-1] - at[0])
    elif outside == "hold":
        times = np.clip(times, at[0], at[-1])
    place = np.searchsorted(at, times, side="right") - 1
    if kind == "step":
        return values[np.clip(place, 0, len(at) - 1)]
    if kind == "cubic":
        return CubicSpline(
            at, values, bc_type="periodic" if outside == "periodic" else "not-a-knot"
        )(times)
    place = np.clip(place, 0, len(at) - 2)
    slopes = np.diff(values) / np.diff(at)
    return values[place] + slopes[place] * (times - at[place])


def integral(kind, at, values, start, end):
    """Of a driver, exactly."""
    if kind == "cubic":
        return float(CubicSpline(at, values).integrate(start, end))
    edges = np.unique(np.clip([start, *at, end], min(start, end), max(start, end)))
    middles = (edges[1:] + edges[:-1]) / 2
    total = float(np.sum(interpolated(kind, at, values, middles) * np.diff(edges)))
    return total if end > start else -total


# Values -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 17, 64, 65, 500])
@pytest.mark.parametrize("form", ["regular", "random", "wild"])
@pytest.mark.parametrize("periodic", [False, True])
def test_cubic_splines_are_scipys(count, form, periodic):
    at = knots(form, count)
    values = np.stack([samples(count, seed) for seed in range(3)])
    found = coefficients("cubic", at, values, periodic=periodic)
    widths = np.diff(at)
    for row, one in zip(values, found, strict=True):
        spline = CubicSpline(at, row, bc_type="periodic" if periodic else "not-a-knot")
        for power in range(4):
            part, expected = (each * widths**power for each in (one[:, power], spline.c[3 - power]))
            sizes = np.abs(spline.c * widths ** np.arange(3, -1, -1)[:, None]).max()
            np.testing.assert_allclose(part, expected, rtol=1e-8, atol=1e-10 * sizes)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_values_are_those_of_numpy_and_scipy(kind, method, precision, keep):
    one = solver(keep, relaxing(kind), method, precision)
    error = 1e-9 if precision == "float64" else 2e-5
    for count in (2, 3, 40):
        for form in ("regular", "random", "wild"):
            at, values = knots(form, count), samples(count)
            times = np.unique([*np.linspace(-3, 7, 41), *at])
            for outside in ("hold", "periodic", "extrapolate"):
                expected = interpolated(kind, at, values, times, outside)
                for direction in (1, -1):
                    result = one.solve(
                        (-3, 7)[::direction],
                        drivers={"u": ode.Driver(at, values, outside)},
                        save_at=times[::direction],
                        **METHODS[method],
                    )
                    seen = result["seen"][0][::direction]
                    size = np.abs(expected).max() + np.abs(values).max()
                    np.testing.assert_allclose(seen, expected, rtol=0, atol=error * size)


@pytest.mark.parametrize("kind", KINDS)
def test_many_periods(kind, keep):
    at, values = np.linspace(-1, 23, 25), samples(25)
    times = np.linspace(0, 24 * 400, 777)
    driver = ode.Driver(at, values, "periodic")
    seen = solver(keep, relaxing(kind)).solve((0, 9600), drivers={"u": driver}, save_at=times)
    expected = interpolated(kind, at, values, times, "periodic")
    np.testing.assert_allclose(seen["seen"][0], expected, atol=1e-9)


# Integrals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["tsit5", "bosh3", "dopri5"])
@pytest.mark.parametrize("kind", ["linear", "step"])
def test_no_step_goes_across_a_corner_or_a_jump(kind, method, keep):
    """Between knots the right-hand side is a straight line, which all these methods integrate."""
    system = ode.System("dx = u", {"x": 0.0}, drivers={"u": kind}, name="integral")
    starts, ends = np.linspace(-2, 5.9, 23), np.linspace(-1.5, 6.0, 23)
    for form in ("regular", "random", "wild"):
        at, values = knots(form, 50), samples(50)
        driver = ode.Driver(at, values)
        for begins, stops in ((starts, ends), (ends, starts)):
            result = solver(keep, system, method).solve(
                (begins, stops), drivers={"u": driver}, outputs=["final", "steps"]
            )
            expected = [
                integral(kind, at, values, *span) for span in zip(begins, stops, strict=True)
            ]
            np.testing.assert_allclose(result["x"], expected, rtol=1e-11, atol=1e-12)
        if kind == "linear":
            whole = solver(keep, system, method).solve(
                (-2, 6), drivers={"u": driver}, outputs=["final", "steps"]
            )
            assert 49 <= whole.steps[0, 0] <= 49 + 15  # at a corner nothing begins anew


def test_steps_end_only_where_something_happens(keep):
    """A light that goes on and off, sampled each minute."""
    at = np.arange(0.0, 1441.0)
    values = ((at > 360) & (at <= 1080)).astype(float)
    for kind, most in (("linear", 25), ("step", 25)):
        system = ode.System("dx = u", {"x": 0.0}, drivers={"u": kind}, name="integral")
        found = solver(keep, system).solve(
            (0, 1440), drivers={"u": (at, values)}, outputs=["final", "steps"]
        )
        assert found["x"][0] == pytest.approx(720.0, rel=1e-12)
        assert found.steps.sum() < most


def test_nothing_of_a_cubic_spline_is_stepped_over(keep):
    """A pulse of a thousandth of the span, sampled finely or coarsely, far from all else."""
    system = ode.System("dx = u - 0*x", {"x": 0.0}, drivers={"u": "cubic"}, name="integral")
    for width in (1.0, 0.1):
        for count in (9, 50, 2000):
            near = np.linspace(-8, 8, count) * width
            at = np.concatenate([np.linspace(0, 300, 40), 314.15 + near, [330.0, 1000.0]])
            values = np.where(
                np.abs(at - 314.15) < 8.5 * width, np.exp(-(((at - 314.15) / width) ** 2)), 0
            )
            exact = CubicSpline(at, values).integrate(0, 1000)
            found = solver(keep, system).solve((0, 1000), drivers={"u": (at, values)})
            assert found["x"][0] == pytest.approx(exact, rel=2e-5)
    # And one that is smooth is stepped across.
    at = np.linspace(0, 20, 20_001)
    found = solver(keep, system).solve(
        (0, 20), drivers={"u": (at, np.sin(at))}, outputs=["final", "steps"]
    )
    assert found["x"][0] == pytest.approx(1 - math.cos(20), rel=1e-5)
    assert found.steps.sum() < 100


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_corner_costs_no_accuracy(precision, keep):
    """Between knots, x' = k (u - x) with a straight line u has a closed form."""
    at, values, k = knots("random", 30), samples(30), 1.7
    x = 0.5
    for width, value, rise in zip(np.diff(at), values, np.diff(values), strict=False):
        slope = rise / width
        x = (x - value + slope / k) * math.exp(-k * width) + value + rise - slope / k
    one = solver(keep, relaxing("linear"), precision=precision)
    tolerances = {"float64": [1e-4, 1e-7, 1e-10], "float32": [1e-4]}[precision]
    for rtol in tolerances:
        found = one.solve(
            (-2, 6), parameters={"k": k}, drivers={"u": (at, values)}, rtol=rtol, atol=rtol
        )
        assert abs(found["x"][0] - x) < 5 * rtol


@pytest.mark.parametrize("kind", KINDS)
def test_against_scipy_from_knot_to_knot(kind, keep):
    """A nonlinear oscillator whose driver is in products, too."""
    system = ode.System(
        "dx = y - 0.3*sin(x)^3 + u; dy = -x + u*v - 0.2*y",
        {"x": 1.0, "y": 0.0},
        drivers={"u": kind, "v": "linear"},
        name="oscillating",
    )
    at, other = knots("random", 25), knots("regular", 9)
    values, others = samples(25), samples(9, 1)
    edges = np.unique([*at, *other])
    for direction in (1, -1):
        y = np.array([1.0, 0.0])
        ordered = edges[::direction]
        for begin, end in zip(ordered[:-1], ordered[1:], strict=True):
            middle = (begin + end) / 2

            def slope(t, y, middle=middle):
                # On this side of a jump.
                u = interpolated(kind, at, values, middle if kind == "step" else t)
                v = interpolated("linear", other, others, t)
                return [y[1] - 0.3 * np.sin(y[0]) ** 3 + u, -y[0] + u * v - 0.2 * y[1]]

            y = solve_ivp(slope, (begin, end), y, method="DOP853", rtol=1e-11, atol=1e-12).y[:, -1]
        found = solver(keep, system).solve(
            (-2, 6)[::direction],
            drivers={"u": (at, values), "v": (other, others)},
            rtol=1e-9,
            atol=1e-11,
        )
        np.testing.assert_allclose(found.final[0], y, rtol=2e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_rates_of_observables_have_those_of_drivers(kind, keep):
    """Of seen = u² x + sin(u), along x' = u - x."""
    system = ode.System(
        "dx = u - x; seen = u^2*x + sin(u)",
        {"x": 1.0},
        drivers={"u": kind},
        observables=["seen"],
        name="rated",
    )
    at, values = knots("random", 9), samples(9)
    driver = ode.Driver(at, values, "hold")
    for method in ("tsit5", "rk4"):
        for time in (-1.3, 2.2, float(at[4]), 7.1):
            found = solver(keep, system, method).solve(
                (-2, 8),
                drivers={"u": driver},
                save_at=[time],
                outputs=["states", "derivative_max"],
                **({"dt": 0.05} if method == "rk4" else {}),
            )
            x, u, near = found["x"][0, 0], interpolated(kind, at, values, time, "hold"), 1e-7
            if kind == "linear":
                ahead = interpolated(kind, at, values, time + near, "hold")
                rate = (ahead - u) / near
            elif kind == "cubic":
                rate = CubicSpline(at, values)(time, 1) if time < 6 else 0.0
            else:
                rate = 0.0
            slope = u - x
            expected = 2 * u * rate * x + u**2 * slope + math.cos(u) * rate
            assert found.summary("derivative_max", "x")[0] == pytest.approx(slope, abs=1e-12)
            assert found.summary("derivative_max", "seen")[0] == pytest.approx(expected, abs=1e-6)


def lit(held, t, y, p):
    return held[0] + p.u, held[1] + y.x * p.u


def test_summaries_of_the_users_own_have_drivers(keep):
    one = solver(keep, relaxing("linear"))
    at, values = knots("random", 9), samples(9)
    times = np.linspace(-2, 6, 33)
    summary = ode.Summary("lit", (0.0, 0.0), lit)
    found = one.solve(
        (-2, 6), drivers={"u": (at, values)}, save_at=times, outputs=["states", summary]
    )
    u = np.interp(times, at, values)
    expected = [u.sum(), (u * found["x"][0]).sum()]
    np.testing.assert_allclose(found.summaries["lit"][0], expected, rtol=1e-12)


# Where equations come from ----------------------------------------------------------------------


def follows(t, y, p):
    return (p.k * (p.u - y.x),), {"seen": p.u}


def cannot_be_followed(t, y, p):
    if p.u > 0:  # a branch, which is compiled as it is
        return (p.k * (p.u - y.x),)
    return (p.k * p.u - p.k * y.x,)


def test_all_ways_to_write_equations_know_drivers(keep):
    import sympy

    x, u, k = sympy.symbols("x u k")
    forms = [
        ("dx = k*(u - x); seen = u", {"observables": ["seen"]}),
        ({"x": k * (u - x), "seen": u}, {"observables": ["seen"]}),
        (follows, {"observables": ["seen"]}),
        (cannot_be_followed, {}),
        ("dx = pull(u, x, k)", {"functions": {"pull": lambda u, x, k: k * (u - x)}}),
    ]
    at, values = knots("random", 12), samples(12)
    found = []
    for equations, more in forms:
        system = ode.System(equations, {"x": 0.5}, {"k": 1.0}, drivers=["u"], name="form", **more)
        result = solver(keep, system).solve((-2, 6), drivers={"u": (at, values)}, save_at=0.5)
        found.append(result["x"])
        if more.get("observables"):
            np.testing.assert_allclose(
                result["seen"][0], np.interp(result.t, at, values), atol=1e-14
            )
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-12)


@pytest.mark.parametrize("method", ["tsit5", "rk4"])
@pytest.mark.parametrize("kind", KINDS)
def test_large_systems(kind, method, keep):
    """So many states that their right-hand side is a function, which drivers have to reach."""
    count = 30
    equations = [f"dx{i} = {(-1) ** i}*u + {i}*v - x{i}*0" for i in range(count)]
    equations.append("both = u + v")
    states = {f"x{i}": 0.0 for i in range(count)}
    system = ode.System(
        equations, states, drivers={"v": "cubic", "u": kind}, observables=["both"], name="large"
    )
    at, other = knots("random", 20), np.linspace(-2, 6, 7)
    values, others = samples(20), samples(7, 1)
    steps = {"dt": 1e-3} if method == "rk4" else {"rtol": 1e-9, "atol": 1e-10}
    result = solver(keep, system, method).solve(
        (-2, 6), drivers={"u": (at, values), "v": (other, others)}, save_at=0.5, **steps
    )
    first, second = integral(kind, at, values, -2, 6), integral("cubic", other, others, -2, 6)
    expected = [(-1) ** i * first + i * second for i in range(count)]
    # Fixed steps go across jumps.
    error = 2e-6 if method == "tsit5" or kind == "cubic" else 1e-5 if kind == "linear" else 1e-2
    np.testing.assert_allclose(result.states[0, -1], expected, rtol=1e-7, atol=error)
    both = interpolated(kind, at, values, result.t) + CubicSpline(other, others)(result.t)
    np.testing.assert_allclose(result["both"][0], both, atol=1e-11)


def test_fixed_steps_converge(keep):
    """Where knots are at steps, with the order of the method."""
    at, values = np.linspace(0, 4, 5), np.array([0.0, 1.0, -1.0, 2.0, 0.5])
    x, k = 0.5, 1.0
    for value, rise in zip(values, np.diff(values), strict=False):
        x = (x - value + rise) * math.exp(-k) + value + rise - rise
    one = solver(keep, relaxing("linear"), "rk4")
    errors = [
        abs(one.solve((0, 4), drivers={"u": (at, values)}, dt=dt)["x"][0] - x) for dt in (0.1, 0.05)
    ]
    assert 3.7 < math.log2(errors[0] / errors[1]) < 4.4


MIXED = ode.System(
    "dx = a*(k + p) + b*q + c*r; dy = a*p - c*x*0",
    {"x": 0.0, "y": 0.0},
    {"a": 1.0, "b": 1.0, "c": 1.0, "k": 1.0},
    drivers={"p": "linear", "q": "step", "r": "cubic"},
    name="mixed",
)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(4)  # exact for cubics


def integral_outside(kind, at, values, start, end, outside):
    """Of a driver, also where it is held, or goes round; and of its size."""
    low, high, period = min(start, end), max(start, end), at[-1] - at[0]
    first, last = (math.floor((each - at[0]) / period) for each in (low, high))
    turns = range(first - 1, last + 2) if outside == "periodic" else (0,)
    edges = np.concatenate([at + turn * period for turn in turns])
    edges = np.unique(np.clip([low, *edges, high], low, high))
    halves = np.diff(edges) / 2
    times = (edges[1:] + edges[:-1])[:, None] / 2 + halves[:, None] * NODES
    found = interpolated(kind, at, values, times, outside)
    total, size = (float(((each @ WEIGHTS) * halves).sum()) for each in (found, np.abs(found)))
    return math.copysign(1, end - start) * total, size


def check_random(seed, keep):
    """Drivers of all kinds and spans at random: integrals."""
    random = np.random.default_rng(seed)
    drivers, runs = {}, 21
    numbers = dict(zip("abck", random.normal(size=(4, runs)), strict=True))
    starts, ends = random.uniform(-6, 10, (2, runs))
    starts[:3] = 0.0
    direction = random.choice([-1, 1])
    starts, ends = np.sort([starts, ends], axis=0)[::direction]
    expected = numbers["a"] * numbers["k"] * (ends - starts)
    sizes = np.abs(expected)
    for name, (driver, kind) in zip("abc", MIXED.drivers.items(), strict=True):
        count = int(random.choice([2, 3, 5, 30]))
        at = knots(random.choice(["regular", "random", "wild"]), count, seed)
        # Periods and places that are no round numbers, or are so only in decimals.
        at = at * random.choice([1.0, 0.1, 1 / 3]) + random.choice([0.0, -7.3, 1000.0])
        outside = str(random.choice(["hold", "periodic"]))
        own = random.uniform() < 0.5
        rows = np.array([samples(count, seed + row) for row in range(runs if own else 1)])
        drivers[driver] = ode.Driver(at, rows if own else rows[0], outside)
        for run in range(runs):
            span = starts[run], ends[run], outside
            number, size = integral_outside(kind, at, rows[run if own else 0], *span)
            expected[run] += numbers[name][run] * number
            sizes[run] += abs(numbers[name][run]) * size
    found = solver(keep, MIXED).solve(
        (starts, ends), parameters=numbers, drivers=drivers, rtol=1e-9, atol=1e-10
    )
    assert (np.abs(found["x"] - expected) <= 1e-7 * (1 + sizes)).all()


def test_drivers_at_random(keep):
    for seed in range(25):
        check_random(seed, keep)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(4))
def test_many_drivers_at_random(part, keep):
    for seed in range(1000 * part, 1000 * part + 1000):
        check_random(seed + 100, keep)


# Jumps together with others -----------------------------------------------------------------------


def test_corners_and_jumps_at_once(keep):
    """A comparison, a step and a corner at the same times, or but for rounding, or just before."""
    system = ode.System(
        "dx = where(t < a, 0, 1) + where(t < 5, 0, 10) + u + v",
        {"x": 0.0},
        {"a": 3.0},
        drivers={"u": "linear", "v": "step"},
        name="coincident",
    )
    shifts = np.array([0, 1e-16, -1e-16, 4e-16, -4e-16, 1e-15, -1e-15, 1e-12, -1e-12, 1e-3, -1e-3])
    for shift in (0.0, 4e-16, -4e-16, 1e-14, -1e-14, 1e-9, -1e-9):
        at = np.array([0.0, 1.0, 3.0 + shift, 5.0 - shift, 5.5, 8.0])
        u, v = samples(6), 100 * samples(6, 1)
        for direction in (1, -1):
            result = solver(keep, system).solve(
                (0, 8)[::direction],
                parameters={"a": 3.0 + shifts},
                drivers={"u": (at, u), "v": (at, v)},
            )
            expected = (8 - 3 - shifts) + 30 + integral("linear", at, u, 0, 8)
            expected = direction * (expected + integral("step", at, v, 0, 8))
            np.testing.assert_allclose(result["x"], expected, rtol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
def test_knots_within_rounding_of_a_start(kind, keep):
    """Where the next knot is looked for, just ahead, there may be one."""
    system = ode.System("dx = u", {"x": 0.0}, drivers={"u": kind}, name="integral")
    one = solver(keep, system)
    for units in (-64, -17, -16, -15, -8, -1, 1, 8, 15, 16, 17, 64):
        at = np.array([-1.0, -0.5, units * 2.0**-52, 0.5, 1.0])
        values = np.array([3.0, -2.0, 1.0, 4.0, -5.0])
        for end in (-1, 1):
            found = one.solve((0, end), drivers={"u": (at, values)})["x"][0]
            expected = integral(kind, at, values, 0.0, float(end))
            assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("kind", "outside", "error"),
    [
        *(
            (kind, outside, 1e-9)
            for kind in ("linear", "step")
            for outside in ("refuse", "hold", "periodic")
        ),
        ("cubic", "refuse", 1e-7),
    ],
)
def test_knots_of_all_sizes(kind, outside, error, keep):
    """What is near zero is not rounded as what is far away."""
    at = np.concatenate([[0.0], np.geomspace(1e-9, 1e9, 400)])
    values = 1 / np.maximum(at, 1e-9)
    values[-1] = values[0]
    given = {"drivers": {"u": ode.Driver(at, values, outside)}, "max_steps": 10**6}
    one = solver(keep, relaxing(kind), "dop853")
    # The last one is also the first of another period, whose knots are nearer than it is rounded.
    found = one.solve((0, 1e9), parameters={"k": 0.0}, save_at=at[:-1], **given)["seen"][0]
    np.testing.assert_allclose(found, values[:-1], rtol=1e-12)
    system = ode.System("dx = u", {"x": 0.0}, drivers={"u": kind}, name="integral")
    ends = np.geomspace(1e-8, 1e7, 16)
    found = solver(keep, system, "dop853").solve((0, ends), rtol=1e-12, atol=1e-12, **given)["x"]
    expected = [integral(kind, at, values, 0.0, end) for end in ends]
    np.testing.assert_allclose(found, expected, rtol=error)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("kind", ["linear", "step"])
def test_times_far_from_zero(kind, precision, keep):
    """Seconds since 1970, a minute between samples; and a period whose samples are far away."""
    system = ode.System("dx = u", {"x": 0.0}, drivers={"u": kind}, name="integral")
    one = solver(keep, system, precision=precision)
    at = 1.7e9 + 60.0 * np.arange(200)
    values = samples(200)
    found = one.solve((at[0], at[-1]), drivers={"u": (at, values)})["x"][0]
    error = 1e-10 if precision == "float64" else 1e-5
    total = integral(kind, at, values, at[0], at[-1])
    size = np.abs(values).sum() * 60
    assert abs(found - total) < error * size
    driver = ode.Driver(at, values, "periodic")
    found = one.solve((0, 3 * (at[-1] - at[0])), drivers={"u": driver})["x"][0]
    # To 1e-7 seconds at a jump: so these times are rounded.
    assert abs(found - 3 * total) < 3 * error * size + 1e-3


# Batches ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "method"), [("linear", "tsit5"), ("cubic", "tsit5"), ("cubic", "rk4")]
)
def test_samples_of_each_trajectory(kind, method, keep):
    runs, at = 150, knots("random", 20)
    values = np.random.default_rng(5).normal(size=(runs, 20))
    starts, ends = np.linspace(-2, 3, runs), np.linspace(3.5, 6, runs)
    given = {"save_at": np.linspace(starts, ends, 5, axis=1), **METHODS[method]}
    found = []
    for threads in (1, 3):
        one = solver(keep, relaxing(kind), method, threads=threads)
        result = one.solve((starts, ends), drivers={"u": (at, values)}, **given)
        found.append(result)
        for run in (0, 77, 149):
            expected = interpolated(kind, at, values[run], result.t[run])
            np.testing.assert_allclose(result["seen"][run], expected, atol=1e-10)
    assert np.array_equal(found[0].states, found[1].states)
    one = solver(keep, relaxing(kind), method)
    if method == "tsit5":
        for run in (0, 20, 149):  # alone, and with samples for all
            alone = one.solve(
                (starts[run], ends[run]),
                drivers={"u": (at, values[run])},
                save_at=given["save_at"][run],
            )
            assert np.array_equal(alone.states[0], found[0].states[run])
    mean = one.solve(
        (0, 3), drivers={"u": (at, values)}, save_at=0.5, outputs=["mean"], **METHODS[method]
    )
    at_times = interpolated(kind, at, values[3], np.arange(0, 3.1, 0.5))
    np.testing.assert_allclose(mean.summary("mean", "seen")[3], at_times.mean(), atol=1e-10)


def test_with_parameters_for_each_and_in_grids(keep):
    one = solver(keep, ode.System("dx = k*u", {"x": 0.0}, {"k": 1.0}, drivers=["u"], name="scaled"))
    at, values = np.array([0.0, 1.0]), np.array([[1.0, 3.0], [2.0, 4.0], [0.0, 1.0]])
    found = one.solve((0, 1), parameters={"k": [1, 2, 3]}, drivers={"u": (at, values)})
    np.testing.assert_allclose(found["x"], [2.0, 6.0, 1.5], rtol=1e-12)
    found = one.solve((0, 1), parameters={"k": [1, 2]}, drivers={"u": (at, values[:1])})
    np.testing.assert_allclose(found["x"], [2.0, 4.0], rtol=1e-12)
    found = one.solve(
        (0, 1), parameters={"k": [1, 2]}, drivers={"u": (at, values[0])}, grid="combinations"
    )
    np.testing.assert_allclose(found["x"], [2.0, 4.0], rtol=1e-12)
    with pytest.raises(InvalidPlan, match="'u' has 3"):
        one.solve((0, 1), parameters={"k": [1, 2]}, drivers={"u": (at, values)})
    with pytest.raises(InvalidPlan, match="'u' is for 3 trajectories, and the grid has 2"):
        one.solve(
            (0, 1), parameters={"k": [1, 2]}, drivers={"u": (at, values)}, grid="combinations"
        )


def test_many_drivers_with_many_knots(keep):
    names = [f"u{i}" for i in range(12)]
    system = ode.System(
        f"dx = {' + '.join(names)}",
        {"x": 0.0},
        drivers={name: KINDS[i % 3] for i, name in enumerate(names)},
        name="many",
    )
    random = np.random.default_rng(3)
    given, total = {}, 0.0
    for place, name in enumerate(names):
        at = np.sort(random.uniform(0, 1, 300 * (place + 1)))
        at[[0, -1]] = 0.0, 1.0
        values = random.normal(size=at.size)
        if KINDS[place % 3] == "cubic":
            at, values = at[:: place + 8].copy(), np.cos(at[:: place + 8])
            at[-1] = 1.0
        given[name] = (at, values)
        total += integral(KINDS[place % 3], at, values, 0.0, 1.0)
    found = solver(keep, system).solve((0, 1), drivers=given, rtol=1e-10, atol=1e-12)
    assert found["x"][0] == pytest.approx(total, rel=1e-8)


@pytest.mark.parametrize("form", ["regular", "random"])
def test_a_hundred_thousand_knots(form, keep):
    count = 100_000
    at, values = knots(form, count), np.cumsum(samples(count)) / 100
    expected = [integral("linear", at, values, -2, 6), integral("step", at, values, -2, 6)]
    system = ode.System("dx = u", {"x": 0.0}, drivers={"u": "linear"}, name="integral")
    found = solver(keep, system).solve((-2, 6), drivers={"u": (at, values)})
    np.testing.assert_allclose(found["x"][0], expected[0], rtol=1e-10)
    times = np.linspace(-2, 6, 5000)
    seen = solver(keep, relaxing("cubic"), "rk4").solve(
        (-2, 6), drivers={"u": (at, values)}, save_at=times, dt=1.0
    )
    np.testing.assert_allclose(
        seen["seen"][0], CubicSpline(at, values)(times), atol=1e-8 * np.abs(values).max()
    )


# What is given ----------------------------------------------------------------------------------


def test_labelled_samples(keep):
    import pandas as pd
    import xarray

    one = solver(keep, ode.System("dx = u", {"x": 0.0}, drivers="u", name="integral"))
    at, values = np.array([0.0, 1.0, 4.0]), np.array([[1.0, 3.0, 0.0], [2.0, 4.0, 4.0]])
    exact = [2.0 + 4.5, 3.0 + 12.0]
    rows = xarray.DataArray(values, {"time": at}, dims=("run", "time"))
    np.testing.assert_allclose(one.solve((0, 4), drivers={"u": rows})["x"], exact, rtol=1e-12)
    for each in (
        rows[1],
        pd.Series(values[1], index=at),
        (pd.Series(at), pd.Series(values[1], index=[7, 8, 9])),  # columns of a table
        ode.Driver(list(at), list(values[1])),
        (at, values[1].astype(np.float32)),
    ):
        np.testing.assert_allclose(
            one.solve((0, 4), drivers={"u": each})["x"], exact[1], rtol=1e-12
        )
    table = pd.DataFrame({"u": values[0]}, index=at)
    np.testing.assert_allclose(one.solve((0, 4), drivers=table)["x"], exact[0], rtol=1e-12)
    dates = pd.Series(values[1], index=pd.date_range("2020", periods=3))
    with pytest.raises(InvalidPlan, match=r"in the units of t: these are datetime64"):
        one.solve((0, 4), drivers={"u": dates})


LIGHT = ode.System("dx = light", {"x": 0.0}, {"k": 1.0}, drivers=["light"], name="lit")


@pytest.mark.parametrize(
    ("span", "given", "message"),
    [
        ((0, 4), None, "'light' of lit has no samples"),
        ((0, 4), {}, "'light' of lit has no samples"),
        ((0, 4), {"light": ([0, 4], [1, 2]), "dark": 1}, "no driver 'dark'. There are light"),
        ((0, 4), ([0, 4], [1, 2]), "must be given by name"),
        ((0, 4), {"light": 3.0}, "'light' is a float; expected"),
        ((0, 4), {"light": ([0, 4, 3], [1, 2, 3])}, "number 2 is 3, after 4"),
        ((0, 4), {"light": ([0, 4, 4], [1, 2, 3])}, "number 2 is 4, after 4"),
        ((0, 4), {"light": ([0], [1])}, "at least two"),
        ((0, 4), {"light": ([[0, 4]], [1, 2])}, "the same for all trajectories"),
        ((0, 4), {"light": ([0, 4], [1, 2, 3])}, "values of shape (3,); expected (2,)"),
        ((0, 4), {"light": ([0, 4], np.ones((3, 4)))}, "or (trajectories, 2)"),
        ((0, 4), {"light": ([0, 4], [1, math.nan])}, "number 1 is nan"),
        ((0, 4), {"light": ([0, 4], [[1, 2], [1, math.inf]])}, "number 1, 1 is inf"),
        (
            (0, 4),
            {"light": ([0, math.nan], [1, 2])},
            "The times of the driver 'light' must be fini",
        ),
        ((0, 4), {"light": ([0, 4], ["a", "b"])}, "must be numbers"),
        ((0, 4), {"light": (np.ma.array([0.0, 4.0], mask=[0, 1]), [1, 2])}, "have a mask"),
        ((0, 4), {"light": ode.Driver([0, 4], [1, 2], "wrap")}, "outside='wrap'; expected one of"),
        ((0, 4), {"light": ode.Driver([0, 4], [1, 2], "periodic")}, "they are 1 and 2"),
        ((0, 5), {"light": ([0, 4], [1, 2])}, "from 0 to 4, and the span goes from 0 to 5"),
        ((4, -1), {"light": ([0, 4], [1, 2])}, "from 0 to 4, and the span goes from 4 to -1"),
        (
            ([0, 1], [3, 5]),
            {"light": ([0, 4], [1, 2])},
            "the span of trajectory 1 goes from 1 to 5",
        ),
        ((0, 4), {"light": ([0, 1e-320, 4], [1e300, -1e300, 1])}, "not finite. Choose other units"),
    ],
)
def test_what_cannot_be(span, given, message):
    with pytest.raises(InvalidPlan) as problem:
        make_tables(LIGHT, given, make_times(span, None), "float64")
    assert message in str(problem.value)


def test_a_span_may_end_past_the_samples_by_rounding():
    times = make_times((0.1 * 3, 0.0), None)
    assert len(make_tables(LIGHT, {"light": ([0.0, 0.3], [1, 2])}, times, "float64")) == 1


def test_systems_without_drivers_take_none(keep, decay):
    with pytest.raises(InvalidPlan, match=r"no driver 'u'. There are none: declare them"):
        solver(keep, decay).solve((0, 1), drivers={"u": ([0, 1], [1, 2])})


@pytest.mark.parametrize(
    ("drivers", "message"),
    [
        ({"u": "quintic"}, "'u' is 'quintic'; expected 'linear', 'cubic', 'step'"),
        ({"x": "linear"}, "used twice: for a state and for a driver"),
        (["u", "u"], "used twice: for a driver and for a driver"),
        ({"t": "linear"}, "'t' cannot be the name of a driver: it is time"),
        ({"u": ([0, 1], [1, 2])}, "Its samples are passed to solve"),
        (3, "drivers must be a list of names"),
    ],
)
def test_drivers_that_no_system_has(drivers, message):
    with pytest.raises(InvalidSystem) as problem:
        ode.System("dx = -x", {"x": 1.0}, drivers=drivers)
    assert message in str(problem.value)


def test_more_samples_than_memory_are_refused_before_they_are_made():
    few = np.broadcast_to(np.ones(100), (10**10, 100))  # which takes no memory itself
    with pytest.raises(InvalidPlan, match=r"values of the driver 'light' would take 22,351.7 GiB"):
        make_tables(LIGHT, {"light": (np.arange(100), few)}, make_times((0, 4), None), "float64")


def test_definitions_travel_with_their_drivers(keep):
    system = relaxing("cubic")
    for other in (copy.deepcopy(system), pickle.loads(pickle.dumps(system))):
        assert other == system
        assert other.drivers == {"u": "cubic"}
    assert system != relaxing("step")
    assert "drivers u" in repr(system)
    driver = ode.Driver([0, 1], [1.0, 2.0], "hold")
    assert pickle.loads(pickle.dumps(driver)) == driver
    again = pickle.loads(pickle.dumps(ode.Solver(system, target="cpu")))
    assert again.system.drivers == {"u": "cubic"}


# Keys and code ----------------------------------------------------------------------------------


def test_kinds_are_in_the_key_and_samples_are_not(keep, monkeypatch):
    solvers = {kind: solver(keep, relaxing(kind)) for kind in KINDS}
    assert len({one.build().key for one in solvers.values()}) == len(KINDS)
    one = solvers["linear"]
    one.solve((0, 1), drivers={"u": ([0, 1], [1, 2])})

    def compiles(*_):
        raise AssertionError("it compiles")

    monkeypatch.setattr(Compilation, "source", compiles)
    one.solve((0, 1), drivers={"u": ode.Driver(np.arange(9) ** 2, np.ones((4, 9)), "hold")})
    solver(keep, relaxing("linear")).solve((3, 1), drivers={"u": ([0, 9], [5, 5])})


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("method", ["tsit5", "rk4"])
def test_a_gpus_compiler_takes_it(method, precision):
    nvrtc = pytest.importorskip("emberkeep.targets.cuda.nvrtc")
    from emberkeep.targets.cuda.target import CudaTarget

    small = ode.System(
        "dx = a + b*c - x; seen = c + d",
        {"x": 0.0},
        drivers={"a": "linear", "b": "step", "c": "cubic", "d": "linear"},
        observables=["seen"],
    )
    large = ode.System(
        {f"x{i}": f"a + b*c - x{i}" for i in range(30)},
        {f"x{i}": 0.0 for i in range(30)},
        drivers={"a": "linear", "b": "step", "c": "cubic"},
    )
    for system in (small, large):
        one = ode.Solver(system, method=method, target=CudaTarget("sm_90"), precision=precision)
        source = Compilation(one.plan(outputs=["states"])).source(one.target)
        assert nvrtc.compile_source(source, "sm_90")[0].startswith(b"\x7fELF")


@pytest.mark.skipif(not gpu["HAS_COMPILER"], reason="there is no g++")
@pytest.mark.parametrize("method", ["tsit5", "rk4"])
@pytest.mark.parametrize("states", [2, 30])
def test_what_a_gpu_does(states, method, keep, tmp_path):
    """Of each kind, for all or for each, in chunks: what a CPU does."""
    system = ode.System(
        [f"dx{i} = a + b*c - x{i}" for i in range(states)] + ["seen = a*b + c"],
        {f"x{i}": 0.1 * i for i in range(states)},
        drivers={"a": "linear", "b": "step", "c": "cubic"},
        observables=["seen"],
        name="driven",
    )
    at, each = knots("random", 12), np.random.default_rng(0).normal(size=(16, 12))
    drivers = {
        "a": (at, each),
        "b": ode.Driver(np.linspace(0, 1, 5), samples(5), "periodic"),
        "c": ode.Driver(np.linspace(0, 4, 30), samples(30), "hold"),
    }
    given = {"drivers": drivers, "save_at": 0.5, "outputs": ["states", "final"], **METHODS[method]}
    given |= {"rtol": 1e-10, "atol": 1e-11}  # logarithms, and so steps, are a little different
    here = solver(keep, system, method)
    there = solver(keep, system, method)
    there._runner = gpu["Threads"](tmp_path)
    one, other = here.solve((-2, 6), **given), there.solve((-2, 6), **given)
    np.testing.assert_allclose(other.states, one.states, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(other["seen"], one["seen"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(other.final, one.final, rtol=1e-8, atol=1e-9)
