"""Drawing from the distribution by running the chain."""

from __future__ import annotations

import numpy as np

from emberkeep.errors import InvalidGraph
from emberkeep.phasetype.assembly import check_weights
from emberkeep.phasetype.rewards import read_rewards
from emberkeep.phasetype.solving import read_theta
from emberkeep.targets.kernel import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.graph import Graph

    Values = np.ndarray[Any, Any]


def _mixed(state):  # noqa: ANN001, ANN202 - compiled
    """Steele, Lea and Flood's mixing of a counter (OOPSLA 2014)."""
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _uniform(bits):  # noqa: ANN001, ANN202 - compiled
    """Between 0 and 1, neither included."""
    return (np.float64(bits >> np.uint64(12)) + 0.5) * 2.0**-52


@kernel(
    "uint64, float64[::1], uint32[::1], uint32[::1], float64[::1], float64[::1], float64[:, ::1], "
    "int64, float64[:, ::1]",
    name="run_chains",
)
def _run(  # noqa: ANN202, PLR0913
    i,  # noqa: ANN001 - types are in the signature
    key,  # noqa: ANN001
    begins,  # noqa: ANN001
    starts,  # noqa: ANN001
    targets,  # noqa: ANN001
    sums,  # noqa: ANN001
    out,  # noqa: ANN001
    rewards,  # noqa: ANN001
    discrete,  # noqa: ANN001
    found,  # noqa: ANN001
):
    """One chain: `begins` and, for each vertex, `sums` are cumulative. Its numbers are its own."""
    step = np.uint64(0x9E3779B97F4A7C15)
    state = _mixed(key + _mixed(np.uint64(i) * step + np.uint64(1)))
    kinds = rewards.shape[1]
    for q in range(kinds):
        found[i, q] = 0.0
    state += step
    drawn = _uniform(_mixed(state))
    count = len(begins)
    if drawn >= begins[count - 1]:
        return
    low, high = 0, count - 1
    while low < high:
        middle = (low + high) // 2
        if begins[middle] > drawn:
            high = middle
        else:
            low = middle + 1
    v = low
    while starts[v + 1] > starts[v]:
        state += step
        drawn = _uniform(_mixed(state))
        if discrete == 0:
            stay = -np.log(drawn) / out[v]
        elif out[v] >= 1.0:
            stay = 1.0
        else:
            stay = max(1.0, np.ceil(np.log(drawn) / np.log1p(-out[v])))
        for q in range(kinds):
            found[i, q] += stay * rewards[v, q]
        state += step
        drawn = _uniform(_mixed(state)) * sums[starts[v + 1] - 1]
        first, last = np.int64(starts[v]), np.int64(starts[v + 1]) - 1
        while first < last:
            middle = (first + last) // 2
            if sums[middle] > drawn:
                last = middle
            else:
                first = middle + 1
        v = np.int64(targets[first])


def sample(graph: Graph, size: int, theta: Any, rewards: Any, seed: int | None) -> Any:
    """Independent draws.

    Raises:
        InvalidGraph: there are several parameter vectors, or no way out with this one.
    """
    vectors, single = read_theta(graph, theta)
    if not single:
        raise InvalidGraph("Draws are for one parameter vector; call sample() for each")
    weights = check_weights(graph.states, graph.edges, vectors[0], discrete=graph.is_discrete)
    graph.expectation(theta)  # every state must have a way out, or a chain would run for ever
    values = read_rewards(graph, rewards)
    edges = graph.edges
    sums = _within(weights, edges.starts)
    out = np.bincount(edges.sources, weights, len(graph))
    key = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    columns = np.ascontiguousarray(values.reshape(len(graph), -1))
    found = np.empty((size, columns.shape[1]))
    _run(
        int(key), np.cumsum(graph.initial), edges.starts, edges.targets, sums, out, columns,
        int(graph.is_discrete), found, count=size,
    )  # fmt: skip
    return found[:, 0] if values.ndim == 1 else found


def _within(weights: Values, starts: Values) -> Values:
    """Cumulative sums that begin anew with each vertex."""
    found = weights.copy()
    for begin, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        if end > begin + 1:
            np.cumsum(weights[begin:end], out=found[begin:end])
    return found
