"""Manifests: the small document that says what was built and pins its blobs.

One file, valid JSON, in lines so that reading needs only the first::

    {"manifest":{"blobs":[…],"build":…,"cost_s":…,"format":1,"kind":…,"layout":…,…},
    "ingredients":{…},
    "signature":{"by":"<public key>","value":"<signature of the lines above>"},
    "digest":"<SHA-256 of the lines above>","seal":"<seal of that digest>"}

The third line is there once the artifact was shared; it stays, wherever the artifact goes. The
last two lines have a fixed length. That line, and that the digest covers everything above it, holds
for every future format, so that an old reader can tell a newer document from a damaged one.
"""

from __future__ import annotations

from emberkeep.light import parse_json, sha256
from emberkeep.store.protocol import (
    DAMAGED,
    NEWER_FORMAT,
    UNTRUSTED,
    BlobRef,
    Key,
    Manifest,
    Miss,
    Stamps,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.store.protocol import Layout, Verify

FORMAT = 1
SIZE_LIMIT = 16 << 20  # bytes; a manifest is some kilobytes, a crafted one must not fill memory
HEX_DIGITS = 64
# The only form that any reader of any format has to know.
TRAILER: bytes = b'"digest":"%b","seal":"%b"}\n'
TRAILER_BYTES = len(TRAILER % (b"0" * HEX_DIGITS, b"0" * HEX_DIGITS))
SIGNATURE: bytes = b'"signature":{"by":"%b","value":"%b"},\n'
SIGNATURE_DIGITS = 128
SIGNATURE_BYTES = len(SIGNATURE % (b"0" * HEX_DIGITS, b"0" * SIGNATURE_DIGITS))
SIGNER_AT = SIGNATURE.index(b"%b")  # where the public key begins
NO_SEAL = "0" * HEX_DIGITS


def read_document(document: bytes, key: Key | None, verify: Verify) -> Manifest | Miss:
    """Check a document from its outside inwards: digest, seal, format, shape, own name.

    Args:
        document: the bytes of the file.
        key: the name under which it was found; None to accept any.
        verify: judges who vouches for it.
    """
    stamps = read_stamps(document)
    if stamps is None:
        return Miss(DAMAGED, "the manifest does not have the digest that it ends with")
    first_line = document.partition(b"\n")[0]
    try:
        fields: Any = parse_json(first_line[:-1].decode("ascii") + "}")["manifest"]
        if not isinstance(fields["format"], int) or fields["format"] < FORMAT:
            return Miss(DAMAGED, f"the manifest has format {fields['format']!r}, which is none")
        if fields["format"] > FORMAT:
            detail = f"the manifest has format {fields['format']}; this emberkeep reads {FORMAT}"
            return Miss(NEWER_FORMAT, detail)
        found = _manifest(fields)
        problem = verify(found, stamps)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        return Miss(DAMAGED, f"the manifest cannot be read: {error!r}")
    if problem is not None:
        return Miss(UNTRUSTED, problem)
    if key is not None and found.key != key:
        return Miss(DAMAGED, f"the manifest is that of {found.key.kind}/{found.key.name}, moved")
    return found


def read_stamps(document: bytes) -> Stamps | None:
    """What a document ends with; None where it is not what was written."""
    body, trailer = document[:-TRAILER_BYTES], document[-TRAILER_BYTES:]
    digest = sha256(body).hexdigest()
    raw_seal = trailer[-3 - HEX_DIGITS : -3]
    if trailer != TRAILER % (digest.encode(), raw_seal):
        return None
    seal = raw_seal.decode("latin-1")
    line = body[-SIGNATURE_BYTES:]
    by = line[SIGNER_AT : SIGNER_AT + HEX_DIGITS]
    value = line[-4 - SIGNATURE_DIGITS : -4]
    if line != SIGNATURE % (by, value):
        return Stamps(digest, seal, digest, "", "")
    payload = sha256(body[:-SIGNATURE_BYTES]).hexdigest()
    return Stamps(digest, seal, payload, by.decode("latin-1"), value.decode("latin-1"))


def _manifest(fields: Any) -> Manifest:
    blobs = tuple(
        BlobRef(str(blob["role"]), _digest(blob["digest"]), _size(blob["size_bytes"]))
        for blob in fields["blobs"]
    )
    return Manifest(
        Key(*[_text(fields[half]) for half in ("kind", "name", "plan", "build")]),
        blobs,
        fields["layout"],
        float(fields["cost_s"]),
        float(fields["made_at"]),
        dict(fields["made_by"]),
    )


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"{value!r} is no text")


def _digest(value: object) -> str:
    """A digest becomes a file name: nothing else may pass."""
    if (
        isinstance(value, str)
        and len(value) == HEX_DIGITS
        and value.strip("0123456789abcdef") == ""
    ):
        return value
    raise ValueError(f"{value!r} is no SHA-256 digest")


def _size(value: object) -> int:
    if isinstance(value, int) and value >= 0:
        return value
    raise ValueError(f"{value!r} is no size")


def copy_layout(value: Layout) -> Layout:
    """A layout that can be changed without changing the one it comes from."""
    if value.__class__ is dict:
        return {name: copy_layout(item) for name, item in value.items()}
    if value.__class__ is list:
        return [copy_layout(item) for item in value]
    return value
