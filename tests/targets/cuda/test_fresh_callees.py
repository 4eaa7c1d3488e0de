"""On CUDA, too, nothing of what was compiled before a redefinition gets into a kernel."""

import re

import numpy as np
import pytest

cuda = pytest.importorskip("numba.cuda")
from numba.cuda import types  # noqa: E402 - where there is numba-cuda
from numba.cuda.extending import overload  # noqa: E402 - the same

from emberkeep.targets.arguments import parse_signature  # noqa: E402 - the same
from emberkeep.targets.cuda.lower import _compile, compiling_for  # noqa: E402 - the same
from emberkeep.targets.numba_caches.recompilation import renewing  # noqa: E402 - the same
from emberkeep.targets.overloads import fresh_overloads  # noqa: E402 - the same
from emberkeep.targets.protocol import KernelSource  # noqa: E402 - the same

FACTOR = 1.5
TABLE = np.array([1.5])


@cuda.jit(device=True)
def inner(x):
    return FACTOR * x + TABLE[0]


@cuda.jit(device=True)
def outer(x):
    return inner(x)


def hook(x):
    return x


@overload(hook)
def _(x):
    return lambda x: inner(x)


def through_a_callee(i, out):
    out[i] = outer(out[i])


def through_an_overload(i, out):
    out[i] = hook(out[i])


@cuda.jit
def kernel(out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = outer(out[i])


@cuda.jit
def hooked(out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = hook(out[i])


def constants(text):
    """The numbers in the code; names count what was compiled before."""
    return sorted(re.findall(r"0d[0-9A-F]{16}", text))


def afresh(dispatcher):
    """What `compile_afresh` compiles, without the device that it asks for."""
    adapter = renewing()
    copy = adapter.stand_in(dispatcher).py_func
    with compiling_for("sm_90"), fresh_overloads(adapter.adapt):
        array = types.Array(types.float64, 1, "C")
        ptx, _ = cuda.compile(copy, types.void(array), abi="numba", output="ptx", cc=(9, 0))
    return constants(ptx)


def stale(dispatcher):
    """What numba gives of the dispatcher itself, which holds what it has compiled."""
    with compiling_for("sm_90"):
        array = types.Array(types.float64, 1, "C")
        given = types.void(array)
        ptx, _ = cuda.compile(dispatcher.py_func, given, abi="numba", output="ptx", cc=(9, 0))
    return constants(ptx)


@pytest.fixture
def redefine(monkeypatch):
    def redefine():
        monkeypatch.setitem(globals(), "FACTOR", 3.25)
        monkeypatch.setitem(globals(), "TABLE", np.array([3.25]))

    return redefine


NEW = "0d400A000000000000"  # 3.25


@pytest.mark.parametrize("dispatcher", [kernel, hooked], ids=["callee", "overload"])
def test_a_kept_dispatcher(dispatcher, redefine):
    assert NEW not in stale(dispatcher)
    redefine()
    assert NEW not in stale(dispatcher), "or there is nothing to show"
    assert NEW in afresh(dispatcher)


@pytest.mark.parametrize("function", [through_a_callee, through_an_overload])
def test_a_kernel(function, redefine):
    source = KernelSource("kernel", function, parse_signature("float64[::1]"), {})

    def compiled():
        with compiling_for("sm_90"):
            return constants(_compile(source, "sm_90"))

    assert NEW not in compiled()
    redefine()
    assert NEW in compiled()
