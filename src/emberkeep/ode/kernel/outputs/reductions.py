"""What is made of the values of a state or observable as they come, in place of saving them.

A reduction holds a few numbers, folds the value at each time to save into them, and makes its
result of them in the end. Each is what NumPy's of the same name gives of the saved values. Means
are held in double precision, whatever that of states: in single precision, what one of a million
values adds is lost.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import INFINITY, NAN, REAL, TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emberkeep.ode.kernel.code import Code, Value


class Reduction(ABC):
    """One kind of reduction.

    Attributes:
        starts: the numbers that it holds before the first value, with their kinds.
        is_smooth: whether it changes with the values by how much they do, and has a slope.
    """

    starts: tuple[tuple[str, float], ...]
    is_smooth = True

    @abstractmethod
    def fold(
        self, code: Code, held: Sequence[Value], value: Value, time: Value, count: Value
    ) -> list[Value]:
        """The numbers after one more value, of which it is the `count`-th."""

    @abstractmethod
    def result(self, code: Code, held: Sequence[Value], count: Value) -> Value:
        """What is wanted, after so many values."""

    @abstractmethod
    def fold_slope(
        self,
        code: Code,
        held: Sequence[Value],
        slopes: Sequence[Value],
        value: Value,
        slope: Value,
        count: Value,
    ) -> list[Value]:
        """The derivatives of what is held after one more value, which has one itself.

        Args:
            code: what is written.
            held: before the value.
            slopes: the derivatives of these; zeros before the first.
            value: the one more.
            slope: its derivative.
            count: how many values there are with it.
        """

    @abstractmethod
    def slope(
        self, code: Code, held: Sequence[Value], slopes: Sequence[Value], count: Value
    ) -> Value:
        """The derivative of what is wanted, after so many values."""


@final
class Mean(Reduction):
    """The mean, kept as such, so that nothing grows."""

    starts = ((TIME, 0.0),)

    def fold(
        self,
        code: Code,
        held: Sequence[Value],
        value: Value,
        time: Value,  # noqa: ARG002
        count: Value,
    ) -> list[Value]:
        """Move by a share of the distance."""
        (mean,) = held
        return [mean + (code.value(value, TIME) - mean) / code.value(count, TIME)]

    def result(self, code: Code, held: Sequence[Value], count: Value) -> Value:  # noqa: ARG002
        """The mean."""
        return code.value(held[0], REAL)

    def fold_slope(
        self,
        code: Code,
        held: Sequence[Value],  # noqa: ARG002
        slopes: Sequence[Value],
        value: Value,  # noqa: ARG002
        slope: Value,
        count: Value,
    ) -> list[Value]:
        """The mean of derivatives."""
        (mean,) = slopes
        return [mean + (code.value(slope, TIME) - mean) / code.value(count, TIME)]

    def slope(
        self,
        code: Code,
        held: Sequence[Value],  # noqa: ARG002
        slopes: Sequence[Value],
        count: Value,  # noqa: ARG002
    ) -> Value:
        """That mean."""
        return code.value(slopes[0], REAL)


@final
class Deviation(Reduction):
    """The standard deviation about the mean (Welford)."""

    starts = ((TIME, 0.0), (TIME, 0.0))

    def fold(
        self,
        code: Code,
        held: Sequence[Value],
        value: Value,
        time: Value,  # noqa: ARG002
        count: Value,
    ) -> list[Value]:
        """Add what the value adds to the squares about the mean."""
        mean, squares = held
        exact = code.value(value, TIME)
        before = exact - mean
        after = mean + before / code.value(count, TIME)
        return [after, squares + before * (exact - after)]

    def result(self, code: Code, held: Sequence[Value], count: Value) -> Value:
        """The root of the mean of squares."""
        return code.value(code.call("sqrt", held[1] / code.value(count, TIME)), REAL)

    def fold_slope(
        self,
        code: Code,
        held: Sequence[Value],
        slopes: Sequence[Value],
        value: Value,
        slope: Value,
        count: Value,
    ) -> list[Value]:
        """Line by line that of what is added to the squares."""
        exact, moves, number = (code.value(each, TIME) for each in (value, slope, count))
        apart, apart_moves = exact - held[0], moves - slopes[0]
        mean, mean_moves = held[0] + apart / number, slopes[0] + apart_moves / number
        added = apart_moves * (exact - mean) + apart * (moves - mean_moves)
        return [mean_moves, slopes[1] + added]

    def slope(
        self, code: Code, held: Sequence[Value], slopes: Sequence[Value], count: Value
    ) -> Value:
        """Of the root; not-a-number where all values are the same."""
        number = code.value(count, TIME)
        root = code.call("sqrt", held[1] / number)
        return code.value(slopes[1] / (number * (root * 2.0)), REAL)


@final
class RootMeanSquare(Reduction):
    """The root of the mean of squares."""

    starts = ((TIME, 0.0),)

    def fold(
        self,
        code: Code,
        held: Sequence[Value],
        value: Value,
        time: Value,  # noqa: ARG002
        count: Value,
    ) -> list[Value]:
        """Move the mean of squares."""
        (mean,) = held
        exact = code.value(value, TIME)
        return [mean + (exact * exact - mean) / code.value(count, TIME)]

    def result(self, code: Code, held: Sequence[Value], count: Value) -> Value:  # noqa: ARG002
        """Its root."""
        return code.value(code.call("sqrt", held[0]), REAL)

    def fold_slope(
        self,
        code: Code,
        held: Sequence[Value],  # noqa: ARG002
        slopes: Sequence[Value],
        value: Value,
        slope: Value,
        count: Value,
    ) -> list[Value]:
        """The mean of derivatives of squares."""
        (mean,) = slopes
        square = code.value(value, TIME) * 2.0 * code.value(slope, TIME)
        return [mean + (square - mean) / code.value(count, TIME)]

    def slope(
        self,
        code: Code,
        held: Sequence[Value],
        slopes: Sequence[Value],
        count: Value,  # noqa: ARG002
    ) -> Value:
        """Of the root; not-a-number where all values are zero."""
        return code.value(slopes[0] / (code.call("sqrt", held[0]) * 2.0), REAL)


@final
class Extreme(Reduction):
    """The smallest or largest of all."""

    def __init__(self, function: str, start: float, *, of_size: bool = False) -> None:
        self.starts = ((REAL, start),)
        self._function, self._of_size = function, of_size

    def fold(
        self,
        code: Code,
        held: Sequence[Value],
        value: Value,
        time: Value,  # noqa: ARG002
        count: Value,  # noqa: ARG002
    ) -> list[Value]:
        """Take the value if it is more extreme."""
        size = code.call("abs", value) if self._of_size else value
        return [code.call(self._function, held[0], size)]

    def result(self, code: Code, held: Sequence[Value], count: Value) -> Value:  # noqa: ARG002
        """That value."""
        return held[0]

    def fold_slope(
        self,
        code: Code,
        held: Sequence[Value],
        slopes: Sequence[Value],
        value: Value,
        slope: Value,
        count: Value,  # noqa: ARG002
    ) -> list[Value]:
        """That of the value, if it is more extreme, or not-a-number; the first of equal ones."""
        size = code.call("abs", value) if self._of_size else value
        is_more = size < held[0] if self._function == "min" else size > held[0]
        if self._of_size:
            slope = code.where(value < 0, -slope, slope)
        return [code.where(is_more | size.differs(size), slope, slopes[0])]

    def slope(
        self,
        code: Code,  # noqa: ARG002
        held: Sequence[Value],  # noqa: ARG002
        slopes: Sequence[Value],
        count: Value,  # noqa: ARG002
    ) -> Value:
        """That of the value."""
        return slopes[0]


@final
class TimeOfExtreme(Reduction):
    """When the smallest or largest was, for the first time; not-a-number is both."""

    starts = ((REAL, NAN), (TIME, NAN))
    is_smooth = False  # it is one of the times to save

    def __init__(self, function: str) -> None:
        self._is_min = function == "min"

    def fold(
        self,
        code: Code,
        held: Sequence[Value],
        value: Value,
        time: Value,
        count: Value,
    ) -> list[Value]:
        """Take the time, if the value is the first or more extreme."""
        extreme, when = held
        is_less = value >= extreme if self._is_min else value <= extreme
        is_more = count.equals(1) | (~is_less & extreme.equals(extreme))
        return [code.where(is_more, value, extreme), code.where(is_more, time, when)]

    def result(self, code: Code, held: Sequence[Value], count: Value) -> Value:  # noqa: ARG002
        """That time."""
        return held[1]

    def fold_slope(
        self,
        code: Code,  # noqa: ARG002
        held: Sequence[Value],  # noqa: ARG002
        slopes: Sequence[Value],
        value: Value,  # noqa: ARG002
        slope: Value,  # noqa: ARG002
        count: Value,  # noqa: ARG002
    ) -> list[Value]:
        """Nothing: there are none."""
        return [*slopes]

    def slope(
        self,
        code: Code,
        held: Sequence[Value],  # noqa: ARG002
        slopes: Sequence[Value],  # noqa: ARG002
        count: Value,  # noqa: ARG002
    ) -> Value:
        """Likewise."""
        return code.value(NAN, REAL)


REDUCTIONS: dict[str, Reduction] = {
    "mean": Mean(),
    "std": Deviation(),
    "rms": RootMeanSquare(),
    "min": Extreme("min", INFINITY),
    "max": Extreme("max", -INFINITY),
    "max_abs": Extreme("max", 0.0, of_size=True),
    "time_of_min": TimeOfExtreme("min"),
    "time_of_max": TimeOfExtreme("max"),
}
