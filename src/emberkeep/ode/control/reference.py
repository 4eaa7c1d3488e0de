"""Step control in plain Python: what kernels do, a trajectory at a time.

Kernels print the same operations for whole vectors; this is what they are compared with.
"""

from __future__ import annotations

from emberkeep.ode.control.controller import Controller, exponents
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.ode.methods import Method

# Errors beyond these say no more, and their powers would be none.
LEAST_ERROR, MOST_ERROR = 1e-6, 1e6


@final
@frozen
class Memory:
    """What is known of the steps before.

    Attributes:
        previous: the error of the last accepted step.
        earlier: that of the accepted step before it.
        step: the last accepted step; 0 before there is one.
        rejected: whether the last attempt was rejected.
    """

    previous: float = 1.0
    earlier: float = 1.0
    step: float = 0.0
    rejected: bool = False


def decide(
    controller: Controller, tableau: Method, error: float, step: float, memory: Memory
) -> tuple[bool, float, Memory]:
    """Whether a step is accepted, the next one over this one, and what to remember.

    Args:
        controller: how steps are chosen.
        tableau: the method.
        error: of this step, 1 where it is just accepted; what is no number is too large.
        step: its length, without a sign.
        memory: of the steps before.
    """
    if not controller.is_adaptive:
        return True, 1.0, Memory(step=step)
    # Written so that not-a-number counts as too large.
    accepted = error <= 1
    bounded = max(error, LEAST_ERROR) if error < MOST_ERROR else MOST_ERROR
    if accepted:
        factor = grown(controller, tableau, bounded, step, memory)
        factor = min(factor, 1.0 if memory.rejected else controller.most)
        after = Memory(bounded, memory.previous, step)
    else:
        factor = retried(controller, tableau, bounded)
        after = Memory(memory.previous, memory.earlier, memory.step, rejected=True)
    return accepted, max(factor, controller.least), after


def grown(
    controller: Controller, tableau: Method, error: float, step: float, memory: Memory
) -> float:
    """The factor after an accepted step, before bounds."""
    numbers = exponents(controller, tableau)
    first, second, third = numbers.errors
    ratio = step / memory.step if memory.step else 1.0
    factor = (
        controller.safety
        * error**-first
        * memory.previous**-second
        * memory.earlier**-third
        * ratio**numbers.ratio
    )
    if controller.kind == "gustafsson":
        return min(factor, controller.safety * error**-numbers.retry)
    return factor


def retried(controller: Controller, tableau: Method, error: float) -> float:
    """The factor after a rejected step: by its error alone, since it is not as those before."""
    return controller.safety * error ** -exponents(controller, tableau).retry
