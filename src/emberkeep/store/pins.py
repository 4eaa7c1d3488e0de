"""Pins: empty files ``<root>/pins/<kind>/<name>/<key>`` that keep entries from eviction.

A pin outlives its entry: when a damaged or cleared artifact is built again, it is still pinned.
"""

from __future__ import annotations

import os

from emberkeep.errors import StoreProblem
from emberkeep.store import files
from emberkeep.store.within import remove_folder_within, remove_within, write_within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.store.directory import Directory
    from emberkeep.store.protocol import Entry


def pin(directory: Directory, entry: Entry) -> None:
    """Keep an entry from eviction; pinning twice is once.

    Raises:
        StoreProblem: the pin cannot be written.
    """
    directory.require_layout()
    try:
        write_within(directory.root, _path(directory, entry), b"", directory.access)
    except OSError as problem:
        raise StoreProblem(f"{entry.kind}/{entry.name} cannot be pinned: {problem}") from problem


def unpin(directory: Directory, entry: Entry) -> bool:
    """Let eviction have an entry again; whether it was pinned.

    Raises:
        StoreProblem: the pin cannot be removed.
    """
    directory.require_layout()
    path = _path(directory, entry)
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    except OSError as problem:
        raise StoreProblem(f"{entry.kind}/{entry.name} cannot be unpinned: {problem}") from problem
    if not remove_within(directory.root, path):
        raise StoreProblem(
            f"{entry.kind}/{entry.name} cannot be unpinned: {path} cannot be removed"
        )
    for folder in (os.path.dirname(path), os.path.dirname(os.path.dirname(path))):
        remove_folder_within(directory.root, folder)
    return True


def pinned(directory: Directory) -> set[tuple[str, str, str]]:
    """Kind, name and key of whatever is pinned, whether it is kept at the moment or not.

    Raises:
        StoreProblem: the pins cannot be listed, so nobody knows what may go.
    """
    directory.require_layout()
    try:
        return {
            (kind.name, name.name, key.name)
            for kind in files.scan(os.path.join(directory.root, "pins"))
            for name in files.scan(kind.path)
            for key in files.scan(name.path)
        }
    except OSError as problem:
        raise StoreProblem(f"The pins in {directory.root} cannot be listed: {problem}") from problem


def _path(directory: Directory, entry: Entry) -> str:
    return os.path.join(directory.root, "pins", entry.kind, entry.name, entry.key)
