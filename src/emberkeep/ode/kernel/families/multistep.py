"""Multistep methods of variable order: one implicit formula a step, on what came before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.ode.kernel.step import Correction, Step

if TYPE_CHECKING:
    from emberkeep.ode.methods.multistep import MultistepTableau


def multistep_step(tableau: MultistepTableau) -> Step:
    """One step: what is predicted by differences of the steps before, corrected."""
    correction = Correction(tableau.sums, tableau.leads, tableau.errors)
    return Step((correction,), begins=True, last="", error=())
