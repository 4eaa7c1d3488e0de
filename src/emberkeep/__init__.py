"""emberkeep: a model is compiled once, ever, anywhere.

Names are loaded when they are first used, so that a start pays only for what it needs. A fork waits
until no other thread is within such an import: its child would wait for that for ever.

The engines are registered in `ENGINES`, and named nowhere else above or below them, so that each
may become a distribution of its own: where its folder is missing, the rest works.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep import errors as errors
    from emberkeep import ode as ode
    from emberkeep import phasetype as phasetype
    from emberkeep import telemetry as telemetry
    from emberkeep import testing as testing
    from emberkeep import xla as xla
    from emberkeep.errors import (
        BuildFailed,
        BundleRejected,
        EmberkeepError,
        EmberkeepWarning,
        InferenceWarning,
        InvalidArgument,
        InvalidBuild,
        InvalidGraph,
        InvalidKernel,
        InvalidPlan,
        InvalidSetting,
        InvalidSystem,
        KernelFailed,
        NotWritten,
        OutOfDeviceMemory,
        SolveFailed,
        SolveWarning,
        SpillWarning,
        StoreProblem,
        StoreWarning,
        TargetUnavailable,
        ToolchainWarning,
        TooStiff,
        Unkeyable,
        Unloadable,
        Untrusted,
    )
    from emberkeep.keep.artifact import Artifact
    from emberkeep.keep.keep import Keep
    from emberkeep.keys import Fingerprint, fingerprint
    from emberkeep.keys.explain import Difference, explain
    from emberkeep.keys.refusal import ingredient
    from emberkeep.keys.toolchain import Toolchain, toolchain
    from emberkeep.phasetype.trace_cache import (
        clear_trace_cache,
        list_cached_traces,
        trace_cache_stats,
    )
    from emberkeep.targets.cuda.memory import (
        DeviceArray,
        Stream,
        empty_on_device,
        pinned_empty,
        to_device,
    )
    from emberkeep.targets.kernel import Kernel, kernel
    from emberkeep.targets.numba_caches import keep_kernel
    from emberkeep.telemetry import TimeLogger
    from emberkeep.version import __version__ as __version__
    from emberkeep.xla.config import CompilationConfig
    from emberkeep.xla.manager import CacheManager
    from emberkeep.xla.summary import cache_info, clear_cache, jax_cache_info, print_cache_info

__all__ = [
    "Artifact",
    "BuildFailed",
    "BundleRejected",
    "CacheManager",
    "CompilationConfig",
    "DeviceArray",
    "Difference",
    "EmberkeepError",
    "EmberkeepWarning",
    "Fingerprint",
    "InferenceWarning",
    "InvalidArgument",
    "InvalidBuild",
    "InvalidGraph",
    "InvalidKernel",
    "InvalidPlan",
    "InvalidSetting",
    "InvalidSystem",
    "Keep",
    "Kernel",
    "KernelFailed",
    "NotWritten",
    "OutOfDeviceMemory",
    "SolveFailed",
    "SolveWarning",
    "SpillWarning",
    "StoreProblem",
    "StoreWarning",
    "Stream",
    "TargetUnavailable",
    "TimeLogger",
    "TooStiff",
    "Toolchain",
    "ToolchainWarning",
    "Unkeyable",
    "Unloadable",
    "Untrusted",
    "cache_info",
    "clear_cache",
    "clear_trace_cache",
    "empty_on_device",
    "explain",
    "fingerprint",
    "ingredient",
    "jax_cache_info",
    "keep_kernel",
    "kernel",
    "list_cached_traces",
    "pinned_empty",
    "print_cache_info",
    "to_device",
    "toolchain",
    "trace_cache_stats",
]

_HOMES = {
    "__version__": "version",
    "Artifact": "keep.artifact",
    "Keep": "keep.keep",
    "Difference": "keys.explain",
    "Fingerprint": "keys",
    "explain": "keys.explain",
    "fingerprint": "keys",
    "ingredient": "keys.refusal",
    "Toolchain": "keys.toolchain",
    "toolchain": "keys.toolchain",
    "DeviceArray": "targets.cuda.memory",
    "Stream": "targets.cuda.memory",
    "empty_on_device": "targets.cuda.memory",
    "pinned_empty": "targets.cuda.memory",
    "to_device": "targets.cuda.memory",
    "Kernel": "targets.kernel",
    "kernel": "targets.kernel",
    "keep_kernel": "targets.numba_caches",
    "TimeLogger": "telemetry",
}

# What each engine shows here, with its module.
ENGINES: dict[str, dict[str, str]] = {
    "ode": dict.fromkeys(
        ("InvalidSystem", "NotWritten", "SolveFailed", "SolveWarning", "SpillWarning"), "errors"
    ),
    "phasetype": {
        **dict.fromkeys(("InferenceWarning", "InvalidGraph", "TooStiff"), "errors"),
        "clear_trace_cache": "trace_cache",
        "list_cached_traces": "trace_cache",
        "trace_cache_stats": "trace_cache",
    },
    "xla": {
        "CacheManager": "manager",
        "CompilationConfig": "config",
        "cache_info": "summary",
        "clear_cache": "summary",
        "jax_cache_info": "summary",
        "print_cache_info": "summary",
    },
}
_HERE = os.path.dirname(__file__)
_ABSENT = [
    engine
    for engine in ENGINES
    # Within a zip file there are no folders to look for.
    if os.path.isdir(_HERE) and not os.path.isfile(f"{_HERE}/{engine}/__init__.py")
]
for _engine in _ABSENT:
    globals()["__all__"] = [name for name in __all__ if name not in ENGINES[_engine]]
_PACKAGES = ("errors", "telemetry", "testing", *(name for name in ENGINES if name not in _ABSENT))

_FORK_PATIENCE_S = 10.0  # the import may itself wait for the thread that forks


def _loads_for_us(thread: object) -> bool:
    """Whether a thread, told by its innermost frame, is importing what a call of ours needs."""
    frame: Any = thread
    is_importing = False
    while frame is not None:
        name = frame.f_globals.get("__name__") or ""
        if name == "importlib._bootstrap":
            is_importing = True
        elif is_importing and name.partition(".")[0] == "emberkeep":
            return True
        frame = frame.f_back
    return False


def _wait_for_imports() -> None:
    """Before a fork."""
    from _thread import get_ident
    from time import monotonic, sleep

    system: Any = sys
    until = monotonic() + _FORK_PATIENCE_S
    while monotonic() < until:
        others = [
            frame
            for thread, frame in system._current_frames().items()  # noqa: SLF001 - made for this
            if thread != get_ident()
        ]
        if not any(map(_loads_for_us, others)):
            return
        del others
        sleep(0.001)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_wait_for_imports)


def __getattr__(name: str) -> object:
    if name in _PACKAGES:
        try:
            # What is asked for of it is only a reason to give the package itself.
            return __import__(f"emberkeep.{name}", fromlist=("__name__",))
        except ImportError as problem:
            raise AttributeError(
                f"emberkeep.{name} cannot be imported: {problem}. It may need an extra: "
                f"pip install 'emberkeep[{name}]'"
            ) from problem
    if name not in __all__ and name != "__version__":
        engine = name if name in _ABSENT else engine_home(name).partition(".")[0]
        where = f": it is of emberkeep.{engine}, which is not installed" if engine else ""
        raise AttributeError(f"module 'emberkeep' has no attribute {name!r}{where}")
    # The builtin: `importlib` would be imported for this, and `warnings` with it.
    home = __import__(f"emberkeep.{_home(name)}", fromlist=(name,))
    value = getattr(home, name)
    globals()[name] = value
    return value


def _home(name: str) -> str:
    return engine_home(name) or _HOMES.get(name, "errors")


def engine_home(name: str) -> str:
    """The module, from here on, of what an engine shows; empty for all else."""
    for engine, shown in ENGINES.items():
        if name in shown:
            return f"{engine}.{shown[name]}"
    return ""


def __dir__() -> list[str]:
    return sorted([*__all__, *_PACKAGES])
