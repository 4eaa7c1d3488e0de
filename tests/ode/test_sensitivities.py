"""Sensitivities against closed forms, differences and complex steps; steps are those without."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest

from emberkeep import ode
from emberkeep.errors import InvalidPlan
from emberkeep.keys import fingerprint
from emberkeep.ode.compilation import Compilation
from emberkeep.ode.errors import InvalidSystem
from emberkeep.ode.methods import method as method_of
from emberkeep.ode.sensitivities import with_sensitivities
from emberkeep.targets.cuda.target import CudaTarget

TIGHT = {"rtol": 1e-11, "atol": 1e-13}


def solver(keep, system, names, method="tsit5", **more):
    return ode.Solver(
        system, target="cpu", keep=keep, method=method, threads=1, sensitivities=names, **more
    )


@pytest.fixture
def logistic():
    return ode.System(
        "dx = r*x*(1 - x/K); share = x/K",
        {"x": 0.1},
        {"r": 1.5, "K": 2.0},
        observables=["share"],
        name="logistic",
    )


def l96(states):
    """A ring of any size whose forces are parameters."""
    equations = [
        f"dx{i} = (x{(i + 1) % states} - x{i - 2 if i > 1 else i - 2 + states})"
        f"*x{(i - 1) % states} - x{i} + F{i}*scale"
        for i in range(states)
    ]
    numbers = np.random.default_rng(states).uniform(0, 2, states)
    return ode.System(
        equations,
        {f"x{i}": number for i, number in enumerate(numbers)},
        {"scale": 1.0} | {f"F{i}": 3.0 + 0.1 * i for i in range(states)},
        name=f"l96_{states}",
    )


# Closed forms -------------------------------------------------------------------------------------


def test_a_decay_in_single_precision(keep, decay):
    result = solver(keep, decay, ["k"], precision="float32").solve((0, 2))
    assert result.sensitivity("x", "k").dtype == np.float32
    assert result.sensitivity("x", "k")[0] == pytest.approx(-2 * math.exp(-2), rel=1e-4)


def test_a_decay(keep, decay):
    k = np.array([0.5, 1.0, 2.0])
    result = solver(keep, decay, ["k", "x"]).solve(
        (0, 2), parameters={"k": k}, save_at=0.25, **TIGHT
    )
    exact = np.exp(-k[:, None] * result.t)
    np.testing.assert_allclose(result.sensitivity("x", "k"), -result.t * exact, atol=1e-11)
    np.testing.assert_allclose(result.sensitivity("x", "x"), exact, rtol=1e-10)
    assert [*result.sensitivities] == ["k", "x"]
    np.testing.assert_array_equal(
        result.sensitivity("x"), np.stack([result.sensitivity("x", n) for n in "kx"], -1)
    )


@pytest.mark.parametrize("span", [(0, 3), (3, 0), (-2, -5)])
def test_an_oscillator_forwards_and_backwards(span, keep, oscillator):
    w, result = 2.0, solver(keep, oscillator, ["v", "w", "x"], "dop853").solve(span, **TIGHT)
    t = span[1] - span[0]
    cos, sin = np.cos(w * t), np.sin(w * t)
    exact = {
        ("x", "x"): cos, ("v", "x"): -w * sin, ("x", "v"): sin / w, ("v", "v"): cos,
        ("x", "w"): -t * sin, ("v", "w"): -sin - w * t * cos,
    }  # fmt: skip
    for (of, by), value in exact.items():
        assert result.sensitivity(of, by)[0] == pytest.approx(value, abs=1e-9)


def test_a_logistic_curve_and_its_observable(keep, logistic):
    r, big, start, t = 1.5, 2.0, 0.1, np.linspace(0, 4, 9)
    result = solver(keep, logistic, ["K", "r"]).solve((0, 4), save_at=t, **TIGHT)
    grown = np.exp(-r * t)
    bottom = start + (big - start) * grown
    x = big * start / bottom
    by_r = x / bottom * (big - start) * t * grown
    by_big = start / bottom - x / bottom * grown
    np.testing.assert_allclose(result.sensitivity("x", "r")[0], by_r, atol=1e-9)
    np.testing.assert_allclose(result.sensitivity("x", "K")[0], by_big, atol=1e-9)
    np.testing.assert_allclose(result.sensitivity("share", "r")[0], by_r / big, atol=1e-9)
    np.testing.assert_allclose(
        result.sensitivity("share", "K")[0], by_big / big - x / big**2, atol=1e-9
    )


# Exact to the discretisation ----------------------------------------------------------------------


def scheme(method, f, y, p, steps, h):
    """A fixed-step method as books write it, in whatever numbers it is given."""
    tableau = method_of(method)
    for _ in range(steps):
        slopes = [f(y, p)]
        for row in tableau.stages:
            at = [
                x + h * sum(a * k[i] for a, k in zip(row, slopes, strict=True))
                for i, x in enumerate(y)
            ]
            slopes.append(f(at, p))
        y = [
            x + h * sum(b * k[i] for b, k in zip(tableau.weights, slopes, strict=True))
            for i, x in enumerate(y)
        ]
    return y


@pytest.mark.parametrize("method", ["rk4", "tsit5", "bosh3"])
def test_it_is_the_derivative_of_the_steps_themselves(method, keep):
    """Steps so long that the solution is wrong, and its derivatives by complex steps."""
    system = ode.System(
        "dx = a*x - b*x*y; dy = -y + x*exp(-a*y)", {"x": 1.2, "y": 0.7}, {"a": 1.1, "b": 0.9}
    )

    def f(y, p):
        return [
            p["a"] * y[0] - p["b"] * y[0] * y[1], -y[1] + y[0] * np.exp(-p["a"] * y[1])
        ]  # fmt: skip

    steps, h = 8, 0.375
    result = solver(keep, system, ["a", "b", "x", "y"], method).solve(
        (0, steps * h), dt=h, controller="fixed"
    )
    start = {**system.states, **system.parameters}
    for name in ("a", "b", "x", "y"):
        moved = {**start, name: start[name] + 1e-30j}
        end = scheme(method, f, [moved["x"], moved["y"]], moved, steps, h)
        for place, of in enumerate("xy"):
            expected = end[place].imag / 1e-30
            assert result.sensitivity(of, name)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("states", [5, 26], ids=["small", "large"])
def test_central_differences_of_fixed_steps(states, keep):
    system, h = l96(states), 2.0**-20
    names = ["F1", "scale", "x2"]
    fixed = {"dt": 0.02}
    result = solver(keep, system, names, "rk4").solve((0, 0.6), **fixed)
    plain = solver(keep, system, (), "rk4")
    for name in names:
        kind = "initial" if name in system.states else "parameters"
        value = {**system.states, **system.parameters}[name]
        ends = plain.solve((0, 0.6), **{kind: {name: [value + h, value - h]}}, **fixed).final
        expected = (ends[0] - ends[1]) / (2 * h)
        found = result.sensitivities[name].final[0]
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8)


def test_a_complex_step_of_the_solution_at_tight_tolerances(keep):
    mpmath = pytest.importorskip("mpmath")
    system = ode.System(
        "dx = -k*x*y; dy = k*x*y - g*y", {"x": 0.99, "y": 0.01}, {"k": 1.7, "g": 0.4}, name="sir"
    )
    result = solver(keep, system, ["k", "g"], "dop853").solve((0, 6), rtol=1e-12, atol=1e-14)
    with mpmath.workdps(40):
        small = mpmath.mpf(10) ** -15
        for name in ("k", "g"):
            p = {key: mpmath.mpc(value) for key, value in system.parameters.items()}
            p[name] += 1j * small
            taylor = mpmath.odefun(
                lambda _, y, p=p: [-p["k"] * y[0] * y[1], p["k"] * y[0] * y[1] - p["g"] * y[1]],
                0,
                [mpmath.mpc(0.99), mpmath.mpc(0.01)],
                tol=mpmath.mpf(10) ** -28,
            )
            for of, value in zip("xy", taylor(6), strict=True):
                expected = float(mpmath.im(value) / small)
                assert result.sensitivity(of, name)[0] == pytest.approx(expected, rel=1e-10)


# The same steps -----------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(
    ("states", "names"), [(3, 2), (7, 7), (26, 2)], ids=["small", "in arrays", "large"]
)
def test_states_have_the_bits_that_they_have_without(states, names, precision, keep):
    system = l96(states)
    wanted = ["scale", "x0", *(f"F{i}" for i in range(states))][:names]
    given = {"parameters": {"F0": np.linspace(2, 4, 37)}, "save_at": 0.25}
    given |= {"outputs": ["states", "final", "steps", "mean", "time_of_max"]}
    for method, more in (("tsit5", {}), ("rk4", {"dt": 0.01})):
        plain, with_more = (
            solver(keep, system, each, method, precision=precision).solve((0, 2), **given, **more)
            for each in ((), wanted)
        )
        for attribute in ("states", "final", "steps", "status"):
            one, other = (getattr(each, attribute) for each in (plain, with_more))
            np.testing.assert_array_equal(one, other)
        for kind, values in plain.summaries.items():
            np.testing.assert_array_equal(with_more.summaries[kind], values)
        by_x = with_more.sensitivities["x0"].states
        assert np.isfinite(by_x).all()
        assert np.abs(by_x[:, -1]).max() > 0.01


def test_shared_terms_change_no_bits(keep):
    """Products and quotients that derivatives need too are rounded as without them."""
    system = ode.System(
        "dx = a*b + y/(c + x) - x - exp(-x)*y; dy = a*x*y/(c + x) - y*y*y + a*b*sin(t*x)",
        {"x": 0.4, "y": 1.1},
        {"a": 0.7, "b": 0.3, "c": 1.9},
        name="shared",
    )
    given = {"parameters": {"a": np.linspace(0.5, 1.5, 101)}}
    plain, with_more = (
        solver(keep, system, names).solve((0, 9), **given) for names in ((), ["a", "b", "c"])
    )
    np.testing.assert_array_equal(plain.final, with_more.final)


def test_arrays_and_names_agree(keep):
    """A loop over what is differentiated by, and lines for each."""
    system = l96(7)
    all_names = [f"F{i}" for i in range(7)]
    many, few = (solver(keep, system, names).solve((0, 1)) for names in (all_names, ["F3"]))
    np.testing.assert_allclose(
        many.sensitivities["F3"].final, few.sensitivities["F3"].final, rtol=1e-12, atol=1e-15
    )


def test_errors_of_sensitivities_count_where_that_is_asked_for(keep, decay):
    """The states begin where nothing happens to them; their derivatives do not."""
    given = {"initial": {"x": 0.0}, "outputs": ["final", "steps"], "rtol": 1e-8, "atol": 1e-6}
    alone = solver(keep, decay, ["x"]).solve((0, 20), **given)
    both = solver(keep, decay, ["x"], error_norm="all").solve((0, 20), **given)
    own = solver(keep, decay, ["x"], error_norm="all").solve(
        (0, 20), **(given | {"atol": {"x": 1e-6, ("x", "x"): 1e-12}})
    )
    assert alone.steps[0, 0] < both.steps[0, 0] < own.steps[0, 0]
    assert own.sensitivity("x", "x")[0] == pytest.approx(math.exp(-20), abs=1e-11)


@pytest.mark.parametrize("method", ["rodas5p", "kvaerno5"])
def test_implicit_steps(method, keep):
    """Robertson's reactions, against differences; a Rosenbrock method takes the very same steps."""
    system = ode.System(
        "da = -k1*a + k2*b*c; db = k1*a - k2*b*c - k3*b^2; dc = k3*b^2",
        {"a": 1.0, "b": 0.0, "c": 0.0},
        {"k1": 0.04, "k2": 1e4, "k3": 3e7},
        name="robertson",
    )
    given = {"rtol": 1e-8, "atol": {"a": 1e-10, "b": 1e-14, "c": 1e-10}}
    result = solver(keep, system, ["k1", "k3"], method).solve((0, 100), **given)
    plain = solver(keep, system, (), method)
    if method == "rodas5p":
        np.testing.assert_array_equal(result.final, plain.solve((0, 100), **given).final)
    for name in ("k1", "k3"):
        value = system.parameters[name]
        h = 1e-4 * value
        ends = plain.solve((0, 100), parameters={name: [value + h, value - h]}, **given).final
        found = result.sensitivities[name].final[0]
        np.testing.assert_allclose(found, (ends[0] - ends[1]) / (2 * h), rtol=1e-5)
        assert abs(found.sum()) < 1e-9 * np.abs(found).max()  # mass is conserved


# Summaries, restarts, labels ----------------------------------------------------------------------

KINDS = ["mean", "std", "rms", "min", "max", "max_abs", "derivative_mean", "derivative_max"]


@pytest.mark.parametrize("large", [False, True])
def test_summaries_against_differences(large, keep):
    if large:
        system, names = l96(26), ["F1", "x3"]
    else:
        system = ode.System(
            "dx = v; dv = -w^2*x; e = v^2/2 + x",
            {"x": 1.0, "v": 0.1},
            {"w": 2.0},
            observables=["e"],
            name="observed",
        )
        names = ["w", "x"]
    given = {"dt": 0.02, "save_at": 0.1, "windows": [0, 1, 2], "outputs": KINDS}
    result = solver(keep, system, names, "rk4").solve((0, 2), **given)
    plain, h = solver(keep, system, (), "rk4"), 2.0**-18
    for name in names:
        kind = "initial" if name in system.states else "parameters"
        value = {**system.states, **system.parameters}[name]
        ends = plain.solve((0, 2), **{kind: {name: [value + h, value - h]}}, **given)
        for each in KINDS:
            for of in [*result][:4]:
                above, below = ends.summary(each, of)
                found = result.sensitivity(of, name, summary=each)[0]
                np.testing.assert_allclose(found, (above - below) / (2 * h), rtol=1e-6, atol=1e-8)


def test_a_summary_that_is_a_time_has_no_derivative(keep, decay):
    result = solver(keep, decay, ["k"]).solve((0, 1), save_at=0.1, outputs=["time_of_max"])
    with pytest.raises(KeyError, match="time_of_max"):
        result.sensitivity("x", "k", summary="time_of_max")


def test_a_result_goes_on_with_its_derivatives(keep, oscillator):
    one = solver(keep, oscillator, ["w", "x"])
    values = {"w": [1.0, 2.0, 3.0]}
    half = one.solve((0, 1), parameters=values, **TIGHT)
    whole = one.solve((0, 2), parameters=values, **TIGHT)
    rest = one.solve((1, 2), initial=half, **TIGHT)
    for of in "xv":
        np.testing.assert_allclose(rest.sensitivity(of), whole.sensitivity(of), atol=1e-9)
    with pytest.raises(InvalidPlan, match="none by v"):
        solver(keep, oscillator, ["v"]).solve((1, 2), initial=half)
    plain = solver(keep, oscillator, ()).solve((1, 2), initial=half, **TIGHT)
    np.testing.assert_array_equal(plain.final, rest.final)


def test_labels(keep, logistic, tmp_path):
    given = {"save_at": 0.5, "outputs": ["states", "mean"], "parameters": {"r": [1.0, 1.5]}}
    one = solver(keep, logistic, ["r", "x"])
    result = one.solve((0, 2), **given)
    table = result.to_xarray()
    assert table["x_sensitivity"].dims == ("run", "t", "parameter")
    assert table["parameter"].to_numpy().tolist() == ["r", "x"]
    np.testing.assert_array_equal(
        table["share_mean_sensitivity"].sel(parameter="r"),
        result.sensitivity("share", "r", summary="mean"),
    )
    frame = result.to_pandas()
    np.testing.assert_array_equal(frame["x_by_r"], result.sensitivity("x", "r").ravel())
    runs = one.solve((0, 2), parameters=given["parameters"]).to_pandas("runs")
    assert {"x_by_r", "share_by_x"} <= {*runs.columns}
    stored = one.solve((0, 2), into=tmp_path / "runs.zarr", **given)
    assert stored.to_xarray().identical(table) or stored.to_xarray().equals(table)
    np.testing.assert_array_equal(stored.sensitivity("x", "r"), result.sensitivity("x", "r"))
    with pytest.raises(KeyError, match="by 'K'"):
        stored.sensitivity("x", "K")


def test_vectors_and_matrices(keep):
    system = ode.System(
        "x[i]' = sum(A[i,j]*x[j] for j in 1..2) for i in 1..2",
        {"x": [1.0, 2.0]},
        {"A": [[-1.0, 0.5], [0.2, -0.3]]},
        name="linear",
    )
    result = solver(keep, system, ["A", "x"]).solve((0, 1), **TIGHT)
    scipy = pytest.importorskip("scipy.linalg")
    matrix = np.array([[-1.0, 0.5], [0.2, -0.3]])
    np.testing.assert_allclose(result.sensitivity("x", "x")[0], scipy.expm(matrix), rtol=1e-9)
    for index in np.ndindex(2, 2):
        direction = np.zeros((2, 2))
        direction[index] = 1.0
        expected = scipy.expm_frechet(matrix, direction, compute_expm=False) @ [1.0, 2.0]
        found = result.sensitivity("x", "A")[(0, slice(None), *index)]
        np.testing.assert_allclose(found, expected, rtol=1e-9)


# Jumps and drivers --------------------------------------------------------------------------------


def test_a_time_of_a_dose_that_is_a_parameter(keep):
    """x(t) = dose/k (1 - exp(-k (t - begin))) from its beginning on, and decays from its end on."""
    system = ode.System(
        "dx = where(t < begin, 0, where(t < begin + lasts, dose, 0)) - k*x",
        {"x": 0.0},
        {"begin": 0.7, "lasts": 0.5, "dose": 3.0, "k": 0.4},
        name="infusion",
    )
    begin = np.array([0.3, 0.7, 1.1])
    result = solver(keep, system, ["begin", "lasts", "dose"]).solve(
        (0, 2), parameters={"begin": begin}, **TIGHT
    )
    at_end = np.exp(-0.4 * (2 - begin - 0.5))
    exact = 3.0 / 0.4 * (1 - math.exp(-0.2)) * at_end
    np.testing.assert_allclose(result["x"], exact, rtol=1e-10)
    np.testing.assert_allclose(result.sensitivity("x", "begin"), 0.4 * exact, rtol=1e-9)
    np.testing.assert_allclose(result.sensitivity("x", "lasts"), 3.0 * at_end, rtol=1e-9)
    np.testing.assert_allclose(result.sensitivity("x", "dose"), exact / 3.0, rtol=1e-9)


def test_jumps_at_one_time_that_move_apart(keep):
    """Nobody knows which jump is whose; where they move together, or one does not, all is well."""
    system = ode.System(
        "dx = where(t < a, 0, 1) + where(t >= b, 2, 0) + late\n"
        "late = where(t - a > 0, 5, 0) + where(t > 2, 7, 0)",
        {"x": 0.0},
        {"a": 1.0, "b": 1.0},
        name="together",
    )
    result = solver(keep, system, ["a", "b"]).solve((0, 3), parameters={"a": [1.0, 1.5]}, **TIGHT)
    np.testing.assert_allclose(result["x"], [23.0, 20.0], rtol=1e-10)
    np.testing.assert_allclose(result.sensitivity("x", "a"), [np.nan, -6.0])
    np.testing.assert_allclose(result.sensitivity("x", "b"), [np.nan, -2.0])


@pytest.mark.parametrize("states", [1, 26], ids=["small", "large"])
@pytest.mark.parametrize("span", [(0, 3), (3, 0)])
def test_jumps_again_and_again(span, states, keep):
    others = "".join(f"; dz{i} = x - z{i}" for i in range(states - 1))
    system = ode.System(
        f"dx = where(mod(t - shift, period) < width, 1, 0) - k*x{others}",
        {"x": 0.3} | {f"z{i}": 0.1 * i for i in range(states - 1)},
        {"shift": 0.13, "period": 0.7, "width": 0.21, "k": 0.4},
        name="pulses",
    )
    names, h = ["shift", "period", "width", "k"], 1e-5
    given = TIGHT | {"save_at": sorted([0, 1.9, 3], reverse=span[0] > span[1])}
    result = solver(keep, system, names).solve(span, **given)
    plain = solver(keep, system, ())
    for name in names:
        value = system.parameters[name]
        moved = {name: [value + h, value - h]}
        ends = plain.solve(span, parameters=moved, **given).states
        np.testing.assert_allclose(
            result.sensitivities[name].states[0], (ends[0] - ends[1]) / (2 * h), atol=2e-6
        )


def test_a_driver(keep):
    system = ode.System("dx = gain*u - x", {"x": 0.0}, {"gain": 2.0}, drivers=["u"], name="driven")
    samples = ode.Driver([0, 1, 2, 3], [0.0, 1.0, 0.5, 2.0])
    result = solver(keep, system, ["gain"]).solve((0, 3), drivers={"u": samples}, **TIGHT)
    np.testing.assert_allclose(result.sensitivity("x", "gain"), result["x"] / 2.0, rtol=1e-9)


REFUSED = {
    "dx = where(x > k, 1, 0)": "x > k",
    "dx = heaviside(x - k)": "x - k",
    "dx = k + floor(x)": "floor",
    "dx = sin(mod(x, 1))*k": "fmod",
    "dx = where(u > k, 1, 0) - x": "u > k",
    "dx = where(sin(t)*t > k, 1, 0) - x": "k",
    # Hidden behind other comparisons.
    "dx = where(t > 50, where(x > k, 1, 0), 0) - x": "x > k",
    "dx = where(t > 5.5 and t < 5.6 and x > k, 1, 0) - x": "x > k",
    "dx = where(mode > 3, where(x > 0.5, k, 0), 0) - x": "x > 0.5",
}


@pytest.mark.parametrize("text", REFUSED)
def test_jumps_at_unknown_times_are_refused(text, keep):
    drivers = ["u"] if "u >" in text else ()
    system = ode.System(text, {"x": 0.3}, {"k": 0.5, "mode": 0.0}, drivers=drivers)
    with pytest.raises(InvalidSystem, match="jumps with") as refusal:
        solver(keep, system, ["k"]).build()
    assert REFUSED[text] in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "dx = where(x > k, x - k, 0) + k",
        "dx = max(x - k, 0) + abs(x - 1)*k",
        "dx = sign(x)*x + k",
        "dx = where(x > k, (x - k)**2, 0)*where(k > 3, 5, k)",
        "dx = where(t > 1, 1, 0) - k*x",
        "dx = k*u*where(u > 0.5, 1, 0)",
        "dx = clip(x, 0, k)",
        "dx = where(t > 50, where(x > k, x - k, 0), 0) + where(t > 2, k, 0)",
        "dx = where(x < 0, 0, where(x < 1, 2*x, where(x < 3, 2 + 0.5*(x - 1), 3)))*k",
        "dx = where(x < k, 0, where(x < k + 1, x - k, 1))",
        "dx = where(x > 0, sqrt(x), 0)*k",
    ],
)
def test_what_does_not_jump_or_is_not_moved_is_not(text, keep):
    drivers = ["u"] if "u >" in text else ()
    system = ode.System(text, {"x": 0.3}, {"k": 0.5}, drivers=drivers)
    assert solver(keep, system, ["k"]).source()


def test_fixed_steps_do_not_end_at_jumps(keep):
    system = ode.System("dx = where(t < begin, 0, 3) - x", {"x": 0.0}, {"begin": 0.7, "k": 1.0})
    with pytest.raises(InvalidSystem, match="fixed length"):
        solver(keep, system, ["begin"], "rk4").solve((0, 1), dt=0.1)
    ramp = ode.System("dx = max(t - begin, 0)", {"x": 0.0}, {"begin": 0.5})
    found = solver(keep, ramp, ["begin"], "rk4").solve((0, 1), dt=2.0**-6)
    assert found.sensitivity("x", "begin")[0] == pytest.approx(-0.5, abs=2.0**-6)


def test_functions_that_are_not_followed_are_refused_by_name(keep):
    def unfollowed(x):
        return x if x > 0 else -x

    system = ode.System(
        "dx = -k*unfollowed(x)", {"x": 1.0}, {"k": 1.0}, functions={"unfollowed": unfollowed}
    )
    with pytest.raises(InvalidSystem, match="unfollowed"):
        solver(keep, system, ["k"]).build()


@pytest.mark.parametrize(
    "names", [["F0", "x1"], [f"F{i}" for i in range(7)]], ids=["lines", "arrays"]
)
@pytest.mark.parametrize("states", [7, 26])
def test_they_compile_for_a_gpu(states, names, keep):
    one = ode.Solver(l96(states), target=CudaTarget("sm_90"), keep=keep, sensitivities=names)
    assert one.build(["final", "mean"])
    pulses = ode.System("dx = where(mod(t - a, 0.7) < 0.2, 1, 0) - x", {"x": 0.3}, {"a": 0.1})
    jumping = ode.Solver(pulses, target=CudaTarget("sm_90"), keep=keep, sensitivities=["a"])
    assert "moves0" in jumping.source()
    assert jumping.build()


# Names, keys --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sensitivities": ["rh"]}, "Did you mean 'rho'"),
        ({"sensitivities": ["beta"]}, "constant"),
        ({"sensitivities": ["rho", "rho"]}, "twice"),
        ({"sensitivities": 3}, "list of names"),
        ({"sensitivities": ["rho"], "error_norm": "none"}, "error_norm='none'"),
    ],
)
def test_what_cannot_be_is_refused(given, said, keep, lorenz):
    with pytest.raises(InvalidPlan, match=said):
        ode.Solver(lorenz, target="cpu", keep=keep, **given)


def test_what_is_not_there_is_refused(keep, decay):
    result = solver(keep, decay, ["k"]).solve((0, 1))
    with pytest.raises(KeyError, match="by 'x', but by k"):
        result.sensitivity("x", "x")
    with pytest.raises(KeyError, match="sensitivities="):
        solver(keep, decay, ()).solve((0, 1)).sensitivity("x")
    with pytest.raises(InvalidPlan, match="atol names"):
        solver(keep, decay, ["k"]).solve((0, 1), atol={("x", "x"): 1e-3})


def test_what_is_differentiated_by_is_in_the_key_and_no_number_is(lorenz):
    def key(names, norm="states"):
        plan = ode.Solver(lorenz, target="cpu", sensitivities=names, error_norm=norm).plan()
        return fingerprint(dict(Compilation(plan).ingredients())).digest

    keys = [key([]), key(["rho"]), key(["sigma"]), key(["rho", "sigma"]), key(["sigma", "rho"])]
    keys += [key(["rho"], "all"), key(["x"])]
    assert len({*keys}) == len(keys)
    assert key(("rho",)) == keys[1]
    assert with_sensitivities(lorenz, [], "states") is lorenz


def test_a_solver_with_them_pickles(keep, decay):
    import pickle

    one = ode.Solver(decay, target="cpu", sensitivities=["k"], error_norm="all")
    again = pickle.loads(pickle.dumps(one))
    assert (again.sensitivities, again.error_norm) == (("k",), "all")
    result = solver(keep, decay, ["k"]).solve((0, 1))
    assert pickle.loads(pickle.dumps(result)) == result


def test_bits_do_not_depend_on_the_batch(keep, lorenz):
    one, values = solver(keep, lorenz, ["rho", "x"]), np.linspace(20, 30, 77)
    whole = one.solve((0, 2), parameters={"rho": values}, save_at=0.5).sensitivity("z")
    for run in (0, 31, 76):
        alone = one.solve((0, 2), parameters={"rho": values[run]}, save_at=0.5).sensitivity("z")
        np.testing.assert_array_equal(alone[0], whole[run])


def test_trajectories_that_fail_have_none(keep, blowup):
    with pytest.warns(match="failed"):
        result = solver(keep, blowup, ["x"]).solve((0, 2), initial={"x": [0.25, 1.0]}, **TIGHT)
    found = result.sensitivity("x", "x")
    assert found[0] == pytest.approx(1 / (1 - 0.5) ** 2, rel=1e-8)
    assert np.isnan(found[1])


WARM = """
import json, sys
from emberkeep import ode
system = ode.System("dx = -k*x", {"x": 1.0}, {"k": 1.0}, name="one")
before = set(sys.modules)
result = ode.solve(system, (0, 1), dt=0.1, method="rk4", target="cpu", sensitivities=["k"])
print(json.dumps([sorted(set(sys.modules) - before), result.sensitivity("x", "k").tolist()]))
"""


def test_where_they_are_kept_nothing_is_differentiated_again(tmp_path):
    environ = {**os.environ, "EMBERKEEP_DIR": str(tmp_path)}
    command = [sys.executable, "-c", WARM]
    (cold, first), (warm, second) = (
        json.loads(subprocess.run(command, env=environ, capture_output=True, check=True).stdout)
        for _ in range(2)
    )
    assert first == second
    writing = {f"emberkeep.ode.{name}" for name in ("kernel.source", "system.variational")}
    assert writing <= {*cold}
    assert not writing & {*warm}
    assert not {"emberkeep.ode.system.derivatives", "emberkeep.ode.system.differentiable"} & {*warm}
