"""Pulses: what happens to a chain at a moment, as probabilities of going from state to state."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emberkeep.phasetype.assembly import exact_sums
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.kernels.accuracy import SLACK
from emberkeep.phasetype.numeric import as_numbers
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]


@final
@frozen
class Pulse:
    """Where a chain goes at a moment, by where it is.

    Attributes:
        starts: by vertex, its first way; and the end of all.
        targets: the vertex that each leads to.
        probabilities: of each; those of a vertex add up to one.
    """

    starts: Values
    targets: Values
    probabilities: Values

    @property
    def sources(self) -> Values:
        """The vertex that each leads from."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def after(self, before: Values) -> Values:
        """What is by vertex, in the last axis, after it."""
        moved = before[..., self.sources] * self.probabilities
        rows = moved.reshape(-1, len(self.targets))
        found = [np.bincount(self.targets, row, before.shape[-1]) for row in rows]
        return np.stack(found).reshape(before.shape)


def read_pulse(graph: Structure, given: Any) -> Pulse:
    """A pulse as users write it.

    Args:
        graph: whose states.
        given: a matrix by vertex and vertex, NumPy's or SciPy's; or a function of a state that
            gives pairs of a state and a probability, none where nothing happens.

    Raises:
        InvalidGraph: rows are no probabilities, or a chain that has ended would go on.
    """
    if isinstance(given, Pulse):
        return given
    read = _from_callback if isinstance(given, Callable) else _from_matrix
    return make_pulse(graph, *read(graph, given))


def make_pulse(graph: Structure, sources: Values, targets: Values, values: Values) -> Pulse:
    """A pulse from its ways, in any order; parallel ones are added up.

    Raises:
        InvalidGraph: as of `read_pulse`.
    """
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        way = int(np.flatnonzero(bad)[0])
        raise InvalidGraph(
            f"The pulse goes from state {graph.states.label(int(sources[way]))!r} to "
            f"{graph.states.label(int(targets[way]))!r} with the probability {values[way]:.6g}; "
            "expected a number between 0 and 1"
        )
    sources, targets, values = sources[values > 0], targets[values > 0], values[values > 0]
    order = np.lexsort((targets, sources))
    sources, targets, values = sources[order], targets[order], values[order]
    new = np.flatnonzero(
        np.append(True, (sources[1:] != sources[:-1]) | (targets[1:] != targets[:-1]))
    )[: len(values)]
    sources, targets, values = sources[new], targets[new], exact_sums(values, new)
    starts = np.zeros(len(graph) + 1, np.int64)
    starts[1:] = np.cumsum(np.bincount(sources, minlength=len(graph)))
    totals = np.zeros(len(graph))
    there = np.diff(starts) > 0
    totals[there] = exact_sums(values, starts[:-1][there])
    off = np.flatnonzero(abs(totals - 1) > SLACK)
    if off.size:
        raise InvalidGraph(
            f"The pulse's probabilities from state {graph.states.label(int(off[0]))!r} add up to "
            f"{totals[off[0]]:.12g}; expected 1, staying included"
        )
    goes_on = np.isin(sources, graph.absorbing) & (sources != targets)
    if goes_on.any():
        raise InvalidGraph(
            f"The pulse leads out of state {graph.states.label(int(sources[goes_on][0]))!r}, in "
            "which the chain has ended; from there it must stay"
        )
    return Pulse(starts, targets.astype(np.uint32), values / totals[sources])


def _from_matrix(graph: Structure, given: Any) -> tuple[Values, Values, Values]:
    sparse = given.tocoo() if hasattr(given, "tocoo") else None
    matrix = as_numbers("The pulse's probabilities", given) if sparse is None else np.empty(0)
    shape = matrix.shape if sparse is None else given.shape
    if shape != (len(graph), len(graph)):
        raise InvalidGraph(
            f"The pulse is a matrix of the shape {shape}; {graph.name} has {len(graph)} states, so "
            f"({len(graph)}, {len(graph)}) is expected, in vertices' order"
        )
    if sparse is not None:
        return sparse.row.astype(np.int64), sparse.col.astype(np.int64), sparse.data.astype(float)
    sources, targets = np.nonzero(matrix)
    return sources, targets, matrix[sources, targets]


def _from_callback(graph: Structure, given: Any) -> tuple[Values, Values, Values]:
    number = {graph.states.label(vertex): vertex for vertex in range(len(graph))}
    if len(number) < len(graph):
        raise InvalidGraph(
            f"Some states of {graph.name} have the same label, so that a function of a state "
            "cannot say where a pulse leads. Pass a matrix by vertex and vertex"
        )
    sources: list[int] = []
    targets: list[int] = []
    values: list[float] = []
    for label, vertex in number.items():
        for state, probability in [*given(label)] or [(label, 1.0)]:
            if state not in number:
                raise InvalidGraph(
                    f"The pulse leads from state {label!r} to {state!r}, which {graph.name} does "
                    "not have"
                )
            sources.append(vertex)
            targets.append(number[state])
            values.append(probability)
    return np.array(sources, np.int64), np.array(targets, np.int64), np.array(values, float)
