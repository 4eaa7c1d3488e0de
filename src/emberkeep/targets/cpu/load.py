"""Loading checked machine code into this process.

The bytes that were checked are the bytes that run: they are copied to a file in memory that is
sealed against change and stays open as long as the process lives. Nothing is loaded from the keep's
own files: those may be replaced or cut short while they are mapped. The loader knows libraries by
their path, and takes the number of an open file for one; so no number is ever used again.
"""

from __future__ import annotations

import ctypes
import os
from _thread import RLock

from emberkeep.errors import Unloadable
from emberkeep.startup_records import final, sha256
from emberkeep.targets.cpu.c_library import ALLOWED_SYMBOLS
from emberkeep.targets.cpu.elf import check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# fcntl's, without importing it: F_ADD_SEALS with SEAL, SHRINK, GROW, WRITE.
_ADD_SEALS, _ALL_SEALS = 1033, 0x1 | 0x2 | 0x4 | 0x8
_NOW_AND_LOCAL = 0x2


@final
class SharedObject:
    """A loaded shared object; it stays loaded as long as the process lives."""

    def __init__(self, library: ctypes.CDLL, defined: frozenset[str]) -> None:
        self._library = library
        self._defined = defined

    def address(self, symbol: str) -> int:
        """Where a function begins.

        Raises:
            Unloadable: it has no such function.
        """
        if symbol not in self._defined:  # the loader would also look in what it needs
            raise Unloadable(f"The shared object has no function {symbol!r}")
        function = getattr(self._library, symbol, None)
        if function is None:  # listed, but not to be found by its name: a damaged table of hashes
            raise Unloadable(f"The system finds no function {symbol!r} in the shared object")
        found: Any = ctypes.cast(function, ctypes.c_void_p).value
        return int(found)


@final
class _Process:
    """What this process has loaded; nothing is ever unloaded.

    Attributes:
        lock: held while something is loaded.
        objects: by digest.
        descriptors: whose paths the system's loader knows.
        engines: of LLVM, which own the code that they loaded.
    """

    def __init__(self) -> None:
        self.lock = RLock()
        self.objects: dict[str, SharedObject] = {}
        self.descriptors: set[int] = set()
        self.engines: list[Any] = []


_process = _Process()


def _after_fork() -> None:
    """Another thread may have held the lock, and there is no other thread in a forked child."""
    _process.lock = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def load_shared_object(image: bytes) -> SharedObject:
    """Load an image, unless it is loaded already.

    Raises:
        Unloadable: it is not what it should be, or the system will not load it; nothing of it ran.
    """
    digest = sha256(image).hexdigest()
    with _process.lock:
        if digest not in _process.objects:
            elf = check(image)
            _process.objects[digest] = SharedObject(_open(image, digest), frozenset(elf.defined))
        return _process.objects[digest]


def check_shared_object(image: bytes) -> None:
    """Judge an image, unless it is loaded already.

    Raises:
        Unloadable: it is not what it should be.
    """
    if sha256(image).hexdigest() not in _process.objects:
        check(image)


def _open(image: bytes, digest: str) -> ctypes.CDLL:
    try:
        path, file = _sealed_file(image, digest)
    except (AttributeError, OSError):  # no such files here, or nowhere to name them
        return _open_private(image, digest)
    try:
        library = ctypes.CDLL(path, _NOW_AND_LOCAL)
    except OSError as problem:
        os.close(file)
        raise Unloadable(f"The system does not load it: {problem}") from problem
    _process.descriptors.add(file)
    return library


class _NoProc(OSError):  # noqa: N818 - reads as what it says
    """There is no name by which the loader could open a file in memory."""


def _sealed_file(image: bytes, digest: str) -> tuple[str, int]:
    """A path to the image in memory, and the descriptor that must stay open."""
    file = os.memfd_create(f"emberkeep-{digest[:16]}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        _write(file, image)
        import fcntl

        fcntl.fcntl(file, _ADD_SEALS, _ALL_SEALS)
        if (
            file in _process.descriptors
        ):  # daemons close all files; the loader would give the old library
            first, file = (
                file,
                fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, max(_process.descriptors) + 1),
            )
            os.close(first)
        path = f"/proc/self/fd/{file}"
        if not os.path.exists(path):
            raise _NoProc
    except OSError:
        os.close(file)
        raise
    return path, file


def _open_private(image: bytes, digest: str) -> ctypes.CDLL:
    """The same from a file that only this user can reach, gone again once it is loaded."""
    problems: list[str] = []
    for place in _temporary_folders():
        try:
            return _open_within(place, image, digest)
        except OSError as problem:  # missing, full, read-only, or nothing may run from there
            problems.append(f"{place}: {problem}")
    raise Unloadable(f"The system does not load it: {'; '.join(problems)}")


def _temporary_folders() -> tuple[str, ...]:
    """Where a file may stand for a moment, best first."""
    named = [os.environ.get(name, "") for name in ("TMPDIR", "XDG_RUNTIME_DIR", "TEMP", "TMP")]
    return tuple(dict.fromkeys(filter(None, [*named, "/tmp", "/dev/shm", "/var/tmp"])))  # noqa: S108 - mkdtemp makes a folder of the user's own there


def _open_within(place: str, image: bytes, digest: str) -> ctypes.CDLL:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="emberkeep-", dir=place) as folder:
        path = os.path.join(folder, f"{digest}.so")
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o500)
        try:
            _write(file, image)
        finally:
            os.close(file)
        return ctypes.CDLL(path, _NOW_AND_LOCAL)


def _write(file: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]


def load_object_llvmlite(image: bytes, symbol: str) -> int:
    """The address of a function in a relocatable object, which LLVM links in memory.

    This is for processors that `link` does not know; it imports llvmlite, which takes longer.

    Raises:
        Unloadable: it is no such object, calls what no kernel may, or lacks the function.
    """
    try:
        from importlib import import_module

        llvm: Any = import_module("llvmlite.binding")
    except ImportError as problem:
        raise Unloadable(
            "It was built for a processor on which loading needs llvmlite, which is not installed"
        ) from problem
    wanted = check_object(image)  # before LLVM sees it
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    with _process.lock:
        try:
            object_file = llvm.ObjectFileRef.from_data(image)
        except RuntimeError as problem:
            raise Unloadable(f"It is no object file: {problem}") from problem
        for name in ("libm.so.6", "libmvec.so.1"):
            _load_permanently(llvm, name)
        absent = [name for name in wanted if llvm.address_of_symbol(name) is None]
        if absent:  # LLVM would leave a call of nothing
            raise Unloadable(f"No library here has {', '.join(absent[:5])}, which the object calls")
        machine = llvm.Target.from_default_triple().create_target_machine()
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        engine.add_object_file(object_file)
        engine.finalize_object()
        address = int(engine.get_function_address(symbol))
        if not address:
            raise Unloadable(f"The object has no function {symbol!r}")
        _process.engines.append(engine)
        return address


def _load_permanently(llvm: Any, name: str) -> None:
    try:
        llvm.load_library_permanently(name)
    except RuntimeError:
        return  # there is none of this name here; what it would have had is found to be absent


def check_object(image: bytes) -> tuple[str, ...]:
    """The symbols that a relocatable object wants from others, all of them allowed.

    Raises:
        Unloadable: it is no such object, or calls what no kernel may.
    """
    from emberkeep.targets.cpu.object_file import undefined_in_object

    wanted = undefined_in_object(image)
    unknown = sorted(set(wanted) - ALLOWED_SYMBOLS)
    if unknown:
        raise Unloadable(f"The object calls {', '.join(unknown[:5])}")
    return wanted
