"""What a kernel that raises leaves behind.

numba stores an exception as pickled bytes within the machine code. Nothing pickled is kept here:
while the kernel is built, those bytes are replaced by JSON text that says the same; when one is
raised, that text is read.
"""

from __future__ import annotations

import ctypes
import json
import pickle
import re

from emberkeep.errors import KernelFailed
from emberkeep.startup_records import parse_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LONGEST = 1 << 16
LEAST_ADDRESS = 1 << 16  # the system maps nothing below; statuses are small


def without_pickles(text: str) -> str:
    """LLVM assembly of a module in which exceptions are described in JSON."""
    sizes: dict[str, int] = {}

    def rewrite(found: re.Match[str]) -> str:
        name, content = found[1], _decode(found[2])
        described = _describe(content)
        sizes[name] = len(described)
        return f'@{name} = internal constant [{len(described)} x i8] c"{_encode(described)}"'

    def resize(found: re.Match[str]) -> str:
        return f"{found[1]}@{found[2]}, i32 {sizes[found[2]]}"

    data = r"(\.const\.pickledata\.[0-9a-f]+)"
    text = re.sub(rf'@{data} = internal constant \[\d+ x i8\] c"([^"]*)"', rewrite, text)
    return re.sub(rf"(\{{ ptr )@{data}, i32 \d+", resize, text)


def without_exceptions(text: str) -> str:
    """LLVM assembly of a module whose exceptions are never read: nothing is said of them."""
    data = r"(@\.const\.pickledata\.[0-9a-f]+ = internal constant \[\d+ x i8\]) c\"[^\"]*\""
    return re.sub(data, r"\1 zeroinitializer", text)


def _describe(pickled: bytes) -> bytes:
    """JSON of an exception: its type, its message and the function that raises it.

    The line is left out: a function that moves within its file is still the same kernel.
    """
    try:
        # These bytes are numba's, made a moment ago in this process; they are not stored.
        kind, arguments, place = pickle.loads(pickled)  # noqa: S301
        message = ", ".join(map(str, arguments or ()))
        described = [kind.__name__, message, str(place[0]) if place else ""]
    except Exception as problem:  # noqa: BLE001 - of a form we do not know: said, not swallowed
        described = ["Exception", f"an exception that could not be described: {problem}", ""]
    return json.dumps(described).encode()


def _decode(text: str) -> bytes:
    """The bytes of an LLVM string constant."""
    raw = text.encode("latin-1")
    return re.sub(rb"\\([0-9A-Fa-f]{2}|\\)", lambda found: _byte(found[1]), raw)


def _byte(escaped: bytes) -> bytes:
    return b"\\" if escaped == b"\\" else bytes([int(escaped, 16)])


def _encode(content: bytes) -> str:
    return "".join(f"\\{byte:02X}" for byte in content)


class _Information(ctypes.Structure):
    """What numba's code points to when it raises."""

    _fields_ = (("data", ctypes.c_void_p), ("size", ctypes.c_int32))


def failure(name: str, answer: int) -> KernelFailed:
    """The error to raise for a kernel that answered other than zero.

    Args:
        name: the kernel's.
        answer: the address of what describes an exception, or numba's status.
    """
    said = None
    if answer >= LEAST_ADDRESS:
        record = _Information.from_address(answer)
        if record.data and 0 < record.size <= LONGEST:
            said = _read(ctypes.string_at(record.data, record.size))
    if said is None:
        return KernelFailed(f"The kernel {name!r} failed with status {answer} and said no more")
    kind, message, function = said
    where = f" in {function}" if function else ""
    return KernelFailed(
        f"The kernel {name!r} raised {kind}{where}: {message}. Results of this call are incomplete"
    )


def _read(content: bytes) -> tuple[Any, ...] | None:
    try:
        kind, message, function = parse_json(content.decode())
    except (ValueError, TypeError):
        return None
    return kind, message, function
