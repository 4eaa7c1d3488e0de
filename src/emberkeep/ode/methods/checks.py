"""What is checked of every one-step tableau: types, shapes, and every order that it states."""

from __future__ import annotations

from math import isfinite

from emberkeep.errors import InvalidPlan
from emberkeep.ode.methods.order_conditions import defects, density, trees, vertices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from emberkeep.ode.methods.one_step import OneStepMethod, Row
    from emberkeep.ode.methods.order_conditions import Differentials, Tree

    Rows = tuple[Row, ...]

# A tableau is given in doubles, whose rounding is far below; a wrong digit is far above.
TOLERANCE = 1e-10
# Beyond, there are thousands of trees, and no method that anyone uses.
HIGHEST_ORDER = 10


def refusal(tableau: OneStepMethod, what: str) -> InvalidPlan:
    """The error for a tableau that is not what it says."""
    return InvalidPlan(f"The tableau {tableau.name!r} cannot be used: {what}")


def check_types(tableau: OneStepMethod, rows: Sequence[str], tables: Sequence[str]) -> None:
    """Refuse what is no name, order, row or table of numbers."""
    if not isinstance(tableau.name, str) or not tableau.name:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidPlan(f"A tableau's name is {tableau.name!r}; expected text")
    for field in ("order", "error_order", "interpolant_order"):
        value: object = getattr(tableau, field)
        if type(value) is not int or not 0 <= value <= HIGHEST_ORDER:
            raise refusal(
                tableau, f"{field} is {value!r}; expected an integer, {HIGHEST_ORDER} at most"
            )
    if tableau.order < 1:
        raise refusal(tableau, "order is 0; expected 1 at least")
    for field in rows:
        _check_row(tableau, field, getattr(tableau, field))
    for field in tables:
        given: object = getattr(tableau, field)
        if not isinstance(given, tuple):
            raise refusal(tableau, f"{field} is {given!r}; expected a tuple of tuples of numbers")
        listed: tuple[object, ...] = (*given,)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        for place, row in enumerate(listed):
            _check_row(tableau, f"{field}[{place}]", row)


def _check_row(tableau: OneStepMethod, field: str, row: object) -> None:
    if not isinstance(row, tuple) or not all(map(is_number, row)):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        raise refusal(tableau, f"{field} is {row!r}; expected a tuple of finite numbers")


def is_number(value: object) -> bool:
    """Whether it is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def check_weights(tableau: OneStepMethod, fields: Sequence[str], stages: int) -> None:
    """Refuse weights that are not one for each node, and what is of no estimate or interpolant.

    The stages that an interpolant takes of may be more.
    """
    count = tableau.count
    for field in fields:
        row: Row = getattr(tableau, field)
        if len(row) != count and (row or field not in {"error", "second_error"}):
            raise refusal(
                tableau, f"{field} has {len(row)} numbers; expected {count}, one for each node"
            )
    for field, order in (("error", "error_order"), ("interpolant", "interpolant_order")):
        if bool(getattr(tableau, field)) != bool(getattr(tableau, order)):
            raise refusal(
                tableau,
                f"{order} is {getattr(tableau, order)}; expected the order of {field}, and 0 "
                f"where there is no {field}",
            )
    if tableau.interpolant and len(tableau.interpolant) != stages:
        raise refusal(
            tableau,
            f"interpolant has {len(tableau.interpolant)} rows; expected {stages}, one for each "
            "stage",
        )
    if len({len(row) for row in tableau.interpolant}) > 1:
        raise refusal(tableau, "rows of interpolant differ in length; fill up with zeros")


def check_triangle(tableau: OneStepMethod, field: str, first: int, end: int) -> None:
    """Refuse rows that are too few, or reach a stage that is not there yet."""
    given: Rows = getattr(tableau, field)
    if len(given) != end - first:
        raise refusal(
            tableau,
            f"{field} has {len(given)} rows; expected {end - first}, one for each node"
            f"{' but the first' if first == 1 else ''}",
        )
    for place, row in enumerate(given):
        if len(row) > first + place:
            raise refusal(
                tableau,
                f"{field}[{place}] has {len(row)} numbers; an explicit stage takes only of the "
                f"{first + place} before it",
            )


def check_node(tableau: OneStepMethod, field: str, row: Sequence[float], node: float) -> None:
    """Refuse a node that is not the sum of its row."""
    if not abs(sum(row) - node) <= TOLERANCE * (1 + sum(map(abs, row))):
        raise refusal(
            tableau,
            f"{field} adds up to {sum(row):.15g}; its node is {node:.15g}, and a node is "
            "the sum of its row",
        )


def check_order(
    tableau: OneStepMethod, weights: Row, field: str, differentials: Differentials
) -> None:
    """Refuse weights that have not the order that a field states."""
    order: int = getattr(tableau, field)
    for size in range(1, order + 1):
        for tree, defect in defects(weights, differentials, size):
            if not abs(defect) <= _allowed(weights, tree, differentials):
                raise refusal(
                    tableau,
                    f"{field} is {order}, and the numbers reach order {size - 1} only: the "
                    f"condition of the tree {_drawn(tree)} is missed by {defect:.2g}. Check the "
                    f"numbers, or state {field}={size - 1}",
                )


def check_estimate(tableau: OneStepMethod, error: Row, differentials: Differentials) -> None:
    """Refuse an estimate that sees no error at all where equations are linear, or only of time.

    Steps would grow without bound there, and be wrong.
    """
    tree: Tree = ()
    chains: list[Tree] = []
    for _ in error:
        tree = (tree,)
        chains.append(tree)
    bushes: list[Tree] = [((),) * (size + 1) for size in range(len(error))]
    for kinds, equations in ((chains, "linear, x' = λx"), (bushes, "of time alone, x' = g(t)")):
        if all(_is_nothing(error, differentials(one)) for one in kinds):
            raise refusal(
                tableau,
                f"its error is none at all for equations that are {equations}. Give another error, "
                "or none, for steps of fixed length",
            )


def _is_nothing(weights: Row, values: Sequence[float]) -> bool:
    share = sum(w * v for w, v in zip(weights, values, strict=False))
    return abs(share) <= TOLERANCE * sum(map(abs, weights)) * max(map(abs, values))


def _allowed(weights: Row, tree: Tree, differentials: Differentials) -> float:
    """What rounding explains: sums of large terms of both signs lose digits."""
    terms = (abs(w * v) for w, v in zip(weights, differentials(tree), strict=False))
    return TOLERANCE * (1 + density(tree) * sum(terms))


def check_interpolant(tableau: OneStepMethod, differentials: Differentials) -> None:
    """Each power of θ has its weights: those of a tree of that size meet it, others vanish."""
    for power in range(1, len(tableau.interpolant[0]) + 1):
        weights = tuple(row[power - 1] for row in tableau.interpolant)
        for size in range(1, tableau.interpolant_order + 1):
            for tree in trees(size):
                share = sum(w * v for w, v in zip(weights, differentials(tree), strict=True))
                defect = share * density(tree) - (size == power)
                if not abs(defect) <= _allowed(weights, tree, differentials):
                    raise refusal(
                        tableau,
                        f"interpolant_order is {tableau.interpolant_order}, and the interpolant "
                        f"misses the condition of the tree {_drawn(tree)} at θ^{power} by "
                        f"{defect:.2g}. Check its numbers, or state a lower order",
                    )
    for place, row in enumerate(tableau.interpolant):
        weight = tableau.weights[place] if place < tableau.count else 0.0
        if not abs(sum(row) - weight) <= TOLERANCE * (1 + sum(map(abs, row))):
            raise refusal(
                tableau,
                f"interpolant[{place}] adds up to {sum(row):.15g} at θ = 1; expected "
                f"{weight:.15g}, the stage's weight, so that it ends at the solution",
            )


def _drawn(tree: Tree) -> str:
    """A tree as nested brackets, with its size."""
    text = repr(tree).replace(",", "").replace(" ", "").replace("(", "[").replace(")", "]")
    return f"{text} of order {vertices(tree)}"
