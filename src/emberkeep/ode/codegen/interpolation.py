"""Weights of stages between the ends of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emberkeep.ode.methods.tableau import Tableau


def constants(tableau: Tableau) -> str:
    """The polynomials' coefficients as named constants."""
    lines = [
        f"I{stage}_{power} = real({value!r})\n"
        for stage, row in enumerate(tableau.interpolant, 1)
        for power, value in enumerate(row, 1)
        if value
    ]
    return f"\n# Of values within a step: polynomials in its fraction.\n{''.join(lines)}"


def weights(tableau: Tableau) -> tuple[str, list[str]]:
    """Statements that compute the weights from `theta`, and their names; those of zero left out."""
    lines: list[str] = []
    names: list[str] = []
    for stage, row in enumerate(tableau.interpolant, 1):
        nested = ""
        for power in range(len(row), 0, -1):
            value = f"I{stage}_{power}" if row[power - 1] else ""
            if nested:
                nested = f"theta * {nested}" if not value else f"({value} + theta * {nested})"
            else:
                nested = value
        if nested:
            lines.append(f"    b{stage} = theta * {nested}\n")
            names.append(f"b{stage}")
    return "".join(lines), names
