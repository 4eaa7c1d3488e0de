"""Paths of which it is known where they are at a time, or that they end then.

By uniformisation (Hobolth and Stone, 2009): how many steps there are until then, which ones, and
when, all from their exact distributions.
"""

from __future__ import annotations

from itertools import count
from math import lgamma, log, sqrt

import numpy as np

from emberkeep.phasetype.errors import InvalidGraph, TooStiff
from emberkeep.phasetype.vertices import read_vertices
from emberkeep.phasetype.walks import Walks, Ways, chosen, placed, walk_on
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.random_numbers import Uniforms
    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]

NUMBER: Any = (int, float, np.integer, np.floating)
# What is remembered: numbers by step and vertex.
MOST_STEPS, MOST_NUMBERS = 1_000_000, 50_000_000
SMALL = 2.0**-500
FEW = 46.0  # a logarithm: of a part of 1e-20


def _condition(graph: Structure, ways: Ways, duration: Any, at: Any) -> tuple[Values, float, bool]:
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


@final
class Bridge:
    """Chains up to a time at which something is known; then on, until they end.

    Args:
        graph: whose.
        ways: where its chains can go.
        duration: how long they take, or None.
        at: a time and vertices, in one of which they are then, or None.
    """

    def __init__(self, graph: Structure, ways: Ways, duration: Any, at: Any) -> None:
        weight, time, ended = _condition(graph, ways, duration, at)
        rate = 1.0 if graph.is_discrete else float(ways.out.max())
        self._graph, self._ways, self._time, self._ended = graph, ways, time, ended
        self._probabilities = ways.weights / rate
        self._probabilities[:, 0] = np.maximum(1 - ways.out / rate, 0.0)
        until = time - ended if graph.is_discrete else time  # it ends with the step that follows
        self._behind, chances = _behind(
            graph, ways.targets, self._probabilities, weight, rate * until
        )
        if not chances.any():
            raise InvalidGraph(
                f"That a path is so at time {time:.6g} has no probability, or next to none"
            )
        self._cumulative = np.cumsum(chances)

    @property
    def width(self) -> int:
        """How many numbers it takes for each path."""
        return max(self._ways.targets.shape[1], len(self._cumulative), len(self._graph))

    def draw(self, walks: Walks, random: Uniforms) -> None:
        """How many steps there are, where it begins, and where it goes with each."""
        everyone = random.all
        steps = placed(self._cumulative, random.next_of(everyone))
        here = chosen(self._behind[steps] * self._graph.initial, random.next_of(everyone))
        walks.come(everyone, here.copy(), np.zeros(len(here)))
        moments = _moments(self._graph, random, steps, self._time)
        for step in range(int(steps.max(initial=0))):
            active = np.flatnonzero(steps > step)
            targets = self._ways.targets[here[active]]
            later = self._behind[(steps[active] - step - 1)[:, None], targets]
            way = chosen(self._probabilities[here[active]] * later, random.next_of(active))
            here[active] = targets[np.arange(len(active)), way]
            moved = active[way > 0]
            walks.come(moved, here[moved], moments[moved, step])
        if not self._ended:
            walks.time[:] = self._time
            walk_on(self._graph, self._ways, np.ones(len(self._graph)), walks, random)
            return
        targets = self._ways.targets[here]
        ends = np.diff(self._graph.edges.starts) == 0
        way = chosen(self._ways.weights[here] * ends[targets], random.next_of(everyone))
        walks.come(everyone, targets[np.arange(len(here)), way], np.full(len(here), self._time))


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
