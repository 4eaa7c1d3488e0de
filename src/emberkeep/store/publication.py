"""Putting an artifact into a folder: blobs first, manifest last, each whole or not at all."""

from __future__ import annotations

import os

from emberkeep.errors import StoreProblem
from emberkeep.store import files
from emberkeep.store.directory import LAYOUT, source_path
from emberkeep.store.manifest import SIZE_LIMIT, read_document
from emberkeep.store.protocol import NEWER_FORMAT, Miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.store.directory import Directory
    from emberkeep.store.protocol import Kept, Key


def publish(directory: Directory, kept: Kept) -> None:
    """Whoever sees the manifest finds all of it.

    Raises:
        StoreProblem: the folder is laid out by another version, or cannot be written.
    """
    _check_size(kept)
    key = kept.manifest.key
    try:
        directory.check_layout()
        _make_root(directory)
        for ref in kept.manifest.blobs:
            _write_blob(directory, directory.blob_path(ref.digest), kept.blobs[ref.role])
        path = directory.manifest_path(key)
        if not _is_newer(path, key):
            if kept.source:
                files.write_file(source_path(path), kept.source.encode(), directory.temporary)
            files.write_file(path, kept.document, directory.temporary)
    except OSError as problem:
        raise StoreProblem(f"{directory.root} cannot be written: {problem}") from problem


def _check_size(kept: Kept) -> None:
    """Refuse a manifest that would be too large to be read."""
    size, key = len(kept.document), kept.manifest.key
    if size > SIZE_LIMIT:
        raise StoreProblem(
            f"The manifest of {key.kind}/{key.name} has {size} bytes, and only {SIZE_LIMIT} "
            "are read, so it is not kept. Put what is large into blobs, not into the layout"
        )


def _make_root(directory: Directory) -> None:
    path = os.path.join(directory.root, "format")
    if not os.path.exists(path):
        files.make_folder(directory.root)
        files.write_file(path, LAYOUT, directory.temporary)


def _write_blob(directory: Directory, path: str, content: bytes) -> None:
    try:
        # Compared, not only measured: a power cut leaves files of the right length and of
        # zeros, and one build has to heal them all.
        if files.read_file(path, len(content)) == content:
            # Touched, so that a collection that runs at this moment sees it is needed.
            os.utime(path)
            return
    except (OSError, ValueError):  # not there, not ours to touch, too long: writing tells
        pass
    files.write_file(path, content, directory.temporary)


def _is_newer(path: str, key: Key) -> bool:
    """Whether a newer emberkeep holds this name: what we don't know we don't replace."""
    try:
        found = read_document(files.read_file(path, SIZE_LIMIT), key, _accept)
    except (OSError, ValueError):
        return False
    return isinstance(found, Miss) and found.reason == NEWER_FORMAT


def _accept(_digest: str, _seal: str) -> None:
    """Any seal: a format is known or not, whoever sealed it."""
