"""The file of a lease in a shared folder, and all that hosts do to it at the same time.

One line, of which a heartbeat rewrites the third field, of fixed length and at a fixed place::

    <token> <SHA-256 of the owner> <heartbeats> <who holds it, in words>

A network file system shows one host late what another did, unless a file is opened for the
reading; so each look opens it afresh. The token says whose it is, and answers also when the
answer of the server was lost: who finds their own token has made the file.

Whoever shares the folder may put a link in the place of a part of it, at any moment. So each step
is done to a name in the folder of leases, which is opened anew from the shared root, and not by way
of a link.

Beside it lie, for moments, files of the same name and an ending of chance. Who dies in such a
moment leaves one, which nobody looks at.
"""

from __future__ import annotations

import errno
import os

from emberkeep.startup_records import final, frozen
from emberkeep.store import files
from emberkeep.store.files import PASSING, UNSEEN, Access, allow, patiently
from emberkeep.store.no_follow import in_folder, open_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

TOKEN_DIGITS = 32
OWNER_DIGITS = 64
HEARTBEAT_DIGITS = 16
HEARTBEAT_AT = TOKEN_DIGITS + 1 + OWNER_DIGITS + 1
HOLDER_AT = HEARTBEAT_AT + HEARTBEAT_DIGITS
HOLDER_LIMIT = 200
LIMIT = 4096  # a longer line is from the future, or nobody's; it is waited for all the same

# For heartbeats: never makes the file, and a pipe in its place makes nobody wait.
BEATING = os.O_RDWR | files.READING
WRITING = os.O_WRONLY | os.O_CREAT | files.NO_FOLLOW

# File systems without hard links say so in one of these ways.
NO_LINKS = frozenset([errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK])

FILE_BITS = 0o666
FOLDER_BITS = 0o2777  # not the sticky bit: others must be able to take over what the dead left
OWN_FILE_BITS = 0o600


@final
@frozen
class Record:
    """The content of the file when somebody looked.

    Attributes:
        content: all of it.
        token: of the lease; empty while its holder has not written it yet.
        owner: SHA-256 of who made it.
        heartbeats: of its holder; while they grow, it lives. -1 where the file does not say.
        holder: in words, for those who wait.
    """

    content: bytes
    token: str
    owner: str
    heartbeats: int
    holder: str


def compose(token: str, owner: str, heartbeats: int, holder: str = "") -> Record:
    """The record of a holder after so many heartbeats; the owner as SHA-256."""
    line = f"{token} {owner} {_digits(heartbeats)} {holder}".rstrip()
    return parse(f"{line}\n".encode("ascii", "replace")[:LIMIT])


def parse(content: bytes) -> Record:
    """What a file's content says; of something else it says no more than that it is there."""
    text = content.decode("ascii", "replace")
    owner = text[TOKEN_DIGITS + 1 :][:OWNER_DIGITS]
    try:
        heartbeats = int(text[HEARTBEAT_AT:HOLDER_AT], 16)
    except ValueError:
        heartbeats = -1
    # Others can write there: what moves a cursor must not reach a terminal.
    holder = "".join(letter for letter in text[HOLDER_AT:][:HOLDER_LIMIT] if letter.isprintable())
    return Record(content, text[:TOKEN_DIGITS], owner, heartbeats, holder.strip())


def _digits(heartbeats: int) -> str:
    return f"{heartbeats:0{HEARTBEAT_DIGITS}x}"


# What is done to the file -------------------------------------------------------------------------


def read(path: str, limit: int = LIMIT) -> bytes:
    """A file's content; ValueError where it is larger than the limit, or no file."""
    return _at(path, lambda folder, name: files.read_file(name, limit, folder))


def look(path: str) -> Record | None:
    """What the file says now; None where there is none."""
    try:
        return parse(read(path))
    except FileNotFoundError:
        return None


def create(path: str, record: Record) -> bool:
    """Make the file, unless there is one; the folder too, if its parent is there."""
    temporary = _beside(path)
    try:
        try:
            _write(temporary, record.content)
        except FileNotFoundError:
            _make_folder(path)
            # If it is another host's, this one may not see it yet.
            _write(temporary, record.content, passing=UNSEEN)
        return _name(temporary, path, record)
    finally:
        discard(temporary)


def take_away(path: str, judged: Record) -> None:
    """Remove the file if it still is what was judged."""
    _remove(path, lambda found: found == judged)


def beat(path: str, token: str, heartbeats: int) -> bool:
    """Write how often the heart has beaten, if the file is still the token's; whether it is.

    Both through one descriptor: a file that takes its place in between is not touched. Not tried
    again: the next beat comes soon.
    """
    descriptor = in_folder(_root(path), path, lambda folder, name: _open(name, BEATING, folder))
    try:
        is_ours = os.read(descriptor, TOKEN_DIGITS) == token.encode()
        if is_ours:
            os.pwrite(descriptor, _digits(heartbeats).encode(), HEARTBEAT_AT)
        return is_ours
    finally:
        os.close(descriptor)


def give_back(path: str, token: str) -> None:
    """Remove the file if it is the token's.

    The first look spares what another has made meanwhile from being away even for a moment.
    """
    found = look(path)
    if found is not None and found.token == token:
        _remove(path, lambda found: found.token == token)


def discard(path: str) -> None:
    """Remove a file that is nobody's lease; if that cannot be, it is litter."""
    try:
        _at(path, lambda folder, name: os.unlink(name, dir_fd=folder))
    except OSError:
        return


def replace(path: str, content: bytes) -> None:
    """Put a file in place whole, for all who share the folder."""
    temporary = _beside(path)
    try:
        _write(temporary, content)
        new = os.path.basename(path)
        _at(temporary, lambda folder, name: os.replace(name, new, **_both(folder)))
    except BaseException:
        discard(temporary)
        raise


# How it is done -----------------------------------------------------------------------------------


def _beside(path: str) -> str:
    return f"{path}.{files.unique_name()}"


def _remove(path: str, is_it: Callable[[Record], bool]) -> None:
    """Remove the file if it is the right one; what came in between is put back.

    A file cannot be looked at and removed in one step, and who is stopped between the two may go
    on when it is another's. So it is moved first. While it is away, somebody may make another:
    then both build, which is harmless.
    """
    aside = _beside(path)
    new = os.path.basename(aside)
    try:
        _at(path, lambda folder, name: os.rename(name, new, **_both(folder)))
        found = look(aside)
        if found is not None and not is_it(found):
            _name(aside, path, found)
    except FileNotFoundError:  # released, or taken away by another
        return
    finally:
        discard(aside)


def _name(source: str, path: str, record: Record) -> bool:
    """Give a file its name unless that is taken; where links are not, by writing it again."""
    new = os.path.basename(path)
    try:
        try:
            _at(source, lambda folder, name: _link(name, new, folder))
        except OSError as problem:
            if problem.errno not in NO_LINKS:
                raise
            _write(path, record.content, os.O_EXCL)
    except FileExistsError:
        return False
    return True


def _write(path: str, content: bytes, only: int = 0, *, passing: frozenset[int] = PASSING) -> None:
    """Write a file, with O_EXCL a new one only; what cannot be written whole is removed.

    Names of chance need no O_EXCL: tried again where an answer was lost, it would find the file.
    """
    bits = _access(path).file

    def write(folder: int, name: str) -> None:
        descriptor = _open(name, WRITING | only, folder, bits)
        try:
            try:
                allow(descriptor, bits)  # where that cannot be, others build for themselves
                rest = memoryview(content)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            finally:
                os.close(descriptor)  # where a network file system tells that the disk is full
        except BaseException:
            discard(path)
            raise

    _at(path, write, passing)


def _link(name: str, new: str, folder: int) -> None:
    """Give a file a second name; what somebody has put a link in its place for gets none."""
    os.link(name, new, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)


def _both(folder: int) -> dict[str, int]:
    """That both the old name and the new one are in this folder."""
    return {"src_dir_fd": folder, "dst_dir_fd": folder}


def _open(name: str, flags: int, folder: int, bits: int = OWN_FILE_BITS) -> int:
    return os.open(name, flags, bits, dir_fd=folder)


def _make_folder(path: str) -> None:
    """Make the folder of leases, for those whom the shared root permits to write there."""
    root, folder = _root(path), os.path.basename(os.path.dirname(path))
    os.close(patiently(lambda: open_folder(root, (folder,), _access(path))))


def _access(path: str) -> Access:
    """What the shared root permits to whom, whatever this process would grant by default."""
    mode = patiently(lambda: os.stat(_root(path)).st_mode)
    return Access(mode & FILE_BITS | OWN_FILE_BITS, mode & FOLDER_BITS)


def _root(path: str) -> str:
    """The shared root, which is the parent of the folder of leases; it may itself be a link."""
    return os.path.dirname(os.path.dirname(path))


def _at(path: str, work: Callable[[int, str], T], passing: frozenset[int] = PASSING) -> T:
    """Do something to a name in the folder of leases, patiently."""
    return patiently(lambda: in_folder(_root(path), path, work), passing)
