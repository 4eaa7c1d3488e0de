"""Completion in bash. Files are left to bash, which knows of tildes, quotes and variables."""

from __future__ import annotations

from emberkeep.cli.shells import ASK, ENTRY, FILE, FOLDER, LAYER, LAYERS, indented

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from emberkeep.cli.shells import Described, Slot

# bash takes `--root=DIR` for three words.
HEAD = """\
# emberkeep in bash: eval "$(emberkeep completion bash)"
_emberkeep() {
    local current="${COMP_WORDS[COMP_CWORD]}" command="" option="" given=0 words="" index word
    for ((index = 1; index < COMP_CWORD; index++)); do
        word="${COMP_WORDS[index]}"
        if [[ $word == "=" ]]; then continue; fi
        if [[ -n $option ]]; then option=""; continue; fi
        case "$word" in"""
MIDDLE = """\
            -*) ;;
            *) if [[ -z $command ]]; then command="$word"; else ((given++)); fi ;;
        esac
    done
    COMPREPLY=()
    if [[ $current == "=" ]]; then current=""; fi
    if [[ -n $option ]]; then
        case "$option" in"""
END = """\
            *) return ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o bashdefault -F _emberkeep emberkeep"""
FILES, FOLDERS = (f"compopt -o {what} 2>/dev/null; return" for what in ("default", "dirnames"))
LAYERS_OR_FOLDERS = (
    "compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < "
    f'<(compgen -W "{" ".join(LAYERS)}" -- "$current"; compgen -d -- "$current"); return'
)


# What is offered for each kind of value.
OFFERS = {FILE: FILES, FOLDER: FOLDERS, ENTRY: f'words="$({ASK})"', LAYER: LAYERS_OR_FOLDERS}
CHOICES = 'words="{}"'


def script(whole: Described) -> Iterator[str]:
    """The lines of the script."""
    valued = {
        flag: option
        for each in (whole, *whole.commands)
        for option in each.options
        if option.takes_value
        for flag in option.flags
    }
    yield HEAD
    yield f'            {"|".join(sorted(valued))}) option="$word" ;;'
    yield MIDDLE
    yield from indented(_of_options(valued), "            ")
    yield "            *) return ;;"
    yield "        esac"
    yield "    elif [[ $current == -* ]]; then"
    yield '        case "$command" in'
    yield f'            "") words="{whole.flags}" ;;'
    for command in whole.commands:
        yield f'            {command.name}) words="{command.flags}" ;;'
    yield "        esac"
    yield "    else"
    yield '        case "$command:$given" in'
    names = " ".join(command.name for command in whole.commands)
    yield f'            :*) words="{names} {whole.flags}" ;;'
    for command in whole.commands:
        yield from indented(_of_arguments(command), "            ")
    yield END


def _of_options(valued: dict[str, Slot]) -> Iterator[str]:
    for flag, option in valued.items():
        offered = option.offered(OFFERS, CHOICES)
        if offered:
            yield f"{flag}) {offered} ;;"


def _of_arguments(command: Described) -> Iterator[str]:
    for place, argument in enumerate(command.arguments):
        pattern = f"{command.name}:{'*' if argument.repeats else place}"
        yield f"{pattern}) {argument.offered(OFFERS, CHOICES) or 'return'} ;;"
    if not any(argument.repeats for argument in command.arguments):
        yield f'{command.name}:*) words="{command.flags}" ;;'
