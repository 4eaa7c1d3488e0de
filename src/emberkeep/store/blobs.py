"""Blobs by their names: which there are, and which a manifest names."""

from __future__ import annotations

from emberkeep.errors import StoreProblem
from emberkeep.startup_records import sha256
from emberkeep.store.manifest import HEX_DIGITS, TRAILER_BYTES, read_document
from emberkeep.store.protocol import Miss

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from emberkeep.store.object_store import Facts, ObjectStore
    from emberkeep.store.protocol import Manifest, Stamps

SHELF_DIGITS = 2  # of a blob's digest name the folder it lies in


def list_blobs(objects: ObjectStore) -> dict[str, Facts]:
    """The blobs in a place, by digest.

    Raises:
        StoreProblem: they cannot be listed.
    """
    return dict(blobs_in(objects))


def blobs_in(objects: ObjectStore) -> Iterator[tuple[str, Facts]]:
    """The blobs in a place, each with its digest. What has no digest for a name is not ours.

    Raises:
        StoreProblem: they cannot be listed.
    """
    begin = len("blobs/")
    try:
        for name, facts in objects.list("blobs/"):
            shelf, _, rest = name[begin:].partition("/")
            digest = shelf + rest
            if len(shelf) == SHELF_DIGITS and len(digest) == HEX_DIGITS and is_hex(digest):
                yield digest, facts
    except OSError as problem:
        raise StoreProblem(f"{objects.label} cannot be listed: {problem}") from problem


def is_key(text: str) -> bool:
    """Whether a file's name is that of an entry: two digests. Others are not ours to touch."""
    plan, _, build = text.partition("-")
    return len(plan) == len(build) == HEX_DIGITS and is_hex(plan + build)


def is_hex(text: str) -> bool:
    """Whether there are only digits of a digest in it."""
    return not text.strip("0123456789abcdef")


def named_blobs(document: bytes) -> frozenset[str] | None:
    """The blobs that a manifest names, whoever sealed it; None where its format is not known.

    A damaged manifest names none: it will be built again.
    """
    found = read_document(document, None, _accept)
    if not isinstance(found, Miss):
        return frozenset(blob.digest for blob in found.blobs)
    return None if _is_whole(document) else frozenset()


def _accept(_manifest: Manifest, _stamps: Stamps) -> None:
    """Whoever vouches for it: an untrusted manifest is somebody's."""


def _is_whole(document: bytes) -> bool:
    """Whether a document is as it was written, though we cannot read it."""
    body, trailer = document[:-TRAILER_BYTES], document[-TRAILER_BYTES:]
    return trailer.startswith(b'"digest":"%b"' % sha256(body).hexdigest().encode())


# a time from the future says nothing
