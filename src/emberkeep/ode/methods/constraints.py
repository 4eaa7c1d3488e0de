"""Whether a step ends where its last stage lies, and so where algebraic equations hold."""

from __future__ import annotations

from emberkeep.ode.methods.implicit import ImplicitTableau
from emberkeep.ode.methods.multistep import MultistepTableau
from emberkeep.ode.methods.rosenbrock import RosenbrockTableau

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.ode.methods import Method


def keeps_constraints(method: Method) -> bool:
    """Whether a step of a method ends where algebraic equations hold.

    Of diagonally implicit methods the first stage may be explicit: where a step begins, they hold.
    """
    if isinstance(method, RosenbrockTableau):
        return method.is_stiffly_accurate
    if isinstance(method, MultistepTableau):
        return True
    if not isinstance(method, ImplicitTableau) or not method.ends_with_solution:
        return False
    diagonal = [row[place] for place, row in enumerate(method.matrix)]
    return not method.is_diagonal or all(diagonal[1:])


def interpolates(method: Method) -> bool:
    """Whether its values within a step are as accurate as steps, for algebraic states too.

    Slopes of implicit stages are not: they are known to a length of step less than states. The
    polynomial of a multistep method goes through states alone.
    """
    if isinstance(method, MultistepTableau):
        return True
    return isinstance(method, RosenbrockTableau) and method.interpolates
