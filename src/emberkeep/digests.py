"""SHA-256 without a slow start: OpenSSL for much data, Python's own for the first little.

`hashlib` loads OpenSSL, which takes several milliseconds; Python's own SHA-256 is there at once
and hashes half a megabyte in the same time. A hit in a fresh process seldom needs more.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    Content = bytes | bytearray | memoryview[Any]

    class Hash(Protocol):
        """What `hashlib.sha256` gives."""

        def digest(self) -> bytes:
            """32 bytes."""
            ...

        def hexdigest(self) -> str:
            """64 digits."""
            ...


WORTH_OPENSSL_BYTES = 512 << 10


def _python_own() -> Callable[[Content], Hash] | None:
    """SHA-256 in C without OpenSSL, where this Python has it under a name we know."""
    name = "_sha2" if sys.version_info >= (3, 12) else "_sha256"
    try:
        module: Any = __import__(name)
    except ImportError:
        return None
    return module.sha256


_own = _python_own()
_openssl: list[Callable[[Content], Hash]] = []
_hashed_bytes = [0]


def sha256(content: Content = b"") -> Hash:
    """As `hashlib.sha256`."""
    if _openssl:
        return _openssl[0](content)
    _hashed_bytes[0] += len(content)
    if _own is None or _hashed_bytes[0] > WORTH_OPENSSL_BYTES or "_hashlib" in sys.modules:
        import hashlib

        _openssl.append(hashlib.sha256)
        return hashlib.sha256(content)
    return _own(content)
