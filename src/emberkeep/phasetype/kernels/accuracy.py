"""What may be left out of a uniformised chain, and how a Poisson probability is computed.

For all who compute with one: kernels, operations on whole arrays, NumPy. So this is plain
arithmetic, and numbers.
"""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TAIL = 44.0  # of Poisson weights: e⁻⁴⁴ is beyond where sums are asked first whether they are done
FAINTEST = 750.0  # a weight of e⁻⁷⁵⁰ does not count
LAST = 2.0**-57  # a part that no sum's last digit depends on
GONE = 1e-290  # probability below which nothing is left
SLACK = 1e-9  # how far sums of probabilities may be over one, by rounding
MOST_STEPS = 2_000_000  # whose errors are at most some 1e-16 each
EXACT = 16  # factorials below are exact, and Stirling's series is from there on


def steps_for(mean: float, tail: float) -> int:
    """Which number a Poisson number is at least with a probability below e to minus the tail.

    Bernstein's inequality.
    """
    third = tail / 3.0
    return math.ceil(mean + third + math.sqrt(third * third + 2.0 * tail * mean)) + 1


def mean_for(steps: int) -> int:
    """The largest mean for which so many steps are enough; the other way round."""
    return int(steps - 2 * TAIL - (2 * TAIL * steps) ** 0.5)


def stirling(k: Any) -> Any:
    """The rest of Stirling's series for the logarithm of k!, from `EXACT` on right to rounding."""
    r = 1.0 / (k * k)
    return (1.0 / 12 - r * (1.0 / 360 - r * (1.0 / 1260 - r / 1680))) / k
