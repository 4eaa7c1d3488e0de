"""A damaged ``format`` file: told apart from that of a newer version, and written anew."""

from __future__ import annotations

import os

from emberkeep.store import files
from emberkeep.store.layout import LAYOUT, is_of_a_version
from emberkeep.store.manifest import HEX_DIGITS, SIZE_LIMIT, read_document
from emberkeep.store.no_follow import move_within
from emberkeep.store.protocol import NEWER_FORMAT, Miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.store.object_store import Folder


def mend(folder: Folder, path: str, move_away: Callable[[str], str | None]) -> bool:
    """Write a damaged ``format`` file anew; whether that was done.

    Only where the folder is this user's own, and holds nothing that another version has written.

    Args:
        folder: of the keep.
        path: of the file.
        move_away: moves it into quarantine; None where it may not.
    """
    if not _is_mine(folder.root) or _holds_others(folder.root):
        return False
    moved = move_away(path)
    if moved is None:
        return False
    try:
        if is_of_a_version(files.read_file(moved, 4096)):  # a healer was faster
            move_within(folder.root, moved, path)
            return False
    except (OSError, ValueError):
        pass  # it is what was found before: no small file
    try:
        folder.write("format", LAYOUT, replaces=False)
    except FileExistsError:
        return False
    return True


def _is_mine(root: str) -> bool:
    return not hasattr(os, "geteuid") or os.stat(root).st_uid == os.geteuid()


def _holds_others(root: str) -> bool:
    """Whether there is anything that this version would not have written."""
    for kind in files.scan(root):
        if kind.name in files.RESERVED:
            continue
        if not kind.is_dir(follow_symlinks=False):
            return True
        for name in files.scan(kind.path):
            if not name.is_dir(follow_symlinks=False):
                return True
            if any(_is_other(file) for file in files.scan(name.path)):
                return True
    return False


def _accept(*_: object) -> None:
    """Whoever vouches for it: a format is known or not."""


def _is_other(file: os.DirEntry[str]) -> bool:
    stem, suffix = os.path.splitext(file.name)
    plan, dash, build = stem.partition("-")
    if (len(plan), dash, len(build)) != (HEX_DIGITS, "-", HEX_DIGITS) or suffix not in (
        ".json",
        ".py",
    ):
        return True
    if suffix == ".py":
        return False
    try:
        found = read_document(files.read_file(file.path, SIZE_LIMIT), None, _accept)
    except (OSError, ValueError):
        return False  # damaged itself, and found so when it is read
    return isinstance(found, Miss) and found.reason == NEWER_FORMAT
