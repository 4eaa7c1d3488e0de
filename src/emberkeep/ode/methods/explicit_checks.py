"""Whether an explicit tableau is what it says: shapes, nodes, and every order that it states."""

from __future__ import annotations

from functools import cache

from emberkeep.ode.methods.checks import (
    check_estimate,
    check_interpolant,
    check_node,
    check_order,
    check_triangle,
    check_types,
    check_weights,
    refusal,
)
from emberkeep.ode.methods.order_conditions import rows, runge_kutta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.ode.methods.tableau import Tableau

ROWS = ("nodes", "weights", "error", "second_error", "extra_nodes")
TABLES = ("stages", "extra_stages", "interpolant")


def check(tableau: Tableau) -> None:
    """Refuse a tableau that is not what it says.

    Raises:
        InvalidPlan: names what is wrong.
    """
    check_types(tableau, ROWS, TABLES)
    _check_numbers(tableau)


@cache
def _check_numbers(tableau: Tableau) -> None:
    """The rest, of numbers: once for each tableau, since high orders take a while."""
    _check_shapes(tableau)
    _check_nodes(tableau)
    differentials = runge_kutta(rows(tableau))
    check_order(tableau, tableau.weights, "order", differentials)
    if tableau.error:
        embedded = tuple(w - e for w, e in zip(tableau.weights, tableau.error, strict=True))
        check_order(tableau, embedded, "error_order", differentials)
        check_estimate(tableau, tableau.error, differentials)
    if tableau.interpolant:
        check_interpolant(tableau, differentials)


def _check_shapes(tableau: Tableau) -> None:
    count, extra = tableau.count, len(tableau.extra_nodes)
    if not count or tableau.nodes[0] != 0:
        raise refusal(tableau, f"nodes is {tableau.nodes!r}; the first stage of a step is at 0")
    check_triangle(tableau, "stages", 1, count)
    check_triangle(tableau, "extra_stages", count, count + extra)
    check_weights(tableau, ("weights", "error", "second_error"), count + extra)
    if tableau.second_error and not tableau.error:
        raise refusal(tableau, "second_error is given, and error is not")
    if not tableau.interpolant and extra:
        raise refusal(tableau, "extra stages are given, and no interpolant that uses them")


def _check_nodes(tableau: Tableau) -> None:
    nodes = (*tableau.nodes, *tableau.extra_nodes)
    for place, (node, row) in enumerate(zip(nodes, rows(tableau), strict=True)):
        field, at = ("stages", place - 1)
        if place >= tableau.count:
            field, at = ("extra_stages", place - tableau.count)
        check_node(tableau, f"{field}[{at}]", row, node)
