"""Polynomials through samples, piece by piece: steps, straight lines, and cubic splines.

All samples of one driver have the same knots, so what depends on these alone is computed once,
and all that depends on values is done for all rows at once.
"""

from __future__ import annotations

import numpy as np

from emberkeep.ode.system.declarations import CUBIC, LINEAR, STEP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]

NEGLIGIBLE = 1e-18  # as a share: it changes nothing in double precision
COARSE, TURN = 0.2, 1.0  # a wave is 2π of them long
PARABOLA = 3  # knots through which a cubic spline is one


def coefficients(kind: str, knots: Values, values: Values, *, periodic: bool) -> Values:
    """Of each piece, the coefficients of 1, u, u², …, where u is the time since its first knot.

    A cubic spline has a second derivative without jumps: also from the last knot to the first if
    it is periodic, else its first two pieces are one polynomial, and its last two ("not-a-knot").

    Args:
        kind: which polynomials.
        knots: in their order, at least two.
        values: at each of them, in the last axis; there may be rows of them.
        periodic: whether the last value is the first one again.
    """
    if kind == STEP:
        return values[..., None]
    widths = np.diff(knots)
    rises = np.diff(values) / widths
    if kind == LINEAR:
        return np.stack([values[..., :-1], rises], axis=-1)
    slopes = (_periodic_slopes if periodic else _slopes)(widths, rises)
    before, after = slopes[..., :-1], slopes[..., 1:]
    second = (3 * rises - 2 * before - after) / widths
    third = (before + after - 2 * rises) / widths**2
    return np.stack([values[..., :-1], before, second, third], axis=-1)


def marks(kind: str, knots: Values, pieces: Values) -> Values:
    """At which knots steps have to end: the first, the last, and where something happens.

    Steps and straight lines: where they change. A cubic spline may be stepped across where samples
    are dense, but not so far that something of it hides between the stages of a step. How much it
    turns at a knot, which is nothing along one polynomial, is told by the fourth root of a jump of
    its third derivative: it is marked where that is `COARSE`, and where it adds up to `TURN`.

    Args:
        kind: of the polynomials.
        knots: between pieces.
        pieces: their coefficients, of one driver or of several rows.
    """
    found = np.ones((*pieces.shape[:-2], knots.size), np.bool_)
    changes = np.diff(pieces[..., -1])
    if kind != CUBIC:
        found[..., 1:-1] = changes[..., : knots.size - 2] != 0
        return found
    widths, values = np.diff(knots), pieces[..., 0]
    around = np.maximum(widths[1:], widths[:-1])
    ranges = values.max(axis=-1, keepdims=True) - values.min(axis=-1, keepdims=True)
    turning = np.zeros(changes.shape)
    np.divide(6 * np.abs(changes) * around**3, ranges, out=turning, where=ranges > 0)
    turning **= 0.25
    turns = np.floor(np.cumsum(turning, axis=-1) / TURN)
    found[..., 1:-1] = (turning >= COARSE) | (np.diff(turns, prepend=0.0) > 0)
    return found


def _periodic_slopes(widths: Values, rises: Values) -> Values:
    """Slopes of a periodic cubic spline at its knots."""
    before, risen = np.roll(widths, 1), np.roll(rises, 1, axis=-1)
    right = 3 * (widths * risen + before * rises)
    slopes = _round_a_circle(widths, 2 * (before + widths), before, right)
    return np.concatenate([slopes, slopes[..., :1]], axis=-1)


def _slopes(widths: Values, rises: Values) -> Values:
    """Slopes of a cubic spline without knots at its second and last but one sample."""
    if widths.size == 1:
        return np.repeat(rises, 2, axis=-1)
    before, after = widths[:-1], widths[1:]
    both = before + after
    right = 3 * (after * rises[..., :-1] + before * rises[..., 1:])
    if widths.size + 1 == PARABOLA:
        middle = right / (3 * both)
        return np.concatenate(
            [2 * rises[..., :1] - middle, middle, 2 * rises[..., 1:] - middle], -1
        )
    first = _end(widths[0], widths[1], rises[..., 0], rises[..., 1])
    last = _end(widths[-1], widths[-2], rises[..., -1], rises[..., -2])
    # With the conditions at both ends taken away, what is left is dominated by its diagonal.
    lower, middle, upper = after.copy(), 2 * both, before.copy()
    right[..., 0] -= first
    right[..., -1] -= last
    middle[0], middle[-1], lower[0], upper[-1] = both[0], both[-1], 0.0, 0.0
    inner = _round_a_circle(lower, middle, upper, right)
    begin = (first - both[0] * inner[..., 0]) / widths[1]
    end = (last - both[-1] * inner[..., -1]) / widths[-2]
    return np.concatenate([begin[..., None], inner, end[..., None]], axis=-1)


def _end(width: Any, following: Any, rise: Values, next_rise: Values) -> Values:
    """The right side of: following · slope + (width + following) · next slope."""
    both = width + following
    return ((width + 2 * both) * following * rise + width**2 * next_rise) / both


def _round_a_circle(lower: Values, diagonal: Values, upper: Values, right: Values) -> Values:
    """Solve lower[i] x[i-1] + diagonal[i] x[i] + upper[i] x[i+1] = right[i], i going round.

    Each turn takes the neighbours out of every row, which leaves those twice as far away, with
    ever smaller shares, as the diagonal is larger than both (parallel cyclic reduction).
    """
    apart = 1
    while (np.abs(lower) + np.abs(upper) > NEGLIGIBLE * np.abs(diagonal)).any():
        down, up = -lower / np.roll(diagonal, apart), -upper / np.roll(diagonal, -apart)
        right = right + down * np.roll(right, apart, -1) + up * np.roll(right, -apart, -1)
        diagonal = diagonal + down * np.roll(upper, apart) + up * np.roll(lower, -apart)
        lower, upper = down * np.roll(lower, apart), up * np.roll(upper, -apart)
        apart *= 2
    return right / diagonal
