"""Diagonally implicit Runge-Kutta methods: each stage is found by Newton's method, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.ode.kernel.step import (
    FIRST,
    NEW,
    Combination,
    Factoring,
    Iteration,
    Slopes,
    Step,
    Y,
)

if TYPE_CHECKING:
    from emberkeep.ode.kernel.step import Operation
    from emberkeep.ode.methods.implicit import ImplicitTableau


def diagonal_step(tableau: ImplicitTableau) -> Step:
    """One step of a diagonally implicit method.

    Where its first stage is explicit and its last the solution, a step begins with the slopes of
    the one before. Else it begins by computing them: a stage's iteration begins somewhere.
    """
    reused = tableau.begins_explicitly and tableau.ends_with_solution
    begin = 1 if tableau.begins_explicitly else 0
    operations: list[Operation] = [] if reused else [Slopes(FIRST, Y, 0.0)]
    factored, base, names = 0.0, Y, [FIRST] if begin else []
    for stage in range(begin, tableau.count):
        row, gamma = tableau.matrix[stage], tableau.matrix[stage][stage]
        name = f"k{stage + 2 - begin}"
        taken = tuple((names[place], value) for place, value in enumerate(row[:stage]) if value)
        base = Y
        if taken:
            base = f"base{stage}"
            operations.append(Combination(base, Y, taken))
        names.append(name)
        if not gamma:
            operations.append(Slopes(name, base, tableau.nodes[stage]))
            continue
        if gamma != factored:
            operations.append(Factoring(gamma))
            factored = gamma
        guess = ((names[-2] if stage else FIRST, 1.0),)
        operations.append(Iteration(name, base, guess, tableau.nodes[stage], gamma))

    def of_stages(row: tuple[float, ...]) -> tuple[tuple[str, float], ...]:
        return tuple((names[place], value) for place, value in enumerate(row) if value)

    if tableau.ends_with_solution:
        last = tableau.matrix[-1][-1]
        operations.append(Combination(NEW, base, ((names[-1], last),) if last else ()))
    else:
        operations.append(Combination(NEW, Y, of_stages(tableau.weights)))
    interpolant = tuple(
        (name, row) for name, row in zip(names, tableau.interpolant, strict=False) if any(row)
    )
    return Step(
        tuple(operations),
        begins=not reused,
        last=names[-1] if reused else "",
        error=of_stages(tableau.error),
        interpolant=interpolant,
    )
