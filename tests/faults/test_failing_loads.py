"""Every system call on the way of a kept kernel fails, one after another: it runs all the same."""

import os
import shutil
import sys
import warnings
from itertools import count

import numpy as np
import pytest

import emberkeep
from emberkeep.targets.cpu import load
from emberkeep.targets.cpu.target import CpuTarget

sys.path.append(os.path.dirname(__file__))

from failing_calls import ERRORS, Failing, code_of  # noqa: E402 - found by way of the line above

X = np.linspace(0, 1, 50)


def model(i, x, out):
    out[i] = 2.0 * x[i] + 1.0


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A keep with the kernel in it; from here on it is compiled in no time."""
    monkeypatch.setenv("EMBERKEEP_CONFIG_DIR", str(tmp_path / "config"))
    built = []
    compile_really = CpuTarget.compile
    monkeypatch.setattr(
        CpuTarget,
        "compile",
        lambda self, source: built.append(compile_really(self, source)) or built[0],
    )
    run(tmp_path / "keep")
    monkeypatch.setattr(CpuTarget, "compile", lambda _self, _source: built[0])
    return tmp_path


def run(root):
    """The kernel's result, loaded from a keep that remembers nothing."""
    load._process.objects.clear()
    keep = emberkeep.Keep(root, memory_size=0)
    kernel = emberkeep.kernel("float64[::1], float64[::1]", keep=keep)(model)
    out = np.zeros(50)
    kernel(X, out, count=50)
    return out


@pytest.mark.parametrize(
    ("errors", "stride"),
    [
        pytest.param(("EMFILE", "ENOENT"), 9, id="sample"),
        pytest.param(ERRORS, 1, id="all", marks=pytest.mark.soak),
    ],
)
def test_a_kernel_runs_whatever_fails(kept, report, errors, stride):
    injected = warned = 0
    for error in errors:
        for number in count(1, stride):
            root = kept / f"{error}-{number}"
            shutil.copytree(kept / "keep", root)
            failing = Failing(number, code_of(error))
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                with failing.installed():
                    out = run(root)
            assert len(caught) <= 2, (error, number, [str(each.message) for each in caught])
            np.testing.assert_array_equal(out, 2.0 * X + 1.0)
            if not failing.failed:
                break
            injected, warned = injected + 1, warned + len(caught)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                run(root)
                warnings.simplefilter("error")
                np.testing.assert_array_equal(run(root), 2.0 * X + 1.0)
            shutil.rmtree(root)
    assert injected
    report(injected=injected, warned=warned)
