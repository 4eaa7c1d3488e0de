"""Kernels that XLA calls itself, without Python in between: foreign functions on the CPU.

A kernel declared with ``xla_results=`` has a second entry, which reads XLA's call frame. What it
is called in a program holds the digest of its key, so that a program that was compiled with another
version of the kernel finds nothing, and is compiled again.
"""

from __future__ import annotations

import ctypes
import platform
from importlib import import_module

from emberkeep.errors import InvalidKernel, Unloadable
from emberkeep.keep.keep import Keep
from emberkeep.startup_records import final, sha256
from emberkeep.targets.cpu.load import load_object_llvmlite, load_shared_object
from emberkeep.targets.cpu.target import RELOCATABLE, SHARED, require_features
from emberkeep.targets.cpu.xla_entry import XLA_ENTRY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from emberkeep.keep.artifact import Artifact
    from emberkeep.targets.kernel import Kernel

DIGITS = 16


@final
class Handler:
    """A kernel that is registered with XLA when it is first needed.

    Args:
        kernel: declared with one signature, of arrays in C order, and ``xla_results=``.
        keep: where it is kept, unless it has a keep of its own.
    """

    def __init__(self, kernel: Kernel, keep: Keep | None = None) -> None:
        self.kernel = kernel
        self._keep = keep
        self._target = ""

    def __reduce__(self) -> tuple[Any, ...]:
        return Handler, (self.kernel, self._keep)

    def __repr__(self) -> str:
        return f"<Handler of {self.kernel.name}>"

    @property
    def target(self) -> str:
        """What programs call it; from then on XLA knows it.

        Raises:
            InvalidKernel: it is not declared for XLA.
            TargetUnavailable: it is not kept, and there is no compiler.
        """
        if not self._target:
            artifact = self.kernel.obtained(self._keep)
            try:
                address = _entry_of(artifact, self.kernel.name)
            except Unloadable:  # kept, and not for this machine: what obtains kernels mends that
                artifact, address = _rebuilt(self.kernel)
            digest = artifact.key or sha256(b"".join(artifact.blobs.values())).hexdigest()
            name = f"emberkeep_{self.kernel.name}_{sha256(digest.encode()).hexdigest()[:DIGITS]}"
            _register(name, address)
            self._target = name
        return self._target

    def __call__(self, results: Sequence[Any], *arguments: Any) -> Any:
        """The call within a program that is being traced.

        Args:
            results: shapes and types of the results.
            arguments: arrays in the kernel's order.
        """
        jax: Any = import_module("jax")
        return jax.ffi.ffi_call(self.target, tuple(results))(*arguments)


def is_supported() -> bool:
    """Whether XLA can call kernels on this machine."""
    return platform.machine() in ("x86_64", "AMD64", "aarch64") and platform.system() == "Linux"


def _rebuilt(kernel: Kernel) -> tuple[Artifact, int]:
    (artifact,) = kernel.build(keep=Keep(disabled=True))
    return artifact, _entry_of(artifact, kernel.name)


def _entry_of(artifact: Artifact, name: str) -> int:
    require_features(artifact)
    try:
        if SHARED in artifact.blobs:
            return load_shared_object(artifact.blobs[SHARED]).address(XLA_ENTRY)
        return load_object_llvmlite(artifact.blobs[RELOCATABLE], XLA_ENTRY)
    except Unloadable as problem:
        if "has no function" in str(problem):
            raise InvalidKernel(
                f"The kernel {name!r} has no entry for XLA. Declare how many of its last arguments "
                "are results: @kernel(…, xla_results=1)"
            ) from problem
        raise


# What XLA knows in this process: it forgets nothing. By name, the address.
_registered: dict[str, int] = {}


def _register(name: str, address: int) -> None:
    """Tell XLA; of two kernels with one name, one digest and so one meaning, the first stays."""
    if name not in _registered:
        ffi: Any = import_module("jax.ffi")
        make_capsule = ctypes.pythonapi.PyCapsule_New
        make_capsule.restype = ctypes.py_object
        make_capsule.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
        ffi.register_ffi_target(name, make_capsule(address, None, None), platform="cpu")
        _registered[name] = address
