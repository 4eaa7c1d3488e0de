"""The whole module of a plan for CPUs, as LLVM assembly."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.llvm import Printer, print_tables
from emberkeep.ode.kernel.llvm_assembly import ALIGNMENT, PART
from emberkeep.ode.kernel.llvm_mathematics import Mathematics
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emberkeep.ode.kernel.code import Code, Function, LocalArray

ENTRY = "emberkeep_kernel"

_KINDS = {"time": "double", "int": "i64", "byte": "i8"}
_SIZES = {"ptr": 8, "i64": 8, "double": 8, "float": 4}

# Round to nearest, no flush to zero, no traps: what a thread was left in must not change results.
_MODE = """  %mode_before = alloca i32, align 4
  %mode = alloca i32, align 4
  call void @llvm.x86.sse.stmxcsr(ptr %mode_before)
  store i32 8064, ptr %mode, align 4
  call void @llvm.x86.sse.ldmxcsr(ptr %mode)
"""
_MODE_BACK = "  call void @llvm.x86.sse.ldmxcsr(ptr %mode_before)\n"
_MODE_DECLARED = (
    "declare void @llvm.x86.sse.stmxcsr(ptr)\ndeclare void @llvm.x86.sse.ldmxcsr(ptr)\n"
)
# Compilers take as long for what is rare as for what is not, unless they are told.
_ASIDE = "attributes #3 = { noinline optnone nounwind }\n"

# Of our loops, those over lanes alone are to become vectors, where the user's functions allow it.
_LOOPS = """!0 = distinct !{!0, !1, !2}
!1 = !{!"llvm.loop.unroll.disable"}
!2 = !{!"llvm.loop.vectorize.enable", i1 false}
!3 = distinct !{!3, !1}
"""


@final
@frozen
class Module:
    """LLVM assembly, and what whoever runs it must know.

    Attributes:
        text: the assembly.
        work: bytes of memory to work in, for each index.
    """

    text: str
    work: int


def print_module(code: Code, *, lanes: int, vector_bits: int, title: str, is_x86: bool) -> Module:
    """Code as a module whose entry takes packed arguments and a range of indices."""
    mathematics = Mathematics(vector_bits)
    functions: list[str] = []
    asides: list[str] = []
    offset = 0
    arrays: dict[int, str] = {}
    places: list[str] = []
    real = 4 if code.is_single else 8
    for array in code.arrays:
        arrays[array.number] = f"%m{array.number}"
        places.append(f"  %m{array.number} = getelementptr i8, ptr %work, i64 {offset}")
        size = lanes * array.size * (real if array.kind == "real" else 8)
        offset += -(-size // ALIGNMENT) * ALIGNMENT
    width = min(lanes, max(vector_bits, 128) // 64)
    for function in code.functions:
        is_part = function.by_vector and width < lanes
        printer = Printer(
            code, width if is_part else lanes, mathematics, lanes if is_part else None
        )
        names = {parameter.number: f"%{parameter.name}" for parameter in function.parameters}
        parameters = ", ".join(f"ptr noalias {name}" for name in names.values())
        body = printer.body(function.body, function.variables, {}, names)
        asides += printer.asides
        name = f"{function.name}{PART if is_part else ''}"
        kind = "#4" if function.by_vector else "#1"
        functions.append(f"define internal void @{name}({parameters}) {kind} {{\n{body}\n}}\n")
        if is_part:
            functions.append(_by_vector(code, function, width, lanes))
    printer = Printer(code, lanes, mathematics)
    names = {code.begin.number: "%begin", code.end.number: "%end_"}
    body = printer.body(code.body, code.variables, names, arrays, places)
    asides += printer.asides
    kinds = ["ptr" if argument.is_array else _KINDS[argument.kind] for argument in code.arguments]
    listed = [
        f"{kind}{' noalias' if kind == 'ptr' else ''} %{argument.name}"
        for kind, argument in zip(kinds, code.arguments, strict=True)
    ]
    signature = ", ".join([*listed, "ptr noalias %work", "i64 %begin", "i64 %end_"])
    integrate = f"define internal void @integrate({signature}) #2 {{\n{body}\n}}\n"
    entry = _entry(code, kinds, offset, is_x86=is_x86)
    declared = "\n".join(mathematics.declarations.values())
    users = "\n".join(_in_lanes(name, *sizes, lanes) for name, sizes in code.users.items())
    has_parts = any(function.by_vector for function in code.functions)
    if width < lanes and has_parts:
        parts = (_in_lanes(name, *sizes, width, PART) for name, sizes in code.users.items())
        users = "\n".join([users, *parts])
    bits = max(vector_bits, 128)
    tables = print_tables(code)
    text = (
        f"; {title}\n\n{tables}{entry}\n{integrate}\n{''.join([*functions, *asides])}\n{users}"
        f"declare i64 @llvm.cttz.i64(i64, i1)\n{_MODE_DECLARED if is_x86 else ''}{declared}\n\n"
        "attributes #0 = { nounwind willreturn memory(none) }\n"
        f'attributes #1 = {{ noinline nounwind "prefer-vector-width"="{bits}" '
        f'"min-legal-vector-width"="{bits}" }}\n'
        f'attributes #2 = {{ noinline nounwind "prefer-vector-width"="{bits}" '
        f'"min-legal-vector-width"="{bits}" }}\n'
        f"{_ASIDE if asides else ''}{has_parts * _part_attributes(bits)}{_LOOPS}"
    )
    return Module(text, offset)


def _entry(code: Code, kinds: Sequence[str], work: int, *, is_x86: bool) -> str:
    """What is called from outside: arguments are unpacked, and indices gone through."""
    lines: list[str] = []
    offset = 0
    for kind, name in (
        *((kind, argument.name) for kind, argument in zip(kinds, code.arguments, strict=True)),
        ("ptr", "work"),
    ):
        size = _SIZES[kind]
        offset = -(-offset // size) * size
        lines.append(f"  %{name}_place = getelementptr i8, ptr %packed, i64 {offset}")
        lines.append(f"  %{name} = load {kind}, ptr %{name}_place, align {size}")
        offset += size
    passed = ", ".join(
        f"{kind} %{argument.name}" for kind, argument in zip(kinds, code.arguments, strict=True)
    )
    loads = "\n".join(lines)
    return (
        f"define i64 @{ENTRY}(ptr %packed, i64 %from, i64 %to) {{\nentry:\n"
        f"{_MODE if is_x86 else ''}{loads}\n  br label %each\n"
        "each:\n  %index = phi i64 [ %from, %entry ], [ %next, %one ]\n"
        "  %more = icmp slt i64 %index, %to\n  br i1 %more, label %one, label %end\n"
        "one:\n  %begin = mul i64 %index, %share\n  %full = add i64 %begin, %share\n"
        "  %is_last = icmp sgt i64 %full, %runs\n"
        "  %end_ = select i1 %is_last, i64 %runs, i64 %full\n"
        f"  %apart = mul i64 %index, {work}\n"
        "  %own = getelementptr i8, ptr %work, i64 %apart\n"
        f"  call void @integrate({passed}, ptr %own, i64 %begin, i64 %end_)\n"
        "  %next = add i64 %index, 1\n  br label %each\n"
        f"end:\n{_MODE_BACK if is_x86 else ''}  ret i64 0\n}}\n"
    )


def _part_attributes(bits: int) -> str:
    """Vectors that registers have no room for lie on the stack, which has to be as they are."""
    return (
        f'attributes #4 = {{ noinline nounwind "prefer-vector-width"="{bits}" '
        f'"min-legal-vector-width"="{bits}" "stackrealign" }}\n'
    )


def _by_vector(code: Code, function: Function, width: int, lanes: int) -> str:
    """A function for all lanes that has its part done for one vector after the other."""
    names = [f"%{parameter.name}" for parameter in function.parameters]
    kinds = [_row_kind(code, parameter) for parameter in function.parameters]
    places = "".join(
        f"  {name}_part = getelementptr {kind}, ptr {name}, i64 %lane\n"
        for kind, name in zip(kinds, names, strict=True)
    )
    parameters = ", ".join(f"ptr noalias {name}" for name in names)
    passed = ", ".join(f"ptr {name}_part" for name in names)
    return (
        f"define internal void @{function.name}({parameters}) #1 {{\nentry:\n  br label %each\n"
        f"each:\n  %lane = phi i64 [ 0, %entry ], [ %next, %each ]\n{places}"
        f"  call void @{function.name}{PART}({passed})\n"
        f"  %next = add nuw nsw i64 %lane, {width}\n  %more = icmp ult i64 %next, {lanes}\n"
        "  br i1 %more, label %each, label %end, !llvm.loop !0\nend:\n  ret void\n}\n"
    )


def _row_kind(code: Code, array: LocalArray) -> str:
    return "float" if array.kind == "real" and code.is_single else "double"


def _in_lanes(name: str, given: int, results: int, lanes: int, part: str = "") -> str:
    """A function of the user's for all lanes: it is passed rows, and gives rows."""
    steps: list[str] = []
    for place in range(given):
        steps.append(f"  %p{place} = getelementptr double, ptr %passed, i64 {place * lanes}")
        steps.append(f"  %q{place} = getelementptr double, ptr %p{place}, i64 %lane")
        steps.append(f"  %x{place} = load double, ptr %q{place}, align 8")
    passed = "".join(f"double %x{place}, " for place in range(given))
    steps.append(f"  call void @{name}({passed}ptr %one)")
    for place in range(results):
        steps.append(f"  %o{place} = getelementptr double, ptr %one, i64 {place}")
        steps.append(f"  %y{place} = load double, ptr %o{place}, align 8")
        steps.append(f"  %r{place} = getelementptr double, ptr %given_back, i64 {place * lanes}")
        steps.append(f"  %s{place} = getelementptr double, ptr %r{place}, i64 %lane")
        steps.append(f"  store double %y{place}, ptr %s{place}, align 8")
    body = "\n".join(steps)
    kinds = "double, " * given
    declared = "" if part else f"declare void @{name}({kinds}ptr)\n"
    return (
        f"{declared}define internal void @{name}_in_lanes{part}(ptr noalias %passed, "
        "ptr noalias %given_back) #1 {\n"
        f"entry:\n  %one = alloca [{results} x double], align 8\n  br label %each\n"
        f"each:\n  %lane = phi i64 [ 0, %entry ], [ %next, %each ]\n{body}\n"
        f"  %next = add nuw nsw i64 %lane, 1\n  %more = icmp ult i64 %next, {lanes}\n"
        "  br i1 %more, label %each, label %end, !llvm.loop !3\nend:\n  ret void\n}\n"
    )
