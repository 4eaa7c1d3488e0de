"""Entries of a keep as a signed file: what ``export`` and ``build`` write."""

from __future__ import annotations

import sys
from contextlib import contextmanager

from emberkeep.cli.progress import showing
from emberkeep.cli.session import warn
from emberkeep.errors import InvalidSetting
from emberkeep.sharing.bundle_files import written_whole
from emberkeep.sharing.library import About, export_library
from emberkeep.store.files import objection
from emberkeep.trust.judge import judge_of
from emberkeep.trust.others import Others

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import BinaryIO

    from emberkeep.cli.session import Session
    from emberkeep.sharing.library import Exported
    from emberkeep.store.directory import Directory
    from emberkeep.store.protocol import Entry

USUAL_LEVEL = 1  # of 19: machine code gains next to nothing between 1 and 10

STREAM = "-"


def require_named(*given: str) -> None:
    """Refuse a name or version by which nobody could tell a library from others.

    Raises:
        InvalidSetting: one is empty, or no bundle could hold it.
    """
    for text in given:
        problem = objection(text) if text.strip() else "says nothing"
        if problem is not None:
            raise InvalidSetting(
                f"{text[:40]!r} is no name and no version of a library: it {problem}"
            )


def export_to(
    session: Session,
    directory: Directory,
    entries: Sequence[Entry],
    path: str,
    about: About,
    *,
    level: int = USUAL_LEVEL,
    details: bool = True,
) -> Exported:
    """Write entries of a keep to a bundle.

    Args:
        session: has the settings.
        directory: the keep.
        entries: of it.
        path: of the bundle.
        about: name, version and description.
        level: of zstd.
        details: whether ingredients go along.
    """
    judge = judge_of(session.settings, warn)
    others = Others(judge, session.sealer, details=details, on_problem=warn)
    with _written(path) as out, showing(session, "export") as tell:
        return export_library(directory, entries, out, about, others, level=level, on_progress=tell)


@contextmanager
def _written(path: str) -> Generator[BinaryIO]:
    """The file, or what is piped into another command."""
    if path == STREAM:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with written_whole(path) as out:
        yield out
