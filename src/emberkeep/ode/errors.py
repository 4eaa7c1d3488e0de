"""What solving raises and warns about; `emberkeep.errors` shows it among all."""

from emberkeep.errors import EmberkeepError, EmberkeepWarning


class InvalidSystem(EmberkeepError, ValueError):  # noqa: N818 - reads as what it says
    """Equations or names that make no system; the message shows the place in the equation."""


class SolveFailed(EmberkeepError, RuntimeError):  # noqa: N818 - reads as what it says
    """Trajectories failed, and the caller has asked to be told so by an error."""


class NotWritten(EmberkeepError, OSError):  # noqa: N818 - reads as what it says
    """Results are not on disk, or not all of them; says how much is there, and where."""


class SolveWarning(EmberkeepWarning):
    """Trajectories failed; says how many, why, and what to do."""


class SpillWarning(EmberkeepWarning):
    """Results are larger than memory may hold, and go to disk; says where."""
