"""Running on a GPU: chunks of trajectories, so that copies and computing overlap."""

from __future__ import annotations

import time
from _thread import allocate_lock

import numpy as np

from emberkeep.errors import EmberkeepError
from emberkeep.ode.compilation import Compilation
from emberkeep.ode.kernel.call import arguments
from emberkeep.ode.plan import compiled
from emberkeep.ode.running.job import Job, Outcome, Runner
from emberkeep.ode.running.passed import PARTS, filled, passed_to_all, strides
from emberkeep.ode.running.pinned import MOST_PINNED_BYTES, PinnedPool
from emberkeep.ode.status import RUNNING
from emberkeep.startup_records import final, frozen
from emberkeep.targets.cuda.driver import open_device
from emberkeep.targets.cuda.memory import (
    DeviceArray,
    Stream,
    empty_on_device,
    pinned_empty,
    to_device,
)
from emberkeep.targets.kernel_lookup import renew

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from typing import Any

    from emberkeep.keep.keep import Keep
    from emberkeep.ode.plan import Plan
    from emberkeep.ode.running.job import Part
    from emberkeep.targets.cuda.driver import Device
    from emberkeep.targets.kernel_lookup import Obtained
    from emberkeep.targets.protocol import Target

    Values = np.ndarray[Any, Any]

SLOTS = 3  # one is filled and copied to, one computes, one is copied from
CHUNKS = 8  # of a large batch
LEAST_CHUNK = 1 << 18  # trajectories: fewer would not keep a large device busy
SHARE_OF_MEMORY = 0.8
BLOCK = 128
STATUS = "status"
NOT_READY = 600  # the driver's answer about an event that has not come yet
SPIN_S, NAP_S = 0.002, 0.0002


@final
@frozen
class _Chunk:
    """Trajectories that are computed together."""

    begin: int
    end: int

    @property
    def runs(self) -> int:
        return self.end - self.begin


@final
@frozen
class _Host:
    """Where results go, by name: as the device writes them, with trajectories side by side."""

    arrays: Mapping[str, Values]
    begin: int  # the trajectory that they begin with
    is_pinned: bool


@final
class _Slot:
    """A stream, and memory for one chunk at a time."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.stream = Stream(device)
        self.event = device.driver.call("cuEventCreate", 2)  # without timing
        self.chunk: _Chunk | None = None
        self._there: dict[str, DeviceArray] = {}
        self._here: dict[str, Values] = {}

    def on_device(self, name: str, shape: tuple[int, ...], dtype: Any) -> DeviceArray:
        """Memory of the device, reused where it is large enough."""
        kind = np.dtype(dtype)
        size = int(np.prod(shape)) * kind.itemsize
        held = self._there.get(name)
        if held is None or held.size < size:
            self._there.pop(name, None)  # freed first: there may be no room for both
            del held
            held = self._there[name] = empty_on_device(max(size, 1), np.uint8, self.device)
        return DeviceArray(self.device, held.address, shape, kind, owner=held)

    def on_host(self, name: str, shape: tuple[int, ...], dtype: Any) -> Values:
        """Pinned memory, reused where it is large enough."""
        kind = np.dtype(dtype)
        size = int(np.prod(shape)) * kind.itemsize
        held = self._here.get(name)
        if held is None or held.size < size:
            held = self._here[name] = pinned_empty(max(size, 1), np.uint8, self.device)
        return held[:size].view(kind).reshape(shape)

    def is_done(self) -> bool:
        """Whether all that was given to the stream has been done."""
        (code,) = self.device.driver.bindings.cuEventQuery(self.event)
        if code and int(code) != NOT_READY:
            raise EmberkeepError(
                f"The GPU failed while it integrated: {self.device.driver.bindings.CUresult(code)}"
            )
        return not code


@final
class CudaRunner(Runner):
    """The GPU of this machine.

    Args:
        target: its architecture.
        keep: where kernels are kept.
    """

    def __init__(self, target: Target, keep: Keep) -> None:
        self.target, self._keep = target, keep
        self._kernels: dict[Plan, Obtained] = {}
        self._slots: list[_Slot] = []
        self._pool = PinnedPool()
        self._lock = allocate_lock()  # memory to work in is for one solve at a time

    @property
    def busy(self) -> int:
        """How many trajectories a large device needs."""
        return LEAST_CHUNK

    def kernel(self, plan: Plan) -> Any:
        """The plan's kernel, loaded: for what functions of the system do now."""
        plan = compiled(plan)  # other outputs of it may share the code
        found = self._kernels.get(plan)
        if found is None or not found.keyed.watch.unchanged():
            found = renew(self._keep, self.target, Compilation(plan), found)
            self._kernels[plan] = found
        return found.runnable

    def prepare(self, plan: Plan) -> None:
        """Find or compile what runs a plan."""
        with self._lock:
            self.kernel(plan)

    def run(
        self, job: Job, parts: Iterable[Part], advance: Callable[[int], None] | None
    ) -> Generator[Outcome]:
        """Integrate trajectories, part after part."""
        device = open_device()
        with self._lock:
            kernel = self.kernel(job.plan)
            stop = to_device(np.zeros(1, np.int64), device)
            passage = _Passage(device, job, kernel, stop, advance)
            try:
                for begin, end in parts:
                    yield self._part(job, begin, end, passage)
            except BaseException:
                passage.abort(self._slots)
                raise

    def _part(self, job: Job, begin: int, end: int, passage: _Passage) -> Outcome:
        device = open_device()
        host = self._results(job, begin, end)
        size = _chunk_size(device, job, end - begin)
        chunks = [_Chunk(first, min(first + size, end)) for first in range(begin, end, size)]
        while len(self._slots) < min(SLOTS, len(chunks)):
            self._slots.append(_Slot(device))
        passage.go(host, chunks, self._slots)
        found = {name: np.moveaxis(array, -1, 0) for name, array in host.arrays.items()}
        return Outcome(found.pop(STATUS), found)

    def _results(self, job: Job, begin: int, end: int) -> _Host:
        """Arrays for what comes back: pinned, unless that would be too much."""
        runs = end - begin
        wanted = [((*space.shape, runs), space.kind, name) for name, space in job.results().items()]
        wanted.append(((runs,), "int8", STATUS))
        size = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind, _ in wanted)
        is_pinned = size <= MOST_PINNED_BYTES
        make = self._pool.array if is_pinned else np.empty
        arrays = {name: make(shape, np.dtype(kind)) for shape, kind, name in wanted}
        return _Host(arrays, begin, is_pinned=is_pinned)


def _chunk_size(device: Device, job: Job, runs: int) -> int:
    """Trajectories of a chunk: what memory allows, and few enough chunks to keep the GPU busy."""
    batch, item = job.batch, np.dtype(job.plan.precision).itemsize
    own = sum(table.bytes_of_a_run for table in job.drivers)
    each = job.run_size_bytes() + len(batch.varied) * item + own
    free, _ = device.driver.call("cuMemGetInfo")
    most = max(BLOCK, int(free * SHARE_OF_MEMORY / SLOTS / each))
    even = max(LEAST_CHUNK, -(-runs // CHUNKS))
    return min(most, even) // BLOCK * BLOCK


@final
class _Passage:
    """One solve on its way through the device."""

    def __init__(
        self,
        device: Device,
        job: Job,
        kernel: Any,
        stop: DeviceArray,
        advance: Callable[[int], None] | None,
    ) -> None:
        self._device, self._job, self._kernel = device, job, kernel
        self._stop, self._advance = stop, advance
        self._real = np.dtype(job.plan.precision)
        # For `abort`: to make them while a kernel runs would wait for its end.
        self._aside = Stream(device)
        self._one = pinned_empty(1, np.int64, device)
        self._one[0] = 1
        self._given = {
            name: to_device(value, device) if isinstance(value, np.ndarray) else value
            for name, value in passed_to_all(job).items()
        }
        self._given["stop"] = stop

    def go(self, host: _Host, chunks: list[_Chunk], slots: list[_Slot]) -> None:
        """Send chunks through slots in turn."""
        for number, chunk in enumerate(chunks):
            slot = slots[number % len(slots)]
            self._finish(host, slot)
            self._start(host, slot, chunk)
        for number in range(len(slots)):
            self._finish(host, slots[(len(chunks) + number) % len(slots)])

    def abort(self, slots: list[_Slot]) -> None:
        """Make running kernels return, and wait for them: they write into memory that is reused."""
        one, aside = self._one, self._aside
        call = self._device.driver.call
        call("cuMemcpyHtoDAsync", self._stop.address, one.ctypes.data, one.nbytes, aside.handle)
        aside.synchronize()
        for slot in slots:
            slot.stream.synchronize()
            slot.chunk = None

    def _start(self, host: _Host, slot: _Slot, chunk: _Chunk) -> None:
        plan, batch, call = self._job.plan, self._job.batch, self._device.driver.call
        stream, runs = slot.stream.handle, chunk.runs
        size = batch.chunk_size(runs)
        values = slot.on_host("values", (size,), self._real)
        sources = slot.on_host("sources", (PARTS * len(batch.columns),), np.int64)
        given: dict[str, Any] = {**self._given, "share": 1}
        here = filled(self._job, chunk.begin, chunk.end, values, sources)
        apart = strides(self._job, runs, run_is_last=True)
        here["strides"] = slot.on_host("strides", apart.shape, np.int64)
        here["strides"][:] = apart
        for name, value in here.items():
            if isinstance(value, int):
                given[name] = value
                continue
            given[name] = there = slot.on_device(name, value.shape, value.dtype)
            call("cuMemcpyHtoDAsync", there.address, value.ctypes.data, value.nbytes, stream)
        nothing = slot.on_device("nothing", (0,), self._real)
        results = {
            name: slot.on_device(name, (*array.shape[:-1], runs), array.dtype)
            for name, array in host.arrays.items()
        }
        call("cuMemsetD8Async", results[STATUS].address, RUNNING & 0xFF, runs, stream)
        given |= results
        passed = [given.get(each.name, nothing) for each in arguments(compiled(plan))]
        self._kernel.launch(runs, passed, slot.stream, BLOCK)
        for name, array in host.arrays.items():
            if array.size:
                self._fetch(host, slot, name, results[name], chunk)
        call("cuEventRecord", slot.event, stream)
        slot.chunk = chunk

    def _fetch(
        self, host: _Host, slot: _Slot, name: str, there: DeviceArray, chunk: _Chunk
    ) -> None:
        """Copy rows of a chunk to their place among all trajectories."""
        here = host.arrays[name]
        bindings, item = self._device.driver.bindings, here.dtype.itemsize
        if host.is_pinned:
            before = (chunk.begin - host.begin) * item
            target, pitch = here.ctypes.data + before, here.shape[-1] * item
        else:
            stage = slot.on_host(name, there.shape, here.dtype)
            target, pitch = stage.ctypes.data, chunk.runs * item
        copy = bindings.CUDA_MEMCPY2D()
        copy.srcMemoryType = bindings.CUmemorytype.CU_MEMORYTYPE_DEVICE
        copy.srcDevice, copy.srcPitch = there.address, chunk.runs * item
        copy.dstMemoryType = bindings.CUmemorytype.CU_MEMORYTYPE_HOST
        copy.dstHost, copy.dstPitch = target, pitch
        copy.WidthInBytes = chunk.runs * item
        copy.Height = there.size // chunk.runs
        self._device.driver.call("cuMemcpy2DAsync", copy, slot.stream.handle)

    def _finish(self, host: _Host, slot: _Slot) -> None:
        """Wait for a slot's chunk, and take its results."""
        chunk = slot.chunk
        if chunk is None:
            return
        began = time.perf_counter()
        # Asked again and again, so that Ctrl-C is seen; with naps once it takes long.
        while not slot.is_done():
            if time.perf_counter() - began > SPIN_S:
                time.sleep(NAP_S)
        slot.chunk = None
        if not host.is_pinned:
            place = slice(chunk.begin - host.begin, chunk.end - host.begin)
            for name, here in host.arrays.items():
                if here.size:
                    shape = (*here.shape[:-1], chunk.runs)
                    here[..., place] = slot.on_host(name, shape, here.dtype)
        if self._advance is not None:
            self._advance(chunk.runs)
