"""Explicit Runge-Kutta methods: each stage from those before.

What follows from the numbers is found out from them: whether the last stage is the solution, so
that the next step begins with its slopes, and whether there are values between the ends of a step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.ode.kernel.step import FIRST, NEW, Combination, Slopes, Step, Y, terms

if TYPE_CHECKING:
    from emberkeep.ode.kernel.step import Operation
    from emberkeep.ode.methods.tableau import Tableau


def explicit_step(tableau: Tableau) -> Step:
    """One step of an explicit Runge-Kutta method."""
    reused = tableau.ends_with_solution
    operations: list[Operation] = [] if reused else [Slopes(FIRST, Y, 0.0)]
    last = tableau.count
    for stage in range(2, last + 1):
        at = NEW if reused and stage == last else f"at{stage}"
        operations.append(Combination(at, Y, terms(tableau.stages[stage - 2])))
        operations.append(Slopes(f"k{stage}", at, tableau.nodes[stage - 1]))
    if not reused:
        operations.append(Combination(NEW, Y, terms(tableau.weights)))
    extra: list[Operation] = []
    rows = zip(tableau.extra_nodes, tableau.extra_stages, strict=True)
    for stage, (node, row) in enumerate(rows, last + 1):
        extra.append(Combination(f"at{stage}", Y, terms(row)))
        extra.append(Slopes(f"k{stage}", f"at{stage}", node))
    interpolant = tuple(
        (f"k{stage}", row) for stage, row in enumerate(tableau.interpolant, 1) if any(row)
    )
    return Step(
        tuple(operations),
        begins=not reused,
        last=f"k{last}" if reused else "",
        error=terms(tableau.error),
        second_error=terms(tableau.second_error),
        extra=tuple(extra),
        interpolant=interpolant,
    )
