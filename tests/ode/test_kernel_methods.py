"""Every method and every controller, compiled: errors, orders and steps are as they should be."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from emberkeep import ode
from emberkeep.ode.control.presets import PRESETS
from emberkeep.ode.methods import EXPLICIT, numbers_of

HERE = Path(__file__).parent
SYNTHETIC = runpy.run_path(HERE / "synthetic_tableaux.py")["TABLEAUX"]
reference = runpy.run_path(HERE / "test_controllers.py")

ADAPTIVE = [name for name in sorted(EXPLICIT) if numbers_of(name).is_adaptive]
FIXED = [name for name in sorted(EXPLICIT) if name not in ADAPTIVE]
SPAN = 2.0
SAVED = np.linspace(0.0, SPAN, 8)
RATES = np.linspace(-1.0, 1.5, 11)
COPIES = 9  # of three states: more than are written out


def system(*, large=False):
    """Growth that follows the time, and an oscillator; x(t) = exp(a sin t)."""
    equations = {"x": "a*x*cos(t)", "u": "v", "v": "-4*u", "energy": "4*u^2 + v^2"}
    states = {"x": 1.0, "u": 1.0, "v": 0.0}
    for copy in range(1, COPIES if large else 1):
        equations |= {f"x{copy}": f"a*x{copy}*cos(t)", f"u{copy}": f"v{copy}"}
        equations |= {f"v{copy}": f"-4*u{copy}"}
        states |= {f"x{copy}": 1.0, f"u{copy}": 1.0, f"v{copy}": 0.0}
    return ode.System(
        equations, states, {"a": 1.0}, observables=["energy"], name="large" if large else "small"
    )


def exact(times):
    """States by trajectory, time and state."""
    t = np.asarray(times)[None, :]
    x = np.exp(RATES[:, None] * np.sin(t))
    u, v = (np.broadcast_to(one, x.shape) for one in (np.cos(2 * t), -2 * np.sin(2 * t)))
    return np.stack([x, u, v], axis=2)


def solver(keep, method, *, large=False, precision="float64"):
    return ode.Solver(
        system(large=large), method=method, target="cpu", keep=keep, precision=precision, threads=1
    )


def check_saved(found, *, bound):
    expected = exact(SAVED)
    for begin in range(0, found.states.shape[2], 3):
        part = found.states[:, :, begin : begin + 3]
        assert np.abs(part - expected).max() < bound
    first = found.states[:, 0]
    assert np.array_equal(first, np.broadcast_to(first[0], first.shape))
    energy = 4 * found.states[:, :, 1] ** 2 + found.states[:, :, 2] ** 2
    assert found["energy"] == pytest.approx(energy, rel=1e-5)
    assert found["energy"] == pytest.approx(4.0, abs=20 * bound)


def check_adaptive(keep, method, *, large=False, precision="float64"):
    one = solver(keep, method, large=large, precision=precision)
    tolerances = (1e-4,) if precision == "float32" else (1e-5, 1e-8)
    for tolerance in tolerances:
        found = one.solve(
            (0, SPAN), parameters={"a": RATES}, save_at=SAVED, rtol=tolerance, atol=tolerance
        )
        # Values within steps that are found from both ends are of the fourth order at most.
        check_saved(found, bound=(100 if one.tableau.interpolates else 300) * tolerance)
        ended = one.solve((0, SPAN), parameters={"a": RATES}, rtol=tolerance, atol=tolerance)
        assert np.abs(ended.final[:, :3] - exact([SPAN])[:, 0]).max() < 100 * tolerance
        # What is saved does not change the steps, unless they end there.
        close = 1e-5 if precision == "float32" else 1e-12
        close = close if one.tableau.interpolates else 100 * tolerance
        assert ended.final == pytest.approx(found.states[:, -1], rel=close)


def error_of_fixed(one, dt):
    found = one.solve((0, SPAN), parameters={"a": RATES}, dt=dt, controller="fixed")
    return np.abs(found.final[:, :3] - exact([SPAN])[:, 0]).max()


def check_order(keep, method, order, *, large=False, dt=None):
    one = solver(keep, method, large=large)
    dt = dt or {1: 2e-3, 2: 1e-2, 3: 2e-2}.get(order, 0.1)
    measured = np.log2(error_of_fixed(one, dt) / error_of_fixed(one, dt / 2))
    # Where the first error is very small, the next ones show.
    assert order - 0.35 < measured < order + 1.2


@pytest.mark.parametrize("method", ADAPTIVE)
def test_adaptive_methods_keep_to_the_tolerance(method, keep):
    check_adaptive(keep, method)


@pytest.mark.parametrize("method", FIXED)
def test_methods_without_an_estimate_have_their_order(method, keep):
    check_order(keep, method, numbers_of(method).order)


@pytest.mark.soak
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("method", sorted(EXPLICIT))
def test_every_method_has_its_order_with_steps_of_one_length(method, large, keep):
    order = numbers_of(method).order
    dt = {6: 0.2, 7: 0.25, 8: 0.4, 9: 0.5}.get(order)
    check_order(keep, method, order, large=large, dt=dt)


@pytest.mark.soak
@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("method", ADAPTIVE)
def test_every_adaptive_method_in_all_layouts_and_precisions(method, large, precision, keep):
    check_adaptive(keep, method, large=large, precision=precision)


@pytest.mark.soak
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("method", FIXED)
def test_fixed_methods_in_single_precision(method, large, keep):
    one = solver(keep, method, large=large, precision="float32")
    order = numbers_of(method).order
    assert error_of_fixed(one, 0.01) < max(30 * 0.01**order, 1e-5)


# Odd tableaux -----------------------------------------------------------------------------------


def check_synthetic(keep, tableau, *, large):
    order = tableau.order
    if tableau.is_adaptive:
        one = solver(keep, tableau, large=large)
        errors = []
        for tolerance in (1e-4, 1e-6):
            found = one.solve(
                (0, SPAN), parameters={"a": RATES}, save_at=SAVED, rtol=tolerance, atol=tolerance,
                outputs=["states", "final"],
            )  # fmt: skip
            assert (found.status == 0).all()
            errors.append(np.abs(found.states[:, :, :3] - exact(SAVED)).max())
            assert found.final == pytest.approx(found.states[:, -1], rel=1e-12)
        assert errors[0] < 3e-2
        assert errors[1] < errors[0] / 5
    check_order(keep, tableau, order, large=large)


@pytest.mark.parametrize("name", SYNTHETIC)
def test_odd_tableaux(name, keep):
    check_synthetic(keep, SYNTHETIC[name], large=False)


@pytest.mark.parametrize("name", list(SYNTHETIC)[1::3])
def test_odd_tableaux_in_large_systems(name, keep):
    check_synthetic(keep, SYNTHETIC[name], large=True)


@pytest.mark.soak
@pytest.mark.parametrize("name", SYNTHETIC)
def test_all_odd_tableaux_in_large_systems(name, keep):
    check_synthetic(keep, SYNTHETIC[name], large=True)


# Controllers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["tsit5", "dop853"])
@pytest.mark.parametrize("name", [name for name, one in PRESETS.items() if one.is_adaptive])
def test_controllers_take_the_steps_of_their_law(method, name, keep):
    swing = ode.System("dx = 3*cos(t)*x", {"x": 1.0}, name="swing")
    one = ode.Solver(swing, method=method, target="cpu", keep=keep, threads=1)
    for tolerance in (1e-4, 1e-7):
        found = one.solve(
            (0, 10), rtol=tolerance, atol=1e-300, dt=0.01, controller=name,
            outputs=["final", "steps"],
        )  # fmt: skip
        error, accepted, attempts = reference["solve"](numbers_of(method), PRESETS[name], tolerance)
        taken, rejected = (int(number) for number in np.ravel(found.steps))
        assert taken == pytest.approx(accepted, rel=0.02, abs=1)
        assert rejected == pytest.approx(attempts - accepted, rel=0.3, abs=3)
        # Chance decides about the sum of errors of a few steps.
        assert abs(found.final[0, 0] / np.exp(3 * np.sin(10)) - 1) < 3 * error


def test_another_controller_builds_nothing(tmp_path, keep, decay):
    one = ode.Solver(decay, method="tsit5", target="cpu", keep=keep)
    one.solve((0, 1))
    kernels = one._runner._kernels
    before = kernels.of(one.plan())
    for name, preset in PRESETS.items():
        if preset.is_adaptive:
            one.solve((0, 1), controller=name, safety=0.8)
    assert len(kernels) == 1
    assert kernels.of(one.plan()) is before
