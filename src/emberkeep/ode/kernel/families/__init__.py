"""What the numbers of a method mean: each family turns them into a `Step`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.ode.kernel.families.diagonal import diagonal_step
from emberkeep.ode.kernel.families.explicit import explicit_step
from emberkeep.ode.kernel.families.rosenbrock import rosenbrock_step
from emberkeep.ode.methods.rosenbrock import RosenbrockTableau
from emberkeep.ode.methods.tableau import Tableau

if TYPE_CHECKING:
    from collections.abc import Callable

    from emberkeep.ode.kernel.step import Step
    from emberkeep.ode.methods import Method


def step_of(method: Method, moves_in_time: Callable[[], bool]) -> Step:
    """One step of a method.

    Args:
        method: its numbers.
        moves_in_time: tells whether slopes have derivatives by time; asked where that matters.
    """
    if isinstance(method, Tableau):
        return explicit_step(method)
    if isinstance(method, RosenbrockTableau):
        return rosenbrock_step(method, is_autonomous=not moves_in_time())
    return diagonal_step(method)
