"""From lists of edges to a graph's arrays, with everything that can be wrong found on the way."""

from __future__ import annotations

from math import fsum

import numpy as np

from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.kernels.accuracy import SLACK
from emberkeep.phasetype.kernels.state_space import mark_reached
from emberkeep.startup_records import final, frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.states import States

    Values = np.ndarray[Any, Any]


@final
@frozen
class Edges:
    """Edges in the order of where they begin, then of where they lead.

    Attributes:
        starts: the first edge of each vertex, and the end of all.
        targets: where each leads.
        base: the weight where all parameters are zero.
        coefficients: by edge and parameter: what is added for each.
    """

    starts: Values
    targets: Values
    base: Values
    coefficients: Values

    @property
    def sources(self) -> Values:
        """Where each begins."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def weights(self, theta: Values) -> Values:
        """Weights for one parameter vector."""
        return self.base + self.coefficients @ theta if theta.size else self.base


def assemble(
    states: States,
    sources: Values,
    targets: Values,
    base: Values,
    coefficients: Values,
    *,
    discrete: bool,
) -> Edges:
    """Sort edges, add up parallel ones, drop those that never have weight.

    An edge from a vertex to itself is dropped: in continuous time it does nothing, and in discrete
    time staying is what is left.

    Raises:
        InvalidGraph: names the state that an impossible edge begins at.
    """
    count = len(states)
    bad = ~(np.isfinite(base) & np.isfinite(coefficients).all(axis=1))
    _refuse(states, sources, targets, bad, "a weight that is not finite")
    fixed = ~(coefficients != 0).any(axis=1)
    _refuse(states, sources, targets, fixed & (base < 0), "a negative weight")
    if discrete:
        _check_staying(states, sources, targets, base, fixed)
    there = (sources != targets) & ~(fixed & (base == 0))
    order = np.flatnonzero(there)
    order = order[np.lexsort((targets[order], sources[order]))]
    sources, targets, base = sources[order], targets[order], base[order]
    coefficients = coefficients[order]
    same = (sources[1:] == sources[:-1]) & (targets[1:] == targets[:-1])
    if same.any():
        sources, targets, base, coefficients = _added_up(sources, targets, base, coefficients)
        bad = ~(np.isfinite(base) & np.isfinite(coefficients).all(axis=1))
        _refuse(states, sources, targets, bad, "weights that add up to infinity")
    starts = np.zeros(count + 1, np.uint32)
    starts[1:] = np.cumsum(np.bincount(sources, minlength=count))
    edges = Edges(starts, targets.astype(np.uint32), base, np.ascontiguousarray(coefficients))
    if discrete and not coefficients.any():
        check_probabilities(states, edges, edges.base)
    return edges


def _added_up(
    sources: Values, targets: Values, base: Values, coefficients: Values
) -> tuple[Values, Values, Values, Values]:
    """Parallel edges as one."""
    order = np.lexsort((targets, sources))
    sources, targets = sources[order], targets[order]
    new = np.flatnonzero(np.r_[True, (sources[1:] != sources[:-1]) | (targets[1:] != targets[:-1])])
    base = exact_sums(base[order], new)
    columns = [exact_sums(column, new) for column in coefficients[order].T]
    coefficients = np.stack(columns, axis=1) if columns else np.zeros((len(new), 0))
    there = (base != 0) | (coefficients != 0).any(axis=1)  # what has cancelled is no edge
    return sources[new][there], targets[new][there], base[there], coefficients[there]


def exact_sums(values: Values, begins: Values) -> Values:
    """Sums of what begins at some places and ends at the next, exactly rounded: in any order."""
    found = values[begins]
    ends = np.append(begins[1:], len(values))
    for number in np.flatnonzero(ends - begins > 1).tolist():
        part = values[begins[number] : ends[number]].tolist()
        try:
            found[number] = fsum(part)
        except OverflowError:
            found[number] = np.inf
    return found


def _refuse(states: States, sources: Values, targets: Values, bad: Values, what: str) -> None:
    if bad.any():
        edge = int(np.flatnonzero(bad)[0])
        raise InvalidGraph(
            f"The edge from state {states.label(int(sources[edge]))!r} to "
            f"{states.label(int(targets[edge]))!r} has {what}"
        )


def _check_staying(
    states: States, sources: Values, targets: Values, base: Values, fixed: Values
) -> None:
    """Where staying has a probability of its own, everything must add up to one."""
    count = len(states)
    stays = np.unique(sources[(sources == targets) & (base != 0)])
    total = np.bincount(sources, base, count)[stays]
    known = np.bincount(sources, ~fixed, count)[stays] == 0
    bad = known & (abs(total - 1) > SLACK)
    if bad.any():
        state = states.label(int(stays[bad][0]))
        raise InvalidGraph(
            f"The probabilities of state {state!r} add up to {total[bad][0]:.12g}, and staying is "
            "among them: they must add up to 1. What is left is staying, if you leave it out"
        )


def check_probabilities(states: States, edges: Edges, weights: Values) -> None:
    """In discrete time, what leaves a state is at most one."""
    total = np.bincount(edges.sources, weights, len(states))
    over = np.flatnonzero(total > 1 + SLACK)
    if over.size:
        raise InvalidGraph(
            f"The probabilities of leaving state {states.label(int(over[0]))!r} add up to "
            f"{total[over[0]]:.12g}; expected at most 1"
        )


def check_weights(states: States, edges: Edges, theta: Values, *, discrete: bool) -> Values:
    """Weights for a parameter vector.

    Raises:
        InvalidGraph: one is negative or not finite with it, or probabilities are over one.
    """
    weights = edges.weights(theta)
    if not (weights >= 0).all() or not np.isfinite(weights).all():
        edge = int(np.flatnonzero(~(weights >= 0) | ~np.isfinite(weights))[0])
        raise InvalidGraph(
            f"With theta={theta.tolist()}, the edge from state "
            f"{states.label(int(edges.sources[edge]))!r} to "
            f"{states.label(int(edges.targets[edge]))!r} has the weight {weights[edge]:.6g}; "
            "expected one that is finite and not negative"
        )
    if discrete:
        check_probabilities(states, edges, weights)
    return weights


def read_initial(states: States, initial: Values) -> Values:
    """Check probabilities of where to begin.

    Raises:
        InvalidGraph: one is impossible, or they add up to more than one.
    """
    if not np.isfinite(initial).all() or (initial < 0).any():
        bad = int(np.flatnonzero(~np.isfinite(initial) | (initial < 0))[0])
        raise InvalidGraph(
            f"The probability {initial[bad]} of beginning in state {states.label(bad)!r} must be "
            "between 0 and 1"
        )
    total = fsum(initial.tolist())  # exactly rounded: the same in any order
    if total > 1 + SLACK:
        raise InvalidGraph(f"The probabilities of beginning add up to {total:.12g}; at most 1")
    if total == 0:
        raise InvalidGraph(
            "No state has a probability of beginning there; pass initial=[(state, 1.0)]"
        )
    return initial / total if total > 1 else initial


def pruned(states: States, edges: Edges, initial: Values) -> tuple[States, Edges, Values]:
    """Without what cannot be reached from where the chain begins."""
    sources, targets = edges.sources, edges.targets.astype(np.int64)
    reached = closure(initial > 0, sources, targets)
    number = np.cumsum(reached) - 1
    inner = reached[sources]
    starts = np.zeros(int(reached.sum()) + 1, np.uint32)
    starts[1:] = np.cumsum(np.diff(edges.starts)[reached])
    kept = Edges(
        starts,
        number[targets[inner]].astype(np.uint32),
        edges.base[inner],
        np.ascontiguousarray(edges.coefficients[inner]),
    )
    return replace(states, {"rows": states.rows[reached]}), kept, initial[reached]


def check_ways(states: States, edges: Edges, initial: Values) -> None:
    """Every state can be reached, and from every state the end can be reached.

    Raises:
        InvalidGraph: names one that cannot.
    """
    sources, targets = edges.sources, edges.targets.astype(np.int64)
    ends = np.diff(edges.starts) == 0
    if not ends.any():
        raise InvalidGraph(
            "No state is an end: each has edges that leave it, so that the chain never ends. An "
            "absorbing state is one without edges"
        )
    reached = closure(initial > 0, sources, targets)
    if not reached.all():
        raise InvalidGraph(
            f"State {states.label(int(np.flatnonzero(~reached)[0]))!r} cannot be reached from "
            "where the chain begins. Add an edge to it, or let the chain begin there; prune=True "
            "leaves out all such states"
        )
    ending = closure(ends, targets, sources)
    if not ending.all():
        raise InvalidGraph(
            f"From state {states.label(int(np.flatnonzero(~ending)[0]))!r} no absorbing state can "
            "be reached: the chain may never end. Add an edge that leads out"
        )


def closure(inside: Values, sources: Values, targets: Values) -> Values:
    """All vertices that can be reached from some along edges."""
    count = len(inside)
    starts = np.zeros(count + 1, np.uint32)
    starts[1:] = np.cumsum(np.bincount(sources, minlength=count))
    order = np.argsort(sources, kind="stable")
    marked = np.ascontiguousarray(inside, np.uint8)
    mark_reached(
        starts, targets[order].astype(np.uint32), marked, np.empty(count, np.int64), count=1
    )
    return marked.astype(bool)
