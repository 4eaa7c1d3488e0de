"""Scripts for shells, written from the parser, so that they know all that it knows."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Action
    from collections.abc import Iterator

    from emberkeep.cli.parser import CommandParser

WORDS = "words"
ASK = f"emberkeep completion {WORDS} 2>/dev/null"  # what the scripts ask while somebody types

# What the value of an option or argument is, where it is not one of a few words.
FOLDER, LAYER, FILE, ENTRY, TEXT = "folder", "layer", "file", "entry", "text"
LAYERS = ("local", "shared")  # or a folder
BY_DEST = {
    "root": FOLDER,
    "layer": LAYER,
    "file": FILE,
    "export": FILE,
    "folder": FOLDER,
    **dict.fromkeys(("key", "namespace", "namespaces", "entry", "other"), ENTRY),
}


def value_of(action: Action) -> str:
    """What somebody may type there."""
    return BY_DEST.get(action.dest, TEXT)


def options(parser: CommandParser) -> list[Action]:
    """All that begins with a dash."""
    return [action for action in parser.listed if action.option_strings]


def arguments(parser: CommandParser) -> list[Action]:
    """All that goes by its place."""
    return [action for action in parser.listed if not action.option_strings]


def flags(parser: CommandParser) -> str:
    """The options of a parser, as words."""
    return " ".join(flag for action in options(parser) for flag in action.option_strings)


def choices(action: Action) -> str:
    """The words that a value is one of; empty where it may be any."""
    return " ".join(map(str, action.choices or ())) if _is_short(action) else ""


def _is_short(action: Action) -> bool:
    """Whether the choices are words worth a list: the levels of a compressor are none."""
    return action.choices is not None and not isinstance(action.choices, range)


def takes_value(action: Action) -> bool:
    """Whether an option is followed by something."""
    return action.nargs != 0


def repeats(action: Action) -> bool:
    """Whether an argument may be given several times."""
    return action.nargs in ("*", "+")


def quoted(text: str) -> str:
    """A word in single quotes, which all three shells read alike once there is none inside."""
    return "'" + text.replace("'", "`").replace("\\", "/") + "'"


def indented(lines: Iterator[str], indent: str) -> Iterator[str]:
    """Lines further to the right."""
    return (indent + line for line in lines)
