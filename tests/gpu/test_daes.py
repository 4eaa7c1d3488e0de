"""Algebraic equations on a GPU: what a CPU computes, and the same trajectories are told."""

import numpy as np
import pytest

import emberkeep
from emberkeep import ode
from emberkeep.ode.status import INCONSISTENT, SUCCESS

pytestmark = pytest.mark.gpu

MANY = 15
CIRCLES = {
    size: ode.System(
        ";".join(f"dx{i} = k*y{i}; 0 = x{i}^2 + y{i}^2 - 1" for i in range(size)),
        {f"{name}{i}": at for i in range(size) for name, at in (("x", 0.0), ("y", 0.5))},
        {"k": 1.0},
        name=f"circles_{size}",
    )
    for size in (1, MANY)
}
CIRCUIT = ode.System(
    "C*(a' - b') = (sin(t) - a)/R; C*(b' - a') = -b/R",
    {"a": 0.0, "b": 0.0},
    {"C": 1e-3},
    constants={"R": 500.0},
    name="circuit",
)


def both(system, keep, method, precision="float64", **given):
    return [
        ode.Solver(system, method=method, precision=precision, target=target, keep=keep).solve(
            (0, 1), **given
        )
        for target in ("cuda", "cpu")
    ]


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("size", CIRCLES)
@pytest.mark.parametrize("method", ["rodas5p", "kvaerno5"])
def test_starts_are_made_consistent_or_told(size, method, precision, keep):
    """From x, sin(t + arcsin x); beyond one, there is none."""
    begin, tolerance = np.linspace(-1.2, 0.4, 500), 1e-7 if precision == "float64" else 1e-4
    with pytest.warns(emberkeep.SolveWarning, match="algebraic equations"):
        there, here = both(
            CIRCLES[size], keep, method, precision, initial={"x0": begin}, save_at=0.25,
            rtol=tolerance, atol=tolerance,
        )  # fmt: skip
    expected = np.where(np.abs(begin) > 1, INCONSISTENT, SUCCESS)
    assert there.status.tolist() == here.status.tolist() == expected.tolist()
    good = expected == SUCCESS
    np.testing.assert_allclose(there.states[good], here.states[good], rtol=0, atol=20 * tolerance)
    assert np.isnan(there.states[~good]).all()


@pytest.mark.parametrize("method", ["rodas5p", "kvaerno5"])
def test_a_mass_matrix_with_parameters_in_it(method, keep):
    given = {"parameters": {"C": np.geomspace(1e-4, 1e-2, 300)}, "rtol": 1e-8, "atol": 1e-10}
    there, here = both(CIRCUIT, keep, method, **given)
    np.testing.assert_allclose(there.final, here.final, rtol=0, atol=1e-7)
    assert there["a"] + there["b"] == pytest.approx(np.full(300, np.sin(1.0)), abs=1e-7)
