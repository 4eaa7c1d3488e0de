"""Where the bytes of a keep lie: what any place has to offer, and the folder, which offers it.

A place holds bytes by name. Names have slashes and nothing odd: ``blobs/ab/cdef…``. What they mean
is `directory`'s affair; how they are kept is the place's. It needs neither renaming nor links:
one object is put whole, put only where none is, listed, looked at and removed, which is what a
bucket can do. To bring another kind of place, write its `ObjectStore` in one file and inherit
`emberkeep.testing.ObjectStoreContract`.
"""

from __future__ import annotations

import os

from emberkeep.startup_records import final
from emberkeep.store import files
from emberkeep.store.files import ALONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from emberkeep.store.files import Access
    from emberkeep.store.no_follow import OpenFolders


@final
class Facts:
    """What a place knows of one object; written out, since a listing makes thousands of them.

    Args:
        size_bytes: its length.
        modified: when it was last written or touched, in seconds since the epoch by the clock of
            the place; what unpacks archives may set it to any time.
        changed: when the place itself saw it change last, whatever `modified` says.
        version: something else after each write and each touch; else it means nothing to anybody.
    """

    __slots__ = ("_version", "changed", "modified", "size_bytes")

    def __init__(
        self, size_bytes: int, modified: float, changed: float, version: tuple[object, ...]
    ) -> None:
        self.size_bytes = size_bytes
        self.modified = modified
        self.changed = changed
        self._version = version

    def of_size(self, size_bytes: int) -> Facts:
        """The same, of content that takes less room in the place than it has bytes."""
        return Facts(size_bytes, self.modified, self.changed, self._version)

    @property
    def version(self) -> str:
        """The version as text; made when it is asked for, which few do."""
        return repr(self._version)


if TYPE_CHECKING:

    class ObjectStore(Protocol):
        """Bytes by name, in a folder, a bucket, a dictionary.

        Any thread may call, several at once. What goes wrong is an `OSError`: `FileNotFoundError`
        where there is nothing of that name, another where the place itself is in trouble. What is
        read is checked by whoever asked: a place need not be trusted.
        """

        @property
        def label(self) -> str:
            """What messages call the place."""
            ...

        @property
        def folder(self) -> Folder | None:
            """The folder that it is, or lies in; None for a place that is none."""
            ...

        def address(self, name: str) -> str:
            """Where people find an object: its path, or its URL."""
            ...

        def is_there(self) -> bool:
            """Whether the place itself is there; it may be empty."""
            ...

        def read(self, name: str, limit: int) -> tuple[bytes, Facts]:
            """All of an object; ValueError where it is larger than the limit, or no object."""
            ...

        def facts(self, name: str) -> Facts:
            """What is known of an object, without its content."""
            ...

        def holds(self, name: str, content: bytes) -> bool:
            """Whether an object has just these bytes, which are not held a second time for that."""
            ...

        def list(self, prefix: str) -> Iterator[tuple[str, Facts]]:
            """All objects whose names begin so, in any order.

            Args:
                prefix: ends with a slash, or is empty.
            """
            ...

        def names(self, prefix: str) -> Iterator[str]:
            """The names that `list` gives, for who asks no more: a folder has them sooner."""
            ...

        def groups(self, prefix: str) -> list[str]:
            """What follows a prefix in names, up to the next slash, where there is one."""
            ...

        def write(self, name: str, content: bytes, *, replaces: bool = True) -> None:
            """Put an object: whoever reads it meanwhile sees the old one or the new one, whole.

            Raises:
                FileExistsError: it is there, and `replaces` is not set.
            """
            ...

        def touch(self, name: str) -> bool:
            """Note that an object was needed now: it is modified, and has another version.

            Whether it was there and could be touched.
            """
            ...

        def remove(self, name: str, version: str = "") -> bool:
            """Remove an object; whether it was there and could be removed.

            Args:
                name: of the object.
                version: if given, of the one that is meant: one that was written or touched since
                    stays.
            """
            ...


@final
class Folder:
    """A folder as a place.

    Args:
        root: its path.
        access: asked, at each write, who else may read and write what is made; by default nobody.
        folders: those that are open already, of a thread that writes several files.
    """

    def __init__(
        self,
        root: str,
        access: Callable[[str], Access] | None = None,
        folders: OpenFolders | None = None,
    ) -> None:
        self.root = root
        self.label = root
        self._access = access
        self._folders = folders

    @property
    def folder(self) -> Folder:
        """It is one."""
        return self

    def address(self, name: str) -> str:
        """The path of an object."""
        return f"{self.root}{os.sep}{name}"

    @property
    def access(self) -> Access:
        """Who may read and write what is made here."""
        return ALONE if self._access is None else self._access(self.root)

    @property
    def temporary(self) -> str:
        """Where files are written before they get their names."""
        return self.address("temporary")

    def is_there(self) -> bool:
        """Whether there is such a folder."""
        return os.path.isdir(self.root)

    def read(self, name: str, limit: int) -> tuple[bytes, Facts]:
        """A file's bytes."""
        content, facts = files.read_with_facts(f"{self.root}{os.sep}{name}", limit)
        return content, facts_of(facts)

    def holds(self, name: str, content: bytes) -> bool:
        """Whether a file has just these bytes; compared in pieces."""
        return files.holds(self.address(name), content)

    def facts(self, name: str) -> Facts:
        """What is known of a file; of a link, what the link itself is."""
        return facts_of(os.stat(self.address(name), follow_symlinks=False))

    def list(self, prefix: str) -> Iterator[tuple[str, Facts]]:
        """All files below a folder, by way of no link."""
        folders = [prefix]
        for folder in folders:  # which grows on the way
            for file in files.scan(self.address(folder)):
                if file.is_dir(follow_symlinks=False):
                    folders.append(f"{folder}{file.name}/")
                    continue
                try:
                    facts = file.stat(follow_symlinks=False)
                except FileNotFoundError:  # removed meanwhile
                    continue
                yield folder + file.name, facts_of(facts)

    def names(self, prefix: str) -> Iterator[str]:
        """The names of all files below a folder; none of them is looked at."""
        folders = [prefix]
        for folder in folders:  # which grows on the way
            for file in files.scan(self.address(folder)):
                if file.is_dir(follow_symlinks=False):
                    folders.append(f"{folder}{file.name}/")
                else:
                    yield folder + file.name

    def groups(self, prefix: str) -> list[str]:
        """The folders in a folder, links left out."""
        folder = self.address(prefix)
        return [each.name for each in files.scan(folder) if each.is_dir(follow_symlinks=False)]

    def write(self, name: str, content: bytes, *, replaces: bool = True) -> None:
        """Write a file under another name, then give it its own."""
        from emberkeep.store import no_follow  # a hit needs none

        folders = self._folders
        access = self.access if folders is None else folders.access
        path = self.address(name)
        no_follow.write_within(self.root, path, content, access, replaces=replaces, folders=folders)

    def with_open(self, folders: OpenFolders) -> Folder:
        """The same place, for one thread that writes several files."""
        return Folder(self.root, self._access, folders)

    def touch(self, name: str) -> bool:
        """Set a file's times to now, by way of no link."""
        from emberkeep.store.no_follow import touch_within  # a hit needs none, but once an hour

        return touch_within(self.root, self.address(name))

    def remove(self, name: str, version: str = "") -> bool:
        """Remove a file, by way of no link."""
        from emberkeep.store.no_follow import remove_within  # a hit needs none

        if version:
            return self._remove_version(self.address(name), version)
        return remove_within(self.root, self.address(name))

    def remove_group(self, name: str) -> bool:
        """Remove a folder within, if it is empty; whether it was there, empty and could be."""
        from emberkeep.store.no_follow import remove_folder_within

        return remove_folder_within(self.root, self.address(name))

    def _remove_version(self, path: str, version: str) -> bool:
        """Remove a file unless somebody writes or touches it at this very moment.

        It is moved aside first: who comes after that does not find it, and writes it anew.
        """
        from emberkeep.store.no_follow import TEMPORARY, move_within, remove_within

        aside = self.address(f"{TEMPORARY}/{files.unique_name()}")
        try:
            seen = os.stat(path, follow_symlinks=False)
            if facts_of(seen).version != version:
                return False
            move_within(self.root, path, aside, self.access)
            found = os.stat(aside, follow_symlinks=False)
            if (found.st_ino, found.st_mtime_ns) == (seen.st_ino, seen.st_mtime_ns):
                return remove_within(self.root, aside)
            move_within(self.root, aside, path, self.access)
        except OSError:  # gone, or not ours to move
            return False
        return False


def facts_of(found: os.stat_result) -> Facts:
    """The facts of a file. A version is its number on the disk and both its times."""
    version = found.st_ino, found.st_mtime_ns, found.st_ctime_ns
    return Facts(found.st_size, found.st_mtime, found.st_ctime, version)
