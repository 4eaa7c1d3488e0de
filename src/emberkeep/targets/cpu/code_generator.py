"""numba's own contexts, for another processor and without running what they make.

numba's own seams are used: a target context of our own (`subtarget`, as numba's ahead-of-time
compiler makes one) with a code generator for the wanted processor, and a dispatcher class that
compiles through it. Nothing of numba is patched, its settings are not touched, and what it compiles
for others in this process stays as it is. Machine code is emitted once, for a whole kernel, and not
for each function on the way.
"""

# numba's classes have no types.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from numba.core import codegen, entrypoints, registry

if TYPE_CHECKING:
    from collections.abc import Callable


def options_of(liberties: Any) -> dict[str, Any]:
    """How numba compiles functions that are kept.

    Args:
        liberties: that it may take with numbers: LLVM's names, all, or none.
    """
    return {
        "nopython": True,
        "error_model": "numpy",  # dividing by zero gives infinity, as in NumPy and on a GPU
        "no_cpython_wrapper": True,
        "no_cfunc_wrapper": True,
        "fastmath": liberties if isinstance(liberties, bool) else set(liberties),
    }


def implemented() -> Callable[[Any], bool]:
    """Which functions numba has an implementation for, or somebody has registered one."""
    entrypoints.init_all()  # numba's extensions: numba itself would load them a little later
    typing = registry.cpu_target.typing_context
    typing.refresh()
    return lambda function: typing._get_global_type(function) is not None  # noqa: SLF001 - the same


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
def target_for(processor: str, features: str, *, straight: bool = False) -> _Target:
    """The target for a processor; `straight`: where vectors are made of straight code too."""
    return _Target(_CodeGenerator(processor, features, straight=straight))


@functools.cache
def dispatcher_class(target: _Target) -> Callable[..., Any]:
    """What numba compiles functions by, for a target."""
    return type("Dispatcher", (registry.CPUDispatcher,), {"targetdescr": target})
