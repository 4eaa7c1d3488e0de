"""Text for people: aligned tables, sizes, times, short keys; nothing that a terminal would obey."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

SHORT_DIGITS = 8  # of each half of a key
SIZE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
TIME_UNITS = (("d", 86_400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3))
STEP = 1024
WHOLE = 100  # from here on, digits after the point are noise


def printable(line: str) -> str:
    """A line as any terminal can show it.

    Names and ingredients were written by others: what would move the cursor, or what the terminal
    has no letter for, is shown as an escape.
    """
    if not line.isprintable():
        line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
    if line.isascii():
        return line
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)


def as_json(value: object) -> str:
    """JSON as every reader takes it, which has no words for NaN and infinity: they are null."""
    import json

    try:
        return json.dumps(value, indent=2, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    kind = value.__class__
    if kind is float:
        return value if value - value == 0.0 else None
    if kind in (list, tuple):
        return [_finite(item) for item in value]
    if kind is dict:
        return {name: _finite(item) for name, item in value.items()}
    return value


def table(rows: Sequence[Sequence[str]], right: str = "") -> Iterator[str]:
    """Rows as aligned lines, the first one being the header.

    Args:
        rows: of equal length.
        right: a letter a column; those marked ``>`` are aligned to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = [right[column : column + 1] or "<" for column in range(len(widths))]
    form = "  ".join(
        f"{{:{side}{width}}}" for side, width in zip(sides, widths, strict=True)
    ).format
    for row in rows:
        yield form(*row).rstrip()


def size(size_bytes: float) -> str:
    """``1.4 MiB``."""
    unit = 0
    while size_bytes >= STEP and unit < len(SIZE_UNITS) - 1:
        size_bytes, unit = size_bytes / STEP, unit + 1
    return f"{_short(size_bytes)} {SIZE_UNITS[unit]}" if unit else f"{size_bytes:.0f} B"


def duration(seconds: float) -> str:
    """``2.5 h``, ``340 ms``."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    for unit, factor in TIME_UNITS:
        if seconds >= factor:
            return f"{_short(seconds / factor)} {unit}"
    return "0 s" if not seconds else f"{seconds * 1e3:.2f} ms"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= WHOLE else f"{value:.1f}"


def short_key(key: str) -> str:
    """The beginning of both halves: enough to name an entry to any command."""
    plan, dash, build = key.partition("-")
    return f"{plan[:SHORT_DIGITS]}{dash}{build[:SHORT_DIGITS]}"


def moment(epoch_s: float) -> str:
    """A time as the user's clock shows it."""
    import time

    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(epoch_s))
    except (ValueError, OverflowError, OSError):  # a manifest may say anything
        return f"{epoch_s} s since 1970"
