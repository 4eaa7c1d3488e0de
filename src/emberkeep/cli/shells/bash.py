"""Completion in bash. Files are left to bash, which knows of tildes, quotes and variables."""

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
    flags,
    indented,
    options,
    repeats,
    takes_value,
    value_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Action
    from collections.abc import Iterator

    from emberkeep.cli.parser import CommandParser

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


def script(parser: CommandParser) -> Iterator[str]:
    """The lines of the script."""
    everyone = [parser, *parser.commands.values()]
    valued = {
        flag: action
        for each in everyone
        for action in options(each)
        if takes_value(action)
        for flag in action.option_strings
    }
    yield HEAD
    yield f'            {"|".join(sorted(valued))}) option="$word" ;;'
    yield MIDDLE
    yield from indented(_of_options(valued), "            ")
    yield "            *) return ;;"
    yield "        esac"
    yield "    elif [[ $current == -* ]]; then"
    yield '        case "$command" in'
    yield f'            "") words="{flags(parser)}" ;;'
    for name, command in parser.commands.items():
        yield f'            {name}) words="{flags(command)}" ;;'
    yield "        esac"
    yield "    else"
    yield '        case "$command:$given" in'
    yield f'            :*) words="{" ".join(parser.commands)} {flags(parser)}" ;;'
    for name, command in parser.commands.items():
        yield from indented(_of_arguments(name, command), "            ")
    yield END


def _of_options(valued: dict[str, Action]) -> Iterator[str]:
    for flag, action in valued.items():
        what = _what(action)
        if what:
            yield f"{flag}) {what} ;;"


def _of_arguments(name: str, command: CommandParser) -> Iterator[str]:
    known = arguments(command)
    for place, action in enumerate(known):
        yield f"{name}:{'*' if repeats(action) else place}) {_what(action) or 'return'} ;;"
    if not any(map(repeats, known)):
        yield f'{name}:*) words="{flags(command)}" ;;'


def _what(action: Action) -> str:
    """The command that offers what may stand there; empty for what nobody can know."""
    if choices(action):
        return f'words="{choices(action)}"'
    return {
        FILE: FILES,
        FOLDER: FOLDERS,
        ENTRY: f'words="$({ASK})"',
        LAYER: LAYERS_OR_FOLDERS,
    }.get(value_of(action), "")
