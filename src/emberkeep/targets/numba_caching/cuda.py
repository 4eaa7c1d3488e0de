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
from numba.cuda.dispatcher import CUDADispatcher, _Kernel

from emberkeep.errors import Unloadable
from emberkeep.keys.toolchain import toolchain
from emberkeep.targets.cuda.compiler import PACKAGES
from emberkeep.targets.cuda.load import compress, expand
from emberkeep.targets.numba_caching.asking import Asking, NotKept

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emberkeep.cache import Artifact, Keep
    from emberkeep.keys.toolchain import Toolchain

CUBIN = "compressed cubin"


def attach(dispatcher: Any, keep: Keep) -> None:
    """Let a dispatcher keep what it compiles, also for `specialize` and `forall`."""
    dispatcher._cache = KernelCache(dispatcher, keep)  # noqa: SLF001 - as its enable_caching does

    def specialize(*arguments: Any) -> Any:
        return _specialize(dispatcher, keep, arguments)

    # numba makes a bare dispatcher for each specialisation, without its cache.
    dispatcher.specialize = specialize


def _specialize(dispatcher: Any, keep: Keep, arguments: tuple[Any, ...]) -> Any:
    """As numba-cuda's own, with a dispatcher that keeps."""
    kinds = tuple(dispatcher.typeof_pyval(argument) for argument in arguments)
    place = (numba_dispatcher.get_current_device().compute_capability, kinds)
    if dispatcher.specialized:
        raise RuntimeError("Dispatcher already specialized")
    found = dispatcher.specializations.get(place)
    if found is None:
        found = CUDADispatcher(dispatcher.py_func, targetoptions=dispatcher.targetoptions)
        attach(found, keep)
        found.compile(kinds)
        found.disable_compile()
        found._specialized = True  # noqa: SLF001 - the same
        dispatcher.specializations[place] = found
    return found


def _toolchain() -> Toolchain:
    return toolchain(PACKAGES, own=("targets.cuda.load", "targets.numba_caching"), cuda=True)


@final
class KernelCache(caching._Cache):  # noqa: SLF001 - numba-cuda's own base of caches
    """Finds and keeps compiled kernels of one dispatcher."""

    def __init__(self, dispatcher: Any, keep: Keep) -> None:
        self._dispatcher = dispatcher
        self._enabled = True
        self._root = keep.settings.root
        self._asking = Asking(keep, dispatcher.py_func, _toolchain)

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
        """The compiled kernel for a signature, or None."""
        if not self._enabled:
            return None
        signature = _text(sig)
        capability = tuple(numba_dispatcher.get_current_device().compute_capability)
        artifact = self._asking.load(
            signature, {"dispatcher": self._dispatcher, "compute capability": capability}
        )
        if artifact is None:
            return None
        try:
            return _rebuild(artifact, sig)
        except NotKept as problem:
            self._asking.put_off(signature, str(problem))
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled kernel."""
        if self._enabled:
            self._asking.save(_text(sig), lambda: _reduce(data))


def _text(sig: Any) -> str:
    arguments, _ = sigutils.normalize_signature(sig)
    return ", ".join(map(str, arguments))


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
    except (KeyError, TypeError, ValueError, AttributeError, Unloadable) as problem:
        raise NotKept(f"what was kept has another form: {problem}") from problem
