"""``pull``: what is in a shared place comes here."""

from __future__ import annotations

from emberkeep.cli.command import Command
from emberkeep.cli.transfers import EXIT_CODES, bring, configure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.cli.session import Session


def _pull(session: Session) -> int:
    return bring(session, ("pull",))


COMMAND = Command(
    configure,
    _pull,
    f"  emberkeep pull\n  emberkeep pull traces --format json\n{EXIT_CODES}",
)
