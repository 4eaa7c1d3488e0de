"""Redefinitions count at the next launch, and old code is not kept."""

import numpy as np
import pytest
from numba import cuda

import emberkeep
from emberkeep.errors import InvalidArgument

pytestmark = pytest.mark.gpu

FACTOR = 1.0


@cuda.jit(device=True)
def inner(x):
    return FACTOR * x


def plain(x):
    return FACTOR * x


def run(function, keep):
    @emberkeep.kernel("float64[::1]", keep=keep)
    def kernel(i, out):
        out[i] = function(1.0)

    return kernel


@pytest.mark.parametrize("function", [inner, plain], ids=["device function", "plain"])
def test_a_kernel(tmp_path, monkeypatch, function):
    kernel = run(function, emberkeep.Keep(tmp_path))
    for factor in (1.0, 3.0, 1.0):
        monkeypatch.setitem(globals(), "FACTOR", factor)
        out = cuda.to_device(np.zeros(4))
        kernel(out, count=4)
        cuda.synchronize()
        assert out.copy_to_host().tolist() == [factor] * 4
        with pytest.raises(InvalidArgument, match="ends after 4"):
            kernel(out, count=200_000)


@pytest.mark.filterwarnings("ignore:.*Grid size")
def test_a_kept_dispatcher(tmp_path, monkeypatch):
    @cuda.jit
    def kernel(out):
        i = cuda.grid(1)
        if i < out.size:
            out[i] = inner(1.0)

    emberkeep.keep_kernel(kernel, keep=emberkeep.Keep(tmp_path))
    for factor in (1.0, 3.0, 1.0):
        monkeypatch.setitem(globals(), "FACTOR", factor)
        out = cuda.to_device(np.zeros(4))
        kernel[1, 32](out)
        assert out.copy_to_host().tolist() == [factor] * 4
        kernel.forall(4)(out)
        assert out.copy_to_host().tolist() == [factor] * 4
