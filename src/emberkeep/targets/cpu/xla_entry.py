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
from emberkeep.light import final, frozen
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

_BODY = """
define internal i64 @emberkeep_xla_part(ptr %frame, i64 %index) {{
  %result = alloca ptr, align 8
  %exception = alloca ptr, align 8
  store ptr null, ptr %exception, align 8
{places}
{reading}
  %after = add i64 %index, 1
{usual}
  %status = call i32 @{symbol}({call})
{restore}
  %wide = sext i32 %status to i64
  ret i64 %wide
}}
"""

# Work is shared out by one word: which call it is, how many parts it has, how many are taken. Who
# comes late finds another call there, or nothing to take, and leaves all else alone; so a call
# waits only for parts that somebody is at work on, and never for a thread that has not begun.
_SHARING = """
@emberkeep_xla_calls = internal global [64 x [4 x i64]] zeroinitializer, align 64
@emberkeep_xla_taken = internal global i64 0, align 8
define internal void @emberkeep_xla_help(ptr %data) {
begin:
  %ticket = ptrtoint ptr %data to i64
  %number = and i64 %ticket, 63
  %turn = lshr i64 %ticket, 6
  %call = getelementptr [64 x [4 x i64]], ptr @emberkeep_xla_calls, i64 0, i64 %number
  %done = getelementptr i64, ptr %call, i64 1
  %frame.p = getelementptr i64, ptr %call, i64 2
  %failed = getelementptr i64, ptr %call, i64 3
  br label %look
look:
  %word = load atomic i64, ptr %call seq_cst, align 8
  %this = lshr i64 %word, 32
  %ours = icmp eq i64 %this, %turn
  br i1 %ours, label %more, label %leave
more:
  %next = and i64 %word, 65535
  %shifted = lshr i64 %word, 16
  %total = and i64 %shifted, 65535
  %any = icmp ult i64 %next, %total
  br i1 %any, label %take, label %leave
take:
  %claimed = add i64 %word, 1
  %tried = cmpxchg ptr %call, i64 %word, i64 %claimed seq_cst seq_cst
  %got = extractvalue { i64, i1 } %tried, 1
  br i1 %got, label %work, label %look
work:
  %frame = load ptr, ptr %frame.p, align 8
  %status = call i64 @emberkeep_xla_part(ptr %frame, i64 %next)
  %noted = atomicrmw or ptr %failed, i64 %status seq_cst
  %counted = atomicrmw add ptr %done, i64 1 seq_cst
  br label %look
leave:
  ret void
}
define internal i64 @emberkeep_xla_alone(ptr %frame, i64 %parts) {
begin:
  br label %look
look:
  %index = phi i64 [ 0, %begin ], [ %after, %work ]
  %failed = phi i64 [ 0, %begin ], [ %noted, %work ]
  %any = icmp slt i64 %index, %parts
  br i1 %any, label %work, label %leave
work:
  %status = call i64 @emberkeep_xla_part(ptr %frame, i64 %index)
  %noted = or i64 %failed, %status
  %after = add i64 %index, 1
  br label %look
leave:
  ret i64 %failed
}
define internal i64 @emberkeep_xla_all(ptr %frame, i64 %parts) {
begin:
  %asked = alloca [5 x i64], align 8
  %several = icmp sgt i64 %parts, 1
  %few = icmp slt i64 %parts, 65536
  %shared = and i1 %several, %few
  br i1 %shared, label %find, label %alone
alone:
  %status = call i64 @emberkeep_xla_alone(ptr %frame, i64 %parts)
  ret i64 %status
find:
  %taken = load atomic i64, ptr @emberkeep_xla_taken seq_cst, align 8
  %free = xor i64 %taken, -1
  %full = icmp eq i64 %free, 0
  br i1 %full, label %alone, label %reserve
reserve:
  %number = call i64 @llvm.cttz.i64(i64 %free, i1 true)
  %bit = shl i64 1, %number
  %with = or i64 %taken, %bit
  %tried = cmpxchg ptr @emberkeep_xla_taken, i64 %taken, i64 %with seq_cst seq_cst
  %got = extractvalue { i64, i1 } %tried, 1
  br i1 %got, label %open, label %find
open:
  %call = getelementptr [64 x [4 x i64]], ptr @emberkeep_xla_calls, i64 0, i64 %number
  %done = getelementptr i64, ptr %call, i64 1
  %frame.p = getelementptr i64, ptr %call, i64 2
  %failed.p = getelementptr i64, ptr %call, i64 3
  store atomic i64 0, ptr %done seq_cst, align 8
  store atomic i64 0, ptr %failed.p seq_cst, align 8
  store ptr %frame, ptr %frame.p, align 8
  %last = load atomic i64, ptr %call seq_cst, align 8
  %last_turn = lshr i64 %last, 32
  %new_turn = add i64 %last_turn, 1
  %turn = and i64 %new_turn, 4294967295
  %high = shl i64 %turn, 32
  %size = shl i64 %parts, 16
  %word = or i64 %high, %size
  store atomic i64 %word, ptr %call seq_cst, align 8
  %turn_bits = shl i64 %turn, 6
  %ticket = or i64 %turn_bits, %number
  %data = inttoptr i64 %ticket to ptr
  %api.p = getelementptr i64, ptr %frame, i64 2
  %api = load ptr, ptr %api.p, align 8
  %context.p = getelementptr i64, ptr %frame, i64 3
  %context = load ptr, ptr %context.p, align 8
  %schedule.p = getelementptr i64, ptr %api, i64 17
  %schedule = load ptr, ptr %schedule.p, align 8
  %destroy.p = getelementptr i64, ptr %api, i64 8
  %destroy = load ptr, ptr %destroy.p, align 8
  br label %ask
ask:
  %helpers = phi i64 [ 1, %open ], [ %one_more, %asking ]
  %enough = icmp sge i64 %helpers, %parts
  br i1 %enough, label %work, label %asking
asking:
  store i64 40, ptr %asked, align 8
  %asked.1 = getelementptr i64, ptr %asked, i64 1
  store ptr null, ptr %asked.1, align 8
  %asked.2 = getelementptr i64, ptr %asked, i64 2
  store ptr %context, ptr %asked.2, align 8
  %asked.3 = getelementptr i64, ptr %asked, i64 3
  store ptr @emberkeep_xla_help, ptr %asked.3, align 8
  %asked.4 = getelementptr i64, ptr %asked, i64 4
  store ptr %data, ptr %asked.4, align 8
  %refusal = call ptr %schedule(ptr %asked)
  %one_more = add i64 %helpers, 1
  %accepted = icmp eq ptr %refusal, null
  br i1 %accepted, label %ask, label %refused
refused:
  store i64 24, ptr %asked, align 8
  %refused.1 = getelementptr i64, ptr %asked, i64 1
  store ptr null, ptr %refused.1, align 8
  %refused.2 = getelementptr i64, ptr %asked, i64 2
  store ptr %refusal, ptr %refused.2, align 8
  call void %destroy(ptr %asked)
  br label %work
work:
  call void @emberkeep_xla_help(ptr %data)
  br label %wait
wait:
  %finished = load atomic i64, ptr %done seq_cst, align 8
  %whole = icmp eq i64 %finished, %parts
  br i1 %whole, label %close, label %wait
close:
  %problem = load atomic i64, ptr %failed.p seq_cst, align 8
  %kept = xor i64 %bit, -1
  %given = atomicrmw and ptr @emberkeep_xla_taken, i64 %kept seq_cst
  ret i64 %problem
}
declare i64 @llvm.cttz.i64(i64, i1)
"""

_SHAPE = """
@emberkeep_misfit = private constant [{misfit_size} x i8] c"{misfit}\\00"
@emberkeep_raised = private constant [{raised_size} x i8] c"{raised}\\00"
define i64 @{entry}(ptr %frame) {{
begin:
  %problem = alloca [4 x i64], align 8
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
{places}
{kinds}
  br i1 %fits, label %run, label %misfit
run:
{parts}
  %status = call i64 @emberkeep_xla_all(ptr %frame, i64 %parts)
  %failed = icmp ne i64 %status, 0
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
    known = _buffers(arrays, len(arrays) - results)
    misfit = f"an array does not fit the kernel {name}"
    raised = f"the kernel {name} raised"
    parameters = [str(known.type) for known in module.get_function(symbol).arguments]
    quoted = f'"{symbol}"'
    is_x86 = module.triple.startswith(("x86_64", "i686"))
    body = _BODY.format(
        places=_PLACES,
        reading="\n".join([*known.pointers, *known.reading]),
        usual=usual_mode() if is_x86 else "",
        restore=restored_mode() if is_x86 else "",
        symbol=quoted,
        call=", ".join(known.call),
    )
    handler = _SHAPE.format(
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
        places=_PLACES,
        kinds="\n".join([*known.pointers, *known.checks]),
        parts="\n".join(_parts(len(arrays) - 1)),
        invalid=_INVALID,
        internal=_INTERNAL,
        api=_API,
        make_error=_MAKE_ERROR,
    )
    return (
        f'target triple = "{module.triple}"\ntarget datalayout = "{module.data_layout}"\n'
        f"declare i32 @{quoted}({', '.join(parameters)})\n"
        + body
        + _SHARING
        + handler
        + _mode_declarations(is_x86=is_x86)
    )


_PLACES = f"""
  %arguments.p = getelementptr i64, ptr %frame, i64 {_ARGUMENTS}
  %arguments = load ptr, ptr %arguments.p, align 8
  %results.p = getelementptr i64, ptr %frame, i64 {_RESULTS}
  %results = load ptr, ptr %results.p, align 8
"""


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
        place, position = ("arguments", number)
        if number >= arguments:
            place, position = ("results", number - arguments)
        kind, size = _KINDS[known.dtype]
        found.pointers.extend(
            [
                f"  %b{number}.p = getelementptr ptr, ptr %{place}, i64 {position}",
                f"  %b{number} = load ptr, ptr %b{number}.p, align 8",
            ]
        )
        found.checks.extend(
            [
                *_read(f"%k{number}", f"%b{number}", _KIND, "i32"),
                *_read(f"%r{number}", f"%b{number}", _RANK, "i64"),
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


def _parts(last: int) -> list[str]:
    """How many indices there are: the first extent of the last result."""
    return [
        *_read("%extents", f"%b{last}", _EXTENTS, "ptr"),
        *_read("%parts", "%extents", 0, "i64"),
    ]


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
