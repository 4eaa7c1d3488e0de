"""Choosing the next step from the errors of the last ones.

All controllers are one formula in logarithms, whose exponents are numbers that the kernel is
passed: I, PI, PID and Gustafsson's differ in them alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import SINGLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.ode.kernel.code import Code, Value

# Squared errors beyond these change the step as much as these do.
LEAST_SQUARE, MOST_SQUARE = 1e-12, 1e12
# The binary logarithm of the squared error of a step that was just accepted.
NEUTRAL = 0.0


@final
class Controller:
    """What each trajectory remembers of its steps.

    Args:
        code: what is written.
        setting: gives a number by its name.
    """

    def __init__(self, code: Code, setting: Callable[[str], Value]) -> None:
        self._code = code
        self._before = code.variable("error_before", SINGLE)
        self._earlier = code.variable("error_earlier", SINGLE)
        self._change = code.variable("size_change", SINGLE)
        self._most = code.variable("most_growing", SINGLE)

        def single(name: str) -> Value:
            return code.value(setting(name), SINGLE)

        self._safety = single("safety")
        names = ("error", "error before", "error before that")
        # Of squares: half of what errors have.
        self._exponents = [single(name) * 0.5 for name in names]
        self._ratio, self._slack = single("change"), single("slack")
        self._retry = single("retry") * 0.5
        self._least, self._largest = single("most shrinking"), single("most growing")

    def begin(self) -> None:
        """Remember nothing."""
        for variable in (self._before, self._earlier, self._change):
            variable.set(NEUTRAL)
        self._most.set(self._largest)

    def factor(self, square: Value, accepted: Value) -> Value:
        """What the size of the step is multiplied with for the next one.

        Args:
            square: the squared error, in units of what is tolerated.
            accepted: whether the step is.
        """
        code = self._code
        bounded = code.value(code.smaller(square, MOST_SQUARE), SINGLE)
        error = code.call("quick_log2", code.larger(bounded, LEAST_SQUARE))
        before, earlier, change = self._before.get(), self._earlier.get(), self._change.get()
        now, last, older = self._exponents
        alone = self._safety - self._retry * error
        history = last * before + older * earlier - self._ratio * change
        exponent = code.smaller(self._safety - now * error - history, alone + self._slack)
        # After a rejected step, only its own error counts.
        exponent = code.where(accepted, exponent, alone)
        exponent = code.larger(code.smaller(exponent, self._most.get()), self._least)
        self._before.set(code.where(accepted, error, before))
        self._earlier.set(code.where(accepted, before, earlier))
        self._change.set(exponent + code.where(accepted, 0.0, change))
        self._most.set(code.where(accepted, self._largest, 0.0))
        return code.call("quick_exp2", exponent)
