"""Which shared places this user has seen as keeps: one that is an empty folder now is not mounted.

A mount point without its file system is an empty folder. Laid out anew, it would hide what is
built from everybody else, and keep the file system from being mounted. So each user remembers, in
a file for each place below the folder of their configuration, that there was a keep.
"""

from __future__ import annotations

import os

from emberkeep.startup_records import final, sha256
from emberkeep.store import files

FOLDER = "places"
DIGITS = 32


@final
class KnownPlace:
    """Whether there was a keep at some address.

    Args:
        config_dir: the folder of the user's configuration; None where the user has none: then
            nothing is remembered.
        address: of the place.
    """

    def __init__(self, config_dir: str | None, address: str) -> None:
        self._address = address
        name = sha256(os.fsencode(address)).hexdigest()[:DIGITS]
        self._path = None if config_dir is None else os.path.join(config_dir, FOLDER, name)
        self._is_noted = self._path is None

    def is_known(self) -> bool:
        """Whether there was one when this user last looked."""
        return self._path is not None and os.path.exists(self._path)

    def note(self) -> None:
        """There is one; where that cannot be written down, a courtesy is lost and nothing else."""
        if self._is_noted or self._path is None:
            return
        self._is_noted = True
        if not os.path.exists(self._path):
            try:
                files.write_file(
                    self._path, os.fsencode(self._address) + b"\n", os.path.dirname(self._path)
                )
            except OSError:
                return

    def forget(self) -> None:
        """Whoever looks after the place has emptied it on purpose."""
        if self._path is not None:
            files.remove_file(self._path)
            self._is_noted = False
