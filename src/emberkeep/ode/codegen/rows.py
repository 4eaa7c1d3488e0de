"""Where things lie in the work array: rows of one number for each lane.

There is one array for all, with distances that the compiler knows: it could not tell that several
arrays do not overlap, and would not use vector instructions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emberkeep.startup_records import final, frozen

if TYPE_CHECKING:
    from emberkeep.ode.methods.tableau import Tableau


@final
@frozen
class Rows:
    """The rows of a plan.

    Attributes:
        first: of each group of rows, by name: where it begins.
        count: how many rows there are.
        named: groups whose rows have names of their own, because code without loops reads them:
            compilers take time for each addition of an index.
    """

    first: dict[str, int]
    count: int
    named: dict[str, int]

    def definitions(self) -> str:
        """The groups as named constants."""
        lines: list[str] = []
        for name, first in self.first.items():
            lines.append(f"{name} = {first} * LANES\n")
            lines += [
                f"{name}_{row} = {first + row} * LANES\n"
                for row in range(1, self.named.get(name, 0))
            ]
        return "".join([*lines, f"WORK = {self.count} * LANES\n"])


def rows_of(
    tableau: Tableau, states: int, inputs: int, precision: str, *, dense: bool, large: bool
) -> Rows:
    """All that a lane needs from one step to the next; for large systems, and within one."""
    groups: dict[str, int] = {"Y": states, "P": inputs}
    if tableau.is_adaptive:
        groups |= dict.fromkeys(("ELAPSED", "SIZE", "MEMORY", "ERROR", "DUE", "LEAST_SIZE"), 1)
        groups |= {"START": 1, "H": 1}
        if precision == "float32":
            groups["REST"] = 1
        groups |= {"K1": states, "NEW": states, "LAST": states, "SLOPES": tableau.count * states}
        if dense:
            groups |= {"BEFORE": 1, "TAKEN": 1, "OLD": states}
    if large:
        groups |= {"TIME": 1, "FRESH": 1, "START": 1, "H": 1, "NEW": states, "LAST": states}
        groups["SLOPES"] = tableau.count * states
    first: dict[str, int] = {}
    count = 0
    for name, size in groups.items():
        first[name] = count
        count += size
    return Rows(first, count, {} if large else groups)
