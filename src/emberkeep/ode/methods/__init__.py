"""Integration methods: each a file of numbers, loaded when it is asked for."""

from __future__ import annotations

from emberkeep.errors import InvalidPlan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.ode.methods.tableau import Tableau

# Every name of a method → the file that holds its numbers.
NAMES = {
    "rk4": "rk4",
    "classic": "rk4",
    "classic-rk4": "rk4",
    "runge-kutta-4": "rk4",
    "tsit5": "tsit5",
    "tsitouras5": "tsit5",
    "tsitouras": "tsit5",
}


def method(name: str) -> Tableau:
    """The numbers of a method, by any of its names.

    Raises:
        InvalidPlan: there is none of this name.
    """
    file = NAMES.get(str(name).lower().replace("_", "-"))
    if file is None:
        raise InvalidPlan(
            f"There is no method {name!r}; expected one of {', '.join(sorted(set(NAMES.values())))}"
        )
    module = __import__(f"emberkeep.ode.methods.{file}", fromlist=("TABLEAU",))
    return module.TABLEAU
