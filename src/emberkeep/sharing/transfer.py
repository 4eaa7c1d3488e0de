"""Bringing artifacts from one keep to another: what `push`, `pull` and `sync` do.

Nothing is written down about how far it got: what is there already is not brought again, so that
whatever was interrupted goes on where it was.
"""

from __future__ import annotations

import time

from emberkeep.errors import StoreProblem, Untrusted
from emberkeep.startup_records import final, frozen
from emberkeep.store.layout import entry_name
from emberkeep.store.manifest import read_stamps
from emberkeep.store.parallel import batches, in_parallel
from emberkeep.store.protocol import Miss
from emberkeep.trust.checkers import Checkers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from emberkeep.sharing.folder import SharedFolder
    from emberkeep.store.directory import Directory
    from emberkeep.store.protocol import Entry, Kept

    Layer = Directory | SharedFolder
    Renew = Callable[[], None]

THREADS = 3  # no more calls than that go to one place at once
WAITS = 2  # times what processors do is the time of a place that is waited for
LARGE = 1 << 18  # bytes of an entry: hashing them takes longer than all the rest
BATCH = 32  # entries that are brought as one call
MANY = 16  # batches: for fewer it takes longer to start a process than it saves
FEW = 64


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
    source: Layer,
    target: Layer,
    wanted: Callable[[Entry], bool] | None = None,
    *,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Transferred:
    """Bring entries from one place to another, each whole or not at all.

    Args:
        source: where they are; what it gives was checked.
        target: where they go; it takes what somebody who counts there vouches for.
        wanted: which of the entries; all by default, and then what is missing is told by names.
        dry_run: look, and bring nothing.
        on_progress: told how many entries have been dealt with, and of how many.

    Raises:
        StoreProblem: the target cannot be written, so going on makes no sense.
    """
    missing, done = _missing(source, target, wanted)
    total = done + len(missing)
    tell = _tell_nobody if on_progress is None else on_progress
    tell(done, total)

    def bring(batch: Batch) -> list[int | str]:
        return _bring_together(source, target, batch, dry_run=dry_run)

    parts = [Batch(some) for some in batches(missing, BATCH)]
    outcomes: list[int | str] = []
    for some in _together(source, bring, parts):
        outcomes += some
        tell(done + len(outcomes), total)
    pairs = list(zip(missing, outcomes, strict=True))
    return Transferred(
        [entry for entry, outcome in pairs if isinstance(outcome, int)],
        sum(outcome for outcome in outcomes if isinstance(outcome, int)),
        done,
        [(entry, outcome) for entry, outcome in pairs if isinstance(outcome, str)],
    )


@final
@frozen
class Batch:
    """Entries that are brought as one call, with their documents where these were read ahead."""

    entries: Sequence[Entry]
    documents: Sequence[bytes | None] = ()


def _together(
    source: Layer, bring: Callable[[Batch], list[int | str]], parts: Sequence[Batch]
) -> Iterator[list[int | str]]:
    """What was brought, on as many threads as pay; the first part tells.

    They pay where most of the time is waiting for a place, and where contents are so large that
    hashing them is most of the work. On a disk of this machine, with small entries, threads wait
    for one another: three take twice the time of one. There, what others can do is to check
    signatures.
    """
    if not parts:
        return
    begun = _clocks()
    first = bring(parts[0])
    wall, cpu, given_way = (now - then for now, then in zip(_clocks(), begun, strict=True))
    yield first
    is_large = sum(size for size in first if isinstance(size, int)) > LARGE * len(first)
    # Who waits for a place gives the processor away; on a busy machine, it is taken.
    waits = wall > WAITS * cpu and given_way > len(first)
    rest = parts[1:]
    if is_large or waits or len(rest) < MANY:
        yield from in_parallel(bring, rest, THREADS if is_large or waits else 1)
    else:
        yield from _checked_ahead(source, bring, rest)


def _clocks() -> tuple[float, float, float]:
    """Seconds on the wall, of this process, and how often it gave the processor away to wait."""
    try:
        import resource  # of Unix alone

        given_way = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    except ImportError:
        given_way = time.perf_counter() * 1e9  # nobody knows: the clocks alone tell
    return time.perf_counter(), time.process_time(), given_way


def _checked_ahead(
    source: Layer, bring: Callable[[Batch], list[int | str]], parts: Sequence[Batch]
) -> Iterator[list[int | str]]:
    """What was brought, one part after the other, while others check the signatures to come."""
    with Checkers() as checkers:
        read: list[Batch] = []
        for index in range(len(parts)):
            for part in parts[len(read) : index + 1 + checkers.ahead]:
                documents = source.documents(part.entries)
                checkers.give([None if each is None else read_stamps(each) for each in documents])
                read.append(Batch(part.entries, documents))
            checkers.settle()
            part, read[index] = read[index], NONE  # which would hold all documents
            yield bring(part)


NONE = Batch(())


def _tell_nobody(_done: int, _total: int) -> None: ...


def _missing(
    source: Layer, target: Layer, wanted: Callable[[Entry], bool] | None
) -> tuple[list[Entry], int]:
    """The entries that are to be brought, and how many need not be.

    Only for what is missing is more looked at than its name: most of the time nothing is.
    """
    if wanted is None and len(names := source.names()) > FEW:
        lacking = frozenset(names) - target.holdings()
        listed = source.entries() if lacking else ()
        missing = [entry for entry in listed if entry_name(entry) in lacking]
        return missing, len(names) - len(lacking)
    entries = [entry for entry in source.entries() if wanted is None or wanted(entry)]
    present = _present(target, entries)
    missing = [entry for entry in entries if entry_name(entry) not in present]
    return missing, len(entries) - len(missing)


def _present(target: Layer, entries: Sequence[Entry]) -> frozenset[str]:
    """The names of those that need not be brought: few are looked at, for many all is listed."""
    if len(entries) > FEW:
        return target.holdings()
    return frozenset(entry_name(entry) for entry in entries if target.has(entry))


def _bring_together(
    source: Layer, target: Layer, batch: Batch, *, dry_run: bool
) -> list[int | str]:
    """The size of each that was brought, or why it was not."""
    documents = batch.documents or [None] * len(batch.entries)

    def bring(
        renew_source: Callable[[], None], renew_target: Callable[[], None]
    ) -> list[int | str]:
        outcomes: list[int | str] = []

        def each(put: Callable[[Kept], bool]) -> None:
            for at in range(len(outcomes), len(batch.entries)):
                renew_source()
                renew_target()
                entry, document = batch.entries[at], documents[at]
                outcomes.append(_bring(source, put, target, entry, document))

        try:
            with target.putting() as put:
                each(put)
        except StoreProblem:  # once more, each by itself and with patience; or it is raised again
            each(target.put)
        return outcomes

    if dry_run:
        return [_would_bring(source, entry) for entry in batch.entries]
    return source.together(lambda one: target.together(lambda other: bring(one, other)))


def _bring(
    source: Layer,
    put: Callable[[Kept], bool],
    target: Layer,
    entry: Entry,
    document: bytes | None,
) -> int | str:
    """The size of what was brought, or why it was not."""
    kept = source.fetch(entry, document)
    if isinstance(kept, Miss):
        return f"{kept.reason}: {kept.detail}"
    try:
        if not put(kept):
            return _why_not(target, entry)
    except Untrusted as problem:
        return str(problem)
    return sum(map(len, kept.blobs.values()))


def _would_bring(source: Layer, entry: Entry) -> int | str:
    manifest, _ = source.read_entry(entry)
    if isinstance(manifest, Miss):
        return f"{manifest.reason}: {manifest.detail}"
    if not source.has(entry):
        return "damaged: not all of its contents are there"
    return sum(blob.size_bytes for blob in manifest.blobs)


def _why_not(target: Layer, entry: Entry) -> str:
    """Why a place does not have what was written there, such as a newer format that it has."""
    there, _ = target.read_entry(entry)
    if isinstance(there, Miss):
        return f"{there.reason} where it goes: {there.detail}"
    return "something else was put there meanwhile"
