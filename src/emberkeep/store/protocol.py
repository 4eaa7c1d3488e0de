"""What every layer of a keep can do, and the records that pass between them."""

from __future__ import annotations

from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, Protocol

    from emberkeep.store.object_store import Folder, ObjectStore

    Layout = Any  # whatever JSON can hold

# Why something was not found. ABSENT is the ordinary case; all others are worth a look.
ABSENT = "absent"
DAMAGED = "damaged"
UNTRUSTED = "untrusted"
NEWER_FORMAT = "newer format"
UNREADABLE = "unreadable"
DISABLED = "disabled"

# From least to most telling: a lookup through several layers reports the last of these.
BY_WEIGHT = (DISABLED, ABSENT, UNREADABLE, NEWER_FORMAT, UNTRUSTED, DAMAGED)


@final
@frozen
class Key:
    """The name of one artifact.

    Attributes:
        kind: what sort of artifact it is; a folder of its own.
        name: what a person calls the thing that was built.
        plan: digest of what is computed.
        build: digest of how it is compiled.
    """

    kind: str
    name: str
    plan: str
    build: str

    def __str__(self) -> str:
        return f"{self.plan}-{self.build}"


@final
@frozen
class BlobRef:
    """A blob of an artifact: what it is for, its SHA-256 and its length."""

    role: str
    digest: str
    size_bytes: int


@final
@frozen
class Manifest:
    """What was built.

    Attributes:
        key: its name.
        blobs: its parts.
        layout: whatever else is needed to use them, as JSON values.
        cost_s: how long the build took: what a hit saves.
        made_at: seconds since the epoch.
        made_by: versions of what made it.
    """

    key: Key
    blobs: tuple[BlobRef, ...]
    layout: Layout
    cost_s: float
    made_at: float
    made_by: Mapping[str, str]


@final
@frozen
class Signature:
    """Somebody's word for a payload.

    Attributes:
        by: the public key of whoever signed, hexadecimal.
        value: the signature, hexadecimal.
    """

    by: str
    value: str


@final
@frozen
class Stamps:
    """What stands at the end of a document: who vouches for it.

    Attributes:
        digest: of everything above the last line.
        seal: of that digest, by a user for their own machine.
        payload: digest of the manifest and its ingredients alone, which is what is signed.
        signatures: of the payload, each by another key; none where nobody signed it.
    """

    digest: str
    seal: str
    payload: str
    signatures: tuple[Signature, ...] = ()

    @property
    def signers(self) -> tuple[str, ...]:
        """The public keys of those who signed."""
        return tuple([each.by for each in self.signatures])


@final
@frozen
class Kept:
    """An artifact as stores pass it on: everything in it has been checked.

    Attributes:
        manifest: what it is.
        document: the manifest as it was signed or sealed, byte for byte.
        blobs: contents by role.
        source: what was compiled, for people to read; only on its way to a store.
    """

    manifest: Manifest
    document: bytes
    blobs: Mapping[str, bytes]
    source: str = ""


@final
@frozen
class Miss:
    """Why there is nothing to use: a reason from this module, and the whole story."""

    reason: str
    detail: str


@final
@frozen
class Entry:
    """One artifact in a listing; nothing of it has been read.

    Attributes:
        kind: the folder of its kind.
        name: the folder of its name, made safe for file systems.
        key: plan and build digests.
        last_used: seconds since the epoch.
        size_bytes: of the manifest alone.
        version: of the manifest, in the place that it was found in; empty where there are none.
    """

    kind: str
    name: str
    key: str
    last_used: float
    size_bytes: int
    version: str = ""


@final
@frozen
class Notebook:
    """Where this user notes what manifests say: the folder of a keep, and what gives their seal."""

    root: str
    seal: Callable[[str], str]


if TYPE_CHECKING:

    class Store(Protocol):
        """A place for artifacts.

        `read` and `write` hold for every layer: what is read was checked (digests, and the seal or
        signature where the layer asks for one), and a write is seen whole or not at all. `write`
        and `remove` raise `StoreProblem` where the place does not allow it; `read` never raises:
        trouble is a `Miss` with its reason.
        """

        @property
        def label(self) -> str:
            """What reports call this layer."""
            ...

        @property
        def writable(self) -> bool:
            """Whether `write` and `remove` can work at all."""
            ...

        def read(self, key: Key) -> Kept | Miss:
            """The artifact of this key, checked; or why there is none."""
            ...

        def write(self, kept: Kept) -> None:
            """Keep an artifact under the key in its manifest, in place of any earlier one."""
            ...

        def remove(self, key: Key) -> bool:
            """Forget an artifact; whether it was there."""
            ...

        def entries(self) -> Iterator[Entry]:
            """Everything that is kept here."""
            ...

        def builds(self, kind: str, name: str, plan: str) -> Iterator[str]:
            """The build halves of all keys with this plan: by whom and for what it was compiled."""
            ...

    class LaidOut(Protocol):
        """A place that is laid out as a keep, for those who list it or write into it.

        `Directory` is the one that there is; what it calls itself knows it as this alone.
        """

        @property
        def root(self) -> str:
            """What messages call it."""
            ...

        @property
        def objects(self) -> ObjectStore:
            """Where its bytes lie."""
            ...

        @property
        def folder(self) -> Folder | None:
            """The same, where it is a folder."""
            ...

        @property
        def endorse(self) -> Endorse | None:
            """What gives a document as it is to be written here."""
            ...

        @property
        def notebook(self) -> Notebook | None:
            """Where to note what manifests said."""
            ...

        @property
        def standing(self) -> Callable[[], object]:
            """What is said of others at the moment."""
            ...

        def check_layout(self, *, mends: bool = False) -> None:
            """Refuse a place that another version laid out."""
            ...

        def require_layout(self) -> None:
            """As `check_layout`, read anew."""
            ...

        def is_keep(self) -> bool:
            """Whether a keep was ever laid out here."""
            ...

        def has_object(self, name: str) -> bool:
            """Whether there is an object of this name."""
            ...

        def kinds(self) -> list[str]:
            """The folders of kinds."""
            ...

        def entries(self) -> Iterator[Entry]:
            """What is kept here, by listing alone."""
            ...

        def read_entry(self, entry: Entry) -> tuple[Manifest | Miss, bytes]:
            """An entry's manifest and document, checked."""
            ...

    # Whether somebody vouches for a document: None, or what is wrong with it.
    Verify = Callable[[Manifest, Stamps], str | None]

    # A document as a place wants to have it: sealed or signed. Raises `Untrusted` where nobody
    # vouches for it.
    Endorse = Callable[[bytes], bytes]
