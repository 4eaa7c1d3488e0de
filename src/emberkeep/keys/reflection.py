"""Code that reads what code is called or how it is written: names, docstrings, annotations, order.

None of that is in a key as a rule, so that renaming and commenting cost no compile. Where any code
of a walk reads such things, they count for all that the walk meets. What shows where code stands or
who calls it is refused.
"""

# Values of any type are taken apart here, so types are unknown by design.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import sys

from emberkeep.errors import Unkeyable
from emberkeep.keys.code import ATTRIBUTE_LOADS, GLOBAL_LOADS
from emberkeep.keys.fingerprint import branch, leaf
from emberkeep.keys.instructions import NAME, instructions
from emberkeep.keys.names import names_of, nested
from emberkeep.keys.refusal import GlobalsChange

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from collections.abc import Iterable
    from typing import Any

    from emberkeep.keys.fingerprint import Fingerprint
    from emberkeep.keys.visitor import Visitor

# Attributes, and functions that read them.
READING = frozenset(
    {
        "__annotations__",
        "__dataclass_fields__",
        "__dict__",
        "__doc__",
        "__module__",
        "__name__",
        "__orig_bases__",
        "__qualname__",
        "dir",
        "fields",
        "get_annotations",
        "get_type_hints",
        "getdoc",
        "getmembers",
        "signature",
        "vars",
    }
)
HIDDEN = frozenset(
    {
        "__globals__",
        "__subclasses__",
        "co_filename",
        "co_firstlineno",
        "co_lines",
        "co_linetable",
        "f_back",
        "f_globals",
        "f_lineno",
        "f_locals",
        "gi_frame",
        "tb_frame",
        "tb_lineno",
    }
)


def require_plain(code: types.CodeType, path: str, walk: Visitor) -> None:
    """Refuse code that reads what is hidden; let names count where code reads them.

    Raises:
        Unkeyable: it reads where code stands, what others reach, or which classes there are.
        GlobalsChange: it reads names, and they are not in the key so far.
    """
    named = names_of(code)
    if not (named.used | named.texts) & (READING | HIDDEN):
        return
    read = _read(code)
    for name in sorted(read & HIDDEN):
        raise Unkeyable(
            path,
            f"reads {name!r}, which shows what no key can hold: where code stands, what other code "
            "reaches, or which classes there are",
            "Pass what it needs as an argument",
        )
    if read & READING and not walk.literal:
        raise GlobalsChange


def _read(code: types.CodeType) -> set[str]:
    """Names that are read as attributes or globals, or given to `getattr` as text."""
    found: set[str] = set()
    for each in nested(code):
        for step in instructions(each).steps:
            if step.sort == NAME and step.operation in ATTRIBUTE_LOADS:
                found.add(str(step.argument))
            elif step.sort == NAME and step.operation in GLOBAL_LOADS:
                name = str(step.argument)
                # A class statement reads __name__ to note down its module.
                if not name.startswith("__"):
                    found.add(name)
        if "getattr" in each.co_names:
            found |= names_of(each).texts
    return found


def function_words(function: types.FunctionType) -> Fingerprint:
    """What a function is called, says of itself and expects, as text."""
    parts = [
        ("name", function.__name__),
        ("qualified name", function.__qualname__),
        ("module", str(function.__module__)),
        ("docstring", str(function.__doc__)),
        *((f"annotation {name}", _text(kind)) for name, kind in _annotations(function)),
    ]
    return _words(parts)


def class_words(cls: Any) -> Fingerprint:
    """The same for a class, with the order of its attributes and what its fields say."""
    space = vars(cls)
    parts = [
        ("name", cls.__name__),
        ("module", str(cls.__module__)),
        ("docstring", str(cls.__doc__)),
        ("order", " ".join(name for name in space if not name.startswith("__"))),
        ("bases", " ".join(_text(base) for base in space.get("__orig_bases__", ()))),
        *((f"annotation {name}", _text(kind)) for name, kind in _annotations(cls)),
    ]
    for name, field in space.get("__dataclass_fields__", {}).items():
        about = f"{_text(field.type)} {sorted(map(_text, field.metadata.items()))}"
        parts.append((f"field {name}", about))
    return _words(parts)


def order_of(names: Iterable[str]) -> Fingerprint:
    """The order of attributes, which shows where they are listed."""
    return _words([("order", repr(list(names)))])


def _annotations(value: Any) -> list[tuple[str, object]]:
    if isinstance(value, type) and sys.version_info < (3, 14):
        # Asking a class that has none would give it some.
        held: object = vars(value).get("__annotations__")
        return list(held.items()) if isinstance(held, dict) else []  # those in C have a descriptor
    try:
        return list((getattr(value, "__annotations__", None) or {}).items())
    except NameError:  # Python 3.14 works them out when they are asked for
        return [("not defined yet", "")]


def _text(value: object) -> str:
    if isinstance(value, type) and not hasattr(value, "__origin__"):
        return f"{value.__module__}.{value.__qualname__}"
    text = value if isinstance(value, str) else repr(value)
    return text.partition(" at 0x")[0]


def _words(parts: list[tuple[str, str]]) -> Fingerprint:
    children = [
        (label, leaf("text", text.encode("utf-8", "surrogatepass"), text)) for label, text in parts
    ]
    return branch("words", children)
