"""What a file of Python imports, as its text says.

A name too many does no harm: it is looked for, and not found.
"""

from __future__ import annotations

import re

from emberkeep.keys.libraries import UNREADABLE
from emberkeep.keys.record import digest_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    # A name, and whether it is imported at once: not inside a function or a condition.
    Import = tuple[str, bool]

_IMPORT = re.compile(rb"import")
_CALLED = re.compile(rb"\w*\(\s*['\"]([.\w]+)['\"]")
_WORD = re.compile(rb"\w+")
_LONGEST = 8192  # characters of one import statement

# What files import, by their digests.
_imports: dict[str, tuple[Import, ...]] = {}


def read_imports(path: str) -> tuple[str, tuple[Import, ...]]:
    """A file's digest, and what it imports."""
    digest = digest_of(path)
    if digest == UNREADABLE or not path.endswith(".py"):
        return digest, ()
    if digest not in _imports:
        with open(path, "rb", buffering=0) as file:
            _imports[digest] = tuple(dict.fromkeys(_imported(file.read())))
    return digest, _imports[digest]


def _imported(text: bytes) -> Iterator[Import]:
    """What import statements name, and calls such as ``import_module("name")``."""
    text = text.replace(b"\\\n", b" ").replace(b"\\\r\n", b" ")
    for found in _IMPORT.finditer(text):
        head = text[text.rfind(b"\n", 0, found.start()) + 1 : found.start()]
        rest = text[found.end() : found.end() + _LONGEST]
        words = head.split()
        if not words or words[-1].endswith((b":", b";")):
            at_once = not head
            for part in _line(rest).split(b","):
                name = part.split()
                if name:
                    yield _text(name[0]), at_once
        elif len(words) > 1 and words[-2] == b"from":
            at_once = head[:4] == b"from"
            base = _text(words[-1])
            joint = "" if base.endswith(".") else "."
            yield base, at_once
            named = rest.partition(b")")[0] if rest.lstrip()[:1] == b"(" else _line(rest)
            for name in _WORD.findall(named):
                yield f"{base}{joint}{_text(name)}", at_once
        called = _CALLED.match(rest)
        if called is not None:
            yield _text(called.group(1)), False


def _line(text: bytes) -> bytes:
    """A statement's rest."""
    return text.partition(b"\n")[0].partition(b"#")[0].partition(b";")[0]


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def absolute(name: str, package: str) -> str:
    """A module's name, where its import is relative to a package."""
    rest = name.lstrip(".")
    level = len(name) - len(rest)
    if level == 0:
        return name
    base = package.split(".")
    base = base[: len(base) - level + 1]
    return ".".join([*base, *([rest] if rest else [])])
