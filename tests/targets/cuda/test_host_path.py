"""Everything that happens on the host, against a driver that stands in for NVIDIA's."""

import gc
import importlib.util
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

import emberkeep
from emberkeep.errors import (
    EmberkeepError,
    InvalidArgument,
    InvalidKernel,
    OutOfDeviceMemory,
    TargetUnavailable,
    Unloadable,
)
from emberkeep.targets.arguments import parse_signature
from emberkeep.targets.cuda import driver as driver_module
from emberkeep.targets.cuda import memory
from emberkeep.targets.cuda.architecture import capability, runs_on
from emberkeep.targets.cuda.driver import Driver, find_device, open_device
from emberkeep.targets.cuda.load import (
    compress,
    cubin_architecture,
    expand,
    grid,
    load_cubin,
)
from emberkeep.targets.cuda.target import CudaTarget
from emberkeep.targets.kernel_lookup import fetch
from emberkeep.targets.protocol import KernelSource

SPEC = importlib.util.spec_from_file_location("stand_in", Path(__file__).with_name("stand_in.py"))
stand_in = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(stand_in)
StandIn, CUresult = stand_in.StandIn, stand_in.CUresult


@pytest.fixture
def there(monkeypatch):
    """The stand-in, as the one driver of this process."""
    driver = StandIn()
    monkeypatch.setattr(driver_module, "_import_bindings", lambda: driver)
    monkeypatch.setattr(driver_module, "_devices", {})
    monkeypatch.setattr(memory, "_stages", {})
    yield driver
    gc.collect()


def model(i, x, by, out):
    out[i] = x[i] * by


SIGNATURE = "float64[::1], float32, float64[:, :]"


@pytest.fixture(scope="module")
def cubins(tmp_path_factory):
    keep = emberkeep.Keep(tmp_path_factory.mktemp("keep"))

    def flat(i, x, by, out):
        out[i, 0] = x[i] * by

    source = KernelSource("flat", flat, parse_signature(SIGNATURE), {})
    return {
        name: fetch(keep, CudaTarget(name), source)
        for name in ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100")
    }


def raw(kept):
    return expand(kept.blobs["compressed cubin"], kept.layout["size_bytes"])


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "float32", "complex128"])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 0), (2, 3, 4)])
def test_arrays_come_back_as_they_went(there, dtype, shape):
    array = (np.random.default_rng(0).random(shape) * 100).astype(dtype)
    copied = memory.to_device(array)
    np.testing.assert_array_equal(copied.copy_to_host(), array)
    out = np.empty(shape, dtype)
    assert copied.copy_to_host(out) is out
    assert not array.size or copied.strides == np.ascontiguousarray(array).reshape(shape).strides
    del copied
    assert not there.allocated


def test_views_are_copied_in_order(there):
    array = np.arange(60.0).reshape(5, 12)[::2, ::-3]
    np.testing.assert_array_equal(memory.to_device(array).copy_to_host(), array)


@pytest.mark.parametrize("extra", [-8, 0, 8])
@pytest.mark.parametrize("stages", [1, 2, 3])
def test_large_arrays_go_by_way_of_pinned_buffers(there, monkeypatch, stages, extra):
    monkeypatch.setattr(memory, "STAGED_BYTES", 1024)
    monkeypatch.setattr(memory, "STAGE_BYTES", 4096)
    array = np.random.default_rng(1).random((stages * 4096 + extra) // 8)
    copied = memory.to_device(array)
    np.testing.assert_array_equal(copied.copy_to_host(), array)
    assert "cuMemcpyHtoDAsync" in there.calls
    assert "cuMemcpyHtoD" not in there.calls
    assert len(there.pinned) == 2
    assert not there.events
    assert not there.streams


def test_pinned_arrays_are_copied_at_once(there, monkeypatch):
    monkeypatch.setattr(memory, "STAGED_BYTES", 1024)
    pinned = memory.pinned_empty((100, 100))
    pinned[...] = np.arange(10_000.0).reshape(100, 100)
    copied = memory.to_device(pinned)
    before = pinned.copy()
    np.testing.assert_array_equal(copied.copy_to_host(pinned), before)
    assert "cuMemcpyHtoDAsync" not in there.calls
    assert "cuMemcpyDtoHAsync" not in there.calls
    part = pinned[3:5]
    del pinned
    assert there.pinned  # a view keeps it
    assert part[0, 0] == 300
    del part
    gc.collect()
    assert not there.pinned


def test_an_error_in_the_midst_leaves_nothing_behind(there, monkeypatch):
    monkeypatch.setattr(memory, "STAGED_BYTES", 1024)
    monkeypatch.setattr(memory, "STAGE_BYTES", 4096)
    there.fail_at["cuMemcpyHtoDAsync"] = (1, CUresult.CUDA_ERROR_LAUNCH_FAILED)
    with pytest.raises(EmberkeepError, match="LAUNCH_FAILED"):
        memory.to_device(np.zeros(5000))
    gc.collect()
    for held in (there.allocated, there.pinned, there.events, there.streams):
        assert not held


def test_no_room_says_how_much_there_is(there):
    there.total = 10 << 20
    held = memory.empty_on_device(4 << 20, "uint8")
    with pytest.raises(OutOfDeviceMemory, match=r"Of 10 MiB, 6 are free"):
        memory.empty_on_device(8 << 20, "uint8")
    with pytest.raises(MemoryError):
        memory.empty_on_device(8 << 20, "uint8")
    del held
    memory.empty_on_device(8 << 20, "uint8")


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        (StandIn(devices=0), "no GPU"),
        (StandIn(version=11040), r"knows CUDA 11\.4, and at least 12\.0 is needed"),
    ],
)
def test_what_is_missing_is_said(driver, said):
    with pytest.raises(TargetUnavailable, match=said):
        find_device(Driver(driver), 0)


def test_a_device_that_is_not_there(there):
    with pytest.raises(TargetUnavailable, match="no GPU number 3: this process sees 1"):
        open_device(3)


def test_without_bindings_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(driver_module, "_devices", {})
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", None)
    with pytest.raises(TargetUnavailable, match=r"emberkeep\[cuda\]"):
        open_device()


def test_without_a_driver_it_is_said(monkeypatch):
    class NoLibrary(StandIn):
        def cuInit(self, flags):
            raise RuntimeError("Failed to dlopen libcuda.so.1")

    with pytest.raises(TargetUnavailable, match="driver is not installed here.*libcuda"):
        find_device(Driver(NoLibrary()), 0)


def test_a_kernel_is_launched_with_what_numba_expects(there, cubins):
    kernel = CudaTarget("sm_90").load(cubins["sm_90"])
    x, out = memory.to_device(np.arange(5.0)), memory.empty_on_device((5, 2))
    kernel.launch(5, (x, 2.5, out), stream=None, block=2)
    ((blocks, threads, stream, packed),) = there.launches
    assert (blocks, threads, stream) == ((3, 1, 1), (2, 1, 1), 0)
    expected = struct.pack(
        "@qPPqqPqqfPPqqPqqqq",
        5,
        0,
        0,
        5,
        8,
        x.address,
        5,
        8,
        2.5,
        0,
        0,
        10,
        8,
        out.address,
        5,
        2,
        16,
        8,
    )
    assert packed == expected
    kernel(0, (x, 2.5, out))
    with pytest.raises(InvalidArgument, match="count=6.*ends after 5"):
        kernel(6, (x, 2.5, out))
    assert len(there.launches) == 1
    kernel(6, (x, 2.5, out), unchecked=True)
    assert len(there.launches) == 2
    del kernel
    gc.collect()
    assert not there.modules


class Foreign:
    """An array of another library's."""

    def __init__(self, address, shape, strides, typestr="<f8"):
        self.shape = shape
        self.__cuda_array_interface__ = {
            "shape": shape,
            "strides": strides,
            "typestr": typestr,
            "data": (address, False),
            "version": 3,
        }


def test_arrays_of_other_libraries_are_taken_with_their_strides(there, cubins):
    kernel = CudaTarget("sm_90").load(cubins["sm_90"])
    x = memory.to_device(np.arange(5.0))
    Foreign.__cuda_array_interface__ = None
    kernel(5, (x, 1.0, Foreign(4096, (5, 2), (8, 40))))
    assert struct.unpack("@qPPqqPqqfPPqqPqqqq", there.launches[0][3])[-4:] == (5, 2, 8, 40)
    for wrong, said in (
        ((Foreign(4096, (5,), (16,)), 1.0, x), "in C order"),
        ((x, 1.0, Foreign(4096, (5, 2), None, "<f4")), "float32"),
        ((x, 1.0, np.zeros((5, 2))), "to_device"),
        ((x, x, Foreign(4096, (5, 2), None)), "'by' must be a float32"),
        ((x, 1.0), "takes 4: count, x, by, out"),
    ):
        with pytest.raises(InvalidArgument, match=said):
            kernel(5, wrong)
    assert len(there.launches) == 1


def test_cubins_say_what_they_are_for(cubins):
    assert {name: cubin_architecture(raw(kept)) for name, kept in cubins.items()} == {
        name: name for name in cubins
    }


@pytest.mark.parametrize(
    ("architecture", "device", "runs"),
    [
        ("sm_80", (8, 0), True),
        ("sm_80", (8, 9), True),
        ("sm_86", (8, 0), False),
        ("sm_80", (9, 0), False),
        ("sm_90", (9, 0), True),
        ("sm_100", (10, 3), True),
        ("sm_100", (12, 0), False),
    ],
)
def test_a_cubin_runs_on_its_major_version_and_no_older_device(architecture, device, runs):
    assert runs_on(architecture, device) == runs


@pytest.mark.parametrize("name", ["sm_9", "sm_90a", "90", "compute_90", "", "sm_x1"])
def test_what_is_no_architecture_is_refused(name):
    with pytest.raises(InvalidKernel, match="no GPU architecture"):
        capability(name)


def test_what_cannot_run_here_is_never_given_to_the_driver(there, cubins):
    device, cubin = open_device(), raw(cubins["sm_80"])
    right = raw(cubins["sm_90"])
    cases = [
        (cubin, "sm_80", (12, 0), r"compute capability 8\.x.*Stand-in has 9\.0"),
        (cubin, "sm_90", (12, 0), "says that it is for sm_90, and is a cubin for sm_80"),
        (right, "sm_90", (14, 0), r"linked for CUDA 14\.0, and the driver here knows CUDA 13\.0"),
        (b"", "sm_90", (12, 0), "no cubin"),
        (right[:40], "sm_90", (12, 0), "no cubin"),
        (right[: len(right) // 2], "sm_90", (12, 0), "cut short"),
        (b"\x7fELF" + bytes(200), "sm_90", (12, 0), "does not begin like one"),
    ]
    for image, architecture, minimum, said in cases:
        with pytest.raises(Unloadable, match=said):
            load_cubin(device, image, "emberkeep_kernel", architecture, minimum)
    assert "cuModuleLoadData" not in there.calls
    with pytest.raises(Unloadable, match="driver does not load it"):
        load_cubin(device, right, "no_such_function", "sm_90", (12, 0))


def test_grids_cover_every_index():
    assert [grid(count, 128) for count in (1, 128, 129, 1 << 20)] == [1, 1, 2, 8192]
    for block in (0, -1, 1025):
        with pytest.raises(InvalidArgument, match="block of"):
            grid(10, block)


def test_a_launch_that_is_refused_says_so(there, cubins):
    kernel = CudaTarget("sm_90").load(cubins["sm_90"])
    there.fail_at["cuLaunchKernel"] = (0, CUresult.CUDA_ERROR_INVALID_VALUE)
    x = memory.to_device(np.zeros(5))
    with pytest.raises(EmberkeepError, match="could not be launched"):
        kernel(5, (x, 1.0, memory.empty_on_device((5, 2))))


def test_streams_are_given_back(there):
    stream = memory.Stream()
    stream.synchronize()
    assert len(there.streams) == 1
    del stream
    assert not there.streams


def test_copies_of_the_wrong_shape_are_refused(there):
    array = memory.to_device(np.zeros((2, 3)))
    with pytest.raises(InvalidArgument, match=r"float64\[2, 3\] in C order"):
        array.copy_to_host(np.zeros(6))
    with pytest.raises(InvalidArgument, match="shapes must agree"):
        array.copy_from_host(np.zeros((3, 2)))
    with pytest.raises(InvalidArgument, match="object"):
        memory.to_device(np.array([None]))


def test_a_forked_child_touches_no_memory_of_its_parent(there):
    import os

    array = memory.to_device(np.zeros(4))
    child = os.fork()
    if child == 0:
        del array
        gc.collect()
        os._exit(1 if "cuMemFree" in there.calls else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    del array
    assert "cuMemFree" in there.calls


def test_the_same_kernel_compiles_to_the_same_ptx_names(cubins):
    for kept in cubins.values():
        assert b"emberkeep_kernel" in raw(kept)
        assert kept.layout["entry"] == "emberkeep_kernel"
        assert kept.layout["minimum_driver"][0] >= 12


def test_a_compressed_cubin_is_itself_again_or_refused():
    content = bytes(range(256)) * 40
    packed = compress(content)
    assert expand(packed, len(content)) == content
    for wrong, size in (
        (packed, len(content) - 1),
        (packed, len(content) + 1),
        (packed[:-5], len(content)),
        (packed[: len(packed) // 2], len(content)),
        (compress(bytes(1 << 24)), len(content)),  # says little and unfolds to much
        (b"", 0),
        (content, len(content)),
    ):
        with pytest.raises(Unloadable):
            expand(wrong, size)


def test_copies_wait_for_kernels_in_streams_of_their_own(there):
    array = memory.to_device(np.zeros(4))
    there.calls.clear()
    array.copy_to_host()
    assert there.calls.index("cuCtxSynchronize") < there.calls.index("cuMemcpyDtoH")


def test_what_another_library_still_computes_is_waited_for(there):
    for stream, waits in ((None, 0), (1, 0), (7, 1)):
        there.streams.add(7)
        there.calls.clear()
        foreign = Foreign(4096, (3,), None)
        foreign.__cuda_array_interface__["stream"] = stream
        memory.device_view(foreign)
        assert there.calls.count("cuStreamSynchronize") == waits
