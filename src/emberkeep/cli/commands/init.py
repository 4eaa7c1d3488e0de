"""``init``: a folder becomes a keep that several hosts or users share."""

from __future__ import annotations

import os

from emberkeep.cli.command import Command
from emberkeep.errors import InvalidSetting, StoreProblem
from emberkeep.settings import Place, parse_folder
from emberkeep.store.files import RESERVED, allow
from emberkeep.store.no_follow import FOLDER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

    from emberkeep.cli.session import Session

MODE = 0o2775  # the group may write, and what is made in it is the group's
ORDINARY = RESERVED | {"lost+found"}  # which a file system has at its root


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help="made with mode 2775 where it is missing")


def _init(session: Session) -> int:
    try:
        path = parse_folder(session.options.folder)
    except InvalidSetting:
        raise
    except ValueError as problem:
        raise InvalidSetting(f"{session.options.folder!r} is no folder") from problem
    is_made = _make(path)
    if not ORDINARY.issuperset(os.listdir(path)) and not os.path.exists(f"{path}/format"):
        raise StoreProblem(f"{path} holds other things. Name a folder that is empty, or a new one")
    is_new = session.open_shared(Place(path)).lay_out()
    done = "is a keep now" if is_new else "was a keep already, and is left as it is"
    lines = [f"{path} {done}"]
    if is_new:
        lines += ["", "Whoever uses it sets:", f"  export EMBERKEEP_SHARED={path}"]
    session.answer({"folder": path, "made": is_made, "new": is_new}, lines)
    return 0


def _make(path: str) -> bool:
    """Make the folder, if it is missing; whether it was."""
    if os.path.isdir(path):
        return False
    try:
        os.mkdir(path)
        folder = os.open(path, FOLDER)
    except OSError as problem:
        raise StoreProblem(f"{path} cannot be made: {problem.strerror}") from problem
    try:
        allow(folder, MODE)  # whatever the umask is
    finally:
        os.close(folder)
    return True


COMMAND = Command(
    _configure,
    _init,
    """\
  emberkeep init /cluster/keep

For a group: chgrp LAB /cluster/keep. Programs lay out an empty folder by themselves, but not one
in which you have seen a keep before: that is a file system that is not mounted. If you emptied it
on purpose, this says so.
""",
)
