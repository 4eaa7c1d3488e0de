"""A bar for long solves."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emberkeep.telemetry.progress import Progress, display_for

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


@contextmanager
def showing(name: str, runs: int) -> Generator[Callable[[int], None]]:
    """Show how many trajectories have ended, on standard error."""
    with Progress(f"solve {name}", runs, display_for(sys.stderr)) as bar:
        yield bar.advance
