"""What the CPU compiler makes: which arrays are written, vector functions, plain exceptions."""

import math
import re

import llvmlite.binding as llvm
import numba
import numpy as np
import pytest

from emberkeep.errors import InvalidKernel
from emberkeep.targets.arguments import parse_signature
from emberkeep.targets.cpu.lower import lower
from emberkeep.targets.cpu.vector_math import bind_vector_math, vector_name
from emberkeep.targets.protocol import KernelSource

LANES = 64  # LLVM unrolls shorter loops with small bodies before it could vectorise them


def lowered(function, signature, level="x86-64-v3", **options):
    return lower(
        KernelSource(function.__name__, function, parse_signature(signature), options), level, ""
    )


def reads_one(i, x, out):
    out[i] = x[i]


def swaps(i, x, out):
    x[i], out[i] = out[i], x[i]


def store(target, i, value):
    target[i] = value


def writes_in_callee(i, x, out):
    store(x, i, 1.0)


def aliased(i, x, out):
    target = x if i % 2 else out
    target[i] = 2.0


def viewed(i, x, out):
    part = x[i:]
    part[0] = 1.0


def in_lanes(i, x, out):
    for lane in range(LANES):
        out[i * LANES + lane] = math.exp(x[i * LANES + lane])


def filled(i, x, out):
    out[:] = 0.0


def copied(i, x, out):
    for k in range(1000):
        out[k] = x[k]


def augmented(i, x, out):
    x[i] += out[i]


@pytest.mark.parametrize(
    ("function", "written"),
    [
        (reads_one, {1}),
        (swaps, {0, 1}),
        (writes_in_callee, {0}),
        (aliased, {0, 1}),
        (viewed, {0}),
        (in_lanes, {1}),
        (filled, {1}),
        (copied, {1}),
        (augmented, {0}),
    ],
)
@pytest.mark.parametrize("layout", ["::1", ":"])
def test_an_array_that_is_written_is_known(function, written, layout):
    found = set(lowered(function, f"float64[{layout}], float64[{layout}]").written)
    assert written <= found  # never less
    assert found == written


FUNCTIONS = {name: getattr(math, name) for name in ("exp", "log", "sin", "cos")}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [*FUNCTIONS, "pow"])
@pytest.mark.parametrize("level", ["x86-64-v2", "x86-64-v3"])
def test_mathematics_in_lanes_calls_the_vector_library(name, dtype, level):
    space = {"math": math, "LANES": LANES}
    call = "x[i, lane] ** x[i, lane]" if name == "pow" else f"math.{name}(x[i, lane])"
    exec(f"def kernel(i, x):\n    for lane in range(LANES):\n        x[i, lane] = {call}\n", space)
    signature = f"{dtype}[:, ::1]"
    assembly = lowered(space["kernel"], signature, level, fastmath=("afn",)).assembly
    bits, width = (32, 4) if dtype == "float32" else (64, 2)
    expected = vector_name(name, width * (2 if level == "x86-64-v3" else 1), bits)
    assert expected in assembly
    plain = lowered(space["kernel"], signature, level).assembly
    assert "_ZGV" not in plain  # only where approximation was allowed


def test_names_of_vector_functions_are_those_of_the_c_library():
    assert vector_name("exp", 8, 64) == "_ZGVeN8v_exp"
    assert vector_name("pow", 8, 32) == "_ZGVdN8vv_powf"
    assert vector_name("sin", 2, 64) == "_ZGVbN2v_sin"
    assert vector_name("sin", 3, 64) is None
    assert vector_name("tan", 4, 64) is None


def test_only_intrinsics_with_a_vector_form_are_renamed():
    text = (
        "define <8 x double> @f(<8 x double> %x, <3 x double> %y) {\n"
        "  %a = call <8 x double> @llvm.exp.v8f64(<8 x double> %x)\n"
        "  %b = call <3 x double> @llvm.exp.v3f64(<3 x double> %y)\n"
        "  %c = call <8 x double> @llvm.sqrt.v8f64(<8 x double> %a)\n"
        "  ret <8 x double> %c\n}\n"
        "declare <8 x double> @llvm.exp.v8f64(<8 x double>)\n"
        "declare <3 x double> @llvm.exp.v3f64(<3 x double>)\n"
        "declare <8 x double> @llvm.sqrt.v8f64(<8 x double>)\n"
    )
    bound = bind_vector_math(text)
    llvm.parse_assembly(bound).verify()
    called = set(re.findall(r"call [^@]*@([\w.]+)", bound))
    assert called == {"_ZGVeN8v_exp", "llvm.exp.v3f64", "llvm.sqrt.v8f64"}
    assert bind_vector_math("define void @f() {\n  ret void\n}\n").count("declare") == 0


def test_compiling_leaves_numbas_own_world_alone():
    @numba.njit
    def helper(x):
        return x * 2

    def kernel(i, x):
        x[i] = helper(x[i])

    assert helper(2.0) == 4.0
    overloads = dict(helper.overloads)
    lowered(kernel, "float64[::1]", "x86-64-v2")
    assert dict(helper.overloads) == overloads
    assert helper(3.0) == 6.0

    @numba.njit
    def later(x):
        return np.exp(x).sum()

    assert later(np.zeros(4)) == 4.0


def test_libraries_of_numbas_own_are_compiled_in():
    def clipped(i, x, out):
        out[i] = min(max(x[i], 0.0), 1.0) + np.sign(x[i]) + round(x[i])

    lowered(clipped, "float64[::1], float64[::1]")


def test_a_level_decides_about_instructions():
    def fused(i, x, out):
        for lane in range(LANES):
            out[i, lane] += x[i, lane] * x[i, lane]

    signature = "float64[:, ::1], float64[:, ::1]"
    old, new = (
        lowered(fused, signature, level, fastmath=("contract",)).assembly
        for level in ("x86-64-v2", "x86-64-v3")
    )
    assert "vfmadd" in new
    assert "ymm" in new
    assert "vfmadd" not in old
    assert "ymm" not in old
    newest = lowered(fused, signature, "x86-64-v4", fastmath=("contract",)).assembly
    assert "vfmadd" in newest


@pytest.mark.parametrize(
    "body",
    [
        "np.zeros(3)[0]",
        "len([x[i]])",
        "np.linalg.det(np.eye(2))",
        "np.random.random()",
    ],
)
def test_what_needs_numbas_runtime_is_refused(body):
    space = {"np": np}
    exec(f"def kernel(i, x):\n    x[i] = {body} + x[i]\n", space)
    with pytest.raises(InvalidKernel, match=r"cannot be kept|no function of the C library"):
        lowered(space["kernel"], "float64[::1]")
