"""Quantiles of whatever has both tails and a density."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.numeric import as_numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    Values = np.ndarray[Any, Any]

    class Tailed(Protocol):
        """What quantiles are found by: both tails, the density, and where to begin to look."""

        @property
        def is_discrete(self) -> bool:
            """Whether time goes in steps."""
            ...

        @property
        def defect(self) -> float:
            """The probability that it has ended before it begins."""
            ...

        def cdf(self, times: Values) -> Any:
            """The probability that it takes no longer."""
            ...

        def survival(self, times: Values) -> Any:
            """The probability that it takes longer."""
            ...

        def pdf(self, times: Values) -> Any:
            """The density."""
            ...

        def expectation(self) -> Any:
            """The mean."""
            ...


HALVINGS, PRECISE, PAST = 200, 4e-16, 2.5e-4


def read_probabilities(probabilities: Any) -> Values:
    """As they are, checked.

    Raises:
        InvalidGraph: one is none.
    """
    wanted = as_numbers("The probabilities", probabilities)
    if not ((wanted >= 0) & (wanted <= 1)).all():
        raise InvalidGraph(f"Probabilities must be between 0 and 1; here is {wanted.tolist()}")
    return wanted


def quantiles(of: Tailed, wanted: Values) -> Values:
    """By bisection between a time that is too early and one that is not, sped up by the density."""

    def excess(times: Values) -> Values:
        # The smaller of the two tails is the one that is known precisely.
        low = wanted[active] <= 0.5  # noqa: PLR2004 - the middle
        found = np.empty(len(times))
        if low.any():
            found[low] = of.cdf(times[low]) - wanted[active][low]
        if not low.all():
            found[~low] = (1 - wanted[active][~low]) - of.survival(times[~low])
        return found

    found = np.where(wanted >= 1, np.inf, 0.0)
    active = np.flatnonzero((wanted > of.defect) & (wanted < 1))
    low = np.zeros(len(active))
    high = np.full(len(active), of.expectation())
    high = np.maximum(high, 1.0) if of.is_discrete else high
    while (behind := excess(high) < 0).any():
        low[behind], high[behind] = high[behind], 2 * high[behind]
    guess = (low + high) / 2
    for _ in range(HALVINGS):
        if of.is_discrete:
            guess = np.floor(guess)
        over = excess(guess)
        high, low = np.where(over >= 0, guess, high), np.where(over >= 0, low, guess)
        width = high - low
        if (width <= (1 if of.is_discrete else PRECISE * high)).all():
            break
        middle = (low + high) / 2
        if of.is_discrete:
            guess = middle
            continue
        slope = of.pdf(guess)
        with np.errstate(divide="ignore", invalid="ignore"):
            newton = guess - over / slope
        # Just past the root, so that both ends come near.
        newton += PAST * (newton - guess)
        inside = (newton > low) & (newton < high)
        guess = np.where(inside, newton, middle)
    found[active] = high
    return found
