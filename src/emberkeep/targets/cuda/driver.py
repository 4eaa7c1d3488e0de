"""CUDA's driver: calls that are checked, and what the device is.

`cuda.bindings` is all that is imported; it takes 20 ms, where numba-cuda takes half a second. The
device's primary context is used, which numba, CuPy, PyTorch and JAX share.
"""

from __future__ import annotations

import os
import threading

from emberkeep.errors import EmberkeepError, OutOfDeviceMemory, TargetUnavailable
from emberkeep.startup_records import final, frozen
from emberkeep.targets.cuda.compiler import look_ahead

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NO_BINARY_FOR_DEVICE, INVALID_IMAGE, OUT_OF_MEMORY = 209, 200, 2
NO_DEVICE, SYSTEM_DRIVER_MISMATCH, NOT_FOUND = 100, 803, 500
INSUFFICIENT_DRIVER, UNSUPPORTED_PTX = 35, 222
_MAJOR, _MINOR = 75, 76  # attributes of a device: its compute capability
OLDEST_DRIVER = (12, 0)
MIB = 1 << 20


@final
class Driver:
    """The driver's functions, each of them checked.

    Args:
        bindings: what has them: `cuda.bindings.driver`, or a stand-in for it.
    """

    def __init__(self, bindings: Any) -> None:
        self.bindings = bindings
        self._unchecked: dict[str, Any] = {}

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function of the driver; its result, or its results as a tuple.

        Raises:
            OutOfDeviceMemory: the device has no room.
            TargetUnavailable: the driver or the device cannot do this at all.
            EmberkeepError: it failed in another way.
        """
        function = self._unchecked.get(name)
        if function is None:
            function = self._unchecked[name] = getattr(self.bindings, name)
        code, *results = function(*arguments)
        if code:
            raise self._error(name, int(code))
        return results[0] if len(results) == 1 else tuple(results) or None

    def _error(self, name: str, code: int) -> EmberkeepError:
        text = f"{name} failed with {self._name(code)}"
        if code == OUT_OF_MEMORY:
            return OutOfDeviceMemory(f"The device has no room left: {text}. {self._room()}")
        if code == NO_DEVICE:
            return TargetUnavailable(
                f"There is no GPU that this process may use ({text}). Check nvidia-smi and "
                "CUDA_VISIBLE_DEVICES, or run on the CPU"
            )
        if code in (INSUFFICIENT_DRIVER, SYSTEM_DRIVER_MISMATCH):
            return TargetUnavailable(
                f"NVIDIA's driver is too old or does not match its libraries ({text}). Update the "
                f"driver to one for CUDA {OLDEST_DRIVER[0]} or newer"
            )
        return EmberkeepError(f"CUDA: {text}")

    def _name(self, code: int) -> str:
        """CUDA's name of an error."""
        try:
            return f"{self.bindings.CUresult(code).name} ({code})"
        except (ValueError, AttributeError):
            return f"error {code}"

    def _room(self) -> str:
        code, *memory = self.bindings.cuMemGetInfo()
        if code or len(memory) != 2:  # noqa: PLR2004 - free and total
            return "Pass smaller batches, or free arrays that are no longer needed"
        free, total = memory
        return (
            f"Of {total / MIB:,.0f} MiB, {free / MIB:,.0f} are free. Pass smaller batches, or free "
            "arrays that are no longer needed"
        )


@final
@frozen
class Device:
    """A GPU whose primary context is in use.

    Attributes:
        driver: its driver.
        ordinal: its number among those that this process sees.
        name: what its maker calls it.
        capability: its compute capability, such as (9, 0).
        driver_version: the newest version of CUDA that the driver knows, such as (13, 0).
        context: its primary context.
    """

    driver: Driver
    ordinal: int
    name: str
    capability: tuple[int, int]
    driver_version: tuple[int, int]
    context: Any

    @property
    def architecture(self) -> str:
        """What to compile for, such as ``sm_90``."""
        return f"sm_{self.capability[0]}{self.capability[1]}"

    def activate(self) -> None:
        """Make it the device of this thread; each thread has its own."""
        if getattr(_threads, "context", None) is not self.context:
            self.driver.call("cuCtxSetCurrent", self.context)
            _threads.context = self.context


_threads = threading.local()
_devices: dict[int, Device] = {}  # that were opened, by number; they stay open


def has_driver() -> bool:
    """Whether NVIDIA's driver is here at all; a look into the file system."""
    return (
        os.path.exists("/proc/driver/nvidia")
        or os.path.exists("/dev/nvidiactl")
        or os.path.exists("/dev/dxg")
    )


def open_device(ordinal: int | None = None) -> Device:
    """The device of this thread's current context; the first one where there is none.

    Raises:
        TargetUnavailable: there is no `cuda.bindings`, no driver or no device; says which.
    """
    if ordinal is None:
        ordinal = 0 if not _devices else next(iter(_devices))
    if ordinal not in _devices:
        bindings = _import_bindings()
        look_ahead()
        _devices[ordinal] = find_device(Driver(bindings), ordinal)
    device = _devices[ordinal]
    device.activate()
    return device


def _import_bindings() -> Any:
    try:
        from importlib import import_module

        bindings: Any = import_module("cuda.bindings.driver")
    except ImportError as problem:
        raise TargetUnavailable(
            f"Kernels on a GPU need cuda.bindings, which cannot be imported ({problem}). Install "
            "it: pip install 'emberkeep[cuda]'; or pass NumPy arrays, to run on the CPU"
        ) from problem
    return bindings


def find_device(driver: Driver, ordinal: int) -> Device:
    """Start the driver and look at a device.

    Raises:
        TargetUnavailable: says what was found and what is needed.
    """
    try:
        driver.call("cuInit", 0)
    except RuntimeError as problem:  # cuda.bindings raises where it finds no driver library
        if isinstance(problem, EmberkeepError):
            raise
        raise TargetUnavailable(
            f"NVIDIA's driver is not installed here: {str(problem).rstrip('.')}. Run on the CPU, "
            "or on a machine with a GPU; building kernels for one needs none"
        ) from problem
    version = int(driver.call("cuDriverGetVersion"))
    known = version // 1000, version % 1000 // 10
    if known < OLDEST_DRIVER:
        raise TargetUnavailable(
            f"NVIDIA's driver here knows CUDA {known[0]}.{known[1]}, and at least "
            f"{OLDEST_DRIVER[0]}.{OLDEST_DRIVER[1]} is needed. Update the driver"
        )
    count = int(driver.call("cuDeviceGetCount"))
    if not 0 <= ordinal < count:
        raise TargetUnavailable(
            f"There is no GPU number {ordinal}: this process sees {count}. Check nvidia-smi and "
            "CUDA_VISIBLE_DEVICES"
        )
    handle = driver.call("cuDeviceGet", ordinal)
    attribute = driver.bindings.CUdevice_attribute
    major, minor = (
        int(driver.call("cuDeviceGetAttribute", attribute(number), handle))
        for number in (_MAJOR, _MINOR)
    )
    name = driver.call("cuDeviceGetName", 128, handle)
    text = name.split(b"\0")[0].decode() if isinstance(name, bytes) else str(name)
    context = driver.call("cuDevicePrimaryCtxRetain", handle)
    return Device(driver, ordinal, text, (major, minor), known, context)
