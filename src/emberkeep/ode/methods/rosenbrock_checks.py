"""Whether a Rosenbrock tableau is what it says: shapes, nodes, and every order that it states."""

from __future__ import annotations

from functools import cache

from emberkeep.ode.methods.checks import (
    TOLERANCE,
    check_estimate,
    check_interpolant,
    check_order,
    check_triangle,
    check_types,
    check_weights,
    is_number,
    refusal,
)
from emberkeep.ode.methods.order_conditions import rosenbrock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from emberkeep.ode.methods.rosenbrock import RosenbrockTableau

ROWS = ("nodes", "time_weights", "weights", "error")
TABLES = ("stages", "couplings", "interpolant")


def check(tableau: RosenbrockTableau) -> None:
    """Refuse a tableau that is not what it says.

    Raises:
        InvalidPlan: names what is wrong.
    """
    check_types(tableau, ROWS, TABLES)
    if not is_number(tableau.gamma) or tableau.gamma <= 0:
        raise refusal(tableau, f"gamma is {tableau.gamma!r}; expected a number above 0")
    _check_numbers(tableau)


@cache
def _check_numbers(tableau: RosenbrockTableau) -> None:
    """The rest, of numbers: once for each tableau, since high orders take a while."""
    count = tableau.count
    if not count or tableau.nodes[0] != 0:
        raise refusal(tableau, f"nodes is {tableau.nodes!r}; the first stage of a step is at 0")
    check_triangle(tableau, "stages", 1, count)
    check_triangle(tableau, "couplings", 1, count)
    check_weights(tableau, ("time_weights", "weights", "error"), count)
    differentials = rosenbrock(tableau)
    _check_times(tableau, differentials(()))
    check_order(tableau, tableau.weights, "order", differentials)
    if tableau.error:
        embedded = tuple(w - e for w, e in zip(tableau.weights, tableau.error, strict=True))
        check_order(tableau, embedded, "error_order", differentials)
        check_estimate(tableau, tableau.error, differentials)
    if tableau.interpolant:
        check_interpolant(tableau, differentials)


def _check_times(tableau: RosenbrockTableau, ks: Sequence[float]) -> None:
    """Refuse times that are not those of x' = 1, whose k are these."""
    for place, row in enumerate(((), *tableau.stages)):
        terms = [a * k for a, k in zip(row, ks, strict=False)]
        for field, value, found in (
            ("nodes", tableau.nodes[place], sum(terms)),
            ("time_weights", tableau.time_weights[place], ks[place]),
        ):
            if not abs(found - value) <= TOLERANCE * (1 + sum(map(abs, terms)) + abs(ks[place])):
                raise refusal(
                    tableau,
                    f"{field}[{place}] is {value:.15g}, and the stage is at {found:.15g} by its "
                    "row of stages and those of couplings",
                )
