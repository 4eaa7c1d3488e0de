"""Write a bundle: the signed head, the index, and its members as they are compressed."""

from __future__ import annotations

from emberkeep.errors import BundleRejected
from emberkeep.sharing.bundle.frames import LENGTH_BYTES, Head, compress, parse_head
from emberkeep.sharing.bundle.index import Member, arrange, canonical
from emberkeep.sharing.bundle.window import in_order
from emberkeep.startup_records import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from emberkeep.sharing.bundle.index import BundleIndex


def write_bundle(
    out: BinaryIO,
    index: BundleIndex,
    read_member: Callable[[str], bytes],
    sign: Callable[[bytes], tuple[str, str]],
    *,
    level: int = 3,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Write a bundle to a buffered file or pipe, from its beginning to its end.

    Args:
        out: what was written to it before a failure is no bundle; the caller removes it.
        index: in whatever order; it is written in the one order of the format.
        read_member: gives the content of a digest; called by this thread, once for each member.
        sign: gives the public key and the signature of a message, hexadecimal.
        level: of zstd.
        on_progress: told how many bytes of content have been written so far.

    Raises:
        BundleRejected: no reader would take it, or a member is not what the index says.
    """
    index = arrange(index)
    raw = canonical(index)
    stored = compress(raw, level)
    head = Head(len(stored), len(raw), sha256(raw).hexdigest())
    lines = head.lines(*sign(head.message()))
    parse_head(lines)  # what readers would refuse is not written
    out.write(lines)
    out.write(stored)

    def pack(member: Member, content: bytes | bytearray) -> bytes:
        _check_content(member, content)
        return compress(content, level)

    written_bytes = 0
    packed = in_order(iter(index.members), lambda member: read_member(member.digest), pack)
    for member, frame in packed:
        out.write(len(frame).to_bytes(LENGTH_BYTES, "big"))
        out.write(frame)
        written_bytes += member.size_bytes
        if on_progress is not None:
            on_progress(written_bytes)


def _check_content(member: Member, content: bytes | bytearray) -> None:
    """Refuse to write what readers would refuse to read."""
    found = Member(sha256(content).hexdigest(), len(content))
    if found != member:
        raise BundleRejected(
            f"The bundle cannot be written: the member {member.digest} was to have "
            f"{member.size_bytes} bytes; what was read has {found.size_bytes}, and the digest "
            f"{found.digest}. Is the keep damaged? `emberkeep verify` tells"
        )
