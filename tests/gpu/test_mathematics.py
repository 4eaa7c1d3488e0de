"""Functions on a GPU have NumPy's values: one Euler step of length 1 from zero gives each."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from emberkeep import Keep, ode
from emberkeep.ode.system.evaluate import evaluate
from emberkeep.ode.system.program import PRIMITIVES

pytestmark = pytest.mark.gpu

tests = runpy.run_path(Path(__file__).parent.parent / "ode" / "test_kernel_mathematics.py")
SINGLE_UNITS = 4.0  # what CUDA promises of its functions of single precision, mostly
NUMBERS = [0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 8.0, 64.0, -0.5, -2.5, -8.0, 7.25, 20.5, 1e-5]


def functions():
    return {
        f"r{place}": f"{name}({', '.join('ab'[:count])})"
        for place, (name, count) in enumerate(PRIMITIVES.items())
    }


def value_of_one(system, a, b, *, target, keep, precision):
    solver = ode.Solver(system, method="euler", target=target, keep=keep, precision=precision)
    solved = solver.solve((0, 1), parameters={"a": a, "b": b}, dt=1.0)
    return np.where(solved.status == 0, solved.final[:, 0], np.nan)


def check(target, keep, precision):
    real = np.dtype(precision).type
    a, b = (part.ravel() for part in np.meshgrid(NUMBERS, NUMBERS))
    for name, text in functions().items():
        system = ode.System(f"d{name} = {text} + 0*a + 0*b", {name: 0.0}, {"a": 1.0, "b": 1.0})
        read = system.read()
        given = {"a": a.astype(real).astype(float), "b": b.astype(real).astype(float)}
        (expected,) = evaluate(read.program, read.derivatives, given)
        found = value_of_one(system, a, b, target=target, keep=keep, precision=precision)
        there = np.isfinite(expected) & (np.abs(expected) < np.finfo(real).max)
        apart = tests["units_apart"](found[there].astype(real), expected[there], real)
        apart[np.abs(found[there] - expected[there]) < 4 * np.finfo(real).eps] = 0
        allowed = max(tests["UNITS"].get(text.partition("(")[0], 1.0), 2.0)
        assert apart.max() <= (SINGLE_UNITS if real is np.float32 else 1.0) + allowed, text


@pytest.mark.filterwarnings("ignore::emberkeep.SolveWarning")
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_functions_are_numpys(precision, tmp_path, monkeypatch):
    monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", str(tmp_path / "config"))
    check("cuda", Keep(tmp_path / "keep"), precision)
