# pathlib costs an import of 3 ms on the way to a kept artifact:
"""The record of a distribution's files that its installer wrote, and whether it is true."""

from __future__ import annotations

import os
import re

from emberkeep.keys.libraries import UNREADABLE, file_digest, identify
from emberkeep.keys.metadata import record_form
from emberkeep.startup_records import final, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from emberkeep.keys.distributions import Distribution

_REQUIRED = re.compile(rb"^Requires-Dist:[ \t]*([\w.-]+)([^\n]*)", re.MULTILINE | re.IGNORECASE)
_METADATA = (b".dist-info/METADATA", b".dist-info/entry_points.txt")
_NATIVE = (".so", ".pyd", ".dylib", ".dll")
# Installers take a while; files that are this much younger than the record are in doubt.
_SLACK_NS = 1_000_000_000


@final
class Record:
    """What a record says of a distribution's files, apart from where they are and who put them.

    Attributes:
        digest: over all of it.
        files: their names within the folder, with digest and size as claimed.
        modules: names of modules in Python, with the names of their files.
    """

    def __init__(self, text: bytes) -> None:
        lines = sorted(line for line in text.split(b"\n") if _tells(line))
        self.digest = sha256(b"\n".join(lines)).hexdigest()
        self.files: dict[str, tuple[bytes, bytes]] = {}
        for line in lines:
            raw, claim, size = line.rsplit(b",", 2)
            if raw[:1] == b'"':
                raw = raw[1:-1].replace(b'""', b'"')
            self.files[os.fsdecode(raw)] = (claim, size)
        self.modules: dict[str, str] = {}
        for name in self.files:
            if name.endswith(".py"):
                self.modules[name[:-3].removesuffix("/__init__").replace("/", ".")] = name

    def deviations(self, distribution: Distribution) -> Iterator[str]:
        """What the files are, where the record does not tell."""
        written = _changed_at(f"{distribution.metadata}/RECORD") + _SLACK_NS
        for name, (claim, size) in self.files.items():
            path = f"{distribution.folder}/{name}"
            if is_native(name):
                yield f"{name} {identify(path)}"
            elif "/tests/" not in name and not _is_plausible(path, claim, size, written):
                digest = digest_of(path)
                if digest == UNREADABLE or b"sha256=" + record_form(digest) != claim:
                    yield f"{name} {digest}"


def _tells(line: bytes) -> bool:
    """Whether a line is about what was installed, and not about where or by whom."""
    if line.count(b",") < 2 or line.startswith((b"..", b'"..', b"/")) or b".pyc," in line:  # noqa: PLR2004 - three columns
        return False
    return b".dist-info/" not in line or any(part in line for part in _METADATA)


def is_native(name: str) -> bool:
    """Whether a file is a native library, by its name."""
    return name.endswith(_NATIVE) or ".so." in name


def files_below(folder: str) -> Iterator[str]:
    """All files of a package, in the same order on every machine."""
    for place, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(each for each in subfolders if each != "__pycache__")
        yield from (
            os.path.join(place, name) for name in sorted(names) if not name.endswith(".pyc")
        )


def digest_of(path: str) -> str:
    """A file's digest; a word where it cannot be read."""
    try:
        return file_digest(path)
    except OSError:
        return UNREADABLE


def _changed_at(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _is_plausible(path: str, claim: bytes, size: bytes, written: int) -> bool:
    """Whether a file has the size that was recorded, and is no younger than the record."""
    try:
        facts = os.stat(path)
    except OSError:
        return False
    known = claim.startswith(b"sha256=") and size.strip() == b"%d" % facts.st_size
    return known and facts.st_mtime_ns <= written


def required_names(metadata: str) -> tuple[str, ...]:
    """The names of what a distribution requires, without what is only for an extra."""
    for name in ("METADATA", "PKG-INFO"):
        try:
            with open(os.path.join(metadata, name), "rb", buffering=0) as file:
                text = file.read()
        except OSError:
            continue
        head = text.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
        found = _REQUIRED.findall(head)
        return tuple(name.decode() for name, rest in found if b"extra" not in rest)
    return ()
