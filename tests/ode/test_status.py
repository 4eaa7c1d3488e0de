"""Trajectories that fail: said of each, values marked, neighbours untouched."""

import copy
import pickle
import warnings

import numpy as np
import pytest

from emberkeep import SolveFailed, SolveWarning, ode
from emberkeep.ode.status import NOT_FINITE, STEP_TOO_SMALL, SUCCESS, TOO_MANY_STEPS

quietly = pytest.mark.filterwarnings("ignore::emberkeep.SolveWarning")


@pytest.fixture
def grower(keep):
    """x' = k x^2 + sqrt(s): infinite at t = 1/k; not a number for s < 0."""
    system = ode.System("dx = k*x^2 + sqrt(s)", {"x": 1.0}, {"k": 0.1, "s": 0.0}, name="grower")
    return lambda method: ode.Solver(system, target="cpu", keep=keep, method=method)


@quietly
@pytest.mark.parametrize(("method", "options"), [("tsit5", {}), ("rk4", {"dt": 1e-2})])
def test_each_failure_is_told_apart_and_its_values_are_marked(grower, method, options):
    k = np.full(100, 0.1)
    s = np.zeros(100)
    k[[7, 40]] = 2.0  # infinite at 0.5
    s[63] = -1.0  # not a number from the start
    solver = grower(method)
    result = solver.solve(
        (0, 1), parameters={"k": k, "s": s}, save_at=[0, 0.25, 0.75, 1],
        outputs=["states", "final"], **options,
    )  # fmt: skip
    bad = {7: STEP_TOO_SMALL, 40: STEP_TOO_SMALL, 63: NOT_FINITE}
    if method == "rk4":
        bad = dict.fromkeys(bad, NOT_FINITE)
    assert {int(run): int(result.status[run]) for run in result.failed} == bad
    for run in (7, 40):
        np.testing.assert_allclose(result.states[run, 1, 0], 1 / (1 - 0.5), rtol=1e-4)
        assert np.isnan(result.states[run, 2:]).all()
        assert np.isnan(result.final[run]).all()
    assert result.states[63, 0, 0] == 1
    assert np.isnan(result.states[63, 1:]).all()
    good = np.delete(np.arange(100), list(bad))
    np.testing.assert_allclose(result.final[good, 0], 1 / 0.9, rtol=1e-5)
    assert (result.status[good] == SUCCESS).all()


@quietly
@pytest.mark.parametrize(("method", "options"), [("tsit5", {}), ("rk4", {"dt": 1e-2})])
def test_neighbours_of_failures_have_the_bits_that_they_have_alone(grower, method, options):
    k = np.linspace(0.1, 0.9, 70)
    sick = k.copy()
    sick[[0, 33, 69]] = 50.0
    solver = grower(method)
    healthy = solver.solve((0, 1), parameters={"k": k}, **options)
    mixed = solver.solve((0, 1), parameters={"k": sick}, **options)
    untouched = np.delete(np.arange(70), [0, 33, 69])
    np.testing.assert_array_equal(mixed.final[untouched], healthy.final[untouched])
    assert mixed.failed.tolist() == [0, 33, 69]


@quietly
def test_a_limit_of_steps_ends_only_those_that_need_more(grower):
    solver = grower("tsit5")
    k = np.array([0.1, 0.999999, 0.1])
    result = solver.solve((0, 1), parameters={"k": k}, rtol=1e-9, max_steps=60)
    assert result.status.tolist() == [SUCCESS, TOO_MANY_STEPS, SUCCESS]
    assert np.isnan(result.final[1, 0])


@quietly
def test_a_least_step_is_respected(grower):
    result = grower("tsit5").solve((0, 1), parameters={"k": 0.99}, rtol=1e-10, dt_min=0.05)
    assert result.status.tolist() == [STEP_TOO_SMALL]


@quietly
def test_initial_values_that_are_no_numbers_fail_at_once(grower):
    result = grower("tsit5").solve((0, 1), initial={"x": np.array([1.0, np.nan, np.inf, 2.0])})
    assert result.status.tolist() == [SUCCESS, NOT_FINITE, NOT_FINITE, SUCCESS]


@quietly
def test_success_can_be_required(grower):
    solver = grower("tsit5")
    assert solver.solve((0, 1)).require_success().status.tolist() == [SUCCESS]
    with pytest.raises(
        SolveFailed, match=r"Of 2 trajectories of grower, 1 failed: 1 needed a step.*number 1"
    ):
        solver.solve((0, 1), parameters={"k": np.array([0.1, 5.0])}).require_success()


@quietly
def test_failures_in_systems_with_loops(keep, ring):
    start = {"x3": np.array([1.0, np.nan, 1.0])}
    result = ode.Solver(ring, target="cpu", keep=keep).solve((0, 1), initial=start)
    assert result.status.tolist() == [SUCCESS, NOT_FINITE, SUCCESS]
    np.testing.assert_array_equal(result.final[0], result.final[2])
    assert np.isnan(result.final[1]).all()


def test_failures_are_told_once_by_reason_with_what_to_do(grower):
    solver = grower("tsit5")
    k = np.array([0.1, 5.0, 0.1, 4.0, 0.1])
    s = np.array([0.0, 0.0, -1.0, 0.0, 0.0])
    with pytest.warns(SolveWarning) as told:
        result = solver.solve((0, 1), parameters={"k": k, "s": s})
    assert len(told) == 1
    text = str(told[0].message)
    assert "Of 5 trajectories of grower, 3 failed: 2 needed a step too small" in text
    assert "1 reached infinity or not-a-number. The first is number 1, in result.failed" in text
    assert "values are NaN from there on. End the span before a singularity" in text
    assert "ignore', emberkeep.SolveWarning" in text
    assert told[0].filename == __file__
    assert result.failed.tolist() == [1, 2, 3]
    with pytest.warns(SolveWarning) as told:
        ode.solve(solver.system, (0, 1), parameters={"k": k}, target="cpu", keep=solver._keep)
    assert told[0].filename == __file__


def test_success_is_silent(grower):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        grower("tsit5").solve((0, 1), parameters={"k": np.full(9, 0.1)})
    assert told == []


def test_results_are_tables_to_whoever_reads_them(grower):
    first = grower("tsit5").solve((0, 1), save_at=[0.5, 1], parameters={"k": [0.1, 0.2]})
    again = grower("tsit5").solve((0, 1), save_at=[0.5, 1], parameters={"k": [0.1, 0.2]})
    other = grower("tsit5").solve((0, 1), save_at=[0.5, 1], parameters={"k": [0.1, 0.3]})
    assert first == again
    assert first != other
    assert first != "result"
    assert (len(first), list(first), "x" in first, "k" in first) == (2, ["x"], True, False)
    np.testing.assert_array_equal(dict(first)["x"], first["x"])
    with pytest.raises(KeyError, match=r"result\['x'\]\[0\]"):
        first[0]
    for other in (copy.copy(first), copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert other == first
        assert repr(other) == repr(first)
    with pytest.raises(TypeError, match="A Result that holds arrays"):
        hash(first)


LARGE = {f"s{index}": 1.0 for index in range(26)}


@quietly
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("extra", [{}, {"save_at": [0.5, 1]}])
def test_what_fails_at_its_first_step_ends(large, extra, keep):
    """1/x at zero: the first step has no length to be guessed."""
    more = "".join(f"\nd{name} = -{name}" for name in LARGE) if large else ""
    system = ode.System(f"dx = 1/x{more}", {"x": 1.0, **(LARGE if large else {})}, name="inverse")
    solver = ode.Solver(system, target="cpu", keep=keep)
    result = solver.solve((0, 1), initial={"x": [1.0, 0.0, 2.0]}, **extra)
    assert result.status.tolist() == [SUCCESS, NOT_FINITE, SUCCESS]
    last = result["x"].reshape(3, -1)[:, -1]
    np.testing.assert_allclose(last[[0, 2]], [3**0.5, 6**0.5], rtol=1e-5)


@pytest.mark.parametrize("extra", [{}, {"save_at": [2.0]}])
def test_a_span_of_nothing_gives_where_it_begins(extra, keep):
    solver = ode.Solver(ode.System("dx = -x", {"x": 3.0}, name="decay"), target="cpu", keep=keep)
    result = solver.solve((2, 2), initial={"x": np.arange(1.0, 101.0)}, **extra)
    np.testing.assert_array_equal(result["x"].reshape(-1), np.arange(1.0, 101.0))


@pytest.mark.parametrize("extra", [{}, {"save_at": [0.5, 1]}])
def test_the_first_step_is_no_shorter_than_any(extra, keep):
    solver = ode.Solver(ode.System("dx = -x", {"x": 3.0}, name="decay"), target="cpu", keep=keep)
    result = solver.solve((0, 1), dt_min=0.05, initial={"x": [1.0, 2.0]}, **extra)
    last = result["x"].reshape(2, -1)[:, -1]
    np.testing.assert_allclose(last, np.exp(-1) * np.array([1, 2]), rtol=1e-4)


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_steep_slopes_do_not_overflow_the_first_step(precision, keep):
    system = ode.System("dx = 1e11 - 0*x", {"x": 0.0}, name="steep")
    solver = ode.Solver(system, target="cpu", keep=keep, precision=precision)
    np.testing.assert_allclose(solver.solve((0, 1)).final, 1e11, rtol=1e-5)
