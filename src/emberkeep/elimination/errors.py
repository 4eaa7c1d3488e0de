"""What is wrong with a graph, for all that work on one."""

from emberkeep.errors import EmberkeepError


class InvalidGraph(EmberkeepError, ValueError):  # noqa: N818 - reads as what it says
    """A graph of states cannot be what it is said to be; names the state."""
