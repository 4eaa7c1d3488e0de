"""Whole paths of a chain: where it goes and when; also of one whose end or time is known.

What is known weighs each step by how likely it makes the rest (Doob's transform). An end that is
known changes where a chain goes, and not how long it stays. A time that is known is met by
uniformisation (Hobolth and Stone, 2009): how many steps there are until then, which ones, and
when, all from their exact distributions.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import count
from math import lgamma, log, sqrt

import numpy as np

from emberkeep.phasetype.assembly import check_weights
from emberkeep.phasetype.errors import InvalidGraph, TooStiff
from emberkeep.phasetype.hitting import hitting_probabilities
from emberkeep.phasetype.linear_systems import read_single
from emberkeep.phasetype.moments import expectation
from emberkeep.phasetype.random_numbers import Uniforms
from emberkeep.phasetype.rewards import read_rewards
from emberkeep.phasetype.vertices import read_vertices
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]

WHOLE: Any = (int, np.integer)
NUMBER: Any = (int, float, np.integer, np.floating)
# Of a time that is known, what is remembered: numbers by step and vertex.
MOST_STEPS, MOST_NUMBERS = 1_000_000, 50_000_000
SMALL = 2.0**-500
FEW = 46.0  # a logarithm: of a part of 1e-20


@final
@frozen
class Path:
    """Where a chain went.

    Attributes:
        graph: the graph that it is of.
        vertices: the numbers of the vertices that it came to, in order; the last one is where it
            ended. None, where it had ended before it began.
        times: when it came there.
    """

    graph: Structure
    vertices: Values
    times: Values

    @property
    def states(self) -> list[object]:
        """Labels of the vertices."""
        return [self.graph.states.label(int(vertex)) for vertex in self.vertices]

    @property
    def duration(self) -> float:
        """When it ended."""
        return float(self.times[-1]) if len(self.times) else 0.0

    @property
    def sojourns(self) -> Values:
        """How long it stayed in each vertex, but where it ended."""
        return np.diff(self.times)

    def vertex_at(self, time: float) -> int:
        """Where it was at a time."""
        if not time >= 0 or not len(self.times):
            raise InvalidGraph(
                f"time is {time!r}; expected one that is not negative, and a path that has begun"
            )
        return int(self.vertices[bisect_right(self.times, time) - 1])

    def earned(self, rewards: Any = None) -> Any:
        """What it earned, by kind of reward where there are several; by default, its duration."""
        values = read_rewards(self.graph, rewards)
        if not len(self.vertices):
            return values[:0].sum(axis=0)
        return np.tensordot(self.sojourns, values[self.vertices[:-1]], 1)

    def __repr__(self) -> str:
        """How far, and how long."""
        steps = max(0, len(self.vertices) - 1)
        return f"<Path in {self.graph.name}: {steps} steps, {self.duration:.6g} long>"


@final
@frozen
class _Ways:
    """Where one can go from each vertex, as rows of equal length.

    Attributes:
        targets: by vertex and way; the first is to stay.
        weights: by vertex and way.
        out: how fast each vertex is left.
    """

    targets: Values
    weights: Values
    out: Values


def sample_paths(
    graph: Structure,
    size: Any,
    theta: Any,
    *,
    ends: Any,
    duration: Any,
    at: Any,
    seed: int | None,
) -> list[Path]:
    """See `PhaseType.sample_paths`."""
    if not isinstance(size, WHOLE) or size < 0:
        raise InvalidGraph(f"size is {size!r}; expected how many paths, a whole number")
    if sum(each is not None for each in (ends, duration, at)) > 1:
        raise InvalidGraph("Pass at most one of ends=, duration= and at=")
    vector = read_single(graph, theta)
    expectation(graph, theta, None)  # every state must have a way out
    ways = _ways(graph, vector)
    random = Uniforms(seed, int(size))
    walks = _Walks(int(size))
    if duration is not None or at is not None:
        weight, time, ended = _condition(graph, ways, duration, at)
        _bridge(graph, ways, walks, random, weight, time, ended=ended)
        return walks.paths(graph)
    likely = np.ones(len(graph))
    if ends is not None:
        inside = read_vertices(graph, ends)
        _require_ends(graph, inside)
        likely = hitting_probabilities(graph, inside, theta)
    first = _begin(random, graph.initial * likely, surely=ends is not None)
    begun = np.flatnonzero(first >= 0)
    walks.come(begun, first[begun], np.zeros(len(begun)))
    _walk(graph, ways, likely, walks, random)
    return walks.paths(graph)


def _require_ends(graph: Structure, inside: Values) -> None:
    wrong = np.flatnonzero(inside & (np.diff(graph.edges.starts) > 0))
    if wrong.size:
        raise InvalidGraph(
            f"ends names state {graph.states.label(int(wrong[0]))!r}, in which no chain ends; "
            f"expected some of the vertices {graph.absorbing.tolist()!r:.200}"
        )


def _ways(graph: Structure, vector: Values) -> _Ways:
    edges = graph.edges
    weights = check_weights(graph.states, edges, vector, discrete=graph.is_discrete)
    sources = edges.sources
    place = np.arange(len(sources)) - edges.starts[:-1].astype(np.int64)[sources] + 1
    shape = (len(graph), int(np.diff(edges.starts).max(initial=0)) + 1)
    targets, table = np.repeat(np.arange(len(graph))[:, None], shape[1], 1), np.zeros(shape)
    targets[sources, place], table[sources, place] = edges.targets, weights
    return _Ways(targets, table, np.bincount(sources, weights, len(graph)))


def _chosen(weights: Values, drawn: Values) -> Values:
    """By row, a column in proportion to weights."""
    sums = np.cumsum(weights, axis=1)
    share = np.minimum(drawn * sums[:, -1], np.nextafter(sums[:, -1], 0))
    return (sums <= share[:, None]).sum(axis=1)


def _begin(random: Uniforms, begins: Values, *, surely: bool) -> Values:
    """By chain, the vertex where it begins; -1 where it has ended before, if it need not begin."""
    drawn = random.next_of(random.all)
    if surely:
        if not begins.any():
            raise InvalidGraph("That a chain ends there has no probability: no path is like that")
        return _chosen(np.repeat(begins[None, :], len(drawn), 0), drawn)
    sums = np.cumsum(begins)
    found = np.searchsorted(sums, drawn, side="right")
    return np.where(found < len(begins), found, -1)


@final
class _Walks:
    """Paths on their way."""

    def __init__(self, size: int) -> None:
        self.here = np.full(size, -1, np.int64)
        self.time = np.zeros(size)
        self._came: list[tuple[Values, Values, Values]] = []

    def come(self, which: Values, vertices: Values, times: Values) -> None:
        """Some come to vertices."""
        self.here[which], self.time[which] = vertices, times
        self._came.append((which, vertices, times))

    def paths(self, graph: Structure) -> list[Path]:
        """All of them."""
        size = len(self.here)
        if not self._came:
            return [Path(graph, np.empty(0, np.int64), np.empty(0)) for _ in range(size)]
        which, vertices, times = map(np.concatenate, zip(*self._came, strict=True))
        order = np.argsort(which, kind="stable")
        cuts = np.searchsorted(which[order], np.arange(1, size))
        parts = np.split(vertices[order], cuts), np.split(times[order], cuts)
        return [Path(graph, *pair) for pair in zip(*parts, strict=True)]


def _walk(graph: Structure, ways: _Ways, likely: Values, walks: _Walks, random: Uniforms) -> None:
    """From where they are until all have ended."""
    leaves = np.diff(graph.edges.starts) > 0
    while True:
        active = np.flatnonzero((walks.here >= 0) & leaves[walks.here])
        if not active.size:
            return
        here = walks.here[active]
        out, drawn = ways.out[here], random.next_of(active)
        if graph.is_discrete:
            with np.errstate(divide="ignore"):
                tries = np.ceil(np.log(drawn) / np.log1p(-np.minimum(out, 1.0)))
            stay = np.where(out >= 1, 1.0, np.maximum(tries, 1.0))
        else:
            stay = -np.log(drawn) / out
        targets = ways.targets[here]
        way = _chosen(ways.weights[here] * likely[targets], random.next_of(active))
        walks.come(active, targets[np.arange(len(active)), way], walks.time[active] + stay)


def _condition(graph: Structure, ways: _Ways, duration: Any, at: Any) -> tuple[Values, float, bool]:
    """What is known at a time, as a weight by vertex; the time; and whether it ends then."""
    time, targets = (duration, None) if at is None else _pair(at)
    if (
        not isinstance(time, NUMBER)
        or not 0 <= time < np.inf
        or (graph.is_discrete and time != np.floor(time))
    ):
        raise InvalidGraph(
            f"The time that is known is {time!r}; expected a finite one that is not negative"
            + (", in whole steps" if graph.is_discrete else "")
        )
    if at is not None:
        return read_vertices(graph, targets).astype(float), float(time), False
    if time == 0:
        raise InvalidGraph("duration is 0; a path that has begun takes longer")
    ends = np.diff(graph.edges.starts) == 0
    return (ways.weights * ends[ways.targets] * ~ends[:, None]).sum(axis=1), float(time), True


def _pair(at: Any) -> tuple[Any, Any]:
    if not isinstance(at, tuple) or len(at) != 2:  # noqa: PLR2004  # pyright: ignore[reportUnknownArgumentType]
        raise InvalidGraph(f"at is {at!r}; expected a pair of a time and vertices")
    return at[0], at[1]  # pyright: ignore[reportUnknownVariableType]


def _bridge(
    graph: Structure,
    ways: _Ways,
    walks: _Walks,
    random: Uniforms,
    weight: Values,
    time: float,
    *,
    ended: bool,
) -> None:
    """Paths for which a weight of where they are at a time is known; then on, until they end."""
    rate = 1.0 if graph.is_discrete else float(ways.out.max())
    probabilities = ways.weights / rate
    probabilities[:, 0] = np.maximum(1 - ways.out / rate, 0.0)
    until = time - ended if graph.is_discrete else time  # it ends with the step that follows
    behind, chances = _behind(graph, ways.targets, probabilities, weight, rate * until)
    if not chances.any():
        raise InvalidGraph(
            f"That a path is so at time {time:.6g} has no probability, or next to none"
        )
    # How many steps there are, where it begins, and where it goes with each.
    steps = _chosen(np.repeat(chances[None, :], len(walks.here), 0), random.next_of(random.all))
    here = _chosen(behind[steps] * graph.initial, random.next_of(random.all))
    walks.come(random.all, here.copy(), np.zeros(len(here)))
    moments = _moments(graph, random, steps, time)
    for step in range(int(steps.max(initial=0))):
        active = np.flatnonzero(steps > step)
        targets = ways.targets[here[active]]
        later = behind[(steps[active] - step - 1)[:, None], targets]
        way = _chosen(probabilities[here[active]] * later, random.next_of(active))
        here[active] = targets[np.arange(len(active)), way]
        moved = active[way > 0]
        walks.come(moved, here[moved], moments[moved, step])
    if not ended:
        walks.time[:] = time
        _walk(graph, ways, np.ones(len(graph)), walks, random)
        return
    targets = ways.targets[here]
    ends = np.diff(graph.edges.starts) == 0
    way = _chosen(ways.weights[here] * ends[targets], random.next_of(random.all))
    walks.come(random.all, targets[random.all, way], np.full(len(here), time))


def _behind(
    graph: Structure, targets: Values, probabilities: Values, weight: Values, mean: float
) -> tuple[Values, Values]:
    """By number of steps left and vertex, the mean of the weight then; how likely each number is.

    In continuous time a number is likely as a Poisson one is, times that mean where it begins: far
    in a tail these are numbers that a Poisson distribution alone would leave out. Both are known
    but for a factor, the first for each number of steps.
    """
    past = mean if graph.is_discrete else mean + 10 * sqrt(mean) + 10
    if past > min(MOST_STEPS, MOST_NUMBERS / len(graph)):
        raise TooStiff(
            f"Until then there may be {past:,.0f} steps, in {len(graph):,} states: too many to "
            "remember. Ask for a shorter time, or leave out what is so fast that it takes no time"
        )
    found: list[Values] = []
    logarithms: list[float] = []
    value, scale, largest = weight.astype(float), 0.0, -np.inf
    for step in count():
        poisson = _log_poisson(step, mean)
        found.append(value)
        begins = float(graph.initial @ value)
        logarithms.append(poisson + scale + log(begins) if begins > 0 else -np.inf)
        largest = max(largest, logarithms[-1])
        # All that follow are less likely than Poisson numbers are, times the largest weight.
        if step >= past and (graph.is_discrete or poisson + log(weight.max()) < largest - FEW):
            break
        if step >= past + len(graph) and largest == -np.inf:
            break  # nothing leads there
        value = (probabilities * value[targets]).sum(axis=1)
        if 0 < value.max() < SMALL:  # far in the tail: so that nothing is lost
            value, scale = value / SMALL, scale + log(SMALL)
    if graph.is_discrete:
        return np.array(found), np.append(np.zeros(len(found) - 1), logarithms[-1] > -np.inf)
    if largest == -np.inf:
        return np.array(found), np.zeros(len(found))
    return np.array(found), np.exp(np.array(logarithms) - largest)


def _log_poisson(number: int, mean: float) -> float:
    """The logarithm of a Poisson probability."""
    if mean == 0:
        return 0.0 if number == 0 else -np.inf
    return number * log(mean) - mean - lgamma(number + 1)


def _moments(graph: Structure, random: Uniforms, steps: Values, time: float) -> Values:
    """By path, when each of its steps is made."""
    most = int(steps.max(initial=0))
    if graph.is_discrete:
        return np.broadcast_to(np.arange(1, most + 1.0), (len(steps), most))
    found = np.full((len(steps), most), np.inf)
    for step in range(most):
        active = np.flatnonzero(steps > step)
        found[active, step] = time * random.next_of(active)
    found.sort(axis=1)
    return found
