"""The keep of a process: that of all kernels, systems and graphs which were given none."""

from __future__ import annotations

from emberkeep.keep.keep import Keep
from emberkeep.startup_records import final


@final
class DefaultKeep:
    """A keep that is made when it is first asked for.

    Args:
        keep: one to give in its place.
    """

    def __init__(self, keep: Keep | None = None) -> None:
        self._made = {} if keep is None else {"keep": keep}

    def get(self) -> Keep:
        """The keep; threads that ask for it at once all take that of one."""
        return self._made.get("keep") or self._made.setdefault("keep", Keep())


process = DefaultKeep()


def default_keep() -> Keep:
    """The keep of this process, with the settings as they were when it was first asked for."""
    return process.get()
