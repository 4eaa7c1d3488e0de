"""One form for all graphs that differ by the numbering of their vertices alone; its hashes."""

from __future__ import annotations

import warnings

import numpy as np

from emberkeep.errors import EmberkeepWarning
from emberkeep.phasetype.assembly import Edges
from emberkeep.startup_records import final, frozen, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.states import States
    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]

FORM = b"emberkeep phase-type graph 1\n"


@final
@frozen
class Canonical:
    """A graph in its canonical order.

    Attributes:
        order: the graph's vertices in that order.
        edges: between canonical numbers.
    """

    order: Values
    edges: Edges


def canonical(graph: Structure) -> Canonical:
    """The form that is the same for all graphs of a structure; weights do not decide about it."""
    return graph.once("canonical", lambda: _canonical(graph))


def _canonical(graph: Structure) -> Canonical:
    order = _order(graph, _usage(graph.edges), (graph.initial > 0)[:, None])
    return Canonical(order, _renumbered(graph.edges, order))


def structure_hash(graph: Structure) -> str:
    """The digest of states, edges and the parameters they use; not of weights."""
    return graph.once("structure", lambda: _structure_hash(graph))


def _structure_hash(graph: Structure) -> str:
    form = canonical(graph)
    return _digest(b"structure", graph, form, _usage(form.edges), (graph.initial > 0)[form.order])


def content_hash(graph: Structure) -> str:
    """The digest of all that there is."""
    return graph.once("content", lambda: _content_hash(graph))


def _content_hash(graph: Structure) -> str:
    weights = _weights(graph.edges)
    order = canonical(graph).order
    if graph.states.order() is None:
        # Weights tell apart what structure leaves alike, or the other way round.
        order = _order(graph, weights, graph.initial[:, None] + 0.0)
    form = Canonical(order, _renumbered(graph.edges, order))
    return _digest(b"content", graph, form, _weights(form.edges), graph.initial[order] + 0.0)


def _usage(edges: Edges) -> Values:
    """Of each edge, whether it has a weight of its own, and which parameters it uses."""
    return np.concatenate([edges.base[:, None] != 0, edges.coefficients != 0], axis=1)


def _weights(edges: Edges) -> Values:
    """Of each edge its numbers; -0 is 0."""
    return np.concatenate([edges.base[:, None], edges.coefficients], axis=1) + 0.0


def _order(graph: Structure, marks: Values, begins: Values) -> Values:
    by_label = graph.states.order()
    if by_label is not None:
        return by_label
    from emberkeep.phasetype.refinement import Refinement, TooSymmetric, ranked

    sources, targets = graph.edges.sources, graph.edges.targets.astype(np.int64)
    # Whole numbers beyond 2^53 are no floats: what a vertex is goes by ranks.
    own = np.stack([ranked(graph.states.rows), ranked(begins)], axis=1)
    try:
        return Refinement(ranked(own), sources, targets, ranked(marks)).order()
    except TooSymmetric:
        warnings.warn(
            "This graph has so many vertices that are alike that no numbering of its own was "
            "found: its hashes and its kept trace are for the numbering that it has. Give its "
            "vertices states that are different",
            EmberkeepWarning,
            stacklevel=2,
        )
        return np.arange(len(graph.states))


def _renumbered(edges: Edges, order: Values) -> Edges:
    """Edges between new numbers, in their order."""
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    sources, targets = rank[edges.sources], rank[edges.targets]
    renumbered = np.lexsort((targets, sources))
    starts = np.zeros(len(order) + 1, np.uint32)
    starts[1:] = np.cumsum(np.bincount(sources, minlength=len(order)))
    return Edges(
        starts,
        targets[renumbered].astype(np.uint32),
        edges.base[renumbered],
        edges.coefficients[renumbered],
    )


def _digest(what: bytes, graph: Structure, form: Canonical, marks: Values, begins: Values) -> str:
    states: States = graph.states
    facts = (
        f"{what.decode()} {'discrete' if graph.is_discrete else 'continuous'} "
        f"{graph.theta_length} {states.kind} {len(states)} {states.rows.shape[1]} "
        f"{len(form.edges.targets)}\n"
    )
    parts = (states.rows[form.order], form.edges.starts, form.edges.targets, marks, begins)
    data = b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
    return sha256(FORM + facts.encode() + data).hexdigest()
