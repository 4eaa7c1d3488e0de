"""A chain for one parameter vector, as what takes too long by steps needs it.

What is to be added up over time (how fast it ends, rewards) is a place of its own, which everything
flows to at that rate and nothing leaves: a *gatherer*. So an integral is a probability like others.
"""

from __future__ import annotations

from math import frexp, fsum, ldexp

import numpy as np

from emberkeep.elimination.pattern import components
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]


@final
@frozen
class Chain:
    """Places: vertices that can be left, in the order of components, then gatherers.

    Attributes:
        vertices: the graph's vertices, by place.
        starts: by place, where the edges that lead there begin; and the end of all.
        sources, weights: of edges, by where they lead.
        leaving, leaving_more: how fast vertices are left, as the sum of two floats.
        initial: by place, where it begins.
        begins: by vertex's place, the first place that it can come to.
        is_discrete: whether time goes in steps.
    """

    vertices: Values
    starts: Values
    sources: Values
    weights: Values
    leaving: Values
    leaving_more: Values
    initial: Values
    begins: Values
    is_discrete: bool

    @property
    def size(self) -> int:
        """How many places there are."""
        return len(self.initial)

    @property
    def rate(self) -> float:
        """A power of two that every vertex is left more slowly than; 1 where time goes in steps."""
        if self.is_discrete:
            return 1.0
        return ldexp(1.0, frexp(float(self.leaving.max()))[1])


def make_chain(graph: Structure, weights: Values, gathered: Values) -> Chain:
    """The chain of a graph.

    Args:
        graph: whose.
        weights: by edge, in the graph's own order; checked.
        gathered: by kind and vertex, how much is gathered there by time or step.
    """
    edges = graph.edges
    sources, targets = edges.sources, edges.targets.astype(np.int64)
    leaves = np.diff(edges.starts) > 0
    number = components(edges.starts, edges.targets)
    vertices = np.flatnonzero(leaves)
    vertices = vertices[np.argsort(number[vertices], kind="stable")]
    place = np.full(len(graph), -1, np.int64)
    place[vertices] = np.arange(len(vertices))
    inner = np.flatnonzero((place[targets] >= 0) & (weights > 0))
    kinds, theirs = np.nonzero(gathered[:, vertices])
    begins = np.searchsorted(number[vertices], number[vertices])
    total, more = _exact_sums(weights, edges.starts)
    return assembled(
        vertices,
        np.concatenate([place[sources[inner]], theirs]),
        np.concatenate([place[targets[inner]], len(vertices) + kinds]),
        np.concatenate([weights[inner], gathered[kinds, vertices[theirs]]]),
        (total[vertices], more[vertices]),
        np.concatenate([graph.initial[vertices], np.zeros(len(gathered))]),
        begins,
        is_discrete=graph.is_discrete,
    )


def assembled(  # noqa: PLR0913 - what a chain is made of
    vertices: Values,
    sources: Values,
    targets: Values,
    weights: Values,
    leaving: tuple[Values, Values],
    initial: Values,
    begins: Values,
    *,
    is_discrete: bool,
) -> Chain:
    """A chain from edges in any order."""
    order = np.argsort(targets, kind="stable")
    starts = np.zeros(len(initial) + 1, np.uint32)
    starts[1:] = np.cumsum(np.bincount(targets, minlength=len(initial)))
    ordered = sources[order].astype(np.uint32)
    return Chain(vertices, starts, ordered, weights[order], *leaving, initial, begins, is_discrete)


def _exact_sums(weights: Values, starts: Values) -> tuple[Values, Values]:
    """By vertex, what its edges add up to, as a float and what it was rounded by."""
    counts = np.diff(starts)
    total, more = np.zeros(len(counts)), np.zeros(len(counts))
    single = counts == 1
    total[single] = weights[starts[:-1][single]]
    for vertex in np.flatnonzero(counts > 1).tolist():
        own = weights[starts[vertex] : starts[vertex + 1]].tolist()
        total[vertex] = fsum(own)
        more[vertex] = fsum([*own, -total[vertex]])
    return total, more
