"""The parser of the command line; a command's own module is loaded when its options are needed."""

from __future__ import annotations

import os
import sys
from argparse import SUPPRESS, Action, ArgumentParser, RawDescriptionHelpFormatter
from keyword import iskeyword

from emberkeep.cli.streams import write_error, write_out
from emberkeep.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

    from emberkeep.cli.command import Command

USUAL_WIDTH = 80
MARGIN = 2  # as argparse leaves it

# Each command, by its name as its module in `cli/commands` has it, and what it is for.
COMMANDS = {
    "status": "hits, misses, seconds saved, and what is kept",
    "ls": "list entries",
    "show": "show one entry: manifest, blobs, ingredients",
    "why": "explain why an entry was built: what differs from its nearest neighbour",
    "verify": "check every entry; changes nothing",
    "repair": "take damaged files away, so that they are built again",
    "gc": "make room: remove what was not used for long",
    "clear": "remove all entries, or those of a kind or name",
    "pin": "keep an entry from being collected",
    "unpin": "let an entry be collected again",
    "init": "make a folder a keep that several hosts or users share",
    "key": "make, show, list or revoke the keys that sign what you share",
    "sign": "put your signature beside those of others",
    "trust": "say whose artifacts are used here, and which are not any more",
    "push": "bring what is kept here to a shared place",
    "pull": "bring what is in a shared place here",
    "sync": "pull, then push",
    "export": "write entries to one signed file",
    "import": "take entries out of such a file",
    "prewarm": "build or fetch all that a Python file declares",
    "build": "compile the kernels that a Python file declares, for any machine",
    "rebuild": "build again, and compare with what is kept and signed",
    "config": "show every setting with its origin",
    "doctor": "check that a keep can work here, with a remedy for what is wrong",
    "zero-stats": "forget the counts of hits and misses",
    "completion": "print a script that completes commands in a shell",
}
DESCRIPTION = "Look after a keep: the folder where emberkeep puts what was compiled."
EPILOG = """\
examples:
  emberkeep status
  emberkeep ls generated
  emberkeep gc --max-size 2GB --dry-run

Every command takes --root and --format. `emberkeep COMMAND --help` has examples.
Exit codes: 0 done, 2 wrong usage, 3 no such entry, 4 the keep cannot be used;
those of verify and doctor are in their help."""


class Formatter(RawDescriptionHelpFormatter):
    """Keeps the lines of examples, and asks for the terminal's width itself.

    argparse makes a formatter for every argument, and would import `shutil` for the width.
    """

    def __init__(self, prog: str, **keywords: Any) -> None:
        super().__init__(prog, **{"width": _width(), **keywords})


def _width() -> int:
    try:
        return int(os.environ.get("COLUMNS") or os.get_terminal_size(1).columns) - MARGIN
    except (OSError, ValueError):  # no terminal
        return USUAL_WIDTH - MARGIN


class CommandParser(ArgumentParser):
    """An `ArgumentParser` that knows what was added to it, and loads its command when it must."""

    def __init__(self, command: str | None = None, **keywords: Any) -> None:
        self.listed: list[Action] = []
        self.commands: Mapping[str, CommandParser] = {}
        self._command = command
        self._is_intermixing = False
        super().__init__(formatter_class=Formatter, allow_abbrev=False, **keywords)

    def _print_message(self, message: str, file: Any = None) -> None:
        """As its parent, which swallows what goes wrong: help that nobody gets is no success."""
        if message and file is not None and file is sys.stdout:
            write_out(message)
        elif message:
            write_error(message)

    def add_argument(self, *names: Any, **keywords: Any) -> Action:
        """As its parent, and noted in `listed`."""
        action = super().add_argument(*names, **keywords)
        self.listed.append(action)
        return action

    def error(self, message: str) -> NoReturn:
        """As its parent, with what may have been meant."""
        from emberkeep.cli.naming import did_you_mean

        # What the whole parser complains of may be an option of the command that was loaded.
        parsers = (self, *self.commands.values())
        listed = [each for parser in parsers for each in parser.listed]
        known = [*self.commands, *(flag for each in listed for flag in each.option_strings)]
        known += [str(choice) for each in listed for choice in each.choices or ()]
        if message.startswith("unrecognized arguments: "):
            given = message.partition(": ")[2].split()[0].partition("=")[0]
        else:
            given = message.partition("invalid choice: '")[2].partition("'")[0]
        super().error(message + (did_you_mean(given, known) if given else ""))

    def load(self) -> None:
        """Add the options of the command; the second time, nothing."""
        name, self._command = self._command, None
        if name is not None:
            command = load_command(name)
            self.epilog = f"examples:\n{command.examples.rstrip()}"
            self.set_defaults(run=command.run)
            command.configure(self)
            add_global_options(self, default=SUPPRESS)

    def parse_known_args(self, *args: Any, **keywords: Any) -> Any:
        """As its parent; for a command, this is when its options are first needed."""
        self.load()
        if self.commands or self._is_intermixing:
            return super().parse_known_args(*args, **keywords)
        # Options may stand between arguments: export FILE --name NAME KIND.
        self._is_intermixing = True
        try:
            return super().parse_known_intermixed_args(*args, **keywords)
        finally:
            self._is_intermixing = False


def build_parser() -> CommandParser:
    """The parser; its sub-parsers are bare until they are used."""
    parser = CommandParser(prog="emberkeep", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"emberkeep {__version__}")
    add_global_options(parser, default=None)
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", dest="command")
    parser.commands = {
        name: commands.add_parser(
            name,
            help=purpose,
            command=name,
            description=f"{purpose[0].upper()}{purpose[1:]}.",
        )
        for name, purpose in COMMANDS.items()
    }
    return parser


def add_global_options(parser: ArgumentParser, *, default: object) -> None:
    """Options that stand before the command or after it; there, only if they are given."""
    parser.add_argument(
        "--root", metavar="DIR", default=default, help="the keep's folder (default: the setting)"
    )
    parser.add_argument(
        "--layer",
        metavar="LAYER",
        default=default or "local",
        help="local (the default), shared, or a shared folder",
    )
    parser.add_argument(
        "--format",
        choices=("text", "json"),
        default=default or "text",
        help="for people, or for programs",
    )


def load_command(name: str) -> Command:
    """A command, with its module: `zero_stats` for `zero-stats`, `import_` for `import`."""
    from importlib import import_module

    module = f"{name.replace('-', '_')}{'_' * iskeyword(name)}"
    command: Command = import_module(f"emberkeep.cli.commands.{module}").COMMAND
    return command
