"""Completion in fish."""

from __future__ import annotations

from emberkeep.cli.shells import (
    ASK,
    ENTRY,
    FILE,
    FOLDER,
    LAYER,
    LAYERS,
    arguments,
    choices,
    options,
    quoted,
    takes_value,
    value_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Action
    from collections.abc import Iterator

    from emberkeep.cli.parser import CommandParser

NO_COMMAND = "__fish_use_subcommand"


def script(parser: CommandParser) -> Iterator[str]:
    """The lines of the script."""
    yield "# emberkeep in fish: emberkeep completion fish | source"
    yield "complete -c emberkeep -f"
    yield from _options(parser, NO_COMMAND)
    for name, command in parser.commands.items():
        purpose = quoted(command.description or "")
        yield f"complete -c emberkeep -n {NO_COMMAND} -a {name} -d {purpose}"
    for name, command in parser.commands.items():
        condition = f"'__fish_seen_subcommand_from {name}'"
        yield from _options(command, condition)
        for action in arguments(command):
            what = _what(action)
            if what:
                yield f"complete -c emberkeep -n {condition} {what}"


def _options(parser: CommandParser, condition: str) -> Iterator[str]:
    for action in options(parser):
        names = [
            f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
            for flag in action.option_strings
        ]
        value = f" -x {_what(action)}" if takes_value(action) else ""
        value = value.replace(" -x -F", " -r -F")  # files of its own finding are not exclusive
        about = quoted(action.help or "")
        yield f"complete -c emberkeep -n {condition} {' '.join(names)}{value.rstrip()} -d {about}"


def _what(action: Action) -> str:
    if choices(action):
        return f"-a {quoted(choices(action))}"
    return {
        FILE: "-F",
        FOLDER: "-a '(__fish_complete_directories)'",
        ENTRY: f"-a '({ASK})'",
        LAYER: f"-a '{' '.join(LAYERS)} (__fish_complete_directories)'",
    }.get(value_of(action), "")
