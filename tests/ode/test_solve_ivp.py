"""`ode.solve_ivp` beside SciPy's: the same call, the same numbers; and batches."""

import math
from functools import partial

import numpy as np
import pytest
import scipy.integrate

from emberkeep import InvalidPlan, InvalidSystem, Keep, SolveWarning, TimeLogger, ode
from emberkeep.keys.origin import home_of
from emberkeep.ode.ivp import _of_arrays
from emberkeep.telemetry import Category

TIGHT = {"rtol": 1e-8, "atol": 1e-10}


@pytest.fixture
def solve_ivp(keep):
    return partial(ode.solve_ivp, target="cpu", keep=keep)


def lotka_volterra(t, z, a, b, c, d):
    x, y = z
    return [a * x - b * x * y, -c * y + d * x * y]


def pendulum(t, y, damping):
    slope = np.zeros(2)
    slope[0] = y[1]
    slope[1] = -damping * y[1] - math.sin(y[0])
    return slope


ROTATION = np.array([[-0.1, 2.0, 0.0], [-2.0, -0.1, 0.3], [0.0, -0.3, -1.0]])


def linear(t, y):
    return ROTATION @ y


def heat(t, u, rate):
    slope = np.empty_like(u)
    slope[1:-1] = rate * (u[2:] - 2 * u[1:-1] + u[:-2])
    slope[0] = slope[-1] = 0.0
    return slope + 0.1 * np.maximum(0.5 - u, 0) * np.sin(t)


def relay(t, y, level):
    if y[0] > level:
        return (-y[0], y[1])
    return (1.0, -y[1])


PROBLEMS = {
    "lotka_volterra": (lotka_volterra, (0, 10), [10, 5], (1.5, 1, 3, 1)),
    "pendulum": (pendulum, (0, 10), [math.pi - 0.1, 0.0], (0.25,)),
    "linear, backwards": (linear, (3, 0), np.array([1.0, -1.0, 2.0]), None),
    "heat": (heat, [0, 2], np.linspace(0, 1, 6) ** 2, [0.7]),
    "one state": (lambda t, y: -y * t, (0, 2), [1.0], ()),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_same_call_gives_what_scipy_gives(name, solve_ivp):
    fun, t_span, y0, args = PROBLEMS[name]
    times = np.linspace(*t_span, 7)
    theirs = scipy.integrate.solve_ivp(fun, t_span, y0, "DOP853", times, args=args, **TIGHT)
    ours = solve_ivp(fun, t_span, y0, "RK45", times, args=args, **TIGHT)
    assert ours.y.shape == theirs.y.shape == (len(y0), 7)
    np.testing.assert_allclose(ours.y, theirs.y, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(ours.t, theirs.t)
    assert (ours.status, ours.success, ours.message) == (0, True, theirs.message)


def test_all_fields_of_scipys_are_there(solve_ivp):
    theirs = scipy.integrate.solve_ivp(linear, (0, 1), [1, 2, 3])
    ours = solve_ivp(linear, (0, 1), [1, 2, 3])
    assert {*theirs.keys()} <= {*ours.keys()}
    assert ours["y"] is ours.y
    assert ours.sol is ours.nfev is None
    with pytest.raises(KeyError, match="there are t, y"):
        ours["x"]


def test_without_times_there_are_start_and_end(solve_ivp):
    ours = solve_ivp(linear, (0, 1), [1, 2, 3])
    np.testing.assert_array_equal(ours.t, [0, 1])
    np.testing.assert_array_equal(ours.y[:, 0], [1, 2, 3])
    still = solve_ivp(linear, (1, 1), [1, 2, 3])
    np.testing.assert_array_equal(still.y, [[1], [2], [3]])


@pytest.mark.parametrize("method", ["RK23", "RK45", "DOP853", scipy.integrate.RK45, "tsit5"])
def test_methods_go_by_scipys_names(method, solve_ivp):
    ours = solve_ivp(lambda t, y: -y, (0, 1), [1.0], method, rtol=1e-6, atol=1e-9)
    assert ours.y[0, -1] == pytest.approx(math.exp(-1), rel=1e-5)


def test_a_batch_has_an_axis_in_front(solve_ivp):
    start = np.array([[10.0, 5.0], [2.0, 1.0], [1.0, 3.0]])
    growth, times = np.array([1.5, 1.0, 0.5]), [0.0, 1.0, 2.0, 3.0]
    many = solve_ivp(lotka_volterra, (0, 3), start, t_eval=times, args=(growth, 1, 3, 1), **TIGHT)
    assert many.y.shape == (3, 2, 4)
    for run in range(3):
        one = solve_ivp(
            lotka_volterra, (0, 3), start[run], t_eval=times, args=(growth[run], 1, 3, 1), **TIGHT
        )
        np.testing.assert_array_equal(many.y[run], one.y)
    np.testing.assert_array_equal(many.success, [True] * 3)
    swept = solve_ivp(lotka_volterra, (0, 3), [10, 5], args=(growth, 1, 3, 1), **TIGHT)
    np.testing.assert_array_equal(swept.y[0, :, -1], many.y[0, :, -1])
    assert swept.y.shape == (3, 2, 2)
    assert solve_ivp(lambda t, y: -y, (0, 1), [[1.0]]).y.shape == (1, 1, 2)


def test_failures_are_told_as_scipy_tells_them(solve_ivp):
    with pytest.warns(SolveWarning):
        ours = solve_ivp(lambda t, y: y**2, (0, 2), [[0.1], [1.0]], rtol=1e-6)
    np.testing.assert_array_equal(ours.status, [0, -1])
    np.testing.assert_array_equal(ours.success, [True, False])
    assert "singularity" in ours.message
    with pytest.warns(SolveWarning):
        alone = solve_ivp(lambda t, y: y**2, (0, 2), [1.0], rtol=1e-6)
    assert (alone.status, alone.success) == (-1, False)


def test_what_branches_is_compiled_by_numba_where_it_returns_a_tuple(solve_ivp):
    ours = solve_ivp(relay, (0, 1), [2.0, 1.0], args=(0.1,), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(ours.y[:, -1], [2 * math.exp(-1), math.e], rtol=1e-5)


def test_a_number_compiles_nothing_and_another_function_does(tmp_path):
    """The key is what the function does; numbers are none of it."""
    solve = partial(ode.solve_ivp, target="cpu", keep=Keep(tmp_path))

    def decay(rate):
        return lambda t, y, k: -rate * k * y

    def compiled(fun, *given, **options):
        logger = TimeLogger("default")
        logger.install()
        try:
            solve(fun, *given, **options)
        finally:
            logger.remove()
        return any(one.category == Category.COMPILE for one in logger.records)

    assert compiled(decay(1.0), (0, 1), [1.0], args=(1.0,))
    assert not compiled(decay(1.0), (0, 9), [2.0], args=(3.0,), t_eval=[1, 2], rtol=1e-5)
    assert not compiled(decay(1.0), (0, 1), [[1.0], [2.0]], args=(np.array([1.0, 2.0]),))
    assert compiled(decay(2.0), (0, 1), [1.0], args=(1.0,))


def test_the_function_is_the_users_wherever_emberkeep_lies():
    """In an installed emberkeep, its own functions would go by its version, and not be followed."""
    assert home_of(_of_arrays(linear)) is None


# Events -------------------------------------------------------------------------------------------


def cannon(t, y):
    return [y[1], -0.5]


def ground(t, y):
    return y[0]


def apex(t, y):
    return y[1]


ground.terminal, ground.direction = True, -1


@pytest.mark.parametrize(
    "given", [{}, {"t_eval": np.linspace(0, 100, 11)}, {"t_eval": [1.0, 50.0]}]
)
def test_events_as_in_scipys_documentation(given, solve_ivp):
    ours, theirs = (
        solve(cannon, [0, 100], [0, 10], events=[ground, apex], dense_output=True, **given)
        for solve in (solve_ivp, scipy.integrate.solve_ivp)
    )
    for found, expected in zip(ours.t_events, theirs.t_events, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    for found, expected in zip(ours.y_events, theirs.y_events, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-11)
    assert (ours.status, ours.success, ours.message) == (1, True, theirs.message)
    times = theirs.t if given else theirs.t[[0, -1]]
    np.testing.assert_allclose(ours.t, times, rtol=1e-12)
    np.testing.assert_allclose(ours.y, theirs.sol(times), atol=1e-10)
    np.testing.assert_allclose(ours.sol([3.0, 39.0]), theirs.sol([3.0, 39.0]), rtol=1e-10)
    with pytest.raises(InvalidPlan, match="from 0 to 40"):
        ours.sol(41.0)


def test_events_of_many_and_more_than_there_is_room_for(solve_ivp):
    found = solve_ivp(cannon, [0, 30], [[0, 10], [0, 20.0], [0, 5]], events=[ground, apex])
    assert found.status.tolist() == [0, 0, 1]
    assert found.success.all()
    np.testing.assert_allclose(found.t[:, -1], [30, 30, 20])
    np.testing.assert_allclose(found.y[:, :, -1], [[75, -5], [375, 5], [0, -5]], atol=1e-9)
    np.testing.assert_allclose(found.t_events[0][:, 0], [np.nan, np.nan, 20])
    fast = solve_ivp(
        lambda t, y, w: [y[1], -w * w * y[0]], [0, 200], [1, 0], args=(3.0,),
        events=lambda t, y, w: y[0], rtol=1e-9, atol=1e-9,
    )  # fmt: skip
    assert fast.t_events[0].size == 191
    np.testing.assert_allclose(fast.t_events[0], np.pi / 3 * (0.5 + np.arange(191)), atol=1e-5)


REFUSED = {
    "events": ({"events": ["y"]}, "expected a function event"),
    "jac": ({"jac": ROTATION}, "leave it out"),
    "typo": ({"max_stp": 1.0}, "takes no max_stp="),
    "no method": ({"method": "nonsense"}, "There is no method"),
    "fixed steps": ({"method": "rk4"}, "first_step="),
    "args": ({"args": 1.0}, r"args=\(1.0,\)"),
    "list": ({"args": ([1.0, 2.0],)}, r"args\[0\] is \[1.0, 2.0\].*numpy.array"),
    "switch": ({"args": (True,)}, "bind it"),
    "function": ({"args": (math.sin,)}, "bind it"),
    "matrix": ({"args": (ROTATION,)}, r"shape \(3, 3\)"),
    "y0": ({"y0": np.zeros((2, 2, 2))}, r"expected \(n,\), or \(runs, n\)"),
    "complex": ({"y0": [1j]}, "real numbers"),
    "span": ({"t_span": (0, 1, 2)}, "t_eval"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_by_name(name, solve_ivp):
    options, message = REFUSED[name]
    with pytest.raises(InvalidPlan, match=message):
        solve_ivp(**{"fun": lambda t, y, *_: -y, "t_span": (0, 1), "y0": [1.0], **options})


def counted(t, y, count):
    return [sum(y[0] for _ in range(count))]


FUNCTIONS = {
    "too many": (lambda t, y: [1, 2, 3], (), "returns 3 derivatives, and y0 has 1"),
    "args": (lambda t, y, k: -k * y, (), "with 1 states and 0 args"),
    "branch": (lambda t, y: [1.0 if y[0] > 0 else 2.0], (), "branches.*return a tuple"),
    "count": (counted, (3,), "cannot be called.*integer"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_that_cannot_be_says_why(name, solve_ivp):
    fun, args, message = FUNCTIONS[name]
    with pytest.raises(InvalidSystem, match=message):
        solve_ivp(fun, (0, 1), [1.0], args=args)


# The solution as a function of time ---------------------------------------------------------------


def driven(t, y, k):
    return [y[1], -k * y[0] + np.cos(3 * t)]


@pytest.mark.parametrize("span", [(0.0, 10.0), (10.0, 0.0)], ids=["forwards", "backwards"])
def test_the_solution_as_a_function_of_time(span, keep):
    given = {"args": (2.0,), "rtol": 1e-9, "atol": 1e-12, "dense_output": True}
    ours = ode.solve_ivp(driven, span, [1.0, 0.5], target="cpu", keep=keep, **given)
    theirs = scipy.integrate.solve_ivp(driven, span, [1.0, 0.5], method="DOP853", **given)
    times = np.array([3.7, 0.0, 9.99, 3.7, 10.0])
    assert ours.sol(times).shape == (2, 5)
    np.testing.assert_allclose(ours.sol(times), theirs.sol(times), rtol=1e-6, atol=1e-7)
    assert ours.sol(3.7).shape == (2,)
    np.testing.assert_array_equal(ours.sol(3.7), ours.sol(times)[:, 0])
    np.testing.assert_array_equal(ours.sol(span[1]), ours.y[:, -1])
    with pytest.raises(InvalidPlan, match="expected times from 0 to 10"):
        ours.sol(10.1)
    with pytest.raises(InvalidPlan, match="expected times"):
        ours.sol([])


def test_the_solutions_of_a_batch(keep):
    rates = np.array([1.0, 2.0, 3.0])
    given = {"dense_output": True, "target": "cpu", "keep": keep}
    batch = ode.solve_ivp(driven, (0, 5), [1.0, 0.5], args=(rates,), **given)
    assert batch.sol([1.0, 2.0]).shape == (3, 2, 2)
    alone = ode.solve_ivp(driven, (0, 5), [1.0, 0.5], args=(2.0,), **given)
    np.testing.assert_array_equal(batch.sol(4.0)[1], alone.sol(4.0))
    assert (
        ode.solve_ivp(driven, (0, 5), [1.0, 0.5], args=(2.0,), target="cpu", keep=keep).sol is None
    )


def test_a_dense_solution_is_of_the_function_as_it_was(keep):
    """Functions look names up when they are called, and a solution is called much later."""
    given = {"dense_output": True, "target": "cpu", "keep": keep, **TIGHT}
    solutions = []
    for rate in (1.0, 2.0, 3.0):
        solutions.append(ode.solve_ivp(lambda t, y: -rate * y, (0, 1), [1.0], **given))  # noqa: B023, PERF401
    found = [solution.sol(1.0)[0] for solution in solutions]
    np.testing.assert_allclose(found, np.exp([-1.0, -2.0, -3.0]), rtol=1e-6)
    for solution in solutions:
        np.testing.assert_array_equal(solution.sol([0.0, 1.0]), solution.y)


@pytest.mark.parametrize("method", ["Radau", scipy.integrate.Radau, "LSODA", "rodas5p", "auto"])
def test_stiff_systems_are_solved_as_scipy_solves_them(method, keep):
    def stiff(t, y):
        return [-1e4 * (y[0] - np.cos(t)), y[0] - y[1]]

    expected = scipy.integrate.solve_ivp(
        stiff, (0, 5), [0, 0], method="Radau", rtol=1e-9, atol=1e-11
    )
    found = ode.solve_ivp(
        stiff, (0, 5), [0, 0], method=method, rtol=1e-7, atol=1e-9, keep=keep, target="cpu"
    )
    assert found.success
    np.testing.assert_allclose(found.y[:, -1], expected.y[:, -1], atol=1e-6)
    wanted = {"Radau": "radau-iia-5", "LSODA": "rodas5pe", "auto": "rodas5pe"}
    name = getattr(method, "__name__", method)
    assert found.result.method == wanted.get(name, name)
