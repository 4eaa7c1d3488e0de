"""The function by which XLA calls a kernel itself, as LLVM assembly.

What all of them have in common is ``xla_entry.ll``; what is written here is how one kernel is
called. The first arrays are XLA's arguments, the last ones its results, and the kernel runs for all
indices below the first extent of the very last.

An array that does not fit, and a kernel that raises, become an error of XLA's.
"""

# llvmlite has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations

import os

from emberkeep.errors import InvalidKernel
from emberkeep.startup_records import final, frozen
from emberkeep.targets.arguments import Array
from emberkeep.targets.cpu.entry import restored_mode, usual_mode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from emberkeep.targets.arguments import ArgumentType

XLA_ENTRY = "emberkeep_xla_handler"
# What is internal once both are linked.
HANDLER_PARTS = (
    "emberkeep_xla_fits",
    "emberkeep_xla_parts",
    "emberkeep_xla_part",
    "emberkeep_xla_pause",
)
HANDLER_TEXTS = ("emberkeep_xla_misfit", "emberkeep_xla_raised")

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

# Structures of XLA's, with the fields that are read here; see xla_entry.ll for all of them.
_STRUCTURES = """
%Buffers = type { i64, ptr, i64, ptr, ptr }
%Frame = type { i64, ptr, ptr, ptr, i64, %Buffers, %Buffers }
%Buffer = type { i64, ptr, i32, ptr, i64, ptr }
"""
_ARGUMENTS, _RESULTS = 5, 6  # of a Frame
_COUNT, _ADDRESSES = 2, 4  # of Buffers
_KIND, _DATA, _RANK, _EXTENTS = 2, 3, 4, 5  # of a Buffer

_PART = """
define i64 @emberkeep_xla_part(ptr %frame, i64 %index) {{
  %result = alloca ptr, align 8
  %exception = alloca ptr, align 8
  store ptr null, ptr %exception, align 8
{reading}
  %after = add i64 %index, 1
{usual}
  %status = call i32 @{symbol}({call})
{restore}
  %wide = sext i32 %status to i64
  ret i64 %wide
}}
"""
_FITS = """
define i1 @emberkeep_xla_fits(ptr %frame) {{
counts:
{counts}
  %arguments_fit = icmp eq i64 %argument_count, {arguments}
  %results_fit = icmp eq i64 %result_count, {results}
  %counts_fit = and i1 %arguments_fit, %results_fit
  br i1 %counts_fit, label %buffers, label %misfit
buffers:
{checks}
  ret i1 %fits
misfit:
  ret i1 false
}}
"""
_PARTS = """
define i64 @emberkeep_xla_parts(ptr %frame) {{
{reading}
  ret i64 %parts
}}
"""
_PAUSE = """
define void @emberkeep_xla_pause() {{
{pause}
  ret void
}}
"""


def handler_source() -> str:
    """Assembly of what all handlers have in common."""
    with open(f"{os.path.splitext(__file__)[0]}.ll", encoding="ascii") as file:
        return file.read()


def xla_entry_source(
    module: Any, symbol: str, name: str, types: Sequence[ArgumentType], results: int
) -> str:
    """Assembly of what a handler is for one kernel.

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
    arguments = len(arrays) - results
    known = _buffers(arrays, arguments)
    parameters = [str(known.type) for known in module.get_function(symbol).arguments]
    quoted = f'"{symbol}"'
    is_x86 = module.triple.startswith(("x86_64", "i686"))
    part = _PART.format(
        reading="\n".join([*_addresses(), *known.pointers, *known.reading]),
        usual=usual_mode() if is_x86 else "",
        restore=restored_mode() if is_x86 else "",
        symbol=quoted,
        call=", ".join(known.call),
    )
    counts = [
        *_read("%argument_count", "%Frame", "%frame", (_ARGUMENTS, _COUNT), "i64"),
        *_read("%result_count", "%Frame", "%frame", (_RESULTS, _COUNT), "i64"),
    ]
    fits = _FITS.format(
        counts="\n".join(counts),
        arguments=arguments,
        results=results,
        checks="\n".join([*_addresses(), *known.pointers, *known.checks]),
    )
    last = _pointer(len(arrays) - 1, arguments)
    parts = _PARTS.format(reading="\n".join([*_addresses(), *last, *_parts(len(arrays) - 1)]))
    texts = (
        _text("misfit", f"an array does not fit the kernel {name}"),
        _text("raised", f"the kernel {name} raised"),
    )
    return "".join(
        [
            f'target triple = "{module.triple}"\ntarget datalayout = "{module.data_layout}"\n',
            _STRUCTURES,
            f"declare i32 @{quoted}({', '.join(parameters)})\n",
            *texts,
            part,
            fits,
            parts,
            _PAUSE.format(pause="  call void @llvm.x86.sse2.pause()" if is_x86 else ""),
            _X86 if is_x86 else "",
        ]
    )


_X86 = """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
declare void @llvm.x86.sse2.pause()
"""


def _text(name: str, text: str) -> str:
    """A constant of C's."""
    content = text.encode()
    quoted = "".join(f"\\{byte:02X}" for byte in content)
    return f'@emberkeep_xla_{name} = constant [{len(content) + 1} x i8] c"{quoted}\\00"\n'


def _require_array(name: str, known: ArgumentType) -> Array:
    if not isinstance(known, Array) or known.layout != "C" or known.dtype not in _KINDS:
        raise InvalidKernel(
            f"XLA passes arrays in C order, and the kernel {name!r} takes a {known}. Declare it as "
            "an array such as 'float64[:, ::1]'; a number becomes an array with one element"
        )
    return known


@final
@frozen
class _Buffers:
    """Lines of assembly.

    Attributes:
        pointers: where each buffer is described.
        checks: whether all are what they should be.
        reading: where their numbers are, and their extents.
        call: the kernel's arguments.
    """

    pointers: list[str]
    checks: list[str]
    reading: list[str]
    call: list[str]


def _buffers(arrays: Sequence[Array], arguments: int) -> _Buffers:
    found = _Buffers([], [], [], ["ptr %result", "ptr %exception", "i64 %index", "i64 %after"])
    fits = "true"
    for number, known in enumerate(arrays):
        kind, size = _KINDS[known.dtype]
        buffer = ("%Buffer", f"%b{number}")
        found.pointers.extend(_pointer(number, arguments))
        found.checks.extend(
            [
                *_read(f"%k{number}", *buffer, (_KIND,), "i32"),
                *_read(f"%r{number}", *buffer, (_RANK,), "i64"),
                f"  %same_kind{number} = icmp eq i32 %k{number}, {kind}",
                f"  %same_rank{number} = icmp eq i64 %r{number}, {known.dimensions}",
                f"  %same{number} = and i1 %same_kind{number}, %same_rank{number}",
                f"  %fits{number} = and i1 {fits}, %same{number}",
            ]
        )
        fits = f"%fits{number}"
        lines, words = _array(number, known.dimensions, size)
        found.reading.extend(lines)
        found.call.extend(words)
    found.checks.append(f"  %fits = and i1 {fits}, true")
    return found


def _addresses() -> list[str]:
    """Where the addresses of all buffers are."""
    return [
        *_read("%arguments", "%Frame", "%frame", (_ARGUMENTS, _ADDRESSES), "ptr"),
        *_read("%results", "%Frame", "%frame", (_RESULTS, _ADDRESSES), "ptr"),
    ]


def _pointer(number: int, arguments: int) -> list[str]:
    """Where the buffer of an array is."""
    place, position = ("arguments", number)
    if number >= arguments:
        place, position = ("results", number - arguments)
    return _item(f"%b{number}", f"%{place}", position, "ptr")


def _parts(last: int) -> list[str]:
    """How many indices there are: the first extent of the last result."""
    return [
        *_read("%extents", "%Buffer", f"%b{last}", (_EXTENTS,), "ptr"),
        *_item("%parts", "%extents", 0, "i64"),
    ]


def _read(name: str, structure: str, address: str, field: Sequence[int], kind: str) -> list[str]:
    """A field of a structure, or of one within it."""
    path = ", ".join(f"i32 {number}" for number in (0, *field))
    return [
        f"  {name}.p = getelementptr {structure}, ptr {address}, {path}",
        f"  {name} = load {kind}, ptr {name}.p, align {4 if kind == 'i32' else 8}",
    ]


def _item(name: str, address: str, position: int, kind: str) -> list[str]:
    """An item of an array."""
    return [
        f"  {name}.p = getelementptr {kind}, ptr {address}, i64 {position}",
        f"  {name} = load {kind}, ptr {name}.p, align 8",
    ]


def _array(number: int, dimensions: int, size: int) -> tuple[list[str], list[str]]:
    """An array as numba passes it: no owner, how many elements, data, extents and strides."""
    buffer = ("%Buffer", f"%b{number}")
    lines = [
        *_read(f"%p{number}", *buffer, (_DATA,), "ptr"),
        *_read(f"%e{number}", *buffer, (_EXTENTS,), "ptr"),
    ]
    stride: list[str] = []
    last = str(size)
    for axis in range(dimensions):
        lines += _item(f"%d{number}.{axis}", f"%e{number}", axis, "i64")
    for axis in range(dimensions - 1, -1, -1):
        stride.insert(0, last)
        lines.append(f"  %s{number}.{axis} = mul i64 {last}, %d{number}.{axis}")
        last = f"%s{number}.{axis}"
    lines.append(f"  %n{number} = sdiv i64 {last}, {size}")
    extents = [f"i64 %d{number}.{axis}" for axis in range(dimensions)]
    words = ["ptr null", "ptr null", f"i64 %n{number}", f"i64 {size}", f"ptr %p{number}"]
    return lines, [*words, *extents, *(f"i64 {step}" for step in stride)]
