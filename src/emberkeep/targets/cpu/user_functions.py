"""Functions of the user's as LLVM modules, to be linked to a kernel that was printed.

Each is compiled by numba alone, with all that it calls.
"""

# numba's and llvmlite's classes have no types.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
# pyright: reportPrivateImportUsage=false, reportMissingTypeStubs=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import llvmlite.binding as llvm
from numba.core import types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import NumbaError, UnsupportedBytecodeError

from emberkeep.targets.callees import Adapter, compiled_by
from emberkeep.targets.compile_times import compile_spans
from emberkeep.targets.cpu.code_generator import (
    dispatcher_class,
    implemented,
    options_of,
    target_for,
)
from emberkeep.targets.cpu.exceptions import without_exceptions
from emberkeep.targets.cpu.freestanding import (
    freestanding,
    plain_text,
    remove_unused,
    require_known_symbols,
)
from emberkeep.targets.diagnosis import refused
from emberkeep.targets.overloads import fresh_overloads

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emberkeep.targets.protocol import PrintedSource, UserFunction


@global_compiler_lock
def lower_functions(source: PrintedSource, processor: str, features: str) -> list[Any]:
    """A module for each function that a kernel calls, in which nothing else is seen from outside.

    Raises:
        InvalidKernel: numba cannot compile one; says where and why.
    """
    target = target_for(processor, features)
    with compile_spans("cpu"):
        return [_module(source.name, function, target) for function in source.functions]


def _module(name: str, function: UserFunction, target: Any) -> Any:
    options = options_of(function.liberties)

    def jit(callee: Any, written: Mapping[str, Any]) -> Any:
        return dispatcher_class(target)(callee, targetoptions={**options, **written})

    adapter = Adapter(compiled_by(jit, implemented()))
    adapted = adapter.adapt(function.function)
    body = jit(adapted, {"forceinline": True})
    try:
        with fresh_overloads(adapter.adapt):
            body.compile((*[types.float64] * function.given, types.CPointer(types.float64)))
    except (NumbaError, UnsupportedBytecodeError) as problem:
        raise refused(name, function.written, problem) from problem
    (result,) = body.overloads.values()
    symbol = result.fndesc.llvm_func_name
    # The kernel asks whether it has raised, and no more: what it says then goes.
    text = without_exceptions(plain_text(freestanding(result.library, symbol)))
    module = llvm.parse_assembly(text)
    module.link_in(llvm.parse_assembly(_called(function, symbol)))
    module.get_function(symbol).linkage = llvm.Linkage.internal
    remove_unused(module)
    require_known_symbols(module, name)
    return module


def _called(function: UserFunction, symbol: str) -> str:
    """What the kernel calls, by way of numba's convention: a status, and an exception's place."""
    given = [f"double %x{place}" for place in range(function.given)]
    kinds = ", ".join(["ptr", "ptr", *["double"] * function.given, "ptr"])
    passed = ", ".join(["ptr %nothing", "ptr %exception", *given, "ptr %results"])
    failed = "".join(
        f"  %r{place} = getelementptr double, ptr %results, i64 {place}\n"
        f"  store double 0x7FF8000000000000, ptr %r{place}, align 8\n"
        for place in range(function.results)
    )
    return (
        f'declare i32 @"{symbol}"({kinds})\n'
        f"define void @{function.symbol}({', '.join([*given, 'ptr %results'])}) alwaysinline {{\n"
        "  %nothing = alloca ptr, align 8\n  %exception = alloca ptr, align 8\n"
        f'  %status = call i32 @"{symbol}"({passed})\n'
        "  %raised = icmp ne i32 %status, 0\n  br i1 %raised, label %failed, label %done\n"
        f"failed:\n{failed}  br label %done\ndone:\n  ret void\n}}\n"
    )
