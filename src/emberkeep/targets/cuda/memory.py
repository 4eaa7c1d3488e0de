"""Arrays on a device: to it, from it, and those of others."""

from __future__ import annotations

import os
import sys

from emberkeep.errors import EmberkeepError, InvalidArgument
from emberkeep.startup_records import final
from emberkeep.targets.cuda.driver import open_device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import numpy as np

    from emberkeep.targets.cuda.driver import Device

# Above this, pageable memory is copied through pinned buffers: the driver's own way is slower. They
# are small, and not made for less, because to pin memory takes longer than to copy as much.
STAGED_BYTES = 32 << 20
STAGE_BYTES = 4 << 20


@final
class Stream:
    """Work that is done in the order in which it was given, beside other streams."""

    def __init__(self, device: Device | None = None) -> None:
        self.device = device or open_device()
        self.handle = self.device.driver.call("cuStreamCreate", 1)  # not tied to stream 0

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(f"A {type(self).__name__} belongs to this process, and cannot be copied")

    def synchronize(self) -> None:
        """Wait until all that was given so far is done."""
        self.device.activate()
        self.device.driver.call("cuStreamSynchronize", self.handle)

    def __del__(self) -> None:
        handle, self.handle = getattr(self, "handle", None), None
        release(getattr(self, "device", None), "cuStreamDestroy", handle)


def handle_of(stream: Stream | int | None) -> Any:
    """The driver's handle of a stream; 0 is the default one."""
    if stream is None:
        return 0
    return stream.handle if isinstance(stream, Stream) else stream


@final
class DeviceArray:
    """Numbers on a device, in C order or with strides.

    Attributes:
        address: of its first element, on the device.
        shape: as NumPy's.
        strides: in bytes, as NumPy's.
        dtype: NumPy's.
        size: how many elements.
    """

    def __init__(
        self,
        device: Device,
        address: int,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        strides: tuple[int, ...] | None = None,
        owner: object = None,
    ) -> None:
        self.device, self.address, self.shape, self.dtype = device, address, shape, dtype
        packed = _packed_strides(shape, dtype.itemsize)
        self.strides = packed if strides is None else strides
        self.size = _product(shape)
        self.ndim = len(shape)
        self.is_c_order = self.strides == packed or self.size <= 1
        self._owner = owner  # whose memory it is; its own where that is an _Allocation

    def __repr__(self) -> str:
        return f"<DeviceArray {self.dtype}{list(self.shape)} on {self.device.name}>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(f"{self!r} belongs to this process. Pass on what copy_to_host() gives")

    @property
    def nbytes(self) -> int:
        """Bytes of its elements."""
        return self.size * self.dtype.itemsize

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """How other libraries take it, without a copy."""
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.address, False),
            "strides": None if self.is_c_order else self.strides,
            "version": 3,
        }

    def copy_to_host(self, out: np.ndarray[Any, Any] | None = None) -> np.ndarray[Any, Any]:
        """Its contents as a NumPy array, once all kernels before have run.

        Args:
            out: where to put them; an array of the same shape and dtype in C order.
        """
        import numpy as np

        if not self.is_c_order:
            raise InvalidArgument(
                "Only arrays in C order are copied from a device; this one has strides "
                f"{self.strides}. Copy the array it is a view of"
            )
        if out is None:
            out = np.empty(self.shape, self.dtype)
        elif out.shape != self.shape or out.dtype != self.dtype or not out.flags.c_contiguous:
            raise InvalidArgument(
                f"The array to copy into must be {self.dtype}{list(self.shape)} in C order; it is "
                f"{out.dtype}{list(out.shape)}"
            )
        self.device.activate()
        if self.nbytes:
            _copy(self.device, out.ctypes.data, self.address, self.nbytes, to_host=True)
        return out

    def copy_from_host(self, array: np.ndarray[Any, Any]) -> None:
        """Take the contents of a NumPy array of the same shape."""
        import numpy as np

        source = np.ascontiguousarray(array, self.dtype).reshape(np.shape(array))
        if source.shape != self.shape or not self.is_c_order:
            raise InvalidArgument(
                f"An array {list(source.shape)} cannot be copied to {self!r}; shapes must agree "
                "and the one on the device be in C order"
            )
        self.device.activate()
        if self.nbytes:
            _copy(self.device, source.ctypes.data, self.address, self.nbytes, to_host=False)


@final
class _Allocation:
    """A piece of a device's memory; freed when nobody holds it."""

    def __init__(self, device: Device, size_bytes: int) -> None:
        self.device = device
        self.address = 0
        self.process = os.getpid()
        # Nothing is a size too: it gets an address of its own, as on the host.
        self.address = int(device.driver.call("cuMemAlloc", max(size_bytes, 1)))

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(f"A {type(self).__name__} belongs to this process, and cannot be copied")

    def __del__(self) -> None:
        address, self.address = self.address, 0
        release(self.device, "cuMemFree", address, self.process)


@final
class _Pinned:
    """A piece of the host's memory that the device can reach by itself."""

    def __init__(self, device: Device, size_bytes: int) -> None:
        self.device, self.size_bytes = device, max(size_bytes, 1)
        self.address = 0
        self.process = os.getpid()
        self.address = int(device.driver.call("cuMemHostAlloc", self.size_bytes, 0))

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return {
            "shape": (self.size_bytes,),
            "typestr": "|u1",
            "data": (self.address, False),
            "version": 3,
        }

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(f"A {type(self).__name__} belongs to this process, and cannot be copied")

    def __del__(self) -> None:
        address, self.address = self.address, 0
        release(self.device, "cuMemFreeHost", address, self.process)


_process = os.getpid()


def release(device: Device | None, function: str, handle: Any, process: int | None = None) -> None:
    """Give something back, unless the driver is gone: at exit, and in a forked child."""
    if device is None or not handle or sys.is_finalizing() or os.getpid() != (process or _process):
        return
    try:
        device.activate()
        device.driver.call(function, handle)
    except EmberkeepError as problem:
        import logging  # a finalizer must not raise

        logging.getLogger("emberkeep.cuda").debug("%s: %s", function, problem)


def empty_on_device(
    shape: int | tuple[int, ...], dtype: Any = "float64", device: Device | None = None
) -> DeviceArray:
    """An array on a device, with any contents.

    Raises:
        OutOfDeviceMemory: there is no room; says how much was asked and is free.
    """
    import numpy as np

    device = device or open_device()
    device.activate()
    kind = np.dtype(dtype)
    dimensions = (shape,) if isinstance(shape, int) else tuple(map(int, shape))
    allocation = _Allocation(device, _product(dimensions) * kind.itemsize)
    return DeviceArray(device, allocation.address, dimensions, kind, owner=allocation)


def to_device(array: Any, device: Device | None = None) -> DeviceArray:
    """A copy of an array on a device, in C order."""
    import numpy as np

    source = np.asarray(array)
    if source.dtype.hasobject:
        raise InvalidArgument(f"Arrays of {source.dtype} cannot be copied to a device")
    made = empty_on_device(source.shape, source.dtype, device)
    made.copy_from_host(source)
    return made


def pinned_empty(
    shape: int | tuple[int, ...], dtype: Any = "float64", device: Device | None = None
) -> np.ndarray[Any, Any]:
    """A NumPy array in pinned memory, from and to which copies are several times as fast."""
    import numpy as np

    device = device or open_device()
    kind = np.dtype(dtype)
    dimensions = (shape,) if isinstance(shape, int) else tuple(map(int, shape))
    size = _product(dimensions) * kind.itemsize
    # The array holds what owns the memory.
    return np.asarray(_Pinned(device, size))[:size].view(kind).reshape(dimensions)


def device_view(value: Any) -> DeviceArray:
    """An array on a device, of this or another library, without a copy.

    Raises:
        InvalidArgument: it is none.
    """
    if isinstance(value, DeviceArray):
        return value
    import numpy as np

    interface: Any = getattr(value, "__cuda_array_interface__", None)
    if interface is None:
        raise InvalidArgument(
            f"A {type(value).__qualname__} was passed beside arrays on a device. Pass all arrays "
            "on the device: emberkeep.to_device(array)"
        )
    strides = interface.get("strides")
    device = open_device()
    stream = interface.get("stream")
    if stream not in (None, _DEFAULT_STREAM):  # what makes it may still be under way there
        device.driver.call("cuStreamSynchronize", stream)
    return DeviceArray(
        device,
        int(interface["data"][0]),
        tuple(interface["shape"]),
        np.dtype(interface["typestr"]),
        None if strides is None else tuple(strides),
        owner=value,
    )


_DEFAULT_STREAM = 1  # as the protocol numbers it; kernels are launched there too

# Copying ------------------------------------------------------------------------------------------

# By device, while nobody copies by way of them.
_stages: dict[int, tuple[_Pinned, _Pinned]] = {}


def _copy(device: Device, host: int, there: int, size: int, *, to_host: bool) -> None:
    """Copy and wait. Much pageable memory goes by way of two pinned buffers, in turn."""
    driver = device.driver
    # Kernels in streams of their own may still write what is read here, or read what is replaced.
    driver.call("cuCtxSynchronize")
    if size < STAGED_BYTES or _is_pinned(device, host):
        if to_host:
            driver.call("cuMemcpyDtoH", host, there, size)
        else:
            driver.call("cuMemcpyHtoD", there, host, size)
        return
    import ctypes

    stages = _stages.pop(device.ordinal, None)  # taken: another thread makes its own
    if stages is None or stages[0].process != os.getpid():
        stages = (_Pinned(device, STAGE_BYTES), _Pinned(device, STAGE_BYTES))
    stream = Stream(device)
    events = [driver.call("cuEventCreate", 2) for _ in stages]  # without timing
    try:
        waiting: list[tuple[int, int] | None] = [None, None]
        for turn, begin in enumerate(range(0, size, STAGE_BYTES)):
            which, length = turn % 2, min(STAGE_BYTES, size - begin)
            stage = stages[which].address
            if turn >= len(stages):
                driver.call("cuEventSynchronize", events[which])
            if to_host:
                _drain(waiting, which, host, stage)
                driver.call("cuMemcpyDtoHAsync", stage, there + begin, length, stream.handle)
                waiting[which] = (begin, length)
            else:
                ctypes.memmove(stage, host + begin, length)
                driver.call("cuMemcpyHtoDAsync", there + begin, stage, length, stream.handle)
            driver.call("cuEventRecord", events[which], stream.handle)
        stream.synchronize()
        for which, stage in enumerate(stages):
            _drain(waiting, which, host, stage.address)
    finally:
        for event in events:
            driver.call("cuEventDestroy", event)
    _stages[device.ordinal] = stages


def _drain(waiting: list[tuple[int, int] | None], which: int, host: int, stage: int) -> None:
    """Take out of a buffer what has arrived there."""
    import ctypes

    arrived, waiting[which] = waiting[which], None
    if arrived is not None:
        begin, length = arrived
        ctypes.memmove(host + begin, stage, length)


_MEMORY_TYPE, _HOST_MEMORY = 2, 1


def _is_pinned(device: Device, address: int) -> bool:
    """Whether the driver knows this memory of the host."""
    attribute = device.driver.bindings.CUpointer_attribute(_MEMORY_TYPE)
    code, kind = device.driver.bindings.cuPointerGetAttribute(attribute, address)
    return not code and int(kind) == _HOST_MEMORY


def _packed_strides(shape: tuple[int, ...], item_size: int) -> tuple[int, ...]:
    strides: list[int] = []
    step = item_size
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))


def _product(shape: tuple[int, ...]) -> int:
    result = 1
    for length in shape:
        result *= length
    return result
