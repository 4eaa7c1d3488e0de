"""``sync``: pull, then push."""

from __future__ import annotations

from emberkeep.cli.command import Command
from emberkeep.cli.transfers import EXIT_CODES, bring, configure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.cli.session import Session


def _sync(session: Session) -> int:
    return bring(session, ("pull", "push"))


COMMAND = Command(
    configure,
    _sync,
    f"  emberkeep sync\n  emberkeep sync --dry-run\n{EXIT_CODES}",
)
