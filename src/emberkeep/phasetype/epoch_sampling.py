"""Drawing from a distribution whose weights change, by running the chain."""

from __future__ import annotations

import numpy as np

from emberkeep.phasetype.distribution import weights_of
from emberkeep.phasetype.kernels.epoch_simulation import run_through_epochs
from emberkeep.phasetype.sampling import within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from emberkeep.phasetype.history import Epoch
    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]


def sample(
    graph: Structure,
    epochs: Sequence[Epoch],
    size: int,
    rewards: Sequence[Values],
    seed: int | None,
) -> Values:
    """Independent draws, by draw and kind of reward.

    Args:
        graph: the chain, which ends with certainty.
        epochs: its weights, over time.
        size: how many draws.
        rewards: by epoch: by vertex and kind.
        seed: the same gives the same.
    """
    edges = graph.edges
    weights = [weights_of(graph, epoch.theta[None])[0] for epoch in epochs]
    ways = np.zeros((len(epochs), len(graph) + 1), np.int64)
    pulses = [(number, epoch.pulse) for number, epoch in enumerate(epochs) if epoch.pulse]
    targets, sums, begin = [np.empty(0, np.uint32)], [np.empty(0)], 0
    for number, pulse in pulses:
        ways[number] = begin + pulse.starts
        targets.append(pulse.targets)
        sums.append(within(pulse.probabilities, pulse.starts))
        begin += len(pulse.targets)
    key = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    columns = np.ascontiguousarray(np.stack(rewards))
    found = np.empty((size, columns.shape[2]))
    run_through_epochs(
        int(key), np.cumsum(graph.initial), edges.starts, edges.targets,
        np.stack([within(row, edges.starts) for row in weights]),
        np.stack([np.bincount(edges.sources, row, len(graph)) for row in weights]),
        columns, np.array([epoch.start for epoch in epochs[1:]] + [np.inf]),
        ways, np.concatenate(targets), np.concatenate(sums), int(graph.is_discrete), found,
        count=size,
    )  # fmt: skip
    return found
