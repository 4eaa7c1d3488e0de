"""Pins: empty objects ``<root>/pins/<kind>/<name>/<key>`` that keep entries from eviction.

A pin outlives its entry: when a damaged or cleared artifact is built again, it is still pinned.
"""

from __future__ import annotations

from emberkeep.errors import StoreProblem

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
        directory.objects.write(_name(entry), b"")
    except OSError as problem:
        raise StoreProblem(f"{entry.kind}/{entry.name} cannot be pinned: {problem}") from problem


def unpin(directory: Directory, entry: Entry) -> bool:
    """Let eviction have an entry again; whether it was pinned.

    Raises:
        StoreProblem: the pin cannot be removed.
    """
    directory.require_layout()
    try:
        directory.objects.facts(_name(entry))
    except FileNotFoundError:
        return False
    except OSError as problem:
        raise StoreProblem(f"{entry.kind}/{entry.name} cannot be unpinned: {problem}") from problem
    if not directory.objects.remove(_name(entry)):
        path = directory.objects.address(_name(entry))
        raise StoreProblem(
            f"{entry.kind}/{entry.name} cannot be unpinned: {path} cannot be removed"
        )
    if directory.folder is not None:
        directory.folder.remove_group(f"pins/{entry.kind}/{entry.name}")
        directory.folder.remove_group(f"pins/{entry.kind}")
    return True


def is_pinned(directory: Directory, entry: Entry) -> bool:
    """Whether an entry is pinned; of a whole listing, `pinned` tells at once.

    Raises:
        StoreProblem: the pins cannot be read.
    """
    try:
        return directory.has_object(_name(entry))
    except OSError as problem:
        raise StoreProblem(f"The pins in {directory.root} cannot be read: {problem}") from problem


def pinned(directory: Directory) -> set[tuple[str, str, str]]:
    """Kind, name and key of whatever is pinned, whether it is kept at the moment or not.

    Raises:
        StoreProblem: the pins cannot be listed, so nobody knows what may go.
    """
    directory.require_layout()
    found: set[tuple[str, str, str]] = set()
    try:
        for path, _ in directory.objects.list("pins/"):
            kind, _, rest = path[len("pins/") :].partition("/")
            name, _, key = rest.partition("/")
            found.add((kind, name, key))
    except OSError as problem:
        raise StoreProblem(f"The pins in {directory.root} cannot be listed: {problem}") from problem
    return found


def _name(entry: Entry) -> str:
    return f"pins/{entry.kind}/{entry.name}/{entry.key}"
