"""Observations as compiled programs take them: padded to a few sizes, with a weight for each.

New data of the same bucket are other numbers for the same program. Padding and what was not
observed have weight zero; values that occur more than once are one value with their count.
"""

from __future__ import annotations

import numpy as np

from emberkeep.errors import InvalidPlan
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]

SMALLEST_BUCKET = 16
STEPS = (1.0, 1.25, 1.5, 1.75)  # sizes between powers of two: at most a fourth is padding
MOST_AXES = 2


@final
@frozen
class Observations:
    """What was observed.

    Attributes:
        given: as the user gave it: by observation, or by observation and kind of reward.
        values: of the size of the bucket.
        weights: how often each value counts.
        rows: how many of them are no padding.
    """

    given: Values
    values: Values
    weights: Values
    rows: int

    @property
    def count(self) -> int:
        """How many were observed; one of which nothing was observed does not count."""
        seen = np.isfinite(self.given)
        return int(np.sum(seen if seen.ndim == 1 else seen.any(axis=1)))


def bucket(count: int) -> int:
    """The size to which so many observations are padded."""
    size = SMALLEST_BUCKET
    while size * 2 <= count:
        size *= 2
    if count <= size:
        return size
    return next(int(size * step) for step in (*STEPS, 2.0) if size * step >= count)


def read_observations(data: Any, kinds: int | None, *, is_discrete: bool) -> Observations:
    """Check data and lay them out.

    Args:
        data: times, or what was gathered; with several kinds of rewards a column for each, and NaN
            for what was not observed.
        kinds: how many kinds of rewards the model has; None: it is of times, or of one reward.
        is_discrete: whether they have to be whole numbers.

    Raises:
        InvalidPlan: says what is wrong with which observation.
    """
    given = _as_numbers(data, kinds)
    seen = ~np.isnan(given)
    _refuse(given, seen & ~np.isfinite(given), "not finite; expected numbers (NaN: not observed)")
    _refuse(given, seen & (given < 0), "negative; expected times or rewards of zero or more")
    if is_discrete:
        whole = np.where(seen, given, 0.0)
        _refuse(given, whole != np.round(whole), "no whole number, and the model is of steps")
    if not seen.any():
        raise InvalidPlan("There are no observations: the data are empty, or all of them NaN")
    if given.ndim == 1:
        values, counts = np.unique(given[seen], return_counts=True)
        return _padded(given, values, counts.astype(float))
    kept = seen.any(axis=1)
    # Where nothing was observed stands something harmless: a value that was, of that kind.
    typical = np.array(
        [
            column[mask][0] if mask.any() else 1.0
            for column, mask in zip(given.T, seen.T, strict=True)
        ]
    )
    return _padded(given, np.where(seen, given, typical)[kept], seen[kept].astype(float))


def _as_numbers(data: Any, kinds: int | None) -> Values:
    try:
        given = np.asarray(data, dtype=float)
    except (TypeError, ValueError) as problem:
        raise InvalidPlan(f"The data are no array of numbers: {problem}") from None
    if given.ndim == MOST_AXES and given.shape[1] == 1 and kinds is None:
        given = given[:, 0]
    if kinds is None and given.ndim != 1:
        raise InvalidPlan(
            f"The data have shape {given.shape}; expected (n,): the model has one density. For "
            "several kinds of rewards make it by graph.model(rewards=…)"
        )
    if kinds is not None and (given.ndim != MOST_AXES or given.shape[1] != kinds):
        raise InvalidPlan(
            f"The data have shape {given.shape}; expected (n, {kinds}): a column for each kind of "
            "reward of the model, with NaN for what was not observed"
        )
    return given


def _refuse(given: Values, wrong: Values, what: str) -> None:
    if wrong.any():
        where = tuple(int(axis) for axis in np.argwhere(wrong)[0])
        place = where[0] if len(where) == 1 else where
        raise InvalidPlan(f"Observation {place} is {given[where]:g}, which is {what}")


def _padded(given: Values, values: Values, weights: Values) -> Observations:
    rows = len(values)
    size = bucket(rows)
    filled = np.concatenate([values, np.repeat(values[:1], size - rows, axis=0)])
    padding = np.zeros((size - rows, *weights.shape[1:]))
    return Observations(given, filled, np.concatenate([weights, padding]), rows)
