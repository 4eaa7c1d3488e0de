# ruff: noqa: PTH - pathlib costs an import of 3 ms on the way to a kept artifact
"""What a native library is, without hashing hundreds of megabytes each time.

A library's identity is its GNU build-id with its size, or the SHA-256 of its bytes where the
linker wrote no build-id. CUDA's libraries are looked for wherever any loader might find them:
which one wins is not guessed, *all* candidates are ingredients, in search order and without their
paths, so that keys agree between machines.
"""

import hashlib
import os
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

SYSTEM_CUDA = "/usr/local/cuda"
LINKER_CACHE = "/etc/ld.so.cache"
UNREADABLE: Final = "unreadable"

CUDA_ROLES: Final = {
    "nvvm": "libnvvm.so",
    "libdevice": "libdevice.",
    "nvjitlink": "libnvJitLink.so",
    "nvrtc": "libnvrtc.so",
    "nvrtc-builtins": "libnvrtc-builtins.so",
    "cudadevrt": "libcudadevrt.a",
}
"""Role → how the names of its files begin."""

SVML_ROLES: Final = {"svml": "libsvml.so"}

_CUDA_SUBFOLDERS = ("lib64", "lib", "nvvm/lib64", "nvvm/lib", "nvvm/bin", "nvvm/libdevice", "bin")

# `cc` and `ld` read these; they change what is linked or which linker runs.
_LINKER_VARIABLES = (
    "COMPILER_PATH",
    "GCC_EXEC_PREFIX",
    "LDEMULATION",
    "LD_RUN_PATH",
    "LIBRARY_PATH",
    "SOURCE_DATE_EPOCH",
)

# A file written twice within one tick of the file system's clock keeps its times: what is
# younger than this is not remembered.
SETTLED_NS: Final = 2_000_000_000

_PT_NOTE = 4
_NT_GNU_BUILD_ID = 3
_NOTES_LIMIT_BYTES = 65_536
# Shorter ones are placeholders (`--build-id=0x00`), not names of what was linked.
_SHORTEST_BUILD_ID_BYTES = 8

_Stamp = tuple[int, int, int, int, int]
_remembered: dict[tuple[str, str], tuple[_Stamp, str]] = {}


@final
@dataclass(frozen=True, slots=True)
class Library:
    """A native file that takes part in building.

    Attributes:
        role: what it is for, e.g. ``nvvm``.
        name: the name of its file.
        identity: what it is: ``gnu-build-id:…`` or ``sha256:…``; the ingredient.
        path: where it was found; never an ingredient.
    """

    role: str
    name: str
    identity: str
    path: str


def file_digest(path: str) -> str:
    """The SHA-256 of a file's bytes in hexadecimal, remembered while the file is untouched."""
    return _remember("content", path, _hash_content)


def identify(path: str) -> str:
    """A library's identity: ``gnu-build-id:<hex>:<size>`` or ``sha256:<hex>``.

    The build-id names what was linked; the size tells what was patched or stripped afterwards.
    """
    try:
        return _remember("library", path, _identify_now)
    except OSError:
        # Nobody can load it either, but it may become readable: that must change the key.
        return UNREADABLE


def read_build_id(path: str) -> str | None:
    """The GNU build-id in an ELF file's notes, in hexadecimal; None where there is none."""
    with open(path, "rb", buffering=0) as file:
        header = file.read(64)
        try:
            order, wide = _elf_form(header)
            for offset, size, alignment in _note_segments(header, order, wide, file.fileno()):
                notes = os.pread(file.fileno(), min(size, _NOTES_LIMIT_BYTES), offset)
                found = _build_id_among(notes, order, alignment)
                if found is not None:
                    return found
        except (ValueError, OverflowError, OSError, struct.error):
            # No ELF file, or a damaged one: its content will be hashed.
            return None
    return None


def cuda_libraries() -> tuple[Library, ...]:
    """Every library of CUDA that a compile could use, in search order; equal ones once."""
    return _libraries(_cuda_files())


def svml_libraries() -> tuple[Library, ...]:
    """Intel's vector mathematics: numba emits calls to it wherever it can be loaded."""
    folders = [*_environment_paths("LD_LIBRARY_PATH"), os.path.join(sys.prefix, "lib")]
    conda = os.environ.get("CONDA_PREFIX")
    if conda:
        folders.append(os.path.join(conda, "lib"))
    # The name is known exactly: one stat a folder is cheaper than its listing.
    name = SVML_ROLES["svml"]
    files = [("svml", os.path.join(folder, name)) for folder in folders]
    found = [(role, path) for role, path in files if os.path.isfile(path)]
    return _libraries([*found, *_system_files(SVML_ROLES)])


def linker_tools() -> tuple[Library, ...]:
    """The ``ld`` and ``cc`` that PATH names first."""
    found: list[Library] = []
    for name in ("ld", "cc"):
        for folder in _environment_paths("PATH"):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                found.append(Library("linker", name, identify(os.path.realpath(path)), path))
                break
    return tuple(found)


def linker_environment() -> dict[str, str]:
    """The set environment variables that change what ``ld`` and ``cc`` write."""
    return {name: os.environ[name] for name in _LINKER_VARIABLES if name in os.environ}


def mapped_libraries(roles: dict[str, str]) -> tuple[Library, ...]:
    """The libraries of these roles that this process has mapped; empty where /proc is missing."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
            paths = sorted({line[line.index("/") :].rstrip("\n") for line in file if "/" in line})
    except OSError:
        return ()
    # A library that was replaced while it is mapped carries the suffix " (deleted)": its path
    # cannot be read, so it is "unreadable" and agrees with no key.
    return tuple(
        Library(role, os.path.basename(path), identify(path), path)
        for path in paths
        for role, beginning in roles.items()
        if os.path.basename(path).startswith(beginning)
    )


def _remember(kind: str, path: str, compute: Callable[[str], str]) -> str:
    status = os.stat(path)
    # The time of the last change of the inode catches tools that restore modification times.
    stamp = (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
    known = _remembered.get((kind, path))
    if known is not None and known[0] == stamp:
        return known[1]
    result = compute(path)
    if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > SETTLED_NS:
        _remembered[kind, path] = (stamp, result)
    return result


def _hash_content(path: str) -> str:
    with open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _identify_now(path: str) -> str:
    build_id = read_build_id(path)
    if build_id is None:
        return f"sha256:{_hash_content(path)}"
    return f"gnu-build-id:{build_id}:{os.path.getsize(path)}"


def _elf_form(header: bytes) -> tuple[str, bool]:
    """Byte order (as `struct` writes it) and whether the file is of the 64-bit class."""
    if header[:4] != b"\x7fELF" or header[4] not in (1, 2) or header[5] not in (1, 2):
        raise ValueError("no ELF file")
    return ("<" if header[5] == 1 else ">"), header[4] == 2  # noqa: PLR2004 - as the format says


def _note_segments(
    header: bytes, order: str, wide: bool, descriptor: int
) -> Iterator[tuple[int, int, int]]:
    """Offset, size and alignment of each segment that holds notes."""
    if wide:
        start, _, _, _, entry_size, count = struct.unpack_from(f"{order}QQIHHH", header, 32)
    else:
        start, _, _, _, entry_size, count = struct.unpack_from(f"{order}IIIHHH", header, 28)
    table = os.pread(descriptor, entry_size * count, start)
    for index in range(count):
        position = index * entry_size
        if struct.unpack_from(f"{order}I", table, position)[0] != _PT_NOTE:
            continue
        if wide:
            offset, _, _, size, _, alignment = struct.unpack_from(
                f"{order}QQQQQQ", table, position + 8
            )
        else:
            offset, _, _, size, _, _, alignment = struct.unpack_from(
                f"{order}IIIIIII", table, position + 4
            )
        yield offset, size, alignment


def _build_id_among(notes: bytes, order: str, alignment: int) -> str | None:
    step = 8 if alignment == 8 else 4  # noqa: PLR2004 - the only two that notes have
    position = 0
    while position + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from(f"{order}III", notes, position)
        name = notes[position + 12 : position + 12 + name_size]
        start = position + _aligned(12 + name_size, step)
        content = notes[start : start + size]
        if kind == _NT_GNU_BUILD_ID and name == b"GNU\0" and len(content) == size:
            return content.hex() if size >= _SHORTEST_BUILD_ID_BYTES else None
        position = start + _aligned(size, step)
    return None


def _aligned(size: int, step: int) -> int:
    return (size + step - 1) // step * step


def _libraries(files: Iterable[tuple[str, str]]) -> tuple[Library, ...]:
    """Identify files; links to one file and copies of one library count once in a role."""
    found: dict[tuple[str, str], Library] = {}
    seen: set[tuple[str, str]] = set()
    for role, path in files:
        real = os.path.realpath(path)
        if (role, real) in seen:
            continue
        seen.add((role, real))
        library = Library(role, os.path.basename(path), identify(real), path)
        found.setdefault((role, library.identity), library)
    return tuple(found.values())


def _cuda_files() -> Iterator[tuple[str, str]]:
    for folder in _cuda_folders():
        yield from _files_in(folder, CUDA_ROLES)
    yield from _system_files(CUDA_ROLES)


def _cuda_folders() -> Iterator[str]:
    for root in _cuda_roots():
        for subfolder in _CUDA_SUBFOLDERS:
            yield os.path.join(root, subfolder)
        for target in _names_in(os.path.join(root, "targets")):
            yield os.path.join(root, "targets", target, "lib")
    yield from _environment_paths("LD_LIBRARY_PATH")


def _cuda_roots() -> Iterator[str]:
    """Folders laid out as a toolkit or as a part of one, in search order."""
    for entry in sys.path:
        # cu12 wheels: nvidia/cuda_nvcc/nvvm/…, nvidia/nvjitlink/lib/…; cu13: nvidia/cu13/lib/….
        wheels = os.path.join(entry, "nvidia")
        for component in _names_in(wheels):
            yield os.path.join(wheels, component)
    if os.path.isdir(os.path.join(sys.prefix, "conda-meta")):
        yield sys.prefix
    for variable in ("CONDA_PREFIX", "CUDA_HOME", "CUDA_PATH"):
        value = os.environ.get(variable)
        if value:
            yield value
    yield SYSTEM_CUDA


def _names_in(folder: str) -> Sequence[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return ()


def _files_in(folder: str, roles: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name in _names_in(folder):
        for role, beginning in roles.items():
            path = os.path.join(folder, name)
            if name.startswith(beginning) and os.path.isfile(path):
                yield role, path


def _system_files(roles: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What the dynamic linker would find by name alone, from its cache."""
    try:
        paths = _remember("linker cache", LINKER_CACHE, _paths_in_linker_cache)
    except OSError:
        return
    for path in paths.split("\0"):
        name = os.path.basename(path)
        for role, beginning in roles.items():
            if name.startswith(beginning) and os.path.isfile(path):
                yield role, path


def _paths_in_linker_cache(path: str) -> str:
    """The paths of interest, joined by NUL: the cache is a table of NUL-terminated strings."""
    with open(path, "rb", buffering=0) as file:
        content = file.read()
    beginnings = tuple(
        os.fsencode(beginning) for beginning in (*CUDA_ROLES.values(), *SVML_ROLES.values())
    )
    if not any(beginning in content for beginning in beginnings):
        return ""
    return "\0".join(
        os.fsdecode(text)
        for text in content.split(b"\0")
        if text.startswith(b"/") and os.path.basename(text).startswith(beginnings)
    )


def _environment_paths(variable: str) -> Iterator[str]:
    return (folder for folder in os.environ.get(variable, "").split(os.pathsep) if folder)
