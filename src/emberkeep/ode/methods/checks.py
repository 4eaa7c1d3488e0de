"""Whether a tableau is what it says: shapes, nodes, and every order that it states."""

from __future__ import annotations

from functools import cache
from math import isfinite

from emberkeep.errors import InvalidPlan
from emberkeep.ode.methods.order_conditions import (
    at_stages,
    defects,
    density,
    rows,
    trees,
    vertices,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from emberkeep.ode.methods.order_conditions import Slopes
    from emberkeep.ode.methods.tableau import Row, Tableau

    Rows = tuple[Row, ...]

# A tableau is given in doubles, whose rounding is far below; a wrong digit is far above.
TOLERANCE = 1e-10
# Beyond, there are thousands of trees, and no method that anyone uses.
HIGHEST_ORDER = 10


def check(tableau: Tableau) -> None:
    """Refuse a tableau that is not what it says.

    Raises:
        InvalidPlan: names what is wrong.
    """
    _check_types(tableau)
    _check_numbers(tableau)


@cache
def _check_numbers(tableau: Tableau) -> None:
    """The rest, of numbers: once for each tableau, since high orders take a while."""
    _check_shapes(tableau)
    _check_nodes(tableau)
    known: Slopes = {}
    _check_order(tableau, tableau.weights, tableau.order, "order", known)
    if tableau.error:
        embedded = tuple(w - e for w, e in zip(tableau.weights, tableau.error, strict=True))
        _check_order(tableau, embedded, tableau.error_order, "error_order", known)
    if tableau.interpolant:
        _check_interpolant(tableau, known)


def _refusal(tableau: Tableau, what: str) -> InvalidPlan:
    return InvalidPlan(f"The tableau {tableau.name!r} cannot be used: {what}")


def _check_types(tableau: Tableau) -> None:
    if not isinstance(tableau.name, str) or not tableau.name:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidPlan(f"A tableau's name is {tableau.name!r}; expected text")
    for field in ("order", "error_order", "interpolant_order"):
        value: object = getattr(tableau, field)
        if type(value) is not int or not 0 <= value <= HIGHEST_ORDER:
            raise _refusal(
                tableau, f"{field} is {value!r}; expected an integer, {HIGHEST_ORDER} at most"
            )
    if tableau.order < 1:
        raise _refusal(tableau, "order is 0; expected 1 at least")
    for field in ("nodes", "weights", "error", "second_error", "extra_nodes"):
        _check_row(tableau, field, getattr(tableau, field))
    for field in ("stages", "extra_stages", "interpolant"):
        given: object = getattr(tableau, field)
        if not isinstance(given, tuple):
            raise _refusal(tableau, f"{field} is {given!r}; expected a tuple of tuples of numbers")
        listed: tuple[object, ...] = (*given,)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        for place, row in enumerate(listed):
            _check_row(tableau, f"{field}[{place}]", row)


def _check_row(tableau: Tableau, field: str, row: object) -> None:
    numbers = isinstance(row, tuple) and all(
        isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
        for value in row  # pyright: ignore[reportUnknownVariableType]
    )
    if not numbers:
        raise _refusal(tableau, f"{field} is {row!r}; expected a tuple of finite numbers")


def _check_shapes(tableau: Tableau) -> None:
    count, extra = tableau.count, len(tableau.extra_nodes)
    if not count or tableau.nodes[0] != 0:
        raise _refusal(tableau, f"nodes is {tableau.nodes!r}; the first stage of a step is at 0")
    _check_triangle(tableau, "stages", tableau.stages, 1, count)
    _check_triangle(tableau, "extra_stages", tableau.extra_stages, count, count + extra)
    for field, size in (("weights", count), ("error", count), ("second_error", count)):
        row: Row = getattr(tableau, field)
        if len(row) != size and (row or field == "weights"):
            raise _refusal(
                tableau, f"{field} has {len(row)} numbers; expected {size}, one for each node"
            )
    if tableau.second_error and not tableau.error:
        raise _refusal(tableau, "second_error is given, and error is not")
    for field, order in (("error", "error_order"), ("interpolant", "interpolant_order")):
        if bool(getattr(tableau, field)) != bool(getattr(tableau, order)):
            raise _refusal(
                tableau,
                f"{order} is {getattr(tableau, order)}; expected the order of {field}, and 0 "
                f"where there is no {field}",
            )
    if not tableau.interpolant and extra:
        raise _refusal(tableau, "extra stages are given, and no interpolant that uses them")
    if tableau.interpolant:
        _check_interpolant_shape(tableau)


def _check_triangle(tableau: Tableau, field: str, given: Rows, first: int, end: int) -> None:
    """Refuse rows that are too few, or reach a stage that is not there yet."""
    if len(given) != end - first:
        raise _refusal(
            tableau,
            f"{field} has {len(given)} rows; expected {end - first}, one for each node"
            f"{' but the first' if field == 'stages' else ''}",
        )
    for place, row in enumerate(given):
        if len(row) > first + place:
            raise _refusal(
                tableau,
                f"{field}[{place}] has {len(row)} numbers; an explicit stage takes only of the "
                f"{first + place} before it",
            )


def _check_interpolant_shape(tableau: Tableau) -> None:
    size = tableau.count + len(tableau.extra_nodes)
    if len(tableau.interpolant) != size:
        raise _refusal(
            tableau,
            f"interpolant has {len(tableau.interpolant)} rows; expected {size}, one for each stage",
        )
    if len({len(row) for row in tableau.interpolant}) != 1:
        raise _refusal(tableau, "rows of interpolant differ in length; fill up with zeros")


def _check_nodes(tableau: Tableau) -> None:
    nodes = (*tableau.nodes, *tableau.extra_nodes)
    for place, (node, row) in enumerate(zip(nodes, rows(tableau), strict=True)):
        if not abs(sum(row) - node) <= TOLERANCE * (1 + sum(map(abs, row))):
            field, at = (
                ("stages", place - 1)
                if place < tableau.count
                else ("extra_stages", place - tableau.count)
            )
            raise _refusal(
                tableau,
                f"{field}[{at}] adds up to {sum(row):.15g}; its node is {node:.15g}, and a node is "
                "the sum of its row",
            )


def _check_order(tableau: Tableau, weights: Row, order: int, field: str, known: Slopes) -> None:
    matrix = rows(tableau)
    for size in range(1, order + 1):
        for tree, defect in defects(weights, matrix, size, known):
            if not abs(defect) <= _allowed(weights, matrix, tree, known):
                raise _refusal(
                    tableau,
                    f"{field} is {order}, and the numbers reach order {size - 1} only: the "
                    f"condition of the tree {_drawn(tree)} is missed by {defect:.2g}. Check the "
                    f"numbers, or state {field}={size - 1}",
                )


def _allowed(
    weights: Row, matrix: Sequence[Sequence[float]], tree: tuple[object, ...], known: Slopes
) -> float:
    """What rounding explains: sums of large terms of both signs lose digits."""
    values = at_stages(tree, matrix, known)  # pyright: ignore[reportArgumentType]
    terms = (abs(w * v) for w, v in zip(weights, values, strict=False))
    return TOLERANCE * (1 + density(tree) * sum(terms))  # pyright: ignore[reportArgumentType]


def _check_interpolant(tableau: Tableau, known: Slopes) -> None:
    """Each power of θ has its weights: those of a tree of that size meet it, others vanish."""
    matrix = rows(tableau)
    for power in range(1, len(tableau.interpolant[0]) + 1):
        weights = tuple(row[power - 1] for row in tableau.interpolant)
        for size in range(1, tableau.interpolant_order + 1):
            for tree in trees(size):
                values = at_stages(tree, matrix, known)
                share = sum(w * v for w, v in zip(weights, values, strict=True))
                defect = share * density(tree) - (size == power)
                if not abs(defect) <= _allowed(weights, matrix, tree, known):
                    raise _refusal(
                        tableau,
                        f"interpolant_order is {tableau.interpolant_order}, and the interpolant "
                        f"misses the condition of the tree {_drawn(tree)} at θ^{power} by "
                        f"{defect:.2g}. Check its numbers, or state a lower order",
                    )
    for place, row in enumerate(tableau.interpolant):
        weight = tableau.weights[place] if place < tableau.count else 0.0
        if not abs(sum(row) - weight) <= TOLERANCE * (1 + sum(map(abs, row))):
            raise _refusal(
                tableau,
                f"interpolant[{place}] adds up to {sum(row):.15g} at θ = 1; expected "
                f"{weight:.15g}, the stage's weight, so that it ends at the solution",
            )


def _drawn(tree: tuple[object, ...]) -> str:
    """A tree as nested brackets, with its size."""
    text = repr(tree).replace(",", "").replace(" ", "").replace("(", "[").replace(")", "]")
    return f"{text} of order {vertices(tree)}"  # pyright: ignore[reportArgumentType]
