"""Newton's method for the stages of a step: how long it goes on, in each lane by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import BOOL, INFINITY, INT, REAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.ode.kernel.code import Code, Value

# A stage is found when what is left of its error is this share of what a step may be wrong by.
SHARE = 0.01
MOST_TURNS = 8
# Where steps are of one length, none can be shorter, and slow is better than not at all.
MOST_TURNS_OF_FIXED = 64
# A step that is one correction is rather tried again, with new factors.
MOST_TURNS_OF_CORRECTION = 4
# What counts as tolerated is no less than so much of a state: less is not told from rounding.
LEAST_TOLERATED = {"float32": 2.0**-14, "float64": 2.0**-42}
# Changes that grow by this from turn to turn never end.
DIVERGING = 2.0


@final
class Newton:
    """Turns, until what is sought is found, or is not going to be.

    Args:
        code: what is written.
        most_turns: that there are.
    """

    def __init__(self, code: Code, most_turns: int) -> None:
        self._code, self._most_turns = code, most_turns
        self._rate = code.variable("newton_rate", REAL)

    def begin(self, where: Value | None = None) -> None:
        """Know nothing of how fast it converges: the matrix is another, in lanes where it is."""
        rate = 1.0 if where is None else self._code.where(where, 1.0, self._rate.get())
        self._rate.set(rate)

    def expect(self, least: Value) -> None:
        """Know that each turn leaves such a share of an error, at least."""
        bound = least / (1.0 - least)
        self._rate.set(self._code.larger(bound, self._rate.get()))  # also where it is not-a-number

    def seek(self, turn: Callable[[Value], Value]) -> Value:
        """Write turns; whether what was sought is found.

        How fast it converges is told by two changes after one another; before there are two, by
        what was sought before (Hairer & Wanner, Solving ODEs II, IV.8).

        Args:
            turn: writes one: what is sought changes where a condition holds. Gives the size of the
                change, in units of what is tolerated.
        """
        code = self._code
        is_open = code.variable("is_open", BOOL, code.value(True, BOOL))  # noqa: FBT003
        is_found = code.variable("is_found", BOOL, code.value(False, BOOL))  # noqa: FBT003
        before = code.variable("change_before", REAL, INFINITY)
        turns = code.variable("turns", INT, 0, uniform=True)
        with code.loop():
            going = is_open.get()
            size = turn(going)
            ratio = size / before.get()  # zero in the first turn
            rate = code.where(ratio < 1.0, ratio / (1.0 - ratio), INFINITY)
            rate = code.where(turns.get() > 0, rate, self._rate.get())
            found = going & (rate * size <= SHARE)
            # Not-a-number is not less.
            goes_on = going & ~found & (size < before.get() * DIVERGING)
            self._rate.set(code.where(going & (ratio < 1.0), rate, self._rate.get()))
            before.set(size)
            is_found.set(is_found.get() | found)
            is_open.set(goes_on)
            turns.set(turns.get() + 1)
            code.leave(~code.any(goes_on) | (turns.get() >= self._most_turns))
        return is_found.get()
