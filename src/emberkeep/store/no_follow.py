"""Opening, writing, moving and removing files within a root, by way of no link.

Others may be able to write into a keep: into a shared folder by design. Whoever puts a link in the
place of a folder there must not lead its readers, publishers and collectors out of it. So every
folder between the root and a file is opened from the one above it, and none may be a link.
"""

from __future__ import annotations

import errno
import os
from itertools import count

from emberkeep.startup_records import final
from emberkeep.store.files import (
    ALONE,
    FOLDER,
    FOLDER_TRIES,
    NO_FOLLOW,
    UNSEEN,
    allow,
    make_folder,
    patiently,
    unique_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self, TypeVar

    from emberkeep.store.files import Access

    T = TypeVar("T")

TEMPORARY = "temporary"
INNER = FOLDER | NO_FOLLOW
MOST_OPEN = 16  # folders at once, for each thread that writes


@final
class OpenFolders:
    """Folders within a root that stay open while several files are written; of one thread.

    Args:
        root: what must not be left.
        access: who else may read and write what is made.
    """

    def __init__(self, root: str, access: Access) -> None:
        self.root = root
        self.access = access
        self._open: dict[tuple[str, ...], int] = {}
        self._drafts = count()
        self._draft = unique_name()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all, and begin anew with the next."""
        while self._open:
            os.close(self._open.popitem()[1])

    def begin(self) -> int:
        """The folder for drafts; what was open for earlier files is closed now and then.

        Only here: whoever writes a file holds descriptors until it is in place.
        """
        if len(self._open) >= MOST_OPEN:
            self.close()
        return self.folder((TEMPORARY,))

    def draft(self) -> str:
        """A name for a draft, which no other file has."""
        return f"{self._draft}-{next(self._drafts)}"

    def folder(self, names: tuple[str, ...]) -> int:
        """The descriptor of a folder, which is not the caller's to close; made if it is missing."""
        known = self._open.get(names)
        if known is not None:
            return known
        if not names:
            opened = open_folder(self.root, (), self.access)
        else:
            above = self.folder(names[:-1])
            try:
                opened = _open_inner(names[-1], above, self.access)
            except OSError as problem:
                _name(problem, self.root, names)
                raise
        self._open[names] = opened
        return opened


def write_within(
    root: str,
    path: str,
    content: bytes,
    access: Access = ALONE,
    *,
    replaces: bool = True,
    folders: OpenFolders | None = None,
) -> None:
    """Put a file in place whole: written under a temporary name, then renamed.

    There is no fsync: every read checks digests, so what a crash tore is a miss that heals.

    Args:
        root: what must not be left.
        path: of the file, within the root.
        content: all of it.
        access: who else may read and write what is made.
        replaces: whether it takes the place of a file that is there.
        folders: those that are open already, where several files are written.

    Raises:
        FileExistsError: it is there, and was not to be replaced.
        OSError: it cannot be written, or a link stands in the place of a folder.
    """
    if folders is None:
        with OpenFolders(root, access) as own:
            _write(path, content, own, replaces=replaces)
        return
    try:
        _write(path, content, folders, replaces=replaces)
    except FileNotFoundError:  # a folder that was open has been taken away
        folders.close()
        _write(path, content, folders, replaces=replaces)


def _write(path: str, content: bytes, folders: OpenFolders, *, replaces: bool) -> None:
    draft = folders.draft()
    drafts = folders.begin()
    try:
        _write_new(draft, content, drafts, folders.access)
        if replaces:
            _replace(draft, drafts, path, folders)
        else:
            _add(draft, drafts, folders.root, path, folders.access)
    except BaseException:
        _unlink(draft, drafts)
        raise


def _replace(name: str, drafts: int, path: str, folders: OpenFolders) -> None:
    *above, target = _parts(folders.root, path)
    try:
        into = folders.folder(tuple(above))
        os.replace(name, target, src_dir_fd=drafts, dst_dir_fd=into)
    except FileNotFoundError:  # a collection has taken the folder away, while it was empty
        _put(name, drafts, folders.root, path, folders.access)


def remove_within(root: str, path: str) -> bool:
    """Remove a file; whether it was there and could be removed."""
    return _done(root, path, lambda folder, name: os.unlink(name, dir_fd=folder))


def remove_folder_within(root: str, path: str) -> bool:
    """Remove a folder if it is empty; whether it was there, empty and could be removed."""
    return _done(root, path, lambda folder, name: os.rmdir(name, dir_fd=folder))


def touch_within(root: str, path: str) -> bool:
    """Set a file's times to now; whether it was there and could be touched."""
    return _done(
        root, path, lambda folder, name: os.utime(name, dir_fd=folder, follow_symlinks=False)
    )


def _done(root: str, path: str, work: Callable[[int, str], None]) -> bool:
    try:
        in_folder(root, path, work)
    except OSError:
        return False
    return True


def in_folder(
    root: str, path: str, work: Callable[[int, str], T], access: Access | None = None
) -> T:
    """What some work gives that is done to a name in its folder, which stays open meanwhile.

    Args:
        root: what must not be left.
        path: of the file, within the root.
        work: is given the descriptor of the folder, and the file's name.
        access: where the folder may be missing, who else may read and write it once it is made.

    Raises:
        OSError: there is no such folder, or a link stands in the place of one; or of the work.
    """
    *above, name = _parts(root, path)
    folder = open_folder(root, above, access)
    try:
        return work(folder, name)
    finally:
        os.close(folder)


def move_within(root: str, path: str, target: str, access: Access = ALONE) -> None:
    """Rename a file to another place within the root, whose folder is made where it is missing.

    Raises:
        OSError: it cannot be moved, or a link stands in the place of a folder.
    """
    in_folder(root, path, lambda folder, name: _put(name, folder, root, target, access))


def _parts(root: str, path: str) -> list[str]:
    parts = path[len(root) :].split(os.sep)
    if not path.startswith(root) or parts[0] or ".." in parts or len(parts) < 2:  # noqa: PLR2004
        raise ValueError(f"{path} does not lie within {root}")
    return parts[1:]


def open_folder(root: str, names: Sequence[str], access: Access | None = None) -> int:
    """The descriptor of a folder within a root; missing ones are made if it is said how.

    Only who keeps things alone has the root made, too: a shared one that is missing is not mounted.
    """
    if access is ALONE and not os.path.isdir(root):
        make_folder(root)
    folder = os.open(root, FOLDER)
    for depth, name in enumerate(names, 1):
        try:
            inner = _open_inner(name, folder, access)
        except OSError as problem:
            _name(problem, root, names[:depth])
            raise
        finally:
            os.close(folder)
        folder = inner
    return folder


def _name(problem: OSError, root: str, names: Sequence[str]) -> None:
    """Raise what is wrong, and with what, where a link or a file stands in a folder's place."""
    if problem.errno in (errno.ENOTDIR, errno.ELOOP):
        place = os.path.join(root, *names)
        text = "this is a link or a file; a folder was expected"
        raise OSError(problem.errno, text, place) from problem


def _open_inner(name: str, folder: int, access: Access | None) -> int:
    if access is None:
        return os.open(name, INNER, dir_fd=folder)
    return patiently(lambda: _open_or_make(name, folder, access), UNSEEN)


def _open_or_make(name: str, folder: int, access: Access) -> int:
    """FileNotFoundError where somebody else was faster, and a network file system shows it late."""
    try:
        return os.open(name, INNER, dir_fd=folder)
    except FileNotFoundError:
        is_ours = _make_inner(name, folder, access)
    inner = os.open(name, INNER, dir_fd=folder)
    if is_ours and access is not ALONE:
        allow(inner, access.folder)
    return inner


def _make_inner(name: str, folder: int, access: Access) -> bool:
    try:
        os.mkdir(name, access.folder & 0o777, dir_fd=folder)
    except FileExistsError:
        return False
    return True


def _write_new(name: str, content: bytes, folder: int, access: Access) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW
    descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        if access is not ALONE:
            allow(descriptor, access.file)
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)


def _put(name: str, folder: int, root: str, path: str, access: Access) -> None:
    """Rename a file into its folder, which a collection may take away while it is empty."""
    *above, target = _parts(root, path)
    for attempt in range(FOLDER_TRIES):
        try:
            into = open_folder(root, above, access)
            try:
                os.replace(name, target, src_dir_fd=folder, dst_dir_fd=into)
            finally:
                os.close(into)
        except FileNotFoundError:
            if attempt == FOLDER_TRIES - 1:
                raise
        else:
            return


def _add(name: str, folder: int, root: str, path: str, access: Access) -> None:
    """Give a file a name that nobody has; a link tells of one, whatever a client sees of it."""
    *above, target = _parts(root, path)
    into = open_folder(root, above, access)
    try:
        os.link(name, target, src_dir_fd=folder, dst_dir_fd=into, follow_symlinks=False)
        _unlink(name, folder)
    except FileExistsError:
        raise
    except OSError as problem:  # a file system without links, where this has to do
        if _is_there(target, into):
            raise FileExistsError(errno.EEXIST, "it is there already", path) from problem
        os.replace(name, target, src_dir_fd=folder, dst_dir_fd=into)
    finally:
        os.close(into)


def _is_there(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _unlink(name: str, folder: int) -> bool:
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        return False
    return True
