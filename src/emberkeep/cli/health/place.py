"""Whether a keep can work here: its folder, its seal, and what the file system does.

What must be tried is tried in a folder of its own on the keep's file system, which is removed
again: the keep itself is only looked at.
"""

from __future__ import annotations

import os
import shutil
import time

from emberkeep.cli.health import BAD, OK, WARN, Check
from emberkeep.cli.text import duration, size
from emberkeep.errors import StoreProblem
from emberkeep.startup_records import sha256
from emberkeep.store import files
from emberkeep.store.directory import Directory
from emberkeep.store.manifest_writing import compose
from emberkeep.store.protocol import BlobRef, Kept, Key, Manifest, Miss
from emberkeep.trust.judge import own_keep
from emberkeep.trust.seals import KEY_BYTES, KEY_FILE, Sealer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from emberkeep.cli.session import Session
    from emberkeep.store.protocol import Entry

LITTLE_SPACE = 1 << 30

NO_SPACE = 64 << 20

CLOCK_SKEW_S = 60.0

FUTURE_S = 3600.0


def check_seal_key(folder: str | None) -> Check:
    """Whether the key is there by which the user vouches, and theirs alone."""
    name = "seal key"
    if folder is None:
        remedy = "Set EMBERKEEP_CONFIG_DIR to a private folder."
        return Check(name, BAD, "there is no home to keep it in", remedy)
    path = os.path.join(folder, KEY_FILE)
    try:
        facts = os.stat(path)
    except FileNotFoundError:
        if _can_write(_nearest_folder(folder)):
            return Check(name, OK, f"{path}: not there yet; made at first use")
        remedy = "Make the folder writable, or set EMBERKEEP_CONFIG_DIR to one that is."
        return Check(name, BAD, f"{folder} cannot be written", remedy)
    except OSError as problem:
        remedy = "Make it readable, or set EMBERKEEP_CONFIG_DIR to another folder."
        return Check(name, BAD, str(problem), remedy)
    anew = "Remove it: a new one is made, and what was kept is built again."
    if facts.st_size != KEY_BYTES:
        return Check(name, BAD, f"{path} has {facts.st_size} bytes, not {KEY_BYTES}", anew)
    if not _is_mine(facts):
        return Check(name, BAD, f"{path} belongs to another user", f"{anew} Or set your own HOME.")
    if facts.st_mode & 0o077:
        return Check(name, BAD, f"{path} can be read by others, who could forge entries", anew)
    return Check(name, OK, path)


def check_place(session: Session, root: str) -> Iterator[Check]:
    """The keep's folder, and what its file system does."""
    root_check = _check_root(root)
    yield root_check
    place = _nearest_folder(root)
    yield _check_space(place)
    if root_check.state == BAD:
        return
    try:
        known = session.directory.is_keep()
        future = sum(entry.last_used > time.time() + FUTURE_S for entry in _entries(session))
    except StoreProblem as problem:
        damaged = "emberkeep repair" in str(problem)
        remedy = "Run `emberkeep repair`" if damaged else "Upgrade emberkeep, or use another folder"
        yield Check("layout", BAD, str(problem), f"{remedy}.")
        return
    yield Check("layout", OK, "known" if known else "nothing kept yet")
    if future:
        detail = f"{future} entries were last used in the future"
        yield Check("times", WARN, detail, "Set the clock; using or clearing the entries heals it.")
    if session.settings.read_only:
        remedy = "Nothing new is kept. Unset it to keep what is built."
        yield Check("writing", WARN, f"read_only: {session.settings.origins['read_only']}", remedy)
        return
    yield from _try_out(session, root, place)


def _entries(session: Session) -> Iterator[Entry]:
    return session.directory.entries() if session.directory.is_keep() else iter(())


def _check_root(root: str) -> Check:
    name = "root"
    move = "or set EMBERKEEP_DIR to a folder of yours."
    try:
        facts = os.stat(root)
    except FileNotFoundError:
        parent = _nearest_folder(root)
        if _can_write(parent):
            return Check(name, OK, f"{root}: not there yet; made at first use")
        return Check(name, BAD, f"{root} cannot be made in {parent}", f"Allow it, {move}")
    except OSError as problem:
        return Check(name, BAD, str(problem), f"Make it readable, {move}")
    if not os.path.isdir(root):
        return Check(name, BAD, f"{root} is no folder", f"Remove it, {move}")
    if not _is_mine(facts):
        return Check(name, BAD, f"{root} belongs to another user", f"Take it over, {move}")
    if not _can_write(root):
        return Check(name, BAD, f"{root} cannot be written", f"chmod 700 {root}, {move}")
    if facts.st_mode & 0o022:
        detail = f"{root} can be written by others, who can make you build again"
        return Check(name, WARN, detail, f"chmod 700 {root}")
    return Check(name, OK, f"{root}, yours, mode {facts.st_mode & 0o777:o}")


def _nearest_folder(path: str) -> str:
    while not os.path.isdir(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def _can_write(folder: str) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)


def _is_mine(facts: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or facts.st_uid == os.geteuid()


def _check_space(place: str) -> Check:
    name = "free space"
    remedy = "Free some, or set EMBERKEEP_DIR to another file system."
    try:
        facts = os.statvfs(place)
    except (OSError, AttributeError) as problem:
        return Check(name, WARN, f"cannot be told: {problem}")
    free = facts.f_bavail * facts.f_frsize
    if facts.f_files and not facts.f_favail:
        return Check(name, BAD, f"no more files can be made in {place}", remedy)
    state = BAD if free < NO_SPACE else WARN if free < LITTLE_SPACE else OK
    return Check(name, state, f"{size(free)} in {place}", "" if state == OK else remedy)


def _try_out(session: Session, root: str, place: str) -> Iterator[Check]:
    folder = os.path.join(root, "temporary") if place == root else place
    scratch = os.path.join(folder, f".emberkeep-doctor-{files.unique_name()}")
    try:
        os.makedirs(scratch, files.PRIVATE)
        yield _check_clock(scratch)
        yield _check_rename(scratch)
        yield _check_locks(scratch)
        yield _check_round_trip(session, os.path.join(scratch, "keep"))
    except OSError as problem:
        remedy = "Make the keep's folder writable, or set EMBERKEEP_DIR to another."
        yield Check("writing", BAD, str(problem), remedy)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check_clock(scratch: str) -> Check:
    before = time.time()
    path = os.path.join(scratch, "clock")
    files.write_file(path, b"", scratch)
    written = os.stat(path).st_mtime
    off = max(before - written, written - time.time(), 0.0)
    if off > CLOCK_SKEW_S:
        detail = f"the file system's clock is {duration(off)} off this machine's"
        return Check("clock", WARN, detail, "Set both clocks: last use is told by files' times.")
    return Check("clock", OK, "agrees with the file system's")


def _check_rename(scratch: str) -> Check:
    path = os.path.join(scratch, "renamed")
    files.write_file(path, b"old", scratch)
    files.write_file(path, b"new", scratch)
    if files.read_file(path, 16) == b"new":
        return Check("rename", OK, "replaces files whole")
    remedy = "Set EMBERKEEP_DIR to a folder on a local disk."
    return Check("rename", BAD, "a renamed file does not replace the old one", remedy)


def _check_locks(scratch: str) -> Check:
    name, remedy = "locks", "Set EMBERKEEP_DIR to a folder on a local disk."
    builds_twice = "several processes may build the same thing"
    try:
        import fcntl
    except ImportError:
        return Check(name, WARN, f"there is no flock here: {builds_twice}")
    path = os.path.join(scratch, "lock")
    first = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    second = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return Check(name, OK, "flock works")
    except OSError as problem:
        return Check(name, WARN, f"flock fails ({problem}): {builds_twice}", remedy)
    finally:
        os.close(first)
        os.close(second)
    return Check(name, WARN, f"flock locks nothing: {builds_twice}", remedy)


def _check_round_trip(session: Session, root: str) -> Check:
    name, remedy = "round trip", "See the other checks; if all are well, please report this."
    problems: list[str] = []
    sealer = Sealer(session.settings.config_dir, problems.append)
    content = os.urandom(1 << 16)
    ref = BlobRef("content", sha256(content).hexdigest(), len(content))
    key = Key("doctor", "round trip", sha256(b"plan").hexdigest(), sha256(b"build").hexdigest())
    manifest = Manifest(key, (ref,), None, 0.0, time.time(), {})
    started = time.perf_counter()
    try:
        own = own_keep(session.settings, sealer, problems.append)
        directory = Directory(root, own.verify)
        directory.write(Kept(manifest, compose(manifest, {}, sealer.seal), {"content": content}))
        found = directory.read(key)
    except StoreProblem as problem:
        return Check(name, BAD, str(problem), remedy)
    if isinstance(found, Miss):
        return Check(name, BAD, f"what was written is not found: {found.detail}", remedy)
    if found.blobs["content"] != content:
        return Check(name, BAD, "what was read is not what was written", remedy)
    if problems:
        return Check(name, BAD, problems[0], "See the check of the seal key.")
    return Check(name, OK, f"written and read in {duration(time.perf_counter() - started)}")
