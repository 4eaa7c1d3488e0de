"""Copies of a chain, one for each power of what is earned; for moments across epochs.

As `epoch_moments`, for kernels that know chains alone: with a number ε so small that it changes no
digit, what a state earns leads from each copy to the next at ε times its reward. So being in copy k
has the probability ε^k E[Y^k]/k!, of which nothing but rounding is lost. Those who have ended in
a copy stay in a place of its own.
"""

from __future__ import annotations

from math import factorial

import numpy as np

from emberkeep.phasetype.differentiable.chain_tape import Chain, depth_for, padded, rounded
from emberkeep.phasetype.kernels.accuracy import MOST_STEPS, mean_for
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]


@final
@frozen
class Copies:
    """Edges of all copies, and what their weights are made of.

    Attributes:
        counts, starts, sources, targets, ends: as of `chain_tape.Chain`.
        moves: by edge, the place among what one step of the chain does: its edges, its leaving, its
            staying, and one.
        gains: by edge, the place among powers of what is earned, by power and row.
        leaving: by row, the place among leaving and, last, zero.
        where: by copy and row of the chain, the row.
        ended: by copy but the first, the row of those who have ended there.
    """

    counts: Values
    starts: Values
    sources: Values
    targets: Values
    ends: Values
    moves: Values
    gains: Values
    leaving: Values
    where: Values
    ended: Values


def make_copies(chain: Chain, order: int, *, discrete: bool) -> Copies:
    """Copies for the powers 0 to `order`."""
    n, edges = int(chain.counts[0]), int(chain.counts[1])
    size, room = len(chain.ends), len(chain.sources)  # of a chain's arrays, rounded
    rows = np.arange(n)
    sources, targets = chain.sources[:edges].astype(np.int64), chain.targets[:edges]
    where = np.arange(order + 1)[:, None] * n + rows
    ended = (order + 1) * n + np.arange(order)
    # What one step does: where from, where to (-1 ends it), which weight.
    move = np.concatenate([np.arange(edges), room + rows])
    begin, end = np.concatenate([sources, rows]), np.concatenate([targets, np.full(n, -1)])
    parts: list[tuple[Values, Values, Values, Values]] = []
    for low in range(order + 1):
        for high in range(low, order + 1):
            gap, gain = high - low, (high - low) * size
            goes = end >= 0 if high == 0 else np.ones(len(move), bool)
            if gap == 0 or discrete:
                to = np.where(end >= 0, where[high][end], ended[high - 1] if high else 0)
                step = (where[low][begin], to, move, gain + begin)
                parts.append((step[0][goes], step[1][goes], step[2][goes], step[3][goes]))
            if gap and (discrete or gap == 1):
                stays = room + size + rows if discrete else np.full(n, room + 2 * size)
                parts.append((where[low], where[high], stays, gain + rows))
    from_, to, moves, gains = (np.concatenate(part) for part in zip(*parts, strict=True))
    order_ = np.argsort(to, kind="stable")
    count, many = (order + 1) * n + order, len(to)
    whole, width = rounded(count), rounded(many)
    depth = depth_for(whole)
    counts = (count, many, 0, discrete, 1, min(MOST_STEPS, mean_for(depth**3)), depth, 1, False)
    leaving = np.full(whole, size)
    leaving[where[0]] = rows
    nowhere = room + 2 * size + 1  # zero
    return Copies(
        np.array(counts, np.int64),
        np.searchsorted(to[order_], np.arange(whole + 1)).astype(np.int32),
        padded(from_[order_], width, whole).astype(np.int32),
        padded(to[order_], width, whole).astype(np.int32),
        np.full(whole, count, np.int32),
        padded(moves[order_], width, nowhere).astype(np.int32),
        padded(gains[order_], width).astype(np.int32),
        leaving.astype(np.int32),
        padded(where, size, whole).astype(np.int32),
        ended.astype(np.int32),
    )


def factorials(order: int) -> Values:
    """Those of 0 to `order`."""
    return np.array([float(factorial(power)) for power in range(order + 1)])
