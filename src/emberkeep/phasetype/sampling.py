"""Drawing from the distribution by running the chain."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.assembly import check_weights
from emberkeep.phasetype.kernels.simulation import run_chain
from emberkeep.phasetype.linear_systems import read_single
from emberkeep.phasetype.moments import expectation
from emberkeep.phasetype.random_numbers import key_of
from emberkeep.phasetype.rewards import read_rewards

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]


def sample(graph: Structure, size: int, theta: Any, rewards: Any, seed: int | None) -> Any:
    """Independent draws.

    Raises:
        InvalidGraph: there are several parameter vectors, or no way out with this one.
    """
    vector = read_single(graph, theta)
    weights = check_weights(graph.states, graph.edges, vector, discrete=graph.is_discrete)
    expectation(
        graph, theta, None
    )  # every state must have a way out, or a chain would run for ever
    values = read_rewards(graph, rewards)
    edges = graph.edges
    sums = within(weights, edges.starts)
    out = np.bincount(edges.sources, weights, len(graph))
    key = key_of(seed)
    columns = np.ascontiguousarray(values.reshape(len(graph), -1))
    found = np.empty((size, columns.shape[1]))
    run_chain(
        key, np.cumsum(graph.initial), edges.starts, edges.targets, sums, out, columns,
        int(graph.is_discrete), found, count=size,
    )  # fmt: skip
    return found[:, 0] if values.ndim == 1 else found


def within(weights: Values, starts: Values) -> Values:
    """Cumulative sums that begin anew with each vertex."""
    found = weights.copy()
    for begin, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        if end > begin + 1:
            np.cumsum(weights[begin:end], out=found[begin:end])
    return found
