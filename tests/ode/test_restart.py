"""Going on from where a result ended."""

import numpy as np
import pytest

from emberkeep import InvalidPlan, ode
from emberkeep.ode.errors import SolveWarning

DRIVEN = ode.System(
    "dx = v; dv = -k*x + a*cos(3*t)",
    {"x": 1.0, "v": 0.0},
    {"k": 1.0, "a": 0.5},
    name="driven of restarts",
)
RATES = np.linspace(0.5, 4, 9)
TIGHT = {"rtol": 1e-10, "atol": 1e-12}


@pytest.fixture
def solver(keep):
    return ode.Solver(DRIVEN, target="cpu", keep=keep)


def test_two_parts_are_the_whole(solver):
    first = solver.solve((0, 4), parameters={"k": RATES, "a": 0.7}, **TIGHT)
    second = solver.solve((4, 9), initial=first, **TIGHT)
    whole = solver.solve((0, 9), parameters={"k": RATES, "a": 0.7}, **TIGHT)
    np.testing.assert_allclose(second.final, whole.final, rtol=1e-8, atol=1e-8)
    np.testing.assert_array_equal(second.parameters()["k"], RATES)


def test_from_states_that_were_saved_at_the_end(solver):
    first = solver.solve((0, 4), parameters={"k": RATES}, save_at=0.5)
    second = solver.solve((4, 5), initial=first, save_at=0.5)
    np.testing.assert_array_equal(second.states[:, 0], first.states[:, -1])


def test_a_grid_goes_on_trajectory_by_trajectory(solver):
    first = solver.solve(
        (0, 1), parameters={"k": [1.0, 2.0]}, initial={"x": [1.0, 2.0, 3.0]}, grid="combinations"
    )
    second = solver.solve((1, 2), initial=first)
    assert second.parameters()["k"].tolist() == [1, 1, 1, 2, 2, 2]
    np.testing.assert_array_equal(second.parameters()["x"], first["x"])


def test_parameters_that_are_given_are_taken(solver):
    first = solver.solve((0, 1), parameters={"k": RATES, "a": 0.7})
    second = solver.solve((1, 2), initial=first, parameters={"a": 0.0})
    by_hand = solver.solve(
        (1, 2), initial={"x": first["x"], "v": first["v"]}, parameters={"k": RATES, "a": 0.0}
    )
    np.testing.assert_array_equal(second.final, by_hand.final)


def test_spans_of_their_own(solver):
    ends = np.linspace(1, 2, 9)
    first = solver.solve((0, ends), parameters={"k": RATES}, **TIGHT)
    second = solver.solve((first.t_span[1], 3), initial=first, **TIGHT)
    whole = solver.solve((0, 3), parameters={"k": RATES}, **TIGHT)
    np.testing.assert_allclose(second.final, whole.final, rtol=1e-8, atol=1e-8)


def test_what_failed_stays_so(keep):
    system = ode.System("dx = x^2", {"x": 1.0}, name="singular of restarts")
    solver = ode.Solver(system, target="cpu", keep=keep)
    with pytest.warns(SolveWarning):
        first = solver.solve((0, 2), initial={"x": [0.1, 1.0]})
    with pytest.warns(SolveWarning):
        second = solver.solve((2, 3), initial=first)
    assert second.status[0] == 0
    assert second.status[1] != 0
    assert second["x"][0] == pytest.approx(1 / (10 - 3), rel=1e-5)


def test_what_cannot_be_gone_on_from(solver, keep):
    short = solver.solve((0, 1), save_at=[0.5])
    with pytest.raises(InvalidPlan, match=r"outputs=\['final', …\]"):
        solver.solve((1, 2), initial=short)
    other = ode.Solver(ode.System("dz = -z", {"z": 1.0}), target="cpu", keep=keep).solve((0, 1))
    with pytest.raises(InvalidPlan, match="with the states z, and driven of restarts has x, v"):
        solver.solve((1, 2), initial=other)
    with pytest.raises(InvalidPlan, match="Leave out grid="):
        solver.solve((1, 2), initial=solver.solve((0, 1)), grid="combinations")


def test_parameters_may_go_by_other_names_than_those_they_replace(solver, keep):
    """Vectors by theirs, and SymPy's symbols: each replaces what the result had."""
    system = ode.System(
        "x[i]' = sum(A[i,j]*x[j] for j in 1..2) for i in 1..2",
        {"x": [1.0, 0.5]},
        {"A": [[-1.0, 0.0], [0.0, -2.0]]},
        name="matrix of restarts",
    )
    linear = ode.Solver(system, target="cpu", keep=keep)
    first = linear.solve((0, 1), parameters={"A_1_1": [-1.0, -2.0]}, **TIGHT)
    second = linear.solve((1, 2), initial=first, parameters={"A": np.diag([-3.0, -1.0])}, **TIGHT)
    expected = first.final * np.exp([-3.0, -1.0])
    np.testing.assert_allclose(second.final, expected, rtol=1e-8)
    sympy = pytest.importorskip("sympy")
    first = solver.solve((0, 1), parameters={"k": RATES})
    second = solver.solve((1, 2), initial=first, parameters={sympy.Symbol("k"): 3.0})
    by_hand = solver.solve((1, 2), initial={"x": first["x"], "v": first["v"]}, parameters={"k": 3})
    np.testing.assert_array_equal(second.final, by_hand.final)
    with pytest.raises(InvalidPlan, match="must be given by name"):
        solver.solve((1, 2), initial=first, parameters=[3.0])
