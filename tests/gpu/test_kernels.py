"""Kernels on a real GPU: the contract of targets, memory, cubins built elsewhere."""

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import emberkeep
from emberkeep.errors import InvalidArgument, OutOfDeviceMemory, Unloadable
from emberkeep.targets.cuda.driver import open_device
from emberkeep.targets.cuda.memory import Stream, empty_on_device, pinned_empty, to_device
from emberkeep.targets.cuda.target import CudaTarget
from emberkeep.targets.kernel_lookup import fetch
from emberkeep.testing.targets import RELAX, TargetContract, relax

pytestmark = pytest.mark.gpu


class TestCuda(TargetContract):
    @pytest.fixture
    def target(self):
        return CudaTarget.of_this_machine()

    def place(self, array):
        return to_device(array)

    def fetch(self, array):
        return array.copy_to_host()


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float32", "complex128"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (7, 5), (2, 3, 4)])
def test_arrays_come_back_as_they_went(dtype, shape):
    array = (np.random.default_rng(0).random(shape) * 100).astype(dtype)
    there = to_device(array)
    assert there.shape == array.shape
    np.testing.assert_array_equal(there.copy_to_host(), array)


@pytest.mark.parametrize("size", [1 << 20, (1 << 20) + 1, 5_000_001, 12_345_678])
def test_large_arrays_go_through_stages(size):
    array = np.random.default_rng(1).random(size)
    there = to_device(array)
    np.testing.assert_array_equal(there.copy_to_host(), array)
    pinned = pinned_empty(size)
    there.copy_to_host(pinned)
    np.testing.assert_array_equal(pinned, array)


def test_arrays_that_are_not_contiguous_are_copied_in_order():
    array = np.arange(60.0).reshape(5, 12)[::2, ::-3]
    np.testing.assert_array_equal(to_device(array).copy_to_host(), array)


def test_memory_is_given_back():
    device = open_device()
    empty_on_device(1 << 20)
    free, _ = device.driver.call("cuMemGetInfo")
    for _ in range(100):
        empty_on_device(64 << 20, "uint8")
    assert abs(device.driver.call("cuMemGetInfo")[0] - free) < 256 << 20


def test_too_much_is_refused_with_figures():
    with pytest.raises(OutOfDeviceMemory, match="MiB"):
        empty_on_device(1 << 50, "uint8")
    assert to_device(np.ones(3)).copy_to_host().tolist() == [1, 1, 1]


@pytest.fixture
def double(tmp_path):
    @emberkeep.kernel("float64[::1], float64[::1]", keep=emberkeep.Keep(tmp_path))
    def double(i, x, out):
        out[i] = 2 * x[i]

    return double


def test_where_the_data_is_decides_where_it_runs(double):
    x = np.arange(1000.0)
    here, there = np.zeros(1000), empty_on_device(1000)
    double(x, here, count=1000)
    double(to_device(x), there, count=1000)
    np.testing.assert_array_equal(there.copy_to_host(), here)
    with pytest.raises(InvalidArgument, match="'x' must be an array"):
        double(x, there, count=1000)


def test_streams_and_blocks(double):
    x, streams = to_device(np.arange(100_000.0)), [Stream() for _ in range(4)]
    outs = [empty_on_device(100_000) for _ in streams]
    for stream, out, block in zip(streams, outs, (1, 33, 128, 1024), strict=True):
        double(x, out, count=100_000, stream=stream, block=block)
    for stream, out in zip(streams, outs, strict=True):
        stream.synchronize()
        np.testing.assert_array_equal(out.copy_to_host(), 2 * np.arange(100_000.0))
    with pytest.raises(InvalidArgument, match="block of 2048"):
        double(x, outs[0], count=1, block=2048)


def test_a_copy_sees_what_a_kernel_in_another_stream_writes(tmp_path):
    @emberkeep.kernel("float64[::1], int64", keep=emberkeep.Keep(tmp_path))
    def slow(i, out, steps):
        value = 1.0
        for _ in range(steps):
            value = value * 0.999999 + 1e-6
        out[i] = value

    stream, out = Stream(), to_device(np.zeros(100_000))
    slow(out, 10, count=100_000)
    for _ in range(5):
        out.copy_from_host(np.zeros(100_000))
        slow(out, 2_000_000, count=100_000, stream=stream)
        assert (out.copy_to_host() > 0.99).all()


def test_threads_launch_at_once(double):
    failures = []

    def work(seed):
        x = np.random.default_rng(seed).random(10_000)
        for _ in range(20):
            there, out = to_device(x), empty_on_device(10_000)
            double(there, out, count=10_000)
            if not np.array_equal(out.copy_to_host(), 2 * x):
                failures.append(seed)

    double(to_device(np.ones(1)), empty_on_device(1), count=1)
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_arrays_of_numba_cuda_are_taken_without_a_copy(double):
    cuda = pytest.importorskip("numba.cuda")
    x, out = cuda.to_device(np.arange(10.0)), cuda.device_array(10)
    double(x, out, count=10)
    np.testing.assert_array_equal(out.copy_to_host(), 2 * np.arange(10.0))
    back = cuda.as_cuda_array(to_device(np.arange(4.0)))
    np.testing.assert_array_equal(back.copy_to_host(), np.arange(4.0))


def test_a_cubin_for_another_architecture_is_not_run(tmp_path):
    keep = emberkeep.Keep(tmp_path)
    source = TestCuda().source(relax, RELAX)
    here = open_device().capability
    other = "sm_80" if here[0] != 8 else "sm_90"
    artifact = fetch(keep, CudaTarget(other), source)
    with pytest.raises(Unloadable, match=rf"{other}.*{here[0]}\.{here[1]}"):
        CudaTarget(other).load(artifact)


def test_a_cubin_of_a_machine_without_a_gpu_gives_the_same_bits(double, tmp_path):
    """It is built in a process that sees no device; what is built here must do the same."""
    program = tmp_path / "model.py"
    program.write_text(
        "import emberkeep, math\n"
        "def slope(x, y):\n    return math.sin(x) * y - math.exp(-x * x)\n"
        "@emberkeep.kernel('float64[::1], float64[::1], int64')\n"
        "def model(i, x, out, steps):\n"
        "    value = x[i]\n"
        "    for _ in range(steps):\n"
        "        value += 0.01 * slope(value, x[i])\n"
        "    out[i] = value\n"
    )
    architecture = open_device().architecture
    elsewhere = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    for root in ("without", "with"):
        environ = elsewhere if root == "without" else os.environ
        command = [sys.executable, "-m", "emberkeep", "--root", tmp_path / root, "--format", "json"]
        ran = subprocess.run(
            [*command, "build", program, "--arch", architecture],
            capture_output=True,
            text=True,
            env=environ,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert json.loads(ran.stdout)["kernels"][0]["kept"]
    sys.path.insert(0, str(tmp_path))
    import model as declared

    x, results = np.linspace(-3, 3, 10_000), []
    for root in ("without", "with"):
        keep = emberkeep.Keep(tmp_path / root)
        kernel = emberkeep.kernel(*declared.model.signatures, keep=keep)(declared.model.function)
        (artifact,) = kernel.build(CudaTarget(architecture))
        assert artifact.hit
        out = empty_on_device(10_000)
        kernel(to_device(x), out, 200, count=10_000)
        results.append(out.copy_to_host())
    np.testing.assert_array_equal(*results)
    expected = np.zeros(10_000)
    for i in range(0, 10_000, 999):
        declared.model.function(i, x, expected, 200)
    np.testing.assert_allclose(results[0][::999], expected[::999], rtol=1e-12)


def test_the_second_process_imports_no_compiler(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\nimport numpy as np\nimport emberkeep\n"
        "@emberkeep.kernel('float64[::1]')\n"
        "def fill(i, x):\n    x[i] = i\n"
        "x = emberkeep.empty_on_device(5)\n"
        "fill(x, count=5)\n"
        "assert x.copy_to_host().tolist() == [0, 1, 2, 3, 4]\n"
        "print('numba' in sys.modules, 'cuda.core' in sys.modules)\n"
    )
    environ = {**os.environ, "EMBERKEEP_DIR": str(tmp_path / "keep")}
    said = [
        subprocess.run(
            [sys.executable, program], capture_output=True, text=True, check=True, env=environ
        ).stdout.split()
        for _ in range(2)
    ]
    assert said[0][0] == "True"
    assert said[1] == ["False", "False"]
