"""The cache class for `@cuda.jit` kernels."""

# numba-cuda's classes have no types.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
# pyright: reportPrivateImportUsage=false, reportCallIssue=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from numba.cuda import dispatcher as numba_dispatcher
from numba.cuda import types, typing
from numba.cuda.codegen import CUDACodeLibrary
from numba.cuda.core import caching, sigutils
from numba.cuda.core.compiler_lock import global_compiler_lock
from numba.cuda.core.errors import NumbaError, UnsupportedBytecodeError
from numba.cuda.dispatcher import CUDADispatcher, _Kernel

from emberkeep.errors import Unloadable
from emberkeep.keys.toolchain import toolchain
from emberkeep.store.manifest import MISREAD
from emberkeep.targets.compile_times import compile_spans
from emberkeep.targets.cuda.compiler import PACKAGES
from emberkeep.targets.cuda.load import compress, expand
from emberkeep.targets.diagnosis import refused
from emberkeep.targets.numba_caches.lookup import Lookup, Malformed, NotKept
from emberkeep.targets.numba_caches.recompilation import renewing
from emberkeep.targets.overloads import fresh_overloads
from emberkeep.telemetry.spans import span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emberkeep.keep.artifact import Artifact
    from emberkeep.keep.keep import Keep
    from emberkeep.keys.toolchain import Toolchain

CUBIN = "compressed cubin"
OWN = (
    "emberkeep.targets.callees",
    "emberkeep.targets.cuda.load",
    "emberkeep.targets.numba_caches",
    "emberkeep.targets.overloads",
)


def attach(
    dispatcher: Any, keep: Keep, called: tuple[str, str], meaning: Any | None = None
) -> None:
    """Let a dispatcher keep what it compiles, also for `specialize` and `forall`.

    It compiles afresh, and asks before each launch whether it is what it was.

    Args:
        dispatcher: of `@cuda.jit`.
        keep: where.
        called: kind and name there.
        meaning: the dispatcher that says what is compiled; itself by default.
    """
    cache = KernelCache(dispatcher, keep, called, meaning)
    dispatcher._cache = cache  # noqa: SLF001 - as its enable_caching does
    call = dispatcher.call

    def specialize(*arguments: Any) -> Any:
        return _specialize(dispatcher, keep, called, arguments)

    def asking(*arguments: Any) -> Any:
        cache.check()
        return call(*arguments)

    # numba makes a bare dispatcher for each specialisation, without its cache.
    dispatcher.specialize, dispatcher.call = specialize, asking


def _specialize(
    dispatcher: Any, keep: Keep, called: tuple[str, str], arguments: tuple[Any, ...]
) -> Any:
    """As numba-cuda's own, with a dispatcher that keeps."""
    kinds = tuple(dispatcher.typeof_pyval(argument) for argument in arguments)
    place = (numba_dispatcher.get_current_device().compute_capability, kinds)
    if dispatcher.specialized:
        raise RuntimeError("Dispatcher already specialized")
    found = dispatcher.specializations.get(place)
    if found is None:
        found = CUDADispatcher(dispatcher.py_func, targetoptions=dispatcher.targetoptions)
        # One that is specialised stops compiling, which would be told from what it was before.
        attach(found, keep, called, meaning=dispatcher)
        _compile_for_one(found, kinds)
        dispatcher.specializations[place] = found
    return found


def _compile_for_one(dispatcher: Any, kinds: Any) -> None:
    dispatcher._specialized = False  # noqa: SLF001 - as numba-cuda's own does
    dispatcher.disable_compile(val=False)
    dispatcher.compile(kinds)
    dispatcher.disable_compile()
    dispatcher._specialized = True  # noqa: SLF001 - the same


def compile_afresh(dispatcher: Any, arguments: Any) -> Any:
    """A kernel of what the function, and all that it calls, is now."""
    adapter = renewing()
    copy = adapter.stand_in(dispatcher).py_func
    with compile_spans("cuda"), fresh_overloads(adapter.adapt):
        return _Kernel(copy, arguments, **dispatcher.targetoptions)


def _toolchain() -> Toolchain:
    return toolchain(PACKAGES, own=OWN, cuda=True)


@final
class KernelCache(caching._Cache):  # noqa: SLF001 - numba-cuda's own base of caches
    """Finds and keeps compiled kernels of one dispatcher."""

    def __init__(
        self, dispatcher: Any, keep: Keep, called: tuple[str, str], meaning: Any | None = None
    ) -> None:
        self._dispatcher = dispatcher
        self._enabled = True
        self._root = keep.settings.root
        self.lookup = Lookup(keep, meaning or dispatcher, _toolchain, called)

    def check(self) -> None:
        """Let go of what was compiled, where the dispatcher means something else by now."""
        if self.lookup.is_current():
            return
        with global_compiler_lock:
            dispatcher = self._dispatcher
            kinds = list(dispatcher.overloads)
            dispatcher._reset_overloads()  # noqa: SLF001 - as numba's recompile does
            dispatcher._launch_config_specializations.clear()  # noqa: SLF001 - the same
            if dispatcher.specialized:
                _compile_for_one(dispatcher, *kinds)

    @property
    def cache_path(self) -> str | None:
        """The keep's folder."""
        return self._root

    def enable(self) -> None:
        """Look and keep."""
        self._enabled = True

    def disable(self) -> None:
        """Do neither."""
        self._enabled = False

    def flush(self) -> None:
        """Do nothing: what is kept has an exact key, so none of it is ever out of date."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:  # noqa: ARG002 - not refreshed
        """The compiled kernel for a signature: kept, or compiled now."""
        if not self._enabled:
            return None
        artifact = self.find(sig)
        if artifact is not None:
            try:
                return _rebuild(artifact, sig)
            except NotKept as problem:
                self.lookup.put_off(_text(sig), problem)
        return self._compile(sig)

    def find(self, sig: Any) -> Artifact | None:
        """What is kept for a signature, for the device in use."""
        capability = tuple(numba_dispatcher.get_current_device().compute_capability)
        return self.lookup.load(
            _text(sig), {"compute capability": capability, "signature": list(_types(sig))}
        )

    def _compile(self, sig: Any) -> Any:
        """A new kernel, published; numba-cuda takes it for one that was kept, but for counting."""
        if not self._dispatcher._can_compile:  # noqa: SLF001 - numba-cuda says so
            return None
        arguments, _ = sigutils.normalize_signature(sig)
        kind, name = self.lookup.called
        with span(f"build {kind}/{name}", "build"):
            kernel = compile_afresh(self._dispatcher, arguments)
            kernel.bind()
        self.lookup.save(_text(sig), lambda: _reduce(kernel))
        self._dispatcher._cache_misses[sig] += 1  # noqa: SLF001 - as numba-cuda counts
        self._dispatcher._cache_hits[sig] -= 1  # noqa: SLF001 - the same
        return kernel

    def save_overload(self, sig: Any, data: Any) -> None:
        """Do nothing: what is not found is compiled and kept here."""


def _types(sig: Any) -> tuple[Any, ...]:
    arguments, _ = sigutils.normalize_signature(sig)
    return tuple(arguments)


def _text(sig: Any) -> str:
    """A signature as it is shown, with the numbers of its types: equal texts may differ."""
    arguments = _types(sig)
    codes = [kind._code for kind in arguments]  # noqa: SLF001 - numba's own number of a type
    return f"{', '.join(map(str, arguments))} {codes}"


def _reduce(kernel: Any) -> Mapping[str, object]:
    """A kernel as its cubin and JSON: IR and PTX have done their work."""
    library = kernel._codelibrary  # noqa: SLF001 - as numba-cuda's own cache reads it
    if getattr(kernel, "launch_config_sensitive", False):
        raise NotKept("its code depends on how it is launched")
    if library._linking_files or library.referenced_objects:  # noqa: SLF001 - the same
        raise NotKept(
            "it links other files, allocates memory, or captures arrays on the device. Pass arrays "
            "as arguments"
        )
    if library._setup_functions or library._teardown_functions or kernel.extensions:  # noqa: SLF001
        raise NotKept("it must run Python functions when it is loaded or launched")
    ((capability, cubin),) = library._cubin_cache.items()  # noqa: SLF001 - the same
    code = getattr(cubin, "code", cubin)
    layout = {
        "name": library.name,
        "entry": kernel.entry_name,
        "capability": list(capability),
        "cooperative": bool(kernel.cooperative),
        "debug": bool(kernel.debug),
        "lineinfo": bool(kernel.lineinfo),
        "carveout": getattr(kernel, "shared_memory_carveout", None),
        "library_cooperative": bool(library.use_cooperative),
    }
    content = bytes(code)
    return {CUBIN: compress(content), "layout": {**layout, "size_bytes": len(content)}}


def _rebuild(artifact: Artifact, sig: Any) -> Any:
    """A kernel of what was kept."""
    layout: Any = artifact.layout
    arguments, _ = sigutils.normalize_signature(sig)
    try:
        if layout["debug"]:
            raise NotKept("kernels for debugging need a helper that is compiled with them")
        library = CUDACodeLibrary(None, layout["name"], entry_name=layout["entry"])
        from cuda.core import ObjectCode

        cubin = ObjectCode.from_cubin(expand(artifact.blobs[CUBIN], layout["size_bytes"]))
        library._cubin_cache[tuple(layout["capability"])] = cubin  # noqa: SLF001 - as its rebuild
        library._llvm_strs = []  # noqa: SLF001 - the same
        library.use_cooperative = layout["library_cooperative"]
        library._finalized = True  # noqa: SLF001 - the same
        return _Kernel._rebuild(  # noqa: SLF001 - how numba-cuda makes one of what it cached
            cooperative=layout["cooperative"],
            name=layout["entry"],
            signature=typing.signature(types.none, *arguments),
            codelibrary=library,
            debug=False,
            lineinfo=layout["lineinfo"],
            call_helper=None,
            extensions=[],
            shared_memory_carveout=layout["carveout"],
        )
    except (*MISREAD, Unloadable) as problem:
        raise Malformed(f"what was kept has another form: {problem!r:.200}") from problem


def build_ahead(
    dispatcher: Any, signature: Any, keep: Keep, architecture: str
) -> tuple[Artifact | None, bool, str]:
    """What is kept for a signature and an architecture, compiled now where nothing was.

    No GPU is needed: a kernel is made and linked as numba-cuda does, and never bound to a device.
    Also gives whether it was kept, and why it is not.

    Raises:
        InvalidKernel: numba-cuda cannot compile it.
    """
    from emberkeep.targets.cuda.lower import linking_for

    called = dispatcher._cache.lookup.called  # noqa: SLF001 - as keep_kernel has attached it
    cache = KernelCache(dispatcher, keep, called)
    sig, _ = sigutils.normalize_signature(signature)
    with linking_for(architecture):
        found = cache.find(sig)
        if found is not None:
            return found, True, ""
        try:
            made = compile_afresh(dispatcher, sig)
            made._codelibrary.get_cubin()  # noqa: SLF001 - what binding to a device does first
        except (NumbaError, UnsupportedBytecodeError, NotImplementedError) as problem:
            name, function = dispatcher.py_func.__name__, dispatcher.py_func
            raise refused(name, function, problem, "numba-cuda") from problem
        cache.lookup.save(_text(sig), lambda: _reduce(made))
        return cache.find(sig), False, cache.lookup.refusal
