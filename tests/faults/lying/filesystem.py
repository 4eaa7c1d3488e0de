"""A file system that passes everything through to a folder, and lies when it is told to.

``python filesystem.py BACKING MOUNT CONTROL`` mounts BACKING at MOUNT and takes orders, lines of
JSON, on the socket CONTROL (`controls.Controls` gives them). It ends when its standard input
does, and so with whoever started it; with status 77 where there can be no such file system.

Nothing is cached by the kernel, so that each operation gets here. As on NFS, a file that is
removed while this client has it open lives on under another name (`.fuse_hidden…`) until it is
closed.
"""

import fcntl
import functools
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from controls import unmounting
from rules import Rule, Rules

CANNOT = 77
THREADS = 100  # as many operations may hang at once

try:
    import mfusepy
except (ImportError, OSError) as problem:  # the package, or the library that it loads
    sys.stderr.write(f"no FUSE here: {problem}\n")
    sys.exit(CANNOT)

FACTS = ("st_mode", "st_ino", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks", "st_blksize")
TIMES = ("st_atime", "st_mtime", "st_ctime")
# Times that utimensat(2) has instead of nanoseconds.
NOW, OMIT = (1 << 30) - 1, (1 << 30) - 2


def lying(work):
    """Let an operation arrive at the rules before it is done."""
    name = work.__name__

    @functools.wraps(work)  # mfusepy counts the parameters
    def operation(self, path, *arguments):
        if path is None:  # removed while open
            path = self.handles[arguments[-1]].path
        paths = [path, arguments[0]] if name in ("rename", "link") else [path]
        later = self.rules.arrive(name, [path.strip("/") for path in paths])
        answer = work(self, path, *arguments)
        if later is not None:
            if name in ("open", "create"):
                self.close(answer)
            raise later
        return answer

    return operation


class Handle:
    """An open file; with a content of its own if a lie is told about it."""

    def __init__(self, path, *, made=False):
        self.path = path
        self.made = made
        self.content = None
        self.modified_ns = None


class LyingFiles(mfusepy.Operations):
    """The operations, as FUSE asks for them."""

    use_ns = True

    def __init__(self, backing, rules):
        self.backing = os.path.abspath(backing)
        self.previous = f"{self.backing}.previous"
        self.rules = rules
        self.handles = {}  # by descriptor

    def real(self, path):
        return os.path.join(self.backing, path.lstrip("/"))

    # Names ----------------------------------------------------------------------------------------

    @lying
    def getattr(self, path, handle=None):
        name = path.strip("/")
        try:
            facts = os.fstat(handle) if handle in self.handles else os.lstat(self.real(path))
        except FileNotFoundError:
            self.rules.found(name, exists=False)
            raise
        if not self.rules.found(name, exists=True) or self.rules.hides("getattr", name):
            raise FileNotFoundError(2, "hidden")
        told = {key: getattr(facts, key) for key in FACTS}
        told |= {key: getattr(facts, f"{key}_ns") for key in TIMES}
        for other in tuple(self.handles.values()):  # what is read and what is said agree
            if other.path == path and other.content is not None:
                told["st_size"], told["st_mtime"] = len(other.content), other.modified_ns
        return told

    @lying
    def readdir(self, path, handle):
        entries = []
        with os.scandir(self.real(path)) as scanned:
            for entry in scanned:
                name = os.path.join(path, entry.name).strip("/")
                if self.rules.hides("readdir", name):
                    continue
                try:
                    facts = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # gone meanwhile
                    continue
                kind = {"st_mode": facts.st_mode, "st_ino": facts.st_ino}
                entries.append((entry.name, kind, 0))
        return entries

    def opendir(self, path):
        """No rule fires; a folder has no handle."""
        self.rules.opened(path.strip("/"))
        return 0

    @lying
    def mkdir(self, path, mode):
        try:
            os.mkdir(self.real(path), mode)
        except FileExistsError:
            self.rules.told_of(path.strip("/"))
            raise
        self.make(path)

    @lying
    def rmdir(self, path):
        os.rmdir(self.real(path))

    @lying
    def rename(self, old, new):
        self.remember(new)
        self.remember(old)
        os.rename(self.real(old), self.real(new))
        self.rules.made(new.strip("/"))

    @lying
    def link(self, target, source):
        try:
            os.link(self.real(source), self.real(target), follow_symlinks=False)
        except FileExistsError:
            self.rules.told_of(target.strip("/"))
            raise
        self.rules.made(target.strip("/"))

    @lying
    def unlink(self, path):
        self.remember(path)
        os.unlink(self.real(path))

    @lying
    def symlink(self, target, source):
        os.symlink(source, self.real(target))
        self.make(target)

    @lying
    def readlink(self, path):
        return os.readlink(self.real(path))

    @lying
    def chmod(self, path, mode):
        os.chmod(self.real(path), mode & 0o7777)

    @lying
    def chown(self, path, user, group):
        os.chown(self.real(path), user, group, follow_symlinks=False)

    @lying
    def utimens(self, path, times=None):
        facts = os.lstat(self.real(path))
        meant = {NOW: time.time_ns()}
        chosen = [
            before if at == OMIT else meant.get(at, at)
            for at, before in zip(times or (NOW, NOW), (facts.st_atime_ns, facts.st_mtime_ns))
        ]
        os.utime(self.real(path), ns=tuple(chosen), follow_symlinks=False)

    @lying
    def statfs(self, path):
        facts = os.statvfs(self.real(path))
        return {key: getattr(facts, key) for key in dir(facts) if key.startswith("f_")}

    # Contents -------------------------------------------------------------------------------------

    @lying
    def create(self, path, mode, flags):
        existed = os.path.lexists(self.real(path))
        descriptor = os.open(self.real(path), flags & ~os.O_DIRECT, mode)
        self.handles[descriptor] = Handle(path, made=not existed)
        if not existed:
            self.make(path)
        return descriptor

    @lying
    def open(self, path, flags):
        descriptor = os.open(self.real(path), flags & ~os.O_DIRECT)
        handle = Handle(path)
        if flags & os.O_ACCMODE == os.O_RDONLY:
            self.misread(handle, descriptor)
        self.handles[descriptor] = handle
        return descriptor

    @lying
    def read(self, path, size, offset, handle):
        content = self.handles[handle].content
        if content is not None:
            return content[offset : offset + size]
        return os.pread(handle, size, offset)

    @lying
    def write(self, path, content, offset, handle):
        if offset == 0 and not self.handles[handle].made:
            self.remember(path)
        return os.pwrite(handle, content, offset)

    @lying
    def truncate(self, path, length, handle=None):
        self.remember(path)
        os.truncate(self.real(path) if handle is None else handle, length)

    @lying
    def flush(self, path, handle):
        """What close(2) waits for, and whose error it reports."""

    @lying
    def fsync(self, path, data_only, handle):
        """Lies: no test needs the disk."""

    @lying
    def flock(self, path, handle, operation):
        fcntl.flock(handle, operation)

    def release(self, path, handle):
        self.close(handle)

    def close(self, handle):
        self.handles.pop(handle)
        os.close(handle)

    # Lies -----------------------------------------------------------------------------------------

    def misread(self, handle, descriptor):
        """Give a file that is opened another content, where a rule says so."""
        name = handle.path.strip("/")
        before = os.path.join(self.previous, digest(handle.path))
        facts = os.fstat(descriptor)
        if self.rules.lies("stale", "open", name, could=lambda: os.path.exists(before)):
            with open(before, "rb") as file:
                handle.content = file.read()
                handle.modified_ns = os.fstat(file.fileno()).st_mtime_ns
            return
        for kind, spoil in (("torn", tear), ("flipped", flip)):
            if self.rules.lies(kind, "open", name, could=lambda: facts.st_size > 0):
                content = handle.content
                if content is None:
                    content = os.pread(descriptor, facts.st_size, 0)
                handle.content, handle.modified_ns = spoil(content), facts.st_mtime_ns

    def remember(self, path):
        """Keep a copy of what a file holds before it holds something else, for all views."""
        real = self.real(path)
        if not os.path.isfile(real) or os.path.islink(real):
            return
        kept = os.path.join(self.previous, digest(path))
        copy = f"{kept}.{os.getpid()}.{threading.get_native_id()}"
        os.makedirs(self.previous, exist_ok=True)
        try:
            shutil.copy2(real, copy)
        except FileNotFoundError:  # another view was faster
            return
        os.replace(copy, kept)

    def make(self, path):
        """What was made belongs to whoever asked for it."""
        self.rules.made(path.strip("/"))
        user, group, _ = mfusepy.fuse_get_context()
        if os.geteuid() == 0 and user != 0:
            os.chown(self.real(path), user, group, follow_symlinks=False)


def tear(content):
    return content[: len(content) // 2]


def flip(content):
    spoilt = bytearray(content)
    spoilt[len(spoilt) // 3] ^= 4
    return bytes(spoilt)


def digest(path):
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()


class Fuse(mfusepy.FUSE):
    """As it is, but a lock may be let go of after its file was removed."""

    def flock(self, path, opened, operation):
        handle = opened.contents.fh
        if path is None:
            name = self.operations.handles[handle].path
        else:
            name = path.decode(self.encoding, self.errors)
        return self.operations.flock(name, handle, operation)


# Control ------------------------------------------------------------------------------------------


def obey(rules, order):
    match order.pop("do"):
        case "inject":
            rules.inject(Rule(**order))
        case "clear":
            rules.clear()
        case "release":
            rules.release()
        case "counts":
            return rules.counts()
    return {}


def converse(rules, connection):
    with connection, connection.makefile("rw") as lines:
        for line in lines:
            try:
                answer = obey(rules, json.loads(line))
            except (ValueError, TypeError, KeyError) as problem:
                answer = {"problem": f"{type(problem).__name__}: {problem}"}
            lines.write(json.dumps(answer) + "\n")
            lines.flush()


def listen(rules, listening):
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=converse, args=(rules, connection), daemon=True).start()


def end_with_input(mount):
    """Go away with whoever started this process, however that ended."""
    while os.read(0, 4096):
        continue
    subprocess.run(unmounting(mount), capture_output=True, check=False)
    os._exit(0)


def main(backing, mount, control):
    rules = Rules(mfusepy._libfuse.fuse_interrupted)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(control)
    listening.listen()
    threading.Thread(target=listen, args=(rules, listening), daemon=True).start()
    threading.Thread(target=end_with_input, args=(mount,), daemon=True).start()
    os.umask(0)  # the kernel has applied the caller's
    signal.signal(signal.SIGUSR1, lambda *_: None)  # what wakes a thread whose caller has a signal
    options = {"allow_other": True} if os.geteuid() == 0 else {}
    if (mfusepy.fuse_version_major, mfusepy.fuse_version_minor) >= (3, 12):
        options |= {"max_threads": THREADS, "max_idle_threads": THREADS}
    Fuse(
        LyingFiles(backing, rules),
        mount,
        foreground=True,
        default_permissions=True,
        use_ino=True,
        direct_io=True,
        intr=True,
        entry_timeout=0,
        attr_timeout=0,
        negative_timeout=0,
        **options,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
