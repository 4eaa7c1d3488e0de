"""Reward transformation: the graph whose time until the end is what another one earns."""

from __future__ import annotations

import numpy as np

from emberkeep.elimination.factors import Factors
from emberkeep.elimination.pattern import SparsityPattern, analyse
from emberkeep.phasetype.assembly import check_weights
from emberkeep.phasetype.constructors import define
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.rewards import one_kind
from emberkeep.phasetype.states import NONE, WORD, States, read_states
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Definition, Structure

    Values = np.ndarray[Any, Any]


@final
@frozen
class _Draft:
    """A graph on its way.

    Attributes:
        vertices: of the original graph.
        sources, targets: edges among the positions of those.
        base, coefficients: their weights.
        initial: by position.
    """

    vertices: Values
    sources: Values
    targets: Values
    base: Values
    coefficients: Values
    initial: Values


def reward_transform(graph: Structure, rewards: Any, theta: Any) -> Definition:
    """See `Graph.reward_transform`."""
    values = one_kind(graph, rewards)
    if theta is not None:
        graph = graph.instantiate(theta)
    leaving = np.diff(graph.edges.starts) > 0
    if not values[leaving].any():
        raise InvalidGraph("All rewards are zero: what is earned is always zero")
    if graph.is_discrete and (values != np.floor(values)).any():
        vertex = int(np.flatnonzero(values != np.floor(values))[0])
        raise InvalidGraph(
            f"In discrete time rewards are whole numbers; that of state "
            f"{graph.states.label(vertex)!r} is {values[vertex]}"
        )
    nothing = leaving & (values == 0)
    if nothing.any() and graph.theta_length:
        raise InvalidGraph(
            f"State {graph.states.label(int(np.flatnonzero(nothing)[0]))!r} earns nothing and is "
            "removed; the weights of what takes its place are no longer sums of parameters. Pass "
            "theta=[…]"
        )
    draft = _without(graph, nothing) if nothing.any() else _whole(graph)
    earned = values[draft.vertices]
    if graph.is_discrete:
        return _lengthened(graph, draft, earned.astype(np.int64))
    scale = earned[draft.sources]
    return define(
        States(graph.states.kind, graph.states.rows[draft.vertices]),
        draft.sources,
        draft.targets,
        draft.base / scale,
        draft.coefficients / scale[:, None],
        draft.initial,
        discrete=False,
        name=graph.name,
    )


def _whole(graph: Structure) -> _Draft:
    edges = graph.edges
    return _Draft(
        np.arange(len(graph)),
        edges.sources,
        edges.targets.astype(np.int64),
        edges.base,
        edges.coefficients,
        graph.initial,
    )


@final
@frozen
class Shortened:
    """A graph without some of its vertices: what led to them leads to where they lead.

    Attributes:
        pattern: an elimination of those vertices; the others are kept, and so is a row that leads
            to where the chain begins.
        base, coefficients: weights of its edges.
        vertices: what is left.
        entries: entries of U that are weights of what is left.
        sources, targets: between which positions in `vertices` those are; the source is -1 for
            where the chain begins.
    """

    pattern: SparsityPattern
    base: Values
    coefficients: Values
    vertices: Values
    entries: Values
    sources: Values
    targets: Values


def shorten(graph: Structure, nothing: Values) -> Shortened:
    """Record the elimination of vertices."""
    count = len(graph)
    begins = np.flatnonzero(graph.initial > 0)
    ends = graph.absorbing
    # Two more vertices: one that leads to where the chain begins, and one that all ends lead to, so
    # that beginnings and ends are rows of their own and stay.
    start, sink = count, count + 1
    sources = np.concatenate([graph.edges.sources, np.full(len(begins), start), ends])
    targets = np.concatenate([graph.edges.targets, begins, np.full(len(ends), sink)])
    base = np.concatenate([graph.edges.base, graph.initial[begins], np.ones(len(ends))])
    coefficients = np.zeros((len(base), graph.theta_length))
    coefficients[: len(graph.edges.base)] = graph.edges.coefficients
    order = np.lexsort((targets, sources))
    starts = np.zeros(count + 3, np.uint32)
    starts[1:] = np.cumsum(np.bincount(sources, minlength=count + 2))
    keep = np.append(~nothing, [True, False])
    pattern = analyse(starts, targets[order].astype(np.uint32), keep=keep)
    uppers, columns = pattern.upper
    rows = np.repeat(np.arange(pattern.rows), np.diff(uppers))
    entries = np.flatnonzero((rows >= pattern.eliminated) & (rows != columns))
    position = np.full(count + 1, -1, np.int64)
    vertices = np.flatnonzero(~nothing)
    position[vertices] = np.arange(len(vertices))
    return Shortened(
        pattern,
        base[order],
        coefficients[order],
        vertices,
        entries,
        position[pattern.vertex[rows[entries]]],
        position[pattern.vertex[columns[entries]]],
    )


def _without(graph: Structure, nothing: Values) -> _Draft:
    """Eliminate vertices: what led to them leads to where they lead, in proportion."""
    check_weights(graph.states, graph.edges, np.empty(0), discrete=graph.is_discrete)
    found = shorten(graph, nothing)
    factors = Factors(found.pattern, found.base, found.coefficients, 1)
    factors.update(np.zeros((1, 0)))
    if factors.problems:
        state = graph.states.label(int(found.pattern.vertex[factors.problems[0][1]]))
        raise InvalidGraph(
            f"State {state!r} earns nothing, and with these weights there is no way out of it"
        )
    lowers, _ = found.pattern.entries
    weight = factors.values[0, lowers + found.entries, 0]
    first = found.sources < 0
    initial = np.zeros(len(found.vertices))
    np.add.at(initial, found.targets[first], weight[first])
    return _Draft(
        found.vertices,
        found.sources[~first],
        found.targets[~first],
        weight[~first],
        np.zeros((int((~first).sum()), 0)),
        initial,
    )


def _lengthened(graph: Structure, draft: _Draft, earned: Values) -> Definition:
    """In discrete time, a state that earns k in a step becomes k states that follow each other."""
    copies = np.maximum(earned, 1)
    ends = np.bincount(draft.sources, minlength=len(copies)) == 0
    copies[ends] = 1
    first = np.cumsum(copies) - copies
    last = first + copies - 1
    total = int(copies.sum())
    original = np.repeat(np.arange(len(copies)), copies)
    number = np.arange(total) - first[original]
    inner = np.flatnonzero(number < copies[original] - 1)
    several = np.flatnonzero(copies > 1)
    width = draft.coefficients.shape[1]
    staying = 1 - np.bincount(draft.sources, draft.base, len(copies))
    if not width:
        staying = np.maximum(staying, 0.0)  # less is rounding
    more = (
        np.stack(
            [np.bincount(draft.sources, column, len(copies)) for column in draft.coefficients.T],
            axis=1,
        )
        if width
        else np.zeros((len(copies), 0))
    )
    initial = np.zeros(total)
    initial[first] = draft.initial
    return define(
        _labels(graph, draft.vertices[original], number, any_copied=bool(several.size)),
        np.concatenate([last[draft.sources], inner, last[several]]),
        np.concatenate([first[draft.targets], inner + 1, first[several]]),
        np.concatenate([draft.base, np.ones(len(inner)), staying[several]]),
        np.concatenate([draft.coefficients, np.zeros((len(inner), width)), -more[several]]),
        initial,
        discrete=True,
        name=graph.name,
    )


def _labels(graph: Structure, vertices: Values, number: Values, *, any_copied: bool) -> States:
    """Labels of copies: with their number behind, so that they stay different."""
    states = graph.states
    rows = states.rows[vertices]
    if not any_copied or states.kind == NONE:
        return States(states.kind, rows)
    if states.kind == WORD:
        words = [
            f"{states.label(int(vertex))} {copy + 1}"
            for vertex, copy in zip(vertices, number.tolist(), strict=True)
        ]
        return read_states(words)
    return States("tuple", np.concatenate([rows, number[:, None]], axis=1))
