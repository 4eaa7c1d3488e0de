"""Fully implicit Runge-Kutta methods: all stages are found at once, by Newton's method."""

from __future__ import annotations

from math import isclose
from typing import TYPE_CHECKING

from emberkeep.errors import InvalidPlan
from emberkeep.ode.kernel.families.decoupling import Inseparable, decoupling
from emberkeep.ode.kernel.step import (
    ERROR,
    FIRST,
    NEW,
    Combination,
    CoupledIteration,
    Factoring,
    Slopes,
    Solution,
    Step,
    Y,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emberkeep.ode.kernel.families.decoupling import Decoupling
    from emberkeep.ode.kernel.step import Operation, Terms
    from emberkeep.ode.methods.implicit import ImplicitTableau

AGAIN = "error_again"


def fully_implicit_step(tableau: ImplicitTableau, *, is_judged: bool) -> Step:
    """One step of a fully implicit method, whose unknowns are `u1`, `u2`, ….

    Args:
        tableau: its numbers.
        is_judged: whether the estimate of its error is wanted.

    Raises:
        InvalidPlan: its stages do not part.
    """
    try:
        parts = decoupling(tableau.matrix)
    except Inseparable as refusal:
        raise InvalidPlan(
            f"The stages of {tableau.name!r} cannot be solved for: its matrix has the {refusal}. "
            "They have to be different, and none zero; choose another method, such as "
            "'radau-iia-5'"
        ) from None
    names = [f"u{number}" for number in range(1, tableau.count + 1)]

    def of_slopes(row: Sequence[float]) -> Terms:
        return tuple(
            (name, value) for name, value in zip(names, parts.of_slopes(row), strict=True) if value
        )

    powers = (*(parts.of_slopes(row) for row in zip(*tableau.interpolant, strict=True)),)
    estimate = of_slopes(tableau.error) if is_judged and tableau.error else ()
    filtering = _filter_of(tableau, parts) if estimate else 0.0
    first, gammas = filtering or parts.gammas[0], parts.gammas
    operations: list[Operation] = [
        Factoring(first, tuple(gamma for gamma in gammas if gamma != first)),
        CoupledIteration(tuple(names), tableau.nodes, parts.states, parts.inverse, gammas, powers),
        Combination(NEW, Y, of_slopes(tableau.weights)),
    ]
    doubts: list[Operation] = []
    if filtering or not powers:
        operations.append(Slopes(FIRST, Y, 0.0))
    if filtering:
        # What slopes at the start differ by from those of the stages there: what is stiff in it is
        # filtered out once, and once more where much is left (Hairer & Wanner, IV.8).
        compared = tuple((name, -value / filtering) for name, value in estimate)
        operations += _filtered(ERROR, compared, FIRST)
        doubts = [Combination("at", Y, ((ERROR, 1.0),)), Slopes("again", "at", 0.0)]
        doubts += _filtered(AGAIN, compared, "again")
        estimate = ((ERROR, 1.0),)
    return Step(
        tuple(operations),
        begins=True,
        last="",
        error=estimate,
        doubts=tuple(doubts),
        doubted_error=((AGAIN, 1.0),) if doubts else (),
        interpolant=tuple(zip(names, zip(*powers, strict=True), strict=False)),
    )


def _filter_of(tableau: ImplicitTableau, parts: Decoupling) -> float:
    """γ of the matrix that the estimate is filtered with: a real one of the stages, or its own."""
    wanted = -tableau.error_at_start
    alike = [gamma for gamma in parts.gammas if isclose(abs(gamma - wanted), 0.0, abs_tol=1e-12)]
    return alike[0] if alike and not isinstance(alike[0], complex) else wanted


def _filtered(target: str, compared: Terms, slopes: str) -> list[Operation]:
    """What slopes differ by from those of the stages, as the linear system of a step sees it."""
    return [
        Combination(target, "", compared, by_length=False, by_mass=True),
        Combination(target, target, ((slopes, 1.0),), by_length=False),
        Solution(target),
    ]
