"""A function on the CPU: compiled by numba to an object file for a named microarchitecture."""

# numba's classes have no types.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import llvmlite.binding as llvm
from numba.core import config, registry, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import NumbaError, UnsupportedBytecodeError

from emberkeep.targets.arguments import Array
from emberkeep.targets.callees import Adapter, compiled_by, refuse_results
from emberkeep.targets.compile_times import FunctionTime, compile_spans, timed
from emberkeep.targets.cpu.code_generator import (
    dispatcher_class,
    implemented,
    options_of,
    target_for,
)
from emberkeep.targets.cpu.entry import ENTRY, entry_source
from emberkeep.targets.cpu.freestanding import (
    freestanding,
    plain_text,
    remove_unused,
    require_known_symbols,
)
from emberkeep.targets.cpu.vector_math import bind_vector_math
from emberkeep.targets.cpu.written_arguments import written_arrays
from emberkeep.targets.cpu.xla_entry import (
    HANDLER_PARTS,
    HANDLER_TEXTS,
    handler_source,
    xla_entry_source,
)
from emberkeep.targets.diagnosis import refused
from emberkeep.targets.overloads import fresh_overloads
from emberkeep.targets.protocol import KernelSource, loop_over_indices
from emberkeep.telemetry.spans import Category, span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@final
class Lowered:
    """What numba and LLVM gave.

    Attributes:
        image: the relocatable object, with one global function, `ENTRY`.
        written: positions of the array arguments that the kernel may write to.
        assembly: the same as text, for those who want to read it.
    """

    def __init__(self, image: bytes, written: Sequence[int], module: Any, machine: Any) -> None:
        self.image = image
        self.written = tuple(written)
        self._module, self._machine = module, machine

    @property
    def assembly(self) -> str:
        """The machine code as text."""
        return self._machine.emit_assembly(self._module)


@global_compiler_lock
def lower(source: KernelSource, processor: str, features: str) -> Lowered:
    """Compile a kernel.

    Args:
        source: the function of an index, its argument types and options.
        processor: LLVM's name of the microarchitecture.
        features: LLVM's list, such as ``+avx2,-avx512f``; empty for what the processor has.

    Raises:
        InvalidKernel: numba cannot compile it; says where and why.
    """
    target = target_for(processor, features, straight=bool(source.options.get("straight_vectors")))
    with compile_spans("cpu"):
        library, symbol = _compile(source, target)
    with span(f"emit {source.name}", Category.COMPILE, {"part": "emit", "target": "cpu"}):
        module = freestanding(library, symbol)
        function = module.get_function(symbol)
        written = written_arrays(function, source.types)
        module = _with_entry(module, symbol, source)
        require_known_symbols(module, source.name)
        machine = _position_independent(processor, features)
        return Lowered(machine.emit_object(module), written, module, machine)


def _vector_math(options: Mapping[str, Any]) -> bool:
    """Vector functions are good to 4 units in the last place: for those who allow approximation."""
    fastmath = options.get("fastmath", False)
    return fastmath is True or (fastmath is not False and "afn" in fastmath)


def _compile(source: KernelSource, target: Any) -> tuple[Any, str]:
    """The library that numba makes of the kernel, and the kernel's symbol in it."""
    body, _, adapter = _body(source, target)
    arguments = [_numba_type(known) for known in source.types]
    loop = loop_over_indices(source, body)
    dispatcher = dispatcher_class(target)(loop, targetoptions={**_options(source), "nogil": True})
    try:
        with fresh_overloads(adapter.adapt):
            dispatcher.compile((types.int64, types.int64, *arguments))
    except (NumbaError, UnsupportedBytecodeError) as problem:
        raise refused(source.name, source.function, problem) from problem
    refuse_results(
        source.name, [str(made.signature.return_type) for made in body.overloads.values()]
    )
    (result,) = dispatcher.overloads.values()
    return result.library, result.fndesc.llvm_func_name


def _body(source: KernelSource, target: Any) -> tuple[Any, list[Any], Adapter]:
    """The function of an index, and all that it calls, as dispatchers; nothing is compiled yet."""
    made: list[Any] = []
    inlined = source.options.get("inline", ())

    def jit(function: Any, options: Mapping[str, Any]) -> Any:
        inline = {"forceinline": True} if function.__name__ in inlined else {}
        made.append(_device_function(function, source, target, {**inline, **options}))
        return made[-1]

    adapter = Adapter(compiled_by(jit, implemented()))
    adapted = adapter.adapt(source.function)
    body = _device_function(adapted, source, target, {"forceinline": True})
    return body, [*made, body], adapter


@global_compiler_lock
def isolated_times(source: KernelSource, processor: str, features: str) -> list[FunctionTime]:
    """What each function costs by itself: compiled once more, alone, its callees being there."""
    target = target_for(processor, features, straight=bool(source.options.get("straight_vectors")))
    body, dispatchers, _ = _body(source, target)
    body.compile((types.int64, *map(_numba_type, source.types)))
    found: list[FunctionTime] = []
    for dispatcher in dispatchers:
        for arguments in dispatcher.overloads:
            alone = dispatcher_class(target)(
                dispatcher.py_func, targetoptions=dispatcher.targetoptions
            )
            seconds = timed(lambda: alone.compile(arguments))  # noqa: B023 - called at once
            signature = ", ".join(map(str, arguments))
            name = dispatcher.py_func.__name__
            found.append(FunctionTime(name, signature, "cpu", seconds, seconds))
    return found


def _options(source: KernelSource) -> dict[str, Any]:
    return options_of(source.options.get("fastmath", False))


def _device_function(
    function: Any, source: KernelSource, target: Any, written: Mapping[str, Any]
) -> Any:
    return dispatcher_class(target)(function, targetoptions={**_options(source), **written})


def _numba_type(known: Any) -> Any:
    number = getattr(types, "boolean" if known.dtype == "bool" else known.dtype)
    if isinstance(known, Array):
        return types.Array(number, known.dimensions, known.layout)
    return number


# From numba's module to ours ----------------------------------------------------------------------


def _with_entry(module: Any, symbol: str, source: KernelSource) -> Any:
    """The module with what is called from outside, without what that does not need."""
    text = plain_text(module)
    if _vector_math(source.options):
        text = bind_vector_math(text)
    module = llvm.parse_assembly(text)
    module.link_in(llvm.parse_assembly(entry_source(module, symbol)))
    results = source.options.get("xla_results", 0)
    if results:
        handler = xla_entry_source(module, symbol, source.name, source.types, results)
        module.link_in(llvm.parse_assembly(handler))
        module.link_in(llvm.parse_assembly(handler_source()))
        for part in HANDLER_PARTS:
            module.get_function(part).linkage = llvm.Linkage.internal
        for text in HANDLER_TEXTS:
            module.get_global_variable(text).linkage = llvm.Linkage.internal
    module.get_function(symbol).linkage = llvm.Linkage.internal
    assert not module.get_function(ENTRY).is_declaration
    remove_unused(module)
    return module


def _position_independent(processor: str, features: str) -> Any:
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=processor,
        features=features,
        opt=int(config.OPT) or 1,
        reloc="pic",
        codemodel="default",
    )


def processor_of(level: str) -> tuple[str, str]:
    """LLVM's name and features of a level; of this machine, as numba would have them."""
    if level != "host":
        return level, ""
    generator = registry.cpu_target.target_context.codegen()
    return generator._get_host_cpu_name(), generator._get_host_cpu_features()  # noqa: SLF001
