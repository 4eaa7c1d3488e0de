"""Bundles as files: written whole, and what taking one in means for trust."""

from __future__ import annotations

import os
from contextlib import contextmanager

from emberkeep.errors import StoreProblem
from emberkeep.sharing.bundle.frames import BEGINNING
from emberkeep.store import files
from emberkeep.trust.edits import change_trust, with_entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from typing import BinaryIO

    from emberkeep.sharing.bundle.index import BundleIndex
    from emberkeep.trust.trust_list import Trust


@contextmanager
def written_whole(path: str) -> Generator[BinaryIO]:
    """The file, which is there whole or not at all; pipes and devices are written as they come.

    Raises:
        StoreProblem: it cannot be written.
    """
    if "\0" in path:
        raise StoreProblem(f"{path!r} is no name that a file can have")
    target = os.path.realpath(path)  # a link stays one
    is_device = os.path.exists(target) and not os.path.isfile(target)
    if not is_device and not _may_go(target):
        raise StoreProblem(
            f"{path} is there already, and is no bundle, so it is not replaced. Remove it, or give "
            "the bundle another name"
        )
    draft = target if is_device else f"{target}.{files.unique_name()}"
    try:
        with open(draft, "wb" if is_device else "xb") as out:
            yield out
        if not is_device:
            os.replace(draft, target)
    except OSError as problem:
        raise StoreProblem(f"{path} cannot be written: {problem}") from problem
    finally:
        if not is_device:
            files.remove_file(draft)


def _may_go(path: str) -> bool:
    """Whether a bundle may take the place of what is there: of nothing, or of another bundle."""
    try:
        with open(path, "rb") as file:
            return file.read(len(BEGINNING)) in (b"", BEGINNING)
    except FileNotFoundError:
        return True
    except OSError as problem:
        raise StoreProblem(f"{path} cannot be looked at: {problem}") from problem


def pin_builds(config_dir: str | None, index: BundleIndex, builds: Iterable[str]) -> None:
    """Importing is the user's word that these builds may run here."""
    origin = f"{index.name} {index.version}"
    wanted = sorted(set(builds))

    def pin(trust: Trust) -> Trust:
        for build in wanted:
            if build not in trust.pinned:
                trust = with_entry(trust, "pinned", build, origin)
        return trust

    if wanted:
        change_trust(config_dir, pin)
