"""Graphs made from graphs: the same with other beginnings, edges or weights."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from emberkeep.phasetype.constructors import define, read_pairs, read_weight
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.numeric import as_numbers
from emberkeep.startup_records import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from emberkeep.phasetype.states import States
    from emberkeep.phasetype.structure import Definition, Structure

    Values = np.ndarray[Any, Any]


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


def with_edge(
    graph: Structure, source: Any, target: Any, weight: Any, coefficients: Any, *, prune: bool
) -> Definition:
    """It with an edge, in place of one that was there; a state that is new becomes a vertex."""
    states = graph.states
    numbers: list[int] = []
    for state in (source, target):
        states, number = _found_or_added(states, state)
        numbers.append(number)
    base, more = read_weight(weight, coefficients, graph.theta_length, source)
    edges = graph.edges
    kept = (edges.sources != numbers[0]) | (edges.targets != numbers[1])
    return define(
        states,
        np.append(edges.sources[kept], numbers[0]),
        np.append(edges.targets[kept].astype(np.int64), numbers[1]),
        np.append(edges.base[kept], base),
        np.concatenate(
            [edges.coefficients[kept], np.reshape(np.array(more, float), (1, graph.theta_length))]
        ),
        np.append(graph.initial, np.zeros(len(states) - len(graph))),
        discrete=graph.is_discrete,
        name=graph.name,
        prune=prune,
    )


def _found_or_added(states: States, label: Any) -> tuple[States, int]:
    found = states.matches(label)
    if len(found) > 1:
        states.find(label)  # says that there are several
    if len(found):
        return states, int(found[0])
    return states.with_more([label]), len(states)


def with_weights(graph: Structure, weights: Any) -> Definition:
    """It with other weights of its edges: of all, in their order; or of some, by their ends."""
    edges = graph.edges
    if not isinstance(weights, Mapping):
        base, coefficients = _of_all(graph, as_numbers("The weights", weights))
    else:
        base, coefficients = edges.base.copy(), edges.coefficients.copy()
        given: Mapping[Any, Any] = weights  # pyright: ignore[reportUnknownVariableType]
        for ends, weight in given.items():
            edge = _edge(graph, ends)
            base[edge], coefficients[edge] = read_weight(weight, None, graph.theta_length, ends[0])
    changed = replace(edges, {"base": base, "coefficients": coefficients})
    return define(
        graph.states,
        changed.sources,
        changed.targets.astype(np.int64),
        changed.base,
        changed.coefficients,
        graph.initial,
        discrete=graph.is_discrete,
        name=graph.name,
    )


def _of_all(graph: Structure, given: Values) -> tuple[Values, Values]:
    """Base and coefficients of all edges, from numbers by edge, or by edge and parameter."""
    count, width = len(graph.edges.targets), graph.theta_length
    if given.shape == (count,):
        return given, np.zeros((count, width))
    if width and given.shape == (count, width):
        return np.zeros(count), given
    raise InvalidGraph(
        f"The weights have the shape {given.shape}; {graph.name} has {count} edges and {width} "
        f"parameters: expected ({count},)"
        + (f", or coefficients of the shape ({count}, {width})" if width else "")
        + ", in the order of graph.edges; or weights by pairs of states"
    )


def _edge(graph: Structure, ends: Any) -> int:
    """The number of the edge between two states."""
    pair: Sequence[Any] = ends
    if not isinstance(ends, tuple) or len(pair) != 2:  # noqa: PLR2004
        raise InvalidGraph(f"An edge is named {ends!r}; expected a pair of states")
    source, target = (graph.states.find(state) for state in pair)
    edges = graph.edges
    found = np.flatnonzero((edges.sources == source) & (edges.targets == target))
    if not len(found):
        raise InvalidGraph(
            f"There is no edge from state {pair[0]!r} to {pair[1]!r}; with_edge() adds one"
        )
    return int(found[0])
