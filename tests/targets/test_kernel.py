import ctypes
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import emberkeep
from emberkeep.errors import InvalidArgument, InvalidKernel, KernelFailed, StoreWarning

FACTOR = 2.0


def scaled(x, by):
    return FACTOR * x * by


@pytest.fixture
def keep(tmp_path):
    return emberkeep.Keep(tmp_path / "keep")


@pytest.fixture
def scale(keep):
    @emberkeep.kernel(
        "float64[::1], float64, float64[::1]", "float32[:], float32, float32[:]", keep=keep
    )
    def scale(i, x, by, out):
        """Multiply."""
        out[i] = scaled(x[i], by)

    return scale


def test_it_runs_for_the_signature_that_fits(scale):
    for dtype, step in (("float64", 1), ("float32", 1), ("float32", 2)):
        x, out = np.arange(10, dtype=dtype)[::step], np.zeros(10, dtype)[::step]
        scale(x, 3.0, out, count=len(x))
        np.testing.assert_array_equal(out, 6 * x)


def test_a_signature_that_is_not_declared_is_refused_with_those_that_are(scale):
    x = np.zeros(4, "int64")
    with pytest.raises(InvalidArgument, match=r"int64\[::1\].*float64\[::1\].*float32\[:\]"):
        scale(x, 1.0, x, count=4)
    with pytest.raises(InvalidArgument, match="takes 3: x, by, out"):
        scale(x, count=4)


def test_without_signatures_types_are_those_of_each_call(keep):
    @emberkeep.kernel(keep=keep)
    def halve(i, x, by, out):
        out[i] = x[i] // by

    whole, real = np.zeros(3, "int64"), np.zeros(3)
    halve(np.array([7, 8, 9]), 2, whole, count=3)
    halve(np.array([7.0, 8.0, 9.0]), 2.5, real, count=3)
    assert whole.tolist() == [3, 4, 4]
    assert real.tolist() == [2.0, 3.0, 3.0]


def test_it_can_be_written_without_brackets(tmp_path, monkeypatch):
    monkeypatch.setenv("EMBERKEEP_DIR", str(tmp_path))

    @emberkeep.kernel
    def fill(i, out):
        out[i] = i

    out = np.zeros(5)
    fill(out, count=5)
    assert out.tolist() == [0, 1, 2, 3, 4]
    fill.function(4, out)  # plain Python still


@pytest.mark.parametrize("name", ["3d model", "if", "ünïcode", "a/b", "²", "x" * 300])
def test_it_can_be_called_anything(keep, name):
    @emberkeep.kernel("int64, int64, int64[::1]", keep=keep, name=name)
    def fill(index, begin, count, out):
        out[index] = begin + count

    out = np.zeros(3, "int64")
    fill(4, 5, out, count=3)
    assert out.tolist() == [9, 9, 9]


def test_threads_cover_every_index_once(keep):
    @emberkeep.kernel("int64[::1]", keep=keep, threads=4)
    def add(i, out):
        out[i] += 1

    for count in (1, 2, 3, 31, 32, 33, 1000, 100_003):
        out = np.zeros(count, "int64")
        add(out, count=count)
        assert (out == 1).all()


def test_a_kernel_that_raises_says_what_and_where(keep):
    @emberkeep.kernel("float64[::1]", keep=keep, threads=2)
    def root(i, x):
        if x[i] < 0:
            raise ValueError("no root of a negative number")
        x[i] = x[i] ** 0.5

    x = np.ones(100)
    root(x, count=100)
    x[57] = -1
    with pytest.raises(KernelFailed, match="'root' raised ValueError in root: no root of a neg"):
        root(x, count=100)


def test_only_arrays_that_are_written_must_be_writeable(scale):
    x, out = np.arange(4.0), np.zeros(4)
    x.flags.writeable = False
    scale(x, 1.0, out, count=4)
    with pytest.raises(
        InvalidArgument, match="'out' is written to by the kernel, and it is read-only"
    ):
        scale(x, 1.0, x, count=4)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda: emberkeep.kernel("float64")(lambda i: None), "has 1 types"),
        (lambda: emberkeep.kernel("float64", 3), "A signature is text"),
        (lambda: emberkeep.kernel("float64")(len), "plain Python function"),
        (lambda: emberkeep.kernel()(lambda i, x=1: None), "no defaults"),
        (lambda: emberkeep.kernel()(lambda *x: None), "by position"),
        (lambda: emberkeep.kernel()(lambda: None), "by position"),
        (lambda: emberkeep.kernel(fastmath="quick")(lambda i: None), "quick"),
        (lambda: emberkeep.kernel(cpu="x86-64-v9")(lambda i: None).build(), "declares no sig"),
        (lambda: emberkeep.kernel("", cpu="x86-64-v9")(lambda i: None).build(), "x86-64-v9"),
    ],
)
def test_what_is_no_kernel_is_refused(write, said):
    with pytest.raises(InvalidKernel, match=said):
        write()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("tmp = np.zeros(3); x[i] = tmp[0]", "makes an object while it runs"),
        ("raise ValueError(x[i])", "makes an object while it runs"),
        ("x[i] = nowhere", "nowhere"),
    ],
)
def test_what_needs_a_runtime_is_refused_with_the_reason(keep, body, said):
    space = {"np": np}
    exec(f"def kernel(i, x):\n    {body}\n", space)
    kernel = emberkeep.kernel("float64[::1]", keep=keep)(space["kernel"])
    with pytest.raises(InvalidKernel, match=said):
        kernel(np.zeros(3), count=3)


def test_no_pickle_is_in_what_is_kept(keep):
    @emberkeep.kernel("float64[::1]", keep=keep)
    def fails(i, x):
        if x[i] > 0:
            raise ValueError("said")

    (artifact,) = fails.build()
    (image,) = artifact.blobs.values()
    assert b"said" in image
    assert b"builtins" not in image
    assert __file__.encode() not in image


def test_what_cannot_be_keyed_is_compiled_with_a_warning(keep):
    cosine = ctypes.CDLL("libm.so.6").cos  # an address, which means nothing to another process
    cosine.argtypes, cosine.restype = [ctypes.c_double], ctypes.c_double

    def calls_address(i, x):
        x[i] = cosine(x[i])

    kernel = emberkeep.kernel("float64[::1]", keep=keep)(calls_address)
    x = np.zeros(2)
    with pytest.warns(StoreWarning, match="compiled in each process"):
        kernel(x, count=2)
    assert x.tolist() == [1.0, 1.0]


PROGRAM = """
    import sys
    import numpy as np
    before = set(sys.modules)
    import emberkeep
    RATE = {rate}

    def callee(x):
        return {callee}

    @emberkeep.kernel("float64[::1], float64[::1]", fastmath={fastmath})
    def model(i, x, out):
        out[i] = callee(x[i]) * RATE

    x, out = np.arange(5.0), np.zeros(5)
    model(x, out, count=5)
    print(out.tolist())
    print(*sorted({{name.partition(".")[0] for name in set(sys.modules) - before}}))
"""
BASE = {"rate": 2.0, "callee": "x + 1", "fastmath": False}


def run(folder, **changes):
    path = folder / "program.py"
    path.write_text(textwrap.dedent(PROGRAM.format(**{**BASE, **changes})))
    ran = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True)
    result, modules = ran.stdout.splitlines()
    return eval(result), set(modules.split())


def test_the_second_process_compiles_nothing(tmp_path):
    first, modules = run(tmp_path)
    assert first == [2.0, 4.0, 6.0, 8.0, 10.0]
    assert "numba" in modules
    second, modules = run(tmp_path)
    assert second == first
    heavy = {"numba", "llvmlite", "sympy", "jax", "cuda", "pandas", "rich", "json", "logging"}
    assert not modules & heavy


CHANGES = [
    ({"rate": 3.0}, [3.0, 6.0, 9.0, 12.0, 15.0]),
    ({"callee": "x + 2"}, [4.0, 6.0, 8.0, 10.0, 12.0]),
    ({"fastmath": True}, [2.0, 4.0, 6.0, 8.0, 10.0]),
]


def test_whatever_changes_the_code_is_compiled_again(tmp_path):
    run(tmp_path)
    for changes, expected in CHANGES:
        result, modules = run(tmp_path, **changes)
        assert result == expected
        assert "numba" in modules, changes
