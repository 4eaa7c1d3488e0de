"""Manifests: the small document that says what was built and pins its blobs.

One file, valid JSON, in lines so that reading needs only the first::

    {"manifest":{"blobs":[…],"build":…,"cost_s":…,"format":1,"kind":…,"layout":…,…},
    "ingredients":{…},
    "signature":{"by":"<public key>","value":"<signature of the lines above>"},
    "digest":"<SHA-256 of the lines above>","seal":"<seal of that digest>"}

The third line is there once the artifact was shared; it stays, wherever the artifact goes. Of
several it is ``"signatures":[{"by":…,"value":…},…],``, sorted by key, each key once. What is signed
is the lines above, so signatures come and go without touching each other. The last line has a
fixed length. That line, and that the digest covers everything above it, holds
for every future format, so that an old reader can tell a newer document from a damaged one.
"""

from __future__ import annotations

from emberkeep.startup_records import parse_json, sha256
from emberkeep.store.files import LONGEST_TEXT
from emberkeep.store.protocol import (
    DAMAGED,
    NEWER_FORMAT,
    UNTRUSTED,
    BlobRef,
    Key,
    Manifest,
    Miss,
    Signature,
    Stamps,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from emberkeep.store.protocol import Layout, Verify

FORMAT = 1
SIZE_LIMIT = 16 << 20  # bytes; a manifest is some kilobytes, a crafted one must not fill memory
HEX_DIGITS = 64
# What is written keeps to these, and what is read has to: a trusted key may sign anything.
DEEPEST = 64  # levels of a layout: whoever reads it, in whatever depth, can recurse over it
MOST_BLOBS = 4096
LARGEST_BLOB = 1 << 63  # bytes; no file system has more
# What reading JSON of another form than ours ends with.
MISREAD = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)
# The only form that any reader of any format has to know.
TRAILER: bytes = b'"digest":"%b","seal":"%b"}\n'
TRAILER_BYTES = len(TRAILER % (b"0" * HEX_DIGITS, b"0" * HEX_DIGITS))
SIGNATURE: bytes = b'"signature":{"by":"%b","value":"%b"},\n'
SIGNATURE_DIGITS = 128
SIGNATURE_BYTES = len(SIGNATURE % (b"0" * HEX_DIGITS, b"0" * SIGNATURE_DIGITS))
SIGNED: bytes = b'"signature'  # how the line of one signature begins, and that of several
ONE, SEVERAL, END = b'{"by":"%b","value":"%b"}', b'"signatures":[', b"],\n"
ONE_BYTES = len(ONE % (b"0" * HEX_DIGITS, b"0" * SIGNATURE_DIGITS))
BY_AT, VALUE_AT = ONE.index(b"%b"), len(b'{"by":"","value":"') + HEX_DIGITS
MOST_SIGNATURES = 8
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
    try:
        first_line = document[: document.index(b"\n") - 1].decode("ascii")
        fields: Any = parse_json(first_line + "}")["manifest"]
        version = fields["format"]
        if version.__class__ is not int or version < FORMAT:
            return Miss(DAMAGED, f"the manifest has format {version!r:.40}, which is none")
        if version > FORMAT:
            detail = f"the manifest has format {version!r:.40}; this emberkeep reads {FORMAT}"
            return Miss(NEWER_FORMAT, detail)
        found = _manifest(fields)
        problem = verify(found, stamps)
    except MISREAD as error:
        # In a line: a value that somebody made up may be as long as they like.
        return Miss(DAMAGED, f"the manifest cannot be read: {error!r:.200}")
    if problem is not None:
        return Miss(UNTRUSTED, problem)
    if key is not None and found.key != key:
        return Miss(DAMAGED, f"the manifest is that of {found.key.kind}/{found.key.name}, moved")
    return found


# What was read last: a document that is brought is judged where it comes from, and a moment later
# where it goes.
REMEMBERED, REMEMBERED_BYTES = 256, 1 << 14
_read: dict[bytes, Stamps | None] = {}  # by document


def read_stamps(document: bytes) -> Stamps | None:
    """What a document ends with; None where it is not what was written."""
    stamps = _read.get(document)
    if stamps is None:
        stamps = _read_stamps(document)
        if len(document) <= REMEMBERED_BYTES:
            if len(_read) >= REMEMBERED:
                _read.clear()
            _read[document] = stamps
    return stamps


def _read_stamps(document: bytes) -> Stamps | None:
    body, trailer = document[:-TRAILER_BYTES], document[-TRAILER_BYTES:]
    digest = sha256(body).hexdigest()
    raw_seal = trailer[-3 - HEX_DIGITS : -3]
    if trailer != TRAILER % (digest.encode(), raw_seal):
        return None
    seal = raw_seal.decode("latin-1")
    begin = _signed_at(document)
    signatures = () if begin is None else _signatures(body[begin:])
    if not signatures:
        return Stamps(digest, seal, digest)
    return Stamps(digest, seal, sha256(body[:begin]).hexdigest(), signatures)


def has_signatures(document: bytes) -> bool:
    """Whether somebody has signed a document, or it looks so."""
    return _signed_at(document) is not None


def payload_of(document: bytes) -> bytes:
    """The lines of a document that are signed."""
    return document[: -TRAILER_BYTES if (at := _signed_at(document)) is None else at]


def _signed_at(document: bytes) -> int | None:
    """Where the line of signatures begins; None where there is none."""
    begin = document.rfind(b"\n", 0, -TRAILER_BYTES - 1) + 1
    return begin if document.startswith(SIGNED, begin) else None


def _signatures(line: bytes) -> tuple[Signature, ...]:
    """The signatures in a line; none where it is not written in the one way that it can be."""
    head = SEVERAL if line.startswith(SEVERAL) else SIGNATURE[: -len(ONE) - 2]
    count = (len(line) - len(head)) // (ONE_BYTES + 1)
    if not 0 < count <= MOST_SIGNATURES:
        return ()
    found: list[Signature] = []
    for at in range(len(head), len(head) + count * (ONE_BYTES + 1), ONE_BYTES + 1):
        by = line[at + BY_AT : at + BY_AT + HEX_DIGITS]
        value = line[at + VALUE_AT : at + VALUE_AT + SIGNATURE_DIGITS]
        found.append(Signature(by.decode("latin-1"), value.decode("latin-1")))
    return tuple(found) if line == signature_line(found) else ()


def signature_line(signatures: Sequence[Signature]) -> bytes:
    """Signatures as a document has them: sorted, each key once; empty where there are none."""
    by_key = {each.by: each.value for each in signatures}
    pairs = [(by.encode("latin-1"), by_key[by].encode("latin-1")) for by in sorted(by_key)]
    if len(pairs) > 1:
        return SEVERAL + b",".join([ONE % pair for pair in pairs]) + END
    return SIGNATURE % pairs[0] if pairs else b""


def _manifest(fields: Any) -> Manifest:
    blobs = tuple(
        [
            BlobRef(_text(blob["role"]), _digest(blob["digest"]), _size(blob["size_bytes"]))
            for blob in fields["blobs"]
        ]
    )
    if len(blobs) > 1 and (len({b.role for b in blobs}) != len(blobs) or len(blobs) > MOST_BLOBS):
        raise ValueError(f"{len(blobs)} blobs are too many, or two have one role")
    return Manifest(
        Key(
            _text(fields["kind"]),
            _text(fields["name"]),
            _digest(fields["plan"]),
            _digest(fields["build"]),
        ),
        blobs,
        _layout(fields["layout"]),
        _seconds(fields["cost_s"]),
        _seconds(fields["made_at"]),
        {_text(what): _text(version) for what, version in fields["made_by"].items()},
    )


def _text(value: Any) -> str:
    if isinstance(value, str) and len(value) <= LONGEST_TEXT:
        return value
    raise ValueError(f"{value!r:.40} is no text of at most {LONGEST_TEXT} characters")


def _layout(value: Layout) -> Layout:
    if value is None:
        return None
    depth, finite = measured(value)
    if depth > DEEPEST:
        raise ValueError(f"the layout is nested {depth} levels deep, and {DEEPEST} are read")
    if not finite:
        raise ValueError("a number in the layout is larger than any that is written")
    return value


def measured(layout: Layout) -> tuple[int, bool]:
    """How deep a layout is nested, and whether its numbers are finite.

    Level by level: there may be more of them than Python's stack allows.
    """
    depth, finite = 0, True
    level: list[Any] = [layout]
    while level:
        inner: list[Any] = []
        nested = False
        for value in level:
            kind = value.__class__
            if kind is dict:
                nested = True
                inner.extend(value.values())
            elif kind is list:
                nested = True
                inner.extend(value)
            elif kind is float:
                finite &= _is_finite(value)
        depth += nested
        level = inner
    return depth, finite


def _is_finite(value: float) -> bool:
    return value - value == 0.0  # `math` would be one module more


def _seconds(value: Any) -> float:
    if value.__class__ in (int, float) and _is_finite(seconds := float(value)):
        return seconds
    raise ValueError(f"{value!r:.40} is no number of seconds")


def _digest(value: object) -> str:
    """A digest becomes a file name: nothing else may pass."""
    if (
        isinstance(value, str)
        and len(value) == HEX_DIGITS
        and value.strip("0123456789abcdef") == ""
    ):
        return value
    raise ValueError(f"{value!r:.40} is no SHA-256 digest")


def _size(value: Any) -> int:
    if value.__class__ is int and 0 <= value <= LARGEST_BLOB:
        return value
    raise ValueError(f"{value!r:.40} is no size")


def copy_layout(value: Layout) -> Layout:
    """A layout that can be changed without changing the one it comes from."""
    if value.__class__ is dict:
        return {name: copy_layout(item) for name, item in value.items()}
    if value.__class__ is list:
        return [copy_layout(item) for item in value]
    return value
