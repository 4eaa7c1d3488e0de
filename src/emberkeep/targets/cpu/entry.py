"""The function by which a kernel is entered from outside, as LLVM assembly.

It takes one block of packed arguments, as numba's flattened calling convention orders them, and a
range of indices; so one C signature serves all kernels, and a call costs little.
"""

# llvmlite has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations

from typing import Any

ENTRY = "emberkeep_kernel"

# Bytes of LLVM's types as arguments; each is aligned to its size, as `struct` packs it natively.
_SIZES = {"i1": 1, "i8": 1, "i16": 2, "i32": 4, "i64": 8, "float": 4, "double": 8, "ptr": 8}

# numba's convention before the arguments themselves: where to put a result, where an exception.
LEADING = 2
INDICES = 2  # begin and end

# Round to nearest, no flush to zero, no traps: what a thread was left in must not change results.
_DEFAULT_MXCSR = 0x1F80
_MXCSR = """
  %saved = alloca i32, align 4
  %usual = alloca i32, align 4
  call void @llvm.x86.sse.stmxcsr(ptr %saved)
  store i32 {value}, ptr %usual, align 4
  call void @llvm.x86.sse.ldmxcsr(ptr %usual)
"""
_RESTORED = "  call void @llvm.x86.sse.ldmxcsr(ptr %saved)\n"
_ANSWER = """
  %wide = sext i32 %status to i64
  %raised = icmp sgt i32 %status, 0
  %information = load ptr, ptr %exception, align 8
  %address = ptrtoint ptr %information to i64
  %known = icmp ne i64 %address, 0
  %described = and i1 %raised, %known
  %answer = select i1 %described, i64 %address, i64 %wide
  ret i64 %answer
"""


def entry_source(module: Any, symbol: str) -> str:
    """Assembly of `i64 ENTRY(ptr packed, i64 begin, i64 end)`.

    It returns zero; or else the address of what describes an exception; or else numba's status.
    """
    kinds = [str(argument.type) for argument in module.get_function(symbol).arguments]
    lines, passed = [], []
    offset = 0
    for number, kind in enumerate(kinds[LEADING + INDICES :]):
        size = _SIZES[kind]
        offset = -(-offset // size) * size
        stored = "i8" if kind == "i1" else kind
        lines.append(f"  %a{number} = getelementptr i8, ptr %packed, i64 {offset}")
        lines.append(f"  %v{number} = load {stored}, ptr %a{number}, align {size}")
        if kind == "i1":
            lines.append(f"  %b{number} = trunc i8 %v{number} to i1")
        passed.append(f"{kind} %{'b' if kind == 'i1' else 'v'}{number}")
        offset += size
    call = ", ".join(["ptr %result", "ptr %exception", "i64 %begin", "i64 %end", *passed])
    is_x86 = module.triple.startswith(("x86_64", "i686"))
    mode, restore, declarations = "", "", ""
    if is_x86:
        mode, restore = usual_mode(), restored_mode()
        declarations = (
            "declare void @llvm.x86.sse.stmxcsr(ptr)\ndeclare void @llvm.x86.sse.ldmxcsr(ptr)\n"
        )
    body = "\n".join(lines)
    return (
        f'target triple = "{module.triple}"\ntarget datalayout = "{module.data_layout}"\n'
        f"declare i32 @{_quoted(symbol)}({', '.join(kinds)})\n{declarations}"
        f"define i64 @{ENTRY}(ptr %packed, i64 %begin, i64 %end) {{\n"
        f"  %result = alloca ptr, align 8\n  %exception = alloca ptr, align 8\n"
        f"  store ptr null, ptr %exception, align 8\n{mode}{body}\n"
        f"  %status = call i32 @{_quoted(symbol)}({call})\n{restore}{_ANSWER}}}\n"
    )


def usual_mode() -> str:
    """Assembly that saves how the thread rounds, and sets what is usual."""
    return _MXCSR.format(value=_DEFAULT_MXCSR)


def restored_mode() -> str:
    """Assembly that puts back what was saved."""
    return _RESTORED


def _quoted(symbol: str) -> str:
    return f'"{symbol}"'
