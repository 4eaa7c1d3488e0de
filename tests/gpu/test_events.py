"""Events on a GPU: those of the CPU, in each trajectory."""

import numpy as np
import pytest

from emberkeep import ode

pytestmark = pytest.mark.gpu

RUNS = 2000
LARGE = {f"s{index}": 1.0 for index in range(26)}


def pendulum(*, large):
    """One that is damped, alone or beside so many other states that they are loops."""
    more = {name: f"-0.1*{name} + x" for name in LARGE} if large else {}
    return ode.System(
        {"x": "v", "v": "-w*w*sin(x) - 0.05*v", **more},
        {"x": 2.5, "v": 0.0, **(LARGE if large else {})},
        {"w": 1.0},
        name="pendulum of events",
    )


EVENTS = [
    ode.Event("x", name="zero", action={"v": "0.95*v"}),
    ode.Event("v - 0.1*cos(3*t)", name="slow", checks=2),
    ode.Event.every(1.7, first=0.3, name="kick", action={"v": "v + 0.1", "w": "1.01*w"}),
    ode.Event("x + 2", name="far", terminal=2),
    ode.SteadyState(1e-3, 1e-3),
]


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("large", [False, True])
def test_events_are_those_of_the_cpu(large, precision, keep):
    given = {
        "parameters": {"w": np.linspace(0.2, 4.0, RUNS)},
        "save_at": 0.5,
        "outputs": ["states", "final", "reached", "events"],
        "most_records": 20,
        "rtol": 1e-9 if precision == "float64" else 1e-5,
        "atol": 1e-9 if precision == "float64" else 1e-6,
    }
    there, here = (
        ode.Solver(
            pendulum(large=large), events=EVENTS, target=target, precision=precision, keep=keep
        ).solve((0, 6), **given)
        for target in ("cuda", "cpu")
    )
    # Of those that just reach a threshold, or just don't, rounding decides.
    tolerance, apart = (1e-5, 0.005) if precision == "float64" else (1e-2, 0.05)
    same = there.status == here.status
    for name, found in there.events.items():
        same &= found.counts == here.events[name].counts
    assert (~same).mean() <= apart
    for name, found in there.events.items():
        np.testing.assert_allclose(
            found.times[same], here.events[name].times[same], rtol=tolerance, atol=tolerance
        )
    np.testing.assert_allclose(
        there.final[same], here.final[same], rtol=10 * tolerance, atol=10 * tolerance
    )
    assert there.ended.size
