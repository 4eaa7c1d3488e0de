"""The function by which XLA calls a kernel itself, as LLVM assembly.

XLA's foreign function interface hands over a call frame: structures of C, whose layout its header
promises (`xla/ffi/api/c_api.h`). What a kernel takes is read from there: the first arrays are XLA's
arguments, the last ones its results, and the kernel runs for all indices below the first extent of
the very last. XLA also asks which version of the interface a handler speaks.

An array that does not fit, and a kernel that raises, become an error of XLA's.
"""

# llvmlite has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations

from emberkeep.errors import InvalidKernel
from emberkeep.targets.arguments import Array
from emberkeep.targets.cpu.entry import restored_mode, usual_mode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from emberkeep.targets.arguments import ArgumentType

XLA_ENTRY = "emberkeep_xla_handler"
VERSION = (0, 3)  # of the interface, from which on its layout is as it is read here

# Where things stand, in words of 8 bytes.
_EXTENSIONS, _API = 1, 2
_ARGUMENT_COUNT, _ARGUMENTS = 7, 9
_RESULT_COUNT, _RESULTS = 12, 14
_MAKE_ERROR = 6  # in the table of functions
_KIND, _DATA, _RANK, _EXTENTS = 2, 3, 4, 5  # of a buffer
_METADATA = 1  # the kind of extension that asks for the version
_INVALID, _INTERNAL = 3, 13  # codes of errors

_KINDS = {
    "bool": (1, 1),
    "int8": (2, 1),
    "int16": (3, 2),
    "int32": (4, 4),
    "int64": (5, 8),
    "uint8": (6, 1),
    "uint16": (7, 2),
    "uint32": (8, 4),
    "uint64": (9, 8),
    "float32": (11, 4),
    "float64": (12, 8),
    "complex64": (15, 8),
    "complex128": (18, 16),
}

_SHAPE = """
@emberkeep_misfit = private constant [{misfit_size} x i8] c"{misfit}\\00"
@emberkeep_raised = private constant [{raised_size} x i8] c"{raised}\\00"
define i64 @{entry}(ptr %frame) {{
begin:
  %result = alloca ptr, align 8
  %exception = alloca ptr, align 8
  %problem = alloca [4 x i64], align 8
  store ptr null, ptr %exception, align 8
  %extensions = getelementptr i64, ptr %frame, i64 {extensions}
  %extension = load ptr, ptr %extensions, align 8
  %plain = icmp eq ptr %extension, null
  br i1 %plain, label %counts, label %extended
extended:
  %what = getelementptr i64, ptr %extension, i64 1
  %kind = load i32, ptr %what, align 4
  %asked = icmp eq i32 %kind, {metadata}
  br i1 %asked, label %answer, label %counts
answer:
  %where = getelementptr i64, ptr %extension, i64 3
  %metadata = load ptr, ptr %where, align 8
  %major = getelementptr i32, ptr %metadata, i64 6
  store i32 {major}, ptr %major, align 4
  %minor = getelementptr i32, ptr %metadata, i64 7
  store i32 {minor}, ptr %minor, align 4
  %traits = getelementptr i64, ptr %metadata, i64 4
  store i32 0, ptr %traits, align 4
  %state = getelementptr i64, ptr %metadata, i64 5
  store i64 0, ptr %state, align 8
  ret i64 0
counts:
  %argument_count.p = getelementptr i64, ptr %frame, i64 {argument_count}
  %argument_count = load i64, ptr %argument_count.p, align 8
  %result_count.p = getelementptr i64, ptr %frame, i64 {result_count}
  %result_count = load i64, ptr %result_count.p, align 8
  %arguments_fit = icmp eq i64 %argument_count, {wanted_arguments}
  %results_fit = icmp eq i64 %result_count, {wanted_results}
  %counts_fit = and i1 %arguments_fit, %results_fit
  br i1 %counts_fit, label %buffers, label %misfit
buffers:
  %arguments.p = getelementptr i64, ptr %frame, i64 {arguments}
  %arguments = load ptr, ptr %arguments.p, align 8
  %results.p = getelementptr i64, ptr %frame, i64 {results}
  %results = load ptr, ptr %results.p, align 8
{kinds}
  br i1 %fits, label %run, label %misfit
run:
{reading}
{usual}
  %status = call i32 @{symbol}({call})
{restore}
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %raised, label %done
done:
  ret i64 0
misfit:
  br label %fail
raised:
  br label %fail
fail:
  %text = phi ptr [ @emberkeep_misfit, %misfit ], [ @emberkeep_raised, %raised ]
  %code = phi i32 [ {invalid}, %misfit ], [ {internal}, %raised ]
  %api.p = getelementptr i64, ptr %frame, i64 {api}
  %api = load ptr, ptr %api.p, align 8
  %make.p = getelementptr i64, ptr %api, i64 {make_error}
  %make = load ptr, ptr %make.p, align 8
  store i64 28, ptr %problem, align 8
  %chain = getelementptr i64, ptr %problem, i64 1
  store ptr null, ptr %chain, align 8
  %message = getelementptr i64, ptr %problem, i64 2
  store ptr %text, ptr %message, align 8
  %number = getelementptr i64, ptr %problem, i64 3
  store i32 %code, ptr %number, align 4
  %error = call i64 %make(ptr %problem)
  ret i64 %error
}}
"""


def xla_entry_source(
    module: Any, symbol: str, name: str, types: Sequence[ArgumentType], results: int
) -> str:
    """Assembly of the handler.

    Args:
        module: where the kernel is.
        symbol: what it is called there.
        name: what people call it.
        types: of its arguments: arrays in C order, all of them.
        results: how many of them, the last ones, are XLA's results.

    Raises:
        InvalidKernel: it takes something that XLA cannot pass.
    """
    arrays = [_require_array(name, known) for known in types]
    if not 1 <= results <= len(arrays):
        raise InvalidKernel(
            f"The kernel {name!r} has {len(arrays)} arguments; {results} of them cannot be results"
        )
    kinds, reading, call = _buffers(arrays, len(arrays) - results)
    misfit = f"an array does not fit the kernel {name}"
    raised = f"the kernel {name} raised"
    parameters = [str(known.type) for known in module.get_function(symbol).arguments]
    quoted = f'"{symbol}"'
    declared = f"declare i32 @{quoted}({', '.join(parameters)})\n"
    is_x86 = module.triple.startswith(("x86_64", "i686"))
    return (
        f'target triple = "{module.triple}"\ntarget datalayout = "{module.data_layout}"\n'
        + declared
        + _SHAPE.format(
            entry=XLA_ENTRY,
            misfit=misfit,
            misfit_size=len(misfit) + 1,
            raised=raised,
            raised_size=len(raised) + 1,
            extensions=_EXTENSIONS,
            metadata=_METADATA,
            major=VERSION[0],
            minor=VERSION[1],
            argument_count=_ARGUMENT_COUNT,
            result_count=_RESULT_COUNT,
            wanted_arguments=len(arrays) - results,
            wanted_results=results,
            arguments=_ARGUMENTS,
            results=_RESULTS,
            kinds=kinds,
            reading=reading,
            usual=usual_mode() if is_x86 else "",
            restore=restored_mode() if is_x86 else "",
            symbol=quoted,
            call=call,
            invalid=_INVALID,
            internal=_INTERNAL,
            api=_API,
            make_error=_MAKE_ERROR,
        )
        + _mode_declarations(is_x86=is_x86)
    )


def _mode_declarations(*, is_x86: bool) -> str:
    if not is_x86:
        return ""
    return "declare void @llvm.x86.sse.stmxcsr(ptr)\ndeclare void @llvm.x86.sse.ldmxcsr(ptr)\n"


def _require_array(name: str, known: ArgumentType) -> Array:
    if not isinstance(known, Array) or known.layout != "C" or known.dtype not in _KINDS:
        raise InvalidKernel(
            f"XLA passes arrays in C order, and the kernel {name!r} takes a {known}. Declare it as "
            "an array such as 'float64[:, ::1]'; a number becomes an array with one element"
        )
    return known


def _buffers(arrays: Sequence[Array], arguments: int) -> tuple[str, str, str]:
    """Checks of all buffers, reading them, and the kernel's arguments in the end."""
    checks: list[str] = []
    reading: list[str] = []
    passed = ["ptr %result", "ptr %exception", "i64 0", f"i64 %d{len(arrays) - 1}.0"]
    fits = "true"
    for number, known in enumerate(arrays):
        place, position = ("arguments", number)
        if number >= arguments:
            place, position = ("results", number - arguments)
        kind, size = _KINDS[known.dtype]
        checks += [
            f"  %b{number}.p = getelementptr ptr, ptr %{place}, i64 {position}",
            f"  %b{number} = load ptr, ptr %b{number}.p, align 8",
            *_read(f"%k{number}", f"%b{number}", _KIND, "i32"),
            *_read(f"%r{number}", f"%b{number}", _RANK, "i64"),
            f"  %same_kind{number} = icmp eq i32 %k{number}, {kind}",
            f"  %same_rank{number} = icmp eq i64 %r{number}, {known.dimensions}",
            f"  %same{number} = and i1 %same_kind{number}, %same_rank{number}",
            f"  %fits{number} = and i1 {fits}, %same{number}",
        ]
        fits = f"%fits{number}"
        lines, words = _array(number, known.dimensions, size)
        reading += lines
        passed += words
    checks.append(f"  %fits = and i1 {fits}, true")
    return "\n".join(checks), "\n".join(reading), ", ".join(passed)


def _read(name: str, structure: str, word: int, kind: str) -> list[str]:
    return [
        f"  {name}.p = getelementptr i64, ptr {structure}, i64 {word}",
        f"  {name} = load {kind}, ptr {name}.p, align 4",
    ]


def _array(number: int, dimensions: int, size: int) -> tuple[list[str], list[str]]:
    """An array as numba passes it: no owner, how many elements, data, extents and strides."""
    lines = [
        *_read(f"%p{number}", f"%b{number}", _DATA, "ptr"),
        *_read(f"%e{number}", f"%b{number}", _EXTENTS, "ptr"),
    ]
    stride: list[str] = []
    last = str(size)
    for axis in range(dimensions):
        lines += _read(f"%d{number}.{axis}", f"%e{number}", axis, "i64")
    for axis in range(dimensions - 1, -1, -1):
        stride.insert(0, last)
        lines.append(f"  %s{number}.{axis} = mul i64 {last}, %d{number}.{axis}")
        last = f"%s{number}.{axis}"
    lines.append(f"  %n{number} = sdiv i64 {last}, {size}")
    extents = [f"i64 %d{number}.{axis}" for axis in range(dimensions)]
    words = ["ptr null", "ptr null", f"i64 %n{number}", f"i64 {size}", f"ptr %p{number}"]
    return lines, [*words, *extents, *(f"i64 {step}" for step in stride)]
