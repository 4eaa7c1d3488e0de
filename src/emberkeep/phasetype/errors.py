"""What graphs and inference raise and warn about; `emberkeep.errors` shows it among all."""

from emberkeep.elimination.errors import InvalidGraph as InvalidGraph
from emberkeep.errors import EmberkeepError, EmberkeepWarning


class TooStiff(EmberkeepError, ValueError):  # noqa: N818 - reads as what it says
    """Rates and times of a graph are so far apart that no answer would be known to be right."""


class InferenceWarning(EmberkeepWarning):
    """A posterior is not what the data alone would make it; says of what, and what to do."""
