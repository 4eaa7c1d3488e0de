"""Sensitivities that follow steps: in all forms, against complex steps and closed forms."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from emberkeep import ode
from emberkeep.ode.methods import method as method_of

TIGHT = {"rtol": 1e-11, "atol": 1e-13}
gpu = runpy.run_path(Path(__file__).parent / "gpu_on_host.py")


def solver(keep, system, names, method="tsit5", **more):
    return ode.Solver(
        system, target="cpu", keep=keep, method=method, threads=1, sensitivities=names, **more
    )


def ring(states, *, is_long=False):
    """A ring of any size with parameters of one state and of all, and a time in its Jacobian."""
    more = "".join(f"*cos({k}*x{{i}})^2" for k in range(1, 12)) if is_long else ""
    equations = [
        f"dx{i} = (x{(i + 1) % states} - x{(i - 2) % states})*x{(i - 1) % states}"
        f"*(1 + 0.1*sin(t)) - x{i} + F{i}*scale*(1 + t/2) + 0.1*scale*x{i}{more.format(i=i)}"
        for i in range(states)
    ]
    return ode.System(
        equations,
        {f"x{i}": 0.4 + 0.1 * (i % 7) for i in range(states)},
        {"scale": 1.1} | {f"F{i}": 3.0 + 0.1 * i for i in range(states)},
        name=f"ring_{states}",
    )


def slopes_of(states, *, is_long=False):
    """The same right-hand side, as NumPy calculates it, of complex numbers too."""

    def f(t, y, p):
        n = states
        forces = np.array([p[f"F{i}"] for i in range(n)])
        more = 0.1 * p["scale"] * y
        if is_long:
            more = more * np.prod([np.cos(k * y) ** 2 for k in range(1, 12)], axis=0)
        pairs = (np.roll(y, -1) - np.roll(y, 2)) * np.roll(y, 1)
        return pairs * (1 + 0.1 * np.sin(t)) - y + forces * p["scale"] * (1 + t / 2) + more

    return f


def integrated(method, f, y, p, steps, h):
    """Explicit steps of a fixed length, as books write them."""
    tableau = method_of(method)
    for step in range(steps):
        slopes = [f(step * h, y, p)]
        for node, row in zip(tableau.nodes[1:], tableau.stages, strict=True):
            at = y + h * sum(a * k for a, k in zip(row, slopes, strict=True))
            slopes.append(f((step + node) * h, at, p))
        y = y + h * sum(b * k for b, k in zip(tableau.weights, slopes, strict=True))
    return y


FORMS = {
    "lines": (3, False, ["F1", "scale", "x0"]),
    "a loop over names": (5, False, ["F1", "scale", "x0", "x1", "x2", "F0", "F4", "F3", "x4"]),
    "in memory": (5, True, ["x1", "scale", "F3"]),
    "large": (26, False, ["scale", "x7", "F25"]),
    "initial values alone": (26, False, ["x7", "x8"]),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", ["rk4", "tsit5", "bosh3", "dop853"])
def test_it_is_the_derivative_of_the_steps_themselves(method, form, keep):
    """Steps so long that the solution is wrong, and its derivatives by complex steps."""
    states, is_long, names = FORMS[form]
    if form == "a loop over names":
        names = [*ring(states).parameters, *ring(states).states]
    system, f = ring(states, is_long=is_long), slopes_of(states, is_long=is_long)
    steps, h = 4, 0.06
    result = solver(keep, system, names, method).solve((0, steps * h), dt=h, controller="fixed")
    for name in names:
        y = np.array([*system.states.values()], complex)
        p = {**system.parameters}
        if name in p:
            p[name] += 1e-30j
        else:
            y[[*system.states].index(name)] += 1e-30j
        expected = integrated(method, f, y, p, steps, h).imag / 1e-30
        found = result.sensitivities[name].final[0]
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12 * abs(expected).max())


ROSENBROCK = {
    "lines": (5, False, ["F1", "scale", "x0", "x1", "F3"]),
    "a loop over names": (5, False, [f"F{i}" for i in range(5)] + [f"x{i}" for i in range(5)]),
    "in memory": (5, True, ["x1", "scale", "F3", "x2", "F0"]),
    "part of the step": (3, False, ["x1", "scale"]),
    "large": (26, False, ["scale", "x7"]),
}


@pytest.mark.parametrize("form", ROSENBROCK)
@pytest.mark.parametrize("method", ["rodas5p", "rosenbrock23", "rodas4"])
def test_it_is_the_derivative_of_rosenbrock_steps(method, form, keep):
    """Central differences of steps so long that the solution is wrong."""
    states, is_long, names = ROSENBROCK[form]
    system, h = ring(states, is_long=is_long), 2.0**-17
    given = {"dt": 0.125, "controller": "fixed"}
    result = solver(keep, system, names, method).solve((0.25, 0.75), **given)
    plain = solver(keep, system, (), method)
    start = {**system.states, **system.parameters}
    for name in names[:: max(len(names) // 4, 1)]:
        kind = "initial" if name in system.states else "parameters"
        moved = {name: [start[name] + h, start[name] - h]}
        ends = plain.solve((0.25, 0.75), **{kind: moved}, **given).final
        expected = (ends[0] - ends[1]) / (2 * h)
        found = result.sensitivities[name].final[0]
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8 * abs(expected).max())


HIRES = """
dy1 = -k1*y1 + k2*y2 + k3*y3 + k4; dy2 = k1*y1 - k5*y2; dy3 = -k6*y3 + k2*y4 + k7*y5
dy4 = k3*y2 + k1*y3 - k8*y4; dy5 = -k9*y5 + k2*y6 + k2*y7
dy6 = -k10*y6*y8 + k11*y4 + k1*y5 - k2*y6 + k11*y7; dy7 = k10*y6*y8 - k12*y7
dy8 = -k10*y6*y8 + k12*y7
"""
RATES = [1.71, 0.43, 8.32, 0.0007, 8.75, 10.03, 0.035, 1.12, 1.745, 280.0, 0.69, 1.81]


@pytest.mark.parametrize("saves", [False, True])
def test_a_stiff_system_by_all_its_rates(saves, keep):
    """HIRES (Hairer & Wanner, Solving ODEs II, IV.10), and differences at tight tolerances."""
    rates = {f"k{i}": rate for i, rate in enumerate(RATES, 1)}
    start = dict.fromkeys((f"y{i}" for i in range(1, 9)), 0.0) | {"y1": 1.0, "y8": 0.0057}
    system = ode.System(HIRES, start, rates, name="hires")
    given = {"rtol": 1e-10, "atol": 1e-14} | ({"save_at": [0.1, 3.0, 20.0]} if saves else {})
    result = solver(keep, system, [*rates, "y1"], "rodas5p").solve((0, 20), **given)
    plain, kind = solver(keep, system, (), "rodas5p"), "states" if saves else "final"
    same = getattr(plain.solve((0, 20), **given), kind)
    np.testing.assert_array_equal(getattr(result, kind), same)
    for name in ("k1", "k4", "k10", "y1"):
        value = {**rates, **start}[name]
        h = 1e-4 * value
        moved = {"initial" if name == "y1" else "parameters": {name: [value + h, value - h]}}
        ends = getattr(plain.solve((0, 20), **moved, **given), kind)
        found = getattr(result.sensitivities[name], kind)[0]
        expected = (ends[0] - ends[1]) / (2 * h)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7 * abs(expected).max())


def test_rates_of_a_driver_in_rosenbrock_steps(keep):
    """x' = p_k (u(t) - x) for several p: each by itself, with u a cubic spline."""
    n = 5
    system = ode.System(
        [f"dx{i} = p{i}*(u*p{i} - x{i})" for i in range(n)],
        {f"x{i}": 0.5 for i in range(n)},
        {f"p{i}": 1.0 + i for i in range(n)},
        drivers={"u": "cubic"},
        name="driven",
    )
    names = [f"p{i}" for i in range(n)]
    driver = {"u": ode.Driver(np.linspace(0, 2, 9), np.cos(np.linspace(0, 2, 9)))}
    given = {"dt": 0.125, "controller": "fixed", "drivers": driver}
    result, h = solver(keep, system, names, "rodas5p").solve((0, 1.5), **given), 2.0**-17
    for i, name in enumerate(names):
        moved = {"parameters": {name: [1.0 + i + h, 1.0 + i - h]}}
        ends = solver(keep, system, (), "rodas5p").solve((0, 1.5), **moved, **given).final
        found = result.sensitivities[name].final[0]
        np.testing.assert_allclose(found, (ends[0] - ends[1]) / (2 * h), rtol=1e-7, atol=1e-9)


@pytest.fixture(scope="module")
def chain():
    """A linear system too large for lines: x' = a S x - b x + c, with S a shift."""
    n = 26
    equations = [f"dx{i} = a*x{(i + 1) % n} - b*x{i} + c" for i in range(n)]
    return ode.System(
        equations,
        {f"x{i}": 1.0 + (i % 5) for i in range(n)},
        {"a": 0.7, "b": 0.9, "c": 0.3},
        name="chain",
    )


def exact_chain(chain, times):
    """The states, and their derivatives by a, b and the value that x3 begins with."""
    scipy = pytest.importorskip("scipy.linalg")
    n, p = len(chain.states), chain.parameters
    shift = np.roll(np.eye(n), 1, axis=1)
    whole = np.zeros((n + 1, n + 1))
    whole[:n, :n], whole[:n, n] = p["a"] * shift - p["b"] * np.eye(n), p["c"]
    y = np.array([*chain.states.values(), 1.0])
    directions = {"a": np.zeros_like(whole), "b": np.zeros_like(whole)}
    directions["a"][:n, :n], directions["b"][:n, :n] = shift, -np.eye(n)
    states, found = [], {"a": [], "b": [], "x3": []}
    for t in times:
        grown = scipy.expm(t * whole)
        states.append((grown @ y)[:n])
        found["x3"].append(grown[:n, 3])
        for name, direction in directions.items():
            moved = scipy.expm_frechet(t * whole, t * direction, compute_expm=False)
            found[name].append((moved @ y)[:n])
    return np.array(states), {name: np.array(rows) for name, rows in found.items()}


@pytest.mark.parametrize("span", [(0, 2), (1, -0.5)])
@pytest.mark.parametrize("method", ["tsit5", "bosh3", "dop853", "vern7", "rkf45"])
def test_values_within_steps(method, span, chain, keep):
    """With an interpolant of its own, by further stages, by both ends (Hermite); and at ends."""
    times = np.linspace(*span, 23)
    given = {"rtol": 1e-8, "atol": 1e-10} if method == "bosh3" else TIGHT
    result = solver(keep, chain, ["a", "b", "x3"], method, error_norm="states").solve(
        span, save_at=times, **given
    )
    states, expected = exact_chain(chain, times - span[0])
    atol = 1e-5 if method == "bosh3" else 1e-7
    np.testing.assert_allclose(result.states[0], states, atol=atol)
    for name, rows in expected.items():
        np.testing.assert_allclose(result.sensitivities[name].states[0], rows, atol=atol)
    plain = solver(keep, chain, (), method).solve(span, save_at=times, **given)
    np.testing.assert_array_equal(result.states, plain.states)


@pytest.mark.parametrize("saves", [False, True])
def test_bits_do_not_depend_on_neighbours(saves, chain, keep, lorenz):
    """Lanes that reject a step, or save within it, beside others that do not."""
    given = {"save_at": 0.37} if saves else {}
    for system, name, values in (
        (lorenz, "rho", np.linspace(1, 60, 77)),
        (chain, "a", np.linspace(0.1, 9, 41)),
    ):
        one = solver(keep, system, [name, [*system.states][0]])
        whole = one.solve((0, 2), parameters={name: values}, rtol=1e-4, **given)
        for run in (0, 19, len(values) - 1):
            alone = one.solve((0, 2), parameters={name: values[run]}, rtol=1e-4, **given)
            for by in one.sensitivities:
                found, expected = whole.sensitivities[by], alone.sensitivities[by]
                for kind in ["states"] if saves else ["final"]:
                    one_run, same = getattr(found, kind)[run], getattr(expected, kind)[0]
                    np.testing.assert_array_equal(one_run, same)


def test_what_failed_leaves_nothing_to_its_neighbours(keep, blowup):
    with pytest.warns(match="failed"):
        result = solver(keep, blowup, ["x"]).solve(
            (0, 2), initial={"x": np.linspace(0.1, 1.0, 50)}, **TIGHT
        )
    start = np.linspace(0.1, 1.0, 50)
    good = start < 0.5
    assert (result.status[good] == 0).all()
    exact = 1 / (1 - 2 * start[good]) ** 2
    np.testing.assert_allclose(result.sensitivity("x", "x")[good], exact, rtol=1e-7)


def test_a_time_and_a_driver_in_the_jacobian(keep):
    """x' = -k u(t) t x, with u(t) = 1 + t: x = exp(-k (t²/2 + t³/3))."""
    system = ode.System("dx = -k*u*t*x", {"x": 2.0}, {"k": 0.3}, drivers=["u"], name="driven")
    driver = ode.Driver([0.0, 1.0, 3.0], [1.0, 2.0, 4.0])
    result = solver(keep, system, ["k", "x"]).solve((0, 2), drivers={"u": driver}, **TIGHT)
    area = 2**2 / 2 + 2**3 / 3
    grown = np.exp(-0.3 * area)
    np.testing.assert_allclose(result.sensitivity("x", "x"), [grown], rtol=1e-9)
    np.testing.assert_allclose(result.sensitivity("x", "k"), [-2 * area * grown], rtol=1e-9)


def test_a_function_that_the_jacobian_calls(keep):
    """Compiled by itself, as it is not followed; of what nothing is differentiated by."""

    def gain(x):
        return 2.0 if x > 1.0 else x

    system = ode.System(
        "dx = -k*gain(c)*x", {"x": 1.0}, {"k": 0.5, "c": 3.0}, functions={"gain": gain}
    )
    result = solver(keep, system, ["k"]).solve((0, 1), parameters={"c": [0.25, 3.0]}, **TIGHT)
    rate = np.array([0.25, 2.0])
    np.testing.assert_allclose(result.sensitivity("x", "k"), -rate * np.exp(-0.5 * rate), rtol=1e-9)


@pytest.mark.skipif(not gpu["HAS_COMPILER"], reason="needs a C++ compiler")
@pytest.mark.parametrize("saves", [False, True])
@pytest.mark.parametrize("method", ["tsit5", "rodas5p"])
def test_a_gpus_threads_find_the_same(method, saves, chain, keep, tmp_path):
    given = {"parameters": {"a": np.linspace(0.5, 1.5, 9)}, **TIGHT}
    system, names = chain, ["a", "x3"]
    if saves:
        given["save_at"] = 0.3
    if method == "rodas5p":
        system, names = ring(5), ["F1", "scale", "x0", "x1", "F3"]
        given = {**given, "parameters": {"F1": np.linspace(2, 3, 9)}, "rtol": 1e-8}
    lanes = solver(keep, system, names, method)
    threads = solver(keep, system, names, method)
    threads._runner = gpu["Threads"](tmp_path)  # noqa: SLF001 - in the place of a device
    one, other = lanes.solve((0, 2), **given), threads.solve((0, 2), **given)
    for name in names:
        found, expected = other.sensitivities[name], one.sensitivities[name]
        kind = "states" if saves else "final"
        np.testing.assert_allclose(
            getattr(found, kind), getattr(expected, kind), rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize("method", ["tsit5", "rosenbrock23", "rodas4"])
def test_values_within_steps_in_a_loop_over_names(method, keep):
    """Which more stages make than the ends of steps; against steps that end there."""
    system = ring(5)
    names = [*system.parameters, *system.states]
    given = {"rtol": 1e-8, "atol": 1e-10} if method == "rosenbrock23" else TIGHT
    one, times = solver(keep, system, names, method), [0.1, 0.35, 0.4]
    found = one.solve((0, 0.5), save_at=times, **given)
    for place, time in enumerate(times):
        expected = one.solve((0, time), **given)
        for name in names:
            np.testing.assert_allclose(
                found.sensitivities[name].states[0, place],
                expected.sensitivities[name].final[0],
                rtol=1e-5,
                atol=1e-6,
            )
