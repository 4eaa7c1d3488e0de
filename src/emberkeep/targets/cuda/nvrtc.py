"""CUDA C++ to a cubin, by NVIDIA's runtime compiler; no GPU and no numba is needed."""

# cuda.bindings has no types.
# pyright: basic, reportMissingImports=false, reportMissingTypeStubs=false
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cuda.bindings import nvrtc

from emberkeep.errors import InvalidKernel
from emberkeep.telemetry.spans import Category, span

if TYPE_CHECKING:
    from emberkeep.targets.protocol import PrintedSource

SHOWN = 2000  # characters of what the compiler says


def compile_source(source: PrintedSource, architecture: str) -> tuple[bytes, tuple[int, int]]:
    """The cubin of a kernel, and the oldest version of CUDA that a driver must know to run it.

    Raises:
        InvalidKernel: the compiler refuses it; says why.
    """
    options = [f"--gpu-architecture={architecture}", "--std=c++17"]
    with span(f"compile {source.name}", Category.COMPILE, {"part": "compile", "target": "cuda"}):
        program = _checked(nvrtc.nvrtcCreateProgram(source.text.encode(), b"kernel.cu", 0, [], []))
        try:
            (code,) = nvrtc.nvrtcCompileProgram(
                program, len(options), [option.encode() for option in options]
            )
            if code != nvrtc.nvrtcResult.NVRTC_SUCCESS:
                raise InvalidKernel(
                    f"The kernel {source.name!r} cannot be compiled for {architecture}: "
                    f"{code.name}.\n{_log(program)}"
                )
            cubin = bytearray(_checked(nvrtc.nvrtcGetCUBINSize(program)))
            _checked(nvrtc.nvrtcGetCUBIN(program, cubin))
        finally:
            nvrtc.nvrtcDestroyProgram(program)
    major, _ = _version()
    # Within a major version, drivers run what any toolkit has compiled.
    return bytes(cubin), (major, 0)


def _version() -> tuple[int, int]:
    code, major, minor = nvrtc.nvrtcVersion()
    assert code == nvrtc.nvrtcResult.NVRTC_SUCCESS
    return major, minor


def _checked(answer: Any) -> Any:
    code, *results = answer
    if code != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        raise InvalidKernel(f"NVIDIA's compiler failed: {code.name}")
    return results[0] if results else None


def _log(program: Any) -> str:
    size = _checked(nvrtc.nvrtcGetProgramLogSize(program))
    text = bytearray(size)
    _checked(nvrtc.nvrtcGetProgramLog(program, text))
    return text.decode("utf-8", "replace").rstrip("\0\n")[:SHOWN]
