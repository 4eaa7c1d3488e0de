"""A function on CUDA: compiled by numba-cuda to PTX and linked to a cubin, with or without a GPU.

`numba.cuda.compile` compiles for any compute capability, and nvJitLink links without a driver. One
attribute has to be stood in: device functions ask the current device what to compile for, even
where they are told.
"""

# numba's classes have no types.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

import contextlib
import re
from types import FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from cuda.bindings import nvjitlink
from numba import cuda
from numba.core.errors import NumbaError
from numba.cuda import codegen as numba_codegen
from numba.cuda import dispatcher as numba_dispatcher
from numba.cuda import types
from numba.cuda.core import entrypoints
from numba.cuda.core.compiler_lock import global_compiler_lock
from numba.cuda.core.errors import UnsupportedBytecodeError
from numba.cuda.descriptor import cuda_target

from emberkeep.errors import InvalidKernel
from emberkeep.targets.arguments import Array
from emberkeep.targets.callees import Adapter, compiled_by, refuse_results
from emberkeep.targets.compile_times import FunctionTime, compile_spans, timed
from emberkeep.targets.cuda.architecture import capability
from emberkeep.targets.diagnosis import refused
from emberkeep.targets.overloads import fresh_overloads
from emberkeep.targets.protocol import KernelSource, guard_index
from emberkeep.telemetry.spans import Category, span

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

ENTRY = "emberkeep_kernel"

# How numba-cuda and numba, whose typing it takes part in, say that they cannot compile something.
REFUSALS = (NumbaError, UnsupportedBytecodeError, AttributeError, KeyError, NotImplementedError)


@contextlib.contextmanager
def compiling_for(architecture: str) -> Generator[None]:
    """Let numba-cuda's device functions compile for an architecture, whatever device is here."""
    device = SimpleNamespace(compute_capability=capability(architecture))
    original = numba_dispatcher.get_current_device
    numba_dispatcher.get_current_device = lambda: device
    try:
        yield
    finally:
        numba_dispatcher.get_current_device = original


@contextlib.contextmanager
def linking_for(architecture: str) -> Generator[None]:
    """Let numba-cuda's own kernels compile and link for an architecture, too."""
    device = SimpleNamespace(compute_capability=capability(architecture))
    original = numba_codegen.devices
    with global_compiler_lock, compiling_for(architecture):
        numba_codegen.devices = SimpleNamespace(get_context=lambda: SimpleNamespace(device=device))
        try:
            yield
        finally:
            numba_codegen.devices = original


def lower(source: KernelSource, architecture: str) -> tuple[bytes, tuple[int, int]]:
    """The cubin of a kernel, and the oldest version of CUDA that a driver must know to run it.

    Raises:
        InvalidKernel: numba-cuda cannot compile it; says where and why.
    """
    with global_compiler_lock, compiling_for(architecture), compile_spans("cuda"):
        ptx = _compile(source, architecture)
    with span(f"link {source.name}", Category.COMPILE, {"part": "link", "target": "cuda"}):
        cubin = _link(ptx, architecture, source)
    # Within a major version, drivers run what any toolkit has linked.
    return cubin, (nvjitlink.version()[0], 0)


def _compile(source: KernelSource, architecture: str) -> str:
    body, _, adapter = _body(source)
    arguments = [_numba_type(known) for known in source.types]
    step = span(f"generate {source.name}", Category.COMPILE, {"part": "generate", "target": "cuda"})
    try:
        with step, fresh_overloads(adapter.adapt):
            ptx, _ = cuda.compile(
                guard_index(source, body, cuda),
                types.void(types.int64, *arguments),
                device=False,
                abi="numba",
                output="ptx",
                fastmath=bool(source.options.get("fastmath", False)),
                cc=capability(architecture),
            )
    except REFUSALS as problem:
        raise refused(source.name, source.function, problem, "numba-cuda") from problem
    refuse_results(
        source.name, [str(made.signature.return_type) for made in body.overloads.values()]
    )
    return _with_plain_entry(ptx)


def _body(source: KernelSource) -> tuple[Any, list[Any], Adapter]:
    """The function of an index, and all that it calls, as dispatchers; nothing is compiled yet."""
    made: list[Any] = []

    def jit(function: FunctionType, options: Mapping[str, Any]) -> Any:
        made.append(_device_function(function, source, options))
        return made[-1]

    adapter = Adapter(compiled_by(jit, implemented()))
    body = _device_function(adapter.adapt(source.function), source, {})
    return body, [*made, body], adapter


def implemented() -> Callable[[FunctionType], bool]:
    """Which functions numba-cuda has an implementation for, or somebody has registered one."""
    entrypoints.init_all()  # extensions: numba-cuda itself would load them a little later
    typing = cuda_target.typing_context
    typing.refresh()
    return lambda function: typing._get_global_type(function) is not None  # noqa: SLF001 - no other way


def isolated_times(source: KernelSource, architecture: str) -> list[FunctionTime]:
    """What each function costs by itself: compiled to PTX once more, its callees being there."""
    found: list[FunctionTime] = []
    with global_compiler_lock, compiling_for(architecture):
        body, dispatchers, _ = _body(source)
        body.compile_device((types.int64, *map(_numba_type, source.types)))
        for dispatcher in dispatchers:
            for arguments in list(dispatcher.overloads):
                seconds = timed(lambda: _compile_alone(dispatcher, arguments, architecture))  # noqa: B023
                signature = ", ".join(map(str, arguments))
                name = dispatcher.py_func.__name__
                found.append(FunctionTime(name, signature, "cuda", seconds, seconds))
    return found


def _compile_alone(dispatcher: Any, arguments: Any, architecture: str) -> None:
    cuda.compile(
        dispatcher.py_func,
        tuple(arguments),
        device=True,
        abi="numba",
        output="ptx",
        fastmath=bool(dispatcher.targetoptions.get("fastmath", False)),
        cc=capability(architecture),
    )


def _device_function(
    function: FunctionType, source: KernelSource, written: Mapping[str, Any]
) -> Any:
    """A callee; compiled when numba-cuda meets the call."""
    fastmath = bool(written.get("fastmath", source.options.get("fastmath", False)))
    options: dict[str, Any] = {"device": True, "fastmath": fastmath}
    if "inline" in written:
        options["inline"] = written["inline"]
    return cuda.jit(**options)(function)


def _numba_type(known: Any) -> Any:
    number = getattr(types, "boolean" if known.dtype == "bool" else known.dtype)
    if isinstance(known, Array):
        return types.Array(number, known.dimensions, known.layout)
    return number


_ENTRY_NAME = re.compile(r"\.entry\s+([\w$]+)\s*\(")


def _with_plain_entry(ptx: str) -> str:
    """PTX whose kernel goes by one name: numba-cuda's counts what was compiled in this process."""
    names: list[str] = _ENTRY_NAME.findall(ptx)
    assert len(names) == 1, f"expected one kernel in the PTX, found {names}"
    return re.sub(rf"(?<![\w$]){re.escape(names[0])}", ENTRY, ptx)


def _link(ptx: str, architecture: str, source: KernelSource) -> bytes:
    from cuda.core import Linker, LinkerOptions, ObjectCode

    registers = source.options.get("max_registers")
    options = LinkerOptions(arch=architecture, max_register_count=registers)
    try:
        linker = Linker(ObjectCode.from_ptx(ptx.encode()), options=options)
        code = linker.link("cubin").code
    except Exception as problem:
        raise InvalidKernel(
            f"The kernel {source.name!r} was compiled to PTX, but nvJitLink could not link it for "
            f"{architecture}: {problem}. Kernels on CUDA cannot allocate memory; pass arrays to "
            "work in as arguments"
        ) from problem
    assert isinstance(code, bytes)
    return code
