"""Read a bundle: nothing is used before somebody vouched for it and its digest was checked."""

from __future__ import annotations

from emberkeep.errors import BundleRejected
from emberkeep.sharing.bundle.frames import (
    HEAD_BYTES,
    LENGTH_BYTES,
    check_stored,
    decompress,
    parse_head,
    read_exactly,
    read_up_to,
    skip,
)
from emberkeep.sharing.bundle.index import parse_index
from emberkeep.startup_records import final, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator
    from typing import BinaryIO

    from emberkeep.sharing.bundle.index import BundleIndex, Member


@final
class BundleReader:
    """A bundle that is read once, from its beginning to its end.

    Attributes:
        index: what it holds.
        signer: the public key of whoever vouches for it, hexadecimal.

    Args:
        file: a file or a pipe, at its beginning.
        judge: called with signer, signature and message before anything that they vouch for is
            read; raises `Untrusted` where the signature is wrong or the signer counts for nothing.

    Raises:
        BundleRejected: it is damaged, too new, or not what it says.
    """

    index: BundleIndex
    signer: str

    def __init__(self, file: BinaryIO, judge: Callable[[str, str, bytes], None]) -> None:
        head, signer, signature = parse_head(bytes(read_up_to(file, HEAD_BYTES)))
        judge(signer, signature, head.message())
        stored = read_exactly(file, head.stored_bytes, "within its index")
        raw = decompress("index", stored, head.size_bytes)
        _check_digest("index", raw, head.digest)
        self.index = parse_index(raw)
        self.signer = signer
        self._file = file
        self._is_read = False

    def contents(self, wanted: Container[str]) -> Iterator[tuple[str, bytes]]:
        """Members in the order of the file: digest and content, which was checked.

        The whole file is gone through, to its very end; what is not wanted is not decompressed.
        A pipe can be read but once, so this can be called but once.

        Args:
            wanted: digests of members.

        Raises:
            BundleRejected: the rest of it is damaged or not what the index says; what was given
                before was right.
        """
        if self._is_read:
            raise ValueError("The contents of this bundle were read already; open it again")
        self._is_read = True
        from emberkeep.sharing.bundle.window import in_order  # a listing starts no threads

        checked = in_order(self._members(wanted), self._fetch, _unpack)
        return ((member.digest, content) for member, content in checked)

    def _members(self, wanted: Container[str]) -> Iterator[Member]:
        """Wanted members, each when the file stands in front of it; then the file must end."""
        for member in self.index.members:
            if member.digest in wanted:
                yield member
            else:
                skip(self._file, self._stored_bytes(member), f"within {_called(member)}")
        if self._file.read(1):
            raise BundleRejected(
                "The bundle is damaged: something comes after its last member, where the file "
                "should end. Fetch it again"
            )

    def _fetch(self, member: Member) -> bytearray:
        return read_exactly(self._file, self._stored_bytes(member), f"within {_called(member)}")

    def _stored_bytes(self, member: Member) -> int:
        length = read_exactly(self._file, LENGTH_BYTES, f"before {_called(member)}")
        stored_bytes = int.from_bytes(length, "big")
        check_stored(_called(member), stored_bytes, member.size_bytes)
        return stored_bytes


def _unpack(member: Member, stored: bytes | bytearray) -> bytes:
    content = decompress(_called(member), stored, member.size_bytes)
    _check_digest(_called(member), content, member.digest)
    return content


def _called(member: Member) -> str:
    return f"member {member.digest}"


def _check_digest(what: str, content: bytes, digest: str) -> None:
    if sha256(content).hexdigest() != digest:
        raise BundleRejected(
            f"The bundle is damaged: its {what} does not have the digest {digest} that it was "
            "signed with. Fetch it again"
        )
