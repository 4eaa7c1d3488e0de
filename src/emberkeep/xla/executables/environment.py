"""How a program is compiled, as far as it can change the code: the build half of its key."""

from __future__ import annotations

import os
from enum import Enum
from typing import cast

from emberkeep.errors import Unkeyable
from emberkeep.keys.toolchain import toolchain
from emberkeep.startup_records import sha256
from emberkeep.targets.cpu.features import host
from emberkeep.targets.kernel_lookup import BuildHalf
from emberkeep.version import __version__
from emberkeep.xla.executables import internals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# What traces and compiles: jax and jaxlib; what they compute constants and plans with.
PACKAGES = ("jax", "jaxlib", "ml_dtypes", "numpy", "opt_einsum")
# What a GPU's code is compiled with.
GPU_PACKAGES = tuple(
    f"jax_{name}_{part}"
    for name in ("cuda12", "cuda13", "rocm60", "rocm7")
    for part in ("pjrt", "plugin")
)
OWN = ("emberkeep.xla.executables",)
FLAGS = ("XLA_FLAGS", "LIBTPU_INIT_ARGS")

# What changes no code: caches, logs, what errors look like, which devices there are (the device
# itself is in the key), and export. By their beginnings.
_WITHOUT_EFFECT = (
    "jax2tf_",
    "jax_array_garbage_collection_guard",
    "jax_captured_constants_",
    "jax_check_tracer_leaks",
    "jax_compilation_cache_",
    "jax_debug_leaked_clients",
    "jax_debug_log_modules",
    "jax_default_device",
    "jax_distributed_debug",
    "jax_enable_compilation_cache",
    "jax_explain_cache_misses",
    "jax_export_",
    "jax_hlo_source_file_canonicalization_regex",
    "jax_include_full_tracebacks_in_locations",
    "jax_log_",
    "jax_logging_level",
    "jax_num_cpu_devices",
    "jax_persistent_cache_",
    "jax_pjrt_client_create_options",
    "jax_platforms",
    "jax_pprint_use_color",
    "jax_raise_persistent_cache_errors",
    "jax_serialization_version",
    "jax_share_binary_between_hosts",
    "jax_source_url_schema",
    "jax_thread_guard",
    "jax_traceback_",
    "jax_transfer_guard",
)


def build_half(device: Any) -> BuildHalf:
    """The build key's ingredients for programs on a device.

    Raises:
        Unkeyable: a context of JAX is in force that cannot be keyed, such as a mesh.
    """
    packages = PACKAGES if device.platform == "cpu" else (*PACKAGES, *GPU_PACKAGES)
    made_by = toolchain(packages, own=OWN)
    told = sha256(internals.compile_options(device)).hexdigest()
    ingredients = {
        **made_by.ingredients,
        "emberkeep's version": __version__,
        "jax": _options(),
        "compile options": f"sha256:{told}",
        # XLA reads them once, and the digest above is of what it has read. Some of its parts
        # read them for themselves.
        "environment": {name: _flags(os.environ.get(name, "")) for name in FLAGS},
        "machine": _machine(device),
    }
    return BuildHalf(ingredients, made_by)


def _options() -> dict[str, str]:
    return {
        name: _as_text(name, value)
        for name, value in sorted(internals.options().items())
        if not name.startswith(_WITHOUT_EFFECT)
    }


def _as_text(name: str, value: object) -> str:
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if value is None or value == () or isinstance(value, (bool, int, float, str)):
        return repr(value)
    if getattr(value, "empty", None) is True:
        return "empty"  # a mesh of no devices, which is what JAX from 0.11 on has for none
    if isinstance(value, frozenset):  # of names of axes, which JAX from 0.12 on has
        names = cast("frozenset[object]", value)
        if all(isinstance(name, str) for name in names):
            return f"set of {sorted(map(str, names))}"
    raise Unkeyable(
        f"JAX's {name}", f"is {value!r}, which has no exact key", "Leave that context for the call"
    )


def _flags(text: str) -> str:
    """Flags as they are given, or those in the file that is named instead."""
    if not text or text.startswith("-"):
        return text
    try:
        with open(text, "rb") as file:
            return f"sha256:{sha256(file.read()).hexdigest()}"
    except OSError:
        return text


def _machine(device: Any) -> Mapping[str, object]:
    client = device.client
    machine: dict[str, object] = {
        "platform": client.platform,
        "platform version": client.platform_version,
        "device": device.device_kind,
        "devices": str(client.device_count()),
        "index": str(device.id),
    }
    if device.platform == "cpu":
        here = host()
        machine["processor"] = {
            "architecture": here.architecture,
            "vendor": here.vendor,
            "model": f"{here.family}/{here.model}/{here.stepping}",
            "features": here.features,
            "words": tuple(f"{word:#x}" for word in here.words),
            # XLA divides large operations by it.
            "processors": str(_processors()),
        }
    return machine


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
