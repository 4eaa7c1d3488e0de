"""What a command is: the options it adds, what it does, and examples for its help."""

from __future__ import annotations

from emberkeep.light import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable

    from emberkeep.cli.session import Session


@final
@frozen
class Command:
    """A command of the command line.

    Attributes:
        configure: adds its arguments to a parser.
        run: does it; returns the exit code.
        examples: command lines, one a line.
    """

    configure: Callable[[ArgumentParser], None]
    run: Callable[[Session], int]
    examples: str


def no_arguments(_parser: ArgumentParser) -> None:
    """For commands that have none of their own."""
