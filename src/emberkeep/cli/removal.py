"""What was removed, as lines for people."""

from __future__ import annotations

from emberkeep.cli.text import size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from emberkeep.store.eviction import Collected


def removal_lines(done: Collected, *, dry_run: bool) -> Iterator[str]:
    """What is gone, and what has stayed."""
    freed = done.entries_size_bytes + done.blobs_size_bytes
    verb = "would remove" if dry_run else "removed"
    yield f"{verb} {done.entries} entries and {done.blobs} blobs: {size(freed)}"
    if done.temporaries or done.quarantined:
        yield f"{verb} {done.temporaries} stray and {done.quarantined} quarantined files"
    yield (
        f"{done.kept_entries} entries are left, {size(done.kept_size_bytes)} "
        f"({done.pinned} pinned, {done.young} too young to go)"
    )
    if done.foreign:
        yield (
            "All blobs stayed: there is a manifest of a newer format, or one that cannot be read. "
            "`emberkeep verify` names it."
        )
