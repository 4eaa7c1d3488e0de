"""How a run of particles went, and whether it still goes anywhere."""

from __future__ import annotations

import numpy as np

from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]

STRETCH = 50  # steps between two looks from outside; widths are found anew once in each


@final
@frozen
class History:
    """How a run went.

    Attributes:
        mean: of the parameters, by step.
        std: likewise.
        level: the mean log density.
    """

    mean: Values
    std: Values
    level: Values

    def __len__(self) -> int:
        """How many steps there were."""
        return len(self.level)


def movement(mean: Values, std: Values) -> float:
    """How far mean and standard deviation went, in standard deviations.

    From the mean over one window of STRETCH steps to that over the next; infinite before there
    are two.
    """
    if len(mean) < 2 * STRETCH:
        return float("inf")
    before, after = slice(-2 * STRETCH, -STRETCH), slice(-STRETCH, None)
    spread = np.maximum(std[after].mean(axis=0), np.finfo(float).tiny)
    moved = [np.abs(x[after].mean(axis=0) - x[before].mean(axis=0)) / spread for x in (mean, std)]
    return float(np.max(moved))
