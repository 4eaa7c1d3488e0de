"""A driver that keeps its device's memory on the host: for the host path, without a GPU.

It implements what emberkeep calls, in the manner of `cuda.bindings.driver`: functions return a
tuple whose first item is an error code. It can be told to fail.
"""

import ctypes
from enum import IntEnum


class CUresult(IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_INSUFFICIENT_DRIVER = 35
    CUDA_ERROR_NO_DEVICE = 100
    CUDA_ERROR_INVALID_IMAGE = 200
    CUDA_ERROR_LAUNCH_FAILED = 719


class StandIn:
    """The driver, its one device, and what happened to it."""

    CUresult = CUresult

    def __init__(self, capability=(9, 0), version=13000, memory=1 << 30, devices=1):
        self.capability, self.version, self.total, self.devices = (
            capability,
            version,
            memory,
            devices,
        )
        self.allocated, self.pinned, self.streams, self.events, self.modules = (
            {},
            {},
            set(),
            set(),
            {},
        )
        self.launches, self.calls = [], []
        self.fail_at = {}  # function → (after how many calls, error)
        self.numbers = iter(range(1000, 1_000_000))

    CUdevice_attribute = CUpointer_attribute = staticmethod(int)

    def __getattribute__(self, name):
        value = object.__getattribute__(self, name)
        if not name.startswith("cu"):
            return value

        def counted(*arguments):
            self.calls.append(name)
            after, error = self.fail_at.get(name, (None, None))
            if after is not None and self.calls.count(name) > after:
                return (error,)
            return value(*arguments)

        return counted

    def cuInit(self, flags):
        return (CUresult(0 if self.devices else 100),)

    def cuDriverGetVersion(self):
        return CUresult(0), self.version

    def cuDeviceGetCount(self):
        return CUresult(0), self.devices

    def cuDeviceGet(self, ordinal):
        return CUresult(0), ordinal

    def cuDeviceGetAttribute(self, attribute, device):
        return CUresult(0), self.capability[{75: 0, 76: 1}[attribute]]

    def cuDeviceGetName(self, length, device):
        return CUresult(0), b"Stand-in\0\0"

    def cuDevicePrimaryCtxRetain(self, device):
        return CUresult(0), "context"

    def cuCtxSetCurrent(self, context):
        return (CUresult(0),)

    def cuCtxSynchronize(self):
        return (CUresult(0),)

    def cuCtxGetDevice(self):
        return CUresult(0), 0

    def cuMemGetInfo(self):
        return CUresult(0), self.total - self.used, self.total

    @property
    def used(self):
        return sum(map(ctypes.sizeof, self.allocated.values()))

    def cuMemAlloc(self, size):
        if self.used + size > self.total:
            return (CUresult(2),)
        memory = (ctypes.c_char * size)()
        self.allocated[ctypes.addressof(memory)] = memory
        return CUresult(0), ctypes.addressof(memory)

    def cuMemFree(self, address):
        del self.allocated[address]
        return (CUresult(0),)

    def cuMemHostAlloc(self, size, flags):
        memory = (ctypes.c_char * size)()
        self.pinned[ctypes.addressof(memory)] = memory
        return CUresult(0), ctypes.addressof(memory)

    def cuMemFreeHost(self, address):
        del self.pinned[address]
        return (CUresult(0),)

    def cuPointerGetAttribute(self, attribute, address):
        inside = any(a <= address < a + ctypes.sizeof(m) for a, m in self.pinned.items())
        return (CUresult(0), 1) if inside else (CUresult(1), 0)

    def _copy(self, to, source, size, there):
        known = any(
            a <= there and there + size <= a + ctypes.sizeof(m) for a, m in self.allocated.items()
        )
        if not known:
            return (CUresult(1),)
        ctypes.memmove(to, source, size)
        return (CUresult(0),)

    def cuMemcpyHtoD(self, there, host, size):
        return self._copy(there, host, size, there)

    def cuMemcpyDtoH(self, host, there, size):
        return self._copy(host, there, size, there)

    def cuMemcpyHtoDAsync(self, there, host, size, stream):
        return self._copy(there, host, size, there)

    def cuMemcpyDtoHAsync(self, host, there, size, stream):
        return self._copy(host, there, size, there)

    def _make(self, where):
        number = next(self.numbers)
        where.add(number)
        return CUresult(0), number

    def cuStreamCreate(self, flags):
        return self._make(self.streams)

    def cuStreamDestroy(self, stream):
        self.streams.remove(stream)
        return (CUresult(0),)

    def cuStreamSynchronize(self, stream):
        return (CUresult(0 if stream in self.streams else 1),)

    def cuEventCreate(self, flags):
        return self._make(self.events)

    def cuEventDestroy(self, event):
        self.events.remove(event)
        return (CUresult(0),)

    def cuEventRecord(self, event, stream):
        return (CUresult(0),)

    def cuEventSynchronize(self, event):
        return (CUresult(0),)

    def cuModuleLoadData(self, image):
        if not image.startswith(b"\x7fELF"):
            return (CUresult(200),)
        number = next(self.numbers)
        self.modules[number] = image
        return CUresult(0), number

    def cuModuleUnload(self, module):
        del self.modules[module]
        return (CUresult(0),)

    def cuModuleGetFunction(self, module, name):
        found = name in self.modules[module]
        return (CUresult(0), (module, name)) if found else (CUresult(1), None)

    def cuLaunchKernel(self, function, gx, gy, gz, bx, by, bz, shared, stream, parameters, extra):
        pointers = (ctypes.c_void_p * 5).from_address(extra)
        assert (pointers[0], pointers[2], pointers[4]) == (1, 2, None)
        size = ctypes.c_size_t.from_address(pointers[3]).value
        self.launches.append(
            ((gx, gy, gz), (bx, by, bz), stream, ctypes.string_at(pointers[1], size))
        )
        return (CUresult(0),)
