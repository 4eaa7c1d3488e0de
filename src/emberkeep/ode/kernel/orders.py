"""Choosing order and length of the next step, by what errors of three orders would be.

As many steps as the order, and one more, are taken alike before either is chosen anew; then the
order with which the step can be longest. A step that could be only a little longer is not worth new
factors, and one that is accepted is not made shorter.
"""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import SINGLE
from emberkeep.ode.kernel.control import LEAST_SQUARE, MOST_SQUARE

if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.ode.kernel.code import Code, Value
    from emberkeep.ode.kernel.differences import Differences

WORTHWHILE = 1.2
NEVER = -1e3  # a binary logarithm


@final
class Orders:
    """What chooses them.

    Args:
        code: what is written.
        differences: of the trajectory.
        most: the highest order.
        setting: gives a number by its name.
    """

    def __init__(
        self, code: Code, differences: Differences, most: int, setting: Callable[[str], Value]
    ) -> None:
        self._code, self._differences, self._most = code, differences, most

        def single(name: str) -> Value:
            return code.value(setting(name), SINGLE)

        self._safety = single("safety")
        self._least, self._largest = single("most shrinking"), single("most growing")
        # How much longer a step of another order could be, as binary logarithms.
        self._lower = code.variable("lower_order", SINGLE)
        self._higher = code.variable("higher_order", SINGLE)

    def are_due(self, accepted: Value) -> Value:
        """Whether a step, if it is accepted, is followed by a choice."""
        differences = self._differences
        return accepted & (differences.equal.get() >= differences.order.get())

    def compare(self, lower: Value, higher: Value) -> None:
        """See how long steps of other orders can be.

        Args:
            lower: the squared error with the order below, in units of what is tolerated.
            higher: that with the order above.
        """
        code, order = self._code, self._differences.order.get()
        down, up = self._growth(lower, 0), self._growth(higher, 2)
        self._lower.set(code.where(order > 1, down, NEVER))
        self._higher.set(code.where(order < self._most, up, NEVER))

    def factor(self, square: Value, accepted: Value, due: Value) -> Value:
        """What the size of the step is multiplied with for the next one, whose order is chosen.

        Args:
            square: the squared error, in units of what is tolerated.
            accepted: whether the step is.
            due: whether there is a choice.
        """
        code, differences = self._code, self._differences
        order, equal = differences.order.get(), differences.equal.get()
        same, lower, higher = self._growth(square, 1), self._lower.get(), self._higher.get()
        best = code.larger(same, code.larger(lower, higher))
        is_changed = due & (best > log2(WORTHWHILE))
        rises = is_changed & (higher >= best)
        falls = is_changed & (lower >= best) & ~rises
        moved = code.where(rises, order + 1, code.where(falls, order - 1, order))
        differences.order.set(moved)
        counted = code.where(is_changed, 0, equal + 1)
        differences.equal.set(code.where(accepted, counted, equal))
        exponent = code.where(accepted, best, code.smaller(same, 0.0))
        exponent = code.larger(code.smaller(exponent, self._largest), self._least)
        changes = is_changed | ~accepted
        return code.where(changes, code.call("quick_exp2", exponent), 1.0)

    def _growth(self, square: Value, more: int) -> Value:
        """How much longer a step can be whose squared error grows by a power, as a logarithm.

        Args:
            square: the squared error.
            more: by how much half the power is more than the order.
        """
        code, differences = self._code, self._differences
        bounded = code.value(code.smaller(square, MOST_SQUARE), SINGLE)
        error = code.call("quick_log2", code.larger(bounded, LEAST_SQUARE))
        shares = [0.5 / max(order + more, 1) for order in range(1, self._most + 1)]
        return self._safety - error * code.value(differences.by_order(shares), SINGLE)
