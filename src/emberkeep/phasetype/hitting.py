"""Whether a chain ever comes to some states: probabilities of hitting, by elimination.

What is there ends at once: the system is left there so fast that nothing else happens, with the
value one. So the trace that is kept for the graph serves, and nothing is subtracted.
"""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.canonical import canonical
from emberkeep.phasetype.distribution import weights_of
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.linear_systems import Elimination, read_theta
from emberkeep.phasetype.rewards import read_rewards
from emberkeep.phasetype.trace import rows_of
from emberkeep.phasetype.vertices import read_vertices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]

AT_ONCE = 2.0**200  # times the largest rate
MOST_RATE = 2.0**800


def hitting_probabilities(graph: Structure, targets: Any, theta: Any) -> Any:
    """By vertex: the probability of ever coming to a target, for a chain that is there now."""
    vectors, single = read_theta(graph, theta)
    found = _hitting(graph, read_vertices(graph, targets), vectors)
    return found[0] if single else found


def _hitting(graph: Structure, inside: Values, vectors: Values) -> Values:
    """By parameter vector and vertex."""
    largest = weights_of(graph, vectors).max(axis=1, initial=0.0)
    if largest.max() > MOST_RATE:
        raise InvalidGraph(
            f"The largest rate is {largest.max():.3g}; expected at most {MOST_RATE:.3g} here. "
            "Measure time in larger units"
        )
    there = inside[rows_of(graph).vertices]
    killing = largest * AT_ONCE
    system = Elimination(graph, len(vectors), there.astype(float))
    system.update(vectors, killing)
    right = _arriving(graph, system, inside)
    right += there[None, :, None] * system.factors.side_by_side(killing[:, None])
    found = np.minimum(system.by_vertex(system.solve(right)), 1.0)
    found[:, inside] = 1.0
    return found


def _arriving(graph: Structure, system: Elimination, inside: Values) -> Values:
    """By block, row and vector: how fast it comes to an end that is a target."""
    ends = inside & (np.diff(graph.edges.starts) == 0)
    targets = rows_of(graph).edges.targets.astype(np.int64)
    there = ends[canonical(graph).order[targets]]
    return system.sums(np.where(there[None, :, None], system.factors.weights, 0.0))


def earning_probability(graph: Structure, rewards: Any, theta: Any) -> Any:
    """The probability that something is earned; by kind of reward where there are several."""
    vectors, single = read_theta(graph, theta)
    values = read_rewards(graph, rewards)
    columns = (values.reshape(len(graph), -1) > 0).T
    found = np.stack(
        [
            _hitting(graph, earns, vectors) @ graph.initial
            if earns.any()
            else np.zeros(len(vectors))
            for earns in columns
        ],
        axis=-1,
    )
    shaped = found[:, 0] if values.ndim == 1 else found
    if not single:
        return shaped
    return float(shaped[0]) if values.ndim == 1 else shaped[0]
