"""What a command is: the options it adds, what it does, and examples for its help."""

from __future__ import annotations

from emberkeep.errors import InvalidSetting
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Mapping, Sequence

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


def require_fitting(session: Session, command: str, goes_with: Mapping[str, Sequence[str]]) -> None:
    """Refuse options that the action does not have, in place of passing over them.

    Args:
        session: the run.
        command: for the message.
        goes_with: actions by the option's name; an option that was not given is None, or empty.

    Raises:
        InvalidSetting: one was given.
    """
    action = session.options.action
    for option, actions in goes_with.items():
        if action not in actions and getattr(session.options, option) not in (None, False, []):
            flag = "--for" if option == "namespaces" else f"--{option}"
            raise InvalidSetting(
                f"{flag} goes with `emberkeep {command} {' or '.join(actions)}`, not with {action}"
            )


def no_arguments(_parser: ArgumentParser) -> None:
    """For commands that have none of their own."""
