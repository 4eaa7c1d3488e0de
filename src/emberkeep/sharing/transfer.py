"""Bringing artifacts from one keep to another: what `push`, `pull` and `sync` do.

Nothing is written down about how far it got: what is there already is not brought again, so that
whatever was interrupted goes on where it was.
"""

from __future__ import annotations

from emberkeep.errors import Untrusted
from emberkeep.light import final, frozen
from emberkeep.store.protocol import Miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emberkeep.sharing.folder import SharedFolder
    from emberkeep.store.directory import Directory
    from emberkeep.store.protocol import Entry


@final
@frozen
class Transferred:
    """What went from one place to another.

    Attributes:
        brought: entries, with their size in bytes; in a dry run, those that would be.
        size_bytes: of their contents.
        present: how many were there already.
        refused: entries that did not go, each with the reason.
    """

    brought: Sequence[Entry]
    size_bytes: int
    present: int
    refused: Sequence[tuple[Entry, str]]


def transfer(
    source: Directory | SharedFolder,
    target: Directory | SharedFolder,
    entries: Sequence[Entry],
    *,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Transferred:
    """Bring entries from one place to another, each whole or not at all.

    Args:
        source: where they are; what it gives was checked.
        target: where they go; it takes what somebody who counts there vouches for.
        entries: of the source.
        dry_run: look, and bring nothing.
        on_progress: told how many entries have been dealt with, and of how many.

    Raises:
        StoreProblem: the target cannot be written, so going on makes no sense.
    """
    brought: list[Entry] = []
    refused: list[tuple[Entry, str]] = []
    size_bytes = present = 0
    for done, entry in enumerate(entries, 1):
        if target.has(entry):
            present += 1
        else:
            outcome = _bring(source, target, entry, dry_run=dry_run)
            if isinstance(outcome, str):
                refused.append((entry, outcome))
            else:
                brought.append(entry)
                size_bytes += outcome
        if on_progress is not None:
            on_progress(done, len(entries))
    return Transferred(brought, size_bytes, present, refused)


def _bring(
    source: Directory | SharedFolder,
    target: Directory | SharedFolder,
    entry: Entry,
    *,
    dry_run: bool,
) -> int | str:
    """The size of what was brought, or why it was not."""
    manifest, _ = source.read_entry(entry)
    if isinstance(manifest, Miss):
        return f"{manifest.reason}: {manifest.detail}"
    if dry_run:
        if not source.has(entry):
            return "damaged: not all of its contents are there"
        return sum(blob.size_bytes for blob in manifest.blobs)
    kept = source.read(manifest.key)
    if isinstance(kept, Miss):
        return f"{kept.reason}: {kept.detail}"
    try:
        target.write(kept)
    except Untrusted as problem:
        return str(problem)
    if not target.has(entry):
        return _why_not(target, entry)
    return sum(map(len, kept.blobs.values()))


def _why_not(target: Directory | SharedFolder, entry: Entry) -> str:
    """Why a place does not have what was written there, such as a newer format that it has."""
    there, _ = target.read_entry(entry)
    if isinstance(there, Miss):
        return f"{there.reason} where it goes: {there.detail}"
    return "its contents were written and are not there afterwards"
