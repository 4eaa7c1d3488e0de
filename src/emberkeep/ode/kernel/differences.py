"""What a trajectory of a multistep method remembers: backward differences of its last states.

Where the last steps had the spacing h, ∇y = y(t) - y(t - h), ∇²y is the difference of those, and so
on. They are a polynomial in another form: how it goes on, and what its differences are at another
spacing, is arithmetic on them (Shampine & Reichelt, SIAM J. Sci. Comput. 18, 1997).
"""

from __future__ import annotations

from math import factorial
from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import INT, REAL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emberkeep.ode.kernel.code import Code, Operand, Value
    from emberkeep.ode.kernel.vectors import Layout, Vector


@final
class Differences:
    """Those of one trajectory, by rows: the first is ∇y.

    The rows beyond the order hold what the last correction was, of which the next one becomes a
    difference when the order rises.

    Args:
        layout: where vectors lie.
        states: how many there are.
        most: the highest order.

    Attributes:
        rows: one for each order, and the last correction.
        order: of the polynomial.
        equal: how many steps have been taken with this order and spacing.
    """

    def __init__(self, layout: Layout, states: int, most: int) -> None:
        code = self._code = layout.code
        self._layout, self._states, self._most = layout, states, most
        self.rows = [layout.kept(f"d{row}_", states) for row in range(1, most + 2)]
        self.order = code.variable("order", INT)
        self.equal = code.variable("equal_steps", INT)
        self._spacing = code.variable("spacing", REAL)
        self.rest()

    def rest(self) -> None:
        """Numbers that a lane without a trajectory can go along with."""
        zero = self._code.value(0.0, REAL)

        def clear(index: Operand) -> None:
            for row in self.rows:
                row.set(index, zero)

        self._layout.each(self._states, clear)
        self.order.set(1)
        self.equal.set(0)
        self._spacing.set(0.0)

    def begin(self, slopes: Vector, spacing: Value, signed: Value, where: Value | None) -> None:
        """Know slopes alone, where integration begins.

        Args:
            slopes: of the states there.
            spacing: of the first step.
            signed: the same, negative backwards.
            where: in which lanes; None in a single one.
        """

        def chosen(new: Operand, old: Value) -> Value:
            found = new if where is None else self._code.where(where, new, old)
            return self._code.value(found, old.kind)

        def put(index: Operand) -> None:
            first, *others = self.rows
            first.set(index, chosen(signed * slopes.get(index), first.get(index)))
            for row in others:
                row.set(index, chosen(0.0, row.get(index)))

        self._layout.each(self._states, put)
        self.order.set(chosen(1, self.order.get()))
        self.equal.set(chosen(0, self.equal.get()))
        self._spacing.set(chosen(spacing, self._spacing.get()))

    def by_order(self, numbers: Sequence[Operand]) -> Value:
        """The one of some numbers that is of this order."""
        code, order = self._code, self.order.get()
        found = code.value(numbers[0], REAL)
        for number, each in enumerate(numbers[1:], 2):
            found = code.where(order.equals(number), each, found)
        return found

    def up_to_order(self, numbers: Sequence[Operand]) -> list[Value]:
        """Numbers of orders, and zero in place of those of higher ones than this."""
        code, order = self._code, self.order.get()
        return [
            code.value(code.where(order >= number, each, 0.0), REAL)
            for number, each in enumerate(numbers, 1)
        ]

    # From step to step ------------------------------------------------------------------------

    def space(self, spacing: Value) -> None:
        """Give the polynomial another spacing, in lanes where it is another."""
        code = self._code
        is_other = spacing.differs(self._spacing.get())
        with code.when(code.any(is_other)):
            ratio = code.where(is_other, spacing / self._spacing.get(), 1.0)
            weights = self._of_spacing(ratio)

            def put(index: Operand) -> None:
                before = [row.get(index) for row in self.rows[: self._most]]
                for place, row in enumerate(self.rows[: self._most]):
                    total = weights[place][place] * before[place]
                    for other in range(place + 1, self._most):
                        total = code.call("fmuladd", weights[place][other], before[other], total)
                    row.set(index, total)

            self._layout.each(self._states, put)
            self._spacing.set(spacing)
            self.equal.set(code.where(is_other, 0, self.equal.get()))

    def _of_spacing(self, ratio: Value) -> list[list[Value]]:
        """What the differences of a spacing so many times as long take of these.

        That of order j is (1 - (1 - ∇)^ratio)^j, as a power series; rows beyond the order stay.
        """
        code, most = self._code, self._most
        first = [ratio]
        for place in range(1, most):
            first.append(first[-1] * (place - ratio) * (1 / (place + 1)))
        powers = [first]  # of each order j, the coefficients of ∇ʲ, ∇ʲ⁺¹, …
        for order in range(2, most + 1):
            before = powers[-1]
            powers.append(
                [
                    _sum(code, [(first[low], before[place - low]) for low in range(place + 1)])
                    for place in range(most + 1 - order)
                ]
            )
        order = self.order.get()
        found: list[list[Value]] = []
        for place, row in enumerate(powers):
            zero = code.value(0.0, REAL)
            found.append([zero] * place)
            for distance, weight in enumerate(row):
                stays = 0.0 if distance else 1.0
                found[-1].append(code.where(order > place + distance, weight, stays))
        return found

    def predict(self, shares: Sequence[Operand]) -> Callable[[Operand], tuple[Value, Value]]:
        """What gives, for each state, its predicted change, and a weighted sum of differences.

        Args:
            shares: the weights of that, zero beyond the order.
        """
        code, rows = self._code, self.rows[: self._most]
        ones, weights = self.up_to_order([1.0] * self._most), [code.value(x, REAL) for x in shares]

        def at(index: Operand) -> tuple[Value, Value]:
            found = [row.get(index) for row in rows]
            pairs = [zip(found, each, strict=True) for each in (ones, weights)]
            change, total = (_sum(code, [*each]) for each in pairs)
            return change, total

        return at

    def follow(self, correction: Vector, accepted: Value) -> None:
        """Go to the end of a step, where it is accepted, which lies beside what was predicted."""
        code = self._code
        ones = self.up_to_order([1.0] * self._most)

        def put(index: Operand) -> None:
            total = correction.get(index)
            *rows, last = self.rows
            last.set(index, code.where(accepted, total, last.get(index)))
            for row, one in zip(reversed(rows), reversed(ones), strict=True):
                before = row.get(index)
                total = code.call("fmuladd", one, before, total)
                row.set(index, code.where(accepted, total, before))

        self._layout.each(self._states, put)

    # Within a step, before it is followed -----------------------------------------------------

    def weights_within(self, theta: Value) -> tuple[list[Value], Value]:
        """What a value at the fraction θ of the step takes of rows, and of the correction.

        That is θ (θ + 1) … (θ + j - 1) / j! of row j.
        """
        found = [theta]
        for place in range(1, self._most):
            found.append(found[-1] * (theta + float(place)) * (1 / (place + 1)))
        return self.up_to_order(found), self.by_order(found)

    def polynomial(self, place: int, correction: Vector) -> list[Value]:
        """What a state gains within the step, as coefficients of θ, θ², …."""
        code, rising = self._code, _rising(self._most)
        ones = self.up_to_order([1.0] * self._most)
        gains = [one * row.get(place) for one, row in zip(ones, self.rows, strict=False)]
        found: list[Value] = []
        for power in range(self._most):
            share = self.by_order([row[power] for row in rising])
            pairs = [(gain, row[power]) for gain, row in zip(gains, rising, strict=True)]
            found.append(_sum(code, [(correction.get(place), share), *pairs]))
        return found


def _rising(most: int) -> list[list[float]]:
    """The coefficients of θ (θ + 1) … (θ + j - 1) / j!, by powers from 1 on, for each j."""
    found: list[list[float]] = []
    product = [1.0] + [0.0] * most
    for number in range(most):
        product = [
            number * product[power] + (product[power - 1] if power else 0.0)
            for power in range(most + 1)
        ]
        found.append([each / factorial(number + 1) for each in product[1:]])
    return found


def _sum(code: Code, pairs: Sequence[tuple[Value, Operand]]) -> Value:
    (value, weight), *rest = pairs
    total = value * weight
    for value, weight in rest:
        total = code.call("fmuladd", value, weight, total)
    return total
