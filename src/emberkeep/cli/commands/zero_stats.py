"""``zero-stats``: counting begins anew."""

from __future__ import annotations

from emberkeep.cli.command import Command, no_arguments
from emberkeep.store import counts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.cli.session import Session


def _zero(session: Session) -> int:
    directory = session.writable_directory()
    removed = counts.zero(session.root) if directory.is_keep() else 0
    session.answer({"root": session.root, "files": removed}, ["The counts begin anew."])
    return 0


COMMAND = Command(no_arguments, _zero, "  emberkeep zero-stats\n")
