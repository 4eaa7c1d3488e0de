"""Functions of the user's for GPUs, to be linked to a kernel that was printed.

Each is compiled by numba-cuda alone, with all that it calls, to what NVIDIA's linker optimises
together with the kernel (LTO-IR).
"""

# numba's classes have no types.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cuda.bindings import nvjitlink
from numba import cuda
from numba.cuda import types
from numba.cuda.core.compiler_lock import global_compiler_lock

from emberkeep.errors import InvalidKernel
from emberkeep.startup_records import final, frozen
from emberkeep.targets.callees import Adapter, compiled_by
from emberkeep.targets.compile_times import compile_spans
from emberkeep.targets.cuda.architecture import capability
from emberkeep.targets.cuda.lower import REFUSALS, compiling_for, implemented
from emberkeep.targets.diagnosis import refused
from emberkeep.targets.overloads import fresh_overloads
from emberkeep.telemetry.spans import Category, span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from emberkeep.targets.protocol import PrintedSource, UserFunction


@final
@frozen
class LoweredFunction:
    """A function as numba-cuda gave it.

    Attributes:
        image: LTO-IR.
        text: CUDA C++ of what a kernel calls, by way of numba's convention: a status.
    """

    image: bytes
    text: str


def lower_functions(source: PrintedSource, architecture: str) -> list[LoweredFunction]:
    """What a kernel calls.

    Raises:
        InvalidKernel: numba-cuda cannot compile one; says where and why.
    """
    with global_compiler_lock, compiling_for(architecture), compile_spans("cuda"):
        return [_lowered(source.name, function, architecture) for function in source.functions]


def _lowered(name: str, function: UserFunction, architecture: str) -> LoweredFunction:
    def jit(callee: Any, written: Mapping[str, Any]) -> Any:
        carried = {key: written[key] for key in ("fastmath", "inline") if key in written}
        return cuda.jit(device=True, **carried)(callee)

    adapter = Adapter(compiled_by(jit, implemented()))
    body = jit(adapter.adapt(function.function), {})
    given = (*[types.float64] * function.given, types.CPointer(types.float64))
    step = span(f"generate {name}", Category.COMPILE, {"part": "generate", "target": "cuda"})
    try:
        with step, fresh_overloads(adapter.adapt):
            found = body.compile_device(given)
            image = found.library.get_ltoir(cc=capability(architecture))
    except REFUSALS as problem:
        raise refused(name, function.written, problem, "numba-cuda") from problem
    return LoweredFunction(image, _called(function, found.fndesc.llvm_func_name))


def _called(function: UserFunction, symbol: str) -> str:
    """What the kernel calls; where the function raises, all results are not-a-number."""
    kinds = "double, " * function.given
    given = "".join(f"double x{place}, " for place in range(function.given))
    passed = "".join(f"x{place}, " for place in range(function.given))
    return (
        f'extern "C" __device__ int {symbol}(void**, {kinds}double*);\n'
        f'extern "C" __device__ void {function.symbol}({given}double* results) {{\n'
        f"  void* nothing;\n  if ({symbol}(&nothing, {passed}results) == 0) return;\n"
        f"  for (int i = 0; i < {function.results}; ++i) {{\n"
        "    results[i] = __longlong_as_double(0x7ff8000000000000);\n  }\n}\n"
    )


def link(
    name: str, kernel: bytes, functions: Sequence[LoweredFunction], architecture: str
) -> bytes:
    """The cubin of a kernel and what it calls.

    Raises:
        InvalidKernel: something is missing, such as memory that is allocated as it runs.
    """
    with span(f"link {name}", Category.COMPILE, {"part": "link", "target": "cuda"}):
        linker = nvjitlink.create(2, [f"-arch={architecture}", "-lto"])
        try:
            for image in (kernel, *(function.image for function in functions)):
                nvjitlink.add_data(linker, nvjitlink.InputType.LTOIR, image, len(image), name)
            nvjitlink.complete(linker)
            cubin = bytearray(nvjitlink.get_linked_cubin_size(linker))
            nvjitlink.get_linked_cubin(linker, cubin)
        except nvjitlink.nvJitLinkError as problem:
            raise InvalidKernel(
                f"The kernel {name!r} was compiled, but nvJitLink could not link it for "
                f"{architecture}: {problem}. {_log(linker)}Functions on CUDA cannot allocate "
                "memory: they compute with numbers"
            ) from problem
        finally:
            nvjitlink.destroy(linker)
    return bytes(cubin)


def _log(linker: Any) -> str:
    text = bytearray(nvjitlink.get_error_log_size(linker))
    nvjitlink.get_error_log(linker, text)
    said = text.decode("utf-8", "replace").strip("\0\n ")
    return f"It says: {said}. " if said else ""
