"""Running on a GPU: chunks of trajectories, so that copies and computing overlap."""

from __future__ import annotations

import math
import time
from _thread import allocate_lock
from itertools import pairwise

import numpy as np

from emberkeep.errors import EmberkeepError
from emberkeep.ode.running.job import Job, Outcome, Runner
from emberkeep.ode.running.kernels import Kernels
from emberkeep.ode.running.passed import PARTS, filled, passed_to_all, strides
from emberkeep.ode.running.pinned import MOST_PINNED_BYTES, PinnedPool
from emberkeep.ode.status import RUNNING, SUCCESS
from emberkeep.startup_records import final, frozen
from emberkeep.targets.cpu.threads import default_threads
from emberkeep.targets.cuda.driver import open_device
from emberkeep.targets.cuda.memory import (
    DeviceArray,
    Stream,
    empty_on_device,
    pinned_empty,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from typing import Any

    from emberkeep.keep.keep import Keep
    from emberkeep.ode.plan import Plan
    from emberkeep.ode.running.job import Part
    from emberkeep.ode.running.kernels import Loaded
    from emberkeep.targets.cpu.threads import Started
    from emberkeep.targets.cuda.driver import Device
    from emberkeep.targets.protocol import Target

    Values = np.ndarray[Any, Any]

SLOTS = 3  # one is filled and copied to, one computes, one is copied from
CHUNKS = 4  # of a large batch: each costs the host some tenths of a millisecond
ALIGNMENT = 256  # of arrays side by side, in bytes
MOST_COPYING = 4  # threads that write down what trajectories begin with
LEAST_CHUNK = 1 << 18  # trajectories: fewer would not keep a large device busy
SHARE_OF_MEMORY = 0.8
BLOCK, LANES = 128, 32
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
class _Memory:
    """Memory by name, on a device and beside it, which is used again and again."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._there: dict[str, DeviceArray] = {}
        self._here: dict[str, Values] = {}

    def on_device(self, name: str, shape: tuple[int, ...], dtype: Any) -> DeviceArray:
        """Memory of the device, reused where it is large enough."""
        kind = np.dtype(dtype)
        size = math.prod(shape) * kind.itemsize
        held = self._there.get(name)
        if held is None or held.size < size:
            self._there.pop(name, None)  # freed first: there may be no room for both
            del held
            held = self._there[name] = empty_on_device(max(size, 1), np.uint8, self._device)
        return DeviceArray(self._device, held.address, shape, kind, owner=held)

    def on_host(self, name: str, shape: tuple[int, ...], dtype: Any) -> Values:
        """Pinned memory, reused where it is large enough."""
        kind = np.dtype(dtype)
        size = math.prod(shape) * kind.itemsize
        held = self._here.get(name)
        if held is None or held.size < size:
            held = self._here[name] = pinned_empty(max(size, 1), np.uint8, self._device)
        return held[:size].view(kind).reshape(shape)

    def side_by_side(self, name: str, spaces: Mapping[str, tuple[int, Any]]) -> _SideBySide:
        """Room for several arrays, by their lengths and types, to be sent at once."""
        places: dict[str, tuple[int, int, Any]] = {}
        end = 0
        for each, (length, dtype) in spaces.items():
            kind = np.dtype(dtype)
            places[each] = end, length, kind
            end += -(-length * kind.itemsize // ALIGNMENT) * ALIGNMENT
        host = self.on_host(name, (end,), np.uint8)
        there = self.on_device(name, (end,), np.uint8)
        here: dict[str, Values] = {}
        device: dict[str, DeviceArray] = {}
        for each, (begin, length, kind) in places.items():
            here[each] = host[begin : begin + length * kind.itemsize].view(kind)
            device[each] = DeviceArray(
                self._device, there.address + begin, (length,), kind, owner=there
            )
        return _SideBySide(here, device, host, there)


@final
@frozen
class _SideBySide:
    """Arrays that lie side by side in pinned memory, and so on a device."""

    here: Mapping[str, Values]
    there: Mapping[str, DeviceArray]
    host: Values
    device: DeviceArray

    def send(self, call: Callable[..., Any], stream: Any) -> None:
        """Copy all of them to the device."""
        there, here = self.device.address, self.host.ctypes.data
        call("cuMemcpyHtoDAsync", there, here, self.host.nbytes, stream)


@final
class _Shared:
    """What all chunks of a solve have in common; for one solve at a time."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self._memory = _Memory(device)
        self._stop: DeviceArray | None = None
        # For `stop`: to make them while a kernel runs would wait for its end.
        self._aside = Stream(device)
        self._one = pinned_empty(1, np.int64, device)
        self._one[0] = 1

    def given(self, passed: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments with arrays on the device; no kernel runs yet."""
        arrays: dict[str, Any] = {
            name: value for name, value in passed.items() if isinstance(value, np.ndarray)
        }
        spaces = {name: (array.size, array.dtype) for name, array in arrays.items()}
        sent = self._memory.side_by_side("given", {**spaces, "stop": (1, np.int64)})
        for name, array in arrays.items():
            sent.here[name][:] = array.ravel()
        sent.here["stop"][:] = 0
        self._stop = sent.there["stop"]
        aside = self._aside
        sent.send(self.device.driver.call, aside.handle)
        aside.synchronize()
        return {**passed, **sent.there}

    def stop(self) -> None:
        """Tell running kernels to return."""
        one, aside = self._one, self._aside
        call = self.device.driver.call
        assert self._stop is not None
        call("cuMemcpyHtoDAsync", self._stop.address, one.ctypes.data, one.nbytes, aside.handle)
        aside.synchronize()


@final
class _Slot:
    """A stream, and memory for one chunk at a time."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.stream = Stream(device)
        self.event = device.driver.call("cuEventCreate", 2)  # without timing
        self.chunk: _Chunk | None = None
        self.memory = _Memory(device)

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
        self.target = target
        self._kernels = Kernels(target, keep)
        self._shared: _Shared | None = None
        self._slots: list[_Slot] = []
        self._pool = PinnedPool()
        self._lock = allocate_lock()  # memory to work in is for one solve at a time

    @property
    def busy(self) -> int:
        """How many trajectories a large device needs."""
        return LEAST_CHUNK

    def prepare(self, plan: Plan) -> None:
        """Find or compile what runs a plan."""
        with self._lock:
            self._kernels.of(plan)

    def notes(self, plan: Plan) -> Mapping[str, Any]:
        """What a plan's kernel says of itself."""
        return self._kernels.of(plan).run.notes

    def settle(self) -> None:
        """From now on, run what is loaded."""
        self._kernels.settle()

    def run(
        self, job: Job, parts: Iterable[Part], advance: Callable[[int], None] | None
    ) -> Generator[Outcome]:
        """Integrate trajectories, part after part."""
        device = open_device()
        with self._lock:
            loaded = self._kernels.of(job.plan)
            if self._shared is None:
                self._shared = _Shared(device)
            passage = _Passage(job, loaded, self._shared, advance)
            try:
                for begin, end in parts:
                    yield self._part(job, begin, end, passage)
            except BaseException:
                passage.abort(self._slots)
                raise

    def _part(self, job: Job, begin: int, end: int, passage: _Passage) -> Outcome:
        device = open_device()
        host = self._results(job, begin, end)
        ends = _chunk_ends(end - begin, _most_at_once(device, job))
        chunks = [_Chunk(begin + first, begin + last) for first, last in pairwise([0, *ends])]
        while len(self._slots) < min(SLOTS, len(chunks)):
            self._slots.append(_Slot(device))
        may_have_failed = passage.go(host, chunks, self._slots)
        found = {name: np.moveaxis(array, -1, 0) for name, array in host.arrays.items()}
        return Outcome(found.pop(STATUS), found, may_have_failed)

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


def _most_at_once(device: Device, job: Job) -> int:
    """Trajectories of a chunk that there is memory for."""
    own = sum(table.bytes_of_a_run for table in job.drivers)
    own += 0 if job.rows is None else job.rows.run_size_bytes
    item = np.dtype(job.plan.precision).itemsize
    each = job.run_size_bytes() + len(job.batch.varied) * item + own
    free, _ = device.driver.call("cuMemGetInfo")
    return max(BLOCK, int(free * SHARE_OF_MEMORY / SLOTS / each) // BLOCK * BLOCK)


def _chunk_ends(runs: int, most: int) -> list[int]:
    """Where chunks end: as many as there is memory for, and few enough to keep the GPU busy."""
    even = max(LEAST_CHUNK, -(-runs // CHUNKS // BLOCK) * BLOCK)
    size = min(most, even)
    return [*range(size, runs, size), runs]


@final
@frozen
class _Ready:
    """A chunk with what it is passed, which is being written down beside a device."""

    slot: _Slot
    chunk: _Chunk
    sent: _SideBySide
    own: Mapping[str, Any]
    copying: Started


@final
class _Passage:
    """One solve on its way through the device."""

    def __init__(
        self, job: Job, loaded: Loaded, shared: _Shared, advance: Callable[[int], None] | None
    ) -> None:
        self._job, self._loaded, self._shared, self._advance = job, loaded, shared, advance
        self._device = shared.device
        self._real = np.dtype(job.plan.precision)
        self._spaces = job.results(loaded.plan)
        self._threads = min(MOST_COPYING, default_threads())
        self._given = {**shared.given(passed_to_all(job)), "share": 1}
        self._ready: _Ready | None = None  # what is being written down
        self._has_failures = False

    def go(self, host: _Host, chunks: list[_Chunk], slots: list[_Slot]) -> bool:
        """Send chunks through slots in turn; while one is sent, the next is written down.

        Returns:
            Whether a trajectory has failed.
        """
        self._has_failures = False
        for number, chunk in enumerate(chunks):
            if self._ready is None:
                self._ready = self._write(host, slots[number % len(slots)], chunk)
            ready = self._ready
            ready.copying.finish()  # still known to `abort`, which waits for it too
            self._ready = None
            following, other = number + 1, slots[(number + 1) % len(slots)]
            if following < len(chunks) and (other.chunk is None or other.is_done()):
                self._ready = self._write(host, other, chunks[following])
            self._send(host, ready)
        for number in range(len(slots)):
            self._finish(host, slots[(len(chunks) + number) % len(slots)])
        return self._has_failures

    def abort(self, slots: list[_Slot]) -> None:
        """Make running kernels return, and wait for them: they write into memory that is reused."""
        self._shared.stop()
        if self._ready is not None:
            self._ready.copying.finish()
        for slot in slots:
            slot.stream.synchronize()
            slot.chunk = None

    def _write(self, host: _Host, slot: _Slot, chunk: _Chunk) -> _Ready:
        """Begin to write down what a chunk's trajectories begin with."""
        self._finish(host, slot)
        batch, runs = self._job.batch, chunk.runs
        apart = strides(self._job, self._spaces, runs, run_is_last=True)
        sent = slot.memory.side_by_side(
            "given",
            {
                "values": (batch.chunk_size(runs), self._real),
                "sources": (PARTS * len(batch.columns), np.int64),
                "strides": (apart.size, np.int64),
            },
        )
        sent.here["strides"][:] = apart
        values, sources = sent.here["values"], sent.here["sources"]
        own, copies = filled(self._job, chunk.begin, chunk.end, values, sources)
        return _Ready(slot, chunk, sent, own, copies.start(self._threads))

    def _send(self, host: _Host, ready: _Ready) -> None:
        """Give a chunk to its stream: arguments, the kernel, and copies of its results."""
        slot, chunk, sent, own = ready.slot, ready.chunk, ready.sent, ready.own
        call, memory = self._device.driver.call, slot.memory
        stream, runs = slot.stream.handle, chunk.runs
        sent.send(call, stream)
        given: dict[str, Any] = {**self._given, **own, **sent.there}
        for name, value in own.items():
            if name not in sent.there and not isinstance(value, int):
                given[name] = there = memory.on_device(name, value.shape, value.dtype)
                call("cuMemcpyHtoDAsync", there.address, value.ctypes.data, value.nbytes, stream)
        nothing = memory.on_device("nothing", (0,), self._real)
        results = {
            name: memory.on_device(name, (*array.shape[:-1], runs), array.dtype)
            for name, array in host.arrays.items()
        }
        call("cuMemsetD8Async", results[STATUS].address, RUNNING & 0xFF, runs, stream)
        given |= results
        passed = [given.get(name, nothing) for name in self._loaded.passed]
        kernel: Any = self._loaded.run  # a GPU's
        team, shared = kernel.notes.get("team", 1), kernel.notes.get("shared_bytes", 0)
        block = BLOCK if team == 1 else LANES * team
        kernel.launch(runs, passed, slot.stream, block, team=team, shared_bytes=shared)
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
            stage = slot.memory.on_host(name, there.shape, here.dtype)
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
        place = slice(chunk.begin - host.begin, chunk.end - host.begin)
        if not host.is_pinned:
            for name, here in host.arrays.items():
                if here.size:
                    shape = (*here.shape[:-1], chunk.runs)
                    here[..., place] = slot.memory.on_host(name, shape, here.dtype)
        self._has_failures |= bool(host.arrays[STATUS][place].max(initial=SUCCESS))
        if self._advance is not None:
            self._advance(chunk.runs)
