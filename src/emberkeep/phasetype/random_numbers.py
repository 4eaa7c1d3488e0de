"""Random numbers that depend on a key and the number of a chain alone.

They are those of `kernels.simulation`. So the chain of a number is the same however many are
drawn beside it.
"""

from __future__ import annotations

import numpy as np

from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]

STEP = np.uint64(0x9E3779B97F4A7C15)


def key_of(seed: int | None) -> int:
    """The key that a seed gives; another one each time, for None."""
    return int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])


def _mixed(state: Values) -> Values:
    """Steele, Lea and Flood's mixing of a counter (OOPSLA 2014)."""
    z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@final
class Uniforms:
    """Numbers between 0 and 1, neither included: for each chain a sequence of its own.

    Args:
        key: what `key_of` gave.
        begin, end: the numbers of the chains; below, each is named by its place among them.

    Attributes:
        all: the places of all of them.
    """

    def __init__(self, key: int, begin: int, end: int) -> None:
        self.all = np.arange(end - begin)
        numbers = np.arange(begin, end, dtype=np.uint64)
        self._states = _mixed(np.uint64(key) + _mixed(numbers * STEP + np.uint64(1)))

    def next_of(self, chains: Values) -> Values:
        """The next number of each of these chains."""
        self._states[chains] += STEP
        bits = _mixed(self._states[chains])
        return ((bits >> np.uint64(12)).astype(float) + 0.5) * 2.0**-52
