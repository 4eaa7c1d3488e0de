"""keep_kernel on @cuda.jit, and what numba-cuda's own cache does in the same places."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import emberkeep
from emberkeep.errors import StoreWarning

pytestmark = pytest.mark.gpu

DECORATORS = {
    "ours": "import emberkeep\nkept = emberkeep.keep_kernel",
    "stock": "kept = lambda dispatcher: (dispatcher.enable_caching(), dispatcher)[1]",
}
HEAD = """
import json
import numpy as np
from numba import cuda
def run(kernel, x, *rest):
    there, out = cuda.to_device(x), cuda.device_array_like(x)
    kernel[1, 64](there, out, *rest)
    return out.copy_to_host().tolist()
def hits(kernel):
    return sum(kernel.stats.cache_hits.values())
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Writes a main file and modules, runs them in a new process; what it printed, as JSON."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    monkeypatch.setenv("EMBERKEEP_DIR", str(tmp_path / "keep"))

    def run(which, text, **modules):
        for name, content in modules.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(content))
        path = tmp_path / f"main_{which}.py"
        main = f"{HEAD}{DECORATORS[which]}\n{textwrap.dedent(text)}"
        if not path.exists() or path.read_text() != main:  # an unchanged file keeps its time
            path.write_text(main)
        environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        ran = subprocess.run(
            [sys.executable, path], capture_output=True, text=True, env=environ, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout.splitlines()[-1])

    return run


CALLS = """
    from helper import callee
    @kept
    @cuda.jit
    def main(x, out):
        i = cuda.grid(1)
        if i < x.size:
            out[i] = callee(x[i])
    result = run(main, np.arange(3.0))
    print(json.dumps([result, hits(main)]))
"""
HELPER = """
    from numba import cuda
    @cuda.jit(device=True)
    def callee(x):
        return {} * x
"""


@pytest.mark.parametrize(("which", "stale"), [("ours", False), ("stock", True)])
def test_a_callee_in_another_file_is_edited(program, which, stale):
    assert program(which, CALLS, helper=HELPER.format(2.0)) == [[0, 2, 4], 0]
    assert program(which, CALLS, helper=HELPER.format(2.0)) == [[0, 2, 4], 1]
    after = program(which, CALLS, helper=HELPER.format(10.0))
    assert after == ([[0, 2, 4], 1] if stale else [[0, 10, 20], 0])


OPTIONS = """
    import options
    @kept
    @cuda.jit(**options.OPTIONS)
    def main(x, out):
        i = cuda.grid(1)
        if i < x.size:
            out[i] = (x[i] / np.float32(3.1)) + options.SHIFT
    run(main, np.arange(3, dtype="float32"))
    print(json.dumps(hits(main)))
"""


def test_options_and_globals_are_changed(program):
    def hit(which, options, shift=1):
        return program(which, OPTIONS, options=f"OPTIONS = {options}\nSHIFT = {shift}\n")

    assert hit("ours", {}) == 0
    assert hit("ours", {}) == 1
    assert hit("ours", {"fastmath": True}) == 0
    assert hit("ours", {"max_registers": 32}) == 0
    assert hit("ours", {}, 2) == 0
    assert hit("ours", {}) == 1
    assert hit("stock", {}) == 0
    assert hit("stock", {"fastmath": True}) == 1  # out of date: fastmath is not in its key


MANY = """
    def make(factor, function):
        @kept
        @cuda.jit
        def kernel(x, out):
            i = cuda.grid(1)
            if i < x.size:
                out[i] = function(x[i]) * factor
        return kernel
    @cuda.jit(device=True)
    def negate(x):
        return -x
    kernels = [make(factor, negate) for factor in (1, 2, 3)]
    x = np.arange(3.0)
    results = [run(kernel, x) for kernel in kernels]
    results.append(run(kernels[0], x.astype("float32")))
    out = cuda.device_array(3)
    special = kernels[1].specialize(cuda.to_device(x), out)
    special[1, 64](cuda.to_device(x), out)
    results.append(out.copy_to_host().tolist())
    kernels[2].forall(3)(cuda.to_device(x), out)
    results.append(out.copy_to_host().tolist())
    special_hits = hits(special)
    print(json.dumps([results, [hits(kernel) for kernel in kernels], special_hits]))
"""


def test_closures_signatures_specialize_and_forall(program):
    first, second = program("ours", MANY), program("ours", MANY)
    one, two, three = ([-factor * x for x in range(3)] for factor in (1, 2, 3))
    assert first[0] == second[0] == [one, two, three, one, two, three]
    assert first[1] == [0, 0, 0]
    assert second[1] == [2, 1, 1]
    assert second[2] == 1


LORENZ = """
    @cuda.jit(device=True)
    def slope(x, y, z):
        return 10.0 * (y - x), x * (28.0 - z) - y, x * y - 2.5 * z
    @kept
    @cuda.jit
    def main(start, out):
        i = cuda.grid(1)
        if i < start.size:
            x = y = z = start[i]
            for _ in range(100):
                ax, ay, az = slope(x, y, z)
                bx, by, bz = slope(x + 0.01 * ax, y + 0.01 * ay, z + 0.01 * az)
                cx, cy, cz = slope(x + 0.01 * bx, y + 0.01 * by, z + 0.01 * bz)
                dx, dy, dz = slope(x + 0.02 * cx, y + 0.02 * cy, z + 0.02 * cz)
                x += 0.003 * (ax + 2 * bx + 2 * cx + dx)
                y += 0.003 * (ay + 2 * by + 2 * cy + dy)
                z += 0.003 * (az + 2 * bz + 2 * cz + dz)
            out[i] = x + y + z
    result = run(main, np.ones(3))
    print(json.dumps(result))
"""


def test_it_takes_less_than_half_of_the_room(program, tmp_path):
    for which in ("ours", "stock"):
        program(which, LORENZ)
    ours = [
        *(tmp_path / "keep" / "blobs").rglob("*"),
        *(tmp_path / "keep" / "generated").rglob("*"),
    ]
    stock = (tmp_path / "numba").rglob("*")
    sizes = [
        sum(path.stat().st_size for path in paths if path.is_file()) for paths in (ours, stock)
    ]
    # Of a kernel as small as this, most is the manifest; benchmarks/gpu.py has a larger one.
    assert 2 * sizes[0] <= sizes[1], sizes


@pytest.mark.filterwarnings("ignore:.*Grid size")
def test_arrays_on_the_device_that_are_captured_are_not_kept(tmp_path):
    cuda = pytest.importorskip("numba.cuda")
    table = cuda.to_device(np.arange(4.0))

    @cuda.jit
    def kernel(out):
        i = cuda.grid(1)
        if i < out.size:
            out[i] = table[i]

    kept = emberkeep.keep_kernel(kernel, keep=emberkeep.Keep(tmp_path))
    out = cuda.device_array(4)
    with pytest.warns(StoreWarning, match="not kept"):
        kept[1, 64](out)
    assert out.copy_to_host().tolist() == [0, 1, 2, 3]
