"""What is found of an event: when it occurred in each trajectory, and what states were there."""

from __future__ import annotations

from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import numpy as np

    Values = np.ndarray[Any, Any]


@final
@frozen
class Occurrences:
    """The occurrences of an event; ``found["x"]`` is a state or observable at each of them.

    Attributes:
        times: by trajectory: when the first ones were; NaN behind the last.
        values: by trajectory, occurrence, and state or observable: before the event's action.
        counts: how many there were, also where that is more than there was room for.
        names: of states and observables, in their order.
    """

    times: Values
    values: Values
    counts: Values
    names: tuple[str, ...]

    def __getitem__(self, name: str) -> Values:
        """A state or observable, by trajectory and occurrence."""
        if name not in self.names:
            raise KeyError(f"{name!r} is no state or observable; there are {', '.join(self.names)}")
        return self.values[..., self.names.index(name)]
