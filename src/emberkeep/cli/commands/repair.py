"""``repair``: what is damaged is taken away."""

from __future__ import annotations

from emberkeep.cli.command import Command, no_arguments
from emberkeep.startup_records import as_dict
from emberkeep.store.repair import LEFT, repair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from emberkeep.cli.session import Session
    from emberkeep.store.repair import Repaired

SOME_LEFT = 1  # as `verify` says of what is damaged


def _repair(session: Session) -> int:
    done = repair(session.writable_directory())
    values = {"root": session.root, "actions": [as_dict(action) for action in done]}
    session.answer(values, _actions(done))
    return SOME_LEFT if any(action.action == LEFT for action in done) else 0


def _actions(done: tuple[Repaired, ...]) -> Iterator[str]:
    for action in done:
        yield f"{action.action}: {action.path}: {action.detail}"
    if not done:
        yield "There was nothing to repair."


COMMAND = Command(
    no_arguments,
    _repair,
    """\
  emberkeep repair

Damaged files go to <root>/quarantine, where they stay for a week. Entries that lost a blob are
removed. Entries that are not trusted, and newer formats, are left alone.
The exit code is 1 if something damaged could not be moved.
""",
)
