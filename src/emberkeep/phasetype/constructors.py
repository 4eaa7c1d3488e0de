"""The ways in which graphs are made: by hand, and from callbacks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import fsum

import numpy as np

from emberkeep.phasetype.assembly import assemble, check_ways, pruned, read_initial
from emberkeep.phasetype.errors import InvalidGraph
from emberkeep.phasetype.states import TUPLE, States, read_states
from emberkeep.phasetype.structure import Definition
from emberkeep.startup_records import final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from typing import Any

    Values = np.ndarray[Any, Any]


class Draft(ABC):
    """Vertices and edges on their way to a graph.

    Args:
        theta_length: how many parameters weights depend on.
        discrete: whether time goes in steps.
        name: what traces are called in the keep.
    """

    def __init__(
        self, *, theta_length: int = 0, discrete: bool = False, name: str | None = None
    ) -> None:
        self._theta_length, self._discrete, self._name = theta_length, discrete, name
        self._states: list[object] = []
        self._initial: list[list[float]] = []  # by vertex, what is to be added up
        self._numbers: dict[Hashable, int] = {}
        self._edges: list[tuple[int, int]] = []
        self._weights: list[tuple[float, Sequence[float]]] = []

    def add_vertex(self, state: Any = None, initial: float = 0.0) -> int:
        """A new vertex; its number. `initial` is the probability of beginning there."""
        label = tuple(state) if isinstance(state, list | np.ndarray) else state  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        self._states.append(label)
        self._initial.append([float(initial)])
        if label is not None:
            self._numbers.setdefault(label, len(self._states) - 1)
        return len(self._states) - 1

    def find_or_add_vertex(self, state: Any) -> int:
        """The vertex of a state, new if there is none yet."""
        label = tuple(state) if isinstance(state, list | np.ndarray) else state  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        found = self._numbers.get(label)
        return self.add_vertex(label) if found is None else found

    def add_edge(
        self, source: int, target: int, weight: Any, coefficients: Sequence[float] | None = None
    ) -> None:
        """An edge between vertices.

        Args:
            source: the number of the vertex where it begins.
            target: the number of that where it leads.
            weight: its rate or probability; or, where parameters are all it depends on, the
                coefficients.
            coefficients: what is added for each parameter, besides the weight.
        """
        for vertex in (source, target):
            self._require(vertex)
        self._edges.append((source, target))
        self._weights.append(
            read_weight(weight, coefficients, self._theta_length, self._states[source])
        )

    def add_initial(self, vertex: int, probability: float) -> None:
        """Add to the probability of beginning in a vertex."""
        self._require(vertex)
        self._initial[vertex].append(float(probability))

    def _require(self, vertex: int) -> None:
        if not 0 <= vertex < len(self._states):
            raise InvalidGraph(
                f"There is no vertex {vertex!r}; there are {len(self._states)}, from 0. "
                "add_vertex() gives the number of a new one"
            )

    @abstractmethod
    def build(self) -> object:
        """What is made of them."""

    def drawn(self, *, prune: bool) -> Definition:
        """What the graph is made of, checked."""
        if not self._states:
            raise InvalidGraph(
                "A graph needs a vertex to begin in and one to end in; there is none"
            )
        pairs = np.array(self._edges, np.int64).reshape(-1, 2)
        base = np.array([weight for weight, _ in self._weights], float)
        coefficients = np.array([more for _, more in self._weights], float)
        return define(
            read_states(self._states),
            pairs[:, 0],
            pairs[:, 1],
            base,
            coefficients.reshape(len(pairs), self._theta_length),
            np.array([fsum(parts) for parts in self._initial]),
            discrete=self._discrete,
            name=self._name,
            prune=prune,
        )


def read_weight(
    weight: Any, coefficients: Sequence[float] | None, theta_length: int, state: object
) -> tuple[float, Sequence[float]]:
    """Base and coefficients of an edge."""
    if coefficients is None and np.ndim(weight) == 1:
        weight, coefficients = 0.0, weight
    try:
        base = float(weight)
        given = [0.0] * theta_length if coefficients is None else [*map(float, coefficients)]
    except (TypeError, ValueError, OverflowError):
        raise InvalidGraph(
            f"An edge of state {state!r} has the weight {weight!r} and the coefficients "
            f"{coefficients!r}; expected numbers"
        ) from None
    if len(given) != theta_length:
        raise InvalidGraph(
            f"An edge of state {state!r} has {len(given)} coefficients, and there are "
            f"{theta_length} parameters (theta_length). Give each edge as many as there are "
            "parameters"
        )
    return base, given


def define(  # noqa: PLR0913 - what a graph is made of
    states: States,
    sources: Values,
    targets: Values,
    base: Values,
    coefficients: Values,
    initial: Values,
    *,
    discrete: bool,
    name: str | None,
    prune: bool = False,
) -> Definition:
    """What a graph is made of, checked."""
    edges = assemble(states, sources, targets, base, coefficients, discrete=discrete)
    begins = read_initial(states, initial)
    if prune:
        states, edges, begins = pruned(states, edges, begins)
    check_ways(states, edges, begins)
    return Definition(states, edges, begins, discrete, name or "graph")


@final
class _Explored(Draft):
    """What a callback tells."""

    def build(self) -> Definition:
        """What a graph is made of."""
        return self.drawn(prune=False)


def from_callback(
    callback: Callable[[Any], Iterable[Any]],
    initial: Any,
    *,
    theta_length: int,
    discrete: bool,
    name: str | None,
    most_states: int,
) -> Definition:
    """Explore what can be reached from where the chain begins, a state at a time."""
    given: object = callback
    if not callable(given):
        raise InvalidGraph(
            f"The callback is {given!r}; expected a function of a state that gives a list of "
            "(next_state, weight)"
        )
    draft = _Explored(theta_length=theta_length, discrete=discrete, name=name)
    waiting: list[Any] = []
    for state, probability in read_pairs(initial):
        before = len(waiting)
        vertex = draft.find_or_add_vertex(state)
        if vertex == before:
            waiting.append(state)
        draft.add_initial(vertex, probability)
    done = 0
    while done < len(waiting):
        state = waiting[done]
        for answer in _answers(callback(state), state):
            following, weight, coefficients = _read_edge(answer, state)
            if coefficients is None and np.ndim(weight) == 0 and weight == 0:
                continue  # what never has weight leads nowhere
            vertex = draft.find_or_add_vertex(following)
            if vertex == len(waiting):
                waiting.append(following)
                if vertex >= most_states:
                    raise InvalidGraph(
                        f"More than {most_states:,} states were found, the last of them "
                        f"{following!r}. If there are meant to be so many, pass most_states="
                    )
            draft.add_edge(done, vertex, weight, coefficients)
        done += 1
    return draft.build()


def _answers(given: Any, state: object) -> Iterable[Any]:
    """What a callback gave, if it can be edges at all."""
    try:
        return iter(given)
    except TypeError:
        raise InvalidGraph(
            f"For state {state!r} the callback returned {given!r}; expected a list of "
            "(next_state, weight), empty where the chain ends"
        ) from None


def read_pairs(initial: Any) -> list[tuple[Any, float]]:
    """States and probabilities."""
    pairs: list[tuple[Any, float]]
    try:
        given: list[Any] = [*initial.items()] if isinstance(initial, Mapping) else [*initial]  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
        pairs = [(state, float(probability)) for state, probability in given]
    except (TypeError, ValueError):
        raise InvalidGraph(
            f"initial must be pairs of a state and its probability, such as [((3, 0), 1.0)]; it is "
            f"{initial!r}"
        ) from None
    if not pairs:
        raise InvalidGraph("initial is empty: pass the state that the chain begins in, with 1.0")
    return pairs


def _read_edge(answer: Any, state: object) -> tuple[Any, Any, Any]:
    """Where an edge leads, its weight, and coefficients or None."""
    try:
        following, *weights = answer
    except TypeError:
        weights, following = [], None
    if len(weights) not in (1, 2):
        raise InvalidGraph(
            f"For state {state!r} the callback returned {answer!r}; expected (next_state, weight), "
            "(next_state, coefficients) or (next_state, base, coefficients)"
        )
    return following, weights[0], weights[1] if len(weights) == 2 else None  # noqa: PLR2004


def from_frontier(
    callback: Callable[[Values], Any],
    initial: Any,
    *,
    theta_length: int,
    discrete: bool,
    name: str | None,
    most_states: int,
    known: Any,
) -> Definition:
    """Explore what can be reached, a frontier of states at a time."""
    from emberkeep.phasetype.frontier import explore

    pairs = read_pairs(initial)
    begins = np.array([np.atleast_1d(state) for state, _ in pairs], np.int64)
    rows, sources, targets, base, coefficients = explore(
        callback, begins, theta_length, most_states, known
    )
    states = States(TUPLE, rows)
    parts: dict[tuple[int, ...], list[float]] = {}
    for row, (_, probability) in zip(begins.tolist(), pairs, strict=True):
        parts.setdefault(tuple(row), []).append(probability)
    probabilities = np.zeros(len(rows))
    for number, row in enumerate(rows[: len(begins)].tolist()):
        probabilities[number] = fsum(parts.get(tuple(row), []))
    return define(
        states, sources, targets, base, coefficients, probabilities, discrete=discrete, name=name
    )
