"""Libraries: the artifacts of a keep as one signed file, and back."""

from __future__ import annotations

from emberkeep.errors import BundleRejected, StoreProblem, Untrusted
from emberkeep.sharing.bundle.frames import MEMBER_LIMIT
from emberkeep.sharing.bundle.index import BundleEntry, BundleIndex, Member
from emberkeep.startup_records import final, frozen, sha256
from emberkeep.store.files import objection
from emberkeep.store.layout import blob_name
from emberkeep.store.manifest import read_document
from emberkeep.store.protocol import NEWER_FORMAT, Key, Manifest, Miss
from emberkeep.store.publication import writing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import BinaryIO

    from emberkeep.sharing.bundle.reader import BundleReader
    from emberkeep.store.directory import Directory
    from emberkeep.store.protocol import BlobRef, Entry, Stamps
    from emberkeep.store.publication import Writer
    from emberkeep.trust.others import Others


HELD_BYTES = 64 << 20  # of documents, between counting them and writing them

# Export -----------------------------------------------------------------------------------------


@final
@frozen
class About:
    """What the maker of a library says of it."""

    name: str
    version: str
    description: str = ""


@final
@frozen
class Exported:
    """What went into a library: entries and their size, and entries that could not go."""

    index: BundleIndex
    refused: Sequence[tuple[Entry, str]]


def export_library(
    directory: Directory,
    entries: Iterable[Entry],
    out: BinaryIO,
    about: About,
    others: Others,
    *,
    level: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> Exported:
    """Write entries of a keep as one file.

    Args:
        directory: the keep.
        entries: of it.
        out: the file; nothing else may be in it.
        about: name, version and description.
        others: signs what goes to them.
        level: of zstd.
        on_progress: told how many bytes have been written, and of how many.

    Raises:
        StoreProblem: there is nothing to export, no key to sign with, or a content cannot be read.
        BundleRejected: a content is not what it was; the keep is damaged.
    """
    from emberkeep.sharing.bundle.writer import write_bundle

    outgoing = _Outgoing(directory, others)
    for entry in entries:
        outgoing.add(entry)
    if not outgoing.described:
        raise StoreProblem(_nothing(outgoing.refused))
    index = outgoing.index(about)
    total = sum(member.size_bytes for member in index.members)

    def tell(done_bytes: int) -> None:
        if on_progress is not None:
            on_progress(done_bytes, total)

    write_bundle(out, index, outgoing.read, others.sign, level=level, on_progress=tell)
    return Exported(index, outgoing.refused)


@final
class _Outgoing:
    """Entries on their way out: described first, read again when their turn comes."""

    def __init__(self, directory: Directory, others: Others) -> None:
        self._directory = directory
        self._others = others
        self._entries: dict[str, Entry] = {}
        self._held: dict[str, bytes] = {}
        self._held_bytes = 0
        self._sizes: dict[str, int] = {}
        self.described: list[BundleEntry] = []
        self.refused: list[tuple[Entry, str]] = []

    def add(self, entry: Entry) -> None:
        """Take an entry in, or note why it does not go."""
        found = self._document(entry)
        if isinstance(found, str):
            self.refused.append((entry, found))
            return
        manifest, document = found
        problem = self._objection(manifest)
        if problem is not None:
            self.refused.append((entry, problem))
            return
        digest = sha256(document).hexdigest()
        self._entries[digest] = entry
        self._sizes[digest] = len(document)
        self._sizes.update({blob.digest: blob.size_bytes for blob in manifest.blobs})
        self._held_bytes += len(document)
        if self._held_bytes <= HELD_BYTES:
            self._held[digest] = document
        key, blobs = manifest.key, tuple(blob.digest for blob in manifest.blobs)
        self.described.append(BundleEntry(key.kind, key.name, key.plan, key.build, digest, blobs))

    def _document(self, entry: Entry) -> tuple[Manifest, bytes] | str:
        """An entry's manifest and its document as it goes to others; or why it does not go."""
        manifest, document = self._directory.read_entry(entry)
        if isinstance(manifest, Miss):
            return f"{manifest.reason}: {manifest.detail}"
        try:
            return manifest, self._others.endorse(document)
        except Untrusted as problem:
            return str(problem)

    def _objection(self, manifest: Manifest) -> str | None:
        """Why no reader would take an entry: one that cannot go must not keep all others here."""
        for what, text in (("kind", manifest.key.kind), ("name", manifest.key.name)):
            problem = objection(text)
            if problem is not None:
                return f"its {what} {problem}, and goes into no bundle; build it under another"
        for blob in manifest.blobs:
            if blob.size_bytes > MEMBER_LIMIT:
                return f"the blob {blob.role!r} is larger than the {MEMBER_LIMIT} bytes of a bundle"
            if blob.digest not in self._sizes and not self._is_good(blob):
                return f"damaged: the blob {blob.role!r} is not there, or not what it was"
        return None

    def _is_good(self, blob: BlobRef) -> bool:
        try:
            content, _ = self._directory.objects.read(blob_name(blob.digest), blob.size_bytes)
        except (OSError, ValueError):
            return False
        return len(content) == blob.size_bytes and sha256(content).hexdigest() == blob.digest

    def index(self, about: About) -> BundleIndex:
        """The index of all that was taken in."""
        from emberkeep.version import __version__

        members = tuple(Member(digest, size) for digest, size in self._sizes.items())
        said = (about.name, about.version, about.description)
        return BundleIndex(*said, __version__, tuple(self.described), members)

    def read(self, digest: str) -> bytes:
        """The content of a member.

        Raises:
            StoreProblem: it cannot be read.
        """
        held = self._held.get(digest)
        if held is not None:
            return held
        entry = self._entries.get(digest)
        if entry is None:
            try:
                return self._directory.objects.read(blob_name(digest), self._sizes[digest])[0]
            except ValueError:  # longer than it should be, which its digest will tell
                return b""
            except OSError as problem:
                raise StoreProblem(
                    f"A content cannot be read: {problem}. `emberkeep verify` tells whose it is"
                ) from problem
        again = self._document(entry)  # signed anew, it is the same
        return b"" if isinstance(again, str) else again[1]


def _nothing(refused: Sequence[tuple[Entry, str]]) -> str:
    if refused:
        return f"None of {len(refused)} entries can be exported; the first: {refused[0][1]}"
    return "There is nothing to export. `emberkeep ls` lists what is kept"


# Import -----------------------------------------------------------------------------------------


@final
@frozen
class Imported:
    """What came out of a library.

    Attributes:
        entries: those that were taken; in a dry run, those that would be.
        present: how many of the chosen ones were there already.
        refused: those that nobody who counts vouches for, or that a newer emberkeep has here, each
            with the reason.
    """

    entries: Sequence[BundleEntry]
    present: int
    refused: Sequence[tuple[BundleEntry, str]]


def import_library(
    reader: BundleReader,
    directory: Directory,
    chosen: Iterable[BundleEntry],
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Take entries out of a library; each is there whole, or not at all.

    Args:
        reader: the library, its index read and vouched for.
        directory: the keep they go to.
        chosen: entries of the index.
        on_progress: told how many bytes have been taken, and of how many.

    Raises:
        BundleRejected: the library is damaged; what was taken before was right.
        StoreProblem: the keep cannot be written.
    """
    sizes = reader.index.sizes()
    incoming = _Incoming(directory, list(chosen), sizes)
    total = sum(sizes[digest] for digest in incoming.wanted)
    with writing(directory) as write:
        done_bytes = 0
        for digest, content in reader.contents(incoming.wanted):
            incoming.take(write, digest, content)
            done_bytes += len(content)
            if on_progress is not None:
                on_progress(done_bytes, total)
    return Imported(incoming.taken, incoming.present, incoming.refused)


@final
class _Incoming:
    """Entries on their way in: a manifest is written when the last of its blobs is there."""

    def __init__(
        self, directory: Directory, chosen: Sequence[BundleEntry], sizes: Mapping[str, int]
    ) -> None:
        self._directory = directory
        self._sizes = sizes
        self.taken: list[BundleEntry] = []
        self.refused: list[tuple[BundleEntry, str]] = []
        self.present = 0
        self._there: dict[str, bool] = {}
        self._by_document: dict[str, BundleEntry] = {}
        self._waiting: dict[str, tuple[BundleEntry, Key, bytes, set[str]]] = {}
        for entry in chosen:
            # From whomever it is here: vouched for and whole, it need not come.
            found = directory.read(_key(entry))
            if not isinstance(found, Miss):
                self.present += 1
            elif found.reason == NEWER_FORMAT:
                self.refused.append((entry, f"{found.reason} where it goes: {found.detail}"))
            else:
                self._by_document[entry.document] = entry
        self.wanted = set(self._by_document)
        for entry in self._by_document.values():
            self.wanted.update(blob for blob in entry.blobs if not self._has_blob(blob))
        self._needed_by = self._users()

    def _users(self) -> Mapping[str, list[str]]:
        """Documents by the blobs that they wait for."""
        users: dict[str, list[str]] = {}
        for entry in self._by_document.values():
            for blob in entry.blobs:
                if blob in self.wanted:
                    users.setdefault(blob, []).append(entry.document)
        return users

    def _has_blob(self, digest: str) -> bool:
        known = self._there.get(digest)
        if known is None:
            objects, name = self._directory.objects, blob_name(digest)
            try:
                content, _ = objects.read(name, objects.facts(name).size_bytes)
                known = sha256(content).hexdigest() == digest
            except (OSError, ValueError):
                known = False
            self._there[digest] = known
        return known

    def take(self, write: Writer, digest: str, content: bytes) -> None:
        """A member that has come: a document, a blob, or both."""
        entry = self._by_document.pop(digest, None)
        if entry is not None:
            self._judge(write, entry, content)
        needed_by = [
            document
            for document in self._needed_by.get(digest, ())
            if document in self._waiting or document in self._by_document  # else it was refused
        ]
        if needed_by:
            write.blob(digest, content)
            self._there[digest] = True
        for document in needed_by:
            self._finish(write, document)

    def _judge(self, write: Writer, entry: BundleEntry, document: bytes) -> None:
        """Look who vouches for an entry; refuse what is not what the index says."""
        key = _key(entry)
        found = read_document(document, key, _anybody)
        if isinstance(found, Miss):
            self.refused.append((entry, f"{found.reason}: {found.detail}"))
            return
        named = {(blob.digest, blob.size_bytes) for blob in found.blobs}
        if named != {(blob, self._sizes[blob]) for blob in entry.blobs}:
            raise BundleRejected(
                f"The bundle is not what it says: the manifest of {entry.kind}/{entry.name} names "
                "other contents than the index, or other sizes. Ask whoever made it to make it "
                "again"
            )
        try:
            endorsed = write.endorsed(document, key)
        except Untrusted as problem:
            self.refused.append((entry, str(problem)))
            return
        missing = {blob for blob in entry.blobs if not self._has_blob(blob)}
        self._waiting[entry.document] = (entry, key, endorsed, missing)
        self._finish(write, entry.document)

    def _finish(self, write: Writer, document: str) -> None:
        waiting = self._waiting.get(document)
        if waiting is None:
            return
        entry, key, endorsed, missing = waiting
        missing -= {blob for blob in missing if self._there[blob]}
        if not missing:
            write.manifest(key, endorsed, "")
            self.taken.append(entry)
            del self._waiting[document]


def _key(entry: BundleEntry) -> Key:
    return Key(entry.kind, entry.name, entry.plan, entry.build)


def _anybody(_manifest: Manifest, _stamps: Stamps) -> None:
    """Whoever vouches for it: the keep that takes it in decides."""
