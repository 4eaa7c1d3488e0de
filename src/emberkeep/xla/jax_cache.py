"""JAX's own compilation cache on the layers of a keep.

JAX asks an object with `get` and `put` for compiled programs. What it opens by itself is a folder
in which entries may be torn, are never checked and never healed. A path of another scheme would go
by way of `etils.epath`, which emberkeep does not depend on, and as a file system at that: whoever
stands in for files is told of existence, contents and folders, but never of a program. So the one
private function that opens the cache, `get_file_cache`, gives way to one that answers for
``emberkeep:`` and hands all other paths on (which `etils`, where it is installed, takes for a plain
path). It has been the same from JAX 0.4.30 to 0.11.2; where
it is not what is expected, one warning says so and JAX's own cache stays.

What JAX's key says: the program, jaxlib's version, the platform, compiler options and flags, the
devices. Added to it are the contents of jaxlib where a version tells too little, the processor's
features, and how JAX packs a program (its key says ``zlib`` in Python 3.14, where it is zstd).
"""

from __future__ import annotations

import os
import time
import warnings
from contextlib import contextmanager
from importlib import import_module
from threading import Lock

from emberkeep.errors import StoreWarning, TargetUnavailable
from emberkeep.keep.default import default_keep
from emberkeep.keep.reports import depth_of_caller
from emberkeep.keys.toolchain import toolchain
from emberkeep.startup_records import final
from emberkeep.targets.cpu import features
from emberkeep.targets.kernel_lookup import BuildHalf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from typing import Any

    from emberkeep.keep.artifact import Answer
    from emberkeep.keep.keep import Keep

KIND = "xla"
ROLE = "program"
SCHEME = "emberkeep:"
CACHE_DIR = "jax_compilation_cache_dir"
MIN_TIME = "jax_persistent_cache_min_compile_time_secs"
MIN_SIZE = "jax_persistent_cache_min_entry_size_bytes"
PRIVATE_MODULE = "jax._src.compilation_cache"
# What compiles; of CUDA's wheels, those that XLA takes its assembler and mathematics from.
COMPILERS = (
    "jaxlib",
    *(f"jax-cuda{major}-{part}" for major in (12, 13) for part in ("plugin", "pjrt")),
    *("nvidia-cuda-nvcc-cu12", "nvidia-cuda-nvcc"),
)


@final
class Programs:
    """What JAX has compiled, as its cache asks for it.

    Args:
        keep: where it is kept.

    Attributes:
        keep: the same.
        found: how many programs this process took from it.
        compiled: how many it had to compile and has published.
    """

    def __init__(self, keep: Keep) -> None:
        self.keep = keep
        self.found = 0
        self.compiled = 0
        self._path = f"{SCHEME}{keep.settings.root or ''}"  # what JAX writes to its log
        self._asked: dict[str, tuple[Answer, float]] = {}
        self._half: list[BuildHalf] = []

    @property
    def path(self) -> str:
        """What JAX calls it."""
        return self._path

    def get(self, key: str) -> bytes | None:
        """A program as JAX has packed it; None where it has to be compiled."""
        answer = self._ask(key)
        content = None if answer.artifact is None else answer.artifact.blobs.get(ROLE)
        if content is None:
            self._asked[key] = answer, time.perf_counter()
            return None
        self.found += 1
        return content

    def put(self, key: str, value: bytes) -> None:
        """Keep a program that was compiled."""
        answer, begun = self._asked.pop(key, None) or (self._ask(key), time.perf_counter())
        self.compiled += 1
        answer.publish({ROLE: value}, time.perf_counter() - begun)

    def _ask(self, key: str) -> Answer:
        if not self._half:
            self._half.append(_build_half())
        name = key.rpartition("-")[0] or "program"  # JAX's key: the module's name and a digest
        return self.keep.ask(KIND, name, _plan(key), toolchain=self._half[0])


def _plan(key: str) -> Mapping[str, object]:
    cache: Any = import_module(PRIVATE_MODULE)
    has_zstd = getattr(cache, "zstd", None) or getattr(cache, "zstandard", None)
    return {"JAX's key": key, "packed by": "zstd" if has_zstd else "zlib"}


def _build_half() -> BuildHalf:
    """What compiles, and for what processor; not the Python, which has no part in it."""
    compilers = toolchain(COMPILERS)
    here = features.host()
    machine = {
        "architecture": here.architecture,
        "vendor": here.vendor,
        "family, model, stepping": (here.family, here.model, here.stepping),
        "features": here.features,
        "CPUID": here.words,
    }
    return BuildHalf({"packages": compilers.ingredients["packages"], "machine": machine}, compilers)


# Switching it on and off --------------------------------------------------------------------------


@final
class _Switch:
    """What was changed of JAX in this process, and how it was before."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.programs: Programs | None = None
        self.stock: Callable[[str], Any] | None = None
        self.before: dict[str, tuple[object, object]] = {}  # option → as it was, as it was set
        self.environment: dict[str, tuple[str | None, str]] = {}  # the same of variables

    def open_cache(self, path: str) -> Any:
        """What stands in for JAX's `get_file_cache`."""
        if self.programs is not None and path.startswith(SCHEME):
            return self.programs, path
        assert self.stock is not None  # this function is there only while it is
        return self.stock(path)


_switch = _Switch()


def enable(
    keep: Keep | None = None, *, min_compile_time_s: float = 0.0, min_entry_size_bytes: int = 0
) -> None:
    """Have JAX look for compiled programs in a keep, and keep there what it compiles.

    From then on, for all of this process: also where JAX has compiled before. What JAX holds in
    memory stays as it is.

    Args:
        keep: where; by default the user's own keep.
        min_compile_time_s: what compiled faster is not kept.
        min_entry_size_bytes: what is smaller is not kept.

    Raises:
        TargetUnavailable: JAX is not installed.
    """
    jax = import_jax()
    cache = _private_module()
    if cache is None:
        return
    with _switch.lock:
        programs = Programs(keep or default_keep())
        if _switch.stock is None:
            _switch.stock = cache.get_file_cache
            cache.get_file_cache = _switch.open_cache
        _switch.programs = programs
        _set_options(
            {
                CACHE_DIR: programs.path,
                # Each names a folder beside the cache, and the folder's path would be in the key.
                "jax_persistent_cache_enable_xla_caches": "",
                MIN_TIME: min_compile_time_s,
                MIN_SIZE: min_entry_size_bytes,
            }
        )
        cache.reset_cache()
    if not jax.config.jax_enable_compilation_cache:
        _warn(
            "JAX's compilation cache is switched off, so nothing is kept: "
            "jax_enable_compilation_cache is False. Set it to True (JAX_ENABLE_COMPILATION_CACHE)"
        )


def disable() -> None:
    """Put everything of JAX back as it was before the first `enable`.

    What the program itself has set since then stays.
    """
    with _switch.lock:
        _restore()
        if _switch.stock is None:
            return
        cache: Any = import_module(PRIVATE_MODULE)
        if cache.get_file_cache == _switch.open_cache:
            cache.get_file_cache = _switch.stock
            _switch.stock = None
        # Else somebody has put a function around ours, which goes on asking it for other paths.
        _switch.programs = None
        cache.reset_cache()


@contextmanager
def using(keep: Keep) -> Generator[None]:
    """Have JAX use a keep for a while; where it uses that one already, nothing changes."""
    before = _switch.programs
    if before is not None and before.keep is keep:
        yield
        return
    limits = [_value(name) for name in (MIN_TIME, MIN_SIZE)]
    enable(keep)
    try:
        yield
    finally:
        if before is None:
            disable()
        else:
            enable(before.keep, min_compile_time_s=limits[0], min_entry_size_bytes=limits[1])


def _value(name: str) -> Any:
    return import_jax().config.values[name]


def programs_in_use() -> Programs | None:
    """Those that JAX asks now; None where it is switched off."""
    return _switch.programs


def set_options(options: Mapping[str, object]) -> tuple[str, ...]:
    """Set options of JAX until `disable`; the names of those that this JAX does not have."""
    with _switch.lock:
        return _set_options(options)


def _set_options(options: Mapping[str, object]) -> tuple[str, ...]:
    config = import_jax().config
    known = config.values
    for name, value in options.items():
        if name in known:
            as_it_was, _ = _switch.before.get(name, (known[name], None))
            config.update(name, value)
            _switch.before[name] = as_it_was, config.values[name]
    return tuple(name for name in options if name not in known)


def restore_options(names: Iterable[str]) -> None:
    """Put options of JAX back as they were before `set_options`."""
    with _switch.lock:
        _restore_options(names)


def set_environment(name: str, value: str) -> None:
    """Set a variable of the environment until `disable`."""
    with _switch.lock:
        as_it_was, _ = _switch.environment.get(name, (os.environ.get(name), ""))
        os.environ[name] = value
        _switch.environment[name] = as_it_was, value


def _restore() -> None:
    for name, (variable, as_set) in _switch.environment.items():
        if os.environ.get(name) == as_set:
            if variable is None:
                del os.environ[name]
            else:
                os.environ[name] = variable
    _switch.environment.clear()
    _restore_options(tuple(_switch.before))


def _restore_options(names: Iterable[str]) -> None:
    changed = [name for name in names if name in _switch.before]
    if not changed:
        return
    config = import_jax().config
    for name in changed:
        as_it_was, as_set = _switch.before.pop(name)
        if config.values[name] == as_set:
            config.update(name, as_it_was)


def import_jax() -> Any:
    """JAX, or an error that says how to get it.

    Raises:
        TargetUnavailable: it is not installed.
    """
    try:
        return import_module("jax")
    except ModuleNotFoundError as problem:
        raise TargetUnavailable(
            f"JAX is not installed ({problem}). Install it: pip install 'emberkeep[xla]'"
        ) from problem


def _private_module() -> Any:
    """JAX's module that opens its cache; None, with a warning, where it is another than we know."""
    try:
        cache: Any = import_module(PRIVATE_MODULE)
        problem = _objection(cache)
    except ImportError as missing:
        cache, problem = None, str(missing)
    if not problem:
        return cache
    version = getattr(import_jax(), "__version__", "?")
    _warn(
        f"JAX {version} opens its compilation cache in another way than emberkeep knows "
        f"({problem}), so its own cache stays as it is. Use JAX 0.4.30 to 0.10, or a newer "
        "emberkeep"
    )
    return None


def _objection(cache: Any) -> str:
    """In what JAX's module differs from what is known; empty where it does not."""
    from inspect import signature

    opener = getattr(cache, "get_file_cache", None)
    if not callable(opener) or not callable(getattr(cache, "reset_cache", None)):
        return "get_file_cache or reset_cache is missing"
    if list(signature(opener).parameters) != ["path"]:
        return "get_file_cache takes other arguments than a path"
    return ""


def _warn(text: str) -> None:
    warnings.warn(text, StoreWarning, stacklevel=depth_of_caller())
