"""Rosenbrock methods: each stage is the solution of a linear system, all with one matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.ode.kernel.step import (
    FIRST,
    NEW,
    Combination,
    Factoring,
    Slopes,
    SlopesInTime,
    Solution,
    Step,
    Y,
    terms,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emberkeep.ode.kernel.step import Operation, Terms
    from emberkeep.ode.methods.rosenbrock import RosenbrockTableau

IN_TIME = "in_time"


def rosenbrock_step(tableau: RosenbrockTableau, *, is_autonomous: bool) -> Step:
    """One step of a Rosenbrock method.

    The slopes at the start stay in `k1`; solutions are `u1`, `u2`, ….
    """
    operations: list[Operation] = [Slopes(FIRST, Y, 0.0), Factoring(tableau.gamma)]
    if not is_autonomous:
        operations.append(SlopesInTime(IN_TIME))
    at, before = Y, ()
    for stage in range(1, tableau.count + 1):
        solution, slopes = f"u{stage}", FIRST
        if stage > 1:
            row = tableau.stages[stage - 2]
            at, slopes = _states(operations, f"at{stage}", at, row, before), solution
            before = row
            operations.append(Slopes(slopes, at, tableau.nodes[stage - 1]))
            coupled = _solutions(tableau.couplings[stage - 2])
            if coupled:
                operations.append(
                    Combination(solution, slopes, coupled, by_length=False, by_mass=True)
                )
                slopes = solution
        weight = 0.0 if is_autonomous else tableau.time_weights[stage - 1]
        if weight or slopes != solution:
            in_time = ((IN_TIME, weight),) if weight else ()
            operations.append(Combination(solution, slopes, in_time))
        operations.append(Solution(solution))
    _states(operations, NEW, at, tableau.weights, before)
    interpolant = tuple(
        (f"u{stage}", row) for stage, row in enumerate(tableau.interpolant, 1) if any(row)
    )
    return Step(
        tuple(operations),
        begins=True,
        last="",
        error=_solutions(tableau.error),
        interpolant=interpolant,
    )


def _solutions(row: Sequence[float]) -> Terms:
    return tuple((name.replace("k", "u"), value) for name, value in terms(row))


def _states(
    operations: list[Operation], target: str, at: str, row: Sequence[float], before: Sequence[float]
) -> str:
    """States of a stage: from those of the stage before, where that takes fewer terms."""
    more = [
        value - (before[place] if place < len(before) else 0.0) for place, value in enumerate(row)
    ]
    base, wanted = (at, _solutions(more)) if at != Y else (Y, _solutions(row))
    if base != Y and len(_solutions(row)) <= len(wanted):
        base, wanted = Y, _solutions(row)
    operations.append(Combination(target, base, wanted))
    return target
