# pathlib costs an import of 3 ms on the way to a kept artifact:
"""Packages by the bytes of their files: checkouts, and code that writes code."""

from __future__ import annotations

import os

from emberkeep.errors import Unkeyable
from emberkeep.keys.distributions import Installation
from emberkeep.keys.libraries import UNREADABLE, file_digest, identify
from emberkeep.startup_records import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from emberkeep.keys.distributions import Location

# What a package compiles from or with, besides Python: numba-cuda brings CUDA sources.
_SOURCE_SUFFIXES = (
    ".bc",
    ".c",
    ".cpp",
    ".cu",
    ".cuh",
    ".cxx",
    ".h",
    ".hpp",
    ".ll",
    ".ptx",
    ".py",
    ".pyx",
)
_LIBRARY_SUFFIXES = (".dll", ".dylib", ".pyd", ".so")


def own_digests(names: Sequence[str]) -> dict[str, str]:
    """The digests of packages or modules by the bytes of their files, wherever they lie."""
    installation = Installation.now()
    return {name: _own_digest(installation, name) for name in sorted(names)}


def _own_digest(installation: Installation, name: str) -> str:
    top, *within = name.split(".")
    location = installation.location(top)
    if not within and location is not None and not location.folders and location.file is not None:
        return _digest(tuple(_files_of(location)))
    for folder in () if location is None else location.folders:
        path = os.path.join(folder, *within)
        if os.path.isdir(path):
            return _digest([file for file in _files_below(path) if not file[0].endswith(".pyc")])
        if os.path.isfile(f"{path}.py"):
            return _digest([(os.path.basename(f"{path}.py"), f"{path}.py")])
    raise Unkeyable(
        f"toolchain → own {name!r}",
        f"no package or module of this name was found in "
        f"{'sys.path' if location is None else ', '.join(location.folders) or location.file}",
        "Name it as it is imported, as in 'emberkeep.keys.toolchain'",
    )


def contents_of(location: Location) -> dict[str, object]:
    """A package's sources and libraries, where its version tells too little."""
    files = tuple(_files_of(location))
    if not files:
        return {"contents": "built in"}
    libraries = tuple(
        f"{name} {identify(path)}" for name, path in files if _has_suffix(name, _LIBRARY_SUFFIXES)
    )
    sources = [(name, path) for name, path in files if _has_suffix(name, _SOURCE_SUFFIXES)]
    return {"contents": _digest(sources), "libraries": libraries}


def _has_suffix(name: str, suffixes: tuple[str, ...]) -> bool:
    # Versioned libraries too: libfoo.so.1.2.
    return name.endswith(suffixes) or (suffixes is _LIBRARY_SUFFIXES and ".so." in name)


def _files_of(location: Location) -> Iterator[tuple[str, str]]:
    """Name within the package, and path; in the same order on every machine."""
    if not location.folders and location.file is not None:
        yield os.path.basename(location.file), location.file
    for folder in location.folders:
        yield from _files_below(folder)


def _files_below(folder: str) -> Iterator[tuple[str, str]]:
    for place, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(
            name for name in subfolders if name != "__pycache__" and not name.startswith(".")
        )
        for name in sorted(names):
            path = os.path.join(place, name)
            # Editors' lock files are hidden links that lead nowhere.
            if not name.startswith("."):
                yield os.path.relpath(path, folder).replace(os.sep, "/"), path


def _digest(files: Sequence[tuple[str, str]]) -> str:
    lines: list[bytes] = []
    for name, path in files:
        # A name may contain anything, so its length goes before it.
        encoded = os.fsencode(name)
        lines.append(b"%d:%b %b\n" % (len(encoded), encoded, _bytes_of(path).encode()))
    return f"sha256:{sha256(b''.join(lines)).hexdigest()}"


def _bytes_of(path: str) -> str:
    try:
        return file_digest(path)
    except OSError:
        # It vanished, or was never there: generated modules name files that do not exist.
        return UNREADABLE
