"""Every system call on the way of a kept program fails, one after another: it runs all the same."""

import importlib.util
import shutil
import warnings
from itertools import count
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import emberkeep
from emberkeep.xla.executables import kept

_place = Path(__file__).parents[1] / "faults" / "failing_calls.py"
_spec = importlib.util.spec_from_file_location("failing_calls", _place)
failing_calls = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(failing_calls)

X = np.linspace(0.0, 1.0, 8)


def make(root):
    keep = emberkeep.Keep(root, memory_size=0)
    return kept(lambda x: jnp.sin(x) * 3, name="f", spec=1, keep=keep)


@pytest.mark.parametrize(
    ("errors", "stride"),
    [
        pytest.param(("EMFILE",), 31, id="sample"),
        pytest.param(failing_calls.ERRORS, 1, id="all", marks=pytest.mark.soak),
    ],
)
def test_a_program_runs_whatever_fails(tmp_path, report, errors, stride):
    expected = np.sin(X) * 3
    np.testing.assert_allclose(make(tmp_path / "keep")(X), expected, rtol=1e-6)
    injected = warned = 0
    for error in errors:
        for number in count(1, stride):
            root = tmp_path / f"{error}-{number}"
            shutil.copytree(tmp_path / "keep", root)
            failing = failing_calls.Failing(number, failing_calls.code_of(error))
            program = make(root)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                with failing.installed():
                    found = program(X)
            np.testing.assert_allclose(found, expected, rtol=1e-6)
            assert len(caught) <= 2, (error, number, [str(each.message) for each in caught])
            shutil.rmtree(root)
            if not failing.failed:
                break
            injected, warned = injected + 1, warned + len(caught)
    assert injected
    report(injected=injected, warned=warned)
