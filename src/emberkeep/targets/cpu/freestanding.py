"""numba's modules without what only numba's runtime has: kept code calls the C library alone."""

# llvmlite has no types.
# pyright: basic, reportMissingImports=false, reportMissingTypeStubs=false

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm

from emberkeep.errors import InvalidKernel
from emberkeep.targets.cpu.c_library import ALLOWED_SYMBOLS
from emberkeep.targets.cpu.exceptions import without_pickles

# What a freed array would call. Arguments of kernels have no owner (their pointer to it is null),
# so it is never reached; but LLVM cannot know that.
_DESTRUCTOR = "NRT_MemInfo_call_dtor"
_NO_DESTRUCTOR = f"""
define void @{_DESTRUCTOR}(ptr %p) {{
  ret void
}}
"""


def freestanding(library: Any, symbol: str) -> Any:
    """A copy of numba's module in which nothing but one function is visible from outside."""
    module = library._final_module.clone()  # noqa: SLF001 - numba has no other way to it
    for function in module.functions:
        if not function.is_declaration and function.name != symbol:
            function.linkage = llvm.Linkage.internal
    for variable in module.global_variables:
        # Environments, which only object mode uses.
        if variable.linkage is llvm.Linkage.common:
            variable.linkage = llvm.Linkage.internal
    return module


# Functions that numba brings along in its own helper library, which is not there later, and what
# the C library calls them.
_LIBRARY_NAMES = {
    "numba_gamma": "tgamma",
    "numba_gammaf": "tgammaf",
    "numba_lgamma": "lgamma",
    "numba_lgammaf": "lgammaf",
}


def plain_text(module: Any) -> str:
    """Its assembly, in which nothing is pickled and functions go by the C library's names."""
    text = without_pickles(str(module))
    for numbas, plain in _LIBRARY_NAMES.items():
        text = text.replace(f"@{numbas}(", f"@{plain}(")
    return text


def remove_unused(module: Any) -> None:
    """Take out of a module what nothing that is visible from outside needs."""
    if any(function.name == _DESTRUCTOR for function in module.functions):
        module.link_in(llvm.parse_assembly(_NO_DESTRUCTOR))
        module.get_function(_DESTRUCTOR).linkage = llvm.Linkage.internal
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    machine = llvm.Target.from_default_triple().create_target_machine()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options())
    passes.run(module, builder)
    module.verify()


# Where a symbol begins like this, the kernel does what needs a runtime that is not there later.
_OBJECTS = (
    "It makes an object while it runs: an array, a string, a list, or an exception whose arguments "
    "are not constants. Pass arrays to work in as arguments, and raise exceptions with constant "
    "arguments"
)
_THREADS = "It uses numba's threads. Kernels run on emberkeep's: write what is done for one index"
_SVML = (
    "numba is set up to use SVML, which a kept kernel cannot rely on. Set "
    "NUMBA_DISABLE_INTEL_SVML=1 before Python starts"
)
_REASONS = {
    **dict.fromkeys(
        ("NRT_", "numba_gil", "Py", "_Py", "numba_unpickle", "numba_runtime"), _OBJECTS
    ),
    **dict.fromkeys(("numba_parallel", "get_num_threads", "do_scheduling"), _THREADS),
    "__svml": _SVML,
    ".numba.unresolved": "It calls a function that calls itself. Write a loop in its place",
}


def require_known_symbols(module: Any, name: str) -> None:
    """Refuse what needs more than the C library's mathematics when it is loaded."""
    outside = [
        item.name
        for item in (*module.functions, *module.global_variables)
        if item.is_declaration and not item.name.startswith("llvm.")
    ]
    for symbol in sorted(outside):
        if symbol in ALLOWED_SYMBOLS:
            continue
        for prefix, reason in _REASONS.items():
            if symbol.startswith(prefix):
                raise InvalidKernel(f"The kernel {name!r} cannot be kept ({symbol}). {reason}")
        raise InvalidKernel(
            f"The kernel {name!r} calls {symbol!r}, which is no function of the C library's "
            "mathematics. Kept kernels call nothing else from outside"
        )
