"""The mean of squared errors, each in units of what is tolerated.

Divisions are what this costs: a processor's vectors take as long for one as for sixteen products.
So in double precision two states share one, over the product of their scales. That product may be
too large or too small for a number, where no scale is: what comes out is not finite then, and is
computed again as it is written in books.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import INFINITY, REAL
from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emberkeep.ode.kernel.code import Operand, Value
    from emberkeep.ode.kernel.vectors import Layout

    At = Callable[[Operand], Value]


@final
@frozen
class Measure:
    """By what steps of a trajectory are judged.

    Attributes:
        states: how many there are.
        judged: how many of them, the first, choose the steps.
        tolerated: what error is tolerated in a state of some size, at least a share of it.
        setting: gives a number that controls steps by its name.
    """

    states: int
    judged: int
    tolerated: Callable[[Value, Operand, float], Value]
    setting: Callable[[str], Value]


def mean_square(layout: Layout, size: int, error: At, scale: At) -> Value:
    """The mean, over so many states.

    Args:
        layout: where vectors lie.
        size: how many states.
        error: the error of each.
        scale: how much of it is tolerated.
    """
    code = layout.code
    share = 1 / size

    def single(total: Value, index: Operand) -> Value:
        ratio = code.call("quick_ratio", error(index), scale(index))
        return total + ratio * ratio

    def exact(total: Value, index: Operand) -> Value:
        ratio = error(index) / scale(index)
        return total + ratio * ratio

    if layout.shares is not None:  # there are threads enough to divide by each scale
        total = code.value(0.0, REAL)
        for index in layout.shares.in_turn:
            with code.work_of(layout.owner(index)):
                total = exact(total, index)
        return code.told(total * share)
    if code.is_single:  # whose range is too small for products of scales, and divisions quick
        return layout.fold(size, 0.0, single) * share
    if size == 1:
        return exact(code.value(0.0, REAL), 0)
    pairs = size // 2 - size % 2  # three of them go together, where the number is odd

    def pair(total: Value, index: Operand) -> Value:
        return total + _together(error, scale, [index * 2, index * 2 + 1])

    total = layout.fold(pairs, 0.0, pair) if pairs else code.value(0.0, REAL)
    if size % 2:
        total = total + _together(error, scale, [size - 3, size - 2, size - 1])
    total = code.named("mean_square", total * share)
    found = code.variable("checked_square", REAL, total)
    is_finite = total < INFINITY
    with code.when(code.any(~is_finite)):
        found.set(code.where(is_finite, total, layout.fold(size, 0.0, exact) * share))
    return found.get()


def _together(error: At, scale: At, places: Sequence[Operand]) -> Value:
    """The sum of a few squared ratios, over one denominator."""
    scales = [scale(place) for place in places]
    top: Value | None = None
    bottom: Value | None = None
    for place, own in zip(places, scales, strict=True):
        part = error(place)
        for other in scales:
            if other is not own:
                part = part * other
        top = part * part if top is None else top + part * part
        bottom = own if bottom is None else bottom * own
    assert top is not None
    assert bottom is not None
    return top / (bottom * bottom)
