"""The names that a system declares, with their default values, kinds and units."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping

from emberkeep.errors import InvalidSystem
from emberkeep.ode.system.equations import CONSTANTS, TIME, WORDS, is_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

LINEAR, CUBIC, STEP = DRIVER_KINDS = ("linear", "cubic", "step")


def declared_units(given: Any, known: Sequence[str]) -> dict[str, str]:
    """Texts by name; of vectors and matrices, by the names of these or of their parts."""
    units: dict[str, str] = {}
    for name, unit in pairs_of(given):
        label = name_of(name)
        if not isinstance(unit, str):
            raise InvalidSystem(f"The unit of {label!r} must be a text; it is {unit!r}")
        parts = [each for each in known if _is_part(each, label)]
        if label != TIME and label not in known and not parts:
            raise InvalidSystem(
                f"There is a unit for {label!r}, which is no name of this system: states, "
                f"observables, parameters and constants are {', '.join(known)}, and time is 't'"
            )
        units |= dict.fromkeys([label] if label == TIME or label in known else parts, unit)
    return units


def declared_observables(given: Any) -> tuple[str, ...]:
    """Names of observables; one alone may be given as text."""
    listed: Any = (given,) if isinstance(given, str) else given
    if isinstance(listed, list | tuple) and all(isinstance(name, str) for name in listed):  # pyright: ignore[reportUnknownVariableType]
        return (*listed,)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    raise InvalidSystem(f"observables must be a list of names, not {given!r}")


def _is_part(name: str, of: str) -> bool:
    """Whether a name is that of a part, such as ``x_1_2`` of ``x``; ``x_bar`` is none."""
    return name.startswith(f"{of}_") and name[len(of) + 1 :].replace("_", "").isdecimal()


def declared_drivers(given: Any, known: dict[str, str]) -> dict[str, str]:
    """Kinds of drivers by name; straight lines where names alone are given."""
    listed: Any = (given,) if isinstance(given, str) else given
    pairs: Iterable[tuple[object, Any]]
    if isinstance(listed, Mapping):
        pairs = pairs_of(listed)
    elif isinstance(listed, list | tuple):
        pairs = [(name, LINEAR) for name in _names(listed)]
    else:
        raise InvalidSystem(
            "drivers must be a list of names, or names with a kind: {'light': 'linear'}, not "
            f"{given!r}"
        )
    checked: dict[str, str] = {}
    for key, kind in pairs:
        name = name_of(key)
        require_name("driver", name, known)
        known[name] = "driver"
        if not isinstance(kind, str) or kind not in DRIVER_KINDS:
            raise InvalidSystem(
                f"The driver {name!r} is {kind!r}; expected {', '.join(map(repr, DRIVER_KINDS))}. "
                "Its samples are passed to solve: drivers={…: ode.Driver(times, values)}"
            )
        checked[name] = kind
    return checked


def declared_values(
    kind: str, given: Any, known: dict[str, str], shapes: dict[str, tuple[int, ...]]
) -> dict[str, float]:
    """Names and default values, checked; vectors as their parts."""
    if not isinstance(given, Mapping):
        listed: list[Any] = [*given] if isinstance(given, list | tuple | set | str) else []
        names = [name for name in listed if isinstance(name, str)] or [f"a {kind}"]
        example = ", ".join(f"{name!r}: 0.0" for name in names)
        raise InvalidSystem(
            f"The {kind}s must be names with default values: {{{example}}}, not {given!r}"
        )
    checked: dict[str, float] = {}
    for name, value in pairs_of(given):
        text = name_of(name)
        require_name(kind, text, known)
        if isinstance(value, list | tuple) or getattr(value, "ndim", 0):
            from emberkeep.ode.system.notation import parts_of

            parts, shapes[text] = parts_of(kind, text, value)
            checked |= declared_values(kind, parts, known, {})
            continue
        known[text] = kind
        try:
            checked[text] = float(value)
        except (TypeError, ValueError, OverflowError):
            has_unit = isinstance(value, str) and value[:1].isdigit()
            units = ". Numbers have no units here" if has_unit else ""
            raise InvalidSystem(
                f"The default of the {kind} {text!r} must be a number; it is {value!r}{units}"
            ) from None
    return checked


def name_of(given: object) -> str:
    """A name as text; SymPy's symbols are taken by theirs, and Greek letters in one form each."""
    text = str(given)
    if text.isascii():
        return text
    from emberkeep.ode.system.notation import plain_name

    return plain_name(text)


def _names(given: Any) -> Iterable[object]:
    return given


def pairs_of(given: Any) -> Iterable[tuple[object, Any]]:
    """Names with what is given for each."""
    return given.items()


def require_name(kind: str, name: str, known: Mapping[str, str]) -> None:
    """Refuse what is no name, is taken, or has a meaning of its own."""
    if name in known:
        raise InvalidSystem(
            f"The name {name!r} is used twice: for a {known[name]} and for a {kind}. Rename one"
        )
    if not is_name(name) or name.startswith("_"):
        raise InvalidSystem(
            f"{name!r} cannot be the name of a {kind}: names are letters, digits and underscores, "
            "and begin with a letter"
        )
    if name == TIME or name in CONSTANTS or name in WORDS or keyword.iskeyword(name):
        reason = {TIME: "time"}.get(name, "a word with a meaning of its own")
        raise InvalidSystem(
            f"{name!r} cannot be the name of a {kind}: it is {reason}. Call it {name + '_'!r}"
        )


def declared_functions(given: Any, known: dict[str, str]) -> dict[str, Callable[..., float]]:
    """Functions by name, checked."""
    if not isinstance(given, Mapping):
        raise InvalidSystem(
            f"The functions must be given by name: functions={{'f': f}}, not {given!r}"
        )
    functions = {name_of(name): function for name, function in pairs_of(given)}
    for name, function in functions.items():
        require_name("function", name, known)
        known[name] = "function"
        if not callable(function):
            raise InvalidSystem(
                f"The function {name!r} is a {type(function).__qualname__}; pass a Python function"
            )
    return functions
