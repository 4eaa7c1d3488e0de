"""``unpin``: what may be collected again."""

from __future__ import annotations

from emberkeep.cli.command import Command
from emberkeep.cli.commands.pin import answer
from emberkeep.cli.naming import add_key, find_entry, is_called
from emberkeep.store.pins import pinned, unpin
from emberkeep.store.protocol import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.cli.session import Session


def _unpin(session: Session) -> int:
    directory = session.writable_directory()
    kept = {(entry.kind, entry.name, entry.key): entry for entry in directory.entries()}
    # What is pinned need not be kept at the moment.
    pins = [kept.get(place) or Entry(*place, 0.0, 0) for place in sorted(pinned(directory))]
    called = [entry for entry in pins if is_called(entry, session.options.key)]
    entry = find_entry(called or kept.values(), session.options.key)
    unpin(directory, entry)
    return answer(session, entry, is_pinned=False)


COMMAND = Command(add_key, _unpin, "  emberkeep unpin lorenz\n")
