# pathlib costs an import of 3 ms on the way to a kept artifact:
"""numba's settings as numba will resolve them, told without importing numba.

numba reads ``.numba_config.yaml`` in the working directory (where PyYAML is installed), then the
environment over it, and does so again before each compile if either has changed. On top come the
attributes of ``numba.config`` that a program sets itself. All that could change compiled code is
an ingredient; when unsure a name stays in, because a key with too much compiles once more and a
key with too little runs stale code.
"""

from __future__ import annotations

import os
import sys

from emberkeep.keys.libraries import file_digest
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType, ModuleType

CONFIG_FILE = ".numba_config.yaml"

# Each was looked up in the sources of numba 0.68 and numba-cuda 0.30. Not here, though they look
# harmless: FULL_TRACEBACKS and DEVELOPER_MODE (bounds checks then print), DIFF_IR (symbol names),
# DEBUG_JIT, DEBUG_NRT and DEBUG_ARRAY_OPT_RUNTIME (code that prints), GDB_BINARY (its path is
# compiled in), ENABLE_PROFILING (debug information).
IGNORED = frozenset(
    {
        # where numba keeps its own cache
        "NUMBA_CACHE_DIR",
        "NUMBA_CACHE_LOCATOR_CLASSES",
        "NUMBA_DEBUG_CACHE",
        "NUMBA_FUNCTION_CACHE_SIZE",
        # what the compiler prints while it works
        "NUMBA_CHROME_TRACE",
        "NUMBA_DEBUG",
        "NUMBA_DEBUG_ARRAY_OPT_STATS",
        "NUMBA_DEBUG_FRONTEND",
        "NUMBA_DEBUG_INLINE_CLOSURE",
        "NUMBA_DEBUG_PRINT_AFTER",
        "NUMBA_DEBUG_PRINT_BEFORE",
        "NUMBA_DEBUG_PRINT_WRAP",
        "NUMBA_DEBUG_TYPEINFER",
        "NUMBA_DUMP_ANNOTATION",
        "NUMBA_DUMP_ASSEMBLY",
        "NUMBA_DUMP_BYTECODE",
        "NUMBA_DUMP_CFG",
        "NUMBA_DUMP_FUNC_OPT",
        "NUMBA_DUMP_HTML",
        "NUMBA_DUMP_IR",
        "NUMBA_DUMP_LLVM",
        "NUMBA_DUMP_OPTIMIZED",
        "NUMBA_DUMP_SSA",
        "NUMBA_PARALLEL_DIAGNOSTICS",
        "NUMBA_TRACE",
        # warnings, help and colours
        "NUMBA_ALWAYS_WARN_UNINIT_VAR",
        "NUMBA_COLOR_SCHEME",
        "NUMBA_CUDA_LOW_OCCUPANCY_WARNINGS",
        "NUMBA_CUDA_WARN_ON_IMPLICIT_COPY",
        "NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING",
        "NUMBA_DISABLE_PERFORMANCE_WARNINGS",
        "NUMBA_HIGHLIGHT_DUMPS",
        "NUMBA_SHOW_HELP",
        # threads: their number and their library are looked up when a kernel runs
        "NUMBA_NUM_THREADS",
        "NUMBA_THREADING_LAYER",
        "NUMBA_THREADING_LAYER_PRIORITY",
        # the CUDA driver's logs, memory and tests
        "NUMBA_CUDA_ARRAY_INTERFACE_SYNC",
        "NUMBA_CUDA_LOG_API_ARGS",
        "NUMBA_CUDA_LOG_LEVEL",
        "NUMBA_CUDA_LOG_SIZE",
        "NUMBA_CUDA_MAX_PENDING_DEALLOCS_COUNT",
        "NUMBA_CUDA_MAX_PENDING_DEALLOCS_RATIO",
        "NUMBA_CUDA_TEST_BIN_DIR",
        "NUMBA_CUDA_TEST_WHEEL_ONLY",
        "NUMBA_CUDA_VERBOSE_JIT_LOG",
    }
)
"""Names that cannot change compiled code."""

# Attributes whose names are not those of their variables, and what follows from the machine.
_IGNORED_ATTRIBUTES = frozenset(
    {
        "ANNOTATE",
        "CUDA_DEALLOCS_COUNT",
        "CUDA_DEALLOCS_RATIO",
        "HTML",
        "NUMBA_DEFAULT_NUM_THREADS",
        "NUMBA_NUM_THREADS",
    }
)

# A profiler turns on debug information: numba/core/config.py, RUNNING_UNDER_PROFILER.
_PROFILER = "VS_PROFILER"

# Attributes that numba-cuda adds to numba's module as it is imported, each from one variable;
# those that mean true, and what holds without the variable.
_FLAGS_OF_NUMBA_CUDA = ("CUDA_NRT_STATS", "CUDA_ENABLE_NRT")
_TEXTS_OF_NUMBA_CUDA = ("CUDA_NVRTC_EXTRA_SEARCH_PATHS",)
# The same, derived from what is installed.
_DERIVED_BY_NUMBA_CUDA = (
    ("CUDA_DEBUG_POLY", "DEBUG_POLY_SUPPORTED"),
    ("CUDA_DEBUG_POLY_USE_TYPED_CONST", "DEBUG_POLY_USE_TYPED_CONST"),
)

# What numba's code generator takes over when it is made, once a process, at the first decorator:
# numba/core/codegen.py, CPUCodegen._init. Later changes reach only a part of the compiler.
_TAKEN_OVER = (
    "CPU_FEATURES",
    "CPU_NAME",
    "ENABLE_AVX",
    "ENABLE_PROFILING",
    "OPT",
    "USE_LLVMLITE_MEMORY_MANAGER",
)
_GENERATOR = "numba's code generator"


@final
class _Process:
    """What was seen of numba in this process.

    Attributes:
        parsed_files: what configuration files said, by path and digest.
        resolved: what numba resolves, and for which environment. One is kept: an environment that
            keeps changing must not fill the memory.
        before_generator: the settings when no code generator had been made yet.
        made_with: those that one was made with.
    """

    def __init__(self) -> None:
        self.parsed_files: dict[tuple[str, str], dict[str, object] | None] = {}
        self.resolved: tuple[str, dict[str, str]] | None = None
        self.before_generator: dict[str, str] | None = None
        self.made_with: str | None = None


_process = _Process()


def numba_settings() -> Mapping[str, str]:
    """The settings that could change compiled code, sorted: variable or attribute → value."""
    from_file, digest = _config_file()
    merged: dict[str, object] = {**(from_file or {}), **_environment()}
    settings = {
        name: _written(value)
        for name, value in merged.items()
        if name not in IGNORED and value is not None
    }
    if _PROFILER in os.environ:
        settings[_PROFILER] = "set"
    if digest is not None and from_file is None:
        settings[CONFIG_FILE] = f"sha256:{digest}"
    settings.update(_set_in_process(merged))
    settings.update(_generator_made_otherwise(settings, merged))
    return dict(sorted(settings.items()))


def _environment() -> dict[str, object]:
    # Names first: decoding every value of the environment takes longer than all the rest.
    return {name: os.environ[name] for name in os.environ if name.startswith("NUMBA_")}


def _written(value: object) -> str:
    # numba treats 3 and "3" from a file differently (NUMBA_OPT takes text only): the type counts.
    return value if isinstance(value, str) else f"{type(value).__name__}: {value!r}"


def _config_file() -> tuple[dict[str, object] | None, str | None]:
    """What the file in the working directory sets, and its digest where it counts.

    ``({}, None)`` without a file or without PyYAML; ``(None, digest)`` if it cannot be parsed.
    """
    try:
        # The digest is remembered by path: the working directory may change.
        path = os.path.abspath(CONFIG_FILE)
        digest = file_digest(path)
    except OSError:
        return {}, None
    known = _process.parsed_files
    if (path, digest) not in known:
        try:
            import yaml
        except ImportError:
            return {}, None
        known[path, digest] = _parsed(yaml, path)
    return known[path, digest], digest


def _parsed(yaml: ModuleType, path: str) -> dict[str, object] | None:
    try:
        with open(path, encoding="utf-8") as file:
            content: object = yaml.safe_load(file)
        if content is None:
            return {}
        return {f"NUMBA_{name.upper()}": value for name, value in content.items()}  # type: ignore[attr-defined]
    except (AttributeError, OSError, UnicodeError, yaml.YAMLError):
        return None


def _set_in_process(merged: Mapping[str, object]) -> dict[str, str]:
    """Attributes of the imported numba's configuration that differ from what it would resolve."""
    live = sys.modules.get("numba.core.config")
    if live is None or not hasattr(live, "_env_reloader"):
        return {}
    expected = _freshly_resolved(live, merged)
    added = _added_later()
    # What the program has set is lost in a reload, except what numba does not resolve at all.
    expected = added if _will_reload(live, merged) else {**expected, **added}
    return {
        f"numba.config.{name}": value
        for name, value in _attributes(vars(live)).items()
        if name in expected and value != expected[name]
    }


def _will_reload(live: ModuleType, merged: Mapping[str, object]) -> bool:
    """Whether numba will resolve everything anew before it compiles."""
    resolved: object = live._env_reloader.old_environ  # noqa: SLF001 - has no public name
    return resolved != merged


def _generator_made_otherwise(
    settings: dict[str, str], merged: Mapping[str, object]
) -> dict[str, str]:
    """An ingredient, if numba's code generator was made with other settings than hold now.

    Known from looking at it each time that a key is made. If it exists at the first look, it is
    taken to be made with what holds then.
    """
    registry = sys.modules.get("numba.core.registry")
    target = getattr(registry, "cpu_target", None)
    if target is None or "_toplevel_target_context" not in vars(target):
        _process.before_generator = dict(settings)
        return {}
    live = sys.modules.get("numba.core.config")
    if live is None or not hasattr(live, "_env_reloader"):
        return {}
    reloads = _will_reload(live, merged)
    values = _freshly_resolved(live, merged) if reloads else _attributes(vars(live))
    now = ", ".join(f"{name}={values.get(name)}" for name in _TAKEN_OVER)
    if _process.made_with is None:
        is_as_before = _process.before_generator in (None, settings)
        # Made before or after the change? Nobody knows: a token that no other key has.
        _process.made_with = now if is_as_before else f"unknown: {os.urandom(16).hex()}"
    return {} if _process.made_with == now else {_GENERATOR: _process.made_with}


def _freshly_resolved(live: ModuleType, merged: Mapping[str, object]) -> dict[str, str]:
    """What numba's own configuration module gives for this environment: a private copy is run."""
    state = repr((sorted(merged.items()), _PROFILER in os.environ, os.environ.get("CUDA_PATH")))
    if _process.resolved is None or _process.resolved[0] != state:
        _process.resolved = state, _run_private_copy(live)
    return _process.resolved[1]


def _run_private_copy(live: ModuleType) -> dict[str, str]:
    import warnings

    code = None if live.__spec__ is None else _code_of(live)
    if code is None:
        return {}
    copy = type(live)("emberkeep_private_copy_of_numba_config")
    with warnings.catch_warnings():
        # numba has said it to the user before.
        warnings.simplefilter("ignore")
        try:
            exec(code, vars(copy))  # noqa: S102 - numba's own file, as `import` runs it
        except Exception:  # noqa: BLE001 - whatever it raises: every live value is then keyed
            return dict.fromkeys(_attributes(vars(live)), "cannot be resolved")
    return _attributes(vars(copy))


def _code_of(module: ModuleType) -> CodeType | None:
    get_code = getattr(getattr(module.__spec__, "loader", None), "get_code", None)
    return None if get_code is None else get_code(module.__name__)


def _attributes(namespace: Mapping[str, object]) -> dict[str, str]:
    """The settings among a module's names, as text: numba's own values compare by number only."""
    return {
        name: repr(value)
        for name, value in namespace.items()
        if name.isupper()
        and not name.startswith("_")
        and name not in _IGNORED_ATTRIBUTES
        and f"NUMBA_{name}" not in IGNORED
    }


def _added_later() -> dict[str, str]:
    """What numba and numba-cuda set on that module themselves: importing them is no change."""
    added: dict[str, str] = {}
    for name in _FLAGS_OF_NUMBA_CUDA:
        added[name] = repr(os.environ.get(f"NUMBA_{name}", "").lower() in {"1", "true"})
    for name in _TEXTS_OF_NUMBA_CUDA:
        added[name] = repr(os.environ.get(f"NUMBA_{name}", ""))
    if os.environ.get("NUMBA_DISABLE_INTEL_SVML", "0") not in {"", "0"}:
        # Decided as numba is imported: set later, the variable comes too late.
        added["USING_SVML"] = "False"
    # numba-cuda raises numba's default, and a reload would lower it again.
    default = getattr(sys.modules.get("numba.cuda"), "numba_cuda_default_ptx_cc", None)
    if default is not None and "NUMBA_CUDA_DEFAULT_PTX_CC" not in os.environ:
        added["CUDA_DEFAULT_PTX_CC"] = repr(default)
    debug = sys.modules.get("numba.cuda.debuginfo")
    for name, source in _DERIVED_BY_NUMBA_CUDA:
        if debug is not None and hasattr(debug, source):
            added[name] = repr(getattr(debug, source))
    return added
