"""Where steps would be too many: from a moment to all of time, by doubling it.

P(h), what becomes of a chain in a moment in which no state is left more than once on average, is a
series of positive terms, and P(2h) = P(h) P(h). All entries are positive, nothing is subtracted; a
product has the relative errors of its factors and its own. So an error doubles with each doubling,
and after s of them it is at most 2^s times what one product of rows brings in. With numbers of
twice the digits that is

    λt (n + 36 (d + 6)) 2^-103

of each probability, however small (above 1e-270), for n states of which at most d lead to one. λ is
a power of two, at most twice the fastest rate. With λt of 1e18 it is below 1e-10, and in truth far
less. No spectrum is asked for, and no norm. The series is cut after 35 terms: among 2λt events in
λt moments, that one has more of them has a probability below λt 2^36 / 36!.

In discrete time P(1) is there to begin with. Times that are longer are as good as those at which
nothing is left of the chain. What could be neither is refused (`TooStiff`).
"""

from __future__ import annotations

from decimal import Context, Decimal

import numpy as np

from emberkeep.phasetype.errors import TooStiff
from emberkeep.phasetype.kernels.double_double import multiply
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.chains import Chain

    Values = np.ndarray[Any, Any]

TERMS = 35
PRECISE = 1e-10
GONE = 1e-300  # probability below which nothing is left
DIGITS = Context(prec=45)


@final
class Precise:
    """A matrix of numbers that are not negative, each the sum of two floats.

    Attributes:
        high, low: the numbers, and what they were rounded by.
        spans: by row, the first column that is not zero, and the one after the last.
    """

    __slots__ = ("high", "low", "spans")

    def __init__(
        self, high: Values, low: Values | None = None, spans: Values | None = None
    ) -> None:
        self.high, self.low = high, np.zeros_like(high) if low is None else low
        self.spans = _spans(high) if spans is None else spans

    def __getitem__(self, rows: Any) -> Precise:
        return Precise(self.high[rows], self.low[rows], self.spans[rows])

    def __setitem__(self, rows: Any, values: Precise) -> None:
        self.high[rows], self.low[rows] = values.high, values.low
        self.spans[rows] = values.spans

    def times(
        self,
        matrix: Precise,
        factors: tuple[Values, Values] | None = None,
        added: Precise | None = None,
    ) -> Precise:
        """The product with a matrix, by row times a factor, and with what is added."""
        count = len(self.high)
        scale, scale_more = (np.ones(count), np.zeros(count)) if factors is None else factors
        over = self if added is None else added
        found = Precise(
            np.empty_like(self.high), np.empty_like(self.high), np.empty((count, 2), np.uint64)
        )
        multiply(
            self.high, self.low, scale, scale_more, matrix.high, matrix.low, matrix.spans,
            int(added is not None), over.high, over.low, found.high, found.low, found.spans,
            count=count,
        )  # fmt: skip
        return found


def _spans(values: Values) -> Values:
    there = values != 0
    ends = values.shape[1] - there[:, ::-1].argmax(axis=1)
    return np.stack([there.argmax(axis=1), ends * there.any(axis=1)], axis=1).astype(np.uint64)


def longest(chain: Chain) -> float:
    """The largest λt for which the error is proven to be below `PRECISE`."""
    most = int(np.diff(chain.starts).max(initial=0))
    return PRECISE * 2.0**103 / (chain.size + (TERMS + 1) * (most + 6))


def work(chain: Chain, times: Values) -> float:
    """How many multiplications there will be."""
    count = len(chain.vertices)
    inner = chain.begins
    # A row meets those rows that it can come to.
    lengths = np.concatenate([[0], np.cumsum(chain.size - inner)])
    once = float((lengths[count] - lengths[inner]).sum())
    means = np.minimum(chain.rate * times, longest(chain))
    return once * max(1.0, float(np.log2(means.max(initial=1.0)))) + float(
        len(times) * chain.size**2
    )


def doubled(chain: Chain, times: Values) -> Values:
    """By time and place: the probability of being there, or what has been gathered.

    Raises:
        TooStiff: a time is too long for the rates, and something is left.
    """
    rate, most = chain.rate, np.floor(longest(chain))
    means = np.minimum(rate * times, most)
    moments = np.floor(means)
    steps = [int(moment) for moment in moments]
    rows = Precise(np.repeat(chain.initial[None, :], len(times), axis=0))
    matrix = jumps = _jumps(chain)
    if not chain.is_discrete:
        rows = _in_moments(jumps, rows, means - moments)
        matrix = _in_a_moment(jumps)
    doubling = 0
    while True:
        chosen = [row for row, step in enumerate(steps) if step >> doubling & 1]
        if chosen:
            rows[chosen] = rows[chosen].times(matrix)
        doubling += 1
        if not any(step >> doubling for step in steps):
            break
        matrix = matrix.times(matrix)
    late = (rate * times > most) & (rows.high[:, : len(chain.vertices)].sum(axis=1) > GONE)
    if late.any():
        time = float(times[late].max())
        raise TooStiff(
            f"At time {time:.6g} the fastest state could have been left {rate * time:.1e} times, "
            f"and something is left of the chain; beyond {most:.1e} times no digit would be "
            "certain. Rates and times are too far apart: ask for shorter times, or leave out what "
            "is so fast that it takes no time"
        )
    return rows.high


def _in_moments(jumps: Precise, rows: Precise, means: Values) -> Precise:
    """What becomes of rows in which so many events are expected, one at most."""
    rows = first = rows.times(Precise(np.eye(len(jumps.high))), _exponentials(means))
    for term in range(TERMS, 0, -1):
        rows = rows.times(jumps, _quotients(means, term), first)
    return rows


def _in_a_moment(jumps: Precise) -> Precise:
    """The same of every place, where one event is expected."""
    identity, means = np.eye(len(jumps.high)), np.ones(len(jumps.high))
    ended, ended_more = _exponentials(np.ones(1))
    matrix = first = Precise(identity * ended, identity * ended_more)
    for term in range(TERMS, 0, -1):
        matrix = jumps.times(matrix, _quotients(means, term), first)
    return matrix


def _jumps(chain: Chain) -> Precise:
    """By place and place, where an event leads, at the chain's rate."""
    rate, count = chain.rate, len(chain.vertices)
    found = np.zeros((chain.size, chain.size))
    targets = np.repeat(np.arange(chain.size), np.diff(chain.starts))
    found[chain.sources, targets] = chain.weights / rate
    stays, more = _difference(rate, chain.leaving, chain.leaving_more)
    found[np.diag_indices(chain.size)] = np.append(stays / rate, np.ones(chain.size - count))
    rounded = np.diag(np.append(more / rate, np.zeros(chain.size - count)))
    return Precise(found, rounded)


def _exponentials(means: Values) -> tuple[Values, Values]:
    """e⁻ᵐ."""
    found = [DIGITS.exp(Decimal(-float(mean))) for mean in means]
    high = [float(value) for value in found]
    low = [float(DIGITS.subtract(*pair)) for pair in zip(found, map(Decimal, high), strict=True)]
    return np.array(high), np.array(low)


def _quotients(means: Values, term: int) -> tuple[Values, Values]:
    """m/k."""
    high = means / term
    halves = 134217729.0 * high
    upper = halves - (halves - high)
    product = high * term
    rounded = (upper * term - product) + (high - upper) * term
    return high, ((means - product) - rounded) / term


def _difference(rate: float, leaving: Values, leaving_more: Values) -> tuple[Values, Values]:
    """What is left of a rate, as the sum of two floats."""
    first = rate - leaving
    shifted = first - rate
    rest = (rate - (first - shifted)) - (leaving + shifted) - leaving_more
    high = np.maximum(first + rest, 0.0)
    return high, np.where(high > 0, rest - (high - first), 0.0)
