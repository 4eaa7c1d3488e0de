"""Completion in zsh."""

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
    repeats,
    takes_value,
    value_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Action
    from collections.abc import Iterator

    from emberkeep.cli.parser import CommandParser


def script(parser: CommandParser) -> Iterator[str]:
    """The lines of the script."""
    yield "#compdef emberkeep"
    yield "# emberkeep in zsh: source <(emberkeep completion zsh), after compinit"
    yield f'_emberkeep_entries() {{ compadd -- ${{(f)"$({ASK})"}} }}'
    yield f"_emberkeep_layers() {{ compadd -- {' '.join(LAYERS)}; _directories }}"
    yield "_emberkeep() {"
    yield "    local context state line"
    yield "    typeset -A opt_args"
    yield "    _arguments -C \\"
    yield from (f"        {spec} \\" for spec in _options(parser))
    yield "        '1:command:->command' '*::argument:->arguments' && return"
    yield "    case $state in"
    yield "        command)"
    yield "            local -a commands=("
    for name, command in parser.commands.items():
        yield f"                {quoted(f'{name}:{command.description}')}"
    yield "            )"
    yield "            _describe command commands ;;"
    yield "        arguments)"
    yield "            case $words[1] in"
    for name, command in parser.commands.items():
        yield f"                {name}) _arguments {' '.join(_specs(command))} ;;"
    yield "            esac ;;"
    yield "    esac"
    yield "}"
    yield "compdef _emberkeep emberkeep"


def _specs(command: CommandParser) -> Iterator[str]:
    yield from _options(command)
    for action in arguments(command):
        optional = ":" if action.nargs == "?" else ""
        place = "*" if repeats(action) else optional
        yield quoted(f"{place}:{action.dest}:{_values(action)}")


def _options(parser: CommandParser) -> Iterator[str]:
    for action in options(parser):
        for flag in action.option_strings:
            text = f"{flag}[{_plain(action.help or '')}]"
            if takes_value(action):
                text += f":{action.dest.replace('_', ' ')}:{_values(action)}"
            yield quoted(text)


def _values(action: Action) -> str:
    if choices(action):
        return f"({choices(action)})"
    return {
        FILE: "_files",
        FOLDER: "_directories",
        ENTRY: "_emberkeep_entries",
        LAYER: "_emberkeep_layers",
    }.get(value_of(action), " ")


def _plain(text: str) -> str:
    """Without what `_arguments` would take for its own."""
    return "".join(letter if letter not in "[]:\\" else " " for letter in text)
