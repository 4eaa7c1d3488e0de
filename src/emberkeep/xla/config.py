"""How JAX compiles, and where what it compiled is kept, as one record."""

from __future__ import annotations

import os
import warnings
from dataclasses import asdict, dataclass
from importlib import import_module

from emberkeep.errors import EmberkeepWarning, InvalidSetting
from emberkeep.keep.default import default_keep
from emberkeep.keep.keep import Keep
from emberkeep.keep.reports import depth_of_caller
from emberkeep.settings import STRATEGIES, parse_places
from emberkeep.startup_records import final
from emberkeep.xla.jax_cache import (
    enable,
    import_jax,
    restore_options,
    set_environment,
    set_options,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FLAGS_VARIABLE = "XLA_FLAGS"
FLAG_START = "--xla_"
NO_OPTIMIZATION, HIGHEST_OPTIMIZATION = 0, 3
NOTHING = "jax_disable_most_optimizations"
LEVEL = "jax_optimization_level"
EFFORT = "jax_exec_time_optimization_effort"
LEVEL_OPTIONS = (NOTHING, LEVEL, EFFORT)
Folder = str | os.PathLike[str]


@final
@dataclass(frozen=True, slots=True)  # not `light.frozen`, which has no place for checks
class CompilationConfig:
    """How JAX compiles, and where what it compiled is kept.

    Attributes:
        cache_dir: the folder of the keep; by default that of the settings.
        shared_cache_dir: a folder that several hosts or users share, with options such as
            ``"/cluster/keep?policy=warn"``; by default those of the settings.
        cache_strategy: ``"layered"`` (local, then shared), or ``"local"`` or ``"shared"`` for one
            of the two alone; by default that of the settings, which is ``"layered"``.
        min_compile_time_s: what compiled faster is not kept.
        min_entry_size_bytes: what is smaller is not kept.
        optimization_level: 0 leaves out what takes long, 1 to 3 are levels of XLA; None leaves it
            to JAX.
        xla_flags: further flags, each ``--xla_…=value``. XLA reads them when its first backend
            starts, and ends the process where it does not know one.
    """

    cache_dir: Folder | None = None
    shared_cache_dir: Folder | None = None
    cache_strategy: str | None = None
    min_compile_time_s: float = 0.0
    min_entry_size_bytes: int = 0
    optimization_level: int | None = None
    xla_flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        flags: Any = self.xla_flags
        object.__setattr__(self, "xla_flags", (flags,) if isinstance(flags, str) else tuple(flags))
        for name in ("cache_dir", "shared_cache_dir"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _path(name, value))
        _check(self)

    @classmethod
    def fast_start(
        cls,
        cache_dir: Folder | None = None,
        shared_cache_dir: Folder | None = None,
        cache_strategy: str | None = None,
    ) -> CompilationConfig:
        """Compile as fast as can be: programs start sooner and run slower."""
        return cls(cache_dir, shared_cache_dir, cache_strategy, optimization_level=NO_OPTIMIZATION)

    @classmethod
    def balanced(
        cls,
        cache_dir: Folder | None = None,
        shared_cache_dir: Folder | None = None,
        cache_strategy: str | None = None,
    ) -> CompilationConfig:
        """Compile as JAX does by itself, and keep all of it."""
        return cls(cache_dir, shared_cache_dir, cache_strategy)

    @classmethod
    def max_performance(
        cls,
        cache_dir: Folder | None = None,
        shared_cache_dir: Folder | None = None,
        cache_strategy: str | None = None,
    ) -> CompilationConfig:
        """Have XLA do all it can for the time that programs run, however long it compiles."""
        level = HIGHEST_OPTIMIZATION
        return cls(cache_dir, shared_cache_dir, cache_strategy, optimization_level=level)

    def open_keep(self) -> Keep:
        """The keep that it names; where it names none, the user's own."""
        named = (self.cache_dir, self.shared_cache_dir, self.cache_strategy)
        if named == (None, None, None):
            return default_keep()
        return Keep(self.cache_dir, shared=self.shared_cache_dir, strategy=self.cache_strategy)

    def apply(self) -> Keep:
        """Switch the cache on with this keep, and have JAX compile like this from now on.

        `emberkeep.xla.disable` puts everything back. Programs that JAX holds in memory stay as they
        are.

        Returns:
            The keep.

        Raises:
            TargetUnavailable: JAX is not installed.
        """
        keep = self.open_keep()
        self._set_flags()
        restore_options(LEVEL_OPTIONS)  # of a configuration before this one
        missing = set_options(self._options())
        if missing:
            _warn(f"This JAX has no option {', '.join(missing)}, so it compiles as it does anyway.")
        enable(
            keep,
            min_compile_time_s=self.min_compile_time_s,
            min_entry_size_bytes=self.min_entry_size_bytes,
        )
        return keep

    def as_dict(self) -> dict[str, Any]:
        """All values by name, as JSON can hold them."""
        return {**asdict(self), "xla_flags": list(self.xla_flags)}

    def __repr__(self) -> str:
        default = CompilationConfig.__dataclass_fields__
        told = [
            f"{name}={value!r}"
            for name, value in asdict(self).items()
            if value != default[name].default
        ]
        return f"CompilationConfig({', '.join(told)})"

    def _options(self) -> dict[str, object]:
        """What JAX calls the level of optimisation."""
        level = self.optimization_level
        if level is None:
            return {}
        if level == NO_OPTIMIZATION:
            return {NOTHING: True}
        # An effort of 1 is all that XLA has; some passes go by that, some by the level.
        return {NOTHING: False, LEVEL: f"O{level}", EFFORT: float(level == HIGHEST_OPTIMIZATION)}

    def _set_flags(self) -> None:
        """Add the flags to the environment, where XLA looks once.

        JAX's key holds what XLA has read, so flags that come too late change no code.
        """
        present = os.environ.get(FLAGS_VARIABLE, "").split()
        missing = [flag for flag in self.xla_flags if flag not in present]
        if not missing:
            return
        import_jax()
        bridge: Any = import_module("jax._src.xla_bridge")
        if bridge.backends_are_initialized():
            _warn(
                f"{' '.join(missing)} cannot take effect: XLA has read its flags when JAX was "
                "first used. Apply the configuration before that, or set "
                f"{FLAGS_VARIABLE} when the process starts"
            )
            return
        set_environment(FLAGS_VARIABLE, " ".join([*present, *missing]))


def _path(name: str, value: Folder) -> str:
    try:
        return os.fsdecode(value)
    except TypeError as problem:
        raise InvalidSetting(f"{name} is {value!r}; a folder was expected.") from problem


def _check(config: CompilationConfig) -> None:
    if config.shared_cache_dir is not None:
        try:
            parse_places(config.shared_cache_dir)
        except InvalidSetting as problem:
            raise InvalidSetting(
                f"shared_cache_dir is {config.shared_cache_dir!r}. {problem}"
            ) from problem
        except (ValueError, TypeError, KeyError) as problem:
            raise InvalidSetting(
                f"shared_cache_dir is {config.shared_cache_dir!r}; a folder was expected, with "
                "options such as ?policy=warn."
            ) from problem
    if config.cache_strategy is not None and config.cache_strategy not in STRATEGIES:
        raise InvalidSetting(
            f"cache_strategy is {config.cache_strategy!r}; {', '.join(STRATEGIES)} were expected."
        )
    _require_number("min_compile_time_s", config.min_compile_time_s, float | int)
    _require_number("min_entry_size_bytes", config.min_entry_size_bytes, int)
    level: Any = config.optimization_level
    if level is not None and (type(level) is not int or level not in range(4)):
        raise InvalidSetting(f"optimization_level is {level!r}; 0 to 3 or None was expected.")
    flags: Any = config.xla_flags
    for flag in flags:
        name = flag.partition("=")[0] if isinstance(flag, str) else ""
        if not name.startswith(FLAG_START) or len(flag.split()) != 1:
            raise InvalidSetting(
                f"xla_flags has {flag!r}; a flag such as --xla_cpu_prefer_vector_width=512 was "
                "expected, without spaces."
            )


def _require_number(name: str, value: Any, kind: Any) -> None:
    is_number = isinstance(value, kind) and not isinstance(value, bool)
    if not is_number or not 0 <= value < float("inf"):
        raise InvalidSetting(f"{name} is {value!r}; a number from 0 on was expected.")


def _warn(text: str) -> None:
    warnings.warn(text, EmberkeepWarning, stacklevel=depth_of_caller())
