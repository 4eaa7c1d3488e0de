"""LLVM assembly to an object file: what is printed as such needs no numba."""

# llvmlite has no types.
# pyright: basic, reportMissingImports=false, reportMissingTypeStubs=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import llvmlite.binding as llvm

from emberkeep.errors import InvalidKernel
from emberkeep.targets.cpu.elf import ALLOWED_SYMBOLS
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
        _require_known_symbols(module, source.name)
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
        _optimise(module, machine)
    with span(f"emit {source.name}", Category.COMPILE, facts):
        return machine.emit_object(module)


def _optimise(module: Any, machine: Any) -> None:
    """What is printed is vectors already: loops are to stay as they are."""
    options = llvm.create_pipeline_tuning_options(speed_level=OPTIMISATION)
    options.slp_vectorization = options.loop_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)


def _require_known_symbols(module: Any, name: str) -> None:
    unknown = [
        function.name
        for function in module.functions
        if function.is_declaration
        and not function.name.startswith("llvm.")
        and function.name not in ALLOWED_SYMBOLS
    ]
    if unknown:
        raise InvalidKernel(
            f"The kernel {name!r} calls {', '.join(sorted(unknown))}, which the C library's "
            "mathematics does not have"
        )


def processor_of(level: str) -> tuple[str, str]:
    """LLVM's name and features of a level, or of this machine."""
    if level != "host":
        return level, ""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
