"""Lines that are short enough to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH = 100


def wrapped(text: str) -> str:
    """The same code with calls and signatures that are too long spread over several lines."""
    return "\n".join(piece for line in text.split("\n") for piece in _pieces(line))


def _pieces(line: str) -> Iterator[str]:
    if len(line) <= WIDTH or '"""' in line or line.lstrip().startswith("#"):
        yield line
        return
    if line.lstrip().startswith("return ") and "(" not in line:
        line = line.replace("return ", "return (", 1) + ")"
    opening, closing = _longest_brackets(line)
    parts = _parts(line[opening + 1 : closing])
    if len(parts) < 2:  # noqa: PLR2004 - nothing to part
        yield line  # a formula; to break it would not make it clearer
        return
    indent = line[: len(line) - len(line.lstrip())]
    yield line[: opening + 1]
    current = ""
    for part in parts:
        if current and len(indent) + 4 + len(current) + len(part) + 2 > WIDTH:
            yield f"{indent}    {current}"
            current = ""
        current += f"{' ' if current else ''}{part},"
    yield f"{indent}    {current}"
    yield f"{indent}{line[closing:]}"


def _longest_brackets(line: str) -> tuple[int, int]:
    """Where the longest pair of round brackets that is in no other begins and ends."""
    best, depth, start = (len(line), len(line)), 0, 0
    for place, character in enumerate(line):
        if character == "(":
            if depth == 0:
                start = place
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0 and (best[0] == len(line) or place - start > best[1] - best[0]):
                best = (start, place)
    return best


def _parts(text: str) -> list[str]:
    """What stands between commas that are in no brackets."""
    parts, depth, current = [""], 0, 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
            current += 1
        else:
            parts[current] += character
    return [part.strip() for part in parts if part.strip()]
