"""Fully implicit steps on a GPU: what a CPU computes, in each layout and precision."""

import numpy as np
import pytest

from emberkeep import ode

pytestmark = pytest.mark.gpu

MANY = 30
ROBERTSON = ode.System(
    "dx = -k1*x + 1e4*y*z; dy = k1*x - 1e4*y*z - 3e7*y^2; dz = 3e7*y^2",
    {"x": 1.0, "y": 0.0, "z": 0.0},
    {"k1": 0.04},
    name="robertson",
)
DENSE = ode.System(
    {
        f"x{i}": " + ".join(f"{np.cos(i * j + 1) / MANY:.17g}*x{j}" for j in range(MANY))
        + f" - k*x{i}^3"
        for i in range(MANY)
    },
    {f"x{i}": 1.0 / (1 + i) for i in range(MANY)},
    {"k": 1.0},
    name="dense",
)
PENDULUM = ode.System("dx = v; dv = -g*sin(x)", {"x": 2.0, "v": 0.0}, {"g": 1.0}, name="pendulum")


def both(system, keep, method, precision, **given):
    name = next(iter(system.parameters))
    values = np.geomspace(0.5, 2, 200) * system.parameters[name]
    return (
        ode.Solver(system, method=method, precision=precision, target=target, keep=keep)
        .solve((0, 5), parameters={name: values}, **given)
        .require_success()
        for target in ("cuda", "cpu")
    )


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("system", [ROBERTSON, DENSE], ids=["small", "large"])
@pytest.mark.parametrize("method", ["radau-iia-5", "radau-iia-9"])
def test_chosen_steps_are_those_of_a_cpu(system, method, precision, keep):
    tolerance = 1e-7 if precision == "float64" else 1e-4
    there, here = both(
        system, keep, method, precision, rtol=tolerance, atol=tolerance * 1e-3, save_at=0.5,
        outputs=["states", "steps"],
    )  # fmt: skip
    np.testing.assert_allclose(there.states, here.states, rtol=0, atol=10 * tolerance)
    assert np.abs(there.steps.sum(axis=1) - here.steps.sum(axis=1)).max() <= 5


@pytest.mark.parametrize("method", ["gauss-legendre-4", "gauss-legendre-6"])
def test_fixed_steps_are_those_of_a_cpu(method, keep):
    there, here = both(PENDULUM, keep, method, "float64", dt=0.05, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(there.final, here.final, rtol=0, atol=1e-10)
