"""What a runner is asked to do, and what it gives back."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from emberkeep.ode.outputs import (
    BY,
    COLUMN,
    EVENT,
    REAL,
    RECORD,
    STATE,
    TIME,
    VALUE,
    WINDOW,
    filled_by,
)
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from typing import Any

    import numpy as np

    from emberkeep.ode.batch import Batch
    from emberkeep.ode.drivers import Table
    from emberkeep.ode.events.schedule import Schedule
    from emberkeep.ode.plan import Plan
    from emberkeep.ode.times import Times
    from emberkeep.ode.windows import Windows

    Part = tuple[int, int]
    Values = np.ndarray[Any, Any]


@final
@frozen
class Job:
    """One solve.

    Attributes:
        plan: what runs.
        batch: the trajectories.
        times: the span, and times to save.
        settings: numbers that control steps; see `emberkeep.ode.kernel.call`.
        atol: tolerated error of each state where it is small.
        dt: the length of fixed steps; None where they are chosen.
        max_steps: attempts of a step for each trajectory.
        windows: of times to save, which summaries are of.
        most_records: how many peaks or steps of a trajectory there is room for.
        drivers: tables of all drivers, in their order.
        schedule: numbers of the plan's events.
        rows: what further arguments are of each trajectory.
    """

    plan: Plan
    batch: Batch
    times: Times
    settings: Values
    atol: Values
    dt: float | None
    max_steps: int
    windows: Windows
    most_records: int
    drivers: tuple[Table, ...]
    schedule: Schedule
    rows: Rows | None = None

    def results(self, plan: Plan | None = None) -> dict[str, Space]:
        """The arrays that a plan's outputs fill, by name; by default the job's own."""
        system = self.plan.system
        sizes = {
            TIME: self.times.count,
            COLUMN: len(system.states) + len(system.observables),
            VALUE: len(system.own_states) + len(system.own_observables),
            WINDOW: self.windows.count,
            RECORD: self.most_records,
            EVENT: len(self.plan.events),
            STATE: len(system.states),
            BY: len(system.states) + len(self.plan.by),
        }
        return {
            array.name: Space(
                tuple(sizes[axis] if isinstance(axis, str) else axis for axis in array.axes),
                self.plan.precision if array.kind == REAL else array.kind,
            )
            for array in filled_by((plan or self.plan).outputs)
        }

    def size_bytes(self) -> int:
        """How much all results take."""
        return self.batch.runs * self.run_size_bytes()

    def run_size_bytes(self) -> int:
        """How much the results of one trajectory take, with its status."""
        return sum(space.size_bytes for space in self.results().values()) + 1


@final
@frozen
class Space:
    """What a trajectory's numbers in an array of results take.

    Attributes:
        shape: of one trajectory's.
        kind: type of the numbers.
    """

    shape: tuple[int, ...]
    kind: str

    @property
    def size_bytes(self) -> int:
        """Bytes for one trajectory."""
        return math.prod(self.shape) * int(self.kind[-2:]) // 8


@final
@frozen
class Rows:
    """Arguments with a row for each trajectory.

    Attributes:
        first: the trajectory of the batch that the first row is of.
        arrays: by name of the argument.
    """

    first: int
    arrays: Mapping[str, Values]

    def of(self, begin: int, end: int) -> dict[str, Values]:
        """Those of some trajectories of the batch."""
        here = slice(begin - self.first, end - self.first)
        return {name: array[here] for name, array in self.arrays.items()}

    @property
    def run_size_bytes(self) -> int:
        """How much those of one trajectory take."""
        return sum(array[:1].nbytes for array in self.arrays.values())


@final
@frozen
class Outcome:
    """What some trajectories gave, one after the other.

    Attributes:
        status: by trajectory.
        results: arrays by name: of each trajectory, what `Job.results` says.
        may_have_failed: False where a runner has seen, while others still ran, that none has.
    """

    status: Values
    results: Mapping[str, Values]
    may_have_failed: bool = True


class Runner(ABC):
    """A machine that runs plans."""

    @property
    @abstractmethod
    def busy(self) -> int:
        """How many trajectories it needs at once, not to wait for the last ones."""

    @abstractmethod
    def prepare(self, plan: Plan) -> None:
        """Find or compile what runs a plan."""

    @abstractmethod
    def notes(self, plan: Plan) -> Mapping[str, Any]:
        """What a plan's kernel says of itself; it is found or compiled for that."""

    @abstractmethod
    def settle(self) -> None:
        """From now on, run what is loaded, whatever becomes of the functions that systems call."""

    @abstractmethod
    def run(
        self, job: Job, parts: Iterable[Part], advance: Callable[[int], None] | None
    ) -> Generator[Outcome]:
        """Integrate trajectories, part after part: each once the one before was taken.

        Args:
            job: what is to be done.
            parts: of the batch: from which trajectory on, and up to which one.
            advance: called now and then with how many trajectories have ended since the last call.

        Raises:
            KeyboardInterrupt: within a second of Ctrl-C; nothing of the part is given back.
        """
