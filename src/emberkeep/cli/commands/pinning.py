"""``pin`` and ``unpin``: what must never be collected."""

from __future__ import annotations

from emberkeep.cli.command import Command
from emberkeep.cli.naming import add_key, candidates, find_entry, is_called
from emberkeep.cli.text import short_key
from emberkeep.store.pins import pin, pinned, unpin
from emberkeep.store.protocol import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.cli.session import Session


def _pin(session: Session) -> int:
    directory = session.writable_directory()
    entry = find_entry(candidates(directory, session.options.key), session.options.key)
    pin(directory, entry)
    return _answer(session, entry, is_pinned=True)


def _unpin(session: Session) -> int:
    directory = session.writable_directory()
    kept = {(entry.kind, entry.name, entry.key): entry for entry in directory.entries()}
    # What is pinned need not be kept at the moment.
    pins = [kept.get(place) or Entry(*place, 0.0, 0) for place in sorted(pinned(directory))]
    called = [entry for entry in pins if is_called(entry, session.options.key)]
    entry = find_entry(called or kept.values(), session.options.key)
    unpin(directory, entry)
    return _answer(session, entry, is_pinned=False)


def _answer(session: Session, entry: Entry, *, is_pinned: bool) -> int:
    values = {"kind": entry.kind, "name": entry.name, "key": entry.key, "pinned": is_pinned}
    state = "is pinned" if is_pinned else "is not pinned"
    session.answer(values, [f"{entry.kind}/{entry.name} {short_key(entry.key)} {state}"])
    return 0


COMMANDS = {
    "pin": Command(add_key, _pin, "  emberkeep pin lorenz\n  emberkeep pin 3f9a12bc-77de01aa\n"),
    "unpin": Command(add_key, _unpin, "  emberkeep unpin lorenz\n"),
}
