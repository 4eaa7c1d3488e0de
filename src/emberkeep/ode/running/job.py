"""What a runner is asked to do, and what it gives back."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    import numpy as np

    from emberkeep.ode.batch import Batch
    from emberkeep.ode.plan import Plan
    from emberkeep.ode.times import Times

    Values = np.ndarray[Any, Any]


STEP_KINDS = 2  # taken, and rejected


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
    """

    plan: Plan
    batch: Batch
    times: Times
    settings: Values
    atol: Values
    dt: float | None
    max_steps: int

    @property
    def columns(self) -> int:
        """How many numbers are saved at once: states and observables."""
        return len(self.plan.system.states) + len(self.plan.system.observables)

    def result_shapes(self) -> dict[str, tuple[int, ...]]:
        """Of each output, the shape of what one trajectory gives."""
        shapes: dict[str, tuple[int, ...]] = {
            "states": (self.times.count, self.columns),
            "steps": (STEP_KINDS,),
        }
        return {name: shapes.get(name, (self.columns,)) for name in self.plan.outputs}

    def size_bytes(self) -> int:
        """How much all results take."""
        each = (
            math.prod(shape) * int(self.kind_of(name)[-2:]) // 8
            for name, shape in self.result_shapes().items()
        )
        return self.batch.runs * sum(each)

    def kind_of(self, name: str) -> str:
        """The type of an output's numbers."""
        return "int64" if name == "steps" else self.plan.precision


@final
@frozen
class Outcome:
    """What trajectories gave.

    Attributes:
        status: by trajectory.
        results: outputs by name: of each trajectory, what `Job.result_shapes` says.
    """

    status: Values
    results: Mapping[str, Values]


class Runner(ABC):
    """A machine that runs plans."""

    @abstractmethod
    def prepare(self, plan: Plan) -> None:
        """Find or compile what runs a plan."""

    @abstractmethod
    def run(self, job: Job, advance: Callable[[int], None] | None) -> Outcome:
        """Integrate all trajectories.

        Args:
            job: what is to be done.
            advance: called now and then with how many trajectories have ended since the last call.

        Raises:
            KeyboardInterrupt: within a second of Ctrl-C; nothing of it is given back.
        """
