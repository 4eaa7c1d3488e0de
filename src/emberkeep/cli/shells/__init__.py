"""Scripts for shells, written from the parser, so that they know all that it knows.

What may be typed is described here once, in records; each shell has a file that writes its script
of them.
"""

from __future__ import annotations

from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Action
    from collections.abc import Iterator, Mapping

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


@final
@frozen
class Slot:
    """An option, or an argument that goes by its place.

    Attributes:
        flags: the spellings of an option; none of an argument.
        name: what its value is called.
        about: what it is for.
        choices: the words that its value is one of; empty where it may be any.
        value: what that is: a file, an entry and so on.
        takes_value: whether an option is followed by something.
        repeats: whether an argument may be given several times.
        may_lack: whether an argument may be left out.
    """

    flags: tuple[str, ...]
    name: str
    about: str
    choices: str
    value: str
    takes_value: bool
    repeats: bool
    may_lack: bool

    def offered(self, by_value: Mapping[str, str], words: str = "{}") -> str:
        """What a shell offers there; empty for what nobody can know.

        Args:
            by_value: its code for each kind of value.
            words: its code for a few words.
        """
        return words.format(self.choices) if self.choices else by_value.get(self.value, "")


@final
@frozen
class Described:
    """A command, or all of them: what may follow."""

    name: str
    about: str
    options: tuple[Slot, ...]
    arguments: tuple[Slot, ...]
    commands: tuple[Described, ...] = ()

    @property
    def flags(self) -> str:
        """The options, as words."""
        return " ".join(flag for option in self.options for flag in option.flags)


def described(parser: CommandParser, name: str = "") -> Described:
    """All that a parser takes, and its commands."""
    parser.load()
    slots = [_slot(action) for action in parser.listed]
    return Described(
        name,
        parser.description or "",
        tuple(slot for slot in slots if slot.flags),
        tuple(slot for slot in slots if not slot.flags),
        tuple(described(command, called) for called, command in parser.commands.items()),
    )


def _slot(action: Action) -> Slot:
    # The levels of a compressor are no words worth a list.
    is_short = action.choices is not None and not isinstance(action.choices, range)
    return Slot(
        tuple(action.option_strings),
        action.dest,
        action.help or "",
        " ".join(map(str, action.choices or ())) if is_short else "",
        BY_DEST.get(action.dest, TEXT),
        takes_value=action.nargs != 0,
        repeats=action.nargs in ("*", "+"),
        may_lack=action.nargs == "?",
    )


def quoted(text: str) -> str:
    """A word in single quotes, which all three shells read alike once there is none inside."""
    return "'" + text.replace("'", "`").replace("\\", "/") + "'"


def indented(lines: Iterator[str], indent: str) -> Iterator[str]:
    """Lines further to the right."""
    return (indent + line for line in lines)
