"""Every system call on the way of what `keep_kernel` has kept fails: numba's function runs."""

import os
import shutil
import sys
import warnings
from itertools import count

import pytest
from numba import njit

import emberkeep

sys.path.append(os.path.dirname(__file__))

from failing_calls import ERRORS, Failing, code_of  # noqa: E402 - found by way of the line above


def make(root):
    keep = emberkeep.Keep(root, memory_size=0)

    @emberkeep.keep_kernel(keep=keep)
    @njit
    def doubled(x):
        return 2.0 * x + 1.0

    return doubled


@pytest.mark.parametrize(
    ("errors", "stride"),
    [
        pytest.param(("EMFILE",), 17, id="sample"),
        pytest.param(ERRORS, 1, id="all", marks=pytest.mark.soak),
    ],
)
def test_it_runs_whatever_fails(tmp_path, report, errors, stride):
    assert make(tmp_path / "keep")(1.0) == 3.0
    injected = warned = 0
    for error in errors:
        for number in count(1, stride):
            root = tmp_path / f"{error}-{number}"
            shutil.copytree(tmp_path / "keep", root)
            failing = Failing(number, code_of(error))
            function = make(root)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                with failing.installed():
                    assert function(1.0) == 3.0
            assert len(caught) <= 1, (error, number, [str(each.message) for each in caught])
            shutil.rmtree(root)
            if not failing.failed:
                break
            injected, warned = injected + 1, warned + len(caught)
    assert injected
    report(injected=injected, warned=warned)
