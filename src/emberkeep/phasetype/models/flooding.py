"""Rabbits on two islands that flood."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.graph import Graph
from emberkeep.phasetype.models.rates import frontier_edges, parameters, read_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = np.ndarray[Any, Any]


def rabbits(
    n: int,
    *,
    jump: float | None = None,
    each: bool = True,
    flood_left: float | None = None,
    flood_right: float | None = None,
) -> Graph:
    """The time until all rabbits on two islands have drowned.

    States are ``(left, right)``, the rabbits on each island; it begins with ``(n, 0)``. Each
    rabbit jumps to the other island at `jump`; with ``each=False`` it is one rabbit of an island
    that jumps at `jump`, however many there are, as in the authors' published programs. At
    `flood_left` the left island floods, and all rabbits on it drown: from ``(left, right)`` to
    ``(0, right)``, where left is not 0; so does the right one at `flood_right`. It ends in
    ``(0, 0)``. There are (n + 1)(n + 2)/2 states.

    Args:
        n: how many rabbits there are.
        jump: its rate; theta[0] by default. It is 1 in the source.
        each: whether that is the rate of each rabbit, or of each island that has any.
        flood_left: its rate; the next parameter by default. It is 2 in the source.
        flood_right: its rate; the next parameter by default. It is 4 in the source.

    Source: Røikjer, Hobolth and Munch (2022), Graph-based algorithms for phase-type distributions,
    Statistics and Computing 32.
    """
    rates = {"jump": jump, "flood_left": flood_left, "flood_right": flood_right}

    def edges(states: Values) -> tuple[Values, ...]:
        left, right = states.T
        moves = [
            (left if each else left > 0, states + (-1, 1), 0),  # noqa: RUF005 - sums of vectors
            (right if each else right > 0, states + (1, -1), 0),  # noqa: RUF005
            (left > 0, states * (0, 1), 1),
            (right > 0, states * (1, 0), 2),
        ]
        return frontier_edges(moves, rates)

    count = read_count("n", n, 1)
    left = np.repeat(np.arange(count + 1), np.arange(count + 1, 0, -1))
    right = np.arange(len(left)) - np.searchsorted(left, left)
    # Where nothing floods, or nobody jumps, only some of these are reached.
    known = None if 0 in rates.values() else np.stack([left, right], axis=1)
    return Graph.from_frontier(
        edges, [((count, 0), 1.0)], parameters(rates), name="rabbits", known=known
    )
