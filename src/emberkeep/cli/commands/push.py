"""``push``: what is kept here goes to a shared place."""

from __future__ import annotations

from emberkeep.cli.command import Command
from emberkeep.cli.transfers import EXIT_CODES, bring, configure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.cli.session import Session


def _push(session: Session) -> int:
    return bring(session, ("push",))


COMMAND = Command(
    configure,
    _push,
    "  emberkeep push\n  emberkeep push generated/lorenz --dry-run\n"
    f"  emberkeep push --layer /cluster/keep\n{EXIT_CODES}",
)
