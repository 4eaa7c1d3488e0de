"""What a process compiled before a redefinition never gets into the keep.

One process compiles callees, redefines them, calls what is kept, and publishes; another one finds
it. Both must give what the definitions say.
"""

import os
import subprocess
import sys
import textwrap

import pytest

# `FIRST` is true in the process that has compiled the old definitions before.
BEFORE = """
import sys
import numpy as np
import numba
from numba import guvectorize, njit, vectorize
from numba.extending import intrinsic, overload, overload_method, overload_attribute, types
import emberkeep

FIRST = sys.argv[1] == "first"
keep_kernel = emberkeep.keep_kernel
"""
KEPT = """
@keep_kernel
@njit
def kept(x):
    return used(x)

print(kept(1.0), sum(kept.stats.cache_hits.values()))
"""
KERNEL = """
@emberkeep.kernel("float64[::1]", threads=1)
def kept(i, out):
    out[i] = used(1.0)

OUT = np.zeros(1)
kept(OUT, count=1)
print(OUT[0])
"""
CALLEE = """
@njit
def inner(x):
    return 1.0 * x
@njit
def used(x):
    return inner(x)
if FIRST:
    used(1.0)
@njit
def inner(x):
    return 3.0 * x
"""
GLOBAL = """
FACTOR = 1.0
@njit
def used(x):
    return FACTOR * x
if FIRST:
    used(1.0)
FACTOR = 3.0
"""
ARRAY = """
TABLE = np.array([1.0])
@njit
def used(x):
    return TABLE[0] * x
if FIRST:
    used(1.0)
TABLE[0] = 3.0
"""
CELL = """
def make():
    factor = 1.0
    @njit
    def used(x):
        return factor * x
    def change():
        nonlocal factor
        factor = 3.0
    return used, change
used, change = make()
if FIRST:
    used(1.0)
change()
"""
CODE = """
def plain(x):
    return 1.0 * x
inner = njit(plain)
@njit
def used(x):
    return inner(x)
if FIRST:
    used(1.0)
def other(x):
    return 3.0 * x
plain.__code__ = other.__code__
"""
IN_A_TUPLE = """
import collections
@njit
def inner(x):
    return FACTOR * x
FACTOR = 1.0
Pair = collections.namedtuple("Pair", "call")
PAIR = Pair(inner)
@njit
def used(x):
    return PAIR[0](x)
if FIRST:
    inner(1.0)
FACTOR = 3.0
"""
VECTORIZED = """
FACTOR = 1.0
@njit
def inner(x):
    return FACTOR * x
@vectorize
def used(x):
    return inner(x)
if FIRST:
    njit(lambda x: used(x))(1.0)
FACTOR = 3.0
"""
VECTORIZED_FOR_TYPES = VECTORIZED.replace("@vectorize", "@vectorize(['float64(float64)'])")
GUVECTORIZED = """
FACTOR = 1.0
@guvectorize(["(float64[:], float64[:])"], "(n)->(n)")
def g(x, out):
    for k in range(x.shape[0]):
        out[k] = FACTOR * x[k]
@njit
def used(x):
    given, out = np.full(1, x), np.zeros(1)
    g(given, out)
    return out[0]
if FIRST:
    used(1.0)
FACTOR = 3.0
"""
OVERLOADED = """
FACTOR = 1.0
@njit
def inner(x):
    return FACTOR * x
def used(x):
    return x
@overload(used)
def _(x):
    def used(x):
        return inner(x)
    return used
if FIRST:
    njit(lambda x: used(x))(1.0)
FACTOR = 3.0
"""
OVERLOADED_WITHIN = OVERLOADED.replace("return FACTOR * x", "return 1.0 * x").replace(
    "FACTOR = 3.0", "@njit\ndef inner(x):\n    return 3.0 * x"
)
OVERLOADED_INLINE = OVERLOADED.replace("@overload(used)", "@overload(used, inline='always')")
A_METHOD = """
FACTOR = 1.0
@overload_method(types.Float, "scaled_for_tests")
def _(x):
    def scaled(x):
        return FACTOR * x
    return scaled
@njit
def used(x):
    return x.scaled_for_tests()
if FIRST:
    used(1.0)
FACTOR = 3.0
"""
INTRINSIC = """
FACTOR = 1.0
@intrinsic
def used(context, x):
    def codegen(context, builder, signature, args):
        constant = context.get_constant(types.float64, FACTOR)
        return builder.fmul(constant, args[0])
    return types.float64(types.float64), codegen
if FIRST:
    njit(lambda x: used(x))(1.0)
FACTOR = 3.0
"""
CASES = {
    "callee": (CALLEE, KEPT),
    "global": (GLOBAL, KEPT),
    "array": (ARRAY, KEPT),
    "cell": (CELL, KEPT),
    "code": (CODE, KEPT),
    "tuple": (IN_A_TUPLE, KEPT),
    "vectorized": (VECTORIZED, KEPT),
    "vectorized for types": (VECTORIZED_FOR_TYPES, KEPT),
    "guvectorized": (GUVECTORIZED, KEPT),
    "overloaded": (OVERLOADED, KEPT),
    "overloaded within": (OVERLOADED_WITHIN, KEPT),
    "overloaded inline": (OVERLOADED_INLINE, KEPT),
    "a method": (A_METHOD, KEPT),
    "intrinsic": (INTRINSIC, KEPT),
    "kernel: callee": (CALLEE, KERNEL),
    "kernel: array": (ARRAY, KERNEL),
    "kernel: vectorized": (VECTORIZED, KERNEL),
    "kernel: vectorized for types": (VECTORIZED_FOR_TYPES, KERNEL),
    "kernel: overloaded": (OVERLOADED, KERNEL),
    "kernel: overloaded within": (OVERLOADED_WITHIN, KERNEL),
    "kernel: a method": (A_METHOD, KERNEL),
    "kernel: intrinsic": (INTRINSIC, KERNEL),
}


@pytest.fixture
def run(tmp_path):
    def run(text, which):
        path = tmp_path / "program.py"
        path.write_text(BEFORE + textwrap.dedent(text))
        environment = {**os.environ, "EMBERKEEP_DIR": str(tmp_path / "keep")}
        ran = subprocess.run(
            [sys.executable, path, which],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert "Warning" not in ran.stderr or "not kept" in ran.stderr, ran.stderr
        return ran.stdout.split()

    return run


@pytest.mark.parametrize("case", CASES)
def test_old_code_is_neither_run_nor_kept(run, case):
    before, then = CASES[case]
    assert float(run(before + then, "first")[0]) == 3.0
    second = run(before + then, "second")
    assert float(second[0]) == 3.0
    if then is KEPT and "guvectorized" not in case:
        assert second[1] == "1", "found"
