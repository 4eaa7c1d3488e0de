"""A function on the CPU: compiled by numba to an object file for a named microarchitecture.

numba's own contexts are used through its own seams: a target context of our own (`subtarget`, as
numba's ahead-of-time compiler makes one) with a code generator for the wanted processor, and a
dispatcher class that compiles through it. Nothing of numba is patched, its settings are not
touched, and what it compiles for others in this process stays as it is. Machine code is emitted
once, for the whole kernel, and not for each function on the way.
"""

# numba's classes have no types.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, final

import llvmlite.binding as llvm
from numba.core import codegen, config, entrypoints, registry, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import NumbaError, UnsupportedBytecodeError

from emberkeep.errors import InvalidKernel
from emberkeep.targets.arguments import Array
from emberkeep.targets.callees import Adapter, compiled_by, refuse_results
from emberkeep.targets.compile_times import FunctionTime, compile_spans, timed
from emberkeep.targets.cpu.c_library import ALLOWED_SYMBOLS
from emberkeep.targets.cpu.entry import ENTRY, entry_source
from emberkeep.targets.cpu.exceptions import without_pickles
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
    from collections.abc import Callable, Mapping, Sequence


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
    target = _target(processor, features, straight=bool(source.options.get("straight_vectors")))
    with compile_spans("cpu"):
        library, symbol = _compile(source, target)
    with span(f"emit {source.name}", Category.COMPILE, {"part": "emit", "target": "cpu"}):
        module = _freestanding(library, symbol)
        function = module.get_function(symbol)
        written = written_arrays(function, source.types)
        module = _with_entry(module, symbol, source)
        _require_known_symbols(module, source.name)
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
    dispatcher = _dispatcher_class(target)(loop, targetoptions={**_options(source), "nogil": True})
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

    adapter = Adapter(compiled_by(jit, _knows()))
    adapted = adapter.adapt(source.function)
    body = _device_function(adapted, source, target, {"forceinline": True})
    return body, [*made, body], adapter


def _knows() -> Callable[[Any], bool]:
    """Which functions numba has an implementation for, or somebody has registered one."""
    entrypoints.init_all()  # numba's extensions: numba itself would load them a little later
    typing = registry.cpu_target.typing_context
    typing.refresh()
    return lambda function: typing._get_global_type(function) is not None  # noqa: SLF001 - the same


@global_compiler_lock
def isolated_times(source: KernelSource, processor: str, features: str) -> list[FunctionTime]:
    """What each function costs by itself: compiled once more, alone, its callees being there."""
    target = _target(processor, features, straight=bool(source.options.get("straight_vectors")))
    body, dispatchers, _ = _body(source, target)
    body.compile((types.int64, *map(_numba_type, source.types)))
    found: list[FunctionTime] = []
    for dispatcher in dispatchers:
        for arguments in dispatcher.overloads:
            alone = _dispatcher_class(target)(
                dispatcher.py_func, targetoptions=dispatcher.targetoptions
            )
            seconds = timed(lambda: alone.compile(arguments))  # noqa: B023 - called at once
            signature = ", ".join(map(str, arguments))
            name = dispatcher.py_func.__name__
            found.append(FunctionTime(name, signature, "cpu", seconds, seconds))
    return found


def _options(source: KernelSource) -> dict[str, Any]:
    options: dict[str, Any] = {
        "nopython": True,
        "error_model": "numpy",  # dividing by zero gives infinity, as in NumPy and on a GPU
        "no_cpython_wrapper": True,
        "no_cfunc_wrapper": True,
    }
    fastmath = source.options.get("fastmath", False)
    return {**options, "fastmath": fastmath if isinstance(fastmath, bool) else set(fastmath)}


def _device_function(
    function: Any, source: KernelSource, target: Any, written: Mapping[str, Any]
) -> Any:
    return _dispatcher_class(target)(function, targetoptions={**_options(source), **written})


def _numba_type(known: Any) -> Any:
    number = getattr(types, "boolean" if known.dtype == "bool" else known.dtype)
    if isinstance(known, Array):
        return types.Array(number, known.dimensions, known.layout)
    return number


# A code generator for another processor -----------------------------------------------------------


class _Library(codegen.JITCodeLibrary):
    """A library that is never run in this process: no machine code is made of it."""

    def _finalize_specific(self) -> None:
        """Do nothing: numba would emit and link machine code here, for each function."""

    def get_pointer_to_function(self, name: str) -> int:  # noqa: ARG002 - numba's signature
        """No address: what asks for one is never called. numba relies on this to finalize."""
        self._ensure_finalized()
        return 0


class _CodeGenerator(codegen.JITCPUCodegen):
    """numba's own, for another processor and without running what it makes."""

    _library_class = _Library

    def __init__(self, processor: str, features: str, *, straight: bool) -> None:
        self._processor, self._features = processor, features
        self._straight = straight
        super().__init__("emberkeep")

    def _get_host_cpu_name(self) -> str:
        return self._processor

    def _get_host_cpu_features(self) -> str:
        return self._features

    def _pass_builder(self, **kwargs: Any) -> Any:
        kwargs.setdefault("slp_vectorize", self._straight)
        return super()._pass_builder(**kwargs)

    def _add_module(self, module: Any) -> None:
        """Keep it from the execution engine."""

    def set_env(self, env_name: str, env: Any) -> None:
        """Environments belong to code that runs here."""


class _Target(registry.CPUTarget):
    """numba's CPU target with a context of our own; typing is shared with numba's."""

    def __init__(self, generator: _CodeGenerator) -> None:
        super().__init__("cpu")
        self._generator = generator

    @functools.cached_property
    def _toplevel_target_context(self) -> Any:
        stock = registry.cpu_target.target_context
        stock.refresh()
        return stock.subtarget(_internal_codegen=self._generator)

    @property
    def _toplevel_typing_context(self) -> Any:
        return registry.cpu_target.typing_context


@functools.cache
def _target(processor: str, features: str, *, straight: bool = False) -> _Target:
    """The target for a processor; `straight`: where vectors are made of straight code too."""
    return _Target(_CodeGenerator(processor, features, straight=straight))


@functools.cache
def _dispatcher_class(target: _Target) -> Callable[..., Any]:
    return type("Dispatcher", (registry.CPUDispatcher,), {"targetdescr": target})


# From numba's module to ours ----------------------------------------------------------------------

# What a freed array would call. Arguments of kernels have no owner (their pointer to it is null),
# so it is never reached; but LLVM cannot know that.
_NO_DESTRUCTOR = """
define internal void @NRT_MemInfo_call_dtor(ptr %p) {
  ret void
}
"""


def _freestanding(library: Any, symbol: str) -> Any:
    """A copy of numba's module in which nothing but the kernel is visible from outside."""
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


def _with_entry(module: Any, symbol: str, source: KernelSource) -> Any:
    """The module with what is called from outside, without what that does not need."""
    text = without_pickles(str(module))
    for numbas, plain in _LIBRARY_NAMES.items():
        text = text.replace(f"@{numbas}(", f"@{plain}(")
    if _vector_math(source.options):
        text = bind_vector_math(text)
    declares_destructor = "@NRT_MemInfo_call_dtor(" in text
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
    if declares_destructor:
        module.link_in(llvm.parse_assembly(_NO_DESTRUCTOR.replace("internal ", "")))
        module.get_function("NRT_MemInfo_call_dtor").linkage = llvm.Linkage.internal
    module.get_function(symbol).linkage = llvm.Linkage.internal
    assert not module.get_function(ENTRY).is_declaration
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    machine = llvm.Target.from_default_triple().create_target_machine()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options())
    passes.run(module, builder)
    module.verify()
    return module


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


def _require_known_symbols(module: Any, name: str) -> None:
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
