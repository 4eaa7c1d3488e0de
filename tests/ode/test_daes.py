"""Algebraic equations and mass matrices: against closed forms, ODE forms and the literature."""

import copy
import pickle
import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import fsolve
from scipy.special import ellipk

import emberkeep
from emberkeep import ode
from emberkeep.errors import InvalidPlan, InvalidSystem
from emberkeep.ode import status
from emberkeep.ode.compilation import Compilation
from emberkeep.ode.methods import FILES, numbers_of
from emberkeep.ode.methods.constraints import interpolates, keeps_constraints
from emberkeep.targets.cuda.nvrtc import compile_source
from emberkeep.targets.cuda.target import CudaTarget

gpu = runpy.run_path(Path(__file__).parent / "gpu_on_host.py")
FIT = [name for name in sorted(FILES) if keeps_constraints(numbers_of(name))]
SOME = ["rodas5p", "kvaerno5", "sdirk2", "radau-iia-5"]

ROBERTSON = """
da = -0.04*a + 1e4*b*c
db = 0.04*a - 1e4*b*c - 3e7*b^2
"""
START = {"a": 1.0, "b": 0.0, "c": 0.0}


def robertson(third="0 = a + b + c - 1", name="robertson"):
    return ode.System(ROBERTSON + third, START, name=name)


def oscillator(copies=1):
    """x = p sin(t), z = p cos(t) and w = x z, of which x has a derivative."""
    lines = [
        f"""
        dx{i} = z{i} - (x{i} - s)
        0 = z{i}^3 + z{i} + w{i} - (c^3 + c + s*c)
        0 = w{i}*(1 + x{i}^2) - s*c*(1 + s^2)
        """
        for i in range(copies)
    ]
    states = {f"{name}{i}": 0.0 for i in range(copies) for name in ("x", "z", "w")}
    text = "\n".join([*lines, "c = p*cos(t); s = p*sin(t)"])
    return ode.System(text, states, {"p": 1.0}, name=f"driven_{copies}")


def exact(times, p=1.0):
    x, z = p * np.sin(times), p * np.cos(times)
    return np.stack([x, z, x * z], axis=-1)


def solver(keep, system, method="rodas5p", **options):
    return ode.Solver(system, method=method, target="cpu", keep=keep, threads=1, **options)


# Against other forms ------------------------------------------------------------------------------


def test_robertson_as_a_dae_is_robertson_as_an_ode(keep):
    ordinary = robertson("dc = 3e7*b^2")
    tight = {"rtol": 1e-10, "atol": 1e-14}
    expected = solver(keep, ordinary).solve((0, 1e5), save_at=[0, 0.4, 40, 4e3, 1e5], **tight)
    found = solver(keep, robertson()).solve((0, 1e5), save_at=[0, 0.4, 40, 4e3, 1e5], **tight)
    np.testing.assert_allclose(found.states, expected.states, rtol=3e-7, atol=1e-12)
    assert np.abs(found.states.sum(axis=2) - 1).max() < 1e-13


def test_robertson_ends_where_the_literature_says(keep):
    """Hairer & Wanner, Solving ODEs II: the end state at 1e11."""
    for method in ("rodas5p", "kvaerno5", "radau-iia-9"):
        found = solver(keep, robertson(), method).solve((0, 1e11), rtol=1e-9, atol=1e-16)
        a, b, c = found.require_success().final[0]
        assert a == pytest.approx(0.2083340149701255e-07, rel=1e-5)
        assert b == pytest.approx(0.8333360770334713e-13, rel=1e-5)
        assert a + b + c == pytest.approx(1.0, abs=1e-14)


PENDULUM = """
dx = u; dy = v; du = -s*x; dv = -s*y - g
0 = u^2 + v^2 - s*(x^2 + y^2) - g*y
"""


def test_a_pendulum_swings_as_long_as_elliptic_integrals_say(keep):
    """Of index 1 once its length is differentiated twice; the tension is found at the start."""
    angles = np.linspace(0.3, 2.5, 5)
    periods = 4 * ellipk(np.sin(angles / 2) ** 2) / np.sqrt(9.81)
    system = ode.System(
        PENDULUM, {"x": 1.0, "y": 0.0, "u": 0.0, "v": 0.0, "s": 0.0}, {"g": 9.81}, name="pendulum"
    )
    spans = (np.zeros(5), periods)
    begin = {"x": np.sin(angles), "y": -np.cos(angles)}
    found = solver(keep, system).solve(spans, initial=begin, rtol=1e-10, atol=1e-10)
    x, y, u, v, s = found.require_success().final.T
    assert np.abs(x - begin["x"]).max() < 1e-7
    assert np.abs(y - begin["y"]).max() < 1e-7
    assert s == pytest.approx(u**2 + v**2 - 9.81 * y, abs=1e-7)


AMPLIFIER = """
C1*(y2' - y1') = (y1 - 0.1*sin(200*pi*t))/R0
C1*(y1' - y2') = y2*(1/R1 + 1/R2) - Ub/R2 - (alpha - 1)*g23
-C2*y3' = y3/R3 - g23
C3*(y5' - y4') = (y4 - Ub)/R4 + alpha*g23
C3*(y4' - y5') = y5*(1/R5 + 1/R6) - Ub/R6 - (alpha - 1)*g56
-C4*y6' = y6/R7 - g56
C5*(y8' - y7') = (y7 - Ub)/R8 + alpha*g56
C5*(y7' - y8') = y8/R9
g23 = beta*(exp((y2 - y3)/UF) - 1)
g56 = beta*(exp((y5 - y6)/UF) - 1)
"""
AMPLIFIER_STATES = dict(zip([f"y{k}" for k in range(1, 9)], [0, 3, 3, 6, 3, 3, 6, 0], strict=True))
RESISTORS = {"R0": 1000.0, **{f"R{k}": 9000.0 for k in range(1, 10)}}
VOLTAGES = {"Ub": 6.0, "UF": 0.026, "alpha": 0.99, "beta": 1e-6}
# Test Set for IVP Solvers (Mazzia & Magherini, release 2.4, 2008): transistor amplifier at t = 0.2.
AMPLIFIED = [
    -0.5562145012262709e-2, 0.3006522471903042e1, 0.2849958788608128e1, 0.2926422536206241e1,
    0.2704617865010554e1, 0.2761837778393145e1, 0.4770927631616772e1, 0.1236995868091548e1,
]  # fmt: skip


def amplifier(capacities, **constants):
    text = AMPLIFIER
    if not capacities:
        for k in range(1, 6):
            text = text.replace(f"C{k}", f"{k}e-6")
    values = {f"C{k}": k * 1e-6 for k in range(1, 6)} if capacities else {}
    constants = {**RESISTORS, **VOLTAGES, **constants}
    return ode.System(text, AMPLIFIER_STATES, values, constants=constants, name="amplifier")


@pytest.mark.parametrize("capacities", [False, True])
@pytest.mark.parametrize("method", ["rodas5p", "kvaerno5", "radau-iia-5"])
def test_an_amplifier_ends_where_the_test_set_says(method, capacities, keep):
    """Its matrix is not diagonal, and singular only as a whole; also with parameters in it."""
    read = amplifier(capacities).read()
    assert len(read.algebraic) == 3
    one = solver(keep, amplifier(capacities), method)
    found = one.solve((0, 0.2), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(found.require_success().final[0], AMPLIFIED, atol=3e-7)


def test_chemical_equilibria_are_kept_to(keep):
    """Fast protonation beside slow decay: A + H = AH with K, and A decays alone."""
    system = ode.System(
        "dtotal = -k*a; 0 = a + ah - total; 0 = K*a*h - ah; 0 = h + ah - acid",
        {"total": 1.0, "a": 0.5, "ah": 0.5, "h": 0.5},
        {"k": 1.0, "K": 10.0, "acid": 1.2},
        name="buffer",
    )
    constants, times = np.array([0.1, 10.0, 1e4]), np.linspace(0, 2, 9)
    found = solver(keep, system).solve(
        (0, 2), parameters={"K": constants}, save_at=times, rtol=1e-8, atol=1e-12
    )
    total, a, ah, h = np.moveaxis(found.require_success().states, 2, 0)
    assert np.abs(a + ah - total).max() < 1e-9
    assert np.abs(h + ah - 1.2).max() < 1e-9

    def free(total, K):  # of the quadratic equation that all of them make
        b = 1 + K * (1.2 - total)
        return (-b + np.sqrt(b * b + 4 * K * total)) / (2 * K)

    assert a == pytest.approx(free(total, constants[:, None]), rel=1e-5)
    # d(total)/dt = -free(total), by itself.
    reduced = ode.System(
        "dtotal = -(sqrt(b^2 + 4*K*total) - b)/(2*K); b = 1 + K*(1.2 - total)",
        {"total": 1.0}, {"K": 10.0}, name="reduced",
    )  # fmt: skip
    expected = solver(keep, reduced, "tsit5").solve(
        (0, 2), parameters={"K": constants}, save_at=times, rtol=1e-10, atol=1e-12
    )
    assert total == pytest.approx(expected["total"], rel=1e-6)


# Methods ------------------------------------------------------------------------------------------


def error_of_fixed(keep, method, dt, *, large=False):
    """Of what has a derivative, and of what has none."""
    one = solver(keep, oscillator(9 if large else 1), method)
    found = one.solve((0, 2.0), dt=dt, controller="fixed", rtol=1e-9, atol=1e-9)
    errors = np.abs(found.require_success().final[0].reshape(-1, 3) - exact(2.0)).max(axis=0)
    return np.array([errors[0], np.linalg.norm(errors[1:])])


@pytest.mark.parametrize(
    "method", ["rodas5p", "rodas4", "rodas3", "kvaerno3", "sdirk2", "radau-iia-3"]
)
def test_algebraic_states_converge_with_the_order_of_the_method(method, keep):
    order = numbers_of(method).order
    dt = 0.1 if method in ("rodas5p", "rodas4") else 0.04
    one, half = (error_of_fixed(keep, method, h) for h in (dt, dt / 2))
    measured = np.log2(one / half)
    assert (measured > order - 0.4).all(), measured


@pytest.mark.soak
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("method", FIT)
def test_every_method_that_fits_converges(method, large, keep):
    least = min(2, numbers_of(method).order)
    # The error of `ros2s` goes through zero at a step of 0.02: its order shows well below.
    dt = 0.00125 if numbers_of(method).order == least else 0.01
    one, half = (error_of_fixed(keep, method, h, large=large) for h in (dt, dt / 2))
    measured = np.log2(one / half)
    # What Newton's method leaves of errors is about 1e-11.
    assert ((measured > least - 0.4) | (half < 1e-9)).all(), (measured, half)


INTERPOLATING = [name for name in FIT if interpolates(numbers_of(name))]


@pytest.mark.parametrize("method", INTERPOLATING)
def test_values_within_steps_are_as_accurate_as_steps(method, keep):
    """Nearly: of algebraic states, ten times what is tolerated."""
    times = np.linspace(0.05, 2, 40)
    for tolerance in (1e-5, 1e-8):
        found = solver(keep, oscillator(), method).solve(
            (0, 2), save_at=times, rtol=tolerance, atol=tolerance
        )
        error = np.abs(found.require_success().states[0] - exact(times)).max()
        assert error < 30 * tolerance


@pytest.mark.parametrize("method", SOME)
def test_errors_are_kept_to_the_tolerance_within_steps_too(method, keep):
    times, sizes = np.linspace(0, 6, 61), np.array([0.5, 1.0, 2.0])
    for tolerance in (1e-4, 1e-7) if method != "sdirk2" else (1e-4,):
        found = solver(keep, oscillator(), method).solve(
            (0, 6), parameters={"p": sizes}, save_at=times, rtol=tolerance, atol=tolerance
        )
        expected = np.stack([exact(times, p) for p in sizes])
        assert np.abs(found.require_success().states - expected).max() < 300 * tolerance


def test_single_precision(keep):
    one = solver(keep, oscillator(), precision="float32")
    found = one.solve((0, 3), save_at=[1, 2, 3], rtol=1e-4, atol=1e-5).require_success()
    assert found.states.dtype == np.float32
    assert np.abs(found.states[0] - exact(np.array([1, 2, 3]))).max() < 1e-3


@pytest.mark.parametrize("method", ["rodas5p", "kvaerno5", "radau-iia-5"])
def test_large_systems(method, keep):
    times = np.linspace(0, 3, 7)
    found = solver(keep, oscillator(9), method).solve(
        (0, 3), parameters={"p": [1.0, 2.0]}, save_at=times, rtol=1e-7, atol=1e-7
    )
    expected = np.stack([exact(times, p) for p in (1.0, 2.0)])
    for part in np.split(found.require_success().states, 9, axis=2):
        assert np.abs(part - expected).max() < 1e-5


CABLE = 40


def cable():
    """Heat in a rod by finite elements: M is tridiagonal, and the ends are held by equations."""
    main, side = 4.0, 1.0
    mass = {}
    states = {f"u{i}": float(np.sin(np.pi * i / CABLE)) for i in range(CABLE + 1)}
    for i in range(1, CABLE):
        mass[f"u{i}"] = {f"u{i - 1}": side, f"u{i}": main, f"u{i + 1}": "side"}
    mass |= {"u0": 0, f"u{CABLE}": 0}
    equations = {f"u{i}": f"6*d*(u{i - 1} - 2*u{i} + u{i + 1})" for i in range(1, CABLE)}
    equations |= {"u0": "u0", f"u{CABLE}": f"u{CABLE} - 0"}
    return ode.System(
        {name: equations[name] for name in states}, states, {"d": 400.0, "side": 1.0},
        mass=mass, name="rod",
    )  # fmt: skip


def test_a_large_mass_matrix_with_parameters_in_it(keep):
    found = solver(keep, cable()).solve((0, 0.02), rtol=1e-8, atol=1e-10).require_success()
    wave = np.pi / CABLE
    rate = 400.0 * 6 * (2 - 2 * np.cos(wave)) / (4 + 2 * np.cos(wave))
    mode = np.sin(wave * np.arange(CABLE + 1))
    assert np.abs(found.final[0] - mode * np.exp(-rate * 0.02)).max() < 1e-7


def test_backwards(keep):
    found = solver(keep, oscillator()).solve(
        (2, -1), initial={"x0": np.sin(2.0)}, rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(found.require_success().final[0], exact(-1.0), atol=1e-6)


def test_methods_that_do_not_fit_are_refused_with_those_that_do(keep):
    for method in ("tsit5", "rk4", "ros3p", "implicit-midpoint", "gauss-legendre-4"):
        with pytest.raises(InvalidPlan) as refused:
            solver(keep, robertson(), method)
        message = str(refused.value)
        assert "robertson has algebraic equations or a mass matrix" in message
        assert numbers_of(method).name in message
        for fit in ("rodas5p", "kvaerno5", "sdirk4"):
            assert f" {fit}" in message
    assert {"rodas3", "rodas4", "rodas4p", "rodas5", "rodas5p"} <= {*FIT}
    assert "rodas5pe" in INTERPOLATING


def test_auto_takes_a_method_that_fits(keep):
    one = solver(keep, oscillator(), "auto")
    assert one.solve((0, 1)).method == "rodas5p"
    found = one.solve((0, 1), save_at=[1], rtol=1e-8, atol=1e-8)
    assert found.method == "rodas5pe"
    np.testing.assert_allclose(found.states[0, 0], exact(1.0), atol=1e-6)


# Where trajectories begin -------------------------------------------------------------------------


def test_initial_values_are_made_consistent_in_each_trajectory(keep):
    system = ode.System(
        "dx = -x; 0 = y^3 + y - p*x; 0 = z - exp(y)",
        {"x": 1.0, "y": 5.0, "z": 0.0},
        {"p": 1.0},
        name="cubic",
    )
    p, x = np.array([0.1, 1.0, 10.0, 1e3]), np.array([1.0, 2.0, 0.5, 1.0])
    found = solver(keep, system).solve(
        (0, 1), parameters={"p": p}, initial={"x": x}, save_at=[0, 1], rtol=1e-9, atol=1e-12
    )
    for place, time in enumerate((0, 1)):
        now = x * np.exp(-time)
        y = np.array([fsolve(lambda y, r=r: y**3 + y - r, np.cbrt(r))[0] for r in p * now])
        assert found.states[:, place, 0] == pytest.approx(now, rel=1e-7)
        assert found.states[:, place, 1] == pytest.approx(y, rel=1e-7)
        assert found.states[:, place, 2] == pytest.approx(np.exp(y), rel=1e-6)


CIRCLE = "dx = y; 0 = x^2 + y^2 - 1"


def circles(copies):
    lines = [f"dx{i} = y{i}; 0 = x{i}^2 + y{i}^2 - 1" for i in range(copies)]
    starts = {"x": 0.0, "y": 0.5}
    states = {f"{name}{i}": value for i in range(copies) for name, value in starts.items()}
    return ode.System(";".join(lines), states, name=f"circle_{copies}")


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("copies", [1, 15])
def test_a_start_that_cannot_be_consistent_is_told_and_touches_no_neighbour(copies, fixed, keep):
    one = solver(keep, circles(copies))
    begin = np.linspace(-1.5, 1.2, 41)
    options = {"dt": 0.01, "controller": "fixed"} if fixed else {}
    ask = {"save_at": [0, 0.2], "rtol": 1e-8, "atol": 1e-10, **options}
    with pytest.warns(emberkeep.SolveWarning, match="algebraic equations"):
        found = one.solve((0, 0.2), initial={"x0": begin}, **ask)
    outside = np.abs(begin) > 1
    assert (found.status[outside] == status.INCONSISTENT).all()
    assert np.isnan(found.states[outside]).all()
    inside = ~outside & (begin < 0.9)
    assert (found.status[inside] == status.SUCCESS).all()
    expected = np.sin(np.arcsin(begin[inside]) + 0.2)
    assert found.states[inside, 1, 0] == pytest.approx(expected, abs=1e-6)
    alone = one.solve((0, 0.2), initial={"x0": begin[inside]}, **ask)
    assert np.array_equal(alone.states, found.states[inside])


def test_which_solution_is_found_is_told_by_the_guess(keep):
    system = ode.System(CIRCLE, {"x": 0.0, "y": 0.5}, name="circle")
    found = solver(keep, system).solve((0, 0.5), initial={"y": [0.3, -0.3]}, rtol=1e-9, atol=1e-9)
    expected = np.sin(0.5) * np.array([1, -1])
    assert found.require_success()["x"] == pytest.approx(expected, abs=1e-7)


def test_jumps_in_time_move_algebraic_states_and_no_others(keep):
    system = ode.System(
        "dx = -x + y; 0 = y - where(t < begin, 0, 1) + 0*x",
        {"x": 1.0, "y": 3.0}, {"begin": 1.0}, name="switched",
    )  # fmt: skip
    begin, times = np.array([0.3, 1.0, 1.7]), np.array([0.0, 0.29, 1.5, 2.0])
    found = solver(keep, system).solve(
        (0, 2), parameters={"begin": begin}, save_at=times, rtol=1e-9, atol=1e-11
    )
    since = np.maximum(times - begin[:, None], 0)
    before = np.exp(-np.minimum(times, begin[:, None]))
    assert found["x"] == pytest.approx(1 - (1 - before) * np.exp(-since), abs=1e-7)
    assert found["y"] == pytest.approx((times >= begin[:, None]) * 1.0, abs=1e-12)


def test_drivers_move_algebraic_states(keep):
    system = ode.System(
        "dx = y; 0 = y - light^2", {"x": 0.0, "y": 0.0}, drivers={"light": "step"}, name="lit"
    )
    found = solver(keep, system).solve(
        (0, 3), drivers={"light": ([0, 1, 2, 3], [1.0, 3.0, 2.0, 2.0])}, save_at=[0.5, 1.5, 3.0]
    )
    assert found["y"][0] == pytest.approx([1, 9, 4], abs=1e-9)
    assert found["x"][0] == pytest.approx([0.5, 5.5, 14], abs=1e-7)
    smooth = ode.System(
        "dx = y; 0 = y - light^2", {"x": 0.0, "y": 0.0}, drivers={"light": "linear"}, name="ramped"
    )
    found = solver(keep, smooth).solve(
        (0, 2), drivers={"light": ([0, 1, 2], [0.0, 1.0, 0.0])}, save_at=[0.5, 1, 2], rtol=1e-9,
        atol=1e-11,
    )  # fmt: skip
    assert found["x"][0] == pytest.approx([1 / 24, 1 / 3, 2 / 3], abs=1e-7)


def test_events_are_found_on_algebraic_states_and_actions_move_them(keep):
    """x' = y = p - x: x = p (1 - exp(-t)), and y = p/2 at log 2, where p becomes 3."""
    system = ode.System("dx = y; 0 = y - p + x", {"x": 0.0, "y": 0.0}, {"p": 1.0}, name="filled")
    half = ode.Event("y - 0.5", "half", "falling", action={"p": "3"})
    with pytest.raises(InvalidPlan, match="less accurate than its steps.*'rodas5pe'"):
        solver(keep, system, "kvaerno5", events=[half])
    for method in INTERPOLATING:
        one = solver(keep, system, method, events=[half])
        found = one.solve((0, 2), save_at=[0.5, 1.0, 2.0], outputs=["states", "events"], rtol=1e-9)
        times = found.require_success().events["half"].times
        assert times[0, 0] == pytest.approx(np.log(2), abs=1e-7)
        since = np.array([1.0, 2.0]) - np.log(2)
        expected = [1 - np.exp(-0.5), *(3 - 2.5 * np.exp(-since))]
        assert found["x"][0] == pytest.approx(expected, abs=1e-6)
        assert found["y"][0, 1:] == pytest.approx(3 - np.array(expected[1:]), abs=1e-6)


def test_steady_states_are_steady_in_units_of_states(keep):
    """With a small capacity, C u' is small long before u' is."""
    system = ode.System("C*u' = 1 - u; 0 = i - 1 + u", {"u": 0.0, "i": 0.0}, {"C": 1e-6}, name="rc")
    one = solver(keep, system, events=[ode.SteadyState(rtol=1e-6, atol=1e-6)])
    found = one.solve((0, 1.0), outputs=["final", "reached"], rtol=1e-9, atol=1e-11)
    # u' = exp(-t/C)/C and i' = -u' are 1e-6 of what they are when exp(-t/C) is about 1e-12.
    assert found.reached[0] / 1e-6 > np.log(1e11)
    assert found.reached[0] < 1e-3
    assert found["i"][0] == pytest.approx(0.0, abs=1e-8)


# Derivatives and outputs --------------------------------------------------------------------------


def test_derivatives_of_algebraic_states_are_found(keep):
    """z' = -p sin(t), from the slopes of equations; of observables too."""
    text = "dx = z; 0 = exp(z - p*cos(t)) - 1; 0 = w - x*z; both = w + z"
    system = ode.System(
        text, {"x": 0.0, "z": 0.0, "w": 0.0}, {"p": 1.0}, observables=["both"], name="observed"
    )
    times = np.linspace(0, 2, 21)
    found = solver(keep, system).solve(
        (0, 2), parameters={"p": [1.0, 2.0]}, save_at=times,
        outputs=["derivative_min", "derivative_mean"], rtol=1e-9, atol=1e-11,
    )  # fmt: skip
    for run, p in enumerate((1.0, 2.0)):
        slopes = np.stack(
            [p * np.cos(times), -p * np.sin(times), p * p * np.cos(2 * times)], axis=1
        )
        slopes = np.column_stack([slopes, slopes[:, 1] + slopes[:, 2]])
        for place, name in enumerate(("x", "z", "w", "both")):
            of = slopes[:, place]
            assert found.summary("derivative_min", name)[run] == pytest.approx(of.min(), abs=1e-5)
            assert found.summary("derivative_mean", name)[run] == pytest.approx(of.mean(), abs=1e-5)


# How systems are written --------------------------------------------------------------------------

FORMS = {
    "text": lambda: ode.System("dx = -x + y; 0 = x + y - 1", {"x": 1.0, "y": 0.0}, name="one"),
    "list": lambda: ode.System(["0 = x + y - 1", "x' = -x + y"], {"x": 1.0, "y": 0.0}, name="one"),
    "left": lambda: ode.System(
        "2*x' + x = y + x - x; 0 = x + y - 1", {"x": 1.0, "y": 0.0}, name="one"
    ),
    "mapping": lambda: ode.System(
        {"x": "-x + y", "y": "x + y - 1"}, {"x": 1.0, "y": 0.0}, mass={"y": 0}, name="one"
    ),
    "diagonal": lambda: ode.System(
        lambda t, y, p: (y.y - y.x, y.x + y.y - 1), {"x": 1.0, "y": 0.0}, mass=[1, 0], name="one"
    ),
    "matrix": lambda: ode.System(
        lambda t, y, p: (2 * y.y - y.x - 1, 2 * (1 - y.x - y.y)),
        {"x": 1.0, "y": 0.0},
        mass=np.array([[0.5, -0.5], [0, 0]]),
        name="one",
    ),
}


@pytest.mark.parametrize("form", ["text", "list", "mapping", "diagonal"])
def test_forms_are_the_same_system(form, keep):
    """x + y = 1, x' = y - x: x = 1/2 + exp(-2t)/2."""
    system = FORMS[form]()
    assert system.has_mass
    assert len(system.read().algebraic) == 1
    found = solver(keep, system).solve((0, 1), rtol=1e-9, atol=1e-11)
    assert found["x"] == pytest.approx(0.5 + np.exp(-2) / 2, abs=1e-8)


def test_derivatives_may_stand_in_sums(keep):
    """2x' + x = y and x + y = 1: x' = 1/2 - x; x' - y' = 2x' likewise."""
    found = solver(keep, FORMS["left"]()).solve((0, 1), rtol=1e-9, atol=1e-11)
    assert found["x"] == pytest.approx(0.5 + np.exp(-1) / 2, abs=1e-8)
    found = solver(keep, FORMS["matrix"]()).solve((0, 1), rtol=1e-9, atol=1e-11)
    # (x' - y')/2 = x' = 2y - x - 1 = 1 - 3x
    assert found["x"] == pytest.approx(1 / 3 + 2 / 3 * np.exp(-3), abs=1e-8)


def test_the_order_of_equations_is_no_part_of_a_system():
    assert FORMS["text"]() == FORMS["list"]()
    assert FORMS["text"]().ingredients() == FORMS["list"]().ingredients()
    assert FORMS["text"]() != FORMS["left"]()


def test_what_is_algebraic_is_in_the_key():
    def key(**changed):
        given = {"equations": {"x": "-x", "y": "x + y"}, "states": {"x": 1.0, "y": 0.0}, **changed}
        return ode.System(given.pop("equations"), given.pop("states"), {"m": 1.0}, **given)

    masses = [None, {"y": 0}, {"y": 2}, {"y": "m"}, {"y": {"x": 1}}, {"x": 0}]
    systems = [key(mass=mass) for mass in masses]
    ingredients = [repr(system.ingredients()) for system in systems]
    assert len({*ingredients}) == len(systems)
    assert key(mass={"y": 1}) == key()
    assert key(mass=[1, 0]) == key(mass={"y": 0.0}) == key(mass=[[1, 0], [0, 0]])


def test_numbers_in_the_matrix_that_are_parameters_compile_nothing(keep):
    one = solver(keep, amplifier(True))  # noqa: FBT003 - with capacities
    before = one.plan(outputs=("final",))
    changed = one.system.with_constants(R1=8000.0)
    assert Compilation(before).ingredients()["system"] == changed.ingredients()


def test_systems_pickle_and_copy():
    for form in ("text", "left", "mapping"):
        system = FORMS[form]()
        for other in (pickle.loads(pickle.dumps(system)), copy.deepcopy(system)):
            assert other == system
            assert other.read().mass is not None
    assert "1 algebraic equation>" in repr(FORMS["text"]())
    assert "a mass matrix" in repr(FORMS["mapping"]())


def test_sympy(keep):
    sympy = pytest.importorskip("sympy")
    t = sympy.Symbol("t")
    x, y = (sympy.Function(name)(t) for name in "xy")
    states = {"x": 1.0, "y": 0.0}
    plain = ode.System([sympy.Eq(x.diff(t), y - x), sympy.Eq(0, x + y - 1)], states, name="one")
    assert plain.read().algebraic == (1,)
    summed = ode.System(
        [sympy.Eq(2 * x.diff(t) + x, y), sympy.Eq(0, x + y - 1)], states, name="other"
    )
    found = solver(keep, summed).solve((0, 1), rtol=1e-9, atol=1e-11)
    assert found["x"] == pytest.approx(0.5 + np.exp(-1) / 2, abs=1e-8)
    entry = sympy.Symbol("m") ** 2
    made = ode.System({"x": "-x"}, {"x": 1.0}, {"m": 3.0}, mass={"x": entry}, name="heavy")
    found = solver(keep, made).solve((0, 1), rtol=1e-9, atol=1e-11)
    assert found["x"] == pytest.approx(np.exp(-1 / 9), abs=1e-8)


def test_vectors(keep):
    system = ode.System(
        """
        x[i]' = -k*x[i] + y[i] for i in 1..3
        0 = y[i] - x[i % 3 + 1] for i in 1..3
        """,
        {"x": [1.0, 0.0, 0.0], "y": [0.0, 0.0, 0.0]}, {"k": 1.0}, name="shifted",
    )  # fmt: skip
    found = solver(keep, system).solve((0, 1), rtol=1e-9, atol=1e-11)
    assert found.final[0, :3].sum() == pytest.approx(1.0, abs=1e-8)
    assert found.final[0, 3:] == pytest.approx(found.final[0, [1, 2, 0]], abs=1e-8)


def test_slopes_that_vanish_on_the_way_are_no_pivots(keep):
    """From u = 2 and w = 1/2, Newton's first step is to w = 0, where u w has no slope by u."""
    system = ode.System(
        "dx = -x; 0 = u*w - p; 0 = u + w - 2 - x", {"x": 1.0, "u": 2.0, "w": 0.5}, {"p": 0.5},
        name="product",
    )  # fmt: skip
    p = np.array([0.0, 0.5, -0.5])
    found = solver(keep, system).solve((0, 1), parameters={"p": p}, rtol=1e-9, atol=1e-11)
    total = 2 + np.exp(-1)
    root = np.sqrt(total**2 - 4 * p)
    assert found.require_success()["u"] == pytest.approx((total + root) / 2, abs=1e-7)
    assert found["w"] == pytest.approx((total - root) / 2, abs=1e-7)


def test_sums_of_derivatives_of_vectors(keep):
    """(x[i] + x[i+1])' = -(x[i] + x[i+1]) for three in a ring: so it is of each."""
    system = ode.System(
        "C[i]*x[i]' + C[i]*x[i % 3 + 1]' = -C[i]*(x[i] + x[i % 3 + 1]) for i in 1..3",
        {"x": [1.0, 2.0, 3.0]}, {"C": [1.0, 2.0, 3.0]}, name="summed",
    )  # fmt: skip
    found = solver(keep, system).solve((0, 1), rtol=1e-9, atol=1e-11)
    assert found.final[0] == pytest.approx(np.array([1, 2, 3]) * np.exp(-1), abs=1e-8)


def test_equations_without_a_diagonal_are_matched(keep):
    """Each algebraic equation determines another state than the one in whose row it is."""
    system = ode.System(
        "dx = -u; 0 = w - 2*x + 0.1*u*w; 0 = u*u - w*w; 0 = v - u - w",
        {"x": 1.0, "u": 1.0, "v": 0.0, "w": 1.0},
        name="crossed",
    )
    found = solver(keep, system).solve((0, 1), save_at=[0, 0.5, 1.0], rtol=1e-9, atol=1e-11)
    x, u, v, w = found.require_success().states[0].T
    assert u == pytest.approx(w, rel=1e-8)
    assert v == pytest.approx(2 * u, rel=1e-8)
    assert w + 0.1 * w * w == pytest.approx(2 * x, rel=1e-8)


# What is refused ----------------------------------------------------------------------------------


def refused(equations, states, keep, **more):
    def make():
        system = ode.System(equations, dict.fromkeys(states, 1.0), {"k": 1.0}, name="it", **more)
        solver(keep, system).build()

    with pytest.raises(InvalidSystem) as caught:
        make()
    return str(caught.value)


def test_a_higher_index_is_refused_with_what_is_not_determined(keep):
    index_3 = "dx = u; dy = v; du = -s*x; dv = -s*y - k; 0 = x^2 + y^2 - 1"
    message = refused(index_3, "xyuvs", keep)
    assert "do not determine s" in message
    assert "index is higher than 1" in message
    assert "0 = x^2 + y^2 - 1" in message
    assert "derivative in time" in message
    message = refused("dx = y; 0 = x - sin(t)", "xy", keep)
    assert "do not determine y" in message
    # Of a function, by the states in whose rows they are.
    message = refused(lambda t, y, p: (y.y, y.x), "xy", keep, mass={"y": 0})
    assert "do not determine y" in message
    assert "that of y, from the function" in message


def test_redundant_equations_are_refused(keep):
    message = refused("dx = -x; 0 = x - u + 0*v; 0 = 2*u - x", "xuv", keep)
    assert "do not determine" in message or "redundant" in message
    message = refused("dx = u; 0 = u - k; 0 = 2*u - 1", "xuv", keep)
    assert "redundant, or contradict each other" in message
    assert "0 = u - k" in message
    assert "0 = 2*u - 1" in message


def test_there_are_as_many_equations_as_states(keep):
    message = refused("dx = -x; 0 = x + y; 0 = x - y", "xy", keep)
    assert "one equation for each state" in message
    assert "0 = x - y" in message
    assert "are the same" in refused("dx = y; 0 = x + y; 0=x+y", "xyz", keep)
    message = refused("dx = -x", "xy", keep)
    assert 'An algebraic equation reads "0 = …"' in message
    assert '"0 = … - y" if it is algebraic' in refused("dx = -x; y = x", "xy", keep)


@pytest.mark.parametrize(
    ("left", "told"),
    [
        ("x*y'", "multiplies a derivative by what changes (x)"),
        ("t*y'", "multiplies a derivative by what changes (t)"),
        ("y'*y'", "a product of derivatives"),
        ("exp(y')", "a product of derivatives"),
        ("k*z'", "the name 'z' is not known"),
        ("k*y''", "neither a derivative nor a name"),
        ("2*k'", "has the derivative of 'k', which is no state"),
    ],
)
def test_left_hand_sides_are_sums_of_derivatives(left, told, keep):
    message = refused(f"dx = -x; {left} = 1", "xy", keep)
    assert told in message
    assert f"{left} = 1" in message


@pytest.mark.parametrize(
    ("mass", "told"),
    [
        (3, "must be a mapping from states to numbers"),
        ([1.0], "a list of 2 numbers for the diagonal"),
        ([[1.0, 2.0]], "a matrix of 2 by 2"),
        ({"z": 0}, "has an entry for 'z', which is no state of x, y"),
        ({"y": "x"}, "['x'] is no parameter and no constant"),
        ({"y": None}, "expected a number"),
    ],
)
def test_a_mass_is_a_matrix_of_constants(mass, told, keep):
    assert told in refused({"x": "-x", "y": "x + y"}, "xy", keep, mass=mass)


def test_a_mass_beside_implicit_equations_is_refused(keep):
    assert "leave it to mass=" in refused("dx = y; 0 = x - y", "xy", keep, mass={"x": 2})


def test_functions_that_are_not_followed_are_refused(keep):
    def slopes(_, y, __):
        return (y.y, y.x + y.y) if y.x > 0 else (y.x, y.y)

    assert "There is no derivative" in refused(slopes, "xy", keep, mass={"y": 0})


# Elsewhere ----------------------------------------------------------------------------------------


def check_cuda(system, method, outputs=("states", "derivative_max")):
    plan = solver(None, system, method).plan(outputs=outputs, saves="states" in outputs)
    cubin, _ = compile_source(Compilation(plan).source(CudaTarget("sm_90")), "sm_90")
    assert cubin[:4] == b"\x7fELF"


@pytest.mark.parametrize("method", ["rodas5p", "kvaerno3"])
def test_cuda_compiles(method):
    check_cuda(FORMS["left"](), method)


@pytest.mark.soak
@pytest.mark.parametrize("method", ["rodas5p", "kvaerno5", "radau-iia-5"])
@pytest.mark.parametrize("make", [cable, lambda: amplifier(True)], ids=["large", "small"])  # noqa: FBT003
def test_cuda_of_longer_systems_compiles(method, make):
    check_cuda(make(), method)
    check_cuda(make(), method, ("final",))


@pytest.mark.skipif(not gpu["HAS_COMPILER"], reason="there is no C++ compiler")
@pytest.mark.parametrize("copies", [1, 15])
def test_what_a_gpu_is_given_computes_the_same(copies, keep, tmp_path, monkeypatch):
    one = solver(keep, circles(copies))
    ask = {"initial": {"x0": np.linspace(-1.5, 0.8, 24)}, "save_at": [0, 0.2], "rtol": 1e-8}
    with pytest.warns(emberkeep.SolveWarning):
        here = one.solve((0, 0.2), **ask)
    monkeypatch.setattr(one, "_runner", gpu["Threads"](tmp_path))
    with pytest.warns(emberkeep.SolveWarning):
        there = one.solve((0, 0.2), **ask)
    assert there.status.tolist() == here.status.tolist()
    assert status.INCONSISTENT in there.status
    np.testing.assert_allclose(there.states, here.states, rtol=0, atol=1e-9)


def test_what_is_solved_is_what_neighbours_do_not_change(keep):
    one = solver(keep, oscillator())
    sizes = np.linspace(0.2, 3, 50)
    together = one.solve((0, 3), parameters={"p": sizes}, save_at=[1, 3])
    alone = one.solve((0, 3), parameters={"p": sizes[31]}, save_at=[1, 3])
    assert np.array_equal(together.states[31], alone.states[0])


def test_a_solve_goes_on_from_a_result(keep):
    one = solver(keep, oscillator())
    tight = {"rtol": 1e-9, "atol": 1e-11}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = one.solve((0, 1), **tight)
        found = one.solve((1, 2), initial=first, **tight)
    np.testing.assert_allclose(found.final[0], exact(2.0), atol=1e-7)
