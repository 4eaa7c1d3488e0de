"""A keep in a folder or another place, laid out as `layout` draws it."""

from __future__ import annotations

import os
import time
from errno import ELOOP

from emberkeep.errors import StoreProblem
from emberkeep.startup_records import final, sha256
from emberkeep.store import files
from emberkeep.store.files import RESERVED, folder_name
from emberkeep.store.layout import (
    LAYOUT,
    SUFFIX,
    TOUCH_AFTER_S,
    blob_name,
    entry_name,
    entry_of,
    is_manifest_name,
    is_of_a_version,
    manifest_name,
    remove_entry,
)
from emberkeep.store.manifest import SIZE_LIMIT, has_signatures, read_document
from emberkeep.store.object_store import Folder
from emberkeep.store.protocol import (
    ABSENT,
    DAMAGED,
    NEWER_FORMAT,
    UNREADABLE,
    UNTRUSTED,
    Entry,
    Kept,
    Miss,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import TypeVar

    from emberkeep.store.object_store import ObjectStore
    from emberkeep.store.protocol import BlobRef, Endorse, Key, Manifest, Notebook, Verify

    T = TypeVar("T")

SMALL = 1 << 14  # bytes of a document: several can be held
JUDGED = 256  # documents that are remembered as good


def unchanging() -> None:
    """For stores whose judgements depend on nothing that is said meanwhile."""


@final
class Directory:
    """A folder, or another place, as a store.

    Args:
        place: the path of a folder, which is made at the first write; or another place.
        verify: judges who vouches for each manifest.
        endorse: gives a document as it is to be written here; as it is, by default.
        label: what reports call this layer.
        heals: whether it may move damaged files away; not so where it belongs to others or is
            only read, nor in any place but a folder: there, the next builder replaces them.
        notes_use: whether the use of an entry may be noted there; as `heals` by default.
        standing: what is said of others at the moment; judgements stand while it is the same.
        notebook: where to note what manifests said, so that another look takes less; nowhere by
            default.

    Attributes:
        objects: the place.
        folder: the same, where it is a folder.
        root: what messages call it: of a folder, the path.
    """

    def __init__(  # noqa: PLR0913 - each given by its name
        self,
        place: str | ObjectStore,
        verify: Verify,
        *,
        endorse: Endorse | None = None,
        label: str = "local",
        heals: bool = True,
        notes_use: bool | None = None,
        standing: Callable[[], object] = unchanging,
        notebook: Notebook | None = None,
    ) -> None:
        self.objects: ObjectStore = Folder(place) if isinstance(place, str) else place
        self.folder = self.objects.folder
        self.root = self.objects.label
        self.label = label
        self.endorse = endorse
        self._verify = verify
        self.writable = True
        self._heals = heals and self.folder is not None
        self._notes_use = heals if notes_use is None else notes_use
        self._layout_known = False
        self.standing = standing
        self.notebook = notebook
        self._judged: dict[Key, tuple[bytes, Manifest, object]] = {}

    # Reading ------------------------------------------------------------------------------------

    def read(self, key: Key, expect: Callable[[int], None] | None = None) -> Kept | Miss:
        """The artifact of this key, checked; what is damaged goes to quarantine on the way.

        Args:
            key: its name.
            expect: told how many bytes of contents will be read, once its manifest was.
        """
        try:
            return self._read(key, manifest_name(key), expect)
        except FileNotFoundError:
            return Miss(ABSENT, f"it was never kept in {self.root}, or has been evicted")
        except (OSError, StoreProblem) as problem:
            # A link in the place of a file is somebody's trick, not the place's trouble.
            reason = DAMAGED if getattr(problem, "errno", None) == ELOOP else UNREADABLE
            return Miss(reason, f"{self.root} cannot be read: {problem}")

    def _read(
        self, key: Key, name: str, expect: Callable[[int], None] | None = None
    ) -> Kept | Miss:
        self.check_layout(mends=True)
        try:
            document, facts = self.objects.read(name, SIZE_LIMIT)
        except ValueError as problem:
            return self._quarantine(key, name, Miss(DAMAGED, str(problem)))
        manifest = self._judge(document, key)
        if isinstance(manifest, Miss):
            # Who signed it may be trusted again; and what is newer is not ours to judge.
            withdrawn = manifest.reason == UNTRUSTED and has_signatures(document)
            if withdrawn or manifest.reason == NEWER_FORMAT:
                return manifest
            return self._quarantine(key, name, manifest)
        return self._read_contents(manifest, document, name, facts.modified, expect)

    def _read_contents(
        self,
        manifest: Manifest,
        document: bytes,
        name: str,
        used: float,
        expect: Callable[[int], None] | None,
    ) -> Kept | Miss:
        if expect is not None:
            expect(sum([ref.size_bytes for ref in manifest.blobs]))
        blobs: dict[str, bytes] = {}
        for ref in manifest.blobs:
            content = self._read_blob(ref)
            if isinstance(content, Miss):
                return content
            blobs[ref.role] = content
        self._touch(name, used)
        return Kept(manifest, document, blobs)

    def _judge(self, document: bytes, key: Key) -> Manifest | Miss:
        """The manifest in a document; what was good before, byte for byte, is not parsed again."""
        said = self.standing()
        known = self._judged.get(key)
        if known is not None and known[0] == document and known[2] == said:
            return known[1]
        found = read_document(document, key, self._verify)
        # Those whom others have signed are judged each time: trust ends when it is withdrawn.
        if not isinstance(found, Miss) and not has_signatures(document):
            if len(self._judged) >= JUDGED:
                self._judged.clear()
            self._judged[key] = (document, found, said)
        return found

    def _read_blob(self, ref: BlobRef) -> bytes | Miss:
        try:
            content, _ = self.objects.read(blob_name(ref.digest), ref.size_bytes)
        except FileNotFoundError:
            return Miss(DAMAGED, f"the blob {ref.role!r} is missing")
        except ValueError as problem:
            return self._quarantine_blob(ref, str(problem))
        if len(content) == ref.size_bytes and sha256(content).hexdigest() == ref.digest:
            return content
        del content  # what is large is not held while it is looked at again
        problem = f"the blob {ref.role!r} does not have the digest that is its name"
        return self._quarantine_blob(ref, problem)

    def _touch(self, name: str, used: float) -> None:
        """Note the use of an entry, at most hourly; a place that forbids it is no trouble."""
        if not self._notes_use or 0 <= time.time() - used < TOUCH_AFTER_S:
            return
        self.objects.touch(name)

    def change_nothing(self) -> None:
        """Only read from now on, for a process that cannot tell good seals from bad ones."""
        self._heals = self._notes_use = False
        self.writable = False

    # Healing ------------------------------------------------------------------------------------

    def _quarantine(self, key: Key, name: str, found: Miss) -> Kept | Miss:
        """Move a bad manifest away, unless a healer was faster; then read again."""
        path = self.objects.address(name)
        moved = self.move_away(path)
        if moved is None:
            return found
        try:
            again = read_document(files.read_file(moved, SIZE_LIMIT), key, self._verify)
        except ValueError:
            return found
        if isinstance(again, Miss) and again.reason != NEWER_FORMAT:
            return found
        self._move(moved, path)
        return self._read(key, name)

    def _quarantine_blob(self, ref: BlobRef, problem: str) -> bytes | Miss:
        path = self.blob_path(ref.digest)
        moved = self.move_away(path)
        if moved is not None:
            try:
                content = files.read_file(moved, ref.size_bytes)
            except ValueError:
                return Miss(DAMAGED, problem)
            if sha256(content).hexdigest() == ref.digest:  # a healer had replaced it meanwhile
                self._move(moved, path)
                return content
        return Miss(DAMAGED, problem)

    def move_away(self, path: str) -> str | None:
        """Rename a damaged file of ours to a unique name in quarantine; None where that fails."""
        if not self._heals:
            return None
        name = f"{files.unique_name()}-{os.path.basename(path)[:80]}"
        moved = os.path.join(self.root, "quarantine", name)
        try:
            if hasattr(os, "geteuid") and os.stat(path).st_uid != os.geteuid():
                return None  # sealed by another user, it is no damage to them
            self._move(path, moved)
        except OSError:
            return None
        return moved

    def _move(self, path: str, target: str) -> None:
        from emberkeep.store.no_follow import move_within  # a hit needs none

        move_within(self.root, path, target)

    # Changing -----------------------------------------------------------------------------------

    def write(self, kept: Kept) -> None:
        """Keep an artifact, whole or not at all."""
        self.put(kept)

    def put(self, kept: Kept) -> bool:
        """As `write`; whether it is there now: what is of a newer format stays."""
        from emberkeep.store.publication import publish  # a hit needs none

        return publish(self, kept)

    def putting(self) -> AbstractContextManager[Callable[[Kept], bool]]:
        """What does as `put`, for many, on one thread."""
        from emberkeep.store.publication import putting

        return putting(self)

    def remove(self, key: Key) -> bool:
        """Forget an artifact; its blobs stay until a collection finds that nothing needs them."""
        self.require_layout()
        name = manifest_name(key)
        try:
            if not self.has_object(name):
                return False
            if not remove_entry(self.objects, name) and self.has_object(name):
                path = self.objects.address(name)
                raise StoreProblem(
                    f"{key.kind}/{key.name} cannot be removed: {path} stays where it is"
                )
        except OSError as problem:
            raise StoreProblem(f"{self.root} cannot be read: {problem}") from problem
        return True

    def has_object(self, name: str) -> bool:
        """Whether there is an object of this name, whatever it is."""
        try:
            self.objects.facts(name)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    # The layout ---------------------------------------------------------------------------------

    def check_layout(self, *, mends: bool = False) -> None:
        """Refuse a folder that another version laid out: read nothing, delete nothing.

        Args:
            mends: whether a ``format`` file that is damaged may be replaced, where this folder is
                the user's own and nothing in it is of another version.
        """
        if self._layout_known:
            return
        try:
            found, _ = self.objects.read("format", 4096)
        except FileNotFoundError:
            return
        except NotADirectoryError:
            raise StoreProblem(
                f"{self.root} is a file, or lies below one, and a keep is a folder. Set "
                "EMBERKEEP_DIR, or the argument root, to a folder"
            ) from None
        except ValueError:
            found = b"no small file"
        if found != LAYOUT:
            self._refuse_layout(self.objects.address("format"), found, mends=mends)
        self._layout_known = True

    def _refuse_layout(self, path: str, found: bytes, *, mends: bool) -> None:
        if is_of_a_version(found):
            raise StoreProblem(
                f"{self.root} is laid out as {found[:40]!r}, and this emberkeep knows {LAYOUT!r}. "
                "Upgrade emberkeep, or use another folder"
            )
        if not (mends and self.mend_format(path)):
            raise StoreProblem(
                f"{self.root} cannot tell how it is laid out: its file 'format' is damaged, and "
                f"holds {found[:40]!r} in place of {LAYOUT!r}. Nothing in it is touched. "
                "`emberkeep repair` mends it, unless something there is of another version"
            )

    def mend_format(self, path: str) -> bool:
        """Write a damaged ``format`` file anew, where nobody else has a say; whether it was."""
        if self.folder is None or not self._heals:
            return False
        from emberkeep.store.format_file import mend  # a hit needs none

        return mend(self.folder, path, self.move_away)

    def require_layout(self) -> None:
        """Read the layout's version anew; what is about to be listed or deleted must be ours.

        Raises:
            StoreProblem: it is unknown, or cannot be read.
        """
        self._layout_known = False
        try:
            self.check_layout()
        except OSError as problem:
            raise StoreProblem(f"{self.root} cannot be read: {problem}") from problem

    def is_keep(self) -> bool:
        """Whether a keep was ever laid out here; a folder without a layout is none of ours.

        Raises:
            StoreProblem: the layout is unknown, or cannot be read.
        """
        self.require_layout()
        return self._layout_known

    @property
    def heals(self) -> bool:
        """Whether damage here may be moved away: not in a folder that belongs to others."""
        return self._heals

    def manifest_path(self, key: Key) -> str:
        """Where people find the manifest of a key."""
        return self.objects.address(manifest_name(key))

    def entry_path(self, entry: Entry) -> str:
        """Where people find the manifest of an entry."""
        return self.objects.address(entry_name(entry))

    def blob_path(self, digest: str) -> str:
        """Where people find a blob."""
        return self.objects.address(blob_name(digest))

    def builds(self, kind: str, name: str, plan: str) -> Iterator[str]:
        """The build halves of the entries with this plan, by listing alone."""
        try:
            self.check_layout()
            for key in self._keys(f"{folder_name(kind)}/{folder_name(name)}/"):
                if key.startswith(f"{plan}-"):
                    yield key[len(plan) + 1 :]
        except OSError as problem:
            raise StoreProblem(f"{self.root} cannot be listed: {problem}") from problem

    def _keys(self, folder: str) -> Iterator[str]:
        for name, _ in self.objects.list(folder):
            key, suffix, rest = name[len(folder) :].partition(SUFFIX)
            if suffix and not rest and "/" not in key:
                yield key

    def entries(self, kind: str | None = None, name: str | None = None) -> Iterator[Entry]:
        """What is kept here, by listing alone.

        Args:
            kind: the folder of a kind, to see no other.
            name: the folder of a name, to see no other.
        """
        self.require_layout()
        try:
            for each in self.kinds() if kind is None else [kind]:
                yield from self._entries(f"{each}/" if name is None else f"{each}/{name}/")
        except OSError as problem:
            raise StoreProblem(f"{self.root} cannot be listed: {problem}") from problem

    def kinds(self) -> list[str]:
        """The folders of kinds."""
        return [kind for kind in self.objects.groups("") if kind not in RESERVED]

    def _entries(self, prefix: str) -> Iterator[Entry]:
        now = time.time()
        for name, facts in self.objects.list(prefix):
            if is_manifest_name(name):
                yield entry_of(name, facts, now)

    def document(self, entry: Entry, limit: int = SIZE_LIMIT) -> bytes | Miss:
        """An entry's document, not checked at all; or why it cannot be read."""
        name = entry_name(entry)
        try:
            return self.objects.read(name, limit)[0]
        except (OSError, ValueError) as problem:
            return Miss(UNREADABLE, f"{self.objects.address(name)} cannot be read: {problem}")

    def documents(
        self, entries: Sequence[Entry], renew: Callable[[], None] = unchanging
    ) -> list[bytes | None]:
        """The documents of several entries, for who may do without those that are large.

        Args:
            entries: which ones.
            renew: called before each.
        """
        found: list[bytes | None] = []
        for entry in entries:
            renew()
            document = self.document(entry, SMALL)
            found.append(None if isinstance(document, Miss) else document)
        return found

    def read_entry(
        self, entry: Entry, document: bytes | None = None
    ) -> tuple[Manifest | Miss, bytes]:
        """An entry's manifest and document, checked, its blobs not; nothing is moved away.

        Args:
            entry: which one.
            document: its document, where that was read a moment ago.
        """
        name = entry_name(entry)
        read = self.document(entry) if document is None else document
        if isinstance(read, Miss):
            return read, b""
        document = read
        found = read_document(document, None, self._verify)
        if not isinstance(found, Miss) and manifest_name(found.key) != name:
            return Miss(DAMAGED, f"the manifest is that of {found.key.name}, moved"), document
        return found, document

    def fetch(
        self,
        entry: Entry,
        document: bytes | None = None,
        expect: Callable[[int], None] | None = None,
    ) -> Kept | Miss:
        """The artifact of an entry, checked; its use is noted.

        Args:
            entry: which one.
            document: its document, where that was read a moment ago.
            expect: told how many bytes of contents will be read, once its manifest was.
        """
        manifest, document = self.read_entry(entry, document)
        if isinstance(manifest, Miss):
            return manifest
        try:
            return self._read_contents(
                manifest, document, entry_name(entry), entry.last_used, expect
            )
        except OSError as problem:
            return Miss(UNREADABLE, f"{self.root} cannot be read: {problem}")

    def has(self, entry: Entry) -> bool:
        """Whether an entry is vouched for and its blobs are there, as far as sizes tell."""
        manifest, _ = self.read_entry(entry)
        return not isinstance(manifest, Miss) and self.has_blobs(manifest)

    def names(self) -> list[str]:
        """The names of all manifests, by listing names alone."""
        from emberkeep.store.summaries import manifest_names  # a hit needs none

        return list(manifest_names(self))

    def holdings(self) -> frozenset[str]:
        """The names of all manifests that are vouched for and have contents of right sizes."""
        from emberkeep.store.summaries import holdings  # a hit needs none

        return holdings(self)

    def together(self, work: Callable[[Callable[[], None]], T]) -> T:
        """Do several calls as one: here, that is no different from one after the other."""
        return work(unchanging)

    def has_blobs(self, manifest: Manifest) -> bool:
        """Whether the blobs of a manifest are there, as far as sizes tell."""
        try:
            return all(
                self.objects.facts(blob_name(blob.digest)).size_bytes == blob.size_bytes
                for blob in manifest.blobs
            )
        except FileNotFoundError:
            return False
