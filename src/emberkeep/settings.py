"""Settings: every value with its origin, and the only reader of environment and config file.

Later ones win: default, the user's config file, environment, argument. A project has no config
file: a cloned repository must not bring its own kernels, keys or remotes.
"""

from __future__ import annotations

import os
import sys

from emberkeep.errors import InvalidSetting
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

GIB = 1 << 30
MIB = 1 << 20
DAY_S = 86_400.0
UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
BINARY_UNITS = {"KIB": 1 << 10, "MIB": MIB, "GIB": GIB, "TIB": 1 << 40}
DURATIONS = {"": DAY_S, "D": DAY_S, "H": 3600.0, "M": 60.0, "S": 1.0, "W": 7 * DAY_S}
VERBOSITIES = ("none", "default", "verbose", "debug")
AUTO, ON, QUIET = NOTICES = ("auto", "on", "off")
CONFIG_DIR_VARIABLE = "EMBERKEEP_CONFIG_DIR"
# A secret, so it is no setting that `emberkeep config` would show.
PRIVATE_KEY_VARIABLE = "EMBERKEEP_PRIVATE_KEY"
NO_SETTINGS = (CONFIG_DIR_VARIABLE, PRIVATE_KEY_VARIABLE)
STRATEGIES = ("local", "shared", "layered")
REQUIRE, WARN, OFF = POLICIES = ("require", "warn", "off")
DEADLINE_S = 5.0


@final
@frozen
class Place:
    """A folder that several hosts or users share.

    Attributes:
        path: of the folder; it is never made, so that a missing mount is noticed.
        policy: whose artifacts are used: ``require`` a trusted signature, ``warn`` without one,
            or ``off``.
        read_only: nothing is published there.
        details: whether ingredients and generated source, which may show values that a function
            captured, are published with what this user builds.
        deadline_s: how long a call may take before the place counts as hanging.
        max_size_bytes: what whoever owns the place leaves there at most; None for no limit.
        max_age_s: how long they leave an entry that nobody uses; None for no limit.
    """

    path: str
    policy: str = REQUIRE
    read_only: bool = False
    details: bool = True
    deadline_s: float = DEADLINE_S
    max_size_bytes: int | None = None
    max_age_s: float | None = None


@final
@frozen
class Settings:
    """All settings of a keep.

    Attributes:
        root: the folder that holds the keep; None where there is no place for one.
        disabled: build always, keep nothing.
        read_only: use what is kept, write nothing.
        memory_size_bytes: how much the memory layer of one process holds.
        max_size_bytes: what garbage collection leaves on disk at most.
        max_age_s: how long an entry is left that nobody uses.
        max_wait_s: how long somebody else who builds the same is waited for.
        verbosity: of the time logger: none, default, verbose or debug.
        notices: whether a line tells of what is built for long: on, off, or auto for where somebody
            reads it.
        shared: places below the local keep, nearest first.
        strategy: ``layered`` (local, then shared), or one of the two alone.
        toolchain: whose builds may run in place of this machine's own: ``pinned`` for all that
            were pinned, or the beginning of one's digest; None for none while there is a compiler.
        signing_key: the name of the key that signs what is shared.
        config_dir: the folder of the user's config file and keys; None where there is none.
        origins: where each value comes from.
    """

    root: str | None
    disabled: bool
    read_only: bool
    memory_size_bytes: int
    max_size_bytes: int
    max_age_s: float
    max_wait_s: float
    verbosity: str
    notices: str
    shared: tuple[Place, ...]
    strategy: str
    toolchain: str | None
    signing_key: str
    config_dir: str | None
    origins: Mapping[str, str]


@final
@frozen
class Field:
    """One setting: its names in the three places, how a text is read, and what it is for."""

    name: str
    option: str
    variable: str
    parse: Callable[[object], object]
    expected: str


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("", "0", "false", "no", "off"):
        return False
    raise ValueError(text)


def parse_size(value: object) -> int:
    """Bytes from ``2_000_000``, ``"500 MB"`` or ``"10GiB"``."""
    number, factor = _with_unit(value, UNITS | BINARY_UNITS)
    return int(number * factor)


def parse_duration(value: object) -> float:
    """Seconds from days (``30``, ``"30d"``) or ``"12h"``, ``"90m"``, ``"45s"``, ``"2w"``."""
    number, factor = _with_unit(value, DURATIONS)
    return number * factor


def _with_unit(value: object, units: Mapping[str, float]) -> tuple[float, float]:
    text = str(value).strip().upper().replace("_", "")
    number = text.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ ")
    amount, factor = float(number), units[text[len(number) :].strip()]
    if not 0 <= amount < 1e18:  # noqa: PLR2004 - NaN and infinity fail too
        raise ValueError(text)
    return amount, factor


def parse_folder(value: object) -> str:
    """The absolute path of a folder.

    Raises:
        InvalidSetting: it is the address of something else.
        ValueError: it can be no path.
        TypeError: the same.
    """
    path: Any = value
    text = os.fsdecode(path)  # raises TypeError for what is no path
    if not text.strip() or "\0" in text or not text.strip("/"):  # a whole machine is no keep
        raise ValueError(value)
    scheme, colon, _ = text.partition(":/")
    if colon and len(scheme) > 1 and scheme.replace("+", "").isalnum():  # one letter is a drive
        raise InvalidSetting(
            f"No place of the scheme {scheme!r} is known. Known are folders: give a path such as "
            f"/cluster/keep, or ./{scheme}:/ for a folder that is really called so."
        )
    return os.path.abspath(os.path.expanduser(text))


def _verbosity(value: object) -> str:
    return _one_of(VERBOSITIES, "none" if value is None else value)


def _notices(value: object) -> str:
    if str(value).strip().lower() == AUTO:
        return AUTO
    return ON if str(value).strip() and _boolean(value) else QUIET


def _strategy(value: object) -> str:
    return _one_of(STRATEGIES, value)


def _one_of(known: tuple[str, ...], value: object) -> str:
    text = str(value).strip().lower()
    if text not in known:
        raise ValueError(text)
    return text


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(value)
    return value.strip()


def has_limits(place: Place) -> bool:
    """Whether its owner wants room to be made there."""
    return place.max_size_bytes is not None or place.max_age_s is not None


def parse_places(value: object) -> tuple[Place, ...]:
    """Shared places: ``/cluster/keep?policy=warn``, several separated by commas, or a list."""
    if isinstance(value, str):
        return tuple(_place(text.strip()) for text in value.split(",") if text.strip())
    if isinstance(value, Place | os.PathLike | dict):
        return (_place(value),)
    several: Any = value
    return tuple(_place(each) for each in several)


def _place(value: Any) -> Place:
    """One place: a `Place`, a path, a text with options, or a table of the config file."""
    if isinstance(value, Place):
        options = {name: getattr(value, PLACE_FIELDS.get(name, name)) for name in PLACE_OPTIONS}
        if value.max_age_s is not None:  # a record has seconds, where a bare number is days
            options["max_age"] = f"{value.max_age_s}s"
        return _place({"path": value.path, **options})
    if value.__class__ is dict:
        table: Any = value
        path = table["path"]
        given = {name: each for name, each in table.items() if name != "path"}
    elif isinstance(value, str):
        path, _, query = value.partition("?")
        given = dict(option.split("=", 1) for option in query.split("&") if option)
    else:
        path, given = value, {}
    options = {
        PLACE_FIELDS.get(name, name): PLACE_OPTIONS[name](each) for name, each in given.items()
    }
    return Place(parse_folder(path), **options)


def _policy(value: object) -> str:
    return _one_of(POLICIES, value)


def _seconds(value: object) -> float:
    """Seconds, bare or as a duration."""
    text = str(value).strip()
    bare = text.replace(".", "", 1).isdigit()
    return parse_duration(f"{text}s" if bare else text)


def _deadline(value: object) -> float:
    """Seconds, more than none."""
    seconds = _seconds(value)
    if seconds <= 0:
        raise ValueError(value)
    return seconds


def _max_size(value: object) -> int | None:
    return None if value is None else parse_size(value)


def _max_age(value: object) -> float | None:
    return None if value is None else parse_duration(value)


# Where an option has another name than its field, which names its unit.
PLACE_FIELDS = {"max_size": "max_size_bytes", "max_age": "max_age_s"}
PLACE_OPTIONS: Mapping[str, Callable[[object], Any]] = {
    "policy": _policy,
    "read_only": _boolean,
    "details": _boolean,
    "deadline_s": _deadline,
    "max_size": _max_size,
    "max_age": _max_age,
}


SIZE = "a size such as 500MB, 10GiB or a number of bytes"
BOOLEAN = "true or false (1, 0, yes, no, on, off)"
FIELDS = (
    Field("root", "dir", "EMBERKEEP_DIR", parse_folder, "a folder"),
    Field("disabled", "disable", "EMBERKEEP_DISABLE", _boolean, BOOLEAN),
    Field("read_only", "read_only", "EMBERKEEP_READ_ONLY", _boolean, BOOLEAN),
    Field("memory_size_bytes", "memory_size", "EMBERKEEP_MEMORY_SIZE", parse_size, SIZE),
    Field("max_size_bytes", "max_size", "EMBERKEEP_MAX_SIZE", parse_size, SIZE),
    Field(
        "max_age_s",
        "max_age",
        "EMBERKEEP_MAX_AGE",
        parse_duration,
        "a number of days, or a duration such as 12h or 2w",
    ),
    Field("max_wait_s", "max_wait", "EMBERKEEP_MAX_WAIT", _seconds, "seconds, or a duration: 10m"),
    Field("verbosity", "verbosity", "EMBERKEEP_VERBOSITY", _verbosity, ", ".join(VERBOSITIES)),
    Field("notices", "notices", "EMBERKEEP_NOTICES", _notices, ", ".join(NOTICES)),
    Field(
        "shared",
        "shared",
        "EMBERKEEP_SHARED",
        parse_places,
        "folders, separated by commas, each with options such as ?policy=warn&read_only=true",
    ),
    Field("strategy", "strategy", "EMBERKEEP_STRATEGY", _strategy, ", ".join(STRATEGIES)),
    Field(
        "toolchain",
        "toolchain",
        "EMBERKEEP_TOOLCHAIN",
        _text,
        "pinned, or the beginning of a toolchain's digest",
    ),
    Field("signing_key", "signing_key", "EMBERKEEP_SIGNING_KEY", _text, "the name of a key"),
)


def load(arguments: Mapping[str, object], environ: Mapping[str, str] | None = None) -> Settings:
    """All settings as they are now.

    Args:
        arguments: values given in code, by the names of `Settings`; None means not given.
        environ: the environment; that of the process by default.

    Raises:
        InvalidSetting: for an unknown name or a value that cannot be read; names its origin.
    """
    environ = os.environ if environ is None else environ
    config_dir = find_config_dir(environ)
    found: dict[str, object] = {
        "root": _default_root(environ),
        "disabled": False,
        "read_only": False,
        "memory_size_bytes": 256 * MIB,
        "max_size_bytes": 10 * GIB,
        "max_age_s": 180 * DAY_S,
        "max_wait_s": 600.0,
        "verbosity": "none",
        "notices": AUTO,
        "shared": (),
        "strategy": "layered",
        "toolchain": None,
        "signing_key": "default",
    }
    origins = dict.fromkeys(found, "default")
    for origin, names, values in _sources(arguments, environ, config_dir):
        for name, value in values.items():
            field = names.get(name)
            if field is None:
                raise InvalidSetting(_unknown(name, origin, names))
            found[field.name] = _parse(field, value, f"{name!r} in {origin}")
            origins[field.name] = origin if origin != "the environment" else f"environment {name}"
    values_: dict[str, Any] = found
    return Settings(**values_, config_dir=config_dir, origins=origins)


def _sources(
    arguments: Mapping[str, object], environ: Mapping[str, str], config_dir: str | None
) -> list[tuple[str, dict[str, Field], Mapping[str, object]]]:
    """From weakest to strongest: origin, the names it knows, the values it holds."""
    path = None if config_dir is None else os.path.join(config_dir, "config.toml")
    variables = {
        name: value
        for name, value in environ.items()
        if name.startswith("EMBERKEEP_") and name not in NO_SETTINGS
    }
    given = {name: value for name, value in arguments.items() if value is not None}
    return [
        (f"the config file {path}", {f.option: f for f in FIELDS}, _read_config(path)),
        ("the environment", {f.variable: f for f in FIELDS}, variables),
        ("an argument", {f.name: f for f in FIELDS}, given),
    ]


def _read_config(path: str | None) -> Mapping[str, object]:
    if path is None or not os.path.exists(path):
        return {}
    import tomllib

    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (ValueError, RecursionError) as problem:  # no TOML, no text, numbers and depths of none
        raise InvalidSetting(
            f"The config file {path} is not TOML: {problem}. Correct it or remove it; "
            "`emberkeep config` shows every setting with its origin."
        ) from problem
    except OSError as problem:
        raise InvalidSetting(
            f"The config file {path} cannot be read: {problem.strerror}. Make it readable, or "
            f"point {CONFIG_DIR_VARIABLE} at another folder."
        ) from problem


def _parse(field: Field, value: object, where: str) -> object:
    try:
        return field.parse(value)
    except InvalidSetting as problem:  # which says more than that it is another sort of value
        raise InvalidSetting(f"The setting {where} is {value!r}. {problem}") from problem
    except (ValueError, TypeError, KeyError) as problem:
        raise InvalidSetting(
            f"The setting {where} is {value!r}; {field.expected} was expected."
        ) from problem


def _unknown(name: str, origin: str, known: Mapping[str, Field]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known are: {', '.join(sorted(known))}."
    return f"There is no setting {name!r}, which stands in {origin}. {hint}"


def private_key(environ: Mapping[str, str] | None = None) -> str | None:
    """The private key that stands in the environment, for machines where no file should hold it."""
    environ = os.environ if environ is None else environ
    return environ.get(PRIVATE_KEY_VARIABLE) or None


def find_config_dir(environ: Mapping[str, str]) -> str | None:
    """The folder of the user's configuration; None without a home."""
    given = environ.get(CONFIG_DIR_VARIABLE)
    if given:
        return os.path.abspath(os.path.expanduser(given))
    return _user_folder(environ, "XDG_CONFIG_HOME", ".config", "user_config_dir")


def _default_root(environ: Mapping[str, str]) -> str | None:
    return _user_folder(environ, "XDG_CACHE_HOME", ".cache", "user_cache_dir")


def _user_folder(
    environ: Mapping[str, str], variable: str, fallback: str, elsewhere: str
) -> str | None:
    """One of the user's folders, as platformdirs names it.

    On Linux its rule is two lines, and importing it costs more than a hit: the rule stands here,
    and a test holds that both agree.
    """
    if sys.platform != "linux":
        import platformdirs

        return str(getattr(platformdirs, elsewhere)("emberkeep", appauthor=False))
    base = environ.get(variable, "")
    if not os.path.isabs(base):
        home = environ.get("HOME") or os.path.expanduser("~")
        if not os.path.isabs(home):
            return None
        base = os.path.join(home, fallback)
    return os.path.join(base, "emberkeep")
