"""Spans towards zero from far away: what has elapsed is late where the time is early."""

import numpy as np
import pytest

from emberkeep import SolveWarning, ode
from emberkeep.ode.status import STEP_TOO_SMALL, SUCCESS

LOGARITHM = ode.System("dx = 1/t", {"x": 0.0}, name="logarithm")


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_steps_that_would_not_be_counted_are_refused(precision, keep):
    """They were taken again and again at the same time: the answer was -1771, and a success."""
    solver = ode.Solver(LOGARITHM, target="cpu", precision=precision, keep=keep)
    ends = np.array([1e-9, 1e-8, 1e-3, 1.0, 1e3])
    with pytest.warns(SolveWarning):
        result = solver.solve((1e9, ends), rtol=1e-5)
    assert result.status.tolist() == [STEP_TOO_SMALL] * 2 + [SUCCESS] * 3
    np.testing.assert_allclose(result["x"][2:], np.log(ends[2:] / 1e9), rtol=1e-4)


@pytest.mark.parametrize("sign", [1, -1])
def test_from_either_side(sign, keep):
    result = ode.Solver(LOGARITHM, target="cpu", keep=keep).solve((sign * 1e6, sign * 1e-3))
    assert result["x"][0] == pytest.approx(np.log(1e-9), rel=1e-5)


def test_upwards_all_is_resolved(keep):
    result = ode.Solver(LOGARITHM, target="cpu", keep=keep).solve((1e-9, 1e9))
    assert result["x"][0] == pytest.approx(np.log(1e18), rel=1e-5)
