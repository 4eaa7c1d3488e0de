"""Whole paths of a chain: where it goes and when; also of one whose end or time is known.

What is known weighs each step by how likely it makes the rest (Doob's transform). An end that is
known changes where a chain goes, and not how long it stays; a time is a bridge.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from emberkeep.phasetype.bridges import Bridge
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.hitting import hitting_probabilities
from emberkeep.phasetype.linear_systems import read_single
from emberkeep.phasetype.moments import expectation
from emberkeep.phasetype.random_numbers import Uniforms, key_of
from emberkeep.phasetype.rewards import read_rewards
from emberkeep.phasetype.vertices import read_vertices
from emberkeep.phasetype.walks import Walks, Ways, placed, walk_on, ways_of
from emberkeep.startup_records import final, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from emberkeep.phasetype.structure import Structure

    Values = np.ndarray[Any, Any]

WHOLE: Any = (int, np.integer)
AT_ONCE = 10_000_000  # numbers: paths are drawn in parts that take so many


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
    ways = ways_of(graph, vector)
    if duration is not None or at is not None:
        law = Bridge(graph, ways, duration, at)
    else:
        law = _Free(graph, ways, theta, ends)
    key, part = key_of(seed), max(1, AT_ONCE // law.width)
    found: list[Path] = []
    for begin in range(0, int(size), part):
        random = Uniforms(key, begin, min(begin + part, int(size)))
        walks = Walks(len(random.all))
        law.draw(walks, random)
        found += [Path(graph, *came) for came in walks.by_chain()]
    return found


@final
class _Free:
    """Chains from their beginning on, all of them or those that come to some ends."""

    def __init__(self, graph: Structure, ways: Ways, theta: Any, ends: Any) -> None:
        self._graph, self._ways = graph, ways
        self._likely, self._surely = np.ones(len(graph)), ends is not None
        if self._surely:
            inside = read_vertices(graph, ends)
            _require_ends(graph, inside)
            self._likely = hitting_probabilities(graph, inside, theta)
        self._begins = np.cumsum(graph.initial * self._likely)
        if not self._begins[-1] > 0:
            raise InvalidGraph("That a chain ends there has no probability: no path is like that")

    @property
    def width(self) -> int:
        """How many numbers it takes for each path."""
        return self._ways.targets.shape[1]

    def draw(self, walks: Walks, random: Uniforms) -> None:
        """Where each begins, if it has not ended before; then on, until all have ended."""
        drawn, sums = random.next_of(random.all), self._begins
        first = placed(sums, drawn) if self._surely else np.searchsorted(sums, drawn, side="right")
        begun = np.flatnonzero(first < len(sums))
        walks.come(begun, first[begun], np.zeros(len(begun)))
        walk_on(self._graph, self._ways, self._likely, walks, random)


def _require_ends(graph: Structure, inside: Values) -> None:
    wrong = np.flatnonzero(inside & (np.diff(graph.edges.starts) > 0))
    if wrong.size:
        raise InvalidGraph(
            f"ends names state {graph.states.label(int(wrong[0]))!r}, in which no chain ends; "
            f"expected some of the vertices {graph.absorbing.tolist()!r:.200}"
        )
