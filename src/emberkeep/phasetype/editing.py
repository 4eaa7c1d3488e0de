"""Graphs made from graphs: the same with other beginnings, edges or weights."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.constructors import define, read_pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Definition, Structure


def with_initial(graph: Structure, initial: Any) -> Definition:
    """It, where the chain begins elsewhere; what nothing leads to then is left out."""
    probabilities = np.zeros(len(graph))
    for state, probability in read_pairs(initial):
        probabilities[graph.states.find(state)] += probability
    edges = graph.edges
    return define(
        graph.states,
        edges.sources,
        edges.targets.astype(np.int64),
        edges.base,
        edges.coefficients,
        probabilities,
        discrete=graph.is_discrete,
        name=graph.name,
        prune=True,
    )
