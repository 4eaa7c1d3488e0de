"""``completion``: a script that completes commands, files, and what is kept, in a shell."""

from __future__ import annotations

from importlib import import_module

from emberkeep.cli.command import Command
from emberkeep.cli.naming import words_of
from emberkeep.cli.parser import build_parser
from emberkeep.cli.shells import WORDS, described
from emberkeep.store.files import PLAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

    from emberkeep.cli.session import Session

SHELLS = ("bash", "zsh", "fish")


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=(*SHELLS, WORDS), help="words: what entries are called")


def _completion(session: Session) -> int:
    shell = session.options.shell
    if shell == WORDS:
        # Shells expand what they are given: a folder's name must not become a command.
        known = words_of(session.directory.entries())
        words = [word for word in known if PLAIN.issuperset(word.replace("/", ""))]
        session.answer({"words": words}, words)
        return 0
    whole = described(build_parser())
    lines = "\n".join(import_module(f"emberkeep.cli.shells.{shell}").script(whole)).split("\n")
    session.answer({"shell": shell, "script": "\n".join(lines) + "\n"}, lines)
    return 0


COMMAND = Command(
    _configure,
    _completion,
    """\
  eval "$(emberkeep completion bash)"     # in ~/.bashrc
  source <(emberkeep completion zsh)      # in ~/.zshrc, after compinit
  emberkeep completion fish | source      # in ~/.config/fish/config.fish
""",
)
