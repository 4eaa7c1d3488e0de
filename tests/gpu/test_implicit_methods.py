"""Rosenbrock and diagonally implicit steps on a GPU: those of a CPU, and right where stiff."""

import numpy as np
import pytest

from emberkeep import ode
from emberkeep.ode.methods import IMPLICIT, ROSENBROCK, numbers_of

pytestmark = pytest.mark.gpu

METHODS = sorted(
    name for name in {*ROSENBROCK, *IMPLICIT} if getattr(numbers_of(name), "is_diagonal", True)
)
SOME = ["rosenbrock23", "rodas4p", "rodas5pe", "ros34pw2", "sdirk4", "kvaerno5", "tr-bdf2", "bdf"]
MANY = 13  # pairs of states: more than are written out
PAIR = "du{0} = -2*t*u{0}^2 + k*(v{0} - (1 + t)*u{0})*v{0}; dv{0} = u{0} - 2*t*u{0}*v{0}"
PROTHERO = ode.System(
    "dx = -k*(x - cos(t + p)) - sin(t + p)", {"x": 1.0}, {"k": 1.0, "p": 0.0}, name="prothero"
)


def pairs(count):
    states = {name: value for i in range(count) for name, value in ((f"u{i}", 0.9), (f"v{i}", 1.2))}
    equations = "; ".join(PAIR.format(i) for i in range(count))
    return ode.System(equations, states, {"k": 1.0}, name=f"pairs{count}")


def both(system, keep, method, span, **given):
    return (
        ode.Solver(system, method=method, target=target, keep=keep)
        .solve(span, **given)
        .require_success()
        for target in ("cuda", "cpu")
    )


@pytest.mark.parametrize("method", METHODS)
def test_steps_of_one_length_are_those_of_a_cpu(method, keep):
    there, here = both(
        pairs(1), keep, method, (0.3, 1.3), parameters={"k": np.linspace(0.5, 2, 500)},
        dt=0.05, controller="fixed", rtol=1e-13, atol=1e-13,
    )  # fmt: skip
    np.testing.assert_allclose(there.final, here.final, rtol=1e-11)


@pytest.mark.parametrize("method", SOME)
def test_many_states(method, keep):
    there, here = both(
        pairs(MANY), keep, method, (0.3, 1.3), parameters={"k": np.linspace(0.5, 2, 500)},
        rtol=1e-7, atol=1e-9, save_at=0.25,
    )  # fmt: skip
    np.testing.assert_allclose(there.states, here.states, rtol=1e-6)


@pytest.mark.parametrize("method", SOME)
def test_values_to_save_are_right_where_decay_is_fast(method, keep):
    phases, times = np.linspace(0, 3, 500), np.linspace(0, 5, 51)
    for found in both(
        PROTHERO, keep, method, (0, 5), initial={"x": np.cos(phases)},
        parameters={"k": 1e6, "p": phases}, rtol=1e-6, atol=1e-6, save_at=times,
    ):  # fmt: skip
        errors = found["x"] - np.cos(times + phases[:, None])
        assert np.abs(errors).max() < 3e-5
