"""From a graph to arrays: a tape that gives a chain's weights, and the chain's edges.

Sizes are rounded up, so that graphs of about one size have arrays of the same size: for all of them
JAX compiles once.
"""

from __future__ import annotations

import numpy as np

from emberkeep.elimination.kernels.tape_writer import find_levels
from emberkeep.elimination.pattern import components
from emberkeep.elimination.tape import Tape, TapeWriter
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.kernels.accuracy import MOST_STEPS, mean_for
from emberkeep.phasetype.rewards import read_rewards
from emberkeep.phasetype.trace import rows_of
from emberkeep.phasetype.transformation import shorten
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]

SMALLEST = 16
# States of the chain that are noted at each of three levels; see `kernels.observation_reverse`.
LEAST_DEPTH, MOST_DEPTH, NOTED_NUMBERS = 100, 1024, 1 << 20
MORE_STEPS = 24  # than the shortest way to the end takes, however short the time
LONGEST_WAY = 512


def rounded(size: int) -> int:
    """A size's bucket: a power of two, or half as much again."""
    bucket = SMALLEST
    while bucket < size:
        bucket = bucket * 3 // 2 if bucket & (bucket - 1) == 0 else bucket * 4 // 3
    return bucket


def depth_for(rows: int) -> int:
    """How many states of a chain with so many rows are noted at each level."""
    return min(max(NOTED_NUMBERS // (3 * 8 * max(rows, 1)), LEAST_DEPTH), MOST_DEPTH)


def padded(values: Values, size: int, filling: float = 0) -> Values:
    """More of them, along the last axis."""
    missing = size - values.shape[-1]
    widths = [(0, 0)] * (values.ndim - 1) + [(0, missing)]
    return np.pad(values, widths, constant_values=filling)


@final
@frozen
class Chain:
    """A chain whose weights are what a tape gives: by edge; by row, leaving; by row, beginning.

    Attributes:
        tape: from parameters to weights.
        counts: rows, edges, times (none yet), whether it is discrete, the least number of steps,
            the largest mean number of them, the depth of notes, how many times 8 chains have one
            rate, and whether where it begins depends on no parameter.
        starts: the first edge that leads to each row, and the end of all.
        sources, targets: of edges.
        ends: by row, where its component ends; rows go along the edges.
        vertices: by row, the graph's vertex, where nothing is earned.
    """

    tape: Tape
    counts: Values
    starts: Values
    sources: Values
    targets: Values
    ends: Values
    vertices: Values


def record_chain(graph: Structure, rewards: Values | None) -> Chain:
    """The chain whose time until the end is the graph's, or what it earns.

    Args:
        graph: the graph.
        rewards: of one kind, by vertex.

    Raises:
        InvalidGraph: rewards are all zero, or not whole in discrete time.
    """
    writer = TapeWriter(graph.theta_length)
    draft = _draft(graph, writer, rewards)
    leaving_rows = np.bincount(draft.sources, minlength=draft.count) > 0
    rows = np.flatnonzero(leaving_rows)
    number = np.full(draft.count, -1, np.int64)
    number[rows] = np.arange(len(rows))
    sources, targets = number[draft.sources], number[draft.targets]
    inner = targets >= 0
    order, ends = _along_edges(sources[inner], targets[inner], len(rows))
    position = np.empty(len(rows), np.int64)
    position[order] = np.arange(len(rows))
    by_target = np.flatnonzero(inner)
    by_target = by_target[np.lexsort((position[sources[by_target]], position[targets[by_target]]))]
    leaving = _summed(writer, position[sources[~inner]], draft.slots[~inner], len(rows))
    size, edges = rounded(len(rows)), rounded(len(by_target))
    outputs = np.concatenate(
        [
            padded(draft.slots[by_target], edges, NOWHERE),
            padded(leaving, size, NOWHERE),
            padded(draft.initial[rows[order]], size, NOWHERE),
        ]
    )
    starts = np.searchsorted(position[targets[by_target]], np.arange(size + 1))
    least = _shortest_way(draft, leaving_rows) + MORE_STEPS
    depth = depth_for(size)
    is_fixed = bool(np.isin(draft.initial, [NOWHERE, *writer.known_constants]).all())
    counts = (len(rows), len(by_target), 0, graph.is_discrete, least,
              min(MOST_STEPS, mean_for(depth**3)), depth, 1, is_fixed)  # fmt: skip
    return Chain(
        writer.tape(outputs),
        np.array(counts, np.int64),
        starts.astype(np.int32),
        padded(position[sources[by_target]], edges, size).astype(np.int32),
        padded(position[targets[by_target]], edges, size).astype(np.int32),
        padded(ends, size, len(rows)).astype(np.int32),
        rows[order],
    )


NOWHERE = -1


@final
@frozen
class _Draft:
    """A chain on its way.

    Attributes:
        count: how many places there are, those included where it ends.
        sources, targets: of edges.
        slots: of their weights.
        initial: slots of probabilities of beginning, by place.
    """

    count: int
    sources: Values
    targets: Values
    slots: Values
    initial: Values


def _draft(graph: Structure, writer: TapeWriter, rewards: Values | None) -> _Draft:
    edges = graph.edges
    plain = rewards is None or bool((rewards[np.diff(edges.starts) > 0] == 1).all())
    if plain or rewards is None:
        slots = writer.linear(edges.base, edges.coefficients)
        initial = np.where(graph.initial > 0, writer.constants(graph.initial), NOWHERE)
        return _Draft(len(graph), edges.sources, edges.targets.astype(np.int64), slots, initial)
    return _rewarded(graph, writer, rewards)


def _rewarded(graph: Structure, writer: TapeWriter, rewards: Values) -> _Draft:
    leaving = np.diff(graph.edges.starts) > 0
    if not rewards[leaving].any():
        raise InvalidGraph("All rewards are zero: what is earned is always zero")
    if graph.is_discrete and (rewards != np.floor(rewards)).any():
        vertex = int(np.flatnonzero(rewards != np.floor(rewards))[0])
        raise InvalidGraph(
            f"In discrete time rewards are whole numbers; that of state "
            f"{graph.states.label(vertex)!r} is {rewards[vertex]}"
        )
    short = shorten(graph, leaving & (rewards == 0))
    weights = writer.linear(short.base, short.coefficients)
    upper = writer.factors(short.pattern, weights).upper[short.entries]
    first = short.sources < 0
    initial = np.full(len(short.vertices), NOWHERE)
    initial[short.targets[first]] = upper[first]
    earned = rewards[short.vertices]
    sources, targets, slots = short.sources[~first], short.targets[~first], upper[~first]
    if not graph.is_discrete:
        slots = writer.quotient(slots, writer.constants(earned[sources]))
        return _Draft(len(earned), sources, targets, slots, initial)
    return _lengthened(
        writer, _Draft(len(earned), sources, targets, slots, initial), earned.astype(np.int64)
    )


def _lengthened(writer: TapeWriter, draft: _Draft, earned: Values) -> _Draft:
    """In discrete time, a state that earns k in a step becomes k states that follow each other."""
    goes = np.bincount(draft.sources, minlength=draft.count) > 0
    copies = np.where(goes, np.maximum(earned, 1), 1)
    first = np.cumsum(copies) - copies
    last = first + copies - 1
    total = int(copies.sum())
    original = np.repeat(np.arange(len(copies)), copies)
    number = np.arange(total) - first[original]
    inner = np.flatnonzero(number < copies[original] - 1)
    several = np.flatnonzero(copies > 1)
    leaving = _summed(writer, draft.sources, draft.slots, draft.count)[several]
    staying = writer.slots(len(several))
    writer.add(staying, writer.constants(np.ones(len(several))))
    writer.add(staying, leaving, writer.constants(np.full(len(several), -1.0)))
    initial = np.full(total, NOWHERE)
    initial[first] = draft.initial
    return _Draft(
        total,
        np.concatenate([last[draft.sources], inner, last[several]]),
        np.concatenate([first[draft.targets], inner + 1, first[several]]),
        np.concatenate([draft.slots, writer.constants(np.ones(len(inner))), staying]),
        initial,
    )


def _summed(writer: TapeWriter, places: Values, slots: Values, count: int) -> Values:
    """By place, the slot of a sum; nowhere where there is nothing to sum."""
    found = np.full(count, NOWHERE)
    many = np.bincount(places, minlength=count)
    alone = many[places] == 1
    found[places[alone]] = slots[alone]
    sums = np.flatnonzero(many > 1)
    found[sums] = writer.slots(len(sums))
    writer.add(found[places[~alone]], slots[~alone])
    return found


def _along_edges(sources: Values, targets: Values, count: int) -> tuple[Values, Values]:
    """Rows by component, along the edges, those first that are early; and where components end."""
    order = np.argsort(sources, kind="stable")
    starts = np.zeros(count + 1, np.uint32)
    starts[1:] = np.cumsum(np.bincount(sources, minlength=count))
    number = components(starts, np.ascontiguousarray(targets[order], np.uint32))
    between = number[sources] != number[targets]
    pairs = np.stack([number[sources[between]], number[targets[between]]])
    pairs = pairs[:, np.argsort(pairs[0], kind="stable")]
    written = np.ascontiguousarray(np.stack([pairs[0], pairs[1], pairs[0], pairs[0]]))
    early = np.zeros(max(count, 1), np.int64)
    find_levels(written, early, np.zeros(written.shape[1], np.int64), count=1)
    rows = np.lexsort((np.arange(count), number, early[number]))
    sorted_number = number[rows]
    last = np.flatnonzero(np.append(sorted_number[1:] != sorted_number[:-1], True)) + 1
    sizes = np.diff(np.append(0, last)) if count else np.empty(0, np.int64)
    return rows, np.repeat(last[: len(sizes)], sizes)


def _shortest_way(draft: _Draft, leaving: Values) -> int:
    """How many steps it takes at least to end; none, where that is very many."""
    reached = draft.initial != NOWHERE
    for steps in range(LONGEST_WAY):
        if reached[~leaving].any():
            return steps
        reached[draft.targets[reached[draft.sources]]] = True
    return 0


def record_moments(graph: Structure, rewards: Values, order: int) -> Tape:
    """A tape of raw moments of orders 1 to `order`, by kind of reward.

    Args:
        graph: the graph.
        rewards: by vertex and kind.
        order: of the last.
    """
    writer, solutions = _solved(graph, rewards, order)
    initial = rows_of(graph).initial
    return writer.tape(np.array([writer.dot(initial, solution) for solution in solutions]))


def record_rests(graph: Structure, rewards: Values, order: int, chain: Chain) -> Tape:
    """A tape of moments of the rest, by kind of reward, order and row of a chain.

    Args:
        graph: the graph.
        rewards: by vertex and kind.
        order: of the last.
        chain: the graph's.
    """
    writer, solutions = _solved(graph, rewards, order)
    place = np.empty(len(graph), np.int64)
    place[rows_of(graph).vertices] = np.arange(len(chain.vertices))
    rows, size = place[chain.vertices], len(chain.ends)
    return writer.tape(
        np.concatenate([padded(solution[rows], size, NOWHERE) for solution in solutions])
    )


def _solved(graph: Structure, rewards: Values, order: int) -> tuple[TapeWriter, list[Values]]:
    """By kind of reward and order, slots of the moments of the rest, by row."""
    rows = rows_of(graph)
    writer = TapeWriter(graph.theta_length)
    weights = writer.linear(rows.edges.base, rows.edges.coefficients)
    factored = writer.factors(rows.pattern, weights)
    solve = _discrete_powers if graph.is_discrete else _powers
    solutions: list[Values] = []
    for kind in rewards.T:
        solutions += solve(writer, factored, kind[rows.vertices], order)
    return writer, solutions


def _powers(writer: TapeWriter, factored: Any, earned: Values, order: int) -> list[Values]:
    """By row, slots of the moments of the rest."""
    found: list[Values] = []
    for k in range(1, order + 1):
        constants = writer.constants(k * earned)
        right = constants if k == 1 else writer.product(found[-1], constants)
        found.append(writer.solve(factored, np.where(earned > 0, right, NOWHERE)))
    return found


def _discrete_powers(writer: TapeWriter, factored: Any, earned: Values, order: int) -> list[Values]:
    from math import comb

    found: list[Values] = []
    stepped: list[Values] = []  # the moments after one step
    minus = writer.constants(np.full(len(earned), -1.0))
    for k in range(1, order + 1):
        right = writer.slots(len(earned))
        writer.add(right, writer.constants(earned**k))
        for j in range(1, k):
            writer.add(right, writer.constants(comb(k, j) * earned ** (k - j)), stepped[j - 1])
        found.append(writer.solve(factored, right))
        after = writer.product(found[-1], writer.constants(np.ones(len(earned))))
        writer.add(after, right, minus)
        stepped.append(after)
    return found


def kinds_of(graph: Structure, rewards: Any) -> tuple[Values | None, bool]:
    """Rewards by vertex and kind, and whether there are kinds; None for time itself."""
    if rewards is None:
        return None, False
    values = read_rewards(graph, rewards)
    return (values[:, None], False) if values.ndim == 1 else (values, True)
