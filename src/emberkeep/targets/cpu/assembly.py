"""LLVM assembly to an object file: what is printed as such needs no numba.

Functions of the user's that it calls do; they are compiled by themselves, and linked in before all
is optimised.
"""

# llvmlite has no types.
# pyright: basic, reportMissingImports=false, reportMissingTypeStubs=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import llvmlite.binding as llvm

from emberkeep.targets.cpu.freestanding import require_known_symbols
from emberkeep.targets.cpu.vector_math import bind_vector_math
from emberkeep.targets.diagnosis import no_numba
from emberkeep.telemetry.spans import Category, span

if TYPE_CHECKING:
    from emberkeep.targets.protocol import PrintedSource

OPTIMISATION = 2


def assemble(source: PrintedSource, processor: str, features: str) -> bytes:
    """The relocatable object of a kernel.

    Args:
        source: the kernel's.
        processor: LLVM's name of the microarchitecture.
        features: LLVM's list, such as ``+avx2,-avx512f``; empty for what the processor has.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    facts = {"part": "emit", "target": "cpu"}
    with span(f"read {source.name}", Category.COMPILE, {"part": "read", "target": "cpu"}):
        module = llvm.parse_assembly(source.text)
    compiled = _functions(source, processor, features) if source.functions else []
    for function, its_module in zip(source.functions, compiled, strict=True):
        module.link_in(its_module)
        module.get_function(function.symbol).linkage = llvm.Linkage.internal
    require_known_symbols(module, source.name)
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=processor,
        features=features,
        opt=OPTIMISATION,
        reloc="pic",
        codemodel="default",
    )
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    module.verify()
    with span(f"optimise {source.name}", Category.COMPILE, {"part": "optimise", "target": "cpu"}):
        _optimise(module, machine, calls_users=bool(source.functions))
        if any("afn" in function.liberties for function in source.functions):
            module = llvm.parse_assembly(bind_vector_math(str(module)))
    with span(f"emit {source.name}", Category.COMPILE, facts):
        return machine.emit_object(module)


def _functions(source: PrintedSource, processor: str, features: str) -> list[Any]:
    try:
        from emberkeep.targets.cpu.user_functions import lower_functions
    except ImportError as problem:
        raise no_numba(source, "numba", problem) from problem
    return lower_functions(source, processor, features)


def _optimise(module: Any, machine: Any, *, calls_users: bool) -> None:
    """What is printed is vectors already: loops are to stay as they are, but for those of users."""
    options = llvm.create_pipeline_tuning_options(speed_level=OPTIMISATION)
    options.slp_vectorization = options.loop_unrolling = False
    options.loop_vectorization = calls_users
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)


def processor_of(level: str) -> tuple[str, str]:
    """LLVM's name and features of a level, or of this machine."""
    if level != "host":
        return level, ""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
