"""CUDA as a target: compiled by numba-cuda, kept as a cubin, run through the driver."""

from __future__ import annotations

from emberkeep.errors import InvalidArgument, TargetUnavailable, Unloadable
from emberkeep.startup_records import final
from emberkeep.targets.arguments import Array, parse_signature
from emberkeep.targets.call_block import ArrayRules, packer
from emberkeep.targets.cuda.architecture import capability
from emberkeep.targets.cuda.compiler import cuda_toolchain
from emberkeep.targets.cuda.driver import open_device
from emberkeep.targets.cuda.load import check_cubin, compress, expand, grid, load_cubin
from emberkeep.targets.cuda.memory import DeviceArray, device_view, handle_of
from emberkeep.targets.plain_call import PLAIN, plain_packer
from emberkeep.targets.protocol import PYTHON, PrintedSource, Runnable, Target, argument_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from emberkeep.keep.artifact import Artifact
    from emberkeep.keys.toolchain import Toolchain
    from emberkeep.targets.arguments import ArgumentType
    from emberkeep.targets.compile_times import FunctionTime
    from emberkeep.targets.cuda.load import CudaFunction
    from emberkeep.targets.cuda.memory import Stream
    from emberkeep.targets.protocol import KernelSource, Source

CUBIN = "compressed cubin"
PRINTED_ENTRY = "emberkeep_kernel"
BLOCK = 128


@final
class CudaTarget(Target):
    """GPUs of one architecture.

    Args:
        architecture: such as ``sm_90``; none need be here, unless kernels are to be run.
    """

    name = "cuda"

    def __init__(self, architecture: str) -> None:
        capability(architecture)  # says what is wrong with it
        self._architecture = architecture

    @staticmethod
    def of_this_machine() -> CudaTarget:
        """The architecture of the GPU that is here."""
        return CudaTarget(open_device().architecture)

    @property
    def architecture(self) -> str:
        """Such as ``sm_90``."""
        return self._architecture

    def for_this_machine(self) -> CudaTarget:
        """The architecture of the GPU that is here."""
        return CudaTarget.of_this_machine()

    def ingredients(self) -> Mapping[str, object]:
        """The architecture."""
        return {"target": "cuda", "architecture": self._architecture}

    def toolchain(self, own: Sequence[str] = (), language: str = PYTHON) -> Toolchain:
        """NVIDIA's libraries and our own code; and numba-cuda, unless all of it is printed."""
        return cuda_toolchain(own, language)

    def vocabulary(self) -> Mapping[str, object]:
        """numba-cuda's own, under the names that everyone calls them by."""
        try:
            from numba import cuda
            from numba.cuda import libdevice
        except ImportError as problem:
            raise TargetUnavailable(
                f"Compiling for {self._architecture} needs numba-cuda, which cannot be imported "
                f"({problem}). Install it: pip install 'emberkeep[numba-cuda]'"
            ) from problem
        return {"cuda": cuda, "libdevice": libdevice}

    def compile(self, source: Source) -> Mapping[str, object]:
        """Compile and link to a cubin; needs no GPU."""
        if isinstance(source, PrintedSource):
            return self._compile_printed(source)
        compiler = self._compiler(source)
        from emberkeep.targets.indexed_arrays import indexed_arrays

        cubin, minimum_driver = compiler.lower(source, self._architecture)
        layout = {
            "name": source.name,
            "entry": compiler.ENTRY,
            "types": [str(known) for known in source.types],
            "arguments": list(argument_names(source.function)),
            "architecture": self._architecture,
            "minimum_driver": list(minimum_driver),
            "indexed": list(indexed_arrays(source)),
            "size_bytes": len(cubin),
            "notes": dict(source.notes),
        }
        readable = {"source": source.text} if source.text else {}
        return {CUBIN: compress(cubin), "layout": layout, **readable}

    def _compile_printed(self, source: PrintedSource) -> Mapping[str, object]:
        """Compile what is CUDA C++ already."""
        try:
            from emberkeep.targets.cuda.nvrtc import compile_source
        except ImportError as problem:
            raise TargetUnavailable(
                f"The kernel {source.name!r} is not kept yet for {self._architecture}, and "
                f"compiling it needs cuda.bindings, which cannot be imported ({problem}). Install "
                "it: pip install 'emberkeep[cuda]'"
            ) from problem
        cubin, minimum_driver = compile_source(source, self._architecture)
        layout = {
            "name": source.name,
            "call": PLAIN,
            "entry": PRINTED_ENTRY,
            "types": [kind for _, kind in source.arguments],
            "arguments": [name for name, _ in source.arguments],
            "architecture": self._architecture,
            "minimum_driver": list(minimum_driver),
            "size_bytes": len(cubin),
            "notes": dict(source.notes),
        }
        return {CUBIN: compress(cubin), "layout": layout, "source": source.text}

    def isolated_times(self, source: KernelSource) -> Sequence[FunctionTime]:
        """Each function compiled to PTX alone."""
        return self._compiler(source).isolated_times(source, self._architecture)

    def _compiler(self, source: KernelSource) -> Any:
        """The module that compiles, with numba-cuda behind it."""
        try:
            from emberkeep.targets.cuda import lower
        except ImportError as problem:
            raise TargetUnavailable(
                f"The kernel {source.name!r} is not kept yet for {self._architecture}, and "
                f"compiling it needs numba-cuda, which cannot be imported ({problem}). Install it: "
                "pip install 'emberkeep[numba-cuda]'"
            ) from problem
        return lower

    def check(self, artifact: Artifact) -> None:
        """Judge its architecture, and the driver that it needs."""
        layout: Any = artifact.layout
        cubin = _cubin_of(artifact)
        check_cubin(open_device(), cubin, layout["architecture"], tuple(layout["minimum_driver"]))

    def load(self, artifact: Artifact) -> Runnable:
        """Check that the device can run it, then load it."""
        layout: Any = artifact.layout
        cubin = _cubin_of(artifact)
        function = load_cubin(
            open_device(),
            cubin,
            layout["entry"],
            layout["architecture"],
            tuple(layout["minimum_driver"]),
        )
        if layout.get("call") == PLAIN:
            pack = plain_packer(
                ["int64", *layout["types"]], ["count", *layout["arguments"]], _address_on_device
            )
            return CudaKernel(function, pack, layout["notes"])
        types = parse_signature(", ".join(layout["types"]))
        # The kernel's first parameter is the number of indices.
        pack = packer(
            parse_signature(", ".join(["int64", *layout["types"]])),
            ["count", *layout["arguments"]],
            _device_rules(types),
            [position + 1 for position in layout["indexed"]],
        )
        return CudaKernel(function, pack, layout["notes"])


def _cubin_of(artifact: Artifact) -> bytes:
    layout: Any = artifact.layout
    if CUBIN not in artifact.blobs:
        raise Unloadable("It was not compiled for a GPU")
    return expand(artifact.blobs[CUBIN], layout["size_bytes"])


@final
class CudaKernel(Runnable):
    """A kernel on the device."""

    def __init__(
        self,
        function: CudaFunction,
        pack: Callable[[Sequence[Any], int], bytes],
        notes: Mapping[str, Any],
    ) -> None:
        self._function = function
        self._pack = pack
        self.notes = notes

    def __call__(self, count: int, arguments: Sequence[Any], *, unchecked: bool = False) -> None:
        """Launch it in the default stream."""
        self.launch(count, arguments, unchecked=unchecked)

    def launch(
        self,
        count: int,
        arguments: Sequence[Any],
        stream: Stream | int | None = None,
        block: int = BLOCK,
        *,
        team: int = 1,
        shared_bytes: int = 0,
        unchecked: bool = False,
    ) -> None:
        """Launch it for every index below `count`; returns before it has run.

        Args:
            count: how many indices.
            arguments: what it is passed.
            stream: where it waits for its turn.
            block: how many threads a block has.
            team: how many threads of a block work on an index.
            shared_bytes: memory that the threads of a block share.
            unchecked: whether arrays may be shorter than `count`.
        """
        if count <= 0:
            return
        blocks = grid(count * team, block)
        passed = [count, *map(_passable, arguments)]
        packed = self._pack(passed, 0 if unchecked else count)
        self._function.launch(blocks, block, packed, handle_of(stream), shared_bytes)


def _address_on_device(array: Any) -> int:
    if not array.is_c_order:
        raise InvalidArgument("An array must be in C order")
    return array.address


_PLAIN = frozenset({int, float, bool, complex, DeviceArray})


def _passable(value: Any) -> Any:
    """Numbers and our own arrays as they are; those of other libraries as ours."""
    if type(value) in _PLAIN or not hasattr(value, "__cuda_array_interface__"):
        return value
    return device_view(value)


def _device_rules(types: Sequence[ArgumentType]) -> ArrayRules:
    """How kernels on a device take arrays; positions count the number of indices too."""
    import numpy as np

    arrays = {
        position: known for position, known in enumerate(types, 1) if isinstance(known, Array)
    }
    dtypes = {f"dtype{position}": np.dtype(known.dtype) for position, known in arrays.items()}

    def misfit(name: str, position: int) -> str:
        order = f" or not {name}.is_c_order" if arrays[position].layout == "C" else ""
        return (
            f"{name}.__class__ is not DeviceArray or {name}.dtype != dtype{position} or "
            f"{name}.ndim != {arrays[position].dimensions}{order}"
        )

    def problem(value: Any, position: int) -> str | None:
        return _problem(arrays[position], value)

    space = {"DeviceArray": DeviceArray, **dtypes}
    return ArrayRules(misfit, "{}.address".format, "{}.shape[0]".format, space, problem)


def _problem(known: Array, value: Any) -> str | None:
    """What is wrong with a value, and what to do; None where it fits."""
    expected = f"must be an array {known} on the device"
    try:
        array = device_view(value)
    except InvalidArgument as problem:
        return f"{expected}. {problem}"
    if str(array.dtype) != known.dtype or array.ndim != known.dimensions:
        return f"{expected}; it has dtype {array.dtype} and {array.ndim} dimensions"
    if known.layout == "C" and not array.is_c_order:
        return f"{expected} in C order; its strides are {array.strides}. Declare ':', not '::1'"
    return None
