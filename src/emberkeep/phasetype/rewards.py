"""Rewards: what a state earns by the unit of time, or by the step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.numeric import as_numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]


def read_rewards(graph: Structure, rewards: Any) -> Values:
    """Rewards by vertex and kind; zero where the chain ends.

    Args:
        graph: whose vertices.
        rewards: None for 1 everywhere; by vertex; by vertex and kind; the same without the vertices
            where the chain ends; or a function of a state.

    Raises:
        InvalidGraph: there are too many or too few, or one is negative or not finite.
    """
    leaving = np.diff(graph.edges.starts) > 0
    if rewards is None:
        return leaving.astype(float)
    if isinstance(rewards, Callable):  # pyright: ignore[reportUnnecessaryIsInstance]
        labels = [graph.states.label(vertex) for vertex in range(len(graph))]
        values = np.array(
            [rewards(label) for label, goes in zip(labels, leaving, strict=True) if goes], float
        )
    else:
        values = as_numbers("Rewards", rewards)
    if values.ndim not in (1, 2) or len(values) not in (len(graph), int(leaving.sum())):
        raise InvalidGraph(
            f"Rewards have the shape {values.shape}; expected {len(graph)} of them, or "
            f"{int(leaving.sum())} without the states where the chain ends, in vertices' order"
        )
    if len(values) != len(graph):
        whole = np.zeros((len(graph), *values.shape[1:]))
        whole[leaving] = values
        values = whole
    values = np.where(leaving.reshape(-1, *[1] * (values.ndim - 1)), values, 0.0)
    bad = ~np.isfinite(values) | (values < 0)
    if bad.any():
        vertex = int(np.argwhere(bad)[0][0])
        raise InvalidGraph(
            f"The reward of state {graph.states.label(vertex)!r} is {values[vertex]}; expected "
            "something finite that is not negative"
        )
    return values


def one_kind(graph: Structure, rewards: Any) -> Values:
    """Rewards of one kind, by vertex.

    Raises:
        InvalidGraph: there are several kinds.
    """
    values = read_rewards(graph, rewards)
    if values.ndim != 1:
        raise InvalidGraph(
            f"Rewards of one kind are needed here, by state; there are {values.shape[1]} kinds"
        )
    return values
