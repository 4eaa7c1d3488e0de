"""The CPU as a target: compiled by numba, kept as a shared object, run through ctypes."""

from __future__ import annotations

import ctypes
import os

from emberkeep.errors import InvalidArgument, InvalidKernel, TargetUnavailable, Unloadable
from emberkeep.keys.toolchain import toolchain
from emberkeep.startup_records import final
from emberkeep.targets.arguments import parse_signature
from emberkeep.targets.call_block import packer
from emberkeep.targets.cpu.features import LEVELS, host, missing
from emberkeep.targets.cpu.load import (
    check_object,
    check_shared_object,
    load_object_llvmlite,
    load_shared_object,
)
from emberkeep.targets.cpu.numpy_arguments import numpy_rules
from emberkeep.targets.cpu.threads import default_threads, run_on_threads
from emberkeep.targets.plain_call import PLAIN, plain_packer
from emberkeep.targets.protocol import (
    PRINTED,
    PYTHON,
    PrintedSource,
    Runnable,
    Target,
    argument_names,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from emberkeep.keep.artifact import Artifact
    from emberkeep.keys.toolchain import Toolchain
    from emberkeep.targets.compile_times import FunctionTime
    from emberkeep.targets.protocol import KernelSource, Source

ENTRY = "emberkeep_kernel"
SHARED, RELOCATABLE = (
    "shared object",
    "object",
)  # roles of the blob: linked or not

# emberkeep's own code that decides about the bytes.
OWN = (
    "emberkeep.targets.callees",
    "emberkeep.targets.arguments",
    "emberkeep.targets.cpu",
    "emberkeep.targets.indexed_arrays",
    "emberkeep.targets.overloads",
    "emberkeep.targets.protocol",
)


@final
class CpuTarget(Target):
    """This machine's processor, or a level that many have.

    Args:
        level: ``"host"``, or one of ``x86-64``, ``x86-64-v2``, ``x86-64-v3``, ``x86-64-v4``.
        threads: how many a call uses; by default as many as this process may use processors.
    """

    name = "cpu"

    def __init__(self, level: str = "host", threads: int | None = None) -> None:
        if level != "host" and level not in LEVELS:
            raise InvalidKernel(
                f"{level!r} is no level of processors; expected 'host' or one of "
                f"{', '.join(map(repr, LEVELS))}"
            )
        self._level = level
        self.threads = threads or default_threads()

    @property
    def architecture(self) -> str:
        """The level."""
        return self._level

    def for_this_machine(self) -> CpuTarget:
        """This machine's own processor."""
        return CpuTarget("host", self.threads)

    def ingredients(self) -> Mapping[str, object]:
        """The processor: for the host, what tells its kind and what it can do."""
        system = {"C library": _c_library()}
        if self._level != "host":
            return {"target": "cpu", "processor": self._level, **system}
        here = host()
        return {
            "target": "cpu",
            "processor": {
                "architecture": here.architecture,
                "vendor": here.vendor,
                "family, model, stepping": (here.family, here.model, here.stepping),
                "features": here.features,
                "CPUID": here.words,
            },
            **system,
        }

    def toolchain(self, own: Sequence[str] = (), language: str = PYTHON) -> Toolchain:
        """LLVM and our own code, which also links; and numba, unless all of it is printed."""
        packages = ("llvmlite",) if language == PRINTED else ("numba", "llvmlite")
        return toolchain(packages, own=(*OWN, *own))

    @property
    def vector_bits(self) -> int:
        """Bits of the widest vectors that the processor and the C library's functions take."""
        needed = self._needed()
        is_x86 = self._level != "host" or host().architecture == "x86-64"
        if not is_x86 or not _c_library().startswith("glibc"):
            return 0
        return 512 if "avx512f" in needed else 256 if "avx2" in needed else 128

    def vocabulary(self) -> Mapping[str, object]:
        """Nothing beyond Python's own."""
        return {}

    def compile(self, source: Source) -> Mapping[str, object]:
        """Compile and link; what cannot be linked here is kept as an object file."""
        if isinstance(source, PrintedSource):
            return self._assemble(source)
        compiler = _compiler(source)
        from emberkeep.targets.indexed_arrays import indexed_arrays

        lowered = compiler.lower(source, *compiler.processor_of(self._level))
        layout = {
            "name": source.name,
            "types": [str(known) for known in source.types],
            "arguments": list(argument_names(source.function)),
            "writes": list(lowered.written),
            "indexed": list(indexed_arrays(source)),
            "features": sorted(self._needed()),
            "notes": dict(source.notes),
        }
        readable = {"source": source.text} if source.text else {}
        return {**_linked(source.name, lowered.image), "layout": layout, **readable}

    def _assemble(self, source: PrintedSource) -> Mapping[str, object]:
        """Compile what is LLVM's assembly already."""
        try:
            from emberkeep.targets.cpu.assembly import assemble, processor_of
        except ImportError as problem:
            raise TargetUnavailable(
                f"The kernel {source.name!r} is not kept yet, and compiling it needs llvmlite, "
                f"which cannot be imported ({problem}). Install it: pip install 'emberkeep[ode]'"
            ) from problem
        image = assemble(source, *processor_of(self._level))
        layout = {
            "name": source.name,
            "call": PLAIN,
            "types": [kind for _, kind in source.arguments],
            "arguments": [name for name, _ in source.arguments],
            "features": sorted(self._needed()),
            "notes": dict(source.notes),
        }
        return {**_linked(source.name, image), "layout": layout, "source": source.text}

    def isolated_times(self, source: KernelSource) -> Sequence[FunctionTime]:
        """Each function compiled alone."""
        compiler = _compiler(source)
        return compiler.isolated_times(source, *compiler.processor_of(self._level))

    def _needed(self) -> tuple[str, ...]:
        return host().features if self._level == "host" else LEVELS[self._level]

    def check(self, artifact: Artifact) -> None:
        """Judge its features, and what its code would do."""
        require_features(artifact)
        if SHARED in artifact.blobs:
            check_shared_object(artifact.blobs[SHARED])
        else:
            check_object(artifact.blobs[RELOCATABLE])

    def load(self, artifact: Artifact) -> Runnable:
        """Check that this processor can run it, then load it."""
        require_features(artifact)
        layout: Any = artifact.layout
        if SHARED in artifact.blobs:
            address = load_shared_object(artifact.blobs[SHARED]).address(ENTRY)
        else:
            address = load_object_llvmlite(artifact.blobs[RELOCATABLE], ENTRY)
        if layout.get("call") == PLAIN:
            pack = plain_packer(layout["types"], layout["arguments"], _address)
            return CpuKernel(layout["name"], address, pack, self.threads, layout["notes"])
        types = parse_signature(", ".join(layout["types"]))
        rules = numpy_rules(types, frozenset(layout["writes"]))
        pack = packer(types, layout["arguments"], rules, layout["indexed"])
        return CpuKernel(layout["name"], address, pack, self.threads, layout["notes"])


def require_features(artifact: Artifact) -> None:
    """Refuse what is for another processor; loading it would end in an illegal instruction."""
    layout: Any = artifact.layout
    if SHARED not in artifact.blobs and RELOCATABLE not in artifact.blobs:
        raise Unloadable("It was not compiled for a processor")
    lacking = missing(layout["features"], host())
    if lacking:
        raise Unloadable(
            f"It was compiled for a processor with {', '.join(lacking)}, which this one lacks"
        )


@final
class CpuKernel(Runnable):
    """A kernel in this process's memory."""

    def __init__(
        self,
        name: str,
        address: int,
        pack: Callable[[Sequence[Any], int], bytes],
        threads: int,
        notes: Mapping[str, Any],
    ) -> None:
        self._name = name
        self._function = _PROTOTYPE(address)
        self._pack = pack
        self._threads = threads
        self.notes = notes

    def __call__(self, count: int, arguments: Sequence[Any], *, unchecked: bool = False) -> None:
        """Run it for every index below `count`, on several threads where there are several."""
        packed = self._pack(arguments, 0 if unchecked else count)
        if self._threads == 1 or count <= 1:
            answer = self._function(packed, 0, count) if count > 0 else 0
        else:
            answer = run_on_threads(self._chunk(packed, arguments), count, self._threads)
        if answer:
            from emberkeep.targets.cpu.exceptions import failure

            raise failure(self._name, answer)

    def bind(
        self, count: int, arguments: Sequence[Any], *, unchecked: bool = False
    ) -> Callable[[], None]:
        """The call with these arguments, packed once; what is in arrays is looked at each time."""
        packed = self._pack(arguments, 0 if unchecked else count)
        function, name = self._function, self._name
        chunk = self._chunk(packed, arguments)
        threads = 1 if count <= 1 else self._threads

        def call(_alive: object = arguments) -> None:
            answer = (
                function(packed, 0, count)
                if threads == 1
                else run_on_threads(chunk, count, threads)
            )
            if answer:
                from emberkeep.targets.cpu.exceptions import failure

                raise failure(name, answer)

        return call

    def _chunk(self, packed: bytes, arguments: Sequence[Any]) -> Callable[[int, int], int]:
        function = self._function

        def run(begin: int, end: int, _alive: object = arguments) -> int:
            return function(packed, begin, end)

        return run


_PROTOTYPE = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p, ctypes.c_int64, ctypes.c_int64)


def _linked(name: str, image: bytes) -> dict[str, bytes]:
    """An object file as a shared object, where we can link it."""
    from emberkeep.targets.cpu.link import Unlinkable, link
    from emberkeep.telemetry.spans import Category, span

    with span(f"link {name}", Category.COMPILE, {"part": "link", "target": "cpu"}):
        try:
            return {SHARED: link(image)}
        except Unlinkable:  # other processors, so far: LLVM links what it made, at each start
            return {RELOCATABLE: image}


def _address(array: Any) -> int:
    if not array.flags.c_contiguous:
        raise InvalidArgument("An array must be in C order")
    return array.ctypes.data


def _compiler(source: KernelSource) -> Any:
    """The module that compiles, with numba behind it."""
    try:
        from emberkeep.targets.cpu import lower
    except ImportError as problem:
        raise TargetUnavailable(
            f"The kernel {source.name!r} is not kept yet, and compiling it needs numba, which "
            f"cannot be imported ({problem}). Install it: pip install 'emberkeep[numba]'"
        ) from problem
    return lower


def _c_library() -> str:
    """Its mathematics is in folded constants, and it has these versions of functions or others."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or "unknown"
    except (AttributeError, ValueError, OSError):
        return "unknown"
