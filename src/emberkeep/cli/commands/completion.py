"""``completion``: scripts for shells, written from the parser, so that they know all it knows."""

from __future__ import annotations

from emberkeep.cli.command import Command
from emberkeep.cli.naming import words_of
from emberkeep.cli.parser import build_parser
from emberkeep.store.files import PLAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Action, ArgumentParser
    from collections.abc import Iterator

    from emberkeep.cli.parser import CommandParser
    from emberkeep.cli.session import Session

SHELLS = ("bash", "zsh", "fish")
WORDS = "words"
ASK = f"emberkeep completion {WORDS} 2>/dev/null"  # what the scripts ask while somebody types
FOLDERS = ("--root",)  # options whose value is a folder
FILES = ("file",)  # arguments that are files
ENTRIES = ("key", "namespace", "entry", "other")  # arguments that name what is kept


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=(*SHELLS, WORDS), help="words: what entries are called")


def _completion(session: Session) -> int:
    if session.options.shell == WORDS:
        # Shells expand what they are given: a folder's name must not become a command.
        known = words_of(session.directory.entries())
        words = [word for word in known if PLAIN.issuperset(word.replace("/", ""))]
        session.answer({"words": words}, words)
        return 0
    parser = build_parser()
    for command in parser.commands.values():
        command.load()
    write = {"bash": _bash, "zsh": _zsh, "fish": _fish}[session.options.shell]
    lines = list(write(parser))
    session.answer({"shell": session.options.shell, "script": "\n".join(lines) + "\n"}, lines)
    return 0


def _options(parser: CommandParser) -> list[Action]:
    return [action for action in parser.listed if action.option_strings]


def _flags(parser: CommandParser) -> str:
    return " ".join(flag for action in _options(parser) for flag in action.option_strings)


def _takes_value(action: Action) -> bool:
    return action.nargs != 0


def _choices(parser: CommandParser) -> Iterator[tuple[Action, str]]:
    for action in parser.listed:
        if action.choices is not None:
            yield action, " ".join(str(choice) for choice in action.choices)


def _bash(parser: CommandParser) -> Iterator[str]:
    everyone = [parser, *parser.commands.values()]
    valued = sorted(
        {
            flag
            for each in everyone
            for action in _options(each)
            if _takes_value(action)
            for flag in action.option_strings
        }
    )
    yield '# emberkeep in bash: eval "$(emberkeep completion bash)"'
    yield "_emberkeep() {"
    yield '    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"'
    yield '    local command="" words="" skip="" index word'
    yield "    for ((index = 1; index < COMP_CWORD; index++)); do"
    yield '        word="${COMP_WORDS[index]}"'
    yield '        if [[ -n $skip ]]; then skip=""; continue; fi'
    yield '        case "$word" in'
    yield f"            {'|'.join(valued)}) skip=1 ;;"
    yield f'            {"|".join(parser.commands)}) command="$word"; break ;;'
    yield "        esac"
    yield "    done"
    yield '    case "$previous" in'
    yield f"        {'|'.join(FOLDERS)})"
    yield '            mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;'
    for flag, words in _flag_choices(everyone).items():
        yield f"        {flag})"
        yield f'            mapfile -t COMPREPLY < <(compgen -W "{words}" -- "$current"); return ;;'
    yield "    esac"
    yield '    case "$command" in'
    yield f'        "") words="{" ".join(parser.commands)} {_flags(parser)}" ;;'
    for name, command in parser.commands.items():
        values = [words for action, words in _choices(command) if not action.option_strings]
        asked = [f"$({ASK})"] if _has(command, ENTRIES) else []
        yield f'        {name}) words="{" ".join([*values, *asked, _flags(command)])}" ;;'
    yield "    esac"
    yield '    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")'
    yield "}"
    yield "complete -o bashdefault -o default -F _emberkeep emberkeep"


def _has(parser: CommandParser, names: tuple[str, ...]) -> bool:
    return any(not action.option_strings and action.dest in names for action in parser.listed)


def _flag_choices(parsers: list[CommandParser]) -> dict[str, str]:
    return {
        flag: words
        for parser in parsers
        for action, words in _choices(parser)
        for flag in action.option_strings
    }


def _zsh(parser: CommandParser) -> Iterator[str]:
    yield "#compdef emberkeep"
    yield "# emberkeep in zsh: source <(emberkeep completion zsh), after compinit"
    yield "_emberkeep() {"
    yield "    local context state line"
    yield "    typeset -A opt_args"
    yield "    _arguments -C \\"
    yield from (f"        {spec} \\" for spec in _zsh_options(parser))
    yield "        '1:command:->command' '*::argument:->arguments' && return"
    yield "    case $state in"
    yield "        command)"
    yield "            local -a commands=("
    for name, command in parser.commands.items():
        yield f"                {_quoted(f'{name}:{command.description}')}"
    yield "            )"
    yield "            _describe command commands ;;"
    yield "        arguments)"
    yield "            case $line[1] in"
    for name, command in parser.commands.items():
        specs = " ".join([*_zsh_options(command), *_zsh_positionals(command)])
        yield f"                {name}) _arguments {specs} ;;"
    yield "            esac ;;"
    yield "    esac"
    yield "}"
    yield "compdef _emberkeep emberkeep"


def _zsh_options(parser: CommandParser) -> Iterator[str]:
    for action in _options(parser):
        for flag in action.option_strings:
            text = f"{flag}[{_plain(action.help or '')}]"
            if _takes_value(action):
                if action.choices is not None:
                    values = f"({' '.join(str(choice) for choice in action.choices)})"
                else:
                    values = "_directories" if flag in FOLDERS else " "
                text += f":{action.dest.replace('_', ' ')}:{values}"
            yield _quoted(text)


def _zsh_positionals(parser: CommandParser) -> Iterator[str]:
    for action in parser.listed:
        if not action.option_strings:
            values = " " if action.choices is None else f"({' '.join(map(str, action.choices))})"
            if action.dest in FILES:
                values = "_files"
            text = _quoted(f":{action.dest}:{values}")
            # Asked while somebody types, so in double quotes.
            yield f'":{action.dest}:($({ASK}))"' if action.dest in ENTRIES else text


def _plain(text: str) -> str:
    """Without what `_arguments` would take for its own."""
    return "".join(letter if letter not in "[]:\\" else " " for letter in text)


def _fish(parser: CommandParser) -> Iterator[str]:
    yield "# emberkeep in fish: emberkeep completion fish | source"
    yield "complete -c emberkeep -f"
    none = "__fish_use_subcommand"
    yield from _fish_options(parser, none)
    for name, command in parser.commands.items():
        purpose = _quoted(command.description or "")
        yield f"complete -c emberkeep -n {none} -a {name} -d {purpose}"
    for name, command in parser.commands.items():
        condition = f"'__fish_seen_subcommand_from {name}'"
        yield from _fish_options(command, condition)
        if _has(command, FILES):
            yield f"complete -c emberkeep -n {condition} -F"
        if _has(command, ENTRIES):
            yield f"complete -c emberkeep -n {condition} -a '({ASK})'"
        for action, words in _choices(command):
            if not action.option_strings:
                yield f"complete -c emberkeep -n {condition} -a {_quoted(words)}"


def _fish_options(parser: CommandParser, condition: str) -> Iterator[str]:
    for action in _options(parser):
        names = [
            f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
            for flag in action.option_strings
        ]
        value = ""
        if action.choices is not None:
            value = f" -x -a {_quoted(' '.join(str(choice) for choice in action.choices))}"
        elif _takes_value(action):
            folders = any(flag in FOLDERS for flag in action.option_strings)
            value = " -x -a '(__fish_complete_directories)'" if folders else " -x"
        about = _quoted(action.help or "")
        yield f"complete -c emberkeep -n {condition} {' '.join(names)}{value} -d {about}"


def _quoted(text: str) -> str:
    """A word in single quotes, which all three shells read alike once there is none inside."""
    return "'" + text.replace("'", "`").replace("\\", "/") + "'"


COMMANDS = {
    "completion": Command(
        _configure,
        _completion,
        """\
  eval "$(emberkeep completion bash)"            in ~/.bashrc
  source <(emberkeep completion zsh)             in ~/.zshrc, after compinit
  emberkeep completion fish | source             in ~/.config/fish/config.fish
""",
    ),
}
