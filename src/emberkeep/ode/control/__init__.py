"""Step control: each way a small file that writes its part of the generated code."""

from __future__ import annotations

from emberkeep.errors import InvalidPlan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.ode.methods.tableau import Tableau

NAMES = ("fixed", "pi")


def controller_for(tableau: Tableau) -> str:
    """The controller that a method is used with: PI where it estimates its error."""
    return "pi" if tableau.is_adaptive else "fixed"


def controller_source(name: str, tableau: Tableau) -> str:
    """The controller's part of the generated code; empty for fixed steps.

    Raises:
        InvalidPlan: there is no such controller.
    """
    if name not in NAMES:
        raise InvalidPlan(f"There is no controller {name!r}; expected one of {', '.join(NAMES)}")
    if name == "fixed":
        return ""
    from emberkeep.ode.control.pi import source

    return source(tableau.order)
