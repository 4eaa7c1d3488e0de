"""Whether an implicit tableau is what it says: shapes, nodes, and every order that it states."""

from __future__ import annotations

from functools import cache

from emberkeep.ode.methods.checks import (
    check_estimate,
    check_interpolant,
    check_node,
    check_order,
    check_types,
    check_weights,
    is_number,
    refusal,
)
from emberkeep.ode.methods.order_conditions import runge_kutta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.ode.methods.implicit import ImplicitTableau

ROWS = ("nodes", "weights", "error")
TABLES = ("matrix", "interpolant")


def check(tableau: ImplicitTableau) -> None:
    """Refuse a tableau that is not what it says.

    Raises:
        InvalidPlan: names what is wrong.
    """
    check_types(tableau, ROWS, TABLES)
    if not is_number(tableau.error_at_start):
        raise refusal(
            tableau, f"error_at_start is {tableau.error_at_start!r}; expected a finite number"
        )
    _check_numbers(tableau)


@cache
def _check_numbers(tableau: ImplicitTableau) -> None:
    """The rest, of numbers: once for each tableau, since high orders take a while."""
    _check_shapes(tableau)
    for place, row in enumerate(tableau.matrix):
        check_node(tableau, f"matrix[{place}]", row, tableau.nodes[place])
    differentials = runge_kutta(tableau.matrix)
    check_order(tableau, tableau.weights, "order", differentials)
    if tableau.interpolant:
        check_interpolant(tableau, differentials)
    if tableau.error:
        # With the slopes at the start as one stage more, which takes of none.
        started = runge_kutta([(), *((0.0, *row) for row in tableau.matrix)])
        check_order(tableau, embedded(tableau), "error_order", started)
        check_estimate(tableau, (tableau.error_at_start, *tableau.error), started)


def embedded(tableau: ImplicitTableau) -> tuple[float, ...]:
    """What the solution that it compares with takes of the slopes at the start, and of stages."""
    pairs = zip(tableau.weights, tableau.error, strict=True)
    return (-tableau.error_at_start, *(w - e for w, e in pairs))


def _check_shapes(tableau: ImplicitTableau) -> None:
    count = tableau.count
    if not count:
        raise refusal(tableau, "nodes is (); expected one stage at least")
    if len(tableau.matrix) != count:
        raise refusal(
            tableau,
            f"matrix has {len(tableau.matrix)} rows; expected {count}, one for each node",
        )
    for place, row in enumerate(tableau.matrix):
        if len(row) != count:
            raise refusal(
                tableau,
                f"matrix[{place}] has {len(row)} numbers; expected {count}, one for each stage",
            )
    if not any(any(row[place:]) for place, row in enumerate(tableau.matrix)):
        raise refusal(
            tableau,
            "no stage of matrix takes of itself or of a later one; that is an "
            "explicit method, an ode.Tableau",
        )
    check_weights(tableau, ("weights", "error"), count)
    if tableau.error_at_start and not tableau.error:
        raise refusal(tableau, "error_at_start is given, and error is not")
