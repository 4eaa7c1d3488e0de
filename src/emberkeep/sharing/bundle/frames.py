"""How bytes stand in a bundle: the three lines it begins with, and compressed frames."""

from __future__ import annotations

import re

from emberkeep.errors import BundleRejected, StoreProblem
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

FORMAT = 1
BEGINNING: bytes = b"emberkeep bundle "
FIRST_LINE: bytes = BEGINNING + b"%d\n"
SIZES_LINE: bytes = b"%010d %010d %b\n"
SIGNATURE_LINE: bytes = b"%b %b\n"
DOMAIN = b"emberkeep bundle signature 1\0"  # a signature of anything else is none of a bundle

LENGTH_BYTES = 8  # of the number in front of each member
# Room for more than 100,000 artifacts: more would take longer to list than people wait.
INDEX_LIMIT = 64 << 20
# Machine code and tables of hundreds of megabytes fit; content is held in memory as a whole.
MEMBER_LIMIT = 2 << 30
# What zstd makes of 128 KiB that are all alike: no frame holds more for its length.
MOST_FROM_ONE_BYTE = (128 << 10) // 4
# The least that zstd allows; no frame needs a window larger than its content.
LEAST_WINDOW_BYTES = 1 << 10
# Memory that grows only as bytes arrive: a length that was made up costs nothing.
PIECE_BYTES = 16 << 20

_FIRST = re.compile(rb"emberkeep bundle ([1-9][0-9]{0,8})\n")
_REST = re.compile(rb"([0-9]{10}) ([0-9]{10}) ([0-9a-f]{64})\n([0-9a-f]{64}) ([0-9a-f]{128})\n")


@final
@frozen
class Head:
    """What a bundle begins with.

    Attributes:
        stored_bytes: length of the index in the file.
        size_bytes: length of the index itself.
        digest: SHA-256 of the index itself, hexadecimal.
    """

    stored_bytes: int
    size_bytes: int
    digest: str

    def message(self) -> bytes:
        """What is signed."""
        return DOMAIN + FIRST_LINE % FORMAT + b"%d %b" % (self.size_bytes, self.digest.encode())

    def lines(self, signer: str, signature: str) -> bytes:
        """The three lines."""
        sizes = SIZES_LINE % (self.stored_bytes, self.size_bytes, self.digest.encode())
        stamp = SIGNATURE_LINE % (signer.encode(), signature.encode())
        return FIRST_LINE % FORMAT + sizes + stamp


HEAD_BYTES = len(Head(0, 0, "0" * 64).lines("0" * 64, "0" * 128))


def parse_head(lines: bytes) -> tuple[Head, str, str]:
    """What the three lines say, the signer and the signature; neither is judged here.

    Raises:
        BundleRejected: they are not those of a bundle that this emberkeep can read.
    """
    first = _FIRST.match(lines)
    if first is None:
        raise BundleRejected(
            f"This is no bundle: it begins with {lines[:20]!r}; {FIRST_LINE % FORMAT!r} was "
            "expected. Is it the right file, and was it copied whole?"
        )
    if int(first[1]) > FORMAT:
        raise BundleRejected(
            f"The bundle has format {int(first[1])} and was made by a newer emberkeep; this one "
            f"reads format {FORMAT}. Upgrade: pip install --upgrade emberkeep"
        )
    if len(lines) < HEAD_BYTES:
        raise _truncated("within its first three lines")
    rest = _REST.fullmatch(lines, first.end())
    if rest is None:
        raise BundleRejected(
            "The bundle is damaged: its second and third line are not two sizes and a digest, a "
            "public key and a signature. Fetch it again"
        )
    stored, size, digest, signer, signature = rest.groups()
    head = Head(int(stored), int(size), digest.decode())
    check_size("index", head.size_bytes, INDEX_LIMIT)
    check_stored("index", head.stored_bytes, head.size_bytes)
    return head, signer.decode(), signature.decode()


def check_size(what: str, size_bytes: int, limit_bytes: int) -> None:
    """Refuse what is larger than anything that would be read."""
    if size_bytes > limit_bytes:
        raise BundleRejected(
            f"The bundle's {what} has {size_bytes} bytes, and at most {limit_bytes} are read. "
            "Make several smaller bundles"
        )


def check_stored(what: str, stored_bytes: int, size_bytes: int) -> None:
    """Refuse a compressed length that zstd cannot have made of content of this size."""
    most = size_bytes + (size_bytes >> 8) + 64  # as zstd's own bound, or a little more
    if stored_bytes > most or size_bytes > stored_bytes * MOST_FROM_ONE_BYTE:
        raise BundleRejected(
            f"The bundle is damaged: its {what} is said to have {size_bytes} bytes and to take "
            f"{stored_bytes} in the file, which cannot be. Fetch it again"
        )


# Frames -----------------------------------------------------------------------------------------


def compress(content: bytes | bytearray, level: int) -> bytes:
    """One zstd frame that tells its content's size; the digest stands in for its checksum."""
    zstandard = _zstandard()
    return zstandard.ZstdCompressor(level=level, write_checksum=False).compress(content)


def decompress(what: str, stored: bytes | bytearray, size_bytes: int) -> bytes:
    """The content of one frame, which must have just this size.

    Raises:
        BundleRejected: it is no frame, has another size, or something comes after it.
    """
    zstandard = _zstandard()
    problem = "it does not begin as zstd frames do"
    # Nothing but today's form of a frame: zstd would also take those of old versions.
    if stored.startswith(zstandard.FRAME_HEADER):
        try:
            told = zstandard.get_frame_parameters(stored).content_size
            problem = f"its frame says {told} bytes"
            # zstd makes room for what the frame says: it must say what was promised.
            if told == size_bytes:
                reader = zstandard.ZstdDecompressor(max_window_size=max(told, LEAST_WINDOW_BYTES))
                return reader.decompress(stored, allow_extra_data=False)
        except zstandard.ZstdError as error:
            problem = str(error)
    raise BundleRejected(
        f"The bundle is damaged: its {what} cannot be decompressed to the {size_bytes} bytes "
        f"that it is said to have ({problem}). Fetch it again"
    )


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError as problem:
        raise StoreProblem(
            f"Bundles need the package zstandard, which cannot be imported ({problem}). "
            "Install it: pip install 'emberkeep[sharing]'"
        ) from problem
    return zstandard


# Files ------------------------------------------------------------------------------------------


def read_up_to(file: BinaryIO, size_bytes: int) -> bytearray:
    """So many bytes, or all that are left: a pipe gives what it has, which may be less."""
    content = bytearray()
    while len(content) < size_bytes:
        piece = file.read(min(size_bytes - len(content), PIECE_BYTES))
        if not piece:
            break
        content += piece
    return content


def read_exactly(file: BinaryIO, size_bytes: int, where: str) -> bytearray:
    """So many bytes.

    Raises:
        BundleRejected: the file ends before.
    """
    content = read_up_to(file, size_bytes)
    if len(content) < size_bytes:
        raise _truncated(where)
    return content


def skip(file: BinaryIO, size_bytes: int, where: str) -> None:
    """Go past so many bytes, without reading them where the file can."""
    if not size_bytes:
        return
    if file.seekable():
        # One may seek beyond the end of a file: the last byte must really be there.
        file.seek(size_bytes - 1, 1)
        read_exactly(file, 1, where)
        return
    while size_bytes:
        size_bytes -= len(read_exactly(file, min(size_bytes, PIECE_BYTES), where))


def _truncated(where: str) -> BundleRejected:
    return BundleRejected(f"The bundle is cut off: the file ends {where}. Fetch it again")
