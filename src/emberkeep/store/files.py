"""Files, safely: capped reads, atomic writes, private folders, names that hold everywhere."""

from __future__ import annotations

import errno
import os
import time
from stat import S_ISREG

from emberkeep.startup_records import final, frozen, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    T = TypeVar("T")

PRIVATE = 0o700
PIECE_BYTES = 1 << 20
FOLDER_TRIES = 5  # each can only fail if a collection empties the keep within microseconds
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)

FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)

# What a network file system answers for a moment: of what another host has just made, that it is
# not there; and where its server was restarted, or is at work on the same file.
UNSEEN = frozenset([errno.ENOENT])
PASSING = frozenset([errno.ESTALE, errno.EBUSY])
PAUSES_S = (0.002, 0.01, 0.05, 0.25)

# A pipe in the place of a file must not make its reader wait.
READING = os.O_RDONLY | NO_FOLLOW | getattr(os, "O_NONBLOCK", 0)


def read_file(path: str, limit: int, folder: int | None = None) -> bytes:
    """A file's bytes, read once; ValueError where it is larger than the limit, or no file.

    Args:
        path: of the file; within the folder, where one is given.
        limit: how many bytes it can have.
        folder: the descriptor of an open one.
    """
    return read_with_facts(path, limit, folder)[0]


def read_with_facts(
    path: str, limit: int, folder: int | None = None
) -> tuple[bytes, os.stat_result]:
    """As `read_file`, with what is known of the file."""
    descriptor = os.open(path, READING, dir_fd=folder)
    try:
        facts = os.fstat(descriptor)
        if not S_ISREG(facts.st_mode):
            raise ValueError(f"{path} is no regular file")
        expected = min(facts.st_size, limit)
        # One byte more than expected is asked for, so that a file that grew is noticed.
        chunks = [os.read(descriptor, expected + 1)]
        total = len(chunks[0])
        while chunks[-1] and total != expected and total <= limit:
            chunks.append(os.read(descriptor, min(limit + 1 - total, PIECE_BYTES)))
            total += len(chunks[-1])
    finally:
        os.close(descriptor)
    if total > limit:
        raise ValueError(f"{path} is larger than the {limit} bytes it can have")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks), facts


def holds(path: str, content: bytes) -> bool:
    """Whether a file has just these bytes; in pieces, so that what is large is not held twice."""
    descriptor = os.open(path, READING)
    try:
        facts = os.fstat(descriptor)
        if not S_ISREG(facts.st_mode) or facts.st_size != len(content):
            return False
        place = 0
        while piece := os.read(descriptor, PIECE_BYTES):
            if content[place : place + len(piece)] != piece:
                return False
            place += len(piece)
        return place == len(content)
    finally:
        os.close(descriptor)


@final
@frozen
class Access:
    """Who may read and write what is made: the permissions of files and of folders."""

    file: int
    folder: int


ALONE = Access(0o600, PRIVATE)


def as_of(folder: str) -> Access:
    """The permissions that the contents of a shared folder have: those of the folder itself."""
    mode = os.stat(folder).st_mode
    return Access(mode & 0o666, mode & 0o7777)


def write_file(path: str, content: bytes, temporary: str) -> None:
    """Put a file of the user's own in place whole, wherever it is; in a keep, see `within`."""
    name = os.path.join(temporary, unique_name())
    try:
        descriptor = _create(name)
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)
        _put(name, path)
    except BaseException:
        remove_file(name)
        raise


def allow(descriptor: int, mode: int) -> None:
    """Set permissions, whatever the umask is; a file system that knows none is no trouble.

    By a descriptor, since a path may lead elsewhere by now.
    """
    try:
        os.chmod(descriptor, mode)
    except OSError:
        return


def _put(name: str, path: str) -> None:
    """Rename a file into its folder, which a collection may take away while it is empty."""
    for _ in range(FOLDER_TRIES):
        try:
            os.replace(name, path)
        except FileNotFoundError:
            try:
                make_folder(os.path.dirname(path))
            except (FileNotFoundError, FileExistsError):  # taken away at this very moment
                continue
        else:
            return
    os.replace(name, path)


def _create(name: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW
    try:
        return os.open(name, flags, 0o600)
    except FileNotFoundError:
        make_folder(os.path.dirname(name))
        return os.open(name, flags, 0o600)


def patiently(work: Callable[[], T], passing: frozenset[int] = PASSING) -> T:
    """Try again, a few times, what a network file system refuses for a moment."""
    for pause_s in PAUSES_S:
        try:
            return work()
        except OSError as problem:
            if problem.errno not in passing:
                raise
        time.sleep(pause_s)
    return work()


def make_folder(path: str, access: Access = ALONE) -> None:
    """Make a folder, and what is missing above it, for this user alone unless said otherwise.

    `os.makedirs` would leave those above open to all, the keep's root among them.
    """
    try:
        _make_one(path, access)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
    except FileNotFoundError:
        above = os.path.dirname(path)
        if above == path:
            raise
        make_folder(above, access)
        try:
            _make_one(path, access)
        except FileExistsError:  # somebody else was faster
            if not os.path.isdir(path):
                raise


def _make_one(path: str, access: Access) -> None:
    os.mkdir(path, access.folder & 0o777)
    if access is not ALONE:
        folder = os.open(path, FOLDER | NO_FOLLOW)
        try:
            allow(folder, access.folder)
        finally:
            os.close(folder)


def remove_file(path: str) -> bool:
    """Remove a file; whether it was there and could be removed."""
    try:
        os.unlink(path)
    except OSError:
        return False
    return True


def unique_name() -> str:
    """A name that no other file has: the process, then chance."""
    return f"{os.getpid()}-{os.urandom(8).hex()}"


def scan(folder: str) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder; none where it is missing. Other trouble is raised."""
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except (FileNotFoundError, NotADirectoryError):
        return


# Names ------------------------------------------------------------------------------------------

PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
LONGEST = 64
LONGEST_TEXT = 4096  # of a kind, a name, a role: longer than what anybody calls a thing
REMEMBERED = 1024
MARK = 16  # hexadecimal digits that tell names apart which become the same folder
# Windows opens a device under these names, whatever the extension.
DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))]
)
# What lies in a keep's root beside the kinds.
RESERVED = frozenset(
    [
        "format",
        "blobs",
        "pins",
        "statistics",
        "leases",
        "notes",
        "quarantine",
        "temporary",
        "collected",
        "outages",
        "revoked",
    ]
)


def objection(text: str) -> str | None:
    """Why a text can be no kind and no name, here and in bundles alike; None where it can."""
    if len(text) > LONGEST_TEXT:
        return f"has {len(text)} characters, more than the {LONGEST_TEXT} that it may have"
    if "\0" in text:  # it ends a text for everything written in C
        return "has a NUL in it"
    try:
        if not text.isascii():
            text.encode()
    except UnicodeEncodeError:  # it cannot be printed
        return "has half of a character (a surrogate) in it"
    return None


# Asked at every lookup, for the same few names.
_known: dict[str, str] = {}


def folder_name(name: str) -> str:
    """The folder for a name: the name itself where it is plain, else a slug with a digest."""
    known = _known.get(name)
    if known is None:
        known = _folder_name(name)
        if len(_known) < REMEMBERED:
            _known[name] = known
    return known


def folders_of(name: str) -> tuple[str, ...]:
    """The folders that somebody can mean by a text: that of a name, or the folder as it is."""
    folder = folder_name(name)
    is_another = folder != name and PLAIN.issuperset(name) and name.strip(".")
    return (folder, name) if is_another else (folder,)


def _folder_name(name: str) -> str:
    if _is_plain(name):
        return name
    slug = "".join(letter if letter in PLAIN else "_" for letter in name[:40]).strip(".-_ ")
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:MARK]
    return f"{slug or 'unnamed'}-{digest}"


def _is_plain(name: str) -> bool:
    if not 0 < len(name) <= LONGEST or not PLAIN.issuperset(name):
        return False
    if name[0] == "." or name[-1] == ".":
        return False
    if name.lower() in RESERVED or name.partition(".")[0].lower() in DEVICES:
        return False
    # A name that looks like one of ours with a digest could be taken for it.
    stem, _, digest = name.rpartition("-")
    return not (stem and len(digest) == MARK and not digest.strip("0123456789abcdef"))
