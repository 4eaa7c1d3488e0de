# pathlib costs an import of 3 ms on the way to a kept artifact:
"""What a native library is, without hashing hundreds of megabytes each time.

A library's identity is its GNU build-id with its size, or the SHA-256 of its bytes where the
linker wrote no build-id. CUDA's libraries are looked for wherever any loader might find them:
which one wins is not guessed, *all* candidates are ingredients, in search order and without their
paths, so that keys agree between machines.
"""

from __future__ import annotations

import os
import sys
import time

from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Literal

    ByteOrder = Literal["little", "big"]
    Stamp = tuple[int, int, int, int, int]

SYSTEM_CUDA = "/usr/local/cuda"
LINKER_CACHE = "/etc/ld.so.cache"
UNREADABLE = "unreadable"

CUDA_ROLES = {
    "nvvm": "libnvvm.so",
    "libdevice": "libdevice.",
    "nvjitlink": "libnvJitLink.so",
    "nvrtc": "libnvrtc.so",
    "nvrtc-builtins": "libnvrtc-builtins.so",
    "cudadevrt": "libcudadevrt.a",
}
"""Role → how the names of its files begin."""

SVML_ROLES = {"svml": "libsvml.so"}

_CUDA_SUBFOLDERS = ("lib64", "lib", "nvvm/lib64", "nvvm/lib", "nvvm/bin", "nvvm/libdevice", "bin")

# A file written twice within one tick of the file system's clock keeps its times: what is
# younger than this is not remembered.
SETTLED_NS = 2_000_000_000

_PT_NOTE = 4
_NT_GNU_BUILD_ID = 3
_NOTES_LIMIT_BYTES = 65_536
# Shorter ones are placeholders (`--build-id=0x00`), not names of what was linked.
_SHORTEST_BUILD_ID_BYTES = 8

# What files are, by what was asked and path, for as long as they are as they were.
_remembered: dict[tuple[str, str], tuple[Stamp, str]] = {}


@final
@frozen
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
        form = _elf_form(header)
        if form is None:
            return None
        order, wide = form
        try:
            for offset, size, alignment in _note_segments(header, file.fileno(), order, wide=wide):
                notes = os.pread(file.fileno(), min(size, _NOTES_LIMIT_BYTES), offset)
                found = _build_id_among(notes, order, alignment)
                if found is not None:
                    return found
        except (OSError, OverflowError):
            # A damaged file: its offsets lead nowhere. Its content will be hashed.
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
    import hashlib  # OpenSSL takes milliseconds to load: only where there is much to hash

    with open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _identify_now(path: str) -> str:
    build_id = read_build_id(path)
    if build_id is None:
        return f"sha256:{_hash_content(path)}"
    return f"gnu-build-id:{build_id}:{os.path.getsize(path)}"


def _elf_form(header: bytes) -> tuple[ByteOrder, bool] | None:
    """Byte order, and whether the file is of the 64-bit class; None for other formats."""
    if header[:4] != b"\x7fELF" or header[4:5] not in b"\1\2" or header[5:6] not in b"\1\2":
        return None
    return ("little" if header[5:6] == b"\1" else "big"), header[4:5] == b"\2"


def _note_segments(
    header: bytes, descriptor: int, order: ByteOrder, *, wide: bool
) -> Iterator[tuple[int, int, int]]:
    """Offset, size and alignment of each segment that holds notes."""
    # Where the fields of the header and of a segment's entry lie: in a 64-bit file, in a 32-bit.
    word, table_at, entry_size_at = (8, 32, 54) if wide else (4, 28, 42)
    offset_at, size_at, alignment_at = (8, 32, 48) if wide else (4, 16, 28)
    start = _number(header, table_at, word, order)
    entry_size = _number(header, entry_size_at, 2, order)
    count = _number(header, entry_size_at + 2, 2, order)
    table = os.pread(descriptor, entry_size * count, start)
    for position in range(0, len(table), entry_size or 1):
        if _number(table, position, 4, order) == _PT_NOTE:
            yield (
                _number(table, position + offset_at, word, order),
                _number(table, position + size_at, word, order),
                _number(table, position + alignment_at, word, order),
            )


def _build_id_among(notes: bytes, order: ByteOrder, alignment: int) -> str | None:
    step = 8 if alignment == 8 else 4  # noqa: PLR2004 - the only two that notes have
    position = 0
    while position + 12 <= len(notes):
        name_size = _number(notes, position, 4, order)
        size = _number(notes, position + 4, 4, order)
        kind = _number(notes, position + 8, 4, order)
        name = notes[position + 12 : position + 12 + name_size]
        start = position + _aligned(12 + name_size, step)
        content = notes[start : start + size]
        if kind == _NT_GNU_BUILD_ID and name == b"GNU\0" and len(content) == size:
            return content.hex() if size >= _SHORTEST_BUILD_ID_BYTES else None
        position = start + _aligned(size, step)
    return None


def _number(content: bytes, position: int, size: int, order: ByteOrder) -> int:
    return int.from_bytes(content[position : position + size], order)


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
    found: list[str] = []
    for beginning in (*CUDA_ROLES.values(), *SVML_ROLES.values()):
        wanted = os.fsencode(f"/{beginning}")
        position = content.find(wanted)
        while position >= 0:
            start = content.rfind(b"\0", 0, position) + 1
            end = content.find(b"\0", position)
            found.append(os.fsdecode(content[start:end]))
            position = content.find(wanted, position + 1)
    return "\0".join(found)


def _environment_paths(variable: str) -> Iterator[str]:
    return (folder for folder in os.environ.get(variable, "").split(os.pathsep) if folder)
