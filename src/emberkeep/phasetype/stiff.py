"""Times so long, or rates so fast, that there would be too many steps; in discrete time too.

Two ways, and no third: `doubling` is proven for any chain whose matrix is not too large;
`emptying` is steps again, for long chains that leave their fastest states for good. What neither
can do is refused, `TooStiff`.
"""

from __future__ import annotations

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]


def states(graph: Structure, theta: Values, times: Values) -> Values:
    """By time and vertex: the probability of being there; zero where the chain has ended."""
    vertices, found = _probabilities(graph, theta, np.zeros((0, len(graph))), times)
    by_vertex = np.zeros((len(times), len(graph)))
    by_vertex[:, vertices] = found[:, : len(vertices)]
    return by_vertex


def gathered(graph: Structure, theta: Values, watched: Values, times: Values) -> Values:
    """By time and kind: what has been gathered until then, at rates by kind and vertex."""
    most = watched.max(axis=1, initial=0.0, keepdims=True)
    scale = np.where(most > 0, most, 1.0)
    vertices, found = _probabilities(graph, theta, watched / scale, times)
    return found[:, len(vertices) :] * scale[:, 0]


def _probabilities(
    graph: Structure, theta: Values, watched: Values, times: Values
) -> tuple[Values, Values]:
    from emberkeep.phasetype.assembly import check_weights
    from emberkeep.phasetype.chains import make_chain
    from emberkeep.phasetype.emptying import probabilities

    weights = check_weights(graph.states, graph.edges, theta, discrete=graph.is_discrete)
    chain = make_chain(graph, weights, watched)
    return chain.vertices, probabilities(chain, times)
