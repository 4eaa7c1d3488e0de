"""How far a command has come, on standard error, for people alone."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from emberkeep.cli.session import Session
    from emberkeep.telemetry.progress import Progress


@contextmanager
def showing(session: Session, name: str) -> Generator[Callable[[int, int], None]]:
    """A function that is told how much is done, and of how much; shown once it was told so."""
    with ExitStack() as until_the_end:
        shown: list[Progress] = []

        def tell(done: int, total: int) -> None:
            if not shown:
                from emberkeep.telemetry.progress import Progress, display_for

                progress = Progress(name, total, display_for(sys.stderr))
                shown.append(until_the_end.enter_context(progress))
            shown[0].advance(done - shown[0].done)

        def say_nothing(_done: int, _total: int) -> None: ...

        yield tell if session.options.format == "text" else say_nothing
