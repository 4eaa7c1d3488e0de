"""A file that takes whole lines from several threads."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import final

from emberkeep.telemetry.spans import Scalar


@final
class LineFile:
    """An append-only file, unbuffered.

    Each `write` is one system call in append mode, which the kernel keeps whole among threads
    and forked children; a buffer or a lock would not survive a fork.
    """

    def __init__(self, path: str | os.PathLike[str], *, truncate: bool) -> None:
        if truncate:
            Path(path).write_bytes(b"")
        # Open for as long as this object lives, hence no `with`.
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115

    def write(self, text: str) -> None:
        """Append `text`; once closed, do nothing."""
        if self._file.closed:
            return
        rest = text.encode()
        while rest:
            rest = rest[self._file.write(rest) :]

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._file.close()


def plain_scalars(attributes: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return the attributes with infinities and NaN as text: JSON has no numbers for them."""
    return {
        key: value if not isinstance(value, float) or _is_finite(value) else str(value)
        for key, value in attributes.items()
    }


def _is_finite(value: float) -> bool:
    return value - value == 0
