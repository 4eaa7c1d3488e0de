"""``prewarm``: have all that a Python file declares here."""

from __future__ import annotations

from emberkeep.cli.builds import configure_file, have_all
from emberkeep.cli.command import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.cli.session import Session

SOME_FAILED = 1

EXAMPLES = """\
  emberkeep prewarm model.py
  emberkeep prewarm model.py --format json
exit codes: 0 all is here, 1 some could not be had, 2 wrong usage, 4 the keep cannot be used
"""


def _prewarm(session: Session) -> int:
    results = have_all(session, [])
    return SOME_FAILED if any(not result["kept"] for result in results) else 0


COMMAND = Command(configure_file, _prewarm, EXAMPLES)
