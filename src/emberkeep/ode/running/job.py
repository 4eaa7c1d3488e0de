"""What a runner is asked to do, and what it gives back."""

from __future__ import annotations

from abc import ABC, abstractmethod

from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy as np

    from emberkeep.ode.batch import Batch
    from emberkeep.ode.plan import Plan
    from emberkeep.ode.times import Times

    Values = np.ndarray[Any, Any]


@final
@frozen
class Job:
    """One solve.

    Attributes:
        plan: what runs.
        batch: the trajectories.
        times: the span, and times to save.
        numbers: for the kernel; see `emberkeep.ode.tolerances`.
        dt: the length of fixed steps; None where they are chosen.
        max_steps: attempts of a step for each trajectory.
    """

    plan: Plan
    batch: Batch
    times: Times
    numbers: Values
    dt: float | None
    max_steps: int


@final
@frozen
class Outcome:
    """What trajectories gave.

    Attributes:
        states: by trajectory, time and state; None where not wanted.
        final: by trajectory and state; None where not wanted.
        status: by trajectory.
    """

    states: Values | None
    final: Values | None
    status: Values


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
