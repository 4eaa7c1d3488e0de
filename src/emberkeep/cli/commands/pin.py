"""``pin``: what must never be collected."""

from __future__ import annotations

from emberkeep.cli.command import Command
from emberkeep.cli.naming import add_key, candidates, find_entry
from emberkeep.cli.text import short_key
from emberkeep.store.pins import pin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.cli.session import Session
    from emberkeep.store.protocol import Entry


def _pin(session: Session) -> int:
    directory = session.writable_directory()
    entry = find_entry(candidates(directory, session.options.key), session.options.key)
    pin(directory, entry)
    return answer(session, entry, is_pinned=True)


def answer(session: Session, entry: Entry, *, is_pinned: bool) -> int:
    """Say how it is now; `unpin` says so, too."""
    values = {"kind": entry.kind, "name": entry.name, "key": entry.key, "pinned": is_pinned}
    state = "is pinned" if is_pinned else "is not pinned"
    session.answer(values, [f"{entry.kind}/{entry.name} {short_key(entry.key)} {state}"])
    return 0


COMMAND = Command(add_key, _pin, "  emberkeep pin lorenz\n  emberkeep pin 3f9a12bc-77de01aa\n")
