"""What the numbers of a method mean: each family turns them into a `Step`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.ode.kernel.families.diagonal import diagonal_step
from emberkeep.ode.kernel.families.explicit import explicit_step
from emberkeep.ode.kernel.families.fully_implicit import fully_implicit_step
from emberkeep.ode.kernel.families.multistep import multistep_step
from emberkeep.ode.kernel.families.rosenbrock import rosenbrock_step
from emberkeep.ode.methods.multistep import MultistepTableau
from emberkeep.ode.methods.rosenbrock import RosenbrockTableau
from emberkeep.ode.methods.tableau import Tableau

if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.ode.kernel.step import Step
    from emberkeep.ode.methods import Method


def step_of(method: Method, moves_in_time: Callable[[], bool], *, is_judged: bool) -> Step:
    """One step of a method.

    Args:
        method: its numbers.
        moves_in_time: tells whether slopes have derivatives by time; asked where that matters.
        is_judged: whether the estimate of its error is wanted.

    Raises:
        InvalidPlan: its stages depend on each other all at once, and cannot be parted.
    """
    if isinstance(method, Tableau):
        return explicit_step(method)
    if isinstance(method, RosenbrockTableau):
        return rosenbrock_step(method, is_autonomous=not moves_in_time())
    if isinstance(method, MultistepTableau):
        return multistep_step(method)
    if method.is_diagonal:
        return diagonal_step(method)
    return fully_implicit_step(method, is_judged=is_judged)
