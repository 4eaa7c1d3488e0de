"""How kernels run: alike in every place, to the end or with a reason, and in either direction."""

import signal
import threading
import time

import numpy as np
import pytest

from emberkeep import ode
from emberkeep.ode.status import NOT_FINITE, STEP_TOO_SMALL, STIFF, SUCCESS, TOO_MANY_STEPS

LARGE = {f"s{index}": 1.0 for index in range(26)}
quietly = pytest.mark.filterwarnings("ignore::emberkeep.SolveWarning")


def system(*, large=False):
    """A rotation whose speed is the trajectory's own; of so many states that they are loops."""
    more = {name: f"-0.1*{name} + x" for name in LARGE} if large else {}
    return ode.System(
        {"x": "w*y - 0.1*x*x*x", "y": "-w*x + 0.01*cos(t)", **more, "r": "sqrt(x*x + y*y)"},
        {"x": 1.0, "y": 0.5, **(LARGE if large else {})},
        {"w": 1.0},
        observables=["r"],
        name="rotation",
    )


def solver(keep, one, threads=1, **more):
    return ode.Solver(one, target="cpu", keep=keep, threads=threads, **{"method": "tsit5", **more})


# Alike in every place ---------------------------------------------------------------------------

PLACES = [
    ("tsit5", "float64", False),
    ("tsit5", "float64", True),
    ("tsit5", "float32", False),
    ("bosh3", "float64", False),
    ("rk4", "float64", True),
    ("rk4", "float32", False),
]


@pytest.mark.parametrize(("method", "precision", "large"), PLACES)
def test_a_trajectory_is_the_same_wherever_it_stands(method, precision, large, keep):
    speeds = np.random.default_rng(0).uniform(0.1, 30.0, 150)
    speeds[[0, 1, 17, 62, 63, 64, 65, 127, 128, 149]] = 7.0  # the same in all these places
    steps = {"dt": 0.01} if method == "rk4" else {}
    outputs = ["states", "final", "steps"]
    found = []
    for threads in (1, 2, 7):
        one = solver(keep, system(large=large), threads, method=method, precision=precision)
        result = one.solve(
            (0, 3), parameters={"w": speeds}, save_at=[0.0, 0.4, 1.1, 3.0], outputs=outputs, **steps
        )
        found.append((result.states, result.final, result["r"], result.steps))
        same = np.flatnonzero(speeds == 7.0)
        for part in found[-1]:
            rows = np.asarray(part)[same]
            assert np.array_equal(rows, np.broadcast_to(rows[0], rows.shape))
        assert np.array_equal(result.states[:, -1], result.final)
    for other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], other, strict=True))
    one = solver(keep, system(large=large), 1, method=method, precision=precision)
    for run in (0, 20, 149):
        alone = one.solve(
            (0, 3), parameters={"w": speeds[run]}, save_at=[0.0, 0.4, 1.1, 3.0], outputs=outputs,
            **steps,
        )  # fmt: skip
        assert np.array_equal(alone.states[0], found[0][0][run])
        assert np.array_equal(np.ravel(alone.steps), np.ravel(found[0][3][run]))


@pytest.mark.parametrize("runs", [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 200])
def test_batches_of_all_sizes(runs, keep, decay):
    k = np.linspace(0.1, 2.0, runs)
    for method, steps in (("tsit5", {}), ("rk4", {"dt": 0.05})):
        found = solver(keep, decay, 2, method=method).solve((0, 1), parameters={"k": k}, **steps)
        np.testing.assert_allclose(found.final[:, 0], np.exp(-k), rtol=2e-5)
        assert not np.any(found.status)


# Counts and limits ------------------------------------------------------------------------------


@quietly
def test_a_limit_of_steps_is_exact(keep, lorenz):
    one = solver(keep, lorenz)
    x = np.linspace(-5, 5, 70)
    free = one.solve((0, 3), initial={"x": x}, outputs=["final", "steps"])
    attempts = np.asarray(free.steps).reshape(70, 2).sum(axis=1)
    assert (attempts > 10).all()
    limit = int(np.sort(attempts)[35])
    held = one.solve((0, 3), initial={"x": x}, outputs=["final", "steps"], max_steps=limit)
    assert np.array_equal(held.status == SUCCESS, attempts <= limit)
    assert (held.status[attempts > limit] == TOO_MANY_STEPS).all()
    good = attempts <= limit
    assert np.array_equal(held.final[good], free.final[good])
    counted = np.asarray(held.steps).reshape(70, 2).sum(axis=1)
    assert np.array_equal(counted, np.minimum(attempts, limit))
    only = one.solve((0, 3), initial={"x": x}, outputs=["final"])
    assert np.array_equal(only.final, free.final)
    saved = one.solve((0, 3), initial={"x": x}, save_at=[3.0], outputs=["states", "steps"])
    assert np.array_equal(np.asarray(saved.steps), np.asarray(free.steps))


@quietly
def test_fixed_steps_are_counted(keep, decay):
    one = solver(keep, decay, method="rk4")
    found = one.solve((0, 1), dt=0.1, parameters={"k": [1.0, 2.0]}, outputs=["final", "steps"])
    assert np.asarray(found.steps).reshape(2, 2).tolist() == [[10, 0], [10, 0]]


@quietly
@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("large", [False, True])
def test_failures_are_told_apart_and_touch_nobody(precision, large, keep):
    more = dict.fromkeys(LARGE, "-s0") if large else {}
    one = ode.System(
        {"x": "k*x*x + log(s)", **more}, {"x": 1.0, **(LARGE if large else {})},
        {"k": 0.1, "s": 1.0}, name="failing",
    )  # fmt: skip
    k, s = np.full(50, 0.1), np.ones(50)
    k[[3, 33]], s[[4, 48]] = 3.0, -1.0
    found = solver(keep, one, precision=precision).solve(
        (0, 1), parameters={"k": k, "s": s}, save_at=[0, 0.2, 1.0], outputs=["states", "final"]
    )
    expected = np.full(50, SUCCESS)
    expected[[3, 33]], expected[[4, 48]] = STEP_TOO_SMALL, NOT_FINITE
    assert np.array_equal(found.status, expected)
    x = found["x"]
    np.testing.assert_allclose(x[expected == SUCCESS, -1], 1 / 0.9, rtol=1e-5)
    np.testing.assert_allclose(x[[3, 33], 1], 1 / (1 - 0.6), rtol=1e-4)
    assert np.isnan(x[[3, 33], 2]).all()
    assert np.isnan(x[[4, 48], 1:]).all()
    assert np.isnan(found.final[[3, 4, 33, 48]]).all()


# Times ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("method", ["tsit5", "bosh3", "rk4"])
def test_times_to_save_at_either_end_or_none(method, large, keep):
    one, steps = (
        solver(keep, system(large=large), method=method),
        {"dt": 0.02} if method == "rk4" else {},
    )
    speeds = {"w": [1.0, 3.0, 9.0]}
    end = one.solve((1, 2), parameters=speeds, **steps).final
    for times in ([1.0], [2.0], [1.0, 2.0], [1.0, 1.3, 2.0], [1.999999999, 2.0]):
        found = one.solve((1, 2), parameters=speeds, save_at=times, **steps)
        if times[0] == 1.0:
            assert (found.states[:, 0, :2] == [1.0, 0.5]).all()
            assert found["r"][:, 0] == pytest.approx(np.hypot(1.0, 0.5))
        if times[-1] == 2.0:
            # For fixed steps, times to save change where steps end.
            tight = 1e-6 if method == "rk4" else 1e-13
            np.testing.assert_allclose(found.states[:, -1], end, rtol=tight, atol=tight)


@pytest.mark.parametrize("method", ["tsit5", "bosh3", "dop853", "vern7"])
def test_values_inside_are_as_good_as_those_at_the_ends(method, keep):
    wave = ode.System("x' = v; v' = -x; e = x*x + v*v", {"x": 0.0, "v": 1.0}, observables=["e"])
    times = np.linspace(0, 20, 401)
    found = solver(keep, wave, method=method).solve((0, 20), save_at=times, rtol=1e-7, atol=1e-7)
    assert np.abs(found["x"] - np.sin(times)).max() < 3e-5
    assert np.abs(found["e"] - 1).max() < 3e-5


def test_single_precision_goes_far(keep):
    clock = ode.System("x' = cos(t); u' = 1", {"x": 0.0, "u": 0.0}, name="clock")
    one = solver(keep, clock, precision="float32")
    found = one.solve((0, 10_000), save_at=[0.5, 5000.0, 10_000.0], rtol=1e-4, atol=1e-4)
    assert (found.status == SUCCESS).all()
    assert found["u"].ravel() == pytest.approx([0.5, 5000, 10_000], rel=1e-4)
    late = one.solve((1e6, 1e6 + 1), rtol=1e-5, atol=1e-5)
    assert late.final[0, 1] == pytest.approx(1, rel=1e-5)


@quietly
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_fast_transients_of_long_spans(precision, keep):
    """Within a millionth of the time, or not at all with a reason: never something else."""
    fast = ode.System("dx = -1e6*(x - cos(t))", {"x": 0.0}, name="transient")
    one = solver(keep, fast, precision=precision)
    for end in (1e-5, 1e-3):
        found = one.solve((0, end), save_at=[1e-6, end], rtol=1e-5, atol=1e-6)
        assert (found.status == SUCCESS).all()
        expected = np.cos([1e-6, end]) - np.exp(-1e6 * np.array([1e-6, end]))
        assert found["x"].ravel() == pytest.approx(expected, abs=1e-4)
    for span in ((0, 1e8), (-1e8, 0), (1e8, 2e8)):
        found = one.solve(span, max_steps=3000)
        assert found.status[0] in (STIFF, STEP_TOO_SMALL)
        assert np.isnan(found.final).all()
    early = one.solve((0, 1e8), save_at=[1e-6, 3e-6], outputs=["states"], max_steps=3000)
    expected = 1 - np.exp(-np.array([1.0, 3.0]))
    assert early["x"].ravel() == pytest.approx(expected, abs=1e-3)


def test_decay_over_a_span_that_is_mostly_empty(keep, decay):
    one = solver(keep, decay)
    found = one.solve((0, 1e4), save_at=[1e-3, 1.0, 5.0], rtol=1e-6, atol=1e-9)
    assert found["x"].ravel() == pytest.approx(np.exp([-1e-3, -1.0, -5.0]), rel=1e-5)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("method", ["tsit5", "bosh3", "rk4"])
def test_backwards(method, large, keep):
    one = solver(keep, system(large=large), method=method)
    steps = {"dt": 0.01} if method == "rk4" else {"rtol": 1e-8, "atol": 1e-8}
    there = one.solve((0, 2), parameters={"w": 2.0}, **steps)
    ends = dict(zip(system(large=large).states, there.final[0], strict=True))
    back = one.solve((2, 0), parameters={"w": 2.0}, initial=ends, save_at=[2.0, 1.0, 0.0], **steps)
    assert back.states[0, 0] == pytest.approx(there.final[0], rel=1e-12)
    assert back.states[0, -1, :2] == pytest.approx([1.0, 0.5], abs=1e-5)
    half = one.solve((0, 1), parameters={"w": 2.0}, **steps)
    assert back.states[0, 1] == pytest.approx(half.final[0], abs=1e-5)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("method", ["tsit5", "rk4"])
def test_a_span_of_no_length(method, large, keep):
    one = solver(keep, system(large=large), method=method)
    steps = {"dt": 0.01} if method == "rk4" else {}
    found = one.solve(
        (3, 3),
        parameters={"w": np.arange(1.0, 41)},
        save_at=[3.0],
        outputs=["states", "final"],
        **steps,
    )
    assert not np.any(found.status)
    assert (found.states[:, 0, :2] == [1.0, 0.5]).all()
    assert (found.final[:, :2] == [1.0, 0.5]).all()


# Stopping ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["tsit5", "rk4"])
def test_what_would_take_minutes_stops_within_a_second(method, keep, lorenz):
    one = solver(keep, lorenz, 2, method=method)
    steps = {"dt": 1e-4, "max_steps": 10**9} if method == "rk4" else {"rtol": 1e-10, "atol": 1e-10}
    one.solve((0, 0.01), **steps)
    pressed = []

    def press():
        pressed.append(time.monotonic())
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    timer = threading.Timer(0.3, press)
    timer.start()
    x = np.linspace(1, 2, 20_000)
    with pytest.raises(KeyboardInterrupt):
        one.solve((0, 100), initial={"x": x}, **steps)
    assert time.monotonic() - pressed[0] < 1.0
    timer.join()
    assert not np.any(one.solve((0, 0.01), **steps).status)
