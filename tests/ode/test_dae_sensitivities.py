"""Sensitivities of algebraic equations and mass matrices: closed forms, ODE forms, differences."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from emberkeep import ode
from emberkeep.errors import InvalidPlan
from emberkeep.ode.errors import InvalidSystem

TIGHT = {"rtol": 1e-9, "atol": 1e-11}
gpu = runpy.run_path(Path(__file__).parent / "gpu_on_host.py")


def solver(keep, system, names=(), method="rodas5p", **more):
    return ode.Solver(
        system, target="cpu", keep=keep, method=method, threads=1, sensitivities=names, **more
    )


def growth(copies=1):
    """x' = -k x + a x² by way of z = a x² and u = 1, which begin with other values."""
    lines = [
        f"dx{i} = -k*x{i} + z{i}*u{i}; 0 = z{i} - a*x{i}^2 + 0.1*(z{i}^3 - (a*x{i}^2)^3)\n"
        f"0 = u{i} + u{i}^3 - 2"
        for i in range(copies)
    ]
    begun = {"x": 1.0, "z": 0.0, "u": 0.3}
    states = {f"{name}{i}": value for i in range(copies) for name, value in begun.items()}
    return ode.System("\n".join(lines), states, {"k": 2.0, "a": 0.5}, name=f"growth_{copies}")


def exact(t, k, a=0.5, x=1.0):
    """The states: with v = 1/x, v' = k v - a."""
    v = (1 / x - a / k) * np.exp(k * t) + a / k
    return np.stack([1 / v, a / v**2, 1.0 + 0 * v], axis=-1)


def slope(t, name, **given):
    """By a complex step of the closed form."""
    value = {"k": 2.0, "a": 0.5, "x": 1.0, **given}
    value[name] = value[name] + 1e-30j
    return exact(t, **value).imag / 1e-30


@pytest.mark.parametrize(
    "method", ["rodas5p", "rodas4", "kvaerno5", "sdirk2", "radau-iia-5", "bdf"]
)
def test_a_closed_form(method, keep):
    one, values = solver(keep, growth(), ["k", "a", "x0", "z0", "u0"], method), [1.5, 2.0, 2.5]
    given = TIGHT if method != "sdirk2" else {"rtol": 1e-7, "atol": 1e-9}
    result = one.solve((0, 1), parameters={"k": values}, **given)
    for run, k in enumerate(values):
        for name, state in (("k", "k"), ("a", "a"), ("x", "x0")):
            found = result.sensitivities[state].final[run]
            np.testing.assert_allclose(found, slope(1.0, name, k=k), atol=1e-7)
        # What algebraic states begin with is a guess of what equations say.
        for name in ("z0", "u0"):
            assert np.abs(result.sensitivities[name].final[run]).max() < 1e-20
    plain = solver(keep, growth(), (), method).solve((0, 1), parameters={"k": values}, **given)
    if method.startswith("rodas"):
        np.testing.assert_array_equal(result.final, plain.final)
    np.testing.assert_allclose(result.final, plain.final, rtol=1e-7)


@pytest.mark.parametrize("copies", [1, 2, 9], ids=["lines", "many names", "large"])
def test_values_at_times_and_at_the_start(copies, keep):
    """In all layouts; at the start, derivatives are consistent already."""
    names = ["k", "a", "x0"]
    if copies == 2:
        names = [*growth(2).parameters, *growth(2).states]
    t = np.linspace(0, 1.5, 7)
    result = solver(keep, growth(copies), names).solve(
        (0, 1.5), parameters={"a": np.linspace(0.3, 0.7, 5)}, save_at=t, **TIGHT
    )
    for run, a in enumerate(np.linspace(0.3, 0.7, 5)):
        np.testing.assert_allclose(result.states[run, :, :3], exact(t, 2.0, a), atol=1e-8)
        for name, of in (("k", "k"), ("a", "a"), ("x0", "x")):
            found = result.sensitivities[name].states[run]
            np.testing.assert_allclose(found[:, :3], slope(t, of, a=a), atol=1e-7)
            others = (
                np.zeros_like(found[:, 3:])
                if name == "x0"
                else np.tile(slope(t, of, a=a), copies - 1)
            )
            np.testing.assert_allclose(found[:, 3:], others, atol=1e-7)


@pytest.mark.parametrize("method", ["rodas5p", "radau-iia-5", "sdirk2"])
def test_it_is_the_derivative_of_the_steps_themselves(method, keep):
    """Steps so long that the solution is wrong, and central differences of them."""
    given = {"dt": 0.25, "controller": "fixed", "rtol": 1e-13, "atol": 1e-13}
    result = solver(keep, growth(), ["k", "a", "x0"], method).solve((0, 1), **given)
    plain, h = solver(keep, growth(), (), method), 2.0**-17
    for name, value in {"k": 2.0, "a": 0.5, "x0": 1.0}.items():
        kind = "initial" if name == "x0" else "parameters"
        ends = plain.solve((0, 1), **{kind: {name: [value + h, value - h]}}, **given).final
        found = result.sensitivities[name].final[0]
        np.testing.assert_allclose(found, (ends[0] - ends[1]) / (2 * h), rtol=1e-7, atol=1e-8)


def test_a_mass_matrix(keep):
    """M y' = A y + b with M regular, as y' = M⁻¹ (A y + b)."""
    scipy = pytest.importorskip("scipy.linalg")
    mass = np.array([[2.0, 0.5], [0.25, 1.0]])
    system = ode.System(
        "dx = -a*x + y; dy = x - 2*y + b", {"x": 1.0, "y": 0.5}, {"a": 1.5, "b": 0.3},
        mass=mass, name="weighed",
    )  # fmt: skip
    result = solver(keep, system, ["a", "b", "y"]).solve((0, 2), **TIGHT)
    inverse = np.linalg.inv(mass)

    def end(a, b, y):
        whole = np.zeros((3, 3))
        whole[:2, :2] = inverse @ [[-a, 1.0], [1.0, -2.0]]
        whole[:2, 2] = inverse @ [0.0, b]
        return (scipy.expm(2 * whole) @ [1.0, y, 1.0])[:2]

    values, h = {"a": 1.5, "b": 0.3, "y": 0.5}, 1e-6
    np.testing.assert_allclose(result.final[0], end(**values), rtol=1e-8)
    for name, value in values.items():
        above, below = ({**values, name: value + way * h} for way in (1, -1))
        expected = (end(**above) - end(**below)) / (2 * h)
        np.testing.assert_allclose(result.sensitivities[name].final[0], expected, rtol=1e-6)


def test_behind_a_jump_they_are_consistent_again(keep):
    """x' = -x + z, z = p before 1 and 2 p + x²/10 from there on; its time is nobody's."""
    system = ode.System(
        "dx = -x + z; 0 = z - where(t < 1, p, 2*p + 0.1*x^2)", {"x": 0.2, "z": 0.0}, {"p": 0.7},
        name="stepping",
    )  # fmt: skip
    ordinary = ode.System(
        "dx = -x + where(t < 1, p, 2*p + 0.1*x^2)", {"x": 0.2}, {"p": 0.7}, name="ordinary"
    )
    t = [0.0, 0.5, 1.25, 2.0]
    found = solver(keep, system, ["p", "x"]).solve((0, 2), save_at=t, **TIGHT)
    expected = solver(keep, ordinary, ["p", "x"], "tsit5").solve(
        (0, 2), save_at=t, rtol=1e-11, atol=1e-13
    )
    for name in ("p", "x"):
        by = found.sensitivity("x", name)
        np.testing.assert_allclose(by, expected.sensitivity("x", name), rtol=1e-7)
        direct = np.array([1, 1, 2, 2]) * (name == "p")
        through = np.array([0, 0, 0.2, 0.2]) * found["x"] * by
        np.testing.assert_allclose(found.sensitivity("z", name), direct + through, rtol=1e-9)


def test_summaries_of_values_and_of_derivatives(keep):
    """Means over the times to save: of x, and of x' = a x² - k x, with its closed form."""
    given = {"save_at": 0.125, "outputs": ["mean", "derivative_mean"], **TIGHT}
    result = solver(keep, growth(), ["k", "x0"]).solve((0, 1), **given)
    t = np.linspace(0, 1, 9)
    x = exact(t, 2.0)[:, 0]
    for name, of in (("k", "k"), ("x0", "x")):
        by = slope(t, of)
        np.testing.assert_allclose(
            result.sensitivity("x0", name, summary="mean"), [by[:, 0].mean()], rtol=1e-7
        )
        moved = (2 * 0.5 * x - 2.0) * by[:, 0] - x * (name == "k")
        np.testing.assert_allclose(
            result.sensitivity("x0", name, summary="derivative_mean"), [moved.mean()], rtol=1e-7
        )
        through = 2 * 0.5 * (by[:, 0] * (0.5 * x**2 - 2.0 * x) + x * moved)  # z' = 2 a x x'
        np.testing.assert_allclose(
            result.sensitivity("z0", name, summary="derivative_mean"), [through.mean()], rtol=1e-7
        )


def test_a_result_goes_on_with_its_derivatives(keep):
    one = solver(keep, growth(), ["k", "x0"])
    half = one.solve((0, 0.5), **TIGHT)
    rest = one.solve((0.5, 1), initial=half, **TIGHT)
    for name, of in (("k", "k"), ("x0", "x")):
        np.testing.assert_allclose(rest.sensitivities[name].final[0], slope(1.0, of), atol=1e-7)


def test_bits_do_not_depend_on_the_batch(keep):
    one, values = solver(keep, growth(), ["k", "a"]), np.linspace(1.0, 3.0, 37)
    whole = one.solve((0, 1), parameters={"k": values})
    for run in (0, 18, 36):
        alone = one.solve((0, 1), parameters={"k": values[run]})
        for name in ("k", "a"):
            np.testing.assert_array_equal(
                alone.sensitivities[name].final[0], whole.sensitivities[name].final[run]
            )


def test_what_has_none_is_refused_by_name(keep):
    scaled = ode.System(
        "dx = -x + k; dy = x - y", {"x": 1.0, "y": 0.0}, {"c": 2.0, "k": 1.0},
        mass={"x": "c*k"}, name="scaled",
    )  # fmt: skip
    with pytest.raises(InvalidSystem, match="sensitivities of scaled by c: its mass matrix"):
        solver(keep, scaled, ["c"]).build()
    assert solver(keep, scaled, ["x"]).build()
    event = ode.Event("x0 - 0.5", terminal=True)
    with pytest.raises(InvalidPlan, match="growth_1 across events, as it has algebraic"):
        solver(keep, growth(), ["k"], events=[event])
    moved = ode.System(
        "dx = -x + z; 0 = z - where(t < begin, 0, x)", {"x": 1.0, "z": 0.0}, {"begin": 1.0},
        name="moved",
    )  # fmt: skip
    with pytest.raises(InvalidSystem, match="sensitivities of moved by begin: that moves the"):
        solver(keep, moved, ["begin"]).build()
    pendulum = ode.System(
        "dx = u; dy = v; du = -s*x; dv = -s*y - g; 0 = x^2 + y^2 - 1",
        {"x": 0.6, "y": -0.8, "u": 0.0, "v": 0.0, "s": 0.0}, {"g": 9.81}, name="pendulum",
    )  # fmt: skip
    with pytest.raises(InvalidSystem, match="do not determine s where") as refusal:
        solver(keep, pendulum, ["g"]).build()
    assert " by " not in str(refusal.value).replace("Replace one by", "")


@pytest.mark.skipif(not gpu["HAS_COMPILER"], reason="needs a C++ compiler")
@pytest.mark.parametrize("copies", [1, 9])
def test_what_a_gpu_is_given(copies, keep, tmp_path):
    here, there = (solver(keep, growth(copies), ["k", "x0"]) for _ in range(2))
    there._runner = gpu["Threads"](tmp_path)
    given = {"parameters": {"k": np.linspace(1.5, 2.5, 9)}, **TIGHT}
    one, other = (each.solve((0, 1), **given) for each in (here, there))
    for name in ("k", "x0"):
        np.testing.assert_allclose(
            one.sensitivities[name].final, other.sensitivities[name].final, rtol=1e-8, atol=1e-11
        )
