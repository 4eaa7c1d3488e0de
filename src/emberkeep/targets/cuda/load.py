"""Loading and launching a cubin."""

from __future__ import annotations

import ctypes
import struct
import zlib
from struct import Struct

from emberkeep.errors import EmberkeepError, InvalidArgument, Unloadable
from emberkeep.startup_records import final
from emberkeep.targets.cuda.architecture import capability, runs_on
from emberkeep.targets.cuda.memory import release

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.targets.cuda.driver import Device

_HEADER = Struct("<16sHHIQQQI")
_CUDA = 190  # ELF's number of the machine
_BUFFER, _SIZE, _END = 1, 2, 0  # how the driver is told of packed parameters
MOST_THREADS = 1024
FREE_SHARED_BYTES = 48 << 10  # of a block; a kernel is to ask for more


@final
class CudaFunction:
    """A loaded kernel; its module stays loaded as long as it is held."""

    def __init__(self, device: Device, module: Any, function: Any) -> None:
        self._device = device
        self._module, self._function = module, function
        self._most_shared_bytes = FREE_SHARED_BYTES
        self._launch = device.driver.bindings.cuLaunchKernel

    def launch(
        self, blocks: int, threads: int, packed: bytes, stream: Any = 0, shared_bytes: int = 0
    ) -> None:
        """Launch with packed parameters; returns before it has run.

        Args:
            blocks: how many.
            threads: of each.
            packed: the parameters, as the kernel has them.
            stream: where it waits for its turn.
            shared_bytes: memory that the threads of a block share.

        Raises:
            EmberkeepError: the driver refused; says why.
        """
        size = len(packed)
        buffer = (ctypes.c_char * size).from_buffer_copy(packed)
        length = ctypes.c_size_t(size)
        extra = (ctypes.c_void_p * 5)(
            _BUFFER, ctypes.addressof(buffer), _SIZE, ctypes.addressof(length), _END
        )
        self._device.activate()
        if shared_bytes > self._most_shared_bytes:
            driver = self._device.driver
            wanted = driver.bindings.CUfunction_attribute
            most = wanted.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            driver.call("cuFuncSetAttribute", self._function, most, shared_bytes)
            self._most_shared_bytes = shared_bytes
        end = ctypes.addressof(extra)
        (code,) = self._launch(
            self._function, blocks, 1, 1, threads, 1, 1, shared_bytes, stream, 0, end
        )
        if code:
            self._device.driver.call("cuCtxGetDevice")  # an earlier failure says more, if any
            raise EmberkeepError(
                f"The kernel could not be launched with {blocks} blocks of {threads} threads: "
                f"CUDA's error {int(code)}"
            )

    def __del__(self) -> None:
        release(self._device, "cuModuleUnload", self._module)


def load_cubin(
    device: Device, cubin: bytes, entry: str, architecture: str, minimum_driver: tuple[int, int]
) -> CudaFunction:
    """Load a cubin, having checked that it can run here.

    Raises:
        Unloadable: it is for another architecture or a newer driver, or is no cubin.
    """
    check_cubin(device, cubin, architecture, minimum_driver)
    driver = device.driver
    device.activate()
    try:
        module = driver.call("cuModuleLoadData", cubin)
        function = driver.call("cuModuleGetFunction", module, entry.encode())
    except EmberkeepError as problem:
        raise Unloadable(f"The driver does not load it: {problem}") from problem
    return CudaFunction(device, module, function)


def check_cubin(
    device: Device, cubin: bytes, architecture: str, minimum_driver: tuple[int, int]
) -> None:
    """Judge whether a cubin can run here.

    Raises:
        Unloadable: it is for another architecture or a newer driver, or is no cubin.
    """
    found = cubin_architecture(cubin)
    if found != architecture:
        raise Unloadable(f"It says that it is for {architecture}, and is a cubin for {found}")
    if not runs_on(architecture, device.capability):
        major, minor = capability(architecture)
        raise Unloadable(
            f"It is for {architecture}, which needs a device of compute capability {major}.x, at "
            f"least {major}.{minor}; {device.name} has "
            f"{device.capability[0]}.{device.capability[1]}"
        )
    if device.driver_version < minimum_driver:
        raise Unloadable(
            f"It was linked for CUDA {minimum_driver[0]}.{minimum_driver[1]}, and the driver here "
            f"knows CUDA {device.driver_version[0]}.{device.driver_version[1]}. Update the driver"
        )


def compress(cubin: bytes) -> bytes:
    """A cubin as it is kept: a quarter of its size, and back in a tenth of a millisecond."""
    return zlib.compress(cubin, 9)


def expand(content: bytes, size_bytes: int) -> bytes:
    """The cubin that was compressed, of a size that is known beforehand.

    Raises:
        Unloadable: it is no such content.
    """
    reader = zlib.decompressobj()
    try:
        cubin = reader.decompress(content, size_bytes + 1)
    except zlib.error as problem:
        raise Unloadable(f"It is no cubin: {problem}") from None
    if len(cubin) != size_bytes or not reader.eof:
        raise Unloadable(f"The cubin is cut short: {len(cubin)} of {size_bytes} bytes")
    return cubin


def cubin_architecture(cubin: bytes) -> str:
    """What a cubin says it is for.

    Raises:
        Unloadable: it is no cubin.
    """
    try:
        header = _HEADER.unpack_from(cubin)
    except struct.error as problem:
        raise Unloadable(f"It is no cubin: {problem}") from None
    if header[0][:6] != b"\x7fELF\x02\x01" or header[2] != _CUDA:
        raise Unloadable("It is no cubin: it does not begin like one")
    version = header[7] >> 8 & 0xFF
    if len(cubin) < header[6] + 1 or (header[5] >= len(cubin) and header[6] >= len(cubin)):
        raise Unloadable("The cubin is cut short")
    return f"sm_{version}"


def grid(count: int, block: int) -> int:
    """How many blocks cover `count` indices.

    Raises:
        InvalidArgument: a block cannot be as large.
    """
    if not 1 <= block <= MOST_THREADS:
        raise InvalidArgument(
            f"A block of {block} threads is not possible; choose from 1 to {MOST_THREADS}"
        )
    return -(-count // block)
