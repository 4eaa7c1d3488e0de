"""What an output does, and when.

An output is told of what happens to trajectories, and writes into the arrays that it fills. What
it is told in all lanes at once is meant for some of them only; what it is told lane by lane is
rare.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, final

from emberkeep.startup_records import frozen

if TYPE_CHECKING:
    from emberkeep.ode.kernel.code import Operand, Value
    from emberkeep.ode.kernel.vectors import Vector


@final
@frozen
class Sample:
    """Values at a time to save.

    Attributes:
        number: how many times to save were before it.
        time: when.
        states: there.
        observed: the observables there.
        slopes: the derivatives of the states; None unless they are wanted.
        rates: those of the observables; None unless they are wanted.
    """

    number: Value
    time: Value
    states: Vector
    observed: Vector
    slopes: Vector | None
    rates: Vector | None


@final
@frozen
class Ending:
    """The end of a trajectory.

    Attributes:
        run: the trajectory's number in its chunk.
        is_good: whether it has succeeded, or was ended by an event.
        is_cut: whether an event ended it; None where there are none.
        time: when it has: the end of its span, or the event.
        saved: how many times to save it has passed; None where there are none.
        attempts: how many steps were tried.
    """

    run: Value
    is_good: Value
    is_cut: Value | None
    time: Value
    saved: Value | None
    attempts: Operand


class Output(ABC):
    """One output."""

    @abstractmethod
    def begin(self) -> None:
        """A trajectory begins; lane by lane."""

    @abstractmethod
    def end(self, ending: Ending) -> None:
        """A trajectory has ended; lane by lane."""


class Sampled(Output):
    """An output of the values at times to save."""

    @abstractmethod
    def fold(self, sample: Sample, where: Value) -> None:
        """There are values, in all lanes; those where a condition holds are at a time to save."""

    @abstractmethod
    def store(self, run: Value, sample: Sample) -> None:
        """The same afterwards, lane by lane, in those lanes alone."""


class Stepped(Output):
    """An output of steps."""

    @abstractmethod
    def accept(self, accepted: Value, reached: Value, steps: Operand) -> None:
        """Steps have been tried, in all lanes, also those without a trajectory; some were accepted.

        Args:
            accepted: where.
            reached: elapsed time at their end.
            steps: how many.
        """


class Held(ABC):
    """The numbers that a summary holds."""

    @abstractmethod
    def begin(self) -> None:
        """Hold what comes before the first value; lane by lane."""

    @abstractmethod
    def fold(self, sample: Sample, count: Value, where: Value) -> None:
        """Fold values in, in lanes where a condition holds; they are the `count`-th."""

    @abstractmethod
    def store(self, run: Value, window: Value, count: Value) -> None:
        """Write what came of so many values, lane by lane."""

    @abstractmethod
    def store_nothing(self, run: Value, window: Value) -> None:
        """Write not-a-number: a window was not completed."""
