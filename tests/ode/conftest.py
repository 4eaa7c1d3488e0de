"""Systems with known solutions, and the keep that all tests share: compiling takes seconds."""

import numpy as np
import pytest

from emberkeep import ode


@pytest.fixture(scope="session")
def keep(test_keep):
    return test_keep.keep


@pytest.fixture
def lorenz():
    return ode.System(
        "dx = sigma*(y - x); dy = x*(rho - z) - y; dz = x*y - beta*z",
        states={"x": 1.0, "y": 1.0, "z": 1.0},
        parameters={"sigma": 10.0, "rho": 28.0},
        constants={"beta": 8 / 3},
        name="lorenz",
    )


@pytest.fixture
def decay():
    """One state; x(t) = x(0) exp(-k t)."""
    return ode.System("dx = -k*x", {"x": 1.0}, {"k": 1.0}, name="decay")


@pytest.fixture
def oscillator():
    """Two states; x(t) = cos(w t), v(t) = -w sin(w t)."""
    return ode.System("x' = v\nv' = -w^2*x", {"x": 1.0, "v": 0.0}, {"w": 2.0}, name="oscillator")


@pytest.fixture
def forced():
    """Of time, with functions; x(t) = sin(t) + x(0) exp(-t)."""
    return ode.System("dx = cos(t) + sin(t) - x", {"x": 1.0}, name="forced")


@pytest.fixture
def blowup():
    """x(t) = x(0) / (1 - x(0) t): infinite at t = 1 / x(0)."""
    return ode.System("dx = x^2", {"x": 0.1}, name="blowup")


RING = 26


@pytest.fixture
def ring():
    """Many states: heat on a ring, whose modes decay at known rates."""
    n = RING
    equations = [f"dx{i} = d*(x{(i + 1) % n} - 2*x{i} + x{(i - 1) % n})" for i in range(n)]
    start = {f"x{i}": float(np.cos(2 * np.pi * i / n)) for i in range(n)}
    return ode.System(equations, start, {"d": 1.0}, name="ring")


def ring_exact(t, d=1.0):
    rate = 2 * d * (1 - np.cos(2 * np.pi / RING))
    return np.cos(2 * np.pi * np.arange(RING) / RING) * np.exp(-rate * t)


@pytest.fixture(name="ring_exact")
def _ring_exact():
    return ring_exact
