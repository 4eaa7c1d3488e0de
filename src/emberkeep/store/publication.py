"""Putting an artifact into a place: blobs first, manifest last, each whole or not at all."""

from __future__ import annotations

from contextlib import contextmanager
from errno import EBUSY, EIO, ENOENT, ESTALE

from emberkeep.errors import StoreProblem
from emberkeep.startup_records import final
from emberkeep.store import files
from emberkeep.store.layout import LAYOUT, blob_name, manifest_name, source_name
from emberkeep.store.manifest import SIZE_LIMIT, read_document
from emberkeep.store.no_follow import OpenFolders
from emberkeep.store.packed import Packed
from emberkeep.store.protocol import NEWER_FORMAT, Miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from emberkeep.store.object_store import ObjectStore
    from emberkeep.store.protocol import Kept, Key, LaidOut, Manifest, Stamps


PASSING = frozenset([EBUSY, EIO, ESTALE])


def publish(directory: LaidOut, kept: Kept) -> bool:
    """Whoever sees the manifest finds all of it. Whether it is there: what is newer stays.

    Raises:
        StoreProblem: the place is laid out by another version, or cannot be written.
    """
    with writing(directory) as write:
        return write.artifact(kept)


@contextmanager
def writing(directory: LaidOut) -> Generator[Writer]:
    """The place, ready to be written.

    Raises:
        StoreProblem: it is laid out by another version, or cannot be written.
    """
    try:
        directory.check_layout(mends=True)
        if not directory.has_object("format"):
            _lay_out(directory)
        if directory.folder is None:
            yield Writer(directory, directory.objects)
            return
        with OpenFolders(directory.folder.root, directory.folder.access) as folders:
            opened = directory.folder.with_open(folders)
            is_packed = isinstance(directory.objects, Packed)
            yield Writer(directory, Packed(opened) if is_packed else opened)
    except OSError as problem:
        raise StoreProblem(f"{directory.root} cannot be written: {problem}") from problem


@contextmanager
def putting(directory: LaidOut) -> Generator[Callable[[Kept], bool]]:
    """What publishes many artifacts, one after the other.

    Raises:
        StoreProblem: the place is laid out by another version, or cannot be written.
    """
    with writing(directory) as write:
        yield write.artifact


def _lay_out(directory: LaidOut) -> None:
    """Write down the layout's version, unless somebody did: what is there may be a newer one."""
    if directory.folder is not None:
        files.make_folder(directory.folder.root, directory.folder.access)
    try:
        directory.objects.write("format", LAYOUT, replaces=False)
    except FileExistsError:
        try:
            files.patiently(lambda: _see_layout(directory), files.UNSEEN)
        except FileNotFoundError:  # a client that remembers for long that there was none
            raise StoreProblem(
                f"{directory.root} was laid out by somebody a moment ago, and how cannot be read "
                "yet. What comes next will be kept"
            ) from None


def _see_layout(directory: LaidOut) -> None:
    if not directory.is_keep():
        raise FileNotFoundError(ENOENT, "its file 'format' is not seen yet", directory.root)


@final
class Writer:
    """What writes into a place; use it for blobs first, for their manifest last. Of one thread."""

    def __init__(self, directory: LaidOut, objects: ObjectStore) -> None:
        self._directory = directory
        self._objects = objects

    def artifact(self, kept: Kept) -> bool:
        """Write all of an artifact; whether it is there: what is newer stays.

        Raises:
            Untrusted: nobody who counts here vouches for it.
            StoreProblem: it is too large to be read again.
        """
        document = self.endorsed(kept.document, kept.manifest.key)
        for ref in kept.manifest.blobs:
            self.blob(ref.digest, kept.blobs[ref.role])
        return self.manifest(kept.manifest.key, document, kept.source)

    def endorsed(self, document: bytes, key: Key) -> bytes:
        """A document as it is to be written here.

        Raises:
            Untrusted: nobody who counts here vouches for it.
            StoreProblem: it is too large to be read again.
        """
        endorse = self._directory.endorse
        endorsed = document if endorse is None else endorse(document)
        _check_size(endorsed, key)
        return endorsed

    def blob(self, digest: str, content: bytes) -> None:
        """Write a blob, unless it is there; a damaged one is replaced."""
        name = blob_name(digest)
        try:
            # Compared, not only measured: a power cut leaves files of the right length and of
            # zeros, and one build has to heal them all.
            is_there = self._objects.holds(name, content)
        except OSError:  # not there, or not to be read: writing tells
            is_there = False
        # Touched, so that a collection that runs at this moment sees that it is needed; what is
        # not ours to touch is written.
        if not (is_there and self._objects.touch(name)):
            self._objects.write(name, content)

    def manifest(self, key: Key, document: bytes, source: str) -> bool:
        """Write an endorsed document, after all its blobs; not in place of what is newer."""
        name = manifest_name(key)
        if _is_newer(self._objects, name, key):
            return False
        if source:
            self._objects.write(source_name(name), source.encode())
        self._objects.write(name, document)
        return True


def _check_size(document: bytes, key: Key) -> None:
    """Refuse a manifest that would be too large to be read."""
    size = len(document)
    if size > SIZE_LIMIT:
        raise StoreProblem(
            f"The manifest of {key.kind}/{key.name} has {size} bytes, and only {SIZE_LIMIT} "
            "are read, so it is not kept. Put what is large into blobs, not into the layout"
        )


def _is_newer(objects: ObjectStore, name: str, key: Key) -> bool:
    """Whether a newer emberkeep holds this name: what we don't know we don't replace."""
    try:
        found = read_document(objects.read(name, SIZE_LIMIT)[0], key, _accept)
    except ValueError:
        return False
    except OSError as problem:
        if problem.errno in PASSING:  # what it is, nobody knows
            raise
        return False
    return isinstance(found, Miss) and found.reason == NEWER_FORMAT


def _accept(_manifest: Manifest, _stamps: Stamps) -> None:
    """Whoever vouches for it: a format is known or not."""
