# All of it is JAX's own, without types, and private.
# pyright: basic, reportPrivateImportUsage=false
# ruff: noqa: SLF001
"""What is used of JAX beyond its public interface: here, and nowhere else.

Written for JAX 0.10. JAX's `serialize_executable` takes the same way but for the pickle, and
`MeshExecutable.create_cpp_call` is the pattern for calls. Where JAX has changed, an `ImportError`,
`AttributeError` or `TypeError` leaves this module, and the caller goes on with `jax.jit`.
"""

from __future__ import annotations

from threading import Lock, get_ident

import jax
from jax._src import (
    compilation_cache,
    compiler,
    config,
    core,
    dispatch,
    dtypes,
    sharding_impls,
    tree_util,
    xla_bridge,
)
from jax._src.interpreters import pxla
from jax._src.lib import _jax, xla_client

from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

# What compile options hold of paths and dumps: they change no code.
_PATHS = (
    "xla_dump_to",
    "xla_gpu_kernel_cache_file",
    "xla_gpu_per_fusion_autotune_cache_dir",
    "xla_gpu_cuda_data_dir",
)


@final
@frozen
class Facts:
    """What there is to know of a compiled program besides its machine code.

    Attributes:
        name: what JAX's profiles call it.
        taken: indices of the arguments' leaves that the program takes.
        results: shapes and types.
        committed: whether the results are bound to their device.
        obstacle: why it cannot be kept; empty where it can.
    """

    name: str
    taken: tuple[int, ...]
    results: tuple[Any, ...]
    committed: bool
    obstacle: str


@final
class Executable:
    """A program that is ready to run; a signature's arguments belong to it.

    Args:
        executable: JAX's.
        out_tree: how its results are arranged.
    """

    def __init__(self, executable: Any, out_tree: Any) -> None:
        self.executable = executable
        self.out_tree = out_tree

    def run(self, leaves: Sequence[Any]) -> tuple[Any, Any]:
        """The results, and what JAX's dispatch needs to run it without Python (or None)."""
        executable = self.executable
        results = executable.unsafe_call(*leaves)
        flat, tree = pxla.reflatten_outputs_for_dispatch(self.out_tree, results)
        shortcut = None
        if all(isinstance(value, xla_client.ArrayImpl) for value in flat):
            shortcut = pxla.MeshExecutableFastpathData(
                executable.xla_executable,
                tree,
                [
                    sharding_impls.physical_sharding(aval, sharding)
                    if dtypes.issubdtype(aval.dtype, dtypes.extended)
                    else sharding
                    for sharding, aval in zip(
                        executable._in_shardings, executable.in_avals, strict=True
                    )
                ],
                executable._out_shardings,
                [value.aval for value in flat],
                [value._committed for value in flat],
                [index in executable._kept_var_idx for index in range(len(leaves))],
                executable._dispatch_in_layouts,
                [],
            )
        return self.out_tree.unflatten(results), shortcut


def dispatcher(
    name: str,
    function: Callable[..., Any],
    miss: Callable[..., Any],
    positions: Sequence[int],
    names: Sequence[str],
) -> Callable[..., Any]:
    """JAX's dispatch in C++: it calls `miss` for a signature that it has no shortcut for.

    The function is what it calls where compiling is switched off.
    """

    def alone(*args: Any, **kwargs: Any) -> Any:  # dispatch caches go by the function's identity
        return function(*args, **kwargs)

    keys = pxla.JitGlobalCppCacheKeys()
    registry, shard = tree_util.dispatch_registry, pxla.cc_shard_arg
    run = _jax.pjit(name, alone, miss, list(positions), list(names), keys, registry, shard)
    run._fun = alone  # what is looked into when debugging finds a NaN
    return run


def is_plain_call(leaves: Sequence[Any]) -> bool:
    """Whether values are computed now: nothing is being traced and no debugging is on."""
    return (
        core.trace_state_clean()
        and not any(isinstance(leaf, core.Tracer) for leaf in leaves)
        and not dispatch.needs_check_special()
        and not config.disable_jit.value
        and not config.no_execution.value
    )


def trace_context() -> Any:
    """What decides, besides the arguments, how a function is traced now; comparable."""
    return config.trace_context()


def default_device() -> Any:
    """Where arrays go that are bound nowhere: the user's choice, or the first of the backend."""
    chosen = config.default_device.value
    if chosen is None or isinstance(chosen, str):
        return xla_bridge.local_devices(backend=chosen)[0]
    return chosen


def options() -> Mapping[str, Any]:
    """JAX's options and contexts as they are in this thread."""
    states = {name: state.value for name, state in config.config_states.items()}
    names = config.trace_context_names()
    contexts = zip(names, config.trace_context(), strict=True)
    return {
        **{name: value for name, value in contexts if name != "axis_env_state"},
        **states,
    }


def compile_options(device: Any) -> bytes:
    """What XLA will be told: all its flags as it has read them, and JAX's options for it."""
    chosen = compiler.get_compile_options(1, 1, backend=device.client)
    debug = chosen.executable_build_options.debug_options
    for name in _PATHS:
        setattr(debug, name, "")
    debug.xla_gpu_experimental_autotune_cache_mode = 0
    return chosen.SerializeAsString()


def facts(compiled: Any, device: Any) -> Facts:
    """What there is to know of a program that JAX has compiled."""
    unloaded = compiled._executable._unloaded_executable
    return Facts(
        unloaded.name,
        tuple(sorted(unloaded.kept_var_idx)),
        tuple(unloaded.output_avals),
        bool(unloaded.committed),
        _obstacle(compiled, unloaded, device),
    )


def _obstacle(compiled: Any, unloaded: Any, device: Any) -> str:
    if unloaded.host_callbacks or unloaded.keepalive:
        return "it calls back into Python"
    if unloaded.ordered_effects or unloaded.unordered_effects:
        return "it has effects besides its results"
    if unloaded.mut is not None or any(
        type(aval) is not core.ShapedArray for aval in unloaded.output_avals
    ):
        return "it changes or returns mutable references"
    if compiled._params.const_args:
        return "it holds arrays outside of its code (jax_use_simplified_jaxpr_constants)"
    if tuple(unloaded.device_list) != (device,):
        return "it runs on several devices, or on another than its arguments are on"
    if any(layout is not None for layout in unloaded.dispatch_in_layouts):
        return "its arguments have layouts of their own"
    kinds = {sharding.memory_kind for sharding in unloaded.output_shardings}
    if kinds - {device.default_memory().kind}:
        return "its results are in another memory than the device's"
    return ""


# Made once and early: a new one is a new context for everything that was traced before.
_tracing = jax.make_user_context(None)


def traced_afresh(token: object) -> Any:
    """A context in which JAX traces every function anew, also bodies of loops and nested jits.

    It remembers traces by the functions' identity, with the globals that they read then, for each
    value of what users put in context. A token that nobody else has finds nothing remembered, but
    for what was traced with that very token.
    """
    return _tracing(token)


_compiling = Lock()


def compile_anew(lowered: Any) -> Any:
    """Compile past JAX's own cache, and leave nothing there.

    What comes from that cache can run, but serialised once more it lacks its code (on the CPU).
    JAX looks at the option that switches the cache off only once in a process, so what tells
    whether it is used is replaced meanwhile, for this thread.
    """
    thread = get_ident()
    with _compiling:
        asked = compilation_cache.is_cache_used
        compilation_cache.is_cache_used = lambda backend: get_ident() != thread and asked(backend)
        try:
            return lowered.compile()
        finally:
            compilation_cache.is_cache_used = asked


def serialise(compiled: Any, device: Any) -> bytes:
    """The machine code and what XLA's runtime needs to know of it."""
    return device.client.serialize_executable(compiled.runtime_executable())


def of_compiled(compiled: Any) -> Executable:
    """The program that was just compiled."""
    return Executable(compiled._executable, compiled.out_tree)


def restore(
    content: bytes, told: Facts, device: Any, arguments: Sequence[Any], out_tree: Any
) -> Executable:
    """A kept program.

    Args:
        content: what `serialise` gave.
        told: what `facts` gave.
        device: where it runs.
        arguments: shapes and types of all leaves of the arguments.
        out_tree: how the results are arranged.
    """
    devices = xla_client.DeviceList((device,))
    sharding = sharding_impls.SingleDeviceSharding(device, memory_kind=device.default_memory().kind)
    taken = [arguments[index] for index in told.taken]
    unloaded = pxla.UnloadedMeshExecutable(
        xla_executable=device.client.deserialize_executable(content, executable_devices=devices),
        device_list=devices,
        backend=device.client,
        input_avals=taken,
        input_shardings=[sharding] * len(taken),
        output_avals=list(told.results),
        output_shardings=[sharding] * len(told.results),
        committed=told.committed,
        name=told.name,
        unordered_effects=[],
        ordered_effects=[],
        keepalive=[],
        host_callbacks=[],
        kept_var_idx=set(told.taken),
        mut=None,
        xla_in_layouts=[None] * len(taken),
        dispatch_in_layouts=[None] * len(taken),
        xla_out_layouts=[None] * len(told.results),
        all_args_info=None,
        pgle_profiler=None,
    )
    return Executable(unloaded.load(), out_tree)


def result_type(shape: Sequence[int], dtype: Any, *, is_weak: bool) -> Any:
    """What JAX knows of a result."""
    return core.ShapedArray(tuple(shape), dtype, weak_type=is_weak)


def make_tree(node: Any, children: Sequence[Any]) -> Any:
    """A tree's structure from its root (type and what belongs to it, or None) and its branches."""
    registry = tree_util.default_registry
    return tree_util.PyTreeDef.from_node_data_and_children(registry, node, children)


def initialise_lapack() -> None:
    """Fill the table of LAPACK's functions: a loaded program jumps through it (jax#28908)."""
    from jaxlib import lapack

    lapack._lapack.initialize()
