"""What the GPU's runner does on the host, against a driver that stands in for NVIDIA's.

Kernels are those for the CPU, with the strides that a GPU is given: so all numbers are known.
"""

import ctypes
import gc
import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from emberkeep import SolveWarning, ode
from emberkeep.ode.running import cuda as running
from emberkeep.ode.running.cpu import CpuRunner
from emberkeep.ode.running.kernels import Loaded
from emberkeep.ode.stored import layout, writer
from emberkeep.targets.cpu.target import CpuTarget
from emberkeep.targets.cuda import driver as driver_module
from emberkeep.targets.cuda import memory
from emberkeep.targets.cuda.memory import DeviceArray
from emberkeep.targets.cuda.target import CudaTarget
from emberkeep.targets.kernel_lookup import Obtained

PLACE = Path(__file__).parents[1] / "targets" / "cuda" / "stand_in.py"
SPEC = importlib.util.spec_from_file_location("stand_in", PLACE)
stand_in = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(stand_in)

DECAY = ode.System(
    "dx = -k*x; dy = x + u",
    {"x": 1.0, "y": 0.0},
    {"k": 1.0, "m": 0.0},
    drivers=["u"],
    name="driven",
)
K = np.linspace(0.5, 2, 1001)
SAMPLES = ode.Driver(np.linspace(0, 1, 4), np.random.default_rng(2).random((1001, 4)))
SHARED = ode.Driver([0.0, 1.0], [0.0, 1.0])


class Driver(stand_in.StandIn):
    """With what the runner calls beside."""

    CUmemorytype = SimpleNamespace(CU_MEMORYTYPE_DEVICE=2, CU_MEMORYTYPE_HOST=1)
    CUDA_MEMCPY2D = SimpleNamespace

    def cuMemcpy2DAsync(self, copy, stream):
        for row in range(copy.Height):
            code = self._copy(
                copy.dstHost + row * copy.dstPitch,
                copy.srcDevice + row * copy.srcPitch,
                copy.WidthInBytes,
                copy.srcDevice + row * copy.srcPitch,
            )
            assert not code[0]
        return (stand_in.CUresult(0),)

    def cuMemsetD8(self, there, value, count):
        return self.cuMemsetD8Async(there, value, count, 0)

    def cuMemsetD8Async(self, there, value, count, stream):
        ctypes.memset(there, value, count)
        return (stand_in.CUresult(0),)

    def cuEventQuery(self, event):
        return (stand_in.CUresult(0),)


class OnHost:
    """A kernel for the CPU, launched as one for a GPU is."""

    def __init__(self, loaded, launches):
        self._runnable, self._names, self._launches = loaded.run, loaded.passed, launches
        self.notes = {}  # no team works on a trajectory

    def launch(self, runs, passed, stream, block, *, team, shared_bytes):
        assert (team, shared_bytes) == (1, 0)
        lanes = int(self._runnable.notes["lanes"])
        blocks = -(-runs // lanes)
        work = np.empty(blocks * int(self._runnable.notes["work"]) + 64, np.int8)
        given = [*map(on_host, passed), work[-work.ctypes.data % 64 :]]
        given[self._names.index("share")] = lanes
        self._launches.append(runs)
        self._runnable(blocks, given)


def on_host(given):
    if not isinstance(given, DeviceArray):
        return given
    if not given.size:
        return np.empty(0, given.dtype)
    held = (ctypes.c_char * given.nbytes).from_address(given.address)
    return np.frombuffer(held, given.dtype)


def ignore(*_):
    """Nothing is needed to begin with."""


@pytest.fixture
def launches(monkeypatch, keep):
    """How many trajectories each launch was of."""
    found = []
    monkeypatch.setattr(driver_module, "_import_bindings", Driver)
    monkeypatch.setattr(driver_module, "_devices", {})
    monkeypatch.setattr(memory, "_stages", {})

    def of(kernels, plan):
        loaded = CpuRunner(CpuTarget("host", 1), keep)._kernels.of(plan)
        obtained = Obtained(loaded.obtained.keyed, OnHost(loaded, found))
        return Loaded(obtained, loaded.plan, loaded.passed)

    monkeypatch.setattr(running, "Kernels", type("OfCpus", (), {"__init__": ignore, "of": of}))
    yield found
    gc.collect()


SOLVES = {
    "states": {"parameters": {"k": K}, "drivers": {"u": SAMPLES}, "save_at": 0.25},
    "all kinds": {
        "parameters": {"k": K},
        "drivers": {"u": SHARED},
        "save_at": 0.125,
        "windows": 0.5,
        "outputs": ["states", "final", "steps", "std", "time_of_max", "peaks"],
        "most_records": 3,
    },
    "grid": {
        "parameters": {"k": K[:13], "m": np.arange(77.0)},
        "drivers": {"u": SHARED},
        "grid": "combinations",
        "save_at": 0.5,
        "outputs": ["states", "mean"],
    },
    "times of their own": {
        "t_span": (0 * K, K / 2),
        "parameters": {"k": K},
        "drivers": {"u": SHARED},
        "save_at": np.stack([K / 4, K / 2], axis=-1),
    },
    "fixed steps": {
        "parameters": {"k": K},
        "drivers": {"u": SAMPLES},
        "controller": "fixed",
        "dt": 0.125,
    },
}


@pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "by way of stages"])
@pytest.mark.parametrize("name", SOLVES)
def test_chunks_and_parts_are_put_together(name, pinned, launches, keep, monkeypatch, tmp_path):
    given = {"t_span": (0, 1), **SOLVES[name]}
    expected = ode.Solver(DECAY, target="cpu", threads=1, keep=keep).solve(**given).to_xarray()
    monkeypatch.setattr(running, "LEAST_CHUNK", 1 << 7)
    monkeypatch.setattr(running, "MOST_PINNED_BYTES", 1 << 40 if pinned else 0)
    solver = ode.Solver(DECAY, target=CudaTarget("sm_90"), keep=keep)
    found = solver.solve(**given).to_xarray()
    assert launches == [256, 256, 256, 233]
    xr.testing.assert_identical(found, expected)
    monkeypatch.setattr(writer, "PART_BYTES", 300 * 17)
    monkeypatch.setattr(layout, "CHUNK_BYTES", 1 << 10)
    launches.clear()
    stored = solver.solve(**given, into=tmp_path / "x").to_xarray()
    assert sum(launches) == 1001
    assert len(launches) >= 4
    extra = {"t_start", "t_end"} & set(stored.coords)
    xr.testing.assert_identical(stored.drop_vars(extra).drop_attrs(), expected.drop_attrs())


def test_another_solve_after_one_that_was_interrupted(launches, keep, monkeypatch, tmp_path):
    monkeypatch.setattr(running, "LEAST_CHUNK", 1 << 7)
    given = {"t_span": (0, 1), **SOLVES["states"]}
    solver = ode.Solver(DECAY, target=CudaTarget("sm_90"), keep=keep)
    expected = solver.solve(**given)
    finish = running._Passage._finish

    def interrupted(self, host, slot):
        if len(launches) >= 11:
            raise KeyboardInterrupt
        finish(self, host, slot)

    for extra in ({}, {"into": tmp_path / "x"}):
        launches[:] = [0] * 8
        with monkeypatch.context() as patch:
            patch.setattr(running._Passage, "_finish", interrupted)
            with pytest.raises(KeyboardInterrupt):
                solver.solve(**given, **extra)
        np.testing.assert_array_equal(solver.solve(**given).states, expected.states)
    assert not ode.open_result(tmp_path / "x", incomplete=True).is_complete


@pytest.mark.parametrize("runs", [1, 127, 128, 129, 1000, 10_001, 4_194_304])
@pytest.mark.parametrize("most", [128, 1024, 1 << 40])
def test_chunks_are_few_and_have_room(runs, most, monkeypatch):
    monkeypatch.setattr(running, "LEAST_CHUNK", 256)
    ends = running._chunk_ends(runs, most)
    sizes = np.diff([0, *ends])
    assert ends[-1] == runs
    assert sizes.min() > 0
    assert sizes.max() <= most
    assert (sizes[:-1] % running.BLOCK == 0).all()
    assert len(ends) <= running.CHUNKS + 1 + runs // most


def test_a_device_with_little_memory(launches, keep, monkeypatch):
    monkeypatch.setattr(running, "_most_at_once", lambda device, job: 128)
    given = {"t_span": (0, 1), **SOLVES["all kinds"]}
    expected = ode.Solver(DECAY, target="cpu", threads=1, keep=keep).solve(**given)
    found = ode.Solver(DECAY, target=CudaTarget("sm_90"), keep=keep).solve(**given)
    assert launches == [128] * 7 + [105]
    xr.testing.assert_identical(found.to_xarray(), expected.to_xarray())


@pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "by way of stages"])
@pytest.mark.parametrize("failing", [0, 128, 1000])
def test_failures_in_any_chunk_are_told(failing, pinned, launches, keep, monkeypatch):
    monkeypatch.setattr(running, "LEAST_CHUNK", 1 << 7)
    monkeypatch.setattr(running, "MOST_PINNED_BYTES", 1 << 40 if pinned else 0)
    rates = K.copy()
    rates[failing] = np.inf
    solver = ode.Solver(DECAY, target=CudaTarget("sm_90"), keep=keep)
    given = {"t_span": (0, 1), "drivers": {"u": SHARED}}
    with pytest.warns(SolveWarning, match=f"The first is number {failing}"):
        assert solver.solve(parameters={"k": rates}, **given).failed.tolist() == [failing]
    assert not solver.solve(parameters={"k": K}, **given).failed.size


@pytest.mark.parametrize("name", ["states", "times of their own", "fixed steps"])
def test_gradients_go_chunk_by_chunk_too(name, launches, keep, monkeypatch):
    """What is recorded comes back, and is passed on with the rows of each chunk."""
    given = {"t_span": (0, 1), **SOLVES[name]}
    monkeypatch.setattr(running, "LEAST_CHUNK", 1 << 7)
    found = []
    for target in ("cpu", CudaTarget("sm_90")):
        one = ode.Solver(DECAY, target=target, threads=1, keep=keep, sensitivities=["k", "y"])
        result, pullback = ode.vjp(one, **given)
        found.append(pullback({"x": np.cos(result["x"]), "y": 1.0}))
    assert launches == [256, 256, 256, 233] * 2
    for gradient in ("k", "y"):
        np.testing.assert_array_equal(found[0][gradient], found[1][gradient])
