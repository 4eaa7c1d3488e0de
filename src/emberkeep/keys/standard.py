"""Values of the standard library that plans hold: numbers, dates, patterns, containers.

Each by its exact type, so that a subclass with a behaviour of its own doesn't slip in, and by all
that can be seen of it. No module is imported to ask: where it is not loaded, there is no value.
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import sys

from emberkeep.errors import Unkeyable
from emberkeep.keys.fingerprint import branch, leaf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from emberkeep.keys.fingerprint import Fingerprint
    from emberkeep.keys.visitor import Visitor

# How those change that are written in C.
MAPPINGS = frozenset({"OrderedDict", "defaultdict", "Counter", "mappingproxy"})
BYTES = frozenset({"array", "memoryview"})


def standard_name(value: object) -> str:
    """The name of a value's type, where it is one that is known here; else empty."""
    kind = type(value)
    home, name = kind.__module__, kind.__qualname__
    if (home, name) not in _DESCRIBED:
        return ""
    if name == "mappingproxy":  # nothing holds it by its name
        return name if kind is type(vars(object)) else ""
    return name if getattr(sys.modules.get(home), name, None) is kind else ""


def describe_standard(value: object, path: str, walk: Visitor) -> Fingerprint:
    """The fingerprint of such a value."""
    kind = type(value)
    return _DESCRIBED[kind.__module__, kind.__qualname__](value, path, walk)


# Values that cannot change ------------------------------------------------------------------------


def _text(show: Callable[[Any], str]) -> Callable[[Any, str, Visitor], Fingerprint]:
    """Values that one text tells apart."""

    def describe(value: Any, path: str, walk: Visitor) -> Fingerprint:  # noqa: ARG001 - as others
        text = show(value)
        return leaf(_kind(value), text.encode(), text)

    return describe


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")


def _time(value: Any, path: str, walk: Visitor) -> Fingerprint:
    """A time of a day, with or without one; `fold` tells the second of two hours apart."""
    zone = value.tzinfo
    if zone is not None and standard_name(zone) != "timezone":
        raise Unkeyable(
            path,
            f"has the time zone {zone}, whose rules come from a data base that changes",
            "Pass value.astimezone(datetime.timezone.utc), and the zone's name if it matters",
        )
    text = f"{value.replace(tzinfo=None).isoformat()} fold {value.fold}"
    children = [("time", leaf("time", text.encode(), text)), ("zone", walk.visit(zone, path))]
    return branch(_kind(value), children)


def _zone(value: Any, path: str, walk: Visitor) -> Fingerprint:
    """A fixed distance from UTC, and what it is called."""
    parts = (("offset", value.utcoffset(None)), ("name", value.tzname(None)))
    return branch(_kind(value), [(name, walk.visit(part, path)) for name, part in parts])


def _pattern(value: Any, path: str, walk: Visitor) -> Fingerprint:
    parts = (("pattern", value.pattern), ("flags", int(value.flags)))
    return branch(_kind(value), [(name, walk.visit(part, path)) for name, part in parts])


# Containers ---------------------------------------------------------------------------------------


def _deque(value: Any, path: str, walk: Visitor) -> Fingerprint:
    children = [("longest", walk.visit(value.maxlen, path))]
    children += [(str(n), walk.visit(item, f"{path}[{n}]")) for n, item in enumerate(value)]
    return branch(_kind(value), children)


def _ordered(value: Any, path: str, walk: Visitor) -> Fingerprint:
    """Of two of these, the order counts."""
    items = [
        branch("item", [("key", walk.visit(name, path)), ("value", walk.visit(item, path))])
        for name, item in value.items()
    ]
    children = [(str(number), item) for number, item in enumerate(items)]
    return branch(_kind(value), [*children, *_attributes(value, path, walk)])


def _mapping(value: Any, path: str, walk: Visitor) -> Fingerprint:
    children = [("items", walk.visit(dict(value), path))]
    if hasattr(value, "default_factory"):
        factory = value.default_factory
        children.append(("factory", walk.compile_time(factory, f"{path}.default_factory")))
    return branch(_kind(value), [*children, *_attributes(value, path, walk)])


def _attributes(value: Any, path: str, walk: Visitor) -> list[tuple[str, Fingerprint]]:
    held: dict[str, object] = getattr(value, "__dict__", {})
    return [("attributes", walk.visit(dict(held), path))] if held else []


def _namespace(value: Any, path: str, walk: Visitor) -> Fingerprint:
    return branch(_kind(value), [("attributes", walk.visit(dict(vars(value)), path))])


def _array(value: Any, path: str, walk: Visitor) -> Fingerprint:  # noqa: ARG001 - as others
    head = f"{value.typecode}{value.itemsize} {sys.byteorder} {len(value)}"
    return leaf(_kind(value), f"{head}|".encode() + value.tobytes(), head)


def _view(value: Any, path: str, walk: Visitor) -> Fingerprint:
    """Bytes by their format and shape; where code captures them, by their order in memory too."""
    try:
        head = f"{value.format} {value.shape} {value.readonly} {sys.byteorder}"
        order = f"{value.c_contiguous:d}{value.f_contiguous:d}" if walk.compiled else "-"
        content = value.tobytes()
    except ValueError as problem:  # it was released
        raise Unkeyable(
            path, f"is a memoryview that cannot be read ({problem})", "Pass bytes(value)"
        ) from None
    if "O" in value.format:
        raise Unkeyable(path, "is a memoryview of references", "Pass a tuple of the values")
    return leaf(_kind(value), f"{head}|{order}|".encode() + content, head)


_DESCRIBED: dict[tuple[str, str], Callable[[Any, str, Visitor], Fingerprint]] = {
    ("fractions", "Fraction"): _text(lambda value: f"{value.numerator}/{value.denominator}"),
    ("decimal", "Decimal"): _text(str),  # sign, digits and exponent, and back
    ("uuid", "UUID"): _text(lambda value: f"{value.hex} {value.is_safe.name}"),
    ("datetime", "date"): _text(lambda value: value.isoformat()),
    ("datetime", "timedelta"): _text(
        lambda value: f"{value.days} days {value.seconds} s {value.microseconds} µs"
    ),
    ("datetime", "datetime"): _time,
    ("datetime", "time"): _time,
    ("datetime", "timezone"): _zone,
    ("re", "Pattern"): _pattern,
    ("collections", "deque"): _deque,
    ("collections", "OrderedDict"): _ordered,
    ("collections", "defaultdict"): _mapping,
    ("collections", "Counter"): _mapping,
    ("builtins", "mappingproxy"): _mapping,
    ("types", "SimpleNamespace"): _namespace,
    ("array", "array"): _array,
    ("builtins", "memoryview"): _view,
}

# What to pass in place of what other libraries' values hold, by the package that its class is from.
_ASK_FOR: dict[str, str] = {
    "pandas": "Pass value.to_numpy(), and the names of its columns as a tuple if they matter",
    "polars": "Pass value.to_numpy(), and the names of its columns as a tuple if they matter",
    "xarray": "Pass value.values, and names and coordinates as tuples or arrays if they matter",
    "pyarrow": "Pass value.to_numpy()",
    "torch": "Pass value.detach().cpu().numpy()",
    "tensorflow": "Pass value.numpy()",
    "jax": "Pass numpy.asarray(value)",
    "jaxlib": "Pass numpy.asarray(value)",
    "cupy": "Pass value.get()",
    "scipy": "Pass its arrays: of a sparse matrix, value.data, .indices, .indptr and .shape",
    "sympy": "Pass sympy.srepr(value)",
    "zoneinfo": "Pass its name: value.key",
}


def remedy_for(value: object) -> str | None:
    """What to pass in place of a value of a well-known library."""
    tops = [base.__module__.partition(".")[0] for base in type(value).__mro__]
    return next((_ASK_FOR[top] for top in tops if top in _ASK_FOR), None)
