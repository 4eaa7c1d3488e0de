"""Sensitivities on a GPU: those of the CPU, with the states that there are without them."""

import numpy as np
import pytest

from emberkeep import ode

pytestmark = pytest.mark.gpu

N = 7
RING = ode.System(
    [f"dx{i} = (x{(i + 1) % N} - x{(i - 2) % N})*x{(i - 1) % N} - x{i} + F{i}" for i in range(N)],
    {f"x{i}": 1.0 + 0.1 * i for i in range(N)},
    {f"F{i}": 3.0 + 0.1 * i for i in range(N)},
    name="forced_ring",
)
PULSES = ode.System(
    "dx = where(mod(t - shift, 0.7) < 0.2, 1, 0) - k*exp(-x)*x",
    {"x": 0.3},
    {"shift": 0.13, "k": 0.4},
    name="moved_pulses",
)
CASES = {
    "lines": (RING, ["F0", "x1"]),
    "arrays": (RING, [f"F{i}" for i in range(N)]),
    "jumps": (PULSES, ["shift", "k"]),
}


BALL = ode.System("dx = v; dv = -g", {"x": 1.0, "v": 0.0}, {"g": 9.81, "e": 0.8}, name="ball")
BOUNCE = ode.Event("x", direction="falling", action={"v": "-e*v"})


def test_through_events(keep):
    there, here = (
        ode.Solver(BALL, target=target, keep=keep, sensitivities=["g", "x"], events=[BOUNCE]).solve(
            (0, 1), parameters={"e": np.linspace(0.6, 0.9, 200)}, rtol=1e-9, atol=1e-11
        )
        for target in ("cuda", "cpu")
    )
    for name in ("g", "x"):
        np.testing.assert_allclose(
            there.sensitivities[name].final, here.sensitivities[name].final, rtol=1e-7, atol=1e-8
        )


@pytest.mark.parametrize("case", CASES)
def test_they_agree_with_the_cpu(case, keep):
    system, names = CASES[case]
    first = next(iter(system.parameters))
    given = {"parameters": {first: np.linspace(0.9, 1.1, 500) * system.parameters[first]}}
    given |= {"save_at": 0.5, "outputs": ["states", "mean", "max"], "rtol": 1e-9, "atol": 1e-11}
    there, here = (
        ode.Solver(system, target=target, keep=keep, sensitivities=names).solve((0, 2), **given)
        for target in ("cuda", "cpu")
    )
    plain = ode.Solver(system, target="cuda", keep=keep).solve((0, 2), **given)
    # A GPU's compiler fuses other products with sums where there is more to compute.
    np.testing.assert_allclose(there.states, plain.states, rtol=1e-9, atol=1e-12)
    for name in names:
        one, other = there.sensitivities[name], here.sensitivities[name]
        np.testing.assert_allclose(one.states, other.states, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(
            one.summaries["mean"], other.summaries["mean"], rtol=1e-6, atol=1e-7
        )
