"""Making room: what was not used for long goes, then the blobs that nothing names any more.

Other processes publish, use and evict at the same time. Three habits keep that harmless: what is
younger than a grace period stays; a file is looked at again just before it is removed; and a file
that has vanished is no error. Where a manifest cannot be understood, no blob is removed at all:
it may be the one that needs it.
"""

from __future__ import annotations

import time

from emberkeep.errors import StoreProblem
from emberkeep.startup_records import final, frozen
from emberkeep.store import counts
from emberkeep.store.blobs import is_key, list_blobs
from emberkeep.store.inspection import (
    is_named,
    last_change,
    reap,
)
from emberkeep.store.layout import blob_name, entry_name, remove_entry
from emberkeep.store.pins import pinned, unpin
from emberkeep.store.summaries import survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from emberkeep.store.directory import Directory
    from emberkeep.store.object_store import Facts
    from emberkeep.store.protocol import Entry

QUARANTINE_S = 7 * 86_400.0
CLEAR_GRACE_S = 60.0  # a blob that is being published right now; its manifest comes in a moment
CLOCKS_AGREE_S = 1.0


@final
@frozen
class Policy:
    """What may stay.

    Attributes:
        max_size_bytes: of manifests and blobs together; None for no limit.
        max_age_s: how long an entry may go unused; None for no limit.
        kind: look at entries of this kind alone; the size is then theirs.
        name: look at entries of this name alone.
        grace_s: what is younger stays, whatever the limits are.
        dry_run: count what would go, and remove nothing.
    """

    max_size_bytes: int | None = None
    max_age_s: float | None = None
    kind: str | None = None
    name: str | None = None
    grace_s: float = 3600.0
    dry_run: bool = False


@final
@frozen
class Collected:
    """What went and what stayed; sizes in bytes.

    Attributes:
        entries: removed, with the size of their manifests.
        blobs: removed, with their size.
        temporaries: files that dead writers and builders had left.
        quarantined: damaged files that nobody asked for.
        kept_entries: what is left of the entries in question, with their blobs.
        pinned: how many of these are pinned.
        young: how many of these are too young to go.
        foreign: a manifest was met that cannot be understood or read, so every blob stayed.
    """

    entries: int = 0
    entries_size_bytes: int = 0
    blobs: int = 0
    blobs_size_bytes: int = 0
    temporaries: int = 0
    quarantined: int = 0
    kept_entries: int = 0
    kept_size_bytes: int = 0
    pinned: int = 0
    young: int = 0
    foreign: bool = False


@final
class _Record:
    """An entry and the blobs that it names; None where nobody can tell."""

    __slots__ = ("blobs", "entry")

    def __init__(self, entry: Entry, blobs: Collection[str] | None) -> None:
        self.entry = entry
        self.blobs = blobs

    @property
    def place(self) -> tuple[str, str, str]:
        return self.entry.kind, self.entry.name, self.entry.key


def collect(directory: Directory, policy: Policy, *, now: float | None = None) -> Collected:
    """Make room by a policy: the least recently used entries go first.

    Args:
        directory: the keep.
        policy: what may stay.
        now: seconds since the epoch; by default as the file system's clock has it.

    Raises:
        StoreProblem: the layout is unknown, so nothing was removed, or a folder cannot be listed.
    """
    if not directory.is_keep():
        return Collected()
    now = _clock_of(directory) if now is None else now
    blobs = list_blobs(directory.objects)
    records = _read_records(directory)
    pins = pinned(directory)
    scope = [record for record in records if _is_meant(record.entry, policy.kind, policy.name)]
    young = [record for record in scope if now - record.entry.last_used < policy.grace_s]
    protected = pins | {record.place for record in young}
    doomed = _choose(scope, protected, blobs, policy, now)
    gone = [
        record
        for record in doomed
        # Used or written anew since it was listed, it stays.
        if policy.dry_run
        or remove_entry(directory.objects, entry_name(record.entry), record.entry.version)
    ]
    swept = _sweep(directory, records, gone, blobs, now - policy.grace_s, dry_run=policy.dry_run)
    temporaries = reap(directory, now - policy.grace_s, dry_run=policy.dry_run)
    quarantined = _empty_quarantine(directory, now - QUARANTINE_S, dry_run=policy.dry_run)
    if not policy.dry_run:
        _fold(directory)
        _remove_empty_folders(directory)
    return _count(
        scope,
        gone,
        blobs,
        swept=swept,
        temporaries=temporaries,
        quarantined=quarantined,
        pinned=sum(record.place in pins for record in scope) if pins else 0,
        young=len(young),
        foreign=any(record.blobs is None for record in records),
    )


def clear(
    directory: Directory, kind: str | None = None, name: str | None = None, *, pinned: bool = False
) -> Collected:
    """Remove all entries of a namespace, whatever their age, and the blobs that nothing needs.

    Args:
        directory: the keep.
        kind: the namespace; everything by default.
        name: within the kind.
        pinned: remove pinned entries too, with their pins.

    Raises:
        StoreProblem: the layout is unknown, so nothing was removed, or a folder cannot be listed.
    """
    if not directory.is_keep():
        return Collected()
    now = _clock_of(directory)
    blobs = list_blobs(directory.objects)
    records = _read_records(directory)
    pins = _pins(directory)
    scope = [record for record in records if _is_meant(record.entry, kind, name)]
    ours = [record for record in scope if is_key(record.entry.key)]
    doomed = [
        record
        for record in ours
        # What cannot be understood may be a newer emberkeep's: it is not ours to remove.
        if record.blobs is not None and (pinned or record.place not in pins)
    ]
    gone = [
        record for record in doomed if remove_entry(directory.objects, entry_name(record.entry))
    ]
    if pinned:
        for record in gone:
            unpin(directory, record.entry)
    swept = _sweep(directory, records, gone, blobs, now - CLEAR_GRACE_S, dry_run=False)
    _remove_empty_folders(directory)
    kept = {record.place for record in scope} - {record.place for record in gone}
    return _count(
        scope,
        gone,
        blobs,
        swept=swept,
        pinned=len(kept & pins),
        foreign=any(record.blobs is None for record in _without(records, gone)),
    )


def _clock_of(directory: Directory) -> float:
    """The time by the clock that dates the objects; of a shared folder, that is a server's.

    To a host whose own clock is ahead, all that others are publishing would look old.
    """
    now = time.time()
    if not directory.objects.touch("format"):
        return now  # whoever may not touch that can hardly remove others
    try:
        there = directory.objects.facts("format").modified
    except OSError:
        return now
    return now if abs(there - now) < CLOCKS_AGREE_S else there


_pins = pinned  # `clear` has an argument of that name


def _read_records(directory: Directory) -> list[_Record]:
    return [_Record(entry, said.digests) for entry, said in survey(directory)]


def _is_meant(entry: Entry, kind: str | None, name: str | None) -> bool:
    return is_named(entry.kind, kind) and is_named(entry.name, name)


def _choose(
    scope: list[_Record],
    protected: set[tuple[str, str, str]],
    blobs: dict[str, Facts],
    policy: Policy,
    now: float,
) -> list[_Record]:
    """Who goes: whoever is too old, then the oldest until the rest fits."""
    doomed: list[_Record] = []
    uses, total = _weigh(scope, blobs)
    for record in sorted(scope, key=lambda record: record.entry.last_used):
        # A format that we don't know may be in use by a newer emberkeep: it is left to that.
        if record.blobs is None or record.place in protected or not is_key(record.entry.key):
            continue
        age = now - record.entry.last_used
        too_old = policy.max_age_s is not None and age > policy.max_age_s
        too_much = policy.max_size_bytes is not None and total > policy.max_size_bytes
        if not too_old and not too_much:
            break  # those that follow are younger, and the total stays as it is
        doomed.append(record)
        total -= record.entry.size_bytes
        for digest in record.blobs or ():
            uses[digest] -= 1
            if not uses[digest]:
                total -= _size(blobs, digest)
    return doomed


def _weigh(records: Iterable[_Record], blobs: dict[str, Facts]) -> tuple[dict[str, int], int]:
    """How many entries name each blob, and the size of all together; a shared blob counts once."""
    uses: dict[str, int] = {}
    total = 0
    for record in records:
        total += record.entry.size_bytes
        for digest in record.blobs or ():
            uses[digest] = uses.get(digest, 0) + 1
    return uses, total + sum(_size(blobs, digest) for digest in uses)


def _size(blobs: dict[str, Facts], digest: str) -> int:
    return blobs[digest].size_bytes if digest in blobs else 0


def _sweep(
    directory: Directory,
    records: list[_Record],
    gone: list[_Record],
    blobs: dict[str, Facts],
    before: float,
    *,
    dry_run: bool,
) -> list[str]:
    """Remove blobs that no entry names and that nobody wrote or touched since `before`."""
    staying = _without(records, gone)
    if any(record.blobs is None for record in staying):
        return []
    named = {digest for record in staying for digest in record.blobs or ()}
    return [
        digest
        for digest, facts in blobs.items()
        # Whoever publishes touches the blobs first: they have another version then, and stay.
        if digest not in named
        and last_change(facts) < before
        and (dry_run or directory.objects.remove(blob_name(digest), facts.version))
    ]


def _without(records: list[_Record], gone: list[_Record]) -> list[_Record]:
    if not gone:
        return records
    places = {record.place for record in gone}
    return [record for record in records if record.place not in places]


def _empty_quarantine(directory: Directory, before: float, *, dry_run: bool) -> int:
    objects = directory.objects
    try:
        old = [name for name, facts in objects.list("quarantine/") if last_change(facts) < before]
    except OSError as problem:
        raise StoreProblem(f"{directory.root} cannot be listed: {problem}") from problem
    return len(old) if dry_run else sum(map(objects.remove, old))


def _fold(directory: Directory) -> None:
    if directory.folder is None:
        return
    try:
        counts.fold(directory.root)
    except OSError:  # counts are a courtesy; a full disk is what brought us here
        return


def _remove_empty_folders(directory: Directory) -> None:
    """Tidy up; a publisher that wants a folder at this moment makes it again."""
    if directory.folder is None:
        return
    objects = directory.folder
    try:
        for kind in directory.kinds():
            for name in objects.groups(f"{kind}/"):
                objects.remove_group(f"{kind}/{name}")
            objects.remove_group(kind)
        for shelf in objects.groups("blobs/"):
            objects.remove_group(f"blobs/{shelf}")
    except OSError as problem:
        raise StoreProblem(f"{directory.root} cannot be listed: {problem}") from problem


def _count(
    scope: list[_Record],
    gone: list[_Record],
    blobs: dict[str, Facts],
    *,
    swept: list[str],
    foreign: bool,
    **counts: int,
) -> Collected:
    kept = _without(scope, gone)
    return Collected(
        entries=len(gone),
        entries_size_bytes=sum(record.entry.size_bytes for record in gone),
        blobs=len(swept),
        blobs_size_bytes=sum(_size(blobs, digest) for digest in swept),
        kept_entries=len(kept),
        kept_size_bytes=_weigh(kept, blobs)[1],
        foreign=foreign,
        **counts,
    )
