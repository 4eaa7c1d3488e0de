"""Sensitivities through events, against complex steps through closed forms."""

import cmath
import math
import runpy
from pathlib import Path

import numpy as np
import pytest

from emberkeep import ode
from emberkeep.ode.errors import InvalidSystem
from emberkeep.targets.cuda.target import CudaTarget

gpu = runpy.run_path(Path(__file__).parent / "gpu_on_host.py")

TIGHT = {"rtol": 1e-12, "atol": 1e-14}
SMALL = 1e-30


def solver(keep, system, names, events, **more):
    return ode.Solver(
        system, target="cpu", keep=keep, threads=1, sensitivities=names, events=events, **more
    )


def require_derivatives(result, exact, numbers, rel=1e-9):
    """Compare with a closed form: a function of numbers by name, which gives values by name."""
    for name in result.sensitivities:
        moved = exact(**{**numbers, name: numbers[name] + SMALL * 1j})
        for of, value in moved.items():
            expected = value.imag / SMALL
            assert result[of][0] == pytest.approx(value.real, rel=1e-9)
            assert result.sensitivity(of, name)[0] == pytest.approx(expected, rel=rel, abs=1e-9)


def ball(more=0):
    """It bounces; more states follow it."""
    equations = ["dx = v", "dv = -g", *(f"dz{i} = x - z{i}" for i in range(more))]
    states = {"x": 1.0, "v": 0.0} | {f"z{i}": 0.1 * i for i in range(more)}
    return ode.System(equations, states, {"g": 9.81, "e": 0.8}, name="ball")


BOUNCE = ode.Event("x", direction="falling", action={"v": "-e*v"})


def bounced(x, g, e, until):
    """After the first bounce."""
    hit = cmath.sqrt(2 * x / g)
    speed, since = e * g * hit, until - hit
    return {"x": speed * since - g * since**2 / 2, "v": speed - g * since}


@pytest.mark.parametrize("more", [0, 8, 26], ids=["small", "in arrays", "large"])
def test_a_ball_that_bounces(more, keep):
    names = ["g", "e", "x"]
    result = solver(keep, ball(more), names, [BOUNCE]).solve((0, 1), **TIGHT)
    plain = solver(keep, ball(more), (), [BOUNCE]).solve((0, 1), **TIGHT)
    np.testing.assert_array_equal(result.final, plain.final)
    require_derivatives(
        result, lambda **p: bounced(p["x"], p["g"], p["e"], 1.0), {"x": 1.0, "g": 9.81, "e": 0.8}
    )


def test_where_an_event_ends_a_trajectory_its_last_states_move_with_it(keep):
    event = ode.Event("x - 0.2", direction="falling", terminal=True)
    result = solver(keep, ball(), ["g", "x"], [event]).solve((0, 2), **TIGHT)

    def exact(x, g):
        return {"v": -g * cmath.sqrt(2 * (x - 0.2) / g)}

    require_derivatives(result, exact, {"x": 1.0, "g": 9.81})
    np.testing.assert_allclose(result.sensitivity("x"), 0.0, atol=1e-9)


def test_doses_at_known_times(keep):
    system = ode.System("da = -k*a", {"a": 0.0}, {"k": 0.5, "dose": 2.0, "share": 0.9})
    event = ode.Event.every(1.0, first=0.5, action={"a": "share*a + dose"})
    # Where the state is zero nothing else holds the errors of its derivatives.
    one = solver(keep, system, ["k", "dose", "share", "a"], [event], error_norm="all")
    result = one.solve((0, 4), **TIGHT)

    def exact(a, k, dose, share):
        a = a * cmath.exp(-0.5 * k)
        for _ in range(3):
            a = (share * a + dose) * cmath.exp(-k)
        return {"a": (share * a + dose) * cmath.exp(-0.5 * k)}

    require_derivatives(result, exact, {"a": 0.0, "k": 0.5, "dose": 2.0, "share": 0.9})


def test_a_thermostat_that_switches_a_parameter(keep):
    """What jumps where a state reaches a threshold, as an event."""
    system = ode.System(
        "dT = heat*q - k*(T - 15)",
        {"T": 18.0},
        {"heat": 1.0, "q": 10.0, "k": 1.0, "hi": 21.0, "lo": 19.0},
        name="thermostat",
    )
    events = [
        ode.Event("T - hi", direction="rising", action={"heat": 0.0}),
        ode.Event("T - lo", direction="falling", action={"heat": 1.0}),
    ]
    result = solver(keep, system, ["q", "k", "hi", "lo", "T"], events).solve((0, 1.6), **TIGHT)

    def exact(T, q, k, hi, lo):  # noqa: N803 - as the state is called
        warm = 15 + q / k
        heating = cmath.log((T - warm) / (hi - warm)) / k
        cooling = cmath.log((hi - 15) / (lo - 15)) / k
        again = cmath.log((lo - warm) / (hi - warm)) / k
        left = 1.6 - heating - cooling - again
        assert 0 < left.real < cooling.real
        return {"T": 15 + (hi - 15) * cmath.exp(-k * left)}

    require_derivatives(result, exact, {"T": 18.0, "q": 10.0, "k": 1.0, "hi": 21.0, "lo": 19.0})


def test_an_action_that_depends_on_the_time(keep):
    """x grows until it is at y = t; where it is, it becomes t² x."""
    system = ode.System("dx = r*x", {"x": 0.5}, {"r": 1.0}, name="grows")
    event = ode.Event("x - 1", direction="rising", action={"x": "0.3*t^2*x"})
    result = solver(keep, system, ["r", "x"], [event]).solve((0, 1), **TIGHT)

    def exact(x, r):
        when = -cmath.log(x) / r
        return {"x": 0.3 * when**2 * cmath.exp(r * (1 - when))}

    require_derivatives(result, exact, {"x": 0.5, "r": 1.0})


def test_an_action_that_is_a_function(keep):
    def kick(_, y, p):
        return {"v": -p.e * y.v}

    event = ode.Event("x", direction="falling", action=kick)
    found = solver(keep, ball(), ["g"], [event]).solve((0, 1), **TIGHT)
    expected = solver(keep, ball(), ["g"], [BOUNCE]).solve((0, 1), **TIGHT)
    np.testing.assert_allclose(
        found.sensitivity("x", "g"), expected.sensitivity("x", "g"), rtol=1e-10
    )


def test_what_is_recorded_is_as_without(keep):
    given = {"outputs": ["events", "final"], "save_at": None}
    watch = ode.Event("v + 2", name="fast")
    one, other = (
        solver(keep, ball(), names, [BOUNCE, watch]).solve((0, 1), **given) for names in (["g"], ())
    )
    for name in ("event_1", "fast"):
        for part in ("times", "values", "counts"):
            np.testing.assert_array_equal(
                getattr(one.events[name], part), getattr(other.events[name], part)
            )
    np.testing.assert_array_equal(one.final, other.final)


def test_events_at_one_place_that_move_apart(keep):
    system = ode.System("dx = -1", {"x": 1.0}, {"a": 0.5, "b": 0.5}, name="falls")
    events = [ode.Event("x - a", action={"x": "x - 0.1"}), ode.Event("x - b", action={"x": "2*x"})]
    result = solver(keep, system, ["a", "x"], events).solve((0, 0.6), **TIGHT)
    assert np.isnan(result.sensitivity("x", "a")[0])
    # Both move alike with where it begins: x -> 2 (a - 0.1).
    assert result.sensitivity("x", "x")[0] == pytest.approx(1.0)


def test_an_event_where_the_right_hand_side_jumps_at_a_time_that_moves(keep):
    """Behind or before each other by a rounding, they would give different derivatives."""
    system = ode.System("dx = where(t < a, 0, x)", {"x": 1.0}, {"a": 1.0}, name="meets")
    event = ode.Event.at([1.0], action={"x": "3*x"})
    one = solver(keep, system, ["a", "x"], [event])
    result = one.solve((0, 2), parameters={"a": [1.0, 1.25]}, **TIGHT)
    np.testing.assert_allclose(result["x"], 3 * np.exp([1.0, 0.75]), rtol=1e-10)
    np.testing.assert_allclose(
        result.sensitivity("x", "a"), [np.nan, -3 * np.exp(0.75)], rtol=1e-10
    )
    np.testing.assert_allclose(result.sensitivity("x", "x"), result["x"], rtol=1e-10)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (ode.Event("x", action={"g": "g*x"}), "'g' depend"),
        (ode.Event("x", action={"e": "0.5*e"}), "'e' depend"),
        (ode.Event("where(x > 0.5, 1, -1)", action={"v": 0.0}), "x > 0.5"),
    ],
)
def test_what_cannot_be_is_refused(event, said, keep):
    with pytest.raises(InvalidSystem, match=said):
        solver(keep, ball(), ["e", "x"], [event]).build()


def test_they_compile_for_a_gpu(keep):
    for more in (0, 12):
        one = ode.Solver(
            ball(more), target=CudaTarget("sm_90"), keep=keep, sensitivities=["g", "x"],
            events=[BOUNCE],
        )  # fmt: skip
        assert one.build()


GROWING = ode.System(
    "dx = where(mod(t - shift, 0.7) < 0.2, 1, 0) - k*exp(-x)*x",
    {"x": 0.3},
    {"shift": 0.13, "k": 0.4},
    name="moved_pulses",
)


@pytest.mark.skipif(not gpu["HAS_COMPILER"], reason="needs a C++ compiler")
@pytest.mark.parametrize("case", ["bounces", "bounces in arrays", "pulses"])
def test_what_a_gpu_is_given(case, keep, tmp_path):
    """Its text, compiled for this processor: lines, arrays and loops, jumps and events."""
    system, names, events = {
        "bounces": (ball(), ["g", "e", "x"], [BOUNCE]),
        "bounces in arrays": (ball(8), ["g", "e", "x"], [BOUNCE]),
        "pulses": (GROWING, ["shift", "k", "x"], []),
    }[case]
    given = {"save_at": 0.25, "outputs": ["states", "final", "mean", "std", "max"], **TIGHT}
    given["initial"] = {"x": np.linspace(0.9, 1.1, 9)}
    here, there = (solver(keep, system, names, events) for _ in range(2))
    there._runner = gpu["Threads"](tmp_path)
    one, other = (each.solve((0, 1), **given) for each in (here, there))
    assert one.status.tolist() == other.status.tolist() == [0] * 9
    for name in names:
        first, second = one.sensitivities[name], other.sensitivities[name]
        for part in ("states", "final"):
            np.testing.assert_allclose(
                getattr(first, part), getattr(second, part), rtol=1e-8, atol=1e-9
            )
        for kind, values in first.summaries.items():
            np.testing.assert_allclose(values, second.summaries[kind], rtol=1e-8, atol=1e-9)


def test_a_function_for_jax(keep):
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        one = solver(keep, ball(), ["g"], [BOUNCE])
        function = ode.jax_function(one, (0, 1), **TIGHT)
        slope = jax.grad(lambda theta: function(theta)["x"])(np.array([9.81]))
    hit = math.sqrt(2 / 9.81)
    expected = bounced(1.0, 9.81 + SMALL * 1j, 0.8, 1.0)["x"].imag / SMALL
    assert 0 < hit < 1
    assert float(slope[0]) == pytest.approx(expected, rel=1e-9)
