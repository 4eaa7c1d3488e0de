"""Functions of the user's in printed kernels for GPUs; compiled here without one."""

import re
import sys

import pytest

pytest.importorskip("cuda.bindings")
pytest.importorskip("numba.cuda")

from emberkeep.errors import InvalidKernel, TargetUnavailable  # noqa: E402 - needs both
from emberkeep.targets.cuda.load import cubin_architecture, expand  # noqa: E402 - the same
from emberkeep.targets.cuda.target import CUBIN, CudaTarget  # noqa: E402 - the same
from emberkeep.targets.protocol import PrintedSource, UserFunction  # noqa: E402 - the same

TEXT = """
extern "C" __device__ void user_f(double, double*);
extern "C" __global__ void emberkeep_kernel(long long count, double* x) {
  long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  double result[1];
  user_f(x[i], result);
  x[i] = result[0];
}
"""


def settled(x):
    while x > 2:
        x *= 0.5
    return x


def strict(x):
    if x < 0.5:
        raise ValueError("too small")
    return settled(x)


def gives_two(x):
    return x, x


def raises_with_numbers(x):
    if x < 0.5:
        raise ValueError(x)
    return x


def makes_lists(x):
    work = []
    while x > 2:
        work.append(x)
        x *= 0.5
    return x + len(work)


def source(function):
    def around(x, results):
        results[0] = function(x)

    users = UserFunction("user_f", around, function, 1, 1)
    return PrintedSource("uses f", TEXT, (("x", "float64[]"),), {}, (users,))


@pytest.mark.parametrize("function", [settled, strict])
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_they_are_linked_into_one_cubin(function, architecture):
    blobs = CudaTarget(architecture).compile(source(function))
    cubin = expand(blobs[CUBIN], blobs["layout"]["size_bytes"])
    assert cubin_architecture(cubin) == architecture
    # Small ones are part of the kernel: linked as they are optimised, not called.
    names = set(re.findall(rb"\.text\.([\w$]+)", cubin))
    assert names == {b"emberkeep_kernel"}
    assert blobs["source"] == TEXT


def test_the_same_function_gives_the_same_bytes_each_time():
    """numba-cuda counts what it has compiled in a process; that is not in the code."""
    first, second = (CudaTarget("sm_90").compile(source(strict))[CUBIN] for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (gives_two, "Cannot cast UniTuple.* to float64\n.*def gives_two"),
        (raises_with_numbers, "Raise exceptions with constant arguments"),
        (makes_lists, "numba-cuda cannot compile the kernel 'uses f'"),
    ],
)
def test_what_cannot_be_compiled_is_refused(function, problem):
    with pytest.raises(InvalidKernel, match=problem):
        CudaTarget("sm_90").compile(source(function))


def test_without_numba_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "emberkeep.targets.cuda.user_functions", None)
    with pytest.raises(TargetUnavailable, match=r"'settled'.*numba-cuda.*emberkeep\[cuda\]"):
        CudaTarget("sm_90").compile(source(settled))
