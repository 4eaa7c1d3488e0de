"""What the numbers of a method mean: each family turns them into a `Step`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.ode.kernel.families.diagonal import diagonal_step
from emberkeep.ode.kernel.families.explicit import explicit_step
from emberkeep.ode.kernel.families.rosenbrock import rosenbrock_step
from emberkeep.ode.methods.rosenbrock import RosenbrockTableau
from emberkeep.ode.methods.tableau import Tableau

if TYPE_CHECKING:
    from emberkeep.ode.kernel.step import Step
    from emberkeep.ode.methods import Method


def step_of(method: Method, *, is_autonomous: bool) -> Step:
    """One step of a method.

    Args:
        method: its numbers.
        is_autonomous: whether slopes do not depend on time.
    """
    if isinstance(method, Tableau):
        return explicit_step(method)
    if isinstance(method, RosenbrockTableau):
        return rosenbrock_step(method, is_autonomous=is_autonomous)
    return diagonal_step(method)
