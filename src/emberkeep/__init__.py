"""emberkeep: a model is compiled once, ever, anywhere.

Names are loaded when they are first used, so that a start pays only for what it needs.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.cache import Artifact, Keep
    from emberkeep.errors import (
        BuildFailed,
        BundleRejected,
        EmberkeepError,
        EmberkeepWarning,
        InvalidArgument,
        InvalidBuild,
        InvalidKernel,
        InvalidPlan,
        InvalidSetting,
        InvalidSystem,
        KernelFailed,
        OutOfDeviceMemory,
        SolveFailed,
        StoreProblem,
        StoreWarning,
        TargetUnavailable,
        ToolchainWarning,
        Unkeyable,
        Unloadable,
        Untrusted,
    )
    from emberkeep.keys import Fingerprint, fingerprint
    from emberkeep.keys.declared import ingredient
    from emberkeep.keys.explain import Difference, explain
    from emberkeep.keys.toolchain import Toolchain, toolchain
    from emberkeep.targets.cuda.memory import (
        DeviceArray,
        Stream,
        empty_on_device,
        pinned_empty,
        to_device,
    )
    from emberkeep.targets.kernel import Kernel, kernel
    from emberkeep.targets.numba_caching import keep_kernel
    from emberkeep.telemetry import TimeLogger
    from emberkeep.version import __version__ as __version__

__all__ = [
    "Artifact",
    "BuildFailed",
    "BundleRejected",
    "DeviceArray",
    "Difference",
    "EmberkeepError",
    "EmberkeepWarning",
    "Fingerprint",
    "InvalidArgument",
    "InvalidBuild",
    "InvalidKernel",
    "InvalidPlan",
    "InvalidSetting",
    "InvalidSystem",
    "Keep",
    "Kernel",
    "KernelFailed",
    "OutOfDeviceMemory",
    "SolveFailed",
    "StoreProblem",
    "StoreWarning",
    "Stream",
    "TargetUnavailable",
    "TimeLogger",
    "Toolchain",
    "ToolchainWarning",
    "Unkeyable",
    "Unloadable",
    "Untrusted",
    "empty_on_device",
    "explain",
    "fingerprint",
    "ingredient",
    "keep_kernel",
    "kernel",
    "pinned_empty",
    "to_device",
    "toolchain",
]

_HOMES = {
    "__version__": "version",
    "Artifact": "cache",
    "Keep": "cache",
    "Difference": "keys.explain",
    "Fingerprint": "keys",
    "explain": "keys.explain",
    "fingerprint": "keys",
    "ingredient": "keys.declared",
    "Toolchain": "keys.toolchain",
    "toolchain": "keys.toolchain",
    "DeviceArray": "targets.cuda.memory",
    "Stream": "targets.cuda.memory",
    "empty_on_device": "targets.cuda.memory",
    "pinned_empty": "targets.cuda.memory",
    "to_device": "targets.cuda.memory",
    "Kernel": "targets.kernel",
    "kernel": "targets.kernel",
    "keep_kernel": "targets.numba_caching",
    "TimeLogger": "telemetry",
}


def __getattr__(name: str) -> object:
    if name not in __all__ and name != "__version__":
        raise AttributeError(f"module 'emberkeep' has no attribute {name!r}")
    # The builtin: `importlib` would be imported for this, and `warnings` with it.
    home = __import__(f"emberkeep.{_HOMES.get(name, 'errors')}", fromlist=(name,))
    value = getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
