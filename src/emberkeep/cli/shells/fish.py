"""Completion in fish."""

from __future__ import annotations

from emberkeep.cli.shells import ASK, ENTRY, FILE, FOLDER, LAYER, LAYERS, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from emberkeep.cli.shells import Described

NO_COMMAND = "__fish_use_subcommand"


# What is offered for each kind of value.
OFFERS = {
    FILE: "-F",
    FOLDER: "-a '(__fish_complete_directories)'",
    ENTRY: f"-a '({ASK})'",
    LAYER: f"-a '{' '.join(LAYERS)} (__fish_complete_directories)'",
}
CHOICES = "-a '{}'"


def script(whole: Described) -> Iterator[str]:
    """The lines of the script."""
    yield "# emberkeep in fish: emberkeep completion fish | source"
    yield "complete -c emberkeep -f"
    yield from _options(whole, NO_COMMAND)
    for command in whole.commands:
        about = quoted(command.about)
        yield f"complete -c emberkeep -n {NO_COMMAND} -a {command.name} -d {about}"
    for command in whole.commands:
        condition = f"'__fish_seen_subcommand_from {command.name}'"
        yield from _options(command, condition)
        for argument in command.arguments:
            offered = argument.offered(OFFERS, CHOICES)
            if offered:
                yield f"complete -c emberkeep -n {condition} {offered}"


def _options(command: Described, condition: str) -> Iterator[str]:
    for option in command.options:
        names = [
            f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags
        ]
        value = f" -x {option.offered(OFFERS, CHOICES)}" if option.takes_value else ""
        value = value.replace(" -x -F", " -r -F")  # files of its own finding are not exclusive
        about = quoted(option.about)
        yield f"complete -c emberkeep -n {condition} {' '.join(names)}{value.rstrip()} -d {about}"
