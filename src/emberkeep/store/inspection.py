"""Looking into a keep, and repairing it: what is kept, what is damaged, what is nearest to what."""

from __future__ import annotations

import fcntl
import os
import time

from emberkeep.errors import StoreProblem
from emberkeep.startup_records import final, frozen, sha256
from emberkeep.store import files
from emberkeep.store.blobs import blobs_in, is_key, list_blobs, named_blobs
from emberkeep.store.files import folder_name
from emberkeep.store.layout import blob_name, entry_name
from emberkeep.store.no_follow import in_folder
from emberkeep.store.parallel import batches, in_parallel
from emberkeep.store.pins import pinned
from emberkeep.store.protocol import DAMAGED, UNREADABLE, UNTRUSTED, Miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from emberkeep.store.directory import Directory
    from emberkeep.store.object_store import Facts
    from emberkeep.store.protocol import BlobRef, Entry, Manifest

OK = "ok"
OTHER = "other"
MANIFEST = "manifest"  # the role of a finding about a manifest itself
STRAY_AFTER_S = 3600.0  # what is being written is younger than this
BATCH = 64  # entries that a thread checks at once

# What is there ---------------------------------------------------------------------------------


@final
@frozen
class KindUsage:
    """The entries of one kind: how many, and the size of their manifests."""

    entries: int
    manifests_size_bytes: int


@final
@frozen
class Usage:
    """What lies in a keep, by listing alone.

    Attributes:
        kinds: entries by the folder of their kind.
        blobs: how many contents there are; a blob may belong to entries of several kinds.
        blobs_size_bytes: of all of them.
        pinned: how many pins there are.
    """

    kinds: Mapping[str, KindUsage]
    blobs: int
    blobs_size_bytes: int
    pinned: int

    @property
    def entries(self) -> int:
        """How many entries there are of all kinds."""
        return sum(kind.entries for kind in self.kinds.values())

    @property
    def size_bytes(self) -> int:
        """Manifests and blobs together."""
        manifests = sum(kind.manifests_size_bytes for kind in self.kinds.values())
        return manifests + self.blobs_size_bytes


def usage(directory: Directory, entries: Iterable[Entry] | None = None) -> Usage:
    """Counts and sizes of everything; no file is opened.

    Args:
        directory: the keep.
        entries: all of its entries, where they were listed already.

    Raises:
        StoreProblem: the layout is unknown, or something cannot be listed.
    """
    if not directory.is_keep():
        return Usage({}, 0, 0, 0)
    counts: dict[str, list[int]] = {}
    for entry in directory.entries() if entries is None else entries:
        count = counts.setdefault(entry.kind, [0, 0])
        count[0] += 1
        count[1] += entry.size_bytes
    sizes = [facts.size_bytes for _, facts in blobs_in(directory.objects)]
    kinds = {kind: KindUsage(*counts[kind]) for kind in sorted(counts)}
    return Usage(kinds, len(sizes), sum(sizes), len(pinned(directory)))


def is_named(folder: str, given: str | None) -> bool:
    """Whether a folder is that of a kind or name, given as such or as the folder; None: of any."""
    return given is None or folder in (given, folder_name(given))


def last_change(facts: Facts) -> float:
    """When an object was written, renamed or touched, whatever its time of modification says."""
    if facts.modified <= time.time() + STRAY_AFTER_S:
        return max(facts.modified, facts.changed)
    return facts.changed


# What is wrong ----------------------------------------------------------------------------------


@final
@frozen
class Finding:
    """What is to be said of one file.

    Attributes:
        state: ``ok``, ``damaged``, ``untrusted`` or ``other``.
        path: of the file.
        detail: the whole story; empty where all is well.
        role: ``manifest``, or the role of the blob that is meant.
        entry: the entry it belongs to, if any.
    """

    state: str
    path: str
    detail: str = ""
    role: str = MANIFEST
    entry: Entry | None = None


def inspect(directory: Directory) -> Iterator[Finding]:
    """Check every entry and every blob it names; nothing is changed.

    An entry without trouble gives one finding, another one for each problem. At the end come what
    belongs to no entry: blobs that none names, and what dead writers have left.

    Raises:
        StoreProblem: the layout is unknown, or something cannot be listed.
    """
    if not directory.is_keep():
        return
    named: set[str] = set()
    all_understood = True
    checked: dict[str, str | None] = {}

    def check(entries: Sequence[Entry]) -> list[_Checked]:
        return [_check(directory, entry, checked) for entry in entries]

    for some in in_parallel(check, batches(list(directory.entries()), BATCH)):
        for each in some:
            yield from each.findings
            all_understood &= each.blobs is not None
            named.update(each.blobs or ())
    if all_understood:  # else nobody knows what the others need
        yield from _orphans(directory, named)
    stray = reap(directory, time.time() - STRAY_AFTER_S, dry_run=True)
    if stray:
        detail = f"{stray} files that a process which died was writing; `emberkeep gc` removes them"
        yield Finding(OTHER, directory.objects.address("temporary"), detail, role="temporary")


@final
@frozen
class _Checked:
    """What is to be said of an entry, and the blobs that it names; None where nobody can tell."""

    findings: Sequence[Finding]
    blobs: Collection[str] | None


def _check(directory: Directory, entry: Entry, checked: dict[str, str | None]) -> _Checked:
    path = directory.entry_path(entry)
    manifest, document = directory.read_entry(entry)
    if isinstance(manifest, Miss):
        problems = [_manifest_problem(entry, path, manifest)]
        blobs = named_blobs(document) if document else None
    else:
        problems = list(_blob_problems(directory, entry, manifest, checked))
        blobs = [blob.digest for blob in manifest.blobs]
    if problems and not directory.has_object(entry_name(entry)):
        return _Checked((), ())  # evicted meanwhile, its blobs with it
    return _Checked(problems or [Finding(OK, path, entry=entry)], blobs)


def _manifest_problem(entry: Entry, path: str, miss: Miss) -> Finding:
    state = {DAMAGED: DAMAGED, UNTRUSTED: UNTRUSTED}.get(miss.reason, OTHER)
    if state == DAMAGED and not is_key(entry.key):
        return Finding(OTHER, path, "this file is no manifest; it is left alone", entry=entry)
    return Finding(state, path, miss.detail, entry=entry)


def _blob_problems(
    directory: Directory, entry: Entry, manifest: Manifest, checked: dict[str, str | None]
) -> Iterator[Finding]:
    for ref in manifest.blobs:
        if ref.digest not in checked:
            checked[ref.digest] = _blob_problem(directory, ref)
        problem = checked[ref.digest]
        if problem is not None:
            state = OTHER if problem.startswith(UNREADABLE) else DAMAGED
            path = directory.blob_path(ref.digest)
            yield Finding(state, path, f"the blob {ref.role!r} {problem}", ref.role, entry)


def _blob_problem(directory: Directory, ref: BlobRef) -> str | None:
    try:
        content, _ = directory.objects.read(blob_name(ref.digest), ref.size_bytes)
    except FileNotFoundError:
        return "is missing"
    except ValueError:
        return f"is larger than its {ref.size_bytes} bytes"
    except OSError as problem:
        return f"{UNREADABLE}: {problem}"
    if len(content) < ref.size_bytes:
        return f"has {len(content)} of its {ref.size_bytes} bytes"
    if sha256(content).hexdigest() != ref.digest:
        return "does not have the digest that is its name"
    return None


def _orphans(directory: Directory, named: set[str]) -> Iterator[Finding]:
    """Blobs that no manifest names."""
    count, size = 0, 0
    before = time.time() - STRAY_AFTER_S
    for digest, facts in list_blobs(directory.objects).items():
        if digest not in named and last_change(facts) < before:  # else its manifest may come yet
            count, size = count + 1, size + facts.size_bytes
    if count:
        detail = f"{count} blobs ({size} bytes) that no manifest names; `emberkeep gc` removes them"
        yield Finding(OTHER, directory.objects.address("blobs"), detail, role="orphans")


# What is left over ------------------------------------------------------------------------------


def reap(directory: Directory, before: float, *, dry_run: bool = False) -> int:
    """Remove what dead writers and builders left before some time; how many objects.

    Raises:
        StoreProblem: they cannot be listed.
    """
    reaped = 0
    try:
        for group in ("temporary/", "leases/"):
            for name, facts in list(directory.objects.list(group)):
                if last_change(facts) < before:
                    reaped += dry_run or _remove_left_over(directory, name, facts)
    except OSError as problem:
        raise StoreProblem(f"{directory.root} cannot be listed: {problem}") from problem
    return reaped


def _remove_left_over(directory: Directory, name: str, facts: Facts) -> bool:
    """Remove what nobody touches, nor holds: a build may take days and not touch its lease."""
    if directory.folder is None:
        return directory.objects.remove(name, facts.version)
    if not name.startswith("leases/"):
        return directory.objects.remove(name)
    try:
        descriptor = in_folder(
            directory.root,
            directory.objects.address(name),
            lambda folder, file: os.open(file, os.O_RDWR | files.READING, dir_fd=folder),
        )
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return directory.objects.remove(name)
    except OSError:  # held
        return False
    finally:
        os.close(descriptor)
