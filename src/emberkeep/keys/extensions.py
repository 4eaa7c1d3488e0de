# pathlib costs an import of 3 ms on the way to a kept artifact:
"""numba's extensions: what other distributions register with it as soon as it compiles.

numba runs what is declared under ``numba_extensions`` before its first compile, so any such code
may take part in any kernel. They are found by folder listings and count by all that they consist
of: neither numba nor they are imported. What they register needs no further key.
"""

from __future__ import annotations

import os

from emberkeep.keys.distributions import Installation
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from emberkeep.keys.contents import Contents
    from emberkeep.keys.distributions import Location

GROUPS = (b"numba_extensions", b"numba_cuda_extensions")

Stamp = tuple[int, int, int]


@final
@frozen
class _Look:
    """What was found out, and the files that it hangs on as they were then."""

    installation: Installation
    modules: tuple[str, ...]
    digests: Mapping[str, str]
    files: Mapping[str, Stamp]


@final
class _Seen:
    """The last look of this process."""

    last: _Look | None = None


_seen = _Seen()


def numba_extensions() -> Mapping[str, str]:
    """The modules that numba runs before it compiles, each with a digest of what it can run."""
    return _look().digests


def extension_packages() -> frozenset[str]:
    """The names of the packages that these modules are in."""
    return frozenset(name.partition(".")[0] for name in _look().modules)


def _look() -> _Look:
    installation = Installation.now()
    last = _seen.last
    if last is not None and last.installation is installation and _unchanged(last.files):
        return last
    modules = tuple(sorted(set(_declared(installation))))
    digests: dict[str, str] = {}
    files: dict[str, Stamp] = {}
    if modules:
        from emberkeep.keys.contents import Contents  # most machines have no extension

        contents = Contents()
        for name in modules:
            location = installation.location(name) or installation.location(name.partition(".")[0])
            digests[name] = _digest(contents, location)
        files = {path: _stamp(path) for path in contents.files()}
    _seen.last = _Look(installation, modules, digests, files)
    return _seen.last


def _digest(contents: Contents, location: Location | None) -> str:
    if location is None or location.file is None:
        return "absent"
    return contents.of(location.name, location.file)


def _declared(installation: Installation) -> Iterator[str]:
    """The modules that entry points name."""
    for metadata in installation.metadata():
        try:
            with open(f"{metadata}/entry_points.txt", "rb", buffering=0) as file:
                text = file.read()
        except OSError:
            continue
        if not any(name in text for name in GROUPS):
            continue
        group = b""
        for line in text.split(b"\n"):
            stripped = line.strip()
            if stripped.startswith(b"["):
                group = stripped.strip(b"[] ")
            elif group in GROUPS and b"=" in stripped:
                target = stripped.partition(b"=")[2].partition(b":")[0]
                yield target.strip().decode("utf-8", "replace")


def _unchanged(files: Mapping[str, Stamp]) -> bool:
    return all(_stamp(path) == stamp for path, stamp in files.items())


def _stamp(path: str) -> Stamp:
    try:
        facts = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return (facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size)
