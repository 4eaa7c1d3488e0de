"""What is made of a trajectory's values as they come, in place of saving them.

A summary holds a few numbers for each state and observable, folds the value at each time to save
into them, and makes its result of them in the end. Each is what NumPy's reduction of the same name
gives of the saved values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, final

from emberkeep.ode.kernel.code import INFINITY, NAN, REAL
from emberkeep.ode.kernel.vectors import Vector

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emberkeep.ode.kernel.code import Code, Operand, Value
    from emberkeep.ode.kernel.vectors import Layout


class Summary(ABC):
    """One kind of summary.

    Attributes:
        name: what it is called among the outputs.
        starts: what the numbers that it holds are before the first value.
    """

    name: str
    starts: tuple[float, ...]

    @abstractmethod
    def fold(self, code: Code, held: Sequence[Value], value: Value, count: Value) -> list[Value]:
        """The numbers after one more value, of which it is the `count`-th."""

    def result(self, code: Code, held: Sequence[Value], count: Value) -> Value:  # noqa: ARG002
        """What is wanted, after all values; the first number that it holds, unless it says else."""
        return held[0]


@final
class Mean(Summary):
    """The mean, kept as such, so that nothing grows."""

    name, starts = "mean", (0.0,)

    def fold(self, code: Code, held: Sequence[Value], value: Value, count: Value) -> list[Value]:
        """Move by a share of the distance."""
        (mean,) = held
        return [mean + (value - mean) / code.value(count, REAL)]


@final
class Deviation(Summary):
    """The standard deviation about the mean (Welford)."""

    name, starts = "std", (0.0, 0.0)

    def fold(self, code: Code, held: Sequence[Value], value: Value, count: Value) -> list[Value]:
        """Add what the value adds to the squares about the mean."""
        mean, squares = held
        before = value - mean
        after = mean + before / code.value(count, REAL)
        return [after, squares + before * (value - after)]

    def result(self, code: Code, held: Sequence[Value], count: Value) -> Value:
        """The root of the mean of squares."""
        return code.call("sqrt", held[1] / code.value(count, REAL))


@final
class RootMeanSquare(Summary):
    """The root of the mean of squares."""

    name, starts = "rms", (0.0,)

    def fold(self, code: Code, held: Sequence[Value], value: Value, count: Value) -> list[Value]:
        """Move the mean of squares."""
        (mean,) = held
        return [mean + (value * value - mean) / code.value(count, REAL)]

    def result(self, code: Code, held: Sequence[Value], count: Value) -> Value:  # noqa: ARG002
        """Its root."""
        return code.call("sqrt", held[0])


@final
class Extreme(Summary):
    """The smallest or largest of all."""

    def __init__(self, name: str, start: float, function: str, *, of_size: bool = False) -> None:
        self.name, self.starts = name, (start,)
        self._function, self._of_size = function, of_size

    def fold(self, code: Code, held: Sequence[Value], value: Value, count: Value) -> list[Value]:  # noqa: ARG002
        """Take the value if it is more extreme."""
        size = code.call("abs", value) if self._of_size else value
        return [code.call(self._function, held[0], size)]


SUMMARIES: dict[str, Summary] = {
    summary.name: summary
    for summary in (
        Mean(),
        Deviation(),
        RootMeanSquare(),
        Extreme("min", INFINITY, "min"),
        Extreme("max", -INFINITY, "max"),
        Extreme("max_abs", 0.0, "max", of_size=True),
    )
}


@final
class Held:
    """The numbers that a summary holds, of all states and observables.

    Args:
        summary: which.
        layout: where vectors lie.
        states: how many there are.
        observables: how many there are.
    """

    def __init__(self, summary: Summary, layout: Layout, states: int, observables: int) -> None:
        self.summary, self._layout = summary, layout
        self._states = [
            layout.kept(f"{summary.name}_{part}_", states) for part in range(len(summary.starts))
        ]
        self._observed = [
            Vector(
                observables,
                [
                    layout.code.variable(f"{summary.name}_{part}_o{place}", REAL)
                    for place in range(observables)
                ],
            )
            for part in range(len(summary.starts))
        ]
        self._sizes = states, observables

    def begin(self) -> None:
        """Hold what comes before the first value."""
        code = self._layout.code

        def start(vectors: Sequence[Vector]) -> Callable[[Operand], None]:
            def at(index: Operand) -> None:
                for vector, value in zip(vectors, self.summary.starts, strict=True):
                    vector.set(index, code.value(value, REAL))

            return at

        self._layout.each(self._sizes[0], start(self._states))
        for place in range(self._sizes[1]):
            start(self._observed)(place)

    def fold(
        self, values: Vector, observed: Vector, count: Value, where: Value | None = None
    ) -> None:
        """Fold values in, in lanes where a condition holds; by default, here."""
        code = self._layout.code

        def fold(vectors: Sequence[Vector], given: Vector) -> Callable[[Operand], None]:
            def at(index: Operand) -> None:
                held = [vector.get(index) for vector in vectors]
                found = self.summary.fold(code, held, given.get(index), count)
                for vector, old, new in zip(vectors, held, found, strict=True):
                    vector.set(index, new if where is None else code.where(where, new, old))

            return at

        self._layout.each(self._sizes[0], fold(self._states, values))
        for place in range(self._sizes[1]):
            fold(self._observed, observed)(place)

    def results(
        self, count: Value, is_good: Value, store: Callable[[Operand, Value], None]
    ) -> None:
        """Give each result to `store`, by its place; not-a-number where there is none."""
        code = self._layout.code

        def finish(vectors: Sequence[Vector], first: int) -> Callable[[Operand], None]:
            def at(index: Operand) -> None:
                held = [vector.get(index) for vector in vectors]
                found = self.summary.result(code, held, count)
                store(index + first if first else index, code.where(is_good, found, NAN))

            return at

        self._layout.each(self._sizes[0], finish(self._states, 0))
        for place in range(self._sizes[1]):
            finish(self._observed, self._sizes[0])(place)


def wanted_summaries(outputs: Sequence[str]) -> list[Summary]:
    """The summaries among the outputs."""
    return [SUMMARIES[name] for name in outputs if name in SUMMARIES]
