"""Diagonally implicit methods as they are printed: triangles, and the solution compared with.

The numbers may be of any kind: with Fractions, tests do the same exactly.
"""

from __future__ import annotations

from emberkeep.ode.methods.implicit import ImplicitTableau
from emberkeep.ode.methods.tableau import padded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from emberkeep.ode.methods.one_step import Row


def diagonal(  # noqa: PLR0913 - what a method is printed as
    *,
    name: str,
    order: int,
    nodes: Row,
    stages: tuple[Row, ...],
    embedded: Row = (),
    error: Row = (),
    error_order: int = 0,
    interpolant: tuple[Row, ...] = (),
    interpolant_order: int = 0,
) -> ImplicitTableau:
    """A diagonally implicit method whose last stage is the solution.

    Arguments:
        name: what it is called.
        order: of the solution.
        nodes: as in the tableau.
        stages: what each stage takes of those before and of itself.
        embedded: the weights of the solution that it is compared with, or ...
        error: ... by how much they are less than the method's.
        error_order: of that.
        interpolant: as in the tableau.
        interpolant_order: as in the tableau.
    """
    count = len(nodes)
    weights = stages[-1]
    if embedded:
        pairs = zip(weights, padded(embedded, count), strict=True)
        error = tuple(b - other for b, other in pairs)
    return ImplicitTableau(
        name=name,
        order=order,
        nodes=nodes,
        matrix=tuple(padded(row, count) for row in stages),
        weights=weights,
        error=error,
        error_order=error_order,
        interpolant=interpolant,
        interpolant_order=interpolant_order,
    )
