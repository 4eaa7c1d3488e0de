"""Events: where they are, in their order, and what they do; against closed forms and SciPy."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from emberkeep import SolveWarning, ode
from emberkeep.errors import InvalidPlan
from emberkeep.ode.compilation import Compilation
from emberkeep.ode.status import ENDED_BY_EVENT, EVENT_STORM, SUCCESS
from emberkeep.targets.cuda.target import CudaTarget

TIGHT = {"rtol": 1e-11, "atol": 1e-12}
BALL = ode.System(
    "x' = v; v' = -g; height = x",
    {"x": 1.0, "v": 0.0},
    {"g": 9.81, "e": 0.9},
    observables=["height"],
    name="ball",
)
BOUNCE = ode.Event("x", name="bounce", direction="falling", action={"v": "-e*v"})
LARGE = {f"s{index}": 1.0 for index in range(26)}


def solver(keep, system, *events, **more):
    return ode.Solver(system, events=events, target="cpu", keep=keep, threads=1, **more)


def bounces(count, e=0.9, g=9.81):
    first = np.sqrt(2 / g)
    return first * (1 + 2 * np.cumsum([0.0, *e ** np.arange(1.0, count)]))


def pendulum(*, large=False):
    """One that is damped, alone or beside so many other states that they are loops."""
    more = {name: f"-0.1*{name} + x" for name in LARGE} if large else {}
    return ode.System(
        {"x": "v", "v": "-w*w*sin(x) - 0.05*v", **more},
        {"x": 2.5, "v": 0.0, **(LARGE if large else {})},
        {"w": 1.0},
        name="pendulum",
    )


# Bouncing balls ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["tsit5", "bosh3", "dop853", "vern7"])
def test_a_bouncing_ball(method, keep):
    e = np.array([0.9, 0.8, 1.0])
    result = solver(keep, BALL, BOUNCE, method=method).solve(
        (0, 3), parameters={"e": e}, save_at=[0.2, 1.0, 3.0], **TIGHT
    )
    found = result.events["bounce"]
    assert (result.status == SUCCESS).all()
    for run, own in enumerate(e):
        times = bounces(30, own)
        times = times[times < 3]
        assert found.counts[run] == times.size
        assert np.abs(found.times[run, : times.size] - times).max() < 1e-12
        assert np.isnan(found.times[run, times.size :]).all()
        # What is recorded was before the action.
        speed = -9.81 * times[0] * own ** np.arange(times.size)
        np.testing.assert_allclose(found["v"][run, : times.size], speed, rtol=1e-11)
        assert np.abs(found["x"][run, : times.size]).max() < 1e-13
        for place, t in enumerate(result.t):
            k = np.searchsorted(times, t)
            since = t - (times[k - 1] if k else 0.0)
            start = -speed[0] * own**k if k else 0.0
            height = start * since - 9.81 / 2 * since**2 + (0 if k else 1)
            assert result["x"][run, place] == pytest.approx(height, abs=1e-11)
    assert np.array_equal(found["height"], found["x"], equal_nan=True)


def test_a_ball_that_comes_to_rest_is_a_storm_and_touches_no_neighbour(keep):
    e = np.array([0.5, 1.0, 0.5, 0.9])
    one = solver(keep, BALL, BOUNCE)
    outputs = ["final", "reached", "events"]
    with pytest.warns(SolveWarning, match="without time going on"):
        result = one.solve((0, 4), parameters={"e": e}, outputs=outputs, most_records=40, **TIGHT)
    assert result.status.tolist() == [EVENT_STORM, SUCCESS, EVENT_STORM, SUCCESS]
    # Bounces come to an end at a time that is known.
    rest = np.sqrt(2 / 9.81) * (1 + 0.5) / (1 - 0.5)
    assert result.reached[[0, 2]] == pytest.approx(rest, abs=1e-12)
    assert result.failed.tolist() == [0, 2]
    assert np.isnan(result.final[[0, 2]]).all()
    assert result.events["bounce"].counts[0] > 40  # more than there is room for
    assert np.abs(result.events["bounce"].times[0] - bounces(40, 0.5)).max() < 1e-12
    for run in (1, 3):
        alone = one.solve((0, 4), parameters={"e": e[run]}, outputs=outputs, **TIGHT)
        assert np.array_equal(alone.final[0], result.final[run])


def test_a_terminal_event_at_its_third_occurrence(keep):
    third = ode.Event("x", name="bounce", direction=-1, action={"v": "-e*v"}, terminal=3)
    result = solver(keep, BALL, third).solve(
        (0, [3.0, 1.0]),
        save_at=[[0.1, 1.0, 1.9, 2.5], [0.1, 0.2, 0.3, 1.0]],
        outputs=["states", "final", "reached", "events", "max", "mean"],
        **TIGHT,
    )
    assert result.status.tolist() == [ENDED_BY_EVENT, SUCCESS]
    assert (result.ended.tolist(), result.failed.tolist()) == ([0], [])
    assert result.require_success() is result
    times = bounces(3)
    assert result.reached == pytest.approx([times[2], 1.0], abs=1e-12)
    assert result.reached[0] == result.events["bounce"].times[0, 2]
    # Times to save behind it were not reached; the end is behind the action.
    assert np.isnan(result["x"]).tolist() == [[False, False, False, True], [False] * 4]
    speed = -9.81 * times[0] * 0.9**2
    np.testing.assert_allclose(result.final[0], [0.0, -0.9 * speed], atol=1e-11)
    assert result.final_observables[0, 0] == result.final[0, 0]
    # A window that the event cuts short is of the times before.
    assert result.summary("mean", "x")[0] == pytest.approx(result["x"][0, :3].mean(), rel=1e-14)
    assert result.summary("max", "x")[0] == result["x"][0, :3].max()


def test_windows_behind_a_terminal_event_are_empty(keep):
    end = ode.Event("x - 0.5", terminal=True)
    decay = ode.System("dx = -x", {"x": 1.0}, name="decay that ends")
    result = solver(keep, decay, end).solve(
        (0, 2), save_at=0.1, windows=[0, 0.5, 1.0, 2.0], outputs=["max", "min", "reached"]
    )
    assert result.reached[0] == pytest.approx(np.log(2), abs=1e-6)
    times = np.arange(0, np.log(2), 0.1)
    np.testing.assert_allclose(
        result.summary("max", "x")[0], [1.0, np.exp(-0.5), np.nan], rtol=1e-6
    )
    np.testing.assert_allclose(
        result.summary("min", "x")[0], [np.exp(-0.4), np.exp(-times[-1]), np.nan], rtol=1e-6
    )


# Against SciPy ----------------------------------------------------------------------------------


def compared(system, slope, y0, args, span, events, keep, most=1e-7, **more):
    """The same events, found by SciPy at its tightest."""
    ours = [event for event, _, _ in events]
    result = solver(keep, system, *ours, **more).solve(span, rtol=1e-9, atol=1e-9)
    theirs = []
    for event, function, direction in events:
        function.direction = direction
        function.terminal = event.terminal
        theirs.append(function)
    expected = solve_ivp(
        slope, span, y0, args=args, events=theirs, rtol=1e-12, atol=1e-12, method="DOP853"
    )
    for event, times, states in zip(ours, expected.t_events, expected.y_events, strict=True):
        found = result.events[event.name]
        is_later = times != span[0]  # SciPy has what stands at zero at the start, too
        times, states = times[is_later], states[is_later]
        assert found.counts[0] == times.size > 0
        np.testing.assert_allclose(found.times[0, : times.size], times, atol=most)
        values = found.values[0, : times.size, : len(y0)]
        np.testing.assert_allclose(values, states, atol=20 * most)
    return result


@pytest.mark.parametrize("large", [False, True])
def test_a_pendulum_as_scipy_sees_it(large, keep):
    system = pendulum(large=large)
    more = [1.0] * len(LARGE) if large else []

    def slope(t, y):
        others = [-0.1 * s + y[0] for s in y[2:]]
        return [y[1], -np.sin(y[0]) - 0.05 * y[1], *others]

    compared(
        system, slope, [2.5, 0.0, *more], (), (0, 40),
        [
            (ode.Event("x", name="lowest"), lambda t, y: y[0], 0),
            (ode.Event("v", name="left", direction="rising"), lambda t, y: y[1], 1),
            (ode.Event("v", name="right", direction="falling"), lambda t, y: y[1], -1),
            (ode.Event("x - 0.3*cos(t)", name="moving"), lambda t, y: y[0] - 0.3 * np.cos(t), 0),
        ],
        keep,
    )  # fmt: skip


def test_sections_of_lorenz_as_scipy_sees_them(lorenz, keep):
    def slope(t, y):
        return [10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]]

    section = ode.Event("z - 27", name="section", direction="rising")
    change = ode.Event(lambda t, y, p: y.x - 0.1 * p.rho + 2.8, name="change")
    events = [
        (section, lambda t, y: y[2] - 27, 1),
        (change, lambda t, y: y[0], 0),
    ]
    result = compared(lorenz, slope, [1.0, 1.0, 1.0], (), (0, 12), events, keep, 1e-5)
    # What is only looked at changes nothing.
    without = solver(keep, lorenz).solve((0, 12), rtol=1e-9, atol=1e-9)
    assert np.array_equal(result.final, without.final)


def test_the_peak_of_an_epidemic_as_scipy_sees_it(keep):
    sir = ode.System(
        "dS = -b*S*I; dI = new - r*I; new = b*S*I",
        {"S": 0.999, "I": 0.001},
        {"b": 0.5, "r": 0.1},
        name="epidemic",
    )

    def slope(t, y):
        return [-0.5 * y[0] * y[1], 0.5 * y[0] * y[1] - 0.1 * y[1]]

    events = [
        # Names of equations are names of events, too.
        (
            ode.Event("new - r*I", name="peak", direction="falling"),
            lambda t, y: 0.5 * y[0] * y[1] - 0.1 * y[1],
            -1,
        ),
        (
            ode.Event("I - 1e-3", name="over", direction=-1, terminal=True),
            lambda t, y: y[1] - 1e-3,
            -1,
        ),
    ]
    result = compared(sir, slope, [0.999, 0.001], (), (0, 500), events, keep)
    assert result.status[0] == ENDED_BY_EVENT
    # At the peak of infections S is r/b, whatever came before.
    assert result.events["peak"]["S"][0, 0] == pytest.approx(0.2, abs=1e-8)


def test_backwards_as_scipy_sees_it(keep):
    def slope(t, y):
        return [y[1], -np.sin(y[0]) - 0.05 * y[1]]

    compared(
        pendulum(), slope, [2.5, 0.0], (), (20, 5),
        [
            (ode.Event("x - 2", name="falling", direction=-1), lambda t, y: y[0] - 2, -1),
            (ode.Event("x + t - 20", name="moving"), lambda t, y: y[0] + t - 20, 0),
        ],
        keep,
    )  # fmt: skip


# In one step ------------------------------------------------------------------------------------

STRAIGHT = ode.System("dx = 1 + 0*x", {"x": 0.0}, {"jump": 0.0}, name="straight")


def test_many_events_in_one_step_in_their_order(keep):
    """All within one step, some with actions that take others back."""
    places = [0.7, 0.2, 0.9, 0.4]
    events = [ode.Event(f"x - {place}", name=f"at_{place}".replace(".", "_")) for place in places]
    result = solver(keep, STRAIGHT, *events).solve((0, 1), dt=1.0, outputs=["events", "steps"])
    assert result.steps[0, 0] == 1
    found = [result.events[event.name].times[0, 0] for event in events]
    np.testing.assert_allclose(found, places, rtol=1e-13)


def test_what_an_action_leaves_of_a_step_is_integrated_anew(keep):
    back = ode.Event("x - 0.4", name="back", action={"x": "x - 0.3"}, direction="rising")
    high = ode.Event("x - 0.7", name="high", direction="rising")
    result = solver(keep, STRAIGHT, high, back).solve((0, 2), dt=1.0)
    # From 0.4 to 0.1 again and again: what lies behind is never reached.
    times = np.arange(0.4, 2, 0.3)
    found = result.events["back"]
    assert found.counts[0] == times.size
    np.testing.assert_allclose(found.times[0, : times.size], times, rtol=1e-14)
    assert result.events["high"].counts[0] == 0
    assert result["x"][0] == pytest.approx(0.1 + 2 - times[-1], rel=1e-14)


def test_what_happens_at_once_happens_in_the_order_of_the_list(keep):
    double = ode.Event("x - 0.5", name="double", action={"x": "2*x", "jump": "x"})
    add = ode.Event("0.5 - x", name="add", action={"x": "x + 1"})
    for events, end in (((double, add), 2.5), ((add, double), 3.5)):
        result = solver(keep, STRAIGHT, *events).solve((0, 1), dt=0.01, dt_max=0.01)
        assert [each.counts[0] for each in result.events.values()] == [1, 1]
        # Both are told what was before either.
        assert [each["x"][0, 0] for each in result.events.values()] == pytest.approx([0.5, 0.5])
        assert result["x"][0] == pytest.approx(end, rel=1e-12)


def test_new_values_are_made_of_those_before(keep):
    system = ode.System("dx = 1 + 0*x; dy = 0*y", {"x": 0.0, "y": 7.0}, {"a": 3.0}, name="swapped")
    swap = ode.Event.at([0.5], action={"x": "y", "y": "a", "a": "x"}, name="swap")
    again = ode.Event.at([0.75], action={"y": "a"}, name="again")
    result = solver(keep, system, swap, again).solve((0, 1), save_at=[0.6, 1.0])
    np.testing.assert_allclose(result.states[0], [[7.1, 3.0], [7.5, 0.5]], rtol=1e-14)


def test_looking_within_steps_finds_what_ends_do_not_show(keep):
    system = ode.System("dx = cos(t) + 0*x", {"x": 0.0}, name="hill")
    steps = {"dt": 3.0, "rtol": 1.0, "atol": 10.0}
    for checks, count in ((0, 0), (3, 2)):
        event = ode.Event("x - 0.9", name="high", checks=checks)
        result = solver(keep, system, event, method="vern9").solve((0, 3), **steps)
        found = result.events["high"]
        assert found.counts[0] == count
        if count:
            expected = [np.arcsin(0.9), np.pi - np.arcsin(0.9)]
            np.testing.assert_allclose(found.times[0, :2], expected, atol=2e-3)


# At zero ----------------------------------------------------------------------------------------


def test_what_begins_at_zero_does_not_occur_there(keep):
    rotation = ode.System("x' = v; v' = -x", {"x": 0.0, "v": 1.0}, name="rotation from zero")
    both = ode.Event("x", name="zero")
    result = solver(keep, rotation, both).solve((0, 10), initial={"v": [1.0, -1.0]}, **TIGHT)
    for run in range(2):
        np.testing.assert_allclose(
            result.events["zero"].times[run, :3], np.pi * np.arange(1, 4), atol=1e-9
        )
    # Of one that ends there, too: what goes on from there does not end at once.
    end = solver(keep, rotation, ode.Event("x", name="zero", terminal=True))
    first = end.solve((0, 10), outputs=["final", "reached"], **TIGHT)
    second = end.solve((first.reached[0], 10), initial=first, outputs=["reached"], **TIGHT)
    assert second.reached[0] == pytest.approx(2 * np.pi, abs=1e-9)


def test_what_is_no_number_is_no_event(keep):
    decay = ode.System("dx = -x", {"x": 1.0}, name="decay with roots")
    events = [
        ode.Event("sqrt(x - 0.5)", name="root"),  # not a number from some time on
        ode.Event("0/0*x", name="nothing"),
        ode.Event("log(x - 0.5) + 3", name="near"),
    ]
    result = solver(keep, decay, *events).solve((0, 3))
    assert result.status[0] == SUCCESS
    assert [each.counts[0] for each in result.events.values()] == [0, 0, 1]
    time = result.events["near"].times[0, 0]
    assert time == pytest.approx(-np.log(0.5 + np.exp(-3)), abs=1e-6)


def test_a_function_of_noise_is_no_hang(keep):
    noise = ode.Event("sin(1e14*t + x)", name="noise", checks=50)
    half = ode.Event("x - 0.5", name="half")
    result = solver(keep, STRAIGHT, noise, half).solve((0.0, 10.0), most_records=1)
    assert result.events["noise"].counts[0] > 100
    assert result.events["half"].times[0, 0] == pytest.approx(0.5, rel=1e-12)


def test_an_action_that_brings_its_event_about_again_is_a_storm(keep):
    again = ode.Event("x - 0.5", name="again", direction="rising", action={"x": "0.5 - 1e-14"})
    with pytest.warns(SolveWarning, match=r"without time going on.*let the action leave"):
        result = solver(keep, STRAIGHT, again).solve((0, 2), outputs=["reached", "events"])
    assert result.status[0] == EVENT_STORM
    assert result.reached[0] == pytest.approx(0.5, rel=1e-11)


# What actions do --------------------------------------------------------------------------------


def test_actions_and_events_that_are_functions(keep):
    def when(t, y, p):
        return y.x - p.g / 981

    def action(t, y, p):
        return {"v": -p.e * y.v, "g": p.g + 0 * t}

    result = solver(keep, BALL, ode.Event(when, name="bounce", action=action, direction=-1)).solve(
        (0, 2), **TIGHT
    )
    text = ode.Event("x - g/981", name="bounce", action={"v": "-e*v", "g": "g"}, direction=-1)
    same = solver(keep, BALL, text).solve((0, 2), **TIGHT)
    np.testing.assert_allclose(
        result.events["bounce"].times, same.events["bounce"].times, rtol=1e-13
    )
    assert result.events["bounce"].counts[0] == 3


def test_sympy_says_when(keep):
    import sympy

    x, v, e = sympy.symbols("x v e")
    event = ode.Event(x, name="bounce", direction=-1, action={v: -e * v})
    result = solver(keep, BALL, event).solve((0, 1), **TIGHT)
    assert result.events["bounce"].times[0, 0] == pytest.approx(bounces(1)[0], abs=1e-13)


def test_a_thermostat_switches_a_parameter(keep):
    """Closed form: exponentials between 18 and 22."""
    room = ode.System(
        "dT = -k*(T - 10) + heat*on", {"T": 20.0}, {"k": 0.1, "heat": 2.0, "on": 0.0}, name="room"
    )
    events = [
        ode.Event("T - 18", name="cold", direction="falling", action={"on": "1"}),
        ode.Event("T - 22", name="warm", direction="rising", action={"on": "0"}),
    ]
    one = solver(keep, room, *events)
    result = one.solve((0, 100), **TIGHT)
    cools, heats = np.log(12 / 8) / 0.1, np.log((30 - 18) / (30 - 22)) / 0.1
    first = np.log(10 / 8) / 0.1
    cold = first + (cools + heats) * np.arange(20)
    cold = cold[cold < 100]
    found = result.events["cold"]
    assert found.counts[0] == cold.size
    np.testing.assert_allclose(found.times[0, : cold.size], cold, atol=1e-8)
    # What became of it is not known: to go on with it would be wrong.
    with pytest.raises(InvalidPlan, match=r"events have changed on.*d?on = 0"):
        one.solve((100, 200), initial=result)
    assert one.solve((100, 110), initial=result, parameters={"on": 1.0}).status[0] == SUCCESS


# Steady states ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["tsit5", "bosh3", "dop853"])
def test_a_steady_state_ends_a_trajectory(method, keep):
    logistic = ode.System("dx = r*x*(1 - x)", {"x": 0.1}, {"r": 1.0}, name="logistic")
    one = solver(keep, logistic, ode.SteadyState(rtol=1e-4, atol=1e-6), method=method)
    r = np.array([1.0, 5.0, 0.0, 1e-3])
    result = one.solve((0, 100), parameters={"r": r}, outputs=["final", "reached", "events"])
    assert result.status.tolist() == [ENDED_BY_EVENT] * 3 + [SUCCESS]
    assert result.reached[2] == 0.0  # it does not move at all
    x = result["x"]
    assert np.all(r[:3] * x[:3] * (1 - x[:3]) <= 1e-6 + 1e-4 * x[:3])
    # Not much later than where its speed is that.
    latest = (np.log(9) + np.log(1e4)) / r[:2]
    assert np.all((result.reached[:2] > latest) & (result.reached[:2] < 1.4 * latest))
    assert result.events["steady_state"].counts.tolist() == [1, 1, 1, 0]
    assert np.array_equal(result.events["steady_state"]["x"][:3, 0], x[:3])
    compiled = one.plan(outputs=["final"])
    other = ode.Solver(logistic, events=ode.SteadyState(1e-2, 1e-3), target="cpu", method=method)
    assert other.plan(outputs=["final"]) == compiled  # these are numbers


# Everywhere alike -------------------------------------------------------------------------------

EVERYTHING = [
    ode.Event("x", name="zero", action={"v": "0.95*v"}),
    ode.Event("v - 0.1*cos(3*t)", name="slow", checks=2),
    ode.Event.every(1.7, first=0.3, name="kick", action={"v": "v + 0.1", "w": "1.01*w"}),
    ode.Event("x + 2", name="far", terminal=2),
    ode.SteadyState(1e-3, 1e-3),
]
PLACES = [("tsit5", "float64", False), ("bosh3", "float32", False), ("tsit5", "float64", True)]


@pytest.mark.parametrize(("method", "precision", "large"), PLACES)
def test_a_trajectory_is_the_same_wherever_it_stands(method, precision, large, keep):
    w = np.random.default_rng(0).uniform(0.1, 4.0, 150)
    w[[0, 1, 17, 62, 63, 64, 65, 127, 149]] = 1.7
    outputs = ["states", "final", "steps", "events", "reached"]
    found = []
    for threads in (1, 3):
        one = ode.Solver(
            pendulum(large=large), events=EVERYTHING, target="cpu", keep=keep, threads=threads,
            method=method, precision=precision,
        )  # fmt: skip
        result = one.solve(
            (0, 12), parameters={"w": w}, save_at=0.5, outputs=outputs, most_records=30
        )
        assert not result.failed.size
        assert 0 < result.ended.size < len(result)
        assert all(each.counts.sum() for each in [*result.events.values()][:3])
        found.append([result.states, result.final, result.steps, result.reached,
                      *result.records.values()])  # fmt: skip
        for part in found[-1]:
            same = part[w == 1.7]
            assert np.array_equal(same, np.broadcast_to(same[0], same.shape), equal_nan=True)
    for first, second in zip(*found, strict=True):
        assert np.array_equal(first, second, equal_nan=True)
    for run in (0, 20, 149):
        alone = one.solve(
            (0, 12), parameters={"w": w[run]}, save_at=0.5, outputs=outputs, most_records=30
        )
        rows = [alone.states, alone.final, alone.steps, alone.reached, *alone.records.values()]
        for first, second in zip(found[0], rows, strict=True):
            assert np.array_equal(first[run], second[0], equal_nan=True)


def test_single_precision_is_near_double(keep):
    events = [BOUNCE, ode.Event("v", name="top", direction=-1)]
    found = [
        solver(keep, BALL, *events, precision=precision).solve((0, 2), rtol=1e-5, atol=1e-6)
        for precision in ("float64", "float32")
    ]
    for name in ("bounce", "top"):
        double, single = (each.events[name] for each in found)
        assert double.counts[0] == single.counts[0] > 1
        np.testing.assert_allclose(single.times, double.times, atol=1e-4)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_cuda_compiles_events(large, precision):
    pytest.importorskip("cuda.bindings.nvrtc")
    target = CudaTarget("sm_90")
    one = ode.Solver(pendulum(large=large), events=EVERYTHING, target=target, precision=precision)
    plan = one.plan(outputs=["states", "events", "reached", "mean"])
    assert target.compile(Compilation(plan).source(target))
