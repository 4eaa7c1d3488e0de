"""Rosenbrock methods in the forms in which they are published, turned into the one that is used.

The numbers may be of any kind: with Fractions, tests do the same exactly.
"""

from __future__ import annotations

from emberkeep.ode.methods.rosenbrock import RosenbrockTableau

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from emberkeep.ode.methods.one_step import Row

    Rows = tuple[Row, ...]

# A sum that is so much smaller than its terms is zero but for their digits.
NOTHING = 2.0**-50


def transformed(  # noqa: PLR0913 - what a method is printed as
    *,
    name: str,
    order: int,
    gamma: float,
    alphas: Rows,
    gammas: Rows,
    weights: Row,
    embedded: Row = (),
    error_order: int = 0,
    interpolant: Rows = (),
    interpolant_order: int = 0,
) -> RosenbrockTableau:
    """A method that is given by α, Γ and b, whose stages are slopes multiplied by the Jacobian.

    Their combinations by Γ are the k of the tableau, so that what takes of slopes by a row takes of
    these by the row times Γ⁻¹ (Hairer & Wanner, Solving ODEs II, IV.7).

    Arguments:
        name: what it is called.
        order: of the solution.
        gamma: γ, the diagonal of Γ.
        alphas: for each stage after the first, what it takes of the slopes before.
        gammas: likewise, the rows of Γ before the diagonal.
        weights: b.
        embedded: the weights of the solution that it is compared with.
        error_order: of that.
        interpolant: for each slope, the coefficients of θ, θ², … in its weight.
        interpolant_order: to which values within a step are right.
    """
    count = len(weights)
    lower = [(*row, gamma) for row in ((), *gammas)]
    columns = [_over(column, lower) for column in zip(*interpolant, strict=True)]
    units = [[0] * place + [1] for place in range(count)]
    return RosenbrockTableau(
        name=name,
        order=order,
        gamma=gamma,
        nodes=tuple(_total(row) for row in ((0,), *alphas)),
        time_weights=tuple(map(_total, lower)),
        stages=tuple(_over(row, lower) for row in alphas),
        couplings=tuple(tuple(-x for x in _over(unit, lower)[:-1]) for unit in units[1:]),
        weights=_over(weights, lower),
        error=_over(_difference(weights, embedded), lower) if embedded else (),
        error_order=error_order,
        interpolant=tuple(zip(*columns, strict=True)),
        interpolant_order=interpolant_order,
    )


def rodas(  # noqa: PLR0913 - the same
    *,
    name: str,
    order: int,
    gamma: float,
    nodes: Row,
    time_weights: Row,
    stages: Rows,
    couplings: Rows,
    dense: Rows = (),
    interpolant_order: int = 0,
) -> RosenbrockTableau:
    """A method of the kind of RODAS: the solution is the last stage's state, and its k.

    The state itself is of one order less, and that k is the estimate of the error.

    Arguments:
        name: what it is called.
        order: of the solution.
        gamma: γ.
        nodes: as in the tableau.
        time_weights: as in the tableau.
        stages: as in the tableau.
        couplings: as in the tableau.
        dense: Hairer's rows of dense output.
        interpolant_order: to which values within a step are right.
    """
    weights = (*stages[-1], 1)
    return RosenbrockTableau(
        name=name,
        order=order,
        gamma=gamma,
        nodes=nodes,
        time_weights=time_weights,
        stages=stages,
        couplings=couplings,
        weights=weights,
        error=(*(0 for _ in stages), 1),
        error_order=order - 1,
        interpolant=within(weights, *dense) if dense else (),
        interpolant_order=interpolant_order,
    )


def within(weights: Row, *dense: Row) -> Rows:
    """The interpolant with θ m + θ(1 - θ)(h₂ + θ h₃ + …) for each stage's weight (Hairer)."""
    nothing = tuple(0 for _ in weights)
    differences = zip((*dense, nothing), (nothing, *dense), strict=True)
    columns = [_difference(*pair) for pair in differences]
    columns[0] = tuple(m + h for m, h in zip(weights, columns[0], strict=True))
    return tuple(zip(*columns, strict=True))


def _over(row: Sequence[Any], lower: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
    """X where the row is x times a lower triangle."""
    found: list[Any] = []  # from the last on
    for place in reversed(range(len(row))):
        terms = [-x * lower[place + 1 + behind][place] for behind, x in enumerate(reversed(found))]
        found.append(_total((row[place], *terms)) / lower[place][place])
    return tuple(reversed(found))


def _total(terms: Sequence[Any]) -> Any:
    """A sum; zero where only the terms' last digits are left of it."""
    total = sum(terms)
    return abs(total) * 0 if abs(total) <= NOTHING * sum(map(abs, terms)) else total


def _difference(one: Sequence[Any], other: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(x - y for x, y in zip(one, other, strict=True))
