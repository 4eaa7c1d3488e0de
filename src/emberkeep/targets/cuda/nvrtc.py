"""CUDA C++ to a cubin, by NVIDIA's runtime compiler; no GPU is needed, nor numba.

Functions of the user's that are called do need numba-cuda; they are linked in.
"""

# cuda.bindings has no types.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cuda.bindings import nvrtc

from emberkeep.errors import InvalidKernel
from emberkeep.targets.diagnosis import no_numba
from emberkeep.telemetry.spans import Category, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emberkeep.targets.protocol import PrintedSource

SHOWN = 2000  # characters of what the compiler says


def compile_source(source: PrintedSource, architecture: str) -> tuple[bytes, tuple[int, int]]:
    """The cubin of a kernel, and the oldest version of CUDA that a driver must know to run it.

    Raises:
        InvalidKernel: a compiler refuses it, or a function of the user's that it calls; says why.
        TargetUnavailable: it calls such functions, and there is no numba-cuda.
    """
    make = _with_functions if source.functions else _cubin
    cubin = make(source, architecture)
    major, _ = _version()
    # Within a major version, drivers run what any toolkit has compiled.
    return cubin, (major, 0)


def _cubin(source: PrintedSource, architecture: str) -> bytes:
    return _compiled(
        source.name, source.text, architecture, (), (nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN)
    )


def _with_functions(source: PrintedSource, architecture: str) -> bytes:
    """The kernel linked to functions of the user's, which come from another compiler."""
    try:
        from emberkeep.targets.cuda.user_functions import link, lower_functions
    except ImportError as problem:
        raise no_numba(source, "numba-cuda", problem) from problem
    functions = lower_functions(source, architecture)
    text = source.text + "\n" + "".join(function.text for function in functions)
    kernel = _compiled(
        source.name,
        text,
        architecture,
        ("-dlto", "--relocatable-device-code=true"),
        (nvrtc.nvrtcGetLTOIRSize, nvrtc.nvrtcGetLTOIR),
    )
    return link(source.name, kernel, functions, architecture)


def _compiled(
    name: str, text: str, architecture: str, options: Sequence[str], getters: tuple[Any, Any]
) -> bytes:
    """What NVRTC makes of CUDA C++."""
    size_of, read = getters
    # Warnings of what is generated would be all that is shown of what went wrong.
    passed = [f"--gpu-architecture={architecture}", "--std=c++17", "-w", *options]
    with span(f"compile {name}", Category.COMPILE, {"part": "compile", "target": "cuda"}):
        program = _checked(nvrtc.nvrtcCreateProgram(text.encode(), b"kernel.cu", 0, [], []))
        try:
            (code,) = nvrtc.nvrtcCompileProgram(
                program, len(passed), [option.encode() for option in passed]
            )
            if code != nvrtc.nvrtcResult.NVRTC_SUCCESS:
                raise InvalidKernel(
                    f"The kernel {name!r} cannot be compiled for {architecture}: {code.name}."
                    f"\n{_log(program)}"
                )
            image = bytearray(_checked(size_of(program)))
            _checked(read(program, image))
        finally:
            nvrtc.nvrtcDestroyProgram(program)
    return bytes(image)


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
