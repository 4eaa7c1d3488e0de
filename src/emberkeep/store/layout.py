"""A keep whose ``format`` file is damaged: told apart from one that a newer version laid out."""

from __future__ import annotations

import os

from emberkeep.store import files
from emberkeep.store.manifest import SIZE_LIMIT, read_document
from emberkeep.store.protocol import NEWER_FORMAT, Miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.store.directory import Directory

WORD = b"emberkeep "
DIGITS = 64  # of a digest


def is_of_a_version(content: bytes) -> bool:
    """Whether this is what some version of emberkeep writes there."""
    number = content.removeprefix(WORD).removesuffix(b"\n")
    return content == WORD + number + b"\n" and number.isdigit()


def mend(directory: Directory, path: str, layout: bytes) -> bool:
    """Write a damaged ``format`` file anew; whether that was done.

    Only where the folder is this user's own, and holds nothing that another version has written.
    """
    folder = directory.folder
    if folder is None or not directory.heals:
        return False
    if not _is_mine(folder.root) or _holds_others(directory):
        return False
    moved = directory.move_away(path)
    if moved is None:
        return False
    from emberkeep.store.no_follow import move_within

    try:
        if is_of_a_version(files.read_file(moved, 4096)):  # a healer was faster
            move_within(directory.root, moved, path)
            return False
    except (OSError, ValueError):
        pass  # it is what was found before: no small file
    try:
        folder.write("format", layout, replaces=False)
    except FileExistsError:
        return False
    return True


def _is_mine(root: str) -> bool:
    return not hasattr(os, "geteuid") or os.stat(root).st_uid == os.geteuid()


def _holds_others(directory: Directory) -> bool:
    """Whether there is anything that this version would not have written."""
    for kind in files.scan(directory.root):
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
    if (len(plan), dash, len(build)) != (DIGITS, "-", DIGITS) or suffix not in (".json", ".py"):
        return True
    if suffix == ".py":
        return False
    try:
        found = read_document(files.read_file(file.path, SIZE_LIMIT), None, _accept)
    except (OSError, ValueError):
        return False  # damaged itself, and found so when it is read
    return isinstance(found, Miss) and found.reason == NEWER_FORMAT
