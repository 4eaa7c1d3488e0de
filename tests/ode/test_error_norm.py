"""The mean of squared errors: pairs of states over one division, whatever their sizes."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from emberkeep.ode.kernel.code import BOOL, REAL
from emberkeep.ode.kernel.error_norm import mean_square
from emberkeep.ode.kernel.vectors import Layout

machine = runpy.run_path(Path(__file__).parent / "kernel_machine.py")
fresh, trajectories, Compiled = machine["fresh"], machine["trajectories"], machine["Compiled"]
RUNS = 64


def means(size, errors, scales, *, single=False, large=False):
    """What a kernel makes of a row of errors and scales for each trajectory."""
    code = fresh(single=single)
    given, out = code.argument("given", REAL), code.argument("out", REAL)
    run, here = trajectories(code)
    layout = Layout(code, large=large)
    error, scale = layout.kept("error", size), layout.kept("scale", size)
    with code.for_each(code.value(True, BOOL)):
        row = run.get() * (2 * size)
        layout.each(size, lambda i: error.set(i, given.get(row + i)))
        layout.each(size, lambda i: scale.set(i, given.get(row + size + i)))
    found = mean_square(layout, size, error.get, scale.get)
    with code.for_each(here.get()):
        out.set(run.get(), found)
    real = np.float32 if single else np.float64
    arrays = {
        "given": np.concatenate([errors, scales], axis=1).astype(real).ravel(),
        "out": np.full(len(errors), -7, real),
    }
    Compiled(code, 8, 256)(arrays, len(errors))
    return arrays["out"]


def expected(errors, scales):
    with np.errstate(all="ignore"):
        return ((errors / scales) ** 2).mean(-1)


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8])
def test_it_is_the_mean_of_squares(size, large):
    rng = np.random.default_rng(size)
    scales = 10 ** rng.uniform(-12, 6, (RUNS, size))
    errors = scales * rng.normal(size=(RUNS, size)) * 10 ** rng.uniform(-3, 3, (RUNS, 1))
    found = means(size, errors, scales, large=large)
    np.testing.assert_allclose(found, expected(errors, scales), rtol=1e-13)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_scales_of_any_size(size):
    """Beyond what products of scales can be: alone, and beside lanes in which all is ordinary."""
    rng = np.random.default_rng(size)
    scales = 10 ** rng.uniform(-150, 150, (RUNS, size))
    scales[::3] = 10 ** rng.uniform(-9, 0, scales[::3].shape)
    scales[1::9], scales[2::9] = 1e-150, 1e150
    errors = scales * 10 ** rng.uniform(-2, 2, (RUNS, size))
    found = means(size, errors, scales)
    np.testing.assert_allclose(found, expected(errors, scales), rtol=1e-6)
    alone = np.array([means(size, errors[i : i + 1], scales[i : i + 1])[0] for i in range(6)])
    np.testing.assert_array_equal(alone, found[:6])


def test_what_is_not_finite_stays_so():
    scales = np.full((4, 3), 1e-6)
    errors = np.full((4, 3), 1e-7)
    errors[0, 1], errors[1, 2], errors[2, 0] = np.nan, np.inf, 1e300
    found = means(3, errors, scales)
    assert np.isnan(found[0])
    assert found[1] == found[2] == np.inf
    assert found[3] == pytest.approx(0.01)


def test_single_precision():
    rng = np.random.default_rng(0)
    scales = (10 ** rng.uniform(-15, 15, (RUNS, 3))).astype(np.float32).astype(float)
    errors = (scales * rng.normal(size=(RUNS, 3))).astype(np.float32).astype(float)
    found = means(3, errors, scales, single=True)
    np.testing.assert_allclose(found, expected(errors, scales), rtol=1e-5)
