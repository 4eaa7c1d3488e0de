"""Where things lie in the work array: rows of one number for each lane.

There is one array for all, with distances that the compiler knows: it could not tell that several
arrays do not overlap, and would not use vector instructions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.light import final, frozen

if TYPE_CHECKING:
    from emberkeep.ode.methods.tableau import Tableau


@final
@frozen
class Rows:
    """The rows of a plan.

    Attributes:
        first: of each group of rows, by name: where it begins.
        count: how many rows there are.
    """

    first: dict[str, int]
    count: int

    def definitions(self) -> str:
        """The groups as named constants."""
        lines = [f"{name} = {first} * LANES\n" for name, first in self.first.items()]
        return "".join([*lines, f"WORK = {self.count} * LANES\n"])


def rows_of(
    tableau: Tableau, states: int, inputs: int, precision: str, *, dense: bool, large: bool
) -> Rows:
    """All that a lane needs from one step to the next; for large systems, and within one."""
    groups: dict[str, int] = {"Y": states, "P": inputs}
    if tableau.is_adaptive:
        groups |= dict.fromkeys(("ELAPSED", "SIZE", "MEMORY", "ERROR", "DUE", "LEAST_SIZE", "FRESH"), 1)
        if precision == "float32":
            groups["REST"] = 1
        groups["K1"] = states
        if dense:
            groups |= {"BEFORE": 1, "TAKEN": 1, "OLD": states, "SLOPES": tableau.count * states}
    if large:
        groups |= {"TIME": 1, "START": 1, "H": 1, "STAGE": states, "SLOPE": states}
        if "SLOPES" not in groups:
            groups["SLOPES"] = tableau.count * states
    first: dict[str, int] = {}
    count = 0
    for name, size in groups.items():
        first[name] = count
        count += size
    return Rows(first, count)
