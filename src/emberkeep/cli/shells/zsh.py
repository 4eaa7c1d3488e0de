"""Completion in zsh."""

from __future__ import annotations

from emberkeep.cli.shells import ASK, ENTRY, FILE, FOLDER, LAYER, LAYERS, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from emberkeep.cli.shells import Described, Slot


# What is offered for each kind of value.
OFFERS = {
    FILE: "_files",
    FOLDER: "_directories",
    ENTRY: "_emberkeep_entries",
    LAYER: "_emberkeep_layers",
}


def script(whole: Described) -> Iterator[str]:
    """The lines of the script."""
    yield "#compdef emberkeep"
    yield "# emberkeep in zsh: source <(emberkeep completion zsh), after compinit"
    yield f'_emberkeep_entries() {{ compadd -- ${{(f)"$({ASK})"}} }}'
    yield f"_emberkeep_layers() {{ compadd -- {' '.join(LAYERS)}; _directories }}"
    yield "_emberkeep() {"
    yield "    local context state line"
    yield "    typeset -A opt_args"
    yield "    _arguments -C \\"
    yield from (f"        {spec} \\" for spec in _options(whole))
    yield "        '1:command:->command' '*::argument:->arguments' && return"
    yield "    case $state in"
    yield "        command)"
    yield "            local -a commands=("
    for command in whole.commands:
        yield f"                {quoted(f'{command.name}:{command.about}')}"
    yield "            )"
    yield "            _describe command commands ;;"
    yield "        arguments)"
    yield "            case $words[1] in"
    for command in whole.commands:
        yield f"                {command.name}) _arguments {' '.join(_specs(command))} ;;"
    yield "            esac ;;"
    yield "    esac"
    yield "}"
    yield "compdef _emberkeep emberkeep"


def _specs(command: Described) -> Iterator[str]:
    yield from _options(command)
    for argument in command.arguments:
        optional = ":" if argument.may_lack else ""
        place = "*" if argument.repeats else optional
        yield quoted(f"{place}:{argument.name}:{_values(argument)}")


def _options(command: Described) -> Iterator[str]:
    for option in command.options:
        for flag in option.flags:
            text = f"{flag}[{_plain(option.about)}]"
            if option.takes_value:
                text += f":{option.name.replace('_', ' ')}:{_values(option)}"
            yield quoted(text)


def _values(slot: Slot) -> str:
    return slot.offered(OFFERS, "({})") or " "


def _plain(text: str) -> str:
    """Without what `_arguments` would take for its own."""
    return "".join(letter if letter not in "[]:\\" else " " for letter in text)
